/**
 * A merchant's statement as accounting programs and people take it. The two messages are held to the schemas that their
 * makers publish (SUNDIAL_DATA), and their sums are added up here again. Not checked here: where the sums come from (api.test).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { validateXML } from 'xmllint-wasm';
import type { PaymentRow, Statement } from '../../hub/api/payments.ts';
import { camt053, camt054, statementCsv, statementHtml } from '../../hub/api/statement-forms.ts';
import { statementPdf } from '../../hub/api/statement-pdf.ts';

const forms = suite('forms of a statement');
const AT = 1_800_000_000;
const payee = `0x${'ab'.repeat(20)}`;
const statement: Statement = {
  payee,
  merchant: `Rosa's <b>"Fish" & Chips`,
  from: AT - 86_400,
  to: 2 ** 40 - 1,
  opening: 1_000_004,
  sales: 25_500_004,
  refunds: 500_000,
  fees: 0,
  closing: 26_000_008,
  payments: 7,
  earned: 30_000_000,
  settled: 12_000_000,
  inFlight: 18_000_000,
};
const payment = (more: object): PaymentRow =>
  ({
    id: `0x${'0123456789abcdef'.repeat(4)}`,
    at: AT - 60,
    amount: 4_500_000,
    kind: 'voucher',
    state: 'settled',
    credited: 0,
    channel: 4_294_967_295,
    seq: 4_294_967_295,
    terminal: `0x${'cd'.repeat(20)}`,
    terminalName: 'till <1>',
    payee,
    merchant: statement.merchant,
    ticks: 0,
    position: 9,
    ...more,
  }) as unknown as PaymentRow;
const amounts = (xml: string, of: string): number =>
  [
    ...xml.matchAll(new RegExp(`<${of}>.*?<Amt Ccy="XTS">([\\d.]+)</Amt><CdtDbtInd>(CRDT|DBIT)<`, 'g')),
  ].reduce((sum, [, amount, side]) => sum + (side === 'CRDT' ? 1 : -1) * Math.round(Number(amount) * 1e5), 0);

forms('opening, entries and closing of a camt.053 add up, though each is rounded', () => {
  for (const [opening, sales, refunds] of [
    [1_000_004, 25_500_004, 500_000],
    [4, 4, 0],
    [5, 5, 5],
    [0, 0, 0],
    [2 ** 48 - 1, 0, 9],
  ] as const) {
    const xml = camt053({ ...statement, opening, sales, refunds, closing: opening + sales - refunds }, AT);
    const first = /<Cd>OPBD<\/Cd>.*?<Amt Ccy="XTS">([\d.]+)</.exec(xml)![1]!;
    const last = /<Cd>CLBD<\/Cd>.*?<Amt Ccy="XTS">([\d.]+)</.exec(xml)![1]!;
    const [open, close] = [first, last].map((text) => Math.round(Number(text) * 1e5)) as [number, number];
    assert.is(open + amounts(xml, 'Ntry'), close);
    assert.ok(Math.abs(close - (opening + sales - refunds) / 10) <= 0.5, 'within half of the last digit');
  }
});

forms('names with signs of markup are text in every form', () => {
  for (const text of [
    statementHtml(statement, AT),
    camt053(statement, AT),
    camt054(statement, [payment({})], AT),
  ])
    assert.not.match(text, /<b>|"Fish"|till <1>/);
  assert.match(statementHtml(statement, AT), 'Rosa&#39;s &lt;b&gt;&quot;Fish&quot; &amp; Chips');
  assert.match(statementCsv({ ...statement, merchant: '=1+1' }), `merchant,"'=1+1"`);
});

forms('a camt.054 has every payment that counts, once, and no void', () => {
  const rows = [
    payment({}),
    payment({ state: 'void', amount: 0 }),
    payment({ kind: 'stream', amount: 12_345 }),
  ];
  const xml = camt054(statement, rows, AT);
  assert.is(xml.match(/<Ntry>/g)?.length, 2);
  assert.is(amounts(xml, 'Ntry'), 450_000 + 1_235);
});

const data = join(process.env.SUNDIAL_DATA ?? '', 'iso20022');
const published = process.env.SUNDIAL_DATA !== undefined && existsSync(data) ? forms : forms.skip;
for (const [name, make] of [
  ['camt.053.001.08', () => camt053(statement, AT)],
  [
    'camt.053.001.08',
    () =>
      camt053(
        { ...statement, merchant: undefined, from: 0, opening: 0, sales: 0, refunds: 0, closing: 0 },
        AT,
      ),
  ],
  [
    'camt.054.001.08',
    () => camt054(statement, [payment({}), payment({ kind: 'stream', terminalName: undefined })], AT),
  ],
  ['camt.054.001.08', () => camt054(statement, [], AT)],
] as const)
  published(`the published schema takes it (SUNDIAL_DATA): ${name}`, async () => {
    const schema = readFileSync(join(data, `${name}.xsd`), 'utf8');
    const check = (contents: string) =>
      validateXML({
        xml: { fileName: 'message.xml', contents },
        schema: { fileName: `${name}.xsd`, contents: schema },
      });
    const result = await check(make());
    assert.equal(result.errors, []);
    const broken = await check(make().replace('XTS', 'TIME'));
    assert.not(broken.valid, 'the check can fail');
  });

forms(
  'a PDF says the same as the page, whatever letters a name has, and is the same bytes each time',
  async () => {
    const one = await statementPdf({ ...statement, merchant: '面馆 "Café" (1)' }, AT);
    assert.equal(one, await statementPdf({ ...statement, merchant: '面馆 "Café" (1)' }, AT));
    const text = pdfText(one);
    for (const words of [payee, '?? "Café" (1)', '1.000004', '25.500004', '-0.50', '26.000008', '18.00'])
      assert.ok(text.includes(words), `${words} is not in ${text}`);
    assert.match(Buffer.from(one).toString('latin1'), /^%PDF-1\.[3-7]/);
  },
);

/** The texts of a PDF, one after the other: what its streams show, with nothing of the library that made it. */
function pdfText(bytes: Uint8Array): string {
  const raw = Buffer.from(bytes);
  let found = '';
  for (let at = raw.indexOf('stream\n'); at >= 0; at = raw.indexOf('stream\n', at + 1)) {
    const end = raw.indexOf('\nendstream', at);
    if (raw.subarray(at - 3, at).toString() === 'end' || end < 0) continue;
    const body = inflateSync(raw.subarray(at + 'stream\n'.length, end)).toString('latin1');
    for (const [, shown] of body.matchAll(/\[(.*?)\] TJ/g)) {
      for (const [, hex] of shown!.matchAll(/<([0-9a-f]+)>/g))
        found += Buffer.from(hex!, 'hex').toString('latin1');
      found += '\n';
    }
  }
  return found;
}

forms.run();
