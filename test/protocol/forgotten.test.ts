/**
 * What a terminal forgot: a lane that it evicted. A late voucher for it is void only on the hub's word that it has no
 * such entry, in a ledger that holds everything of the evicted lanes (decision 12).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { equalBytes } from '../../protocol/bytes.ts';
import { amount, type ChannelId, seconds, UINT48_MAX } from '../../protocol/integers.ts';
import { applyRecord } from '../../protocol/machines/terminal/books.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  deliverTick,
  hubKey,
  keys,
  lease,
  link,
  makePayer,
  makeTerminal,
  type Payer,
  restartPayer,
  restartTerminal,
  sale,
  signing,
  START,
  streamSale,
  tap,
  type Terminal,
  unlink,
} from './bench.ts';
import {
  acknowledgement,
  beacon,
  certificate,
  closedRequest,
  forge,
  greet,
  message,
  resolveFor,
  streamFor,
  tickMessage,
  unknown,
} from './forge.ts';

/** Where the hub's ledger holds what the terminal accepted from CHANNEL before it forgot the lane. */
const POSITION = 9;

const isVoucher = (sent: Message): boolean => sent.type === 'voucher' || sent.type === 'resolveVoucher';

/** A payer of another channel. */
async function payerOf(channel: number): Promise<Payer> {
  const payer = await makePayer({ channel: channel as never });
  payer.state = { ...payer.state, books: { ...payer.state.books, channel: channel as never } };
  return payer;
}

async function acknowledgeAll(terminal: Terminal, position: number): Promise<void> {
  for (const entry of terminal.state.books.outbox)
    if (entry.kind !== 'tick')
      await terminal.on({
        type: 'hubMessage',
        message: await acknowledgement(entry.entry, keys.hub, position),
      });
}

/** Another channel pays a minute later and takes the place of the only lane. */
async function evict(terminal: Terminal): Promise<void> {
  terminal.nowMs += 60_000;
  await tap(await payerOf(8), terminal, 100, 60);
  assert.equal(
    terminal.state.books.lanes.map((lane) => lane.channel),
    [8 as ChannelId],
  );
}

/** A terminal that accepted 900 from CHANNEL, told the hub, and forgot the lane. */
async function forgetful(): Promise<Terminal> {
  const terminal = await makeTerminal({ settings: { lanesMax: 1, outboxMax: 1 } });
  await tap(await makePayer(), terminal, 900, 1);
  await acknowledgeAll(terminal, POSITION);
  await evict(terminal);
  await acknowledgeAll(terminal, POSITION + 1);
  await greet(terminal);
  return terminal;
}

const late = { request: closedRequest(), numbers: { seq: 2, spent: 1900, paid: 1900 } };

async function present(terminal: Terminal, word: Message | undefined): Promise<string | undefined> {
  const { request, numbers } = late;
  if (word !== undefined) await terminal.on(message(word));
  await terminal.on(message(await resolveFor(request, numbers)));
  const answer = terminal.sent.at(-1);
  return answer?.type === 'refusal' ? terminal.refused.at(-1) : answer?.type;
}

test('a late voucher is void on the word of a ledger that holds everything of the forgotten lane', async () => {
  const terminal = await forgetful();
  const { digest } = await forge(late.request, late.numbers);
  assert.is(await present(terminal, undefined), 'ask_hub');
  assert.is(await present(terminal, await unknown(digest, POSITION)), 'ask_hub', 'it may have come after');
  const from = terminal.order.length;
  assert.is(await present(terminal, await unknown(digest, POSITION + 1)), 'credit');
  assert.equal(terminal.order.slice(from), ['sign', 'persist', 'persist', 'persist', 'notify', 'send']);
  const [lane] = terminal.state.books.lanes;
  assert.equal([lane?.answer, lane?.credited, lane?.base], ['credit', 1000, 1900]);
  assert.is(await present(terminal, undefined), 'credit', 'and the answer stays');
});

test('what was accepted stays accepted: its old unknown names a ledger that is too short', async () => {
  const terminal = await makeTerminal({ settings: { lanesMax: 1, outboxMax: 1 } });
  const payer = await makePayer();
  await tap(payer, terminal, 900, 1);
  const [entry] = terminal.state.books.outbox;
  if (entry?.kind !== 'voucher') throw new Error('no voucher waits');
  const { voucher, request } = entry.collected;
  // Asked before the terminal met the hub: true then.
  const old = await unknown(entry.entry, POSITION);
  await acknowledgeAll(terminal, POSITION);
  await evict(terminal);
  await acknowledgeAll(terminal, POSITION + 1);
  for (const device of [
    terminal,
    await restartTerminal(terminal, { settings: { lanesMax: 1, outboxMax: 1 } }),
  ]) {
    await greet(device);
    await device.on(message(old));
    await device.on(message(await resolveFor(request, voucher)));
    assert.is(device.refused.at(-1), 'ask_hub');
    assert.is(device.said('voided').length, 0);
  }
});

test('the highest place of all forgotten lanes counts, and of all vouchers of a lane', async () => {
  const terminal = await makeTerminal({ settings: { lanesMax: 1, outboxMax: 1 } });
  const payer = await makePayer();
  for (const [n, position] of [POSITION, 3].entries()) {
    await tap(payer, terminal, 100, n + 1);
    await acknowledgeAll(terminal, position);
  }
  await evict(terminal);
  await acknowledgeAll(terminal, 4);
  terminal.nowMs += 60_000;
  await tap(await payerOf(10), terminal, 100, 61);
  assert.is(terminal.state.books.evictedPosition, POSITION);
  const { evictedPosition } = (await restartTerminal(terminal)).state.books;
  assert.is(evictedPosition, POSITION);
});

test("only the hub's word about this very voucher, by a key that is valid now, voids", async () => {
  const terminal = await forgetful();
  const { digest } = await forge(late.request, late.numbers);
  assert.is(await present(terminal, await unknown(digest, POSITION + 1, keys.stranger)), 'ask_hub');
  assert.is(await present(terminal, await unknown(new Uint8Array(32), POSITION + 1)), 'ask_hub');
  await terminal.on({ type: 'hubMessage', message: await beacon(seconds(START + 100)) });
  const { books } = terminal.state;
  const until = seconds(START + 30);
  terminal.state = { ...terminal.state, books: applyRecord(books, { type: 'hubKey', ...hubKey, until }) };
  assert.is(await present(terminal, await unknown(digest, POSITION + 1)), 'ask_hub', 'its key ran out');
  terminal.state = { ...terminal.state, books: applyRecord(books, { type: 'hubKey', ...hubKey }) };
  assert.is(await present(terminal, undefined), 'credit');
});

test('a terminal that has the hub asks by itself, once a greeting, and judges when the answer comes', async () => {
  const terminal = await forgetful();
  const { digest } = await forge(late.request, late.numbers);
  await terminal.on({ type: 'hubConnected' });
  const asked = (): number => terminal.uploads.filter((sent) => sent.type === 'query').length;
  const refusals = terminal.refused.length;
  await present(terminal, undefined);
  assert.equal([asked(), terminal.refused.length], [1, refusals], 'the customer is not sent away');
  await terminal.on({ type: 'hubMessage', message: await unknown(digest, 0) });
  assert.equal(
    [asked(), terminal.refused.at(-1)],
    [1, 'ask_hub'],
    'a hub that contradicts itself is not asked on',
  );
  await greet(terminal);
  await present(terminal, undefined);
  assert.is(asked(), 2);
  await terminal.on({ type: 'hubMessage', message: await unknown(digest, POSITION + 5) });
  assert.is(terminal.sent.at(-1)?.type, 'credit');
});

const tell = (terminal: Terminal, word: Message): Promise<void> =>
  terminal.on({ type: 'hubMessage', message: word });

/** The root takes the hub's key back, which was in a thief's hands; another one signs from now on. */
async function takeBack(terminal: Terminal): Promise<void> {
  await tell(terminal, await certificate(keys.nextHub.address, START));
  const fields = { key: keys.hub.address, at: seconds(START + 1) };
  const signature = await keys.root.sign(signing.digest('HubKeyRevoked', fields));
  await tell(terminal, { type: 'hubKeyRevoked', ...fields, signature });
}

/** A terminal that forgot the lane of CHANNEL after a thief named the place of all that it sold: no ledger reaches that far. */
async function fooled(): Promise<Terminal> {
  const terminal = await makeTerminal({ settings: { lanesMax: 1, outboxMax: 1 } });
  await tap(await makePayer(), terminal, 900, 1);
  await acknowledgeAll(terminal, UINT48_MAX);
  await evict(terminal);
  await acknowledgeAll(terminal, UINT48_MAX);
  // Others buy until nothing of it is kept.
  terminal.state = { ...terminal.state, books: { ...terminal.state.books, kept: [] } };
  return terminal;
}

test('places that a thief of a hub key named count no more once a sale of the time after is acknowledged', async () => {
  const terminal = await fooled();
  const { digest } = await forge(late.request, late.numbers);
  const word = (size: number): Promise<Message> => unknown(digest, size, keys.nextHub);
  const shown = async (size: number): Promise<string | undefined> => {
    await greet(terminal);
    await terminal.on(message(await lease({}, keys.nextHub)));
    return present(terminal, await word(size));
  };
  await takeBack(terminal);
  assert.is(await shown(99), 'ask_hub', 'it may be a word from before');
  const next = await payerOf(10);
  const limits = { channel: 10 as never, spendLimit: amount(79_000_000) };
  for (const word of [await certificate(keys.nextHub.address, START), await lease(limits, keys.nextHub)])
    await next.on({ type: 'hubMessage', message: word });
  terminal.nowMs += 60_000;
  await tap(next, terminal, 100, 61);
  const [entry] = terminal.state.books.outbox;
  assert.ok(entry?.kind === 'voucher', `it sells on: ${terminal.refused}`);
  assert.is(await shown(99), 'outbox_full');
  await tell(terminal, await acknowledgement(entry.entry, keys.nextHub, 7));
  assert.is(await shown(7), 'ask_hub', 'a word from before that sale');
  assert.is(await shown(8), 'credit');
});

test('a voucher that waits or is kept has its answer, though its lane is forgotten and the hub lacks it', async () => {
  const terminal = await makeTerminal({ settings: { lanesMax: 1, outboxMax: 4 } as never });
  await tap(await makePayer(), terminal, 900, 1);
  const [entry] = terminal.state.books.outbox;
  if (entry?.kind !== 'voucher') throw new Error('no voucher waits');
  const { voucher, request, receipt } = entry.collected;
  // A thief says so, at a place of its choice.
  await acknowledgeAll(terminal, 0);
  const forgets = (): void => {
    const books = applyRecord(terminal.state.books, { type: 'evicted', channel: CHANNEL });
    terminal.state = { ...terminal.state, books };
  };
  forgets();
  const shown = async (): Promise<Message | undefined> => {
    await greet(terminal);
    await terminal.on(message(await unknown(entry.entry, 5)));
    await terminal.on(message(await resolveFor(request, voucher)));
    return terminal.sent.at(-1);
  };
  const answer = { type: 'receipt', voucher: entry.entry, signature: receipt! } as const;
  assert.equal(await shown(), answer);
  await terminal.on({ type: 'hubConnected' });
  const fields = { key: keys.stranger.address, at: seconds(START + 1) };
  const signature = await keys.root.sign(signing.digest('HubKeyRevoked', fields));
  await tell(terminal, { type: 'hubKeyRevoked', ...fields, signature });
  assert.is(terminal.state.books.outbox.length, 1, 'it waits again');
  assert.equal(await shown(), answer);
  assert.is(terminal.said('voided').length, 0);
  // Now the hub itself acknowledges it: a word from before is none any more, wherever it is kept.
  await acknowledgeAll(terminal, POSITION);
  assert.is(terminal.state.books.evictedPosition, POSITION);
  terminal.state = { ...terminal.state, books: { ...terminal.state.books, kept: [] } };
  await terminal.on({ type: 'hubLost' });
  await shown();
  assert.is(terminal.refused.at(-1), 'ask_hub');
});

test('a void that is kept is given back once more in the same words', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  assert.is(await present(terminal, undefined), 'credit');
  const credit = terminal.sent.at(-1);
  await acknowledgeAll(terminal, POSITION);
  const books = applyRecord(terminal.state.books, { type: 'evicted', channel: CHANNEL });
  terminal.state = { ...terminal.state, books };
  assert.is(await present(terminal, undefined), 'credit');
  assert.equal(terminal.sent.at(-1), credit);
  assert.is(terminal.said('voided').length, 1);
});

/** A payer whose voucher, or its answer, was lost at the terminal, and a terminal that forgot the lane since. */
async function parted(lost: 'voucher' | 'receipt' | 'credit'): Promise<{ payer: Payer; terminal: Terminal }> {
  const terminal = await makeTerminal({ settings: { lanesMax: 1, outboxMax: 1 } });
  const payer = await makePayer();
  await tap(payer, terminal, 900, 1);
  await acknowledgeAll(terminal, POSITION);
  await tap(payer, terminal, 700, 2, lost === 'receipt' ? (sent) => sent.type === 'receipt' : isVoucher);
  await terminal.on({ type: 'cancel' });
  if (lost === 'credit') {
    await link(payer, terminal, (sent) => sent.type === 'credit');
    await unlink(payer, terminal);
    assert.is(terminal.said('voided').length, 1);
  }
  await acknowledgeAll(terminal, POSITION + 1);
  await evict(terminal);
  await acknowledgeAll(terminal, POSITION + 2);
  assert.is(payer.state.books.unconfirmed.length, 1);
  return { payer, terminal };
}

const digestOf = (payer: Payer): Uint8Array => {
  const [entry] = payer.state.books.unconfirmed;
  if (entry?.kind !== 'voucher') throw new Error('no voucher waits');
  return entry.digest;
};

test("a payer carries the hub's word to the terminal, and then pays there again", async () => {
  const { payer, terminal } = await parted('voucher');
  await terminal.on(sale(500, 3));
  await link(payer, terminal);
  await unlink(payer, terminal);
  assert.is(payer.said('refused').at(-1)?.code, 'ask_hub');
  await payer.on({ type: 'hubMessage', message: await unknown(new Uint8Array(32), 99) });
  assert.is(payer.state.volatile.unknowns.length, 0, 'of what it never asked it keeps nothing');
  for (const size of [1, 2, 99])
    await payer.on({ type: 'hubMessage', message: await unknown(digestOf(payer), size) });
  assert.is(payer.state.volatile.unknowns.length, 1, 'the newest');
  await terminal.on({ type: 'cancel' });
  const sent = payer.sent.length;
  await link(payer, terminal);
  await unlink(payer, terminal);
  assert.equal(
    payer.sent.slice(sent).map((one) => one.type),
    ['hello', 'unknown', 'resolveVoucher'],
  );
  assert.equal([terminal.said('voided').length, payer.said('voided').length], [1, 1]);
  await acknowledgeAll(terminal, POSITION + 3);
  await tap(payer, terminal, 500, 4);
  assert.is(terminal.said('approved').at(-1)?.amount, 500);
  assert.is(payer.state.books.unconfirmed.length, 0);
});

for (const answered of ['receipt', 'credit'] as const)
  test(`a payer without a hub gets the hub's ${answered === 'receipt' ? 'acknowledgement' : 'credit'} through the terminal`, async () => {
    const voided = answered === 'credit';
    const { payer, terminal } = await parted(answered);
    const digest = digestOf(payer);
    const credited = 700 as never;
    const answer: Message = voided
      ? {
          type: 'credit',
          voucher: digest,
          credited,
          signature: await keys.terminal.sign(signing.digest('Credit', { voucher: digest, credited })),
        }
      : await acknowledgement(digest, keys.hub, POSITION + 1);
    await terminal.on({ type: 'hubConnected' });
    terminal.uplink = async (sent) => {
      if (sent.type === 'query' && equalBytes(sent.entry, digest))
        await terminal.on({ type: 'hubMessage', message: answer });
    };
    await terminal.on(sale(500, 3));
    await link(payer, terminal);
    await unlink(payer, terminal);
    assert.is(payer.said('voided').length, voided ? 1 : 0);
    assert.is(terminal.said('approved').at(-1)?.amount, 500, 'and the payment goes on');
    assert.is(payer.state.books.unconfirmed.length, 0);
  });

test('an answer of the hub that nobody asked for is not passed on', async () => {
  const terminal = await forgetful();
  const sent = terminal.sent.length;
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(new Uint8Array(32)) });
  assert.is(terminal.sent.length, sent);
});

test('a lane is not forgotten while a late tick on it waits for its credit', async () => {
  const terminal = await makeTerminal({ settings: { lanesMax: 1, outboxMax: 1 } });
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  await acknowledgeAll(terminal, POSITION);
  const { books, volatile } = terminal.state;
  const { preimage, k } = tickMessage(1, 5, 1);
  const stream = books.lanes[0]!.digest;
  // The credit waits for the key, which signs something else, and the hub is fast.
  const late = applyRecord(books, { type: 'tick', channel: CHANNEL, k, preimage, late: true });
  terminal.state = {
    books: applyRecord(late, { type: 'tickAcknowledged', stream, k }),
    volatile: { ...volatile, session: undefined },
  };
  await tap(await payerOf(8), terminal, 100, 60);
  assert.is(terminal.refused.at(-1), 'lanes_full');
  await terminal.on({ type: 'clock' });
  assert.is(terminal.state.books.lanes[0]?.credited, 10);
});

for (const restarts of [false, true])
  test(`a tick whose stream was forgotten is written off${restarts ? ', after a restart too' : ''}, and payments go on`, async () => {
    const terminal = await makeTerminal({ settings: { lanesMax: 1, outboxMax: 1 } });
    const payer = await makePayer();
    await terminal.on(streamSale(10, 5));
    await link(payer, terminal, (sent) => sent.type === 'tick' && sent.k === 2);
    await acknowledgeAll(terminal, POSITION);
    await deliverTick(terminal);
    await unlink(payer, terminal);
    const { lanes, outbox } = terminal.state.books;
    assert.equal([lanes[0]?.stream?.k, outbox.length], [1, 1]);
    const books = applyRecord(terminal.state.books, {
      type: 'tickAcknowledged',
      stream: lanes[0]!.digest,
      k: 1,
    });
    terminal.state = { books, volatile: { ...terminal.state.volatile, session: undefined, open: undefined } };
    await evict(terminal);
    await acknowledgeAll(terminal, POSITION + 1);
    const device = restarts ? await restartPayer(payer) : payer;
    const lane = (): readonly unknown[] => {
      const { paid, confirmedPaid } = device.state.books.lanes[0]!;
      return [device.state.books.unconfirmed.length, device.state.books.stream, paid, confirmedPaid];
    };
    await terminal.on({ type: 'cancel' });
    await link(device, terminal);
    await unlink(device, terminal);
    assert.is(device.records.filter((record) => record.type === 'tickForgotten').length, 1);
    assert.equal(lane(), [0, undefined, 20, 10], 'it stays spent, and is listed nowhere');
    await tap(device, terminal, 500, 3);
    assert.equal(lane(), [0, undefined, 520, 520]);
    assert.is(terminal.said('approved').at(-1)?.amount, 500);
    assert.equal([device.state.books.channel, terminal.state.books.lanes[0]?.channel], [CHANNEL, CHANNEL]);
  });

test.run();
