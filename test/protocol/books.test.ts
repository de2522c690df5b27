/**
 * Properties of the books under random runs with loss, repeats and power cuts: the fold of the stored records is the
 * books, a snapshot rebuilds them, and the money rules hold at every step. Seeds are fixed and printed.
 * Not checked here: fields that no such run fills (snapshot.test.ts), and cuts within a record (test/device).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount } from '../../protocol/integers.ts';
import {
  applyRecord as applyPayer,
  payerRecords,
  type PayerBooks,
  snapshot as snapshotPayer,
  EMPTY_PAYER,
} from '../../protocol/machines/payer/books.ts';
import {
  applyRecord as applyTerminal,
  EMPTY_TERMINAL,
  snapshot as snapshotTerminal,
  type TerminalBooks,
  terminalRecords,
} from '../../protocol/machines/terminal/books.ts';
import { sameBooks } from '../../simulators/stage/compare.ts';
import {
  CHANNEL,
  challenge,
  deliverTick,
  keys,
  link,
  makeTerminal,
  type Payer,
  provisioned,
  sale,
  signing,
  startPayer,
  streamSale,
  type Terminal,
  unlink,
} from './bench.ts';
import { acknowledgement, closedRequest, forge } from './forge.ts';
import { randomFrom } from './random.ts';

/** The books that a device has after reading these records from its journal, through their bytes. */
const replayPayer = (books: PayerBooks, records: readonly Parameters<typeof applyPayer>[1][]): PayerBooks =>
  records.reduce((b, record) => applyPayer(b, payerRecords.decode(payerRecords.encode(record))), books);
const replayTerminal = (
  books: TerminalBooks,
  records: readonly Parameters<typeof applyTerminal>[1][],
): TerminalBooks =>
  records.reduce(
    (b, record) => applyTerminal(b, terminalRecords.decode(terminalRecords.encode(record))),
    books,
  );

/** One device with the books it started from, so that its records can be replayed. */
interface Life<D, B> {
  device: D;
  from: B;
}

function checkPayer({ device, from }: Life<Payer, PayerBooks>): void {
  const { books } = device.state;
  assert.is(sameBooks(replayPayer(from, device.records), books), undefined, 'replaying the journal');
  assert.is(sameBooks(replayPayer(EMPTY_PAYER, snapshotPayer(books)), books), undefined, 'the snapshot');
  const sum = books.lanes.reduce((total, lane) => total + lane.paid, 0);
  assert.ok(sum <= books.spent, 'the lanes never exceed spent');
  assert.is(sum, books.spent, 'and an honest payer spends on lanes only');
  assert.ok(books.spent <= books.lease!.spendLimit, 'spent stays within the lease');
  for (const lane of books.lanes) assert.ok(lane.confirmedPaid <= lane.paid);
}

function checkTerminal({ device, from }: Life<Terminal, TerminalBooks>): void {
  const { books } = device.state;
  assert.is(sameBooks(replayTerminal(from, device.records), books), undefined, 'replaying the journal');
  assert.is(
    sameBooks(replayTerminal(EMPTY_TERMINAL, snapshotTerminal(books)), books),
    undefined,
    'the snapshot',
  );
  // Sums that are kept, against sums that are made here.
  const waiting = (of: (channel: number) => boolean): number =>
    books.outbox.reduce((sum, entry) => sum + (of(entry.channel) ? entry.exposure : 0), 0);
  assert.is(
    books.exposure,
    waiting(() => true),
    'what the outbox exposes',
  );
  for (const { channel, exposure } of books.lanes)
    assert.is(
      exposure,
      waiting((one) => one === channel),
      'what a channel exposes',
    );
}

/** A random life of one payer and three terminals of two payees. Returns what happened, for the coverage check. */
async function live(seed: number, steps: number): Promise<Set<string>> {
  const random = randomFrom(seed);
  const happened = new Set<string>();
  const start = await provisioned({ spendLimit: amount(60_000) });
  const payer: Life<Payer, PayerBooks> = { device: await startPayer(start), from: start };
  const specs = [
    { key: keys.terminal, payee: keys.payee },
    { key: keys.terminal2, payee: keys.payee },
    { key: keys.stranger, payee: keys.payee2 },
  ];
  const terminals: Life<Terminal, TerminalBooks>[] = [];
  for (const spec of specs) {
    const device = await makeTerminal({ ...spec, settings: { outboxMax: 12, lanesMax: 12 } });
    terminals.push({ device, from: device.state.books });
  }
  let nowMs = 0;
  let peer: Terminal | undefined;
  for (let step = 0; step < steps; step++) {
    const index = random.below(3);
    const life = terminals[index]!;
    const lossy = random.below(3);
    const loses = (): boolean => random.below(4) < lossy;
    switch (random.below(9)) {
      case 0:
      case 1: {
        if (peer) await unlink(payer.device, peer);
        const event =
          random.below(3) === 0
            ? streamSale(1 + random.below(9), 1 + random.below(6), step & 255)
            : sale(random.below(900), step & 255);
        await life.device.on(event);
        peer = life.device;
        await link(payer.device, peer, loses);
        break;
      }
      case 2:
        if (peer) await deliverTick(peer);
        break;
      case 3:
        nowMs += 4000;
        payer.device.nowMs = nowMs;
        for (const terminal of terminals) terminal.device.nowMs = nowMs;
        await payer.device.on({ type: 'clock' });
        await life.device.on({ type: 'clock' });
        break;
      case 4: {
        if (random.below(2) === 0) break;
        const from = replayPayer(EMPTY_PAYER, snapshotPayer(payer.device.state.books));
        if (peer) await unlink(payer.device, peer);
        peer = undefined;
        payer.from = from;
        payer.device = await startPayer(from);
        payer.device.nowMs = nowMs;
        happened.add('payer restarted');
        break;
      }
      case 5: {
        if (random.below(2) === 0) break;
        const from = replayTerminal(EMPTY_TERMINAL, snapshotTerminal(life.device.state.books));
        if (peer) await unlink(payer.device, peer);
        peer = undefined;
        life.from = from;
        life.device = await makeTerminal({
          ...specs[index],
          books: from,
          settings: { outboxMax: 12, lanesMax: 12 },
        });
        life.device.nowMs = nowMs;
        happened.add('terminal restarted');
        break;
      }
      case 6:
        await life.device.on({ type: 'closeSession', challenge: challenge(step & 255) });
        break;
      case 7: {
        await life.device.on({ type: 'hubConnected' });
        for (const entry of life.device.state.books.outbox)
          if (entry.kind !== 'tick' && random.below(2) === 0)
            await life.device.on({ type: 'hubMessage', message: await acknowledgement(entry.entry) });
        for (const tick of life.device.state.volatile.uploadedTicks)
          await life.device.on({ type: 'hubMessage', message: await acknowledgement(tick.entry) });
        await life.device.on({ type: 'hubLost' });
        break;
      }
      default:
        await life.device.on({
          type: 'refund',
          channel: CHANNEL,
          credited: amount(random.below(100)),
        });
    }
    checkPayer(payer);
    for (const record of payer.device.records) happened.add(`payer ${record.type}`);
    for (const terminal of terminals) {
      checkTerminal(terminal);
      for (const record of terminal.device.records) happened.add(`terminal ${record.type}`);
    }
  }
  return happened;
}

test('random lives: books are the fold of their records, snapshots rebuild them, the sums hold', async () => {
  const first = 20_260_901;
  console.log(`seeds ${first} to ${first + 11}, 60 steps each`);
  const all = new Set<string>();
  for (let seed = first; seed < first + 12; seed++) for (const what of await live(seed, 60)) all.add(what);
  const records = [
    'intent',
    'confirmed',
    'tickRevealed',
    'streamClosed',
    'voided',
    'tickConfirmed',
    'certificate',
  ];
  for (const name of records) assert.ok(all.has(`payer ${name}`), `no run stored ${name}`);
  for (const name of ['answered', 'tick', 'credited', 'acknowledged', 'tickAcknowledged'])
    assert.ok(all.has(`terminal ${name}`), `no run stored ${name}`);
  assert.ok(all.has('payer restarted') && all.has('terminal restarted'));
});

test('a record that no longer applies changes nothing', async () => {
  const books = await provisioned();
  const unknown = new Uint8Array(32).fill(9);
  for (const record of [
    { type: 'confirmed', digest: unknown },
    { type: 'voided', digest: unknown },
    { type: 'tickRevealed', k: 1 },
    { type: 'streamClosed' },
    { type: 'tickConfirmed', stream: unknown, k: 1 },
    { type: 'tickForgotten', stream: unknown, k: 1 },
    { type: 'acknowledged', digest: unknown },
  ] as const)
    assert.is(sameBooks(applyPayer(books, record), books), undefined, record.type);
  const terminal = (await makeTerminal()).state.books;
  for (const record of [
    { type: 'tick', channel: CHANNEL, k: 1, preimage: unknown, late: false },
    { type: 'acknowledged', entry: unknown, position: 3 as never },
    { type: 'tickAcknowledged', stream: unknown, k: 1 },
    { type: 'evicted', channel: CHANNEL },
    { type: 'settled', channel: CHANNEL, paid: amount(1) },
  ] as const)
    assert.is(sameBooks(applyTerminal(terminal, record), terminal), undefined, record.type);
});

test('a voucher goes to the hub as a second copy only with its receipt', async () => {
  const request = closedRequest();
  const { voucher, digest, signature } = await forge(request);
  const books = applyPayer(await provisioned(), { type: 'intent', digest, voucher, request });
  for (const [extra, copies] of [
    [{}, 0],
    [{ signature }, 0],
    [{ receipt: signature }, 0],
    [{ signature, receipt: signature }, 1],
  ] as const) {
    const after = applyPayer(books, { type: 'confirmed', digest, ...extra });
    assert.is(after.unconfirmed.length, 0);
    assert.is(after.outbox.length, copies);
  }
});

test('a void dated long ago does not lower what a terminal remembers when it forgets the lane', async () => {
  const request = closedRequest();
  const { voucher, digest, signature } = await forge(request, { seq: 1 });
  const receipt = await keys.terminal.sign(signing.digest('Receipt', { voucher: digest }));
  const answered = { type: 'answered' as const, payer: keys.payer.address };
  let books = applyTerminal(EMPTY_TERMINAL, { ...answered, digest, voucher, request, signature, receipt });
  const invented = closedRequest({ at: 5 as never });
  const late = await forge(invented, { seq: 2, spent: 2000, paid: 2000 });
  books = applyTerminal(books, { ...answered, ...late, request: invented, credit: receipt });
  books = applyTerminal(books, { type: 'evicted', channel: CHANNEL });
  assert.is(books.evictedAt, request.at);
  assert.is(books.time, 0, 'what a device dates itself is no time of the hub’s');
});

test('a void dated far ahead does not move the stored time', async () => {
  const request = closedRequest({ at: (2 ** 40 - 1) as never });
  const { voucher, digest, signature } = await forge(request);
  const answered = { type: 'answered' as const, payer: keys.payer.address, credit: signature };
  const books = applyTerminal(EMPTY_TERMINAL, { ...answered, digest, voucher, request, signature });
  assert.is(books.time, 0);
});

test.run();
