/**
 * The figures that devices, hubs and users were promised, and what is computed from them. Changing one is a change of
 * the protocol, or of a default that others count on. Not checked here: that the machines keep to them (the other tests
 * of this folder), sizes on the wire (sizes.test.ts).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SundialError } from '../../protocol/errors.ts';
import { amount } from '../../protocol/integers.ts';
import * as limits from '../../protocol/limits.ts';
import { payerPhase, type PayerState } from '../../protocol/machines/payer/state.ts';
import { terminalPhase, type TerminalState } from '../../protocol/machines/terminal/state.ts';
import { Reader, Writer } from '../../protocol/wire/cbor.ts';
import * as schema from '../../protocol/wire/schema.ts';

const PROMISED: Readonly<Record<string, unknown>> = {
  TAP_MESSAGE_BYTES_MAX: 244,
  VOUCHER_BYTES_MAX: 182,
  SYNC_MESSAGE_BYTES_MAX: 16_384,
  PACK_ENTRIES_MAX: 32,
  PACK_ENTRY_BYTES_MAX: 468,
  CURRENCY_BYTES_MAX: 8,
  REVOCATIONS_MAX: 1024,
  KEPT_MAX: 64,
  UNCONFIRMED_MAX: 8,
  LANES_MAX: 512,
  LISTED_LANES_MAX: 32,
  PAYER_OUTBOX_MAX: 32,
  CERTIFICATES_MAX: 64,
  TICKS_MAX: 256,
  HUB_KEYS_MAX: 4,
  HUB_KEY_LIFE_MAX: 2_592_000,
  HUB_KEY_AHEAD_MAX: 864_000,
  REVOKED_KEYS_MAX: 8,
  TERMINAL_LANES_MAX: 1024,
  TERMINAL_OUTBOX_MAX: 1024,
  VOIDS_WAITING_MAX: 4,
  REQUEST_OPEN_SECONDS: 120,
  CLEARANCE_SECONDS: 120,
  SESSION_LOST_SECONDS: 30,
  SCOPE_TERMINALS_MAX: 5,
  SYNC_RETRY_MS: 5000,
  ASK_PAUSE_MAX_MS: 600_000,
  TIME_STORE_SECONDS: 3600,
  BOND_PER_10000: 2000,
  TAP_LIMIT_PER_10000: 175,
  CHANNEL_CAP_TAPS: 2,
  TICK_VALUE_DIVISOR: 4,
  DEFAULT_TIMING: {
    leaseLifetime: 259_200,
    payeeOfflineMax: 604_800,
    watchLag: 3600,
    clockError: 7200,
    claimMargin: 172_800,
    slowLane: 172_800,
    exitDelay: 1_296_000,
  },
};

test('every figure is the one that was promised', () => {
  const figures = Object.entries(limits).filter(([, value]) => typeof value !== 'function');
  assert.equal(Object.fromEntries(figures), PROMISED);
});

test('an exit takes at least as long as everything that must happen before it, and not a second less', () => {
  const timing = limits.DEFAULT_TIMING;
  const least = 3600 + 259_200 + 7200 + 604_800 + 172_800 + 172_800;
  const exact = { ...timing, exitDelay: least };
  assert.is(limits.checkTiming(exact), exact);
  for (const change of [
    { exitDelay: least - 1 },
    { watchLag: 3601 },
    { leaseLifetime: 259_201 },
    { clockError: 7201 },
    { payeeOfflineMax: 604_801 },
    { claimMargin: 172_801 },
    { slowLane: 172_801 },
    { exitDelay: Number.NaN },
  ])
    assert.throws(
      () => limits.checkTiming({ ...exact, ...change }),
      (error: unknown) => error instanceof SundialError,
    );
});

test('the loss bound is what H terminals take, less the bond, and never below zero', () => {
  const facts = {
    terminals: 5,
    window: amount(100),
    cap: amount(35),
    tickValue: amount(4),
    bond: amount(20),
  };
  assert.is(limits.lossBound(facts), 5 * 39 - 20);
  assert.is(limits.lossBound({ ...facts, window: amount(30) }), 5 * 34 - 20);
  assert.is(limits.lossBound({ ...facts, bond: amount(195) }), 0);
  assert.is(limits.lossBound({ ...facts, bond: amount(194) }), 1);
  assert.is(limits.lossBound({ ...facts, bond: amount(1000) }), 0);
});

test('a share of an amount is rounded down, exactly, whatever the amount', () => {
  for (const [whole, share, part] of [
    [10_000, 175, 175],
    [9_999, 175, 174],
    [57, 175, 0],
    [58, 175, 1],
    [20_001, 2000, 4000],
    [20_005, 2000, 4001],
    [2 ** 48 - 1, 10_000, 2 ** 48 - 1],
    [2 ** 48 - 1, 2000, 56_294_995_342_131],
  ] as const)
    assert.is(limits.shareOf(amount(whole), share), part, `${share} of ${whole}`);
});

test('each field of a number takes the largest of its width, and nothing larger, in either direction', () => {
  const WIDTHS = {
    u8: 8,
    u16: 16,
    u32: 32,
    u48: 48,
    channelField: 32,
    seqField: 32,
    amountField: 48,
    heightField: 48,
    positionField: 48,
    secondsField: 40,
  } as const;
  for (const [name, bits] of Object.entries(WIDTHS)) {
    const field = (schema as unknown as Record<string, schema.Codec<number>>)[name]!;
    const most = 2 ** bits - 1;
    const written = (value: number): Uint8Array => {
      const writer = new Writer();
      writer.uint(value);
      return writer.finish();
    };
    assert.is(field.read(new Reader(written(most))), most, name);
    assert.throws(() => field.read(new Reader(written(most + 1))), undefined, name);
    const writer = new Writer();
    field.write(writer, most);
    assert.equal(writer.finish(), written(most));
    assert.throws(() => field.write(new Writer(), most + 1), undefined, name);
  }
});

test('what a device awaits is told from its state, a frozen one first', () => {
  const terminal = (volatile: object) => terminalPhase({ volatile } as TerminalState);
  assert.is(terminal({ frozen: true, open: {}, session: {} }), 'frozen');
  assert.is(terminal({ frozen: false, open: {}, session: {} }), 'open');
  assert.is(terminal({ frozen: false, session: {} }), 'session');
  assert.is(terminal({ frozen: false }), 'idle');
  const payer = (frozen: boolean, stream: object | undefined, unconfirmed: object[]) =>
    payerPhase({ volatile: { frozen }, books: { stream, unconfirmed } } as unknown as PayerState);
  assert.is(payer(true, {}, [{}]), 'frozen');
  assert.is(payer(false, {}, [{}]), 'stream');
  assert.is(payer(false, undefined, [{}]), 'waiting');
  assert.is(payer(false, undefined, []), 'idle');
});

test.run();
