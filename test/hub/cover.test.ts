/**
 * Rule 20: what is acknowledged and leased while rows of a channel wait on L2, and after they took what the ledger counts on.
 * Batches are read back from their bytes, whatever rows they hold; what nobody's payer signed holds nothing back.
 *
 * Not checked here: what each rule loses when it is dropped (`npm run model:lanes`), a vault that executes (`till/office`).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { announcedLanes } from '../../hub/l2/announced.ts';
import { payeeIdsIn, readBatch } from '../../hub/l2/read-batch.ts';
import { encodeBatch, payeeKey, type Row } from '../../hub/l2/rows.ts';
import type { IntakeEffect } from '../../hub/intake/state.ts';
import { announcedPatch, isTaking, overPatch, waitingLanes } from '../../hub/watch/announced.ts';
import { announcedLanesMax, announcementLife } from '../../hub/limits.ts';
import { toHex, ZERO_ADDRESS } from '../../protocol/bytes.ts';
import { amount, channelId, seq } from '../../protocol/integers.ts';
import { hashChain } from '../../protocol/vouchers.ts';
import {
  Bench,
  context,
  credit,
  FACTS,
  key,
  NOW,
  otherPayee,
  payee,
  payer,
  query,
  type SignedTap,
  signing,
  suite,
  tap,
  tick,
} from './fleet.ts';

const IDS = new Map([
  [payeeKey(payee.address), 1],
  [payeeKey(otherPayee.address), 2],
]);
const ACCOUNTS = new Map([
  [1, payee.address],
  [2, otherPayee.address],
]);
const rowOf = ({ message, voucher }: SignedTap, more: Partial<Row> = {}): Row => {
  const { signature, key: publicKey } = message as unknown as { signature: Uint8Array; key?: Uint8Array };
  return { voucher, signature, ...(publicKey && { key: publicKey }), ...more };
};
/** A payment that no terminal handed in, to the other payee. */
const invented = (paid: number, more: Partial<Parameters<typeof tap>[0]> = {}) =>
  tap({ seq: 90, amount: paid, spent: paid, paid, payee: otherPayee, ...more });
const lanesOf = (...rows: Row[]) => announcedLanes(signing, encodeBatch(rows, IDS), ACCOUNTS);
const kinds = (effects: readonly IntakeEffect[]) => effects.map(({ type }) => type);
const first = (paid: number, more: Partial<Parameters<typeof tap>[0]> = {}) =>
  tap({ seq: 1, amount: paid, spent: paid, paid, ...more });

test('a batch is read back as it was written', async () => {
  const seed = suite.keccak256(Uint8Array.of(1));
  const stream = await first(0, { stream: { tickValue: 5, ticks: 9, seed } });
  const list = [{ payee: otherPayee.address, paid: amount(30) }];
  const opened = {
    terminal: payee.address,
    amount: 70,
    at: NOW,
    detail: new Uint8Array(32).fill(3),
  };
  const rows: Row[] = [
    rowOf(await first(70)),
    rowOf(await first(70, { seq: 2, list }), { list }),
    rowOf(await first(70, { seq: 3, list })),
    rowOf(stream, { reveal: { k: 4, preimage: hashChain(suite, seed, 5) } }),
    rowOf(await first(70), { opened, credit: { credited: 7, signature: new Uint8Array(64).fill(9) } }),
    rowOf(await first(70), {
      key: new Uint8Array(64).fill(4),
      acknowledgement: { position: 2 ** 40, at: NOW, signature: new Uint8Array(64).fill(8) },
    }),
  ];
  const bytes = encodeBatch(rows, IDS);
  assert.equal(payeeIdsIn(bytes), [1, 2]);
  assert.equal(readBatch(suite, bytes, ACCOUNTS), rows);
  for (let end = 0; end < bytes.length; end++) {
    const cut = bytes.slice(0, end);
    // Cut between two rows it is a batch, too.
    try {
      assert.equal(readBatch(suite, cut, ACCOUNTS), rows.slice(0, readBatch(suite, cut, ACCOUNTS).length));
    } catch (error) {
      assert.match((error as { code?: string }).code ?? '', /wrong_length|bad_parts/);
    }
    assert.ok(announcedLanes(signing, cut, ACCOUNTS).length <= rows.length + 1);
  }
});

test('lanes of an announcement: own, listed, ticks; who signed them', async () => {
  const list = [{ payee: otherPayee.address, paid: amount(30) }];
  const seed = suite.keccak256(Uint8Array.of(2));
  const stream = await first(0, { stream: { tickValue: 5, ticks: 9, seed }, seq: 2 });
  const shown = { k: 4, preimage: hashChain(suite, seed, 5) };
  const lanes = lanesOf(
    rowOf(await first(70, { list }), { list }),
    rowOf(stream, { reveal: shown }),
    rowOf(stream, { reveal: { ...shown, k: 3 } }),
    rowOf(stream, { reveal: { ...shown, k: 10 } }),
    rowOf(await first(70), {
      opened: { terminal: payee.address, amount: 70, at: NOW, detail: new Uint8Array(32) },
      credit: { credited: 7, signature: new Uint8Array(64) },
    }),
  );
  assert.equal(
    lanes.map(({ payee: to, top }) => [toHex(to), top]),
    [
      [toHex(payee.address), 70],
      [toHex(otherPayee.address), 30],
      [toHex(payee.address), 20],
    ],
  );
  assert.ok(lanes.every(({ signer }) => toHex(signer!) === toHex(payer.address)));
  // A payee without an id so far: who signed can't be told.
  const early = encodeBatch([rowOf(await first(70))], new Map([[payeeKey(payee.address), 9]]));
  assert.equal(announcedLanes(signing, early, ACCOUNTS), [
    { channel: 7, payee: ZERO_ADDRESS, top: 70, signer: undefined },
  ]);
});

test('what announced rows leave is acknowledged, to the unit, and the rest is kept', async () => {
  const bench = new Bench();
  bench.step({ type: 'announced', lanes: lanesOf(rowOf(await invented(79_999_000))) });
  const fits = await first(1000);
  assert.equal(kinds(bench.send(fits.bytes)), ['acknowledge']);
  const over = await first(1, { seq: 2, spent: 1001, paid: 1001 });
  assert.equal(kinds(bench.send(over.bytes)), ['keep']);
  // Asked again, by whom and how ever, it is the same.
  assert.equal(kinds(bench.send(over.bytes)), ['keep']);
  assert.equal(kinds(bench.send(query(over.id))), ['keep']);
  // A void and a credit take nothing.
  const voided = await tap({ seq: 3, amount: 5, spent: 1006, paid: 1006, answer: 'credit' });
  assert.equal(kinds(bench.send(voided.bytes)), ['acknowledge']);
  assert.equal(kinds(bench.send(await credit(over, 1, payee, true))), ['acknowledge']);
  // Nothing waits any more, and nothing was taken.
  bench.step({ type: 'announced', lanes: [] });
  assert.equal(kinds(bench.send(over.bytes)), ['acknowledge']);
});

test('what L2 has paid is acknowledged whoever announces, and so is all once nothing is left to take', async () => {
  const bench = new Bench();
  const settle = (paid: number, others = 0) =>
    bench.step({
      type: 'channel',
      channel: channelId(7),
      facts: {
        ...FACTS,
        settled: { [toHex(payee.address)]: { paid }, [toHex(otherPayee.address)]: { paid: others } },
      },
    });
  bench.step({ type: 'announced', lanes: lanesOf(rowOf(await invented(79_999_000))) });
  const sale = await first(2000);
  assert.equal(kinds(bench.send(sale.bytes)), ['keep']);
  settle(1999);
  assert.equal(kinds(bench.send(sale.bytes)), ['keep'], 'all but one unit of it is paid');
  settle(2000);
  assert.equal(kinds(bench.send(sale.bytes)), ['acknowledge'], 'however long it waits there');
  const next = await first(1, { seq: 2, spent: 2001, paid: 2001 });
  assert.equal(kinds(bench.send(next.bytes)), ['keep']);
  settle(2000, 79_997_999);
  assert.equal(kinds(bench.send(next.bytes)), ['keep'], 'a unit is left');
  settle(2000, 79_998_000);
  assert.equal(kinds(bench.send(next.bytes)), ['acknowledge'], 'nothing is');
});

test('rows that a stranger signed, or that the ledger has, hold nothing back', async () => {
  const bench = new Bench();
  const stranger = await invented(80_000_000, { payer: key(77) });
  const known = await first(1000);
  bench.step({ type: 'announced', lanes: lanesOf(rowOf(stranger), rowOf(known)) });
  assert.equal(kinds(bench.send(known.bytes)), ['acknowledge']);
  const more = await first(79_999_000, { seq: 2, spent: 80_000_000, paid: 80_000_000 });
  assert.equal(kinds(bench.send(more.bytes)), ['acknowledge']);
});

test('ticks are kept one by one', async () => {
  const bench = new Bench();
  const seed = suite.keccak256(Uint8Array.of(3));
  const stream = await first(0, { stream: { tickValue: 600, ticks: 9, seed } });
  bench.send(stream.bytes);
  bench.step({ type: 'announced', lanes: lanesOf(rowOf(await invented(79_999_000))) });
  assert.equal(kinds(bench.send(tick(stream, seed, 9, 1))), ['acknowledge']);
  assert.equal(kinds(bench.send(tick(stream, seed, 9, 2))), ['keep']);
});

test('nothing is leased on what waits or was taken; a payer whose money is gone is revoked', async () => {
  const bench = new Bench(undefined, { ...context, leaseAnyScope: true });
  const ask = async () => {
    const fields = {
      channel: channelId(7),
      seq: seq(1),
      spent: amount(0),
      at: NOW,
      scope: new Uint8Array(32),
    };
    const signature = await payer.sign(signing.digest('LeaseRequest', fields));
    const effects = bench.send({ type: 'leaseRequest', ...fields, signature });
    const [lease] = effects.flatMap((effect) => (effect.type === 'lease' ? [effect.lease.spendLimit] : []));
    return lease ?? kinds(effects);
  };
  assert.is(await ask(), 80_000_000);
  bench.step({ type: 'announced', lanes: lanesOf(rowOf(await invented(79_999_000))) });
  assert.is(await ask(), 1000);
  // Executed: L2 has it, and nothing waits.
  const known = bench.state.channels;
  assert.ok(known);
  bench.step({
    type: 'channel',
    channel: channelId(7),
    facts: { ...FACTS, settled: { [toHex(otherPayee.address)]: { paid: 79_999_000 } } },
  });
  bench.step({ type: 'announced', lanes: [] });
  assert.is(await ask(), 1000);
  assert.equal(kinds(bench.send((await first(1000)).bytes)), ['acknowledge']);
  assert.equal(bench.state.books.revoked, []);
  const over = await first(1, { seq: 2, spent: 1001, paid: 1001 });
  assert.equal(kinds(bench.send(over.bytes)), ['acknowledge', 'revocations']);
  assert.equal(bench.state.books.revoked, [7]);
});

test('the registry follows batches until they were executed or are over, and no more than it has room for', async () => {
  const event = { height: 1, transaction: `0x${'0'.repeat(64)}` } as const;
  const batch = `0x${'ab'.repeat(32)}` as const;
  const rows = encodeBatch([rowOf(await invented(500))], IDS);
  const announcing = { ...event, type: 'announced', batch, executableAt: 1000, rows } as const;
  const payees = { [toHex(payee.address)]: 1 };
  const empty = { announced: {}, payees } as never;
  const { patch, unlisted } = announcedPatch(signing, empty, { [toHex(otherPayee.address)]: 2 }, [
    announcing,
  ]);
  assert.is(unlisted, 0);
  assert.equal(
    waitingLanes({ announced: patch } as never).map(({ channel, top, signer }) => [
      channel,
      top,
      toHex(signer!),
    ]),
    [[7, 500, toHex(payer.address)]],
  );
  const state = { announced: patch, payees } as never;
  assert.equal(overPatch(state, 1000 + announcementLife), {});
  assert.equal(overPatch(state, 1001 + announcementLife), { [batch]: null });
  assert.equal(announcedPatch(signing, state, {}, [{ ...event, type: 'executed', batch }]).patch, {
    [batch]: null,
  });
  // Whose signature it is decides whether a settlement is due, at the next start as well.
  const heads = { 7: { payer: toHex(payer.address) } };
  assert.ok(isTaking({ heads } as never, patch));
  assert.not(isTaking({ heads: { 7: { payer: toHex(payee.address) } } } as never, patch));
  assert.not(isTaking({ heads: {} } as never, patch));
  assert.not(isTaking({ heads } as never, { [batch]: null }));
  const lane = patch[batch]!.lanes[0]!;
  const full = (count: number) =>
    ({
      payees,
      announced: { [batch]: { executableAt: 1, lanes: Array.from({ length: count }, () => lane) } },
    }) as never;
  const other = { ...announcing, batch: `0x${'cd'.repeat(32)}` } as const;
  assert.is(announcedPatch(signing, full(announcedLanesMax), {}, [other]).unlisted, 1);
  assert.is(announcedPatch(signing, full(announcedLanesMax - 1), {}, [other]).unlisted, 0);
});

test.run();
