/**
 * Rule 15: what waits at a terminal, how much of one channel, and how a payer whose terminal never comes back goes on.
 *
 * Not checked here: what a hub makes of it (`test/edges/poison.ts` joins both).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount, seconds, seq } from '../../protocol/integers.ts';
import { UNCONFIRMED_MAX, VOIDS_WAITING_MAX } from '../../protocol/limits.ts';
import { applyRecord } from '../../protocol/machines/payer/books.ts';
import { tickEntry } from '../../protocol/vouchers.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import {
  keys,
  link,
  makePayer,
  makeTerminal,
  sale,
  secret,
  signing,
  START,
  tap,
  type Terminal,
  unlink,
} from './bench.ts';
import { acknowledgement, closedRequest, greet, message, resolveFor, unknown } from './forge.ts';

/** Late vouchers of the bench's payer, one after the other. */
async function late(terminal: Terminal, n: number): Promise<string | undefined> {
  const request = closedRequest({ at: seconds(START - 5), detail: secret(n) });
  const before = terminal.refused.length;
  const top = 1000 * n;
  await terminal.on(message(await resolveFor(request, { seq: n, spent: top, paid: top })));
  return terminal.refused[before];
}

test('of one channel so many voids wait and not one more, and the hub makes place again', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  for (let n = 1; n <= VOIDS_WAITING_MAX; n++) assert.is(await late(terminal, n), undefined, `void ${n}`);
  assert.is(terminal.state.books.outbox.length, VOIDS_WAITING_MAX);
  assert.is(await late(terminal, VOIDS_WAITING_MAX + 1), 'voids_waiting');
  const [first] = terminal.state.books.outbox;
  await terminal.on({
    type: 'hubMessage',
    message: await acknowledgement((first as { entry: Uint8Array }).entry),
  });
  assert.is(await late(terminal, VOIDS_WAITING_MAX + 1), undefined);
});

test('an answer that was given is repeated at the bound: that needs no place', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  for (let n = 1; n <= VOIDS_WAITING_MAX; n++) await late(terminal, n);
  const sent = terminal.sent.length;
  assert.is(await late(terminal, VOIDS_WAITING_MAX), undefined);
  assert.is(terminal.sent.length, sent + 1);
  assert.is(terminal.sent.at(-1)!.type, 'credit');
});

test('a request goes only to a channel that leaves two places for what may come late', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  const asked = async (n: number): Promise<boolean> => {
    const before = terminal.sent.length;
    await terminal.on(sale(1000, n));
    return terminal.sent.slice(before).some(({ type }) => type === 'request');
  };
  for (let n = 1; n <= VOIDS_WAITING_MAX - 2; n++) {
    assert.is(await asked(n), true, `${n - 1} wait`);
    await late(terminal, n);
  }
  assert.is(await asked(40), true, `${VOIDS_WAITING_MAX - 2} wait`);
  await late(terminal, VOIDS_WAITING_MAX - 1);
  assert.is(await asked(41), false);
  assert.is(terminal.refused.at(-1), 'voids_waiting');
  // Another customer is not held up by it.
  const other = keys.stranger.address;
  const before = terminal.sent.length;
  await terminal.on(message({ type: 'hello', channel: 8 as never, payer: other }));
  assert.ok(terminal.sent.slice(before).some(({ type }) => type === 'request'));
});

test('numbers that no hub takes never wait', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  const request = closedRequest({ at: seconds(START - 5), amount: amount(5) });
  await terminal.on(message(await resolveFor(request, { spent: 4, paid: 5 })));
  assert.is(terminal.refused.at(-1), 'sum_wrong');
  await terminal.on(message(await resolveFor(request, { spent: 5, paid: 4 })));
  assert.is(terminal.refused.at(-1), 'sum_wrong');
  assert.is(terminal.state.books.outbox.length, 0);
});

/** A payer with one voucher that its terminal never saw. */
async function unanswered() {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await link(payer, terminal, ({ type }) => type === 'voucher');
  await terminal.on(sale(1000, 1));
  await unlink(payer, terminal);
  const [entry] = payer.state.books.unconfirmed;
  if (entry?.kind !== 'voucher') throw new Error('nothing is unconfirmed');
  return { payer, terminal, entry };
}

test('a voucher is written off on the hub’s word that its terminal handed everything in, and on no less', async () => {
  const { payer, entry } = await unanswered();
  const { terminal: named, at } = entry.request;
  const tell = (word: Message): Promise<void> => payer.on({ type: 'hubMessage', message: word });
  await tell(await unknown(entry.digest, 9));
  await tell(await unknown(entry.digest, 9, keys.hub, { terminal: named, at: seconds(at - 1) }));
  await tell(await unknown(entry.digest, 9, keys.hub, { terminal: keys.terminal2.address, at }));
  await tell(await unknown(entry.digest, 9, keys.stranger, { terminal: named, at }));
  await tell(await unknown(secret(3), 9, keys.hub, { terminal: named, at }));
  assert.is(payer.state.books.unconfirmed.length, 1);
  const { spent, lanes } = payer.state.books;
  await tell(await unknown(entry.digest, 9, keys.hub, { terminal: named, at }));
  assert.is(payer.state.books.unconfirmed.length, 0);
  assert.is(payer.state.books.spent, spent, 'it still counts as spent');
  assert.equal(payer.state.books.lanes, lanes);
  assert.equal(payer.said('writtenOff').length, 1);
});

test('what was written off holds up no payment elsewhere, and its terminal still gives the money back', async () => {
  const { payer, terminal, entry } = await unanswered();
  const { terminal: named, at } = entry.request;
  await payer.on({
    type: 'hubMessage',
    message: await unknown(entry.digest, 9, keys.hub, { terminal: named, at }),
  });
  const other = await makeTerminal({ key: keys.terminal2 });
  await tap(payer, other, 500, 2);
  assert.is(other.said('approved').length, 1);
  // The till dropped its request meanwhile.
  await terminal.on({ type: 'cancel' });
  await tap(payer, terminal, 700, 3);
  assert.is(terminal.said('voided').length, 1);
  assert.is(payer.state.books.writtenOff.length, 0);
  assert.is(terminal.said('approved').length, 1);
});

test('unanswered ticks at chargers that never come back do not stop a payer for good', async () => {
  const payer = await makePayer();
  const gone = Array.from({ length: UNCONFIRMED_MAX }, (_, n) => ({
    type: 'unconfirmedTick' as const,
    stream: secret(100 + n),
    terminal: secret(50 + n).slice(0, 20),
    seq: seq(n + 1),
    k: 1,
    preimage: secret(150 + n),
    payee: keys.payee.address,
    top: amount(n + 1),
  }));
  for (const record of gone) payer.state = { ...payer.state, books: applyRecord(payer.state.books, record) };
  const till = await makeTerminal();
  await tap(payer, till, 500, 1);
  assert.ok(payer.refused.includes('unconfirmed_full'));
  await unlink(payer, till);
  const entryOf = ({ stream, k, preimage }: (typeof gone)[number]) =>
    tickEntry(signing.suite, stream, k, preimage);
  const tell = async (n: number, key = keys.hub) =>
    payer.on({ type: 'hubMessage', message: await unknown(entryOf(gone[n]!), 9, key) });
  const { spent, lanes } = payer.state.books;
  await tell(3, keys.stranger);
  assert.is(payer.state.books.unconfirmed.length, UNCONFIRMED_MAX, 'only on the word of the hub');
  await tell(3);
  assert.is(payer.state.books.unconfirmed.length, UNCONFIRMED_MAX - 1);
  assert.equal(
    [payer.state.books.spent, payer.state.books.lanes],
    [spent, lanes],
    'it still counts as spent',
  );
  await tell(4);
  assert.is(payer.state.books.unconfirmed.length, UNCONFIRMED_MAX - 1, 'the others wait for their terminals');
  await tap(payer, till, 500, 2);
  assert.is(till.said('approved').length, 1);
});

test('the question about a voucher names its channel, its seq and its terminal', async () => {
  const { payer, entry } = await unanswered();
  await payer.on({ type: 'hubConnected' });
  const asked = payer.uploads.find(({ type }) => type === 'query');
  assert.equal(asked, {
    type: 'query',
    channel: entry.voucher.channel,
    seq: entry.voucher.seq,
    entry: entry.digest,
    terminal: entry.request.terminal,
  });
  assert.ok(encodeMessage(asked!).length < 120);
});

test.run();
