/**
 * A till's business with real processes: sales, holds, refunds, training and days over its API; killed between any two
 * things that it stores, it says once how each sale ended; receipts are checked by viem, which shares no code with us.
 *
 * Not checked here: what a hub makes of it (`npm run till`), the page (page.test.ts), printers.
 */
import { execFile } from 'node:child_process';
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { units } from 'sundial/pos';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  encodeAbiParameters,
  hashStruct,
  hashTypedData,
  keccak256,
  recoverTypedDataAddress,
  stringToHex,
  zeroHash,
} from 'viem';
import { checkReceipt } from '../../hardware/boards/node/till/receipts.ts';
import { event as eventSchema, sale as saleSchema } from '../../hardware/boards/node/till/schema.ts';
import { Bench, CLI } from './bench.ts';

const benches: Bench[] = [];
const bench = (...args: string[]): Bench => {
  const made = new Bench(...args);
  benches.push(made);
  return made;
};
test.after(async () => {
  await Promise.all(benches.map((one) => one.close()));
});

/** The code that it is refused with. */
async function refusedWith(act: Promise<unknown>): Promise<string> {
  try {
    await act;
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'done';
}

test('the example of twenty lines sells, prints a receipt and gives money back', async () => {
  const own = bench();
  const { url, token } = await own.open();
  await own.wearable.start();
  const example = join('hardware', 'boards', 'node', 'till', 'example.mjs');
  assert.ok(readFileSync(example, 'utf8').trimEnd().split('\n').length <= 21);
  const { stdout } = await promisify(execFile)(process.execPath, [example, url, token]);
  assert.match(stdout, /RECEIPT[\s\S]*table 7[\s\S]*TOTAL +5\.00 TIME[\s\S]*1\.00 went back/);
});

const shop = bench('--receipt-head', join(process.cwd(), 'test', 'till', 'head.txt'));
let client: Awaited<ReturnType<Bench['client']>>;

test('a key is good for one act, a till for one open sale', async () => {
  client = await shop.client();
  const order = { amount: units('4.50'), tip: units('0.50'), reference: 'table 7' };
  const open = await client.open(order, { key: 'a' });
  assert.equal([open.state, open.total, open.id], ['open', 5_000_000, '1']);
  assert.is((await client.open(order, { key: 'a' })).id, open.id);
  assert.is(await refusedWith(client.open({ ...order, tip: 0 }, { key: 'a' })), 'key_reused');
  assert.is(await refusedWith(client.open(order, { key: 'b' })), 'sale_open');
  assert.is(await refusedWith(client.open(order, {} as never)), 'key_missing');
  assert.is(await refusedWith(client.open({ amount: 0 }, { key: 'b' })), 'bad_field');
  assert.is(await refusedWith(client.open({ amount: 1.5 }, { key: 'b' })), 'bad_field');
  assert.is(await refusedWith(client.train(true)), 'sale_open');
  assert.is(await refusedWith(client.closeDay()), 'sale_open');
  assert.is(await refusedWith(client.refund(open.id, undefined, { key: 'c' })), 'sale_not_approved');
  const gone = await client.cancel(open.id);
  assert.equal([gone.state, gone.reason], ['failed', 'cancelled']);
  assert.is((await client.open(order, { key: 'a' })).state, 'failed');
});

test('a sale is paid, given back in parts and never more than it was', async () => {
  await shop.wearable.start();
  const sale = await client.sell({ amount: units('4.50'), reference: 'order 1' }, { key: 'd' });
  assert.is(sale.state, 'approved');
  // Another one on the same lane: the first no longer stands last there.
  assert.is((await client.sell({ amount: units('1') }, { key: 'e' })).state, 'approved');
  const part = await client.refund(sale.id, units('1.50'), { key: 'f' });
  assert.equal(
    part.credits.map(({ state, amount }) => [state, amount]),
    [['done', 1_500_000]],
  );
  assert.is((await client.refund(sale.id, units('1.50'), { key: 'f' })).credits.length, 1);
  assert.is(await refusedWith(client.refund(sale.id, units('3.01'), { key: 'g' })), 'refund_too_large');
  assert.is(await refusedWith(client.refund(sale.id, units('1'), { key: 'd' })), 'key_reused');
  const rest = await client.refund(sale.id, undefined, { key: 'h' });
  assert.equal(
    rest.credits.map(({ amount }) => amount),
    [1_500_000, 3_000_000],
  );
  assert.is(await refusedWith(client.refund(sale.id, undefined, { key: 'i' })), 'refund_too_large');
  assert.is(await refusedWith(client.refund('999', undefined, { key: 'i' })), 'sale_unknown');
  assert.equal(
    (await client.sales({ key: 'd' })).map(({ id }) => id),
    [sale.id],
  );
  assert.equal(
    (await client.sales({ reference: 'order 1' })).map(({ id }) => id),
    [sale.id],
  );
});

test('a hold is captured once, for what it was or less', async () => {
  const hold = await client.sell({ amount: units('6'), hold: true }, { key: 'hold' });
  assert.is(await refusedWith(client.refund(hold.id, undefined, { key: 'j' })), 'capture_first');
  assert.is(await refusedWith(client.capture(hold.id, units('6.01'), { key: 'j' })), 'capture_too_large');
  assert.is((await client.report()).held.sum, 6_000_000);
  const captured = await client.capture(hold.id, units('2'), { key: 'j' });
  assert.equal([captured.captured, captured.credits[0]!.amount], [2_000_000, 4_000_000]);
  assert.is((await client.capture(hold.id, units('2'), { key: 'j' })).credits.length, 1);
  assert.is(await refusedWith(client.capture(hold.id, units('2'), { key: 'k' })), 'not_a_hold');
  const back = await client.refund(hold.id, undefined, { key: 'k' });
  assert.equal(
    back.credits.map(({ amount }) => amount),
    [4_000_000, 2_000_000],
  );
  const whole = await client.sell({ amount: units('1'), hold: true }, { key: 'whole' });
  assert.is((await client.capture(whole.id, units('1'), { key: 'l' })).captured, 1_000_000);
  assert.is((await client.report()).held.count, 0);
});

test('in training nothing is asked for, and nothing counts', async () => {
  await client.train(true);
  const before = await client.report();
  const played = await client.sell({ amount: units('100') }, { key: 'train' });
  assert.equal([played.state, played.training, played.payment], ['approved', true, undefined]);
  await client.refund(played.id, undefined, { key: 'train back' });
  const [real] = await client.sales({ key: 'whole' });
  assert.is(await refusedWith(client.refund(real!.id, undefined, { key: 'real back' })), 'training');
  assert.match(await client.receipt(played.id), /TRAINING/);
  assert.equal({ ...(await client.report()), training: before.training }, before);
  assert.is((await client.report()).training.sum, 100_000_000);
  await client.train(false);
});

test('the receipt holds what the till signed: viem finds it good, and a changed one bad', async () => {
  const sale = (await client.sales({ key: 'e' }))[0]!;
  const status = await client.status();
  const text = await client.receipt(sale.id);
  for (const part of ['Corner shop', 'Tax no. 12/345', 'TOTAL', sale.payment!.voucher.slice(0, 42)])
    assert.ok(text.includes(part), part);
  assert.ok(text.split('\n').every((line: string) => line.length <= 42));
  assert.match(await client.receipt(sale.id, 'text', 'merchant'), /MERCHANT'S COPY/);
  const html = await client.receipt(sale.id, 'html');
  assert.match(html, /<svg/);
  const printed = new Uint8Array(await client.receipt(sale.id, 'escpos'));
  assert.equal([...printed.slice(0, 2), ...printed.slice(-4)], [0x1b, 0x40, 0x1d, 0x56, 0x42, 0]);
  const code = (await client.receipt(sale.id, 'code')).trim();
  assert.ok(Buffer.from(printed).includes(code), 'the printer gets the same code');
  const checked = checkReceipt(code);
  assert.equal([checked.amount, checked.voucher], [1_000_000, sale.payment!.voucher]);

  // The same with another's code, from what the API tells.
  const { challenge, total } = sale;
  const payment = sale.payment!;
  const hex = (text: string) => text as `0x${string}`;
  const domain = {
    name: 'Sundial',
    version: '1',
    chainId: status.chainId,
    verifyingContract: hex(status.vault),
  } as const;
  const detail = keccak256(
    encodeAbiParameters(
      [{ type: 'bytes32' }, { type: 'bytes16' }, { type: 'bytes32' }, { type: 'bytes32' }],
      [keccak256(stringToHex('TIME')), hex(challenge), zeroHash, zeroHash],
    ),
  );
  const field = (type: string, name: string) => ({ type, name });
  const request = hashStruct({
    primaryType: 'Request',
    types: {
      Request: [
        field('address', 'terminal'),
        field('uint48', 'amount'),
        field('uint40', 'at'),
        field('bytes32', 'detail'),
      ],
    },
    data: { terminal: status.address, amount: total, at: payment.at, detail },
  });
  const { channel, seq, spent, paid, lanes } = payment;
  const voucher = hashTypedData({
    domain,
    primaryType: 'Voucher',
    types: {
      Voucher: [
        field('uint32', 'channel'),
        field('uint32', 'seq'),
        field('uint48', 'spent'),
        field('address', 'payee'),
        field('uint48', 'paid'),
        field('bytes16', 'lanes'),
        field('bytes32', 'request'),
      ],
    },
    message: { channel, seq, spent, payee: status.payee, paid, lanes, request },
  });
  assert.is(voucher, payment.voucher);
  const compact = Buffer.from(payment.receipt.slice(2), 'hex');
  const parity = compact[32]! >> 7;
  compact[32]! &= 0x7f;
  const signer = await recoverTypedDataAddress({
    domain,
    primaryType: 'Receipt',
    types: { Receipt: [field('bytes32', 'voucher')] },
    message: { voucher },
    signature: `0x${compact.toString('hex')}${parity === 0 ? '1b' : '1c'}`,
  });
  assert.is(signer.toLowerCase(), status.address);

  const body = Buffer.from(code.split('.').at(-1)!, 'base64url');
  for (let at = 0; at < body.length; at++) {
    const changed = Buffer.from(body);
    changed[at]! ^= 1;
    const forged = [...code.split('.').slice(0, -1), changed.toString('base64url')].join('.');
    assert.throws(() => checkReceipt(forged), /bad_receipt|field_range|range/, `byte ${at}`);
  }
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'receipt', code, '--json']);
  assert.equal(JSON.parse(stdout), { ok: true, ...checked });
  for (const text of ['', 'x', code.slice(0, -1), code.replace('TIME', 'EUR')])
    assert.throws(() => checkReceipt(text), /bad_receipt/);
});

test('the day is closed, and its report adds up', async () => {
  const open = await client.report();
  const z = await client.closeDay();
  const { closedAt, ...rest } = z;
  assert.equal(rest, open);
  assert.ok(closedAt! >= z.openedAt);
  const sums = { sales: z.sales, refunds: z.refunds, released: z.released, net: z.net };
  assert.equal(sums, {
    sales: { count: 4, sum: 12_500_000 },
    refunds: { count: 3, sum: 6_500_000 },
    released: { count: 1, sum: 4_000_000 },
    net: 2_000_000,
  });
  assert.equal([z.failed, z.waiting.count], [{ cancelled: 1 }, 4]);
  assert.equal((await client.days())[0], z);
  assert.is((await client.report()).sales.count, 0);
  // A refund of yesterday's sale counts today.
  const sale = (await client.sales({ key: 'e' }))[0]!;
  await client.refund(sale.id, units('0.25'), { key: 'late' });
  assert.equal((await client.report()).net, -250_000);
});

test('events are told once and in order, whoever went away; each fits the one schema', async () => {
  const { lastEvent } = await client.status();
  const seen: { id: number; type: string }[] = [];
  for (const end of [Math.floor(lastEvent / 2), lastEvent])
    for await (const event of client.events({ after: seen.at(-1)?.id ?? 0 })) {
      seen.push(event);
      if (event.id === end) break;
    }
  assert.equal(
    seen.map(({ id }) => id),
    Array.from({ length: lastEvent }, (_, index) => index + 1),
  );
  for (const event of seen) eventSchema.parse(event);
  const printed = shop.till.lines.filter(({ id }) => id !== undefined);
  assert.equal(
    printed.map(({ device: _, event: __, text: ___, ...event }) => event),
    seen,
    'the JSON lines say the same',
  );
  for (const sale of await client.sales()) saleSchema.parse(sale);
  const gone = client.events({ after: lastEvent + 5 }).next();
  assert.is(await refusedWith(gone), 'events_gone');
});

test('nobody gets in without the token, and a page that is none is named', async () => {
  const { url } = (await shop.till.next('api')) as { url: string };
  for (const [path, status] of [
    ['/v1/till', 401],
    ['/v1/events', 401],
    ['/nowhere', 404],
    ['/%zz', 400],
  ] as const) {
    const response = await fetch(`${url}${path}`, { headers: { authorization: 'Bearer wrong' } });
    assert.is(response.status, status, path);
    assert.match(response.headers.get('content-type')!, /problem\+json/);
    const { code, remedy } = (await response.json()) as Record<string, string>;
    assert.ok(code && remedy);
  }
  const description = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: object };
  assert.ok(Object.keys(description.paths).includes('/v1/sales/{id}/refunds'));
});

test('a customer who has less pays a part, and the receipt says what is left', async () => {
  const own = bench();
  const client = await own.client();
  await own.wearable.start();
  const { lastEvent } = await client.status();
  const open = await client.open({ amount: units('8'), tip: units('1') }, { key: 'too much' });
  for await (const event of client.events({ after: lastEvent }))
    if (event.type === 'sale.refused') {
      assert.equal([event.code, event.most], ['over_tap_limit', 7_000_000]);
      break;
    }
  assert.is(await refusedWith(client.part(open.id, units('9.01'))), 'part_too_large');
  const part = await client.part(open.id, (await client.sale(open.id)).most!);
  assert.is(part.total, 7_000_000);
  const paid = await client.ended(open.id);
  assert.equal([paid.state, paid.total], ['approved', 7_000_000]);
  assert.match(await client.receipt(open.id), /Asked +9\.00 TIME\n(.*\n)*Not paid here +2\.00 TIME/);
  assert.is(await refusedWith(client.part(open.id, units('1'))), 'sale_over');
  checkReceipt((await client.receipt(open.id, 'code')).trim());
  assert.equal((await client.report()).tips, 0);
});

/** Where the till is cut, and what the sale then is. */
const CUTS = [
  ['till:sale.opened', undefined],
  ['notify:requested', 'interrupted'],
  ['persist:answered', 'interrupted'],
  ['till:sale.approved', 'approved'],
  ['notify:approved', 'approved'],
  ['send:receipt', 'approved'],
] as const;

test('cut before anything that it stores or says, it tells one end of the sale, and takes the money once', async () => {
  const own = bench();
  let till = await own.client();
  await own.wearable.start();
  let spent = 0;
  for (const [point, outcome] of CUTS) {
    own.till.tell({ haltAt: point });
    const from = own.till.lines.length;
    const paidFrom = own.wearable.lines.length;
    const selling = till.open({ amount: units('1') }, { key: point }).catch(() => undefined);
    await own.till.next('halted', from);
    await own.till.end();
    await selling;
    till = await own.client();
    const [sale] = await till.sales({ key: point });
    assert.is(sale?.reason ?? sale?.state, outcome, point);
    // Whoever is not sure asks again with the same key.
    const again = await till.sell({ amount: units('1') }, { key: point });
    assert.is(again.state, outcome === 'interrupted' ? 'failed' : 'approved', point);
    if (again.state === 'approved') spent += 1;
    // The receipt is repeated to who comes back: before the next cut.
    if (again.state === 'approved') await own.wearable.next('paid', paidFrom);
    const ends: string[] = [];
    const { lastEvent } = await till.status();
    for await (const event of till.events({ after: 0 })) {
      const isEnd = event.type === 'sale.approved' || event.type === 'sale.failed';
      if (isEnd && event.sale === again.id) ends.push(event.type);
      if (event.id === lastEvent) break;
    }
    assert.is(ends.length, 1, `${point}: ${ends}`);
  }
  const { sales } = await till.report();
  assert.equal(sales, { count: spent, sum: spent * 1_000_000 });
});

test('cut anywhere in a refund, it goes on with it and gives back once', async () => {
  const own = bench();
  let till = await own.client();
  await own.wearable.start();
  const { id } = await till.sell({ amount: units('5') }, { key: 'sold' });
  await till.sell({ amount: units('1') }, { key: 'later' });
  const points = ['till:credit.opened', 'persist:waitingCredit', 'till:credit.done'];
  for (const [index, point] of points.entries()) {
    own.till.tell({ haltAt: point });
    const from = own.till.lines.length;
    const giving = till.refund(id, units('1'), { key: point }).catch(() => undefined);
    await own.till.next('halted', from);
    await own.till.end();
    await giving;
    till = await own.client();
    const after = await till.refund(id, units('1'), { key: point });
    assert.equal(
      after.credits.map(({ state }) => state),
      Array.from({ length: index + 1 }, () => 'done'),
      point,
    );
  }
  const { refunds } = await till.report();
  assert.equal(refunds, { count: 3, sum: 3_000_000 });
});

test('a torn end of its file is cut off, damage before it is refused by name', async () => {
  const own = bench();
  let till = await own.client();
  await till.open({ amount: units('1') }, { key: 'one' });
  await till.cancel('1');
  await own.till.end();
  const path = join(own.state, 'till.log');
  const whole = readFileSync(path);
  appendFileSync(path, '01234567 {"id":3,"at');
  till = await own.client();
  assert.is((await till.status()).lastEvent, 2);
  await own.till.end();
  truncateSync(path, whole.length - 3);
  till = await own.client();
  // What was not stored whole never happened: the sale was open, and is over now.
  assert.is((await till.sale('1')).reason, 'interrupted');
  await own.till.end();
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, [lines[0], lines[1]!.replace('sale', 'sole'), ...lines.slice(2)].join('\n'));
  const { stderr } = await promisify(execFile)(
    process.execPath,
    ['tools/sundial.mjs', 'pos', '--state', own.state, '--tap', `unix:${own.folder}/x.sock`, '--json'],
    { encoding: 'utf8' },
  ).catch((error) => error);
  assert.is(JSON.parse(stderr).error.code, 'till_book_damaged');
});

test.run();
