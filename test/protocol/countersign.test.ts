import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount, seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import {
  countersign,
  type EndedLeases,
  type PromisedCredit,
  releasable,
  type SyncedWord,
  terminalsSynced,
} from '../../protocol/machines/payee.ts';
import { challenge, keys, link, makePayer, makeTerminal, restartTerminal, signing, START } from './bench.ts';
import { acknowledgement, answerTime, beacon as beaconOf } from './forge.ts';

const credit: PromisedCredit = {
  requestAt: START,
  promised: amount(5),
  countersigned: amount(0),
  proved: false,
  terminalsSyncedAt: [seconds(START + 1), seconds(START)],
};
const now = seconds(START + 60);

test('a payee countersigns when every terminal has handed in what could contradict the credit', () => {
  assert.is(countersign(credit, now, DEFAULT_TIMING), 'sign');
  const behind = { ...credit, terminalsSyncedAt: [seconds(START + 1), seconds(START - 1)] };
  assert.is(countersign(behind, now, DEFAULT_TIMING), 'wait');
  const later = seconds(START + DEFAULT_TIMING.payeeOfflineMax + 1);
  assert.is(
    countersign(behind, later, DEFAULT_TIMING),
    'sign',
    'nobody waits for a terminal longer than it may stay away',
  );
});

test('leases are signed away when they ended, all terminals have handed in what was sold under them, and it is paid', () => {
  const leases: EndedLeases = {
    until: START,
    terminalsSyncedAt: [seconds(START + 1), seconds(START + 9)],
    unsettled: false,
    slashed: false,
  };
  assert.ok(releasable(leases, START));
  assert.not(releasable(leases, seconds(START - 1)), 'not ended');
  // A sale in the very second of the end counts as one under the lease.
  for (const at of [START, 0 as never])
    assert.not(
      releasable({ ...leases, terminalsSyncedAt: [seconds(START + 1), at] }, now),
      `synced at ${at}`,
    );
  assert.not(releasable({ ...leases, terminalsSyncedAt: [] }, now), 'no terminal is known');
  assert.not(releasable({ ...leases, unsettled: true }, now), 'not paid');
  assert.not(releasable({ ...leases, slashed: true }, now), 'what a pot is claimed on');
});

test('a hub that leaves a terminal out, or speaks for one, makes no payee sign early', async () => {
  const [mine, stranger] = [keys.terminal, keys.stranger];
  const at = seconds(START + 1);
  const word = async (key: typeof mine, of = key) => ({
    terminal: of.address,
    at,
    signature: await key.sign(signing.digest('Synced', { terminal: of.address, at })),
  });
  const own = [mine.address];
  const times = (said: readonly SyncedWord[]) => terminalsSynced(signing, own, said);
  const decide = (said: readonly SyncedWord[]) =>
    countersign({ ...credit, terminalsSyncedAt: times(said) }, now, DEFAULT_TIMING);
  assert.is(decide([await word(mine)]), 'sign');
  assert.is(decide([]), 'wait', 'its own list counts, whatever the hub shows');
  assert.is(decide([await word(stranger)]), 'wait', "a stranger's word stands for no other terminal");
  assert.is(decide([await word(stranger, mine)]), 'wait', 'only its own signature counts');
  assert.is(
    decide([{ terminal: mine.address, at, signature: undefined }]),
    'wait',
    'nor the word of the hub',
  );
  const third = { ...(await word(stranger)), signature: undefined };
  assert.is(
    decide([await word(mine), third]),
    'wait',
    'a terminal that the hub alone names is waited for, too',
  );
  assert.equal(times([await word(mine)]), [at]);
});

test('a payee never countersigns for a payer that is proved dishonest, nor twice', () => {
  assert.is(countersign({ ...credit, proved: true }, now, DEFAULT_TIMING), 'proved');
  assert.is(countersign({ ...credit, countersigned: amount(5) }, now, DEFAULT_TIMING), 'nothing');
  assert.is(countersign({ ...credit, countersigned: amount(4) }, now, DEFAULT_TIMING), 'sign');
});

test('a terminal says how far it has synced only when its outbox is empty, and before what is still open', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await link(payer, terminal);
  await terminal.on({ type: 'sale', amount: amount(1_000), currency: 'TIME', challenge: challenge(1) });
  assert.is(terminal.state.books.outbox.length, 1);
  await terminal.on({ type: 'hubConnected' });
  const said = () => terminal.uploads.filter((message) => message.type === 'synced');
  assert.is(said().length, 0, 'a voucher still waits');
  const [entry] = terminal.state.books.outbox;
  if (entry?.kind !== 'voucher') return assert.unreachable('a voucher waits');
  await terminal.on({ type: 'linkDown' });
  terminal.nowMs = 50_000;
  await terminal.on({ type: 'sale', amount: amount(1_000), currency: 'TIME', challenge: challenge(2) });
  terminal.nowMs = 60_000;
  await terminal.on({ type: 'hubMessage', message: await beaconOf(seconds(START + 60)) });
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry.entry) });
  const [synced] = said();
  if (synced?.type !== 'synced') return assert.unreachable('it says so');
  assert.is(synced.at, START + 49, 'the open request may still be paid');
  assert.ok(signing.signedBy('Synced', synced, synced.signature, keys.terminal.address));
});

test('what was answered after the newest beacon is covered by the next one, once', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on({ type: 'hubConnected' });
  const said = () =>
    terminal.uploads.flatMap((message) => (message.type === 'synced' ? [message.at - START] : []));
  const beacon = async (after: number) => {
    terminal.nowMs = Math.max(terminal.nowMs, after * 1000);
    await terminal.on({ type: 'hubMessage', message: await beaconOf(seconds(START + after)) });
  };
  await beacon(10);
  terminal.nowMs = 15_000;
  await link(payer, terminal);
  await terminal.on({ type: 'sale', amount: amount(1_000), currency: 'TIME', challenge: challenge(1) });
  await terminal.on({ type: 'linkDown' });
  const [entry] = terminal.state.books.outbox;
  await terminal.on({
    type: 'hubMessage',
    message: await acknowledgement((entry as { entry: Uint8Array }).entry),
  });
  for (const after of [14, 20, 30]) await beacon(after);
  assert.equal(said(), [9, 19]);
});

test('after a restart no request is dated at or before what the terminal said it had synced', async () => {
  const terminal = await makeTerminal({ realTime: undefined });
  await terminal.on({ type: 'hubConnected' });
  await answerTime(terminal, START);
  // Too soon after the first to be stored for its own sake.
  terminal.nowMs = 1_000_000;
  await terminal.on({ type: 'hubMessage', message: await beaconOf(seconds(START + 1_000)) });
  const [synced] = terminal.uploads.filter((message) => message.type === 'synced').slice(-1);
  if (synced?.type !== 'synced') return assert.unreachable('it says so');
  assert.is(synced.at, START + 999);
  const open = terminal.uploads.length;
  await terminal.on({ type: 'sale', amount: amount(1_000), currency: 'TIME', challenge: challenge(1) });
  assert.ok(terminal.state.volatile.open!.request.at > synced.at, 'in the very second');
  assert.is(terminal.uploads.length, open);
  // No clock ran on, and the hub's newest beacon is an old one: L2 stands still.
  const again = await restartTerminal(terminal, { realTime: undefined });
  await again.on({ type: 'hubConnected' });
  await answerTime(again, START);
  await again.on({ type: 'sale', amount: amount(1_000), currency: 'TIME', challenge: challenge(2) });
  assert.ok(again.state.volatile.open!.request.at > synced.at);
});

test('a terminal whose clock ran far ahead for a while does not store that time', async () => {
  const ahead = await makeTerminal({ realTime: seconds(START + 10 * 365 * 86_400) });
  await ahead.on({ type: 'hubConnected' });
  await ahead.on({ type: 'hubMessage', message: await beaconOf(START) });
  const again = await restartTerminal(ahead, { realTime: START });
  await again.on({ type: 'sale', amount: amount(1_000), currency: 'TIME', challenge: challenge(1) });
  assert.ok(again.state.volatile.open!.request.at <= START + 1);
});

test.run();
