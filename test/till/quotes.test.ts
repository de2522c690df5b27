/**
 * Prices in another currency: what they come to against fractions of our own, what is signed against viem, bounds at their
 * ends, and a till and a wearable as processes that sell, give back and crash in euros.
 *
 * Not checked here: where rates come from, and whether they are right; what a hub makes of it (`npm run till`).
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hashStruct, hashTypedData } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import {
  checkQuote,
  comesTo,
  priceText,
  quoteDigest,
  quoteFor,
  quoteHash,
  quoteSigner,
  readQuotes,
  unitsOf,
} from '../../hardware/boards/node/till/quotes.ts';
import { checkReceipt } from '../../hardware/boards/node/till/receipts.ts';
import type { Quote } from '../../hardware/boards/node/till/schema.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { Random } from '../../simulators/stage/world/random.ts';
import { Bench, CLI } from './bench.ts';

/** The workbench's. */
const VAULT = `0x${'be'.repeat(20)}` as const;
const CHAIN = 31337;
const signing = makeSigning(nobleSuite, { chainId: CHAIN, vault: fromHex(VAULT, 20) });
const SECRET = `0x${'51'.repeat(32)}` as const;
const signer = nobleKey(fromHex(SECRET, 32));
const AT = 1_800_000_000;

const signed = async (change: Partial<Quote> = {}): Promise<Quote> => {
  const { signature: _, ...fields } = {
    ...{
      currency: 'EUR',
      digits: 2,
      rate: '1.0875',
      source: 'a bank',
      from: AT,
      until: AT + 3600,
      signature: '',
    },
    ...change,
  };
  return { ...fields, signature: toHex(await signer.sign(quoteDigest(signing, fields))) };
};

const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return String((error as { code?: string }).code ?? error);
  }
  return 'done';
};

test('what a price comes to: the nearest unit, for drawn rates, against long division', () => {
  const random = new Random(20261201);
  for (let n = 0; n < 2000; n++) {
    const digits = random.below(5);
    const whole = random.below(100);
    const decimals = random.below(13);
    const fraction = Array.from({ length: decimals }, () => random.below(10)).join('');
    const rate = fraction === '' ? String(whole + 1) : `${whole}.${fraction}`;
    if (!/[1-9]/.test(rate)) continue;
    const smallest = 1 + random.below(10_000_000);
    const quote = { currency: 'EUR', digits, rate, source: 'x', from: 0, until: 1 };
    // smallest * rate * 10^6 / 10^digits, digit by digit of the rate.
    let [above, below] = [0n, 1n];
    for (const letter of rate.replace('.', '')) above = above * 10n + BigInt(letter);
    for (let i = 0; i < fraction.length + digits; i++) below *= 10n;
    above *= BigInt(smallest) * 1_000_000n;
    const floor = above / below;
    const near = 2n * (above % below) >= below ? floor + 1n : floor;
    for (const [rounding, wanted] of [
      ['half', near],
      ['down', floor],
    ] as const)
      if (wanted === 0n || wanted >= 2n ** 48n)
        assert.is(
          codeOf(() => unitsOf(quote, smallest, rounding)),
          'price_out_of_range',
        );
      else assert.is(unitsOf(quote, smallest, rounding), Number(wanted), `${smallest} at ${rate}, ${digits}`);
  }
});

test('amount and tip come to their sum, rounded once; nothing is above 48 bits', async () => {
  const quote = await signed({ rate: '0.333333' });
  for (const [amount, tip] of [
    [450, 45],
    [1, 1],
    [100, 0],
    [999, 1],
  ] as const) {
    const price = { amount, tip, quote };
    const parts = comesTo(price);
    assert.is(parts.amount + parts.tip, unitsOf(quote, amount + tip));
    assert.ok(parts.tip >= 0 && (tip > 0 || parts.tip === 0));
  }
  const even = { currency: 'EUR', digits: 0, rate: '1', source: 'x', from: 0, until: 1 };
  assert.is(unitsOf({ ...even, rate: '0.000001' }, 2 ** 48 - 1), 2 ** 48 - 1);
  assert.is(
    codeOf(() => unitsOf({ ...even, rate: '0.000001' }, 2 ** 48)),
    'price_out_of_range',
  );
  assert.equal(
    [priceText({ currency: 'EUR', digits: 2 }, 5), priceText({ currency: 'JPY', digits: 0 }, 450)],
    ['0.05 EUR', '450 JPY'],
  );
});

test('any wallet signs one: hash and digest are those of EIP-712', async () => {
  const quote = await signed();
  const types = {
    Quote: (
      [
        ['string', 'currency'],
        ['uint8', 'digits'],
        ['string', 'rate'],
        ['string', 'source'],
        ['uint40', 'from'],
        ['uint40', 'until'],
      ] as const
    ).map(([type, name]) => ({ type, name })),
  };
  const { signature: _, ...message } = quote;
  const domain = { name: 'Sundial', version: '1', chainId: CHAIN, verifyingContract: VAULT };
  assert.is(toHex(quoteHash(signing, quote)), hashStruct({ primaryType: 'Quote', types, data: message }));
  const digest = hashTypedData({ domain, primaryType: 'Quote', types, message });
  assert.is(toHex(quoteDigest(signing, quote)), digest);
  assert.is(toHex(quoteSigner(signing, quote)!), privateKeyToAccount(SECRET).address.toLowerCase());
});

test('a quote that is none is refused, and it counts from its first second to before its last', async () => {
  checkQuote(signing, await signed({ until: AT + 7 * 86_400 }), signer.address);
  const bad = async (change: Partial<Quote>) =>
    assert.is(
      codeOf(() => checkQuote(signing, { ...longest, ...change }, signer.address)),
      'bad_quote',
    );
  const longest = await signed({ until: AT + 7 * 86_400 });
  await bad({ rate: '1.0876' });
  await bad({ source: 'another bank' });
  await bad({ until: longest.until - 1 });
  assert.is(
    codeOf(() => checkQuote(signing, longest, fromHex(VAULT, 20))),
    'bad_quote',
    'a stranger signed it',
  );
  for (const change of [{ until: AT + 7 * 86_400 + 1 }, { until: AT }, { digits: 3 }, { currency: 'JPY' }])
    assert.is(
      codeOf(() => void checkQuote(signing, { ...longest, ...change })),
      'bad_quote',
      JSON.stringify(change),
    );
  assert.is(
    codeOf(() => checkQuote(signing, longest)),
    'done',
  );

  const quotes = [
    await signed(),
    await signed({ from: AT + 60, rate: '2' }),
    await signed({ currency: 'JPY', digits: 0 }),
  ];
  assert.is(
    codeOf(() => quoteFor(quotes, 'EUR', AT - 1)),
    'quote_over',
  );
  assert.is(quoteFor(quotes, 'EUR', AT).rate, '1.0875');
  assert.is(quoteFor(quotes, 'EUR', AT + 60).rate, '2', 'the newest');
  assert.is(quoteFor(quotes, 'EUR', AT + 3599).currency, 'EUR');
  assert.is(
    codeOf(() => quoteFor(quotes, 'EUR', AT + 3600)),
    'quote_over',
  );
  assert.is(
    codeOf(() => quoteFor(quotes, 'USD', AT)),
    'quote_missing',
  );
});

test('a file holds 16 quotes at most, and what is wrong in it is named', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sundial-quotes-'));
  try {
    const file = join(folder, 'quotes.json');
    const write = (value: unknown) =>
      writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
    const one = await signed();
    write(Array.from({ length: 16 }, () => one));
    assert.is(readQuotes(file, signing, signer.address).length, 16);
    const refused = (what: RegExp) => assert.throws(() => readQuotes(file, signing), what);
    write(Array.from({ length: 17 }, () => one));
    refused(/bad_quote.*16/);
    write('{"half');
    refused(/bad_quote.*JSON/);
    write([{ ...one, rate: '0.000' }]);
    refused(/bad_quote.*0\.rate/);
    write([{ ...one, more: 1 }]);
    refused(/bad_quote.*more/);
    write(`[${' '.repeat(64 * 1024)}]`);
    refused(/bad_quote.*larger/);
    assert.throws(() => readQuotes(join(folder, 'none.json'), signing), /bad_quote.*ENOENT/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

// ---- processes ----

const own = mkdtempSync(join(tmpdir(), 'sundial-quotes-'));
const file = join(own, 'quotes.json');
const key = join(own, 'source.key');
const about = ['--vault', VAULT, '--chain-id', String(CHAIN)];
const quotes = ['--quotes', file, '--quote-signer', privateKeyToAccount(SECRET).address];
const bench = new Bench(...quotes);
test.after(async () => {
  await bench.close();
  rmSync(own, { recursive: true, force: true });
});
let client: Awaited<ReturnType<Bench['client']>>;

async function sundial(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [CLI, ...args]);
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}
const sign = (currency: string, rate: string, ...more: string[]) =>
  sundial(
    'quote',
    'sign',
    '--key',
    key,
    '--currency',
    currency,
    '--rate',
    rate,
    '--source',
    'a bank',
    '--into',
    file,
    ...about,
    '--json',
    ...more,
  );

const refusedWith = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    ({ code }: { code: string }) => code,
  );

test('a till sells in euros; receipt, code, events and report say what it was', async () => {
  writeFileSync(key, SECRET, { mode: 0o600 });
  const { code, out, err } = await sign('EUR', '1.0875');
  assert.is(code, 0, err);
  assert.is(JSON.parse(out).signer, privateKeyToAccount(SECRET).address.toLowerCase());
  client = await bench.client();
  await bench.wearable.start();
  assert.equal(
    (await client.status()).quotes.map(({ currency, rate }) => [currency, rate]),
    [['EUR', '1.0875']],
  );
  const sale = await client.sell(
    { amount: 410, tip: 40, currency: 'EUR', reference: '17' },
    { key: 'euros' },
  );
  // 4.10 and 0.40 at 1.0875.
  assert.equal([sale.state, sale.total, sale.amount, sale.tip], ['approved', 4_893_750, 4_458_750, 435_000]);
  assert.equal(sale.price, { amount: 410, tip: 40, quote: JSON.parse(readFileSync(file, 'utf8'))[0] });
  assert.is(
    (await client.sell({ amount: 410, tip: 40, currency: 'EUR', reference: '17' }, { key: 'euros' })).id,
    sale.id,
  );
  assert.is(
    await refusedWith(client.sell({ amount: 410, tip: 40, reference: '17' }, { key: 'euros' })),
    'key_reused',
  );
  assert.is(
    await refusedWith(client.sell({ amount: 1, currency: 'USD' }, { key: 'dollars' })),
    'quote_missing',
  );

  const text = await client.receipt(sale.id);
  for (const part of [
    /TOTAL +4\.89375 TIME/,
    /Price +4\.10 EUR/,
    /Price of the tip +0\.40 EUR/,
    /1 EUR = 1\.0875 TIME/,
    /Rate by +a bank/,
  ])
    assert.match(text, part);
  const receipt = (await client.receipt(sale.id, 'code')).trim();
  const checked = checkReceipt(receipt);
  assert.equal(
    [checked.amount, checked.price?.amount, checked.price?.quote.rate, checked.price?.part],
    [4_893_750, 450, '1.0875', false],
  );
  assert.is(checked.price?.signer, privateKeyToAccount(SECRET).address.toLowerCase());
  const shown = await sundial('receipt', receipt);
  assert.match(shown.out, /4\.50 EUR[\s\S]*1 EUR = 1\.0875, by a bank/);
  // Another rate, another price, no price: the till signed none of them.
  const [body, quoted] = [receipt.split('.').slice(0, -1).join('.'), receipt.split('.').at(-1)!];
  const parts = JSON.parse(Buffer.from(quoted, 'base64url').toString());
  const forge = (change: (parts: unknown[]) => void): string => {
    const copy = [...parts];
    change(copy);
    return `${body}.${Buffer.from(JSON.stringify(copy)).toString('base64url')}`;
  };
  for (const forged of [
    forge((parts) => (parts[3] = '1.0876')),
    forge((parts) => (parts[4] = 'the best bank')),
    forge((parts) => (parts[0] = 400)),
    forge((parts) => parts.pop()),
    body.replace(':2.', ':1.'),
    `${body}.`,
    receipt.replace(':2.', ':1.'),
  ])
    assert.throws(() => checkReceipt(forged), /bad_receipt/, forged);

  assert.equal((await client.report()).priced, { EUR: { count: 1, digits: 2, sum: 450, units: 4_893_750 } });
  for await (const event of client.events({ after: 0 }))
    if (event.type === 'sale.opened') {
      assert.is(event.price?.quote.rate, '1.0875');
      break;
    }
});

test('money goes back by the rate of the sale: parts are rounded down, all is all', async () => {
  const [sale] = await client.sales({ key: 'euros' });
  assert.is(
    await refusedWith(client.refund(sale!.id, 100, { key: 'yen', currency: 'JPY' })),
    'wrong_currency',
  );
  const one = await client.refund(sale!.id, 33, { key: 'a third', currency: 'EUR' });
  assert.is(one.credits.at(-1)!.amount, 358_875);
  assert.is((await client.refund(sale!.id, 33, { key: 'a third', currency: 'EUR' })).credits.length, 1);
  const all = await client.refund(sale!.id, undefined, { key: 'the rest' });
  assert.is(
    all.credits.reduce((sum, { amount }) => sum + amount, 0),
    4_893_750,
  );
  const hold = await client.sell({ amount: 300, currency: 'EUR', hold: true }, { key: 'hold' });
  const captured = await client.capture(hold.id, 300, { key: 'capture', currency: 'EUR' });
  assert.equal([captured.state, captured.captured], ['approved', 3_262_500]);
});

test('a till that dies between money and books knows a payment in euros again', async () => {
  for (const [point, outcome] of [
    ['persist:answered', 'failed'],
    ['till:sale.approved', 'approved'],
  ] as const) {
    bench.till.tell({ haltAt: point });
    const from = bench.till.lines.length;
    const selling = client.open({ amount: 100, currency: 'EUR' }, { key: point }).catch(() => undefined);
    await bench.till.next('halted', from);
    await bench.till.end();
    await selling;
    client = await bench.client();
    const [sale] = await client.sales({ key: point });
    assert.equal([sale?.state, sale?.price?.amount], [outcome, 100], point);
    if (outcome === 'failed') {
      // What the customer signed is given back to who comes again; the next sale is another one.
      const again = await client.sell({ amount: 100, currency: 'EUR' }, { key: `${point} again` });
      assert.is(again.state, 'approved');
    }
  }
});

test('a newer file counts at once; what is over, or can not be read, sells nothing and is said', async () => {
  await sign('JPY', '0.006612345');
  assert.equal(
    (await client.status()).quotes.map(({ currency }) => currency),
    ['EUR', 'JPY'],
  );
  const yen = await client.sell({ amount: 150, currency: 'JPY' }, { key: 'yen' });
  assert.equal([yen.state, yen.total], ['approved', 991_852]);
  // One that counts for a second and a bit.
  await sign('EUR', '1.1', '--hours', '0.0003');
  while ((await client.status()).quotes.some(({ currency }) => currency === 'EUR'));
  assert.is(await refusedWith(client.sell({ amount: 100, currency: 'EUR' }, { key: 'late' })), 'quote_over');
  writeFileSync(file, '[');
  assert.match((await client.status()).quoteTrouble!, /bad_quote/);
  assert.is(
    await refusedWith(client.sell({ amount: 100, currency: 'JPY' }, { key: 'damaged' })),
    'bad_quote',
  );
  assert.is(
    (await client.sell({ amount: 1_000_000 }, { key: 'TIME' })).state,
    'approved',
    'it goes on in TIME',
  );
});

test('sundial quote: what is wrong is named', async () => {
  rmSync(file);
  for (const [code, ...args] of [
    ['bad_quote', 'EUR', '0'],
    ['bad_quote', 'EUR', 'much'],
    ['bad_quote', 'euro', '1'],
    ['bad_quote', 'EUR', '1', '--hours', '169'],
    ['bad_quote', 'EUR', '1', '--hours', '0'],
    ['bad_quote', 'EUR', '1', '--source', 'grün'],
  ] as const) {
    const { code: exit, err } = await sign(args[0], args[1], ...args.slice(2));
    assert.is(exit, 1, args.join(' '));
    assert.is(JSON.parse(err).error.code, code, err);
  }
  await sign('EUR', '1', '--hours', '168');
  const { out } = await sundial('quote', 'check', file, ...about, '--json');
  const [found] = JSON.parse(out).quotes;
  assert.equal(
    [found.currency, found.counts, found.signer],
    ['EUR', true, privateKeyToAccount(SECRET).address.toLowerCase()],
  );
  const stranger = await sundial('pos', '--quotes', file, '--quote-signer', VAULT, '--json');
  assert.match(stranger.err, /bad_quote.*somebody else/);
});

test.run();
