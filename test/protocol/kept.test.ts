/**
 * What a terminal keeps of that which the hub acknowledged, should it have been a thief of one of the hub's keys, and how it
 * goes up again.
 *
 * Not checked here: every order of such words (`k12` of `sim explore`), and a thief in a fleet (`hotKey` among the
 * adversaries).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { equalBytes } from '../../protocol/bytes.ts';
import { amount, seconds } from '../../protocol/integers.ts';
import { KEPT_MAX } from '../../protocol/limits.ts';
import { withKept, withoutOldestKept } from '../../protocol/machines/terminal/kept.ts';
import type { OutboxEntry } from '../../protocol/machines/terminal/lanes.ts';
import { refusalNumber } from '../../protocol/refusals.ts';
import { tickEntry } from '../../protocol/vouchers.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import {
  deliverTick,
  keys,
  lease,
  link,
  makePayer,
  makeTerminal,
  type Payer,
  restartTerminal,
  sale,
  secret,
  signing,
  START,
  streamSale,
  tap,
  type Terminal,
  unlink,
} from './bench.ts';
import { acknowledgement, beacon, certificate, unknown } from './forge.ts';

const tell = (terminal: Terminal, message: Message): Promise<void> =>
  terminal.on({ type: 'hubMessage', message });

async function revoke(terminal: Terminal, address: Uint8Array): Promise<void> {
  const fields = { key: address, at: seconds(START + 1) };
  const signature = await keys.root.sign(signing.digest('HubKeyRevoked', fields));
  await tell(terminal, { type: 'hubKeyRevoked', ...fields, signature });
}

/** Packs that went up since, as numbers of entries. */
const packs = (terminal: Terminal, from: number): number[] =>
  terminal.uploads
    .slice(from)
    .flatMap((message) => (message.type === 'pack' ? [message.entries.length] : []));

const digestOf = (entry: OutboxEntry): Uint8Array =>
  entry.kind === 'tick' ? tickEntry(signing.suite, entry.stream, entry.k, entry.preimage) : entry.entry;

/** Whoever has the hub's key acknowledges all that waits. */
async function acknowledgeAll(terminal: Terminal): Promise<void> {
  for (const entry of terminal.state.books.outbox)
    await tell(terminal, await acknowledgement(digestOf(entry)));
}

async function sold(payer: Payer, terminal: Terminal, n: number): Promise<void> {
  await tap(payer, terminal, 900, n);
}

async function connected(): Promise<{ payer: Payer; terminal: Terminal }> {
  const terminal = await makeTerminal();
  const payer = await makePayer();
  await terminal.on({ type: 'hubConnected', seed: secret(5) });
  return { payer, terminal };
}

test('what a thief acknowledged goes up again when its key is taken back, and counts until the hub has it', async () => {
  const { payer, terminal } = await connected();
  await sold(payer, terminal, 1);
  await sold(payer, terminal, 2);
  await acknowledgeAll(terminal);
  assert.equal([terminal.state.books.outbox.length, terminal.state.books.exposure], [0, 0]);
  const before = terminal.uploads.length;
  await revoke(terminal, keys.hub.address);
  assert.equal(packs(terminal, before), [2]);
  const { outbox, exposure, kept, lanes } = terminal.state.books;
  assert.equal([outbox.length, exposure, kept.length, lanes[0]!.exposure], [2, 1800, 0, 1800]);
  // The thief says so once more: its key is gone.
  await acknowledgeAll(terminal);
  assert.is(terminal.state.books.outbox.length, 2);
  await tell(terminal, await certificate(keys.nextHub.address, START));
  for (const entry of outbox) await tell(terminal, await acknowledgement(digestOf(entry), keys.nextHub));
  assert.equal([terminal.state.books.outbox.length, terminal.state.books.exposure], [0, 0]);
});

test('it goes up again in a new epoch, which ends every key of those before', async () => {
  const { payer, terminal } = await connected();
  await sold(payer, terminal, 1);
  await acknowledgeAll(terminal);
  await tell(terminal, await certificate(keys.nextHub.address, START));
  assert.is(terminal.state.books.outbox.length, 0, 'another key alone says nothing of the first');
  await tell(terminal, await certificate(keys.stranger.address, START, { epoch: 1, signedAt: START }));
  assert.is(terminal.state.books.outbox.length, 1);
});

test('a power cut forgets nothing of it', async () => {
  const { payer, terminal } = await connected();
  await sold(payer, terminal, 1);
  await acknowledgeAll(terminal);
  const again = await restartTerminal(terminal);
  await revoke(again, keys.hub.address);
  assert.is(again.state.books.outbox.length, 1);
});

test('a revocation that is played again brings nothing back', async () => {
  const { payer, terminal } = await connected();
  await sold(payer, terminal, 1);
  await revoke(terminal, keys.stranger.address);
  await acknowledgeAll(terminal);
  await revoke(terminal, keys.stranger.address);
  assert.is(terminal.state.books.outbox.length, 0);
});

test('of a stream the newest tick is kept, beside what stands on its lane', async () => {
  const { payer, terminal } = await connected();
  await terminal.on(streamSale(100, 8));
  await link(payer, terminal);
  await acknowledgeAll(terminal);
  await deliverTick(terminal);
  await acknowledgeAll(terminal);
  await deliverTick(terminal);
  const { kept } = terminal.state.books;
  const ticks = kept.filter((entry) => entry.kind === 'tick');
  assert.equal([kept.length, ticks.length], [2, 1]);
  await revoke(terminal, keys.hub.address);
  const { outbox, exposure, lanes } = terminal.state.books;
  assert.equal(
    outbox.map(({ kind }) => kind),
    ['voucher', 'tick'],
    'the newer tick counts those before it',
  );
  assert.is(exposure, lanes[0]!.exposure);
  await unlink(payer, terminal);
});

test('a lane that was forgotten meanwhile counts what waits on its channel again', async () => {
  const { payer, terminal } = await connected();
  await sold(payer, terminal, 1);
  const [lane] = terminal.state.books.lanes;
  await acknowledgeAll(terminal);
  // As a till forgets a lane when somebody else needs its place.
  terminal.state = { ...terminal.state, books: { ...terminal.state.books, lanes: [] } };
  await revoke(terminal, keys.stranger.address);
  await sold(payer, terminal, 2);
  const { books } = terminal.state;
  assert.is(books.lanes[0]!.channel, lane!.channel);
  assert.equal([books.exposure, books.lanes[0]!.exposure], [1800, 1800]);
});

test('what is kept takes no place that a sale needs', async () => {
  const settings = { outboxMax: 2, lanesMax: 2 };
  const terminal = await makeTerminal({ settings });
  const payer = await makePayer();
  await terminal.on({ type: 'hubConnected', seed: secret(5) });
  for (let n = 1; n <= 6; n++) {
    await sold(payer, terminal, n);
    const { outbox, kept } = terminal.state.books;
    assert.ok(outbox.length > 0, `sale ${n}: ${terminal.refused}`);
    assert.ok(outbox.length + kept.length <= settings.outboxMax, `${outbox.length} and ${kept.length}`);
    if (n % 2 === 0) await acknowledgeAll(terminal);
  }
  await terminal.on(sale(900, 9));
  await revoke(terminal, keys.hub.address);
  assert.is(terminal.state.books.outbox.length, 2);
});

/**
 * A till on which a refund waits whose sale a thief acknowledged, and which has lost its place among what is kept since; the
 * root has taken the thief's key back, and the hub has what was sold after.
 */
async function stray(settings: { readonly outboxMax: number; readonly lanesMax: number }, sells = true) {
  const terminal = await makeTerminal({ settings });
  const payer = await makePayer();
  await terminal.on({ type: 'hubConnected', seed: secret(5) });
  const next = await certificate(keys.nextHub.address, START);
  await tell(terminal, next);
  // The customer has its lease of the key that stays.
  for (const message of [next, await lease({ spendLimit: amount(79_000_000) }, keys.nextHub)])
    await payer.on({ type: 'hubMessage', message });
  await sold(payer, terminal, 1);
  const { digest, channel } = terminal.state.books.lanes[0]!;
  await acknowledgeAll(terminal);
  await terminal.on({ type: 'refund', channel, credited: amount(100) });
  const credit = terminal.state.books.outbox[0]!;
  // Others buy meanwhile, until nothing of the first sale is kept.
  terminal.state = { ...terminal.state, books: { ...terminal.state.books, kept: [] } };
  await revoke(terminal, keys.hub.address);
  await sold(payer, terminal, 2);
  const sale = terminal.state.books.outbox.find(({ kind }) => kind === 'voucher')!;
  if (sells) await tell(terminal, await acknowledgement(digestOf(sale), keys.nextHub, 7));
  // The hub signs the time after the sales: up to there all may be handed in.
  await tell(terminal, await beacon(seconds(START + 60), secret(0), keys.nextHub));
  const refuse = async (code: Parameters<typeof refusalNumber>[0]): Promise<void> =>
    tell(terminal, { type: 'rejection', entry: digestOf(credit), code: refusalNumber(code) });
  const uploads = (type: string): number => terminal.uploads.filter((sent) => sent.type === type).length;
  return { terminal, digest, credit, refuse, uploads };
}
const roomy = { outboxMax: 64, lanesMax: 64 };

test('a refund on a sale that nobody has any more holds nothing back once the hub has signed that it lacks the sale', async () => {
  const { terminal, digest, refuse, uploads } = await stray(roomy);
  assert.is(uploads('synced'), 0);
  await refuse('payee_unknown');
  assert.is(uploads('query'), 0, 'of another refusal nothing follows');
  await refuse('voucher_unknown');
  await refuse('voucher_unknown');
  assert.is(uploads('query'), 1, 'asked once in a while');
  assert.is(uploads('synced'), 0, 'a refusal is no word of the hub');
  await tell(terminal, await unknown(digest, 9, keys.hub));
  await tell(terminal, await unknown(secret(9), 9, keys.nextHub));
  await tell(terminal, await unknown(digest, 7, keys.nextHub));
  assert.is(uploads('synced'), 0, 'nor is a thief’s, one about another voucher, or one from before');
  await tell(terminal, await unknown(digest, 8, keys.nextHub));
  assert.is(uploads('synced'), 1);
  assert.is(terminal.state.books.outbox.length, 1, 'it still goes up: the payer may bring its copy');
  terminal.nowMs += 10_000;
  const packsBefore = uploads('pack');
  await terminal.on({ type: 'clock' });
  assert.is(uploads('pack'), packsBefore + 1);
});

test('a word of the hub counts once a sale was acknowledged since the keys changed: before, it may be an old one', async () => {
  const { terminal, digest, refuse, uploads } = await stray(roomy, false);
  await refuse('voucher_unknown');
  await tell(terminal, await unknown(digest, 99, keys.nextHub));
  const sale = terminal.state.books.outbox.find(({ kind }) => kind === 'voucher')!;
  await tell(terminal, await acknowledgement(digestOf(sale), keys.nextHub, 7));
  assert.is(uploads('synced'), 0);
  await tell(terminal, await unknown(digest, 99, keys.nextHub));
  assert.is(uploads('synced'), 1);
});

test('it takes no room that sales need: where half of the places are taken it waits among what is kept', async () => {
  const { terminal, digest, refuse } = await stray({ outboxMax: 2, lanesMax: 2 });
  await refuse('voucher_unknown');
  await tell(terminal, await unknown(digest, 8, keys.nextHub));
  const { outbox, kept } = terminal.state.books;
  assert.is(outbox.length, 0);
  assert.ok(kept.some(({ kind }) => kind === 'credit'));
  const again = await restartTerminal(terminal);
  assert.is(again.state.books.outbox.length, 0);
});

test('a sale that the terminal still has, waiting or kept, is never taken for one that nobody has', async () => {
  const { payer, terminal } = await connected();
  await sold(payer, terminal, 1);
  const { digest, channel } = terminal.state.books.lanes[0]!;
  await acknowledgeAll(terminal);
  await terminal.on({ type: 'refund', channel, credited: amount(100) });
  const entry = digestOf(terminal.state.books.outbox[0]!);
  await tell(terminal, { type: 'rejection', entry, code: refusalNumber('voucher_unknown') });
  await tell(terminal, await unknown(digest, 9));
  assert.not(terminal.uploads.some(({ type }) => type === 'query' || type === 'synced'));
});

test('a tick whose stream nobody has is no different, and no longer counts where it is set aside', async () => {
  const terminal = await makeTerminal({ settings: { outboxMax: 1, lanesMax: 1 } });
  const payer = await makePayer();
  await terminal.on({ type: 'hubConnected', seed: secret(5) });
  await terminal.on(streamSale(100, 8));
  await link(payer, terminal);
  await acknowledgeAll(terminal);
  await deliverTick(terminal);
  await unlink(payer, terminal);
  const tick = terminal.state.books.outbox[0]!;
  assert.ok(tick.kind === 'tick' && tick.exposure > 0);
  terminal.state = { ...terminal.state, books: { ...terminal.state.books, kept: [] } };
  terminal.nowMs += 6000;
  await terminal.on({ type: 'clock' });
  const { entry } = terminal.state.volatile.uploadedTicks.at(-1)!;
  // A sale of another day was acknowledged meanwhile.
  const { handed } = terminal.state.volatile;
  const ledger = { ...handed.ledger, isNew: true };
  terminal.state = {
    ...terminal.state,
    volatile: { ...terminal.state.volatile, handed: { ...handed, ledger } },
  };
  await tell(terminal, { type: 'rejection', entry, code: refusalNumber('stream_unknown') });
  await tell(terminal, await unknown(tick.stream, 9));
  assert.equal([terminal.state.books.outbox.length, terminal.state.books.exposure], [0, 0]);
});

const voucher = (n: number): OutboxEntry => ({ kind: 'voucher', channel: n, entry: secret(n) }) as never;
const credit = (of: number): OutboxEntry =>
  ({ kind: 'credit', channel: of, entry: secret(200), voucher: secret(of) }) as never;

test('so many are kept and not one more; what is about a voucher that goes, goes with it', () => {
  let kept: readonly OutboxEntry[] = [];
  for (let n = 1; n <= KEPT_MAX; n++) kept = withKept(kept, voucher(n));
  assert.is(kept.length, KEPT_MAX);
  kept = withKept(kept, credit(2));
  assert.is(kept.length, KEPT_MAX);
  assert.ok(kept.every((entry) => entry.kind !== 'voucher' || !equalBytes(entry.entry, secret(1))));
  const left = withoutOldestKept(kept, 1);
  assert.is(left.length, KEPT_MAX - 2, 'the credit on it, too: no hub takes that without the voucher');
});

test.run();
