import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addAmounts,
  amount,
  channelId,
  height,
  multiplyAmount,
  nextSeq,
  position,
  seconds,
  seq,
  subtractAmounts,
  UINT32_MAX,
  UINT40_MAX,
  UINT48_MAX,
} from '../../protocol/integers.ts';
import {
  BOND_PER_10000,
  checkTiming,
  DEFAULT_TIMING,
  lossBound,
  SCOPE_TERMINALS_MAX,
  shareOf,
  TAP_LIMIT_PER_10000,
  TICK_VALUE_DIVISOR,
} from '../../protocol/limits.ts';
import { codeOf } from '../errors.ts';

/** The code of the SundialError that `run` throws. */
const widths: readonly (readonly [string, (value: number) => number, number])[] = [
  ['amount', amount, UINT48_MAX],
  ['seq', seq, UINT32_MAX],
  ['channel', channelId, UINT32_MAX],
  ['seconds', seconds, UINT40_MAX],
  ['height', height, UINT48_MAX],
  ['position', position, UINT48_MAX],
];

for (const [name, make, max] of widths) {
  test(`${name} takes 0 to ${max} and nothing else`, () => {
    for (const good of [0, 1, max - 1, max]) assert.is(make(good), good);
    for (const bad of [-1, max + 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
      assert.is(
        codeOf(() => make(bad)),
        'out_of_range',
      );
  });
}

test('the widths are those of Solidity: 32, 40 and 48 bits', () => {
  assert.is(UINT32_MAX, 2 ** 32 - 1);
  assert.is(UINT40_MAX, 2 ** 40 - 1);
  assert.is(UINT48_MAX, 2 ** 48 - 1);
});

test('sums, differences and products that do not fit are errors, never a wrap', () => {
  const top = amount(UINT48_MAX);
  assert.is(addAmounts(amount(UINT48_MAX - 1), amount(1)), UINT48_MAX);
  assert.is(
    codeOf(() => addAmounts(top, amount(1))),
    'out_of_range',
  );
  assert.is(
    codeOf(() => subtractAmounts(amount(1), amount(2))),
    'out_of_range',
  );
  assert.is(multiplyAmount(amount(3), 5), 15);
  assert.is(multiplyAmount(amount(0), UINT32_MAX), 0);
  assert.is(multiplyAmount(amount(2 ** 24), 2 ** 24 - 1), 2 ** 24 * (2 ** 24 - 1));
  assert.is(
    codeOf(() => multiplyAmount(amount(2 ** 24), 2 ** 24)),
    'out_of_range',
  );
  assert.is(
    codeOf(() => multiplyAmount(top, 2)),
    'out_of_range',
  );
  assert.is(
    codeOf(() => multiplyAmount(amount(1), -1)),
    'out_of_range',
  );
});

test('a channel that has used up its vouchers says so', () => {
  assert.is(nextSeq(seq(0)), 1);
  assert.is(
    codeOf(() => nextSeq(seq(UINT32_MAX))),
    'out_of_range',
  );
});

test('a share is rounded down and never overflows', () => {
  assert.is(shareOf(amount(100_000_000), TAP_LIMIT_PER_10000), 1_750_000);
  assert.is(shareOf(amount(99), 10_000), 99);
  assert.is(shareOf(amount(1), 9_999), 0);
  assert.is(shareOf(amount(UINT48_MAX), 10_000), UINT48_MAX);
});

test('the default timing keeps an owner until the last voucher is settled; one second less is refused', () => {
  assert.is(checkTiming(DEFAULT_TIMING), DEFAULT_TIMING);
  const { watchLag, leaseLifetime, clockError, payeeOfflineMax, claimMargin, slowLane } = DEFAULT_TIMING;
  const least = watchLag + leaseLifetime + clockError + payeeOfflineMax + claimMargin + slowLane;
  assert.is(checkTiming({ ...DEFAULT_TIMING, exitDelay: least }).exitDelay, least);
  assert.is(
    codeOf(() => checkTiming({ ...DEFAULT_TIMING, exitDelay: least - 1 })),
    'timing',
  );
  for (const part of [
    'watchLag',
    'leaseLifetime',
    'clockError',
    'payeeOfflineMax',
    'claimMargin',
    'slowLane',
  ] as const)
    assert.is(
      codeOf(() => checkTiming({ ...DEFAULT_TIMING, exitDelay: least, [part]: DEFAULT_TIMING[part] + 1 })),
      'timing',
      part,
    );
});

test('the bond covers what a duplicated payer takes at five terminals with the default limits', () => {
  const deposit = amount(100_000_000);
  const bond = shareOf(deposit, BOND_PER_10000);
  const tapLimit = shareOf(deposit, TAP_LIMIT_PER_10000);
  const facts = {
    terminals: SCOPE_TERMINALS_MAX,
    window: amount(deposit - bond),
    cap: amount(2 * tapLimit),
    tickValue: amount(tapLimit / TICK_VALUE_DIVISOR),
    bond,
  };
  assert.is(lossBound(facts), 0);
  assert.is(lossBound({ ...facts, terminals: 6 }), 6 * (3_500_000 + 437_500) - bond);
  // What is left of the lease bounds it too.
  assert.is(
    lossBound({ ...facts, terminals: 100, window: amount(10) }),
    Math.max(0, 100 * (10 + 437_500) - bond),
  );
});

test('a count is whole and below 2^32, however small the product is', () => {
  for (const count of [2 ** 32, 2 ** 32 + 1, 1.5, -1, Number.NaN]) {
    assert.throws(() => multiplyAmount(amount(1), count), undefined, `1 * ${count}`);
    assert.throws(() => multiplyAmount(amount(0), count), undefined, `0 * ${count}`);
  }
  assert.is(multiplyAmount(amount(1), 2 ** 32 - 1), 2 ** 32 - 1);
  assert.is(multiplyAmount(amount(65_536), 2 ** 32 - 1), 65_536 * (2 ** 32 - 1));
  assert.throws(() => multiplyAmount(amount(65_537), 2 ** 32 - 1));
});

test.run();
