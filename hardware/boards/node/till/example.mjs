// A shop's software and a till, in twenty lines: node example.mjs URL TOKEN
import { connectTill, money, units } from 'sundial/pos';

const [url, token] = process.argv.slice(2);
const till = connectTill({ url, token });

const sale = await till.sell(
  { amount: units('4.50'), tip: units('0.50'), reference: 'table 7' },
  { key: 'order-2026-1147' },
);
if (sale.state !== 'approved') {
  console.error(`not paid: ${sale.code ?? sale.reason}`);
  process.exit(1);
}
console.log(await till.receipt(sale.id));

const { credits } = await till.refund(sale.id, units('1.00'), { key: 'refund-2026-1147-coffee' });
console.log(`${money(credits[0].amount)} went back`);
