/** A payment as its payer keeps it: a page that stands by itself, for a screen, a phone and paper. */
import { amountText } from './amounts.ts';
import type { paymentLife } from './payments.ts';
import { escaped } from './statement-forms.ts';

const STYLE =
  ':root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0}main{max-width:32rem;margin:auto;padding:1rem}' +
  'h1{font-size:1.2rem}.sum{font-size:2rem;font-weight:650;margin:0}table{width:100%;border-collapse:collapse}' +
  'th{text-align:left;font-weight:400;padding:.3rem 1rem .3rem 0;vertical-align:top;white-space:nowrap}' +
  'td{text-align:right;overflow-wrap:anywhere}tr{border-bottom:1px solid #8884}';

/** The page; `at` of the payment in seconds. */
export function receiptHtml(
  hub: string,
  { chainId, vault }: { readonly chainId: number; readonly vault: string },
  { payment, sentence }: Awaited<ReturnType<typeof paymentLife>>,
): string {
  const rows: readonly (readonly [name: string, value: string | undefined])[] = [
    ['Time', `${new Date(payment.at * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`],
    ['Merchant', payment.merchant],
    ['Merchant account', payment.payee],
    ['Till', payment.terminalName],
    ['Till id', payment.terminal],
    ['Promised back', payment.credited > 0 ? `${amountText(payment.credited)} TIME` : undefined],
    ['Channel', `${payment.channel}, payment ${payment.seq}`],
    ['Payment', payment.id],
    ['Ledger', `${hub}, position ${payment.position}`],
    ['Settled in', payment.transaction],
    ['Vault', `${vault} on chain ${chainId}`],
  ];
  const shown = rows
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `<tr><th scope="row">${name}</th><td>${escaped(value!)}</td></tr>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Receipt ${payment.id.slice(0, 10)}</title>
<style>${STYLE}</style></head>
<body><main>
<h1>${payment.state === 'void' ? 'NOT PAID: given back' : 'Receipt'}</h1>
<p class="sum">${amountText(payment.amount)} TIME</p>
<p>${escaped(sentence)}</p>
<table><tbody>
${shown.join('\n')}
</tbody></table>
</main></body></html>
`;
}
