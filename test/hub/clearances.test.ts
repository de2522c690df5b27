/**
 * What the hub reserves: how much, for whom, once a request, until when, and in which order with the disk. Signatures are
 * real.
 *
 * Not checked here: the devices (`test/protocol/clearance.test.ts`), every interleaving (`test/walk/clearance.test.ts`).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { IntakeEffect } from '../../hub/intake/state.ts';
import type { RecordOf } from '../../hub/ledger/records.ts';
import { clockErrorMax, watchLagMax } from '../../hub/limits.ts';
import { amount, channelId, height, seconds, seq } from '../../protocol/integers.ts';
import { clearanceLife, DEFAULT_TIMING } from '../../protocol/limits.ts';
import { collectedMessage } from '../../protocol/machines/collected.ts';
import { requestHash, SCOPE_ANY, type Voucher, voucherDigest } from '../../protocol/vouchers.ts';
import { encodeMessage as bytesOf, type Message } from '../../protocol/wire/messages.ts';
import {
  Bench,
  context,
  key,
  NOW,
  otherTerminal,
  payee,
  payer,
  preparedState,
  signing,
  terminal,
} from './fleet.ts';

const CHANNEL = channelId(7);
const FREE = 80_000_000;
const { watchLag, clockError, payeeOfflineMax } = DEFAULT_TIMING;

interface Ask {
  readonly n?: number;
  readonly amount?: number;
  readonly spent?: number;
  readonly seq?: number;
  readonly at?: number;
  readonly terminal?: typeof terminal;
  readonly signer?: typeof payer;
}

const opened = ({ n = 1, amount: sum = FREE, at = NOW, terminal: till = terminal }: Ask) => ({
  terminal: till.address,
  amount: amount(sum),
  at: seconds(at),
  detail: new Uint8Array(32).fill(n),
});

async function question(ask: Ask = {}): Promise<Message> {
  const request = opened(ask);
  const fields = {
    channel: CHANNEL,
    seq: seq(ask.seq ?? 0),
    spent: amount(ask.spent ?? 0),
    at: NOW,
    scope: requestHash(signing, request),
  };
  const signature = await (ask.signer ?? payer).sign(signing.digest('LeaseRequest', fields));
  const { channel, seq: own, spent, at: askedAt } = fields;
  return { type: 'clearanceRequest', channel, seq: own, spent, askedAt, ...request, signature };
}

const outcome = (effects: readonly IntakeEffect[]): RecordOf<'clearance'> | string => {
  const cleared = effects.find((effect) => effect.type === 'clearance');
  const refused = effects.find((effect) => effect.type === 'reject');
  if (cleared?.type === 'clearance') return cleared.clearance;
  return refused?.type === 'reject' ? refused.code : 'nothing';
};

const ask = async (bench: Bench, change: Ask = {}, now: number = NOW) => {
  const found = outcome(bench.send(await question(change), 'd', now));
  return typeof found === 'string' ? found : 'cleared';
};

async function ended(change: Ask = {}, signer = terminal): Promise<Message> {
  const request = requestHash(signing, opened(change));
  const signature = await signer.sign(signing.digest('ClearanceEnded', { request }));
  return { type: 'clearanceEnded', request, signature };
}

async function sold(change: Ask, answer: 'receipt' | 'credit' = 'receipt'): Promise<Message> {
  const request = opened(change);
  const voucher: Voucher = {
    kind: 'voucher',
    channel: CHANNEL,
    seq: seq((change.seq ?? 0) + 1),
    spent: amount((change.spent ?? 0) + request.amount),
    payee: payee.address,
    paid: request.amount,
    lanes: new Uint8Array(16),
    request: requestHash(signing, request),
  };
  const id = voucherDigest(signing, voucher);
  const fields = { voucher: id, credited: request.amount };
  return collectedMessage({
    voucher,
    request,
    signature: await payer.sign(id),
    ...(answer === 'receipt'
      ? { receipt: await terminal.sign(signing.digest('Receipt', { voucher: id })) }
      : { credit: await terminal.sign(signing.digest('Credit', fields)) }),
  });
}

async function synced(at: number): Promise<Message> {
  const fields = { terminal: terminal.address, at: seconds(at) };
  return { type: 'synced', ...fields, signature: await terminal.sign(signing.digest('Synced', fields)) };
}

test('a clearance says the request, its amount and an end, and lends nothing', async () => {
  const found = outcome(new Bench().send(await question({ amount: 5_000_000, spent: 1000, seq: 3 })));
  const { request, detail: _, ...fields } = found as RecordOf<'clearance'>;
  assert.equal(fields, {
    type: 'clearance',
    channel: CHANNEL,
    payer: payer.address,
    spentFrom: 1000,
    spendLimit: FREE,
    terminal: terminal.address,
    amount: 5_000_000,
    at: NOW,
    issuedAt: NOW,
    expiresAt: NOW + clearanceLife(DEFAULT_TIMING),
  });
  assert.equal(request, requestHash(signing, opened({ amount: 5_000_000 })));
});

test('all that is free, and no unit more', async () => {
  assert.is(await ask(new Bench(), { amount: FREE }), 'cleared');
  assert.is(await ask(new Bench(), { amount: FREE + 1 }), 'not_free');
  assert.is(await ask(new Bench(), { amount: FREE, spent: 1 }), 'not_free');
});

test('what is reserved counts for the next, whatever the payer says, and in leases', async () => {
  const bench = new Bench();
  assert.is(await ask(bench, { amount: 50_000_000 }), 'cleared');
  const elsewhere = { n: 2, terminal: otherTerminal };
  assert.is(await ask(bench, { ...elsewhere, amount: 30_000_001 }), 'not_free');
  assert.is(await ask(bench, { ...elsewhere, amount: 30_000_001, spent: 50_000_000 }), 'not_free');
  assert.is(await ask(bench, { ...elsewhere, amount: 30_000_000 }), 'cleared');
  for (const [spent, limit] of [
    [0, 0],
    [40_000_000, 40_000_000],
    [80_000_000, 80_000_000],
  ]) {
    const fields = { channel: CHANNEL, seq: seq(0), spent: amount(spent!), at: NOW, scope: SCOPE_ANY };
    const signature = await payer.sign(signing.digest('LeaseRequest', fields));
    const effects = bench.send({ type: 'leaseRequest', ...fields, signature });
    const lease = effects.find((effect) => effect.type === 'lease');
    assert.is(lease?.type === 'lease' && lease.lease.spendLimit, limit, `declared ${spent}`);
  }
});

test('one at a time for a terminal and channel', async () => {
  const bench = new Bench();
  await ask(bench, { amount: 10 });
  assert.is(await ask(bench, { n: 2, amount: 10 }), 'busy');
  assert.is(await ask(bench, { n: 2, amount: 10, terminal: otherTerminal }), 'cleared');
});

test('the same question is answered the same while it is held, and never before it is durable', async () => {
  const bench = new Bench();
  const asked = await question({ amount: 10 });
  const first = outcome(bench.send(asked)) as RecordOf<'clearance'>;
  const again = outcome(bench.send(await question({ amount: 10, spent: 5 }))) as RecordOf<'clearance'>;
  assert.equal(again, first);
  assert.is(bench.records.filter(({ type }) => type === 'clearance').length, 1);
  const slow = new Bench();
  assert.is(outcome(slow.step({ type: 'message', device: 'd', bytes: bytesOf(asked), now: NOW })), 'nothing');
  assert.is(outcome(slow.step({ type: 'message', device: 'd', bytes: bytesOf(asked), now: NOW })), 'nothing');
  const [{ token } = { token: -1 }] = slow.unwritten;
  const failed = slow.step({ type: 'persistFailed', token, code: 'storage_failed' });
  const refused = failed.find((effect) => effect.type === 'reject');
  const { askedAt: at, channel, seq: own, spent } = asked as Extract<Message, { type: 'clearanceRequest' }>;
  const scope = requestHash(signing, opened({ amount: 10 }));
  assert.equal(
    refused?.type === 'reject' && refused.entry,
    signing.digest('LeaseRequest', { channel, seq: own, spent, at, scope }),
    'the till is told which question',
  );
  assert.is(slow.state.books.clearances.held, undefined);
});

test('dropped, sold, void or synced past: free again, and never cleared once more', async () => {
  for (const message of [
    await ended({ amount: FREE }),
    await sold({ amount: FREE }, 'credit'),
    await synced(NOW),
  ]) {
    const bench = new Bench();
    await ask(bench, { amount: FREE });
    assert.is(await ask(bench, { n: 2, terminal: otherTerminal, amount: 1 }), 'not_free', message.type);
    bench.send(message);
    const next = {
      n: 2,
      terminal: otherTerminal,
      amount: 1,
      spent: message.type === 'collectedVoucher' ? FREE : 0,
    };
    const wanted = message.type === 'collectedVoucher' ? 'not_free' : 'cleared';
    assert.is(
      await ask(bench, { ...next, seq: message.type === 'collectedVoucher' ? 1 : 0 }),
      wanted,
      message.type,
    );
    if (message.type === 'clearanceEnded')
      assert.is(await ask(bench, { amount: FREE }), 'not_free', 'and what is over is refused in any case');
  }
  const bench = new Bench();
  await ask(bench, { amount: 10 });
  bench.send(await ended({ amount: 10 }));
  assert.is(await ask(bench, { amount: 10 }), 'clearance_over');
  const before = new Bench();
  before.send(await ended({ amount: 10 }));
  assert.is(await ask(before, { amount: 10 }), 'clearance_over', 'also when the end came first');
  const bought = new Bench();
  await ask(bought, { amount: 10 });
  bought.send(await sold({ amount: 10 }));
  assert.is(await ask(bought, { amount: 10, spent: 10, seq: 1 }), 'clearance_over');
});

test('a Synced of before the request frees nothing', async () => {
  const bench = new Bench();
  await ask(bench, { amount: FREE });
  bench.send(await synced(NOW - 1));
  assert.is(await ask(bench, { n: 2, terminal: otherTerminal, amount: 1 }), 'not_free');
});

test('only its own terminal ends a reservation', async () => {
  for (const signer of [otherTerminal, key(99)]) {
    const bench = new Bench();
    await ask(bench, { amount: FREE });
    const code = outcome(bench.send(await ended({ amount: FREE }, signer)));
    assert.is(code, signer === otherTerminal ? 'signature' : 'terminal_unknown');
    assert.is(await ask(bench, { n: 2, terminal: otherTerminal, amount: 1 }), 'not_free');
  }
});

test('it is held until the end and payeeOfflineMax, to the second', async () => {
  const over = NOW + clearanceLife(DEFAULT_TIMING) + payeeOfflineMax;
  for (const [at, wanted] of [
    [over, 'not_free'],
    [over + 1, 'cleared'],
  ] as const) {
    const bench = new Bench();
    await ask(bench, { amount: FREE });
    bench.step({ type: 'block', at: seconds(at), height: height(11) });
    assert.is(await ask(bench, { n: 2, terminal: otherTerminal, amount: 1, at }, at), wanted);
  }
});

test('a request is of now, as far as a block and a clock may be off', async () => {
  const age = watchLag + clockError;
  for (const [at, wanted] of [
    [NOW - age, 'cleared'],
    [NOW - age - 1, 'clearance_over'],
    [NOW + age, 'cleared'],
    [NOW + age + 1, 'clearance_over'],
  ] as const)
    assert.is(await ask(new Bench(), { at, amount: 1 }), wanted);
});

test('who is behind, revoked, leaving or unknown gets none', async () => {
  assert.is(await ask(new Bench(), { signer: key(50) }), 'signature');
  assert.is(await ask(new Bench(), { terminal: key(51) }), 'terminal_unknown');
  const revoked = new Bench();
  revoked.step({ type: 'revoke', channel: CHANNEL, revoked: true });
  assert.is(await ask(revoked), 'revoked');
  const behind = new Bench();
  behind.send(await sold({ amount: 10, seq: 4 }));
  assert.is(await ask(behind, { amount: 1, n: 2 }), 'behind_ledger');
  const late = new Bench();
  assert.is(await ask(late, { amount: 1 }, NOW + watchLag + 1), 'chain_stale');
});

test('a start from the ledger knows the same', async () => {
  const bench = new Bench();
  await ask(bench, { amount: 10 });
  await ask(bench, { n: 2, amount: 20, terminal: otherTerminal });
  bench.send(await ended({ amount: 10 }));
  const again = new Bench(preparedState());
  for (const [position, record] of bench.records.entries())
    again.step({ type: 'replayed', record, position });
  assert.equal(again.state.books.clearances, bench.state.books.clearances);
});

test('what is over is not cleared again at a site that lets its view of L2 be as old as any configuration does', async () => {
  const timing = { ...DEFAULT_TIMING, watchLag: watchLagMax, clockError: clockErrorMax };
  const bench = new Bench(undefined, { ...context, timing });
  const DAY = 86_400;
  const later = (days: number): number => {
    const at = seconds(NOW + days * (DAY + 1));
    bench.step({ type: 'block', at, height: height(9 + days) });
    return at;
  };
  const first = { n: 1, amount: 5, at: NOW + watchLagMax };
  const over = async (change: Ask, now: number): Promise<void> => {
    assert.is(await ask(bench, change, now), 'cleared');
    bench.send(await ended(change), 'd', now);
  };
  await over(first, NOW);
  // Others are over, each so long after the one before that what is remembered turns.
  for (const days of [7, 14]) {
    const now = later(days);
    await over({ n: days, amount: 5, at: now }, now);
  }
  assert.is.not(await ask(bench, first, later(14)), 'cleared');
});

test.run();
