/**
 * Runs hunted seeds one after the other and says so on stdout, a line of JSON a seed. Arguments: first seed, step,
 * last seed, milliseconds, and `stop` to end at the first violation, or `real` for real signatures.
 */
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { hunt } from '../scenarios/hunt.ts';
import { realSuite, standInSuite } from '../stage/world/suite.ts';

const [first, step, last, milliseconds, mode] = process.argv.slice(2);
const endMs = Date.now() + Number(milliseconds);
for (let seed = Number(first); seed <= Number(last) && Date.now() < endMs; seed += Number(step)) {
  const found = await hunt(seed, mode === 'real' ? realSuite(loadCrypto().suite) : standInSuite());
  process.stdout.write(`${JSON.stringify(found)}\n`);
  if (mode === 'stop' && found.violation !== undefined) break;
}
