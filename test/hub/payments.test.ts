/**
 * The search through payments, over more of them than one question looks at: what is found, what is counted, and that
 * pages go on to the end without a gap.
 *
 * Not checked: who may see what, and the routes (api.test.ts).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Parts } from '../../hub/api/parts.ts';
import { findPayments, LOOKED_MAX, moneyNow, type PaymentFilter } from '../../hub/api/payments.ts';
import type { Desk } from '../../hub/desk/desk.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import { Edit } from '../../hub/intake/trie.ts';
import { amount, channelId, seconds, seq } from '../../protocol/integers.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { context, NOW, payee, preparedState, terminal } from './fleet.ts';

const MORE = 50;
const ALL = LOOKED_MAX + MORE;
const CHANNELS = 10;
/** Only the oldest one moves so much. */
const RARE = 7;

/** The parts of a hub that a search looks at, with vouchers a second apart. */
function hubWithMany(): Parts {
  let state = preparedState();
  const edit = new Edit();
  const signature = new Uint8Array(64);
  for (let n = 0; n < ALL; n += 1) {
    const id = new Uint8Array(32);
    new DataView(id.buffer).setUint32(0, n);
    const count = Math.floor(n / CHANNELS) + 1;
    const message = encodeMessage({
      type: 'collectedVoucher',
      channel: channelId((n % CHANNELS) + 1),
      seq: seq(count),
      spent: amount(RARE + count),
      paid: amount(RARE + count),
      payee: payee.address,
      terminal: terminal.address,
      at: seconds(NOW + n),
      detail: new Uint8Array(32),
      amount: amount(n === 0 ? RARE : 1),
      lanes: new Uint8Array(16),
      signature,
      receipt: signature,
    });
    const record = { type: 'entry', id, at: seconds(NOW + n), message } as const;
    state = intakeStep(context, state, { type: 'replayed', record, position: n, edit }).state;
  }
  return {
    intake: { state, durableBooks: state.books },
    registry: { state: { heads: {} } },
  } as unknown as Parts;
}

const parts = hubWithMany();
const desk = { merchants: [], devices: [] } as unknown as Desk;
const page = (filter: PaymentFilter, limit: number, after?: string) =>
  findPayments(parts, desk, filter, { limit, after });

test('the newest come first, and what was counted is said to be a part', async () => {
  const found = await page({}, 3);
  assert.equal(
    found.payments.map(({ at }) => at),
    [1, 2, 3].map((back) => NOW + ALL - back),
  );
  assert.equal([found.total, found.sum, found.complete], [LOOKED_MAX, LOOKED_MAX, false]);
});

test('pages reach the oldest one, each payment once', async () => {
  const seen = new Set<number>();
  let after: string | undefined;
  let pages = 0;
  for (;;) {
    const { payments, next } = await page({ to: NOW + 200 }, 30, after);
    for (const { at } of payments) seen.add(at);
    pages += payments.length;
    if (next === undefined) break;
    after = next;
  }
  assert.is(pages, 200);
  assert.is(seen.size, 200);
  const idOf = (n: number): string => `0x${n.toString(16).padStart(8, '0')}${'0'.repeat(56)}`;
  for (const [why, n] of [
    ['on both sides of where counting ends', MORE + 10],
    ['behind it', MORE - 10],
  ] as const) {
    const { payments } = await page({}, 30, idOf(n));
    assert.equal(
      payments.map(({ at }) => at - NOW),
      Array.from({ length: 30 }, (_, back) => n - 1 - back),
      why,
    );
  }
});

test('what fits far back is found by going on', async () => {
  const first = await page({ amount: RARE }, 10);
  const found = first.payments.length > 0 ? first : await page({ amount: RARE }, 10, first.next);
  assert.equal(
    found.payments.map(({ at }) => at),
    [NOW],
  );
  assert.is(found.next, undefined);
});

test('a time, a channel and an id bound what is looked at', async () => {
  const day = await page({ from: NOW + 10, to: NOW + 20 }, 100);
  assert.equal([day.total, day.complete, day.payments.length], [10, true, 10]);
  const channel = await page({ channel: 3 }, 5);
  assert.equal([channel.total, channel.complete], [ALL / CHANNELS, true]);
  assert.is(channel.payments[0]!.channel, 3);
  const id = await page({ id: '0x00000005' }, 5);
  assert.equal(
    id.payments.map(({ at }) => at),
    [NOW + 5],
  );
});

test('money by hour: the last 24 of L2 time, the newest last, each once', () => {
  const HOUR = 3600;
  const first = Math.floor(NOW / HOUR) * HOUR;
  const now = NOW + ALL;
  const shown = moneyNow({
    ...parts,
    intake: { ...parts.intake, state: { ...parts.intake.state, block: { at: now } } },
    settle: { lanes: { open: () => [] } },
  } as unknown as Parts);
  assert.is(shown.at, now);
  assert.is(shown.hours.length, 24);
  const last = Math.floor(now / HOUR) * HOUR;
  assert.equal(
    shown.hours.map(({ at }) => at),
    Array.from({ length: 24 }, (_, index) => last - (23 - index) * HOUR),
  );
  // Counted here from how they were made: a second apart, one unit each but the first.
  const count = (from: number): number =>
    Array.from({ length: ALL }, (_, n) => NOW + n).filter((at) => at >= from && at < from + HOUR).length;
  for (const { at, payments, amount: units } of shown.hours)
    assert.equal([payments, units], [count(at), count(at) + (at === first ? RARE - 1 : 0)], String(at));
});

test.run();
