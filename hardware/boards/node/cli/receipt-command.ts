/** `sundial receipt`: is the code on a receipt what a till signed? With no network, and without asking the till. */
import type { Command } from 'commander';
import { priceText } from '../till/quotes.ts';
import { checkReceipt } from '../till/receipts.ts';
import { formatMoney } from './money.ts';
import { fail } from './output.ts';

function run(text: string, { json }: { readonly json: boolean }): void {
  const receipt = checkReceipt(text);
  if (json) {
    process.stdout.write(`${JSON.stringify({ ok: true, ...receipt })}\n`);
    return;
  }
  const { price } = receipt;
  const rows = [
    ['amount', formatMoney(receipt.amount)],
    ...(price === undefined
      ? []
      : [
          [
            'price',
            `${priceText(price.quote, price.amount)}${price.part ? ', of which a part was paid' : ''}`,
          ],
          ['rate', `1 ${price.quote.currency} = ${price.quote.rate}, by ${price.quote.source}`],
          ['signer', `${price.signer} signed the rate: see that it is one you believe`],
        ]),
    ['time', new Date(receipt.at * 1000).toISOString()],
    ['till', receipt.terminal],
    ['payee', receipt.payee],
    ['payment', receipt.voucher],
    ['vault', `${receipt.vault} on chain ${receipt.chainId}`],
  ];
  process.stdout.write('The till signed this:\n');
  for (const [name, value] of rows) process.stdout.write(`  ${name!.padEnd(8)} ${value}\n`);
}

/** Adds `receipt`. */
export function addReceiptCommand(program: Command): void {
  program
    .command('receipt')
    .description('check the code on a receipt: did that till sign it?')
    .argument('<code>', 'its text, sundial-receipt:...')
    .option('--json', 'one JSON object', false)
    .action((text: string, flags: { json: boolean }) => {
      try {
        run(text, flags);
      } catch (error) {
        fail(error);
      }
    });
}
