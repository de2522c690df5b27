/**
 * What an owner lets a channel spend: in leases, in clearances, on which day, and after a restart. Signatures are real.
 *
 * Not checked here: who may set limits (owners.test.ts), what a device does with a lease (test/protocol).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type OwnerLimits, emptyIntake } from '../../hub/intake/state.ts';
import { limitEvents } from '../../hub/shared/events.ts';
import { amount, channelId, height, seconds, seq, UINT48_MAX } from '../../protocol/integers.ts';
import { terminalCapOf } from '../../protocol/limits.ts';
import { requestHash, SCOPE_ANY } from '../../protocol/vouchers.ts';
import { Bench, NOW, otherTerminal, payer, preparedState, signing, tap, terminal } from './fleet.ts';

const CHANNEL = channelId(7);
const SPENDABLE = 80_000_000;
const DAY = 86_400;

function limited(limits: OwnerLimits): Bench {
  const bench = new Bench();
  bench.step({ type: 'limits', channel: CHANNEL, limits });
  return bench;
}

/** What a lease lends from these numbers on, and for one tap; or the refusal. */
async function lent(bench: Bench, at: { readonly seq?: number; readonly spent?: number } = {}) {
  const fields = {
    channel: CHANNEL,
    seq: seq(at.seq ?? 0),
    spent: amount(at.spent ?? 0),
    at: NOW,
    scope: SCOPE_ANY,
  };
  const signature = await payer.sign(signing.digest('LeaseRequest', fields));
  const effects = bench.send({ type: 'leaseRequest', ...fields, signature });
  const [lease] = effects.flatMap((one) => (one.type === 'lease' ? [one.lease] : []));
  return lease === undefined ? undefined : { ...lease, lent: lease.spendLimit - lease.spentFrom };
}

/** Is this much cleared? The refusal when not. */
async function cleared(bench: Bench, sum: number, n = 1, spent = 0, number = 0, till = terminal) {
  const request = {
    terminal: till.address,
    amount: amount(sum),
    at: bench.state.block!.at,
    detail: new Uint8Array(32).fill(n),
  };
  const fields = {
    channel: CHANNEL,
    seq: seq(number),
    spent: amount(spent),
    at: NOW,
    scope: requestHash(signing, request),
  };
  const signature = await payer.sign(signing.digest('LeaseRequest', fields));
  const { at: askedAt, scope: _, ...rest } = fields;
  const effects = bench.send(
    { type: 'clearanceRequest', ...rest, askedAt, ...request, signature },
    'd',
    bench.state.block!.at,
  );
  const [refused] = effects.flatMap((one) => (one.type === 'reject' ? [one.code] : []));
  return effects.some(({ type }) => type === 'clearance') ? 'cleared' : refused;
}

const paid = async (bench: Bench, fields: { seq: number; amount: number; spent: number; paid: number }) =>
  bench.send((await tap(fields)).bytes);

test('one payment: the lease takes the lower of both limits, and the cap follows', async () => {
  const free = await lent(new Bench());
  assert.is(free!.tapLimit, 1_750_000);
  const low = await lent(limited({ tap: 1_000_000, day: UINT48_MAX }));
  assert.equal(
    [low!.tapLimit, low!.cap, low!.lent],
    [1_000_000, terminalCapOf(amount(1_000_000)), SPENDABLE],
  );
  const high = await lent(limited({ tap: 50_000_000, day: UINT48_MAX }));
  assert.is(high!.tapLimit, 1_750_000);
  assert.is(await cleared(limited({ tap: 5_000_000, day: UINT48_MAX }), 5_000_000), 'cleared');
  assert.is(await cleared(limited({ tap: 5_000_000, day: UINT48_MAX }), 5_000_001), 'over_tap_limit');
});

test('one day: what the ledger shows, what the device says and what is reserved is taken off', async () => {
  const bench = limited({ tap: UINT48_MAX, day: 10_000_000 });
  assert.is((await lent(bench))!.lent, 10_000_000);
  await paid(bench, { seq: 1, amount: 4_000_000, spent: 4_000_000, paid: 4_000_000 });
  assert.is((await lent(bench, { seq: 1, spent: 4_000_000 }))!.lent, 6_000_000);
  assert.is((await lent(bench, { seq: 2, spent: 5_000_000 }))!.lent, 5_000_000, 'not handed in yet');
  assert.is(await cleared(bench, 5_000_001, 1, 5_000_000, 2), 'over_day_limit');
  assert.is(await cleared(bench, 5_000_000, 2, 5_000_000, 2), 'cleared');
  assert.is(await cleared(bench, 1, 3, 5_000_000, 2, otherTerminal), 'over_day_limit', 'reserved');
  assert.is((await lent(bench, { seq: 2, spent: 5_000_000 }))!.lent, 0);
  assert.is((await lent(bench, { seq: 9, spent: 30_000_000 }))!.lent, 0, 'never below what was spent');
});

test('a void is nothing that was spent, and another day begins at nought', async () => {
  const bench = limited({ tap: UINT48_MAX, day: 10_000_000 });
  bench.send(
    (await tap({ seq: 1, amount: 4_000_000, spent: 4_000_000, paid: 4_000_000, answer: 'credit' })).bytes,
  );
  assert.is((await lent(bench, { seq: 1, spent: 4_000_000 }))!.lent, 10_000_000);
  await paid(bench, { seq: 2, amount: 3_000_000, spent: 7_000_000, paid: 7_000_000 });
  assert.is((await lent(bench, { seq: 2, spent: 7_000_000 }))!.lent, 7_000_000);
  bench.step({ type: 'block', at: seconds(NOW - (NOW % DAY) + DAY - 1), height: height(11) });
  assert.is(await cleared(bench, 7_000_001, 1, 7_000_000, 2), 'over_day_limit');
  bench.step({ type: 'block', at: seconds(NOW - (NOW % DAY) + DAY), height: height(12) });
  assert.is(await cleared(bench, 10_000_000, 2, 7_000_000, 2), 'cleared');
});

test('nought pays nothing, and limits of one channel are not those of another', async () => {
  const none = limited({ tap: 0, day: 0 });
  assert.equal([(await lent(none))!.lent, (await lent(none))!.tapLimit], [0, 0]);
  const other = new Bench();
  other.step({ type: 'limits', channel: channelId(8), limits: { tap: 0, day: 0 } });
  assert.is((await lent(other))!.lent, SPENDABLE);
});

test('a start is told what the registry keeps', async () => {
  const events = [...limitEvents({ '7': { tap: 2, day: 3, at: 1 } })];
  assert.equal(events, [{ type: 'limits', channel: 7, limits: { tap: 2, day: 3 } }]);
  assert.equal(emptyIntake.ownerLimits, {});
  assert.equal(preparedState().ownerLimits, {});
});

test.run();
