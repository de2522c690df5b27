import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount, seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { countersign, type PromisedCredit } from '../../protocol/machines/payee.ts';
import { challenge, keys, link, makePayer, makeTerminal, signing, START } from './bench.ts';
import { acknowledgement } from './forge.ts';

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
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry.entry) });
  const [synced] = said();
  if (synced?.type !== 'synced') return assert.unreachable('it says so');
  assert.is(synced.at, START + 49, 'the open request may still be paid');
  assert.ok(signing.signedBy('Synced', synced, synced.signature, keys.terminal.address));
});

test.run();
