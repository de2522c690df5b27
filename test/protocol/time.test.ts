/**
 * A device's time (rule 7): what moves it, what must not, and what vouches for it. The pure functions first, then both
 * machines.
 *
 * Not checked here: which hub key may speak (`hub-keys.test.ts`), and a clock across power cuts in a journal
 * (`test/edges/time.ts`).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Seconds, seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import {
  basisFrom,
  basisMs,
  type DeviceTime,
  hubTime,
  isBased,
  timeAtBoot,
  timeFromClock,
  timeFromHub,
  timeNow,
} from '../../protocol/machines/time.ts';
import {
  keys,
  lease,
  makePayer,
  makeTerminal,
  provisioned,
  sale,
  secret,
  START,
  startPayer,
  tap,
  type Terminal,
} from './bench.ts';
import { beacon, later } from './forge.ts';

const TIMING = DEFAULT_TIMING;
const fromHub = (time: DeviceTime, at: number, nowMs: number, answers = false): DeviceTime =>
  timeFromHub(time, seconds(at), answers, TIMING, nowMs);
const fromClock = (time: DeviceTime, reading: number, nowMs: number): DeviceTime =>
  timeFromClock(time, seconds(reading), TIMING, nowMs);

test('time goes on in whole seconds with the timer, and never back', () => {
  const boot = timeAtBoot(seconds(100), 5000);
  for (const [nowMs, now] of [
    [5000, 100],
    [5999, 100],
    [6000, 101],
    [7999, 102],
    [4000, 100],
    [-5000, 100],
    [Number.NaN, 100],
  ] as const) {
    assert.is(timeNow(boot, nowMs), now, `${nowMs} ms`);
    assert.is(hubTime(boot, nowMs), now, `${nowMs} ms`);
  }
  assert.is(timeNow({ ...boot, floor: seconds(2 ** 40 - 2) }, 9000), 2 ** 40 - 1);
  assert.is(isBased(boot, 5000), false, 'what was stored vouches for nothing');
});

test('a hub time replayed more often than once a second does not hold the clock', () => {
  let time = fromHub(timeAtBoot(seconds(0), 0), 1000, 0);
  for (let nowMs = 900; nowMs <= 90_000; nowMs += 900) time = fromHub(time, 1000, nowMs);
  assert.is(timeNow(time, 90_000), 1090);
  assert.is(hubTime(time, 90_000), 1090);
});

test('a newer hub time moves the clock on, at once; only an answer vouches for it', () => {
  const time = fromHub(timeAtBoot(seconds(1000), 0), 2000, 500);
  assert.is(timeNow(time, 500), 2000);
  assert.is(timeNow(time, 1500), 2001);
  assert.is(isBased(time, 500), false);
  const answered = fromHub(time, 1990, 3000, true);
  assert.is(isBased(answered, 3000), true);
  assert.is(timeNow(answered, 3000), 2002, 'an older one moves nothing');
});

test('an own clock moves the time by which leases are judged, never the one by which hub keys are', () => {
  const time = fromClock(timeAtBoot(seconds(1000), 0), 9_000_000, 0);
  assert.is(timeNow(time, 0), 9_000_000);
  assert.is(hubTime(time, 0), 1000);
  assert.is(isBased(time, 0), true);
  const right = fromClock(time, 2000, 5000);
  assert.is(timeNow(right, 5000), 2000, 'the next reading corrects it, backwards too');
});

test('a clock that reads earlier than what was signed says nothing', () => {
  const boot = timeAtBoot(seconds(1000), 0);
  assert.is(fromClock(boot, 999, 0), boot);
  assert.is(isBased(fromClock(boot, 1000, 0), 0), true);
  const moved = fromHub(boot, 5000, 0);
  assert.is(fromClock(moved, 4999, 0), moved);
});

test('a right clock is one beside a timer that is a tenth too fast, and one that stands still is none', () => {
  const told = fromHub(timeAtBoot(seconds(0), 0), 1000, 0);
  const realSeconds = 72 * 3600;
  const nowMs = realSeconds * 1100;
  const read = fromClock(told, 1000 + realSeconds, nowMs);
  assert.is(isBased(read, nowMs), true);
  assert.is(timeNow(read, nowMs), 1000 + realSeconds);
  assert.is(fromClock(told, 1000 + realSeconds - 2, nowMs), told, 'earlier than the fastest timer says');
  assert.is(fromClock(told, 1000, 2200), told, 'it stands still');
});

test('a basis lasts while a timer off by a tenth can not have lost more than clockError', () => {
  const based = fromHub(timeAtBoot(seconds(0), 0), 1000, 0, true);
  const lastMs = basisMs(TIMING);
  assert.is(isBased(based, lastMs), true);
  assert.is(isBased(based, lastMs + 1), false);
  // By the slow timer lastMs have passed, and in truth a ninth more.
  const truth = 1000 + (lastMs / 1000) * (10 / 9);
  assert.ok(truth - timeNow(based, lastMs) <= TIMING.clockError + 1);
  assert.ok(truth - timeNow(based, lastMs) > TIMING.clockError - 10, 'no shorter than it has to be');
  assert.is(basisFrom(based, TIMING), lastMs / 2);
});

/** Opens a sale; why not, or undefined when it is open. */
async function asks(terminal: Terminal): Promise<string | undefined> {
  terminal.notices.length = 0;
  await terminal.on(sale(1000));
  return terminal.refused[0];
}

test('a beacon that was recorded gives no basis; one that answers this power-up’s question does', async () => {
  const till = await makeTerminal({ realTime: undefined });
  assert.is(await asks(till), 'no_time_basis');
  for (const device of [till, await startPayer(await provisioned(), { realTime: undefined })]) {
    await device.on({ type: 'hubMessage', message: await beacon(later(1)) });
    const { time } = device.state.volatile;
    assert.is(isBased(time, 0), false, 'a retained beacon');
    await device.on({ type: 'hubConnected' });
    const question = device.uploads.find(({ type }) => type === 'timeQuestion');
    assert.ok(question?.type === 'timeQuestion');
    const nonce = (question as { nonce: Uint8Array }).nonce;
    await device.on({ type: 'hubMessage', message: await beacon(later(1), secret(0), keys.hub, nonce) });
    assert.is(isBased(device.state.volatile.time, 0), true);
  }
});

test('the answer to an earlier question renews no basis', async () => {
  const terminal = await makeTerminal({ realTime: undefined });
  await terminal.on({ type: 'hubConnected' });
  const [first] = terminal.uploads.filter(({ type }) => type === 'timeQuestion') as { nonce: Uint8Array }[];
  const answer = await beacon(later(0), secret(0), keys.hub, first!.nonce);
  await terminal.on({ type: 'hubMessage', message: answer });
  const until = terminal.state.volatile.time.basedUntilMs;
  terminal.nowMs = basisFrom(terminal.state.volatile.time, TIMING);
  await terminal.on({ type: 'clock' });
  assert.is(terminal.uploads.filter(({ type }) => type === 'timeQuestion').length, 2, 'it asks in good time');
  await terminal.on({ type: 'hubMessage', message: answer });
  assert.is(terminal.state.volatile.time.basedUntilMs, until);
  terminal.nowMs = until + 1;
  assert.is(await asks(terminal), 'no_time_basis');
});

test('an answer that was held back until the hub was gone is no basis', async () => {
  for (const back of [false, true]) {
    const terminal = await makeTerminal({ realTime: undefined });
    await terminal.on({ type: 'hubConnected' });
    const [asked] = terminal.uploads.filter(({ type }) => type === 'timeQuestion') as { nonce: Uint8Array }[];
    const answer = await beacon(later(0), secret(0), keys.hub, asked!.nonce);
    await terminal.on({ type: 'hubLost' });
    terminal.nowMs = 5 * 86_400_000;
    if (back) await terminal.on({ type: 'hubConnected' });
    await terminal.on({ type: 'hubMessage', message: answer });
    assert.is(await asks(terminal), 'no_time_basis', back ? 'connected again' : 'before it is');
  }
});

test('a question without an answer is asked again after a minute, and not before', async () => {
  const terminal = await makeTerminal({ realTime: undefined });
  await terminal.on({ type: 'hubConnected' });
  const asked = (): number => terminal.uploads.filter(({ type }) => type === 'timeQuestion').length;
  terminal.nowMs = 59_999;
  await terminal.on({ type: 'clock' });
  assert.is(asked(), 1);
  terminal.nowMs = 60_000;
  await terminal.on({ type: 'clock' });
  assert.is(asked(), 2);
});

test('an own clock is read again while it goes, and a till that is offline for a week sells on', async () => {
  const terminal = await makeTerminal();
  for (let hours = 1; hours <= 7 * 24; hours++) {
    terminal.nowMs = hours * 3_600_000;
    await terminal.on({ type: 'clock', realTime: later(hours) });
    assert.is(await asks(terminal), undefined, `after ${hours} h`);
  }
});

test('a timer that runs too fast does not put a right clock in the wrong: the till sells on', async () => {
  const terminal = await makeTerminal();
  await terminal.on({ type: 'hubMessage', message: await beacon(later(0)) });
  for (let hours = 1; hours <= 7 * 24; hours++) {
    // 100 parts in a million, as cheap crystals do.
    terminal.nowMs = hours * 3_600_360;
    await terminal.on({ type: 'clock', realTime: later(hours) });
    assert.is(await asks(terminal), undefined, `after ${hours} h`);
  }
});

test('a till that once ran 150 days ahead is right again with the next reading, and stored nothing', async () => {
  const ahead = await makeTerminal({ realTime: seconds(START + 150 * 86_400) });
  await ahead.on(sale(1000));
  assert.is(ahead.state.books.time, 0);
  const again = await makeTerminal({ books: ahead.state.books, realTime: START });
  assert.is(timeNow(again.state.volatile.time, 0), START);
});

test('a payer signs nothing for a till that runs ahead of the lease, so nobody is stranded there', async () => {
  const { leaseLifetime, clockError } = TIMING;
  for (const [ahead, paid] of [
    [leaseLifetime + clockError, 1],
    [leaseLifetime + clockError + 1, 0],
  ] as const) {
    const payer = await makePayer();
    const till = await makeTerminal({ realTime: seconds(START + ahead) });
    await tap(payer, till, 1000, 1);
    assert.is(payer.state.books.unconfirmed.length, paid, `${ahead} s ahead`);
    assert.equal(payer.refused, paid === 1 ? [] : ['lease_expired']);
  }
});

test('a till whose clock stands behind what the hub signed has no basis until the hub answers', async () => {
  const first = await makeTerminal();
  await first.on({ type: 'hubMessage', message: await beacon(later(2)) });
  assert.is(first.state.books.time, later(2));
  const behind = await makeTerminal({ books: first.state.books, realTime: later(1) });
  assert.is(await asks(behind), 'no_time_basis');
  assert.is(timeNow(behind.state.volatile.time, 0), later(2), 'and it moves nothing back');
});

test('a payer takes no lease that is dated ahead of what it knows', async () => {
  const payer = await makePayer();
  const ahead = await lease({ issuedAt: seconds(START + TIMING.clockError + 1) });
  await payer.on({ type: 'hubMessage', message: ahead });
  assert.is(payer.state.books.lease!.issuedAt, START as Seconds);
});

test.run();
