/** A shop's software in a process of its own, to be killed: sells one order with its key, and prints what it was told. */
import { connectTill } from 'sundial/pos';

const { url, token, sale, key } = JSON.parse(process.argv[2]!);
const till = connectTill({ url, token });
process.stdout.write('{"asking":true}\n');
process.stdout.write(`${JSON.stringify({ told: await till.sell(sale, { key }) })}\n`);
