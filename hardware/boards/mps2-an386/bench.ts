/**
 * The image `bench`: a payer and a terminal on one chip, joined by a wire in memory, both with journals in flash. It
 * counts instructions from the first byte of a frame that comes in to the frame that goes out, with no interrupt and
 * no host in between, so that the same build counts the same every time. The counts are for bench:board to print.
 */
import { payerDevice, type TerminalDevice, terminalDevice } from '../../../device/devices.ts';
import { openJournal } from '../../../device/journal/journal.ts';
import { Deframer } from '../../../device/links/framing.ts';
import type { Host, Observer } from '../../../device/runtime.ts';
import { amount, channelId, position, seconds, seq } from '../../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../../protocol/limits.ts';
import type { Notice } from '../../../protocol/machines/effects.ts';
import { payerRecords } from '../../../protocol/machines/payer/books.ts';
import {
  type TerminalBooks,
  type TerminalRecord,
  terminalRecords,
} from '../../../protocol/machines/terminal/books.ts';
import { makeSigning } from '../../../protocol/signing/digests.ts';
import { SCOPE_ANY, voucherDigest } from '../../../protocol/vouchers.ts';
import { decodeMessage, encodeMessage, type MessageOf } from '../../../protocol/wire/messages.ts';
import type { Entropy, Link, Uplink } from '../../interfaces/index.ts';
import { onStart } from '../../native/prelude.ts';
import { crypto } from './crypto.ts';
import { boardFlash } from './flash.ts';
import { memoryKey } from './keys.ts';
import { lanesMax, outboxMax } from './limits.ts';
import { board } from './natives.ts';

/** The timer of the board counts every 40th instruction under -icount shift=0. */
const instructionsPerTick = 40;
const start = seconds(1_790_000_000);
const syncVouchers = 20;
/** Ticks that are measured, of a stream alone and of one beside a full outbox. */
const ticksMeasured = 16;
/** Turns of the promise queue after which a device that has not answered never will. */
const patience = 200;

declare const PROFILE: string;

/** Half of the flash for each of the two devices. */
const halves = [boardFlash(0, 32), boardFlash(32, 32)] as const;

/** One side of the wire: frames wait until the bench delivers them. */
class End implements Link {
  readonly frameSizeMax = 244;
  readonly frames: Uint8Array[] = [];
  /** Ticks when the last frame was sent, and how many were. */
  sentAt = 0;
  sent = 0;
  onBytes: (bytes: Uint8Array) => void = () => {};

  send(bytes: Uint8Array): void {
    this.sentAt = board.ticks();
    this.sent += 1;
    this.frames.push(bytes);
  }

  receive(onBytes: (bytes: Uint8Array) => void): void {
    this.onBytes = onBytes;
  }

  close(): void {}
}

/** Sixteen or thirty-two bytes that differ from call to call and are the same in every run. */
function counter(): Entropy {
  let calls = 0;
  return { certified: false, random: (length) => new Uint8Array(length).fill(++calls & 255) };
}

/** Vouchers of other customers, one each: as many lanes and waiting entries as there is place for beside one stream. */
function fullBooks(books: TerminalBooks, payee: Uint8Array, terminal: Uint8Array): TerminalRecord[] {
  const records: TerminalRecord[] = [];
  // One place is for the stream, one for the credit of what comes late when the last session is lost.
  const waiting = outboxMax - 2 - books.outbox.length;
  const lanes = lanesMax - books.lanes.length;
  for (let n = 1; n <= lanes; n++) {
    const digest = new Uint8Array(32).fill(n);
    const request = { terminal, amount: amount(100_000), at: seconds(start - 1000 + n), detail: digest };
    const numbers = {
      channel: channelId(1000 + n),
      seq: seq(1),
      spent: amount(100_000),
      paid: amount(100_000),
    };
    const voucher = {
      kind: 'voucher',
      ...numbers,
      payee,
      lanes: new Uint8Array(16),
      request: digest,
    } as const;
    const [signature, receipt] = [new Uint8Array(64).fill(n), new Uint8Array(64).fill(n)];
    const payer = new Uint8Array(20).fill(n);
    records.push({ type: 'answered', digest, payer, voucher, request, signature, receipt });
    if (n <= lanes - waiting) records.push({ type: 'acknowledged', entry: digest, position: position(n) });
  }
  return records;
}

async function run(): Promise<void> {
  const signing = makeSigning(crypto, { chainId: 31337, vault: new Uint8Array(20).fill(0xbe) });
  const [payerKey, terminalKey, payee, hub] = [1, 2, 3, 4].map((n) => memoryKey(new Uint8Array(32).fill(n)));
  let nowMs = 1000;
  const clock: Host['clock'] = {
    monotonicMs: () => nowMs,
    realTimeSeconds: () => start,
    schedule: () => () => {},
  };
  const notices: { notice: Notice; at: number }[] = [];
  const observer: Observer<unknown> = {
    onNotice: (notice) => notices.push({ notice, at: board.ticks() }),
    onFault: (fault) => board.print(`fault ${fault.code}: ${fault.message}\n`),
  };
  const none = (): never[] => [];
  const channel = channelId(1);
  const hubKey = {
    type: 'hubKey',
    address: hub!.address,
    from: seconds(0),
    until: seconds(start + 1e6),
    epoch: 0,
    signedAt: seconds(0),
  } as const;
  const site = { hub: { id: new Uint8Array(32), root: hub!.address }, timing: DEFAULT_TIMING };

  const payerJournal = openJournal(halves[0], { banks: 4 });
  const terms = {
    channel,
    payer: payerKey!.address,
    spentFrom: amount(0),
    spendLimit: amount(400_000_000),
    tapLimit: amount(7_000_000),
    cap: amount(200_000_000),
    guarantee: amount(0),
    issuedAt: seconds(start - 3600),
    expiresAt: seconds(start + 259_200),
    scope: SCOPE_ANY,
  };
  const lease = {
    type: 'lease' as const,
    ...terms,
    signature: await hub!.sign(signing.digest('Lease', terms)),
  };
  payerJournal.append(payerRecords.encode({ type: 'channelOpened', channel }), none);
  payerJournal.append(payerRecords.encode(hubKey), none);
  payerJournal.append(payerRecords.encode({ ...lease, signer: hub!.address }), none);
  const payer = payerDevice(
    signing,
    { ...site, role: 'wearable', scheme: 'secp256k1', tapMax: amount(50_000_000), entropyCertified: false },
    { key: payerKey!, clock, entropy: counter() },
    () => openJournal(halves[0], { banks: 4 }),
    observer,
  );

  const expiresAt = seconds(start + 1e6);
  const named = { terminal: terminalKey!.address, payee: payee!.address, expiresAt };
  const certificate = { expiresAt, signature: await payee!.sign(signing.digest('Terminal', named)) };
  openJournal(halves[1], { banks: 4 }).append(terminalRecords.encode(hubKey), none);
  const newTerminal = (): TerminalDevice =>
    terminalDevice(
      signing,
      {
        ...site,
        role: 'charger',
        scheme: 'secp256k1',
        payee: payee!.address,
        certificate,
        capChannel: amount(200_000_000),
        capTotal: amount(400_000_000),
        wideMax: amount(400_000_000),
        outboxMax,
        lanesMax,
        entropyCertified: false,
      },
      { key: terminalKey!, clock, entropy: counter() },
      () => openJournal(halves[1], { banks: 4 }),
      observer,
    );
  let terminal = newTerminal();
  await payer.start();
  await terminal.start();

  let payerEnd = new End();
  let terminalEnd = new End();

  /** Lets the promise queue run until `done`. */
  const settle = async (done: () => boolean): Promise<void> => {
    for (let turns = 0; turns < patience && !done(); turns++) await undefined;
  };

  /**
   * Delivers the oldest frame that `from` has sent; returns instructions until the answer was sent, or until the
   * notice came, or undefined when neither did.
   */
  const deliver = async (from: End, to: End, until?: Notice['type']): Promise<number | undefined> => {
    const frame = from.frames.shift();
    if (frame === undefined) return undefined;
    const sent = to.sent;
    const seen = notices.length;
    const noticed = () => notices.slice(seen).find(({ notice }) => notice.type === until);
    // The far end is at work: this side is idle, as a board's loop would be.
    board.idle();
    const before = board.ticks();
    to.onBytes(frame);
    await settle(() => (until === undefined ? to.sent > sent : noticed() !== undefined));
    // What follows the answer belongs to the next measurement's quiet.
    await settle(() => false);
    const at = until === undefined ? (to.sent > sent ? to.sentAt : undefined) : noticed()?.at;
    return at === undefined ? undefined : (at - before) * instructionsPerTick;
  };

  const challenge = new Uint8Array(16).fill(9);
  const sale = async (units: number): Promise<void> => {
    challenge[0] = (challenge[0]! + 1) & 255;
    await terminal.dispatch({
      type: 'sale',
      amount: amount(units),
      currency: 'TIME',
      challenge: challenge.slice(),
    });
    await settle(() => false);
  };

  const counts: Record<string, number> = {};

  // First meeting: greeting, certificate, lease; then the voucher with the lease just checked.
  terminal.attachLink(terminalEnd);
  payer.attachLink(payerEnd);
  await settle(() => false);
  let cold = 0;
  while (payerEnd.frames.length + terminalEnd.frames.length > 0) {
    while (payerEnd.frames.length > 0) cold += (await deliver(payerEnd, terminalEnd)) ?? 0;
    while (terminalEnd.frames.length > 0) await deliver(terminalEnd, payerEnd);
  }
  await sale(100_000);
  await deliver(terminalEnd, payerEnd);
  counts.payeeCold = cold + (await deliver(payerEnd, terminalEnd))!;
  counts.receipt = (await deliver(terminalEnd, payerEnd, 'paid'))!;

  // Every further tap at this terminal: the lease is cached.
  const payerParts: number[] = [];
  const payeeParts: number[] = [];
  for (let tap = 1; tap < syncVouchers; tap++) {
    nowMs += 10_000;
    await sale(100_000 + tap);
    payerParts.push((await deliver(terminalEnd, payerEnd))!);
    payeeParts.push((await deliver(payerEnd, terminalEnd))!);
    await deliver(terminalEnd, payerEnd, 'paid');
  }
  // The median: a collection of garbage falls into some taps and not into others; the worst stands beside it.
  const median = (values: number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
  counts.payer = median(payerParts);
  counts.payeeCached = median(payeeParts);
  counts.tapInstructions = counts.payer + counts.payeeCached;
  counts.tapWorst = Math.max(...payerParts) + Math.max(...payeeParts);

  // Twenty vouchers to the hub, in one message, and its twenty acknowledgements.
  const packs: Uint8Array[] = [];
  let onConnected: (connected: boolean) => void = () => {};
  let onMessage: (message: Uint8Array) => void = () => {};
  const uplink: Uplink = {
    send: (message) => packs.push(message),
    receive(messageReceiver, connectedReceiver) {
      onMessage = messageReceiver;
      onConnected = connectedReceiver;
    },
    close() {},
  };
  terminal.attachUplink(uplink);
  // Until the terminal is idle again: turning the promise queue for longer would be counted too.
  let before = board.ticks();
  onConnected(true);
  await terminal.idle();
  let sync = board.ticks() - before;
  const uploaded = decodeMessage(packs.at(-1)!, 'sync');
  const pack = uploaded.ok ? (uploaded.message as MessageOf<'pack'>) : undefined;
  if (pack?.entries.length !== syncVouchers) board.print(`pack of ${pack?.entries.length} entries\n`);
  let next = 0;
  for (const waiting of terminal.state.books.outbox) {
    if (waiting.kind !== 'voucher') continue;
    const entry = voucherDigest(signing, waiting.collected.voucher);
    const fields = { entry, position: position(next++), at: start };
    const signature = await hub!.sign(signing.digest('Acknowledgement', fields));
    const bytes = encodeMessage({ type: 'acknowledgement', ...fields, signature });
    before = board.ticks();
    onMessage(bytes);
    await terminal.idle();
    sync += board.ticks() - before;
  }
  counts.sync = sync * instructionsPerTick;
  counts.syncLeft = terminal.state.books.outbox.length;

  // A stream: each tick from its frame until it is stored and the charge point may deliver.
  let tickFrame: Uint8Array = new Uint8Array();
  const stream = async (
    name: number,
  ): Promise<{ open: number; tick: number; reveal: number; ticks: number }> => {
    await terminal.dispatch({
      type: 'streamSale',
      tickValue: amount(20_000),
      ticks: 64,
      currency: 'TIME',
      challenge: new Uint8Array(16).fill(name),
    });
    await settle(() => false);
    const open = (await deliver(terminalEnd, payerEnd)) ?? 0;
    await deliver(payerEnd, terminalEnd);
    const ticks: number[] = [];
    const reveals: number[] = [];
    for (let k = 1; k <= ticksMeasured; k++) {
      nowMs += 1000;
      const reveal = await deliver(terminalEnd, payerEnd);
      if (reveal !== undefined) reveals.push(reveal);
      tickFrame = payerEnd.frames[0] ?? tickFrame;
      const took = await deliver(payerEnd, terminalEnd, 'deliver');
      if (took === undefined) break;
      ticks.push(took);
      await terminal.dispatch({ type: 'delivered', channel, k, challenge: new Uint8Array(16).fill(k) });
      await settle(() => false);
    }
    return { open, tick: median(ticks), reveal: median(reveals), ticks: ticks.length };
  };
  // What the terminal keeps of the sync (rule 6a) leaves so few slots on this one chip that the payer's opening waits for a
  // collection of garbage, 2.1 million instructions; on a chip of its own it has nothing of that.
  const alone16 = await stream(77);
  counts.streamOpen = alone16.open;
  counts.tick = alone16.tick;
  counts.tickReveal = alone16.reveal;
  counts.ticksMeasured = alone16.ticks;

  // The primitives alone.
  const digest = new Uint8Array(32).fill(7);
  const alone = (work: () => unknown): number => {
    const began = board.ticks();
    work();
    return (board.ticks() - began) * instructionsPerTick;
  };
  // The parts of a tick that can be had alone; what is left of it is the machine's step and the runtime around it.
  const messages: Uint8Array[] = [];
  const deframer = new Deframer(244, (message) => messages.push(message), none);
  const frame = alone(() => deframer.push(tickFrame));
  const bytes = messages[0]!;
  const decode = alone(() => decodeMessage(bytes, 'tap'));
  const decoded = decodeMessage(bytes, 'tap') as { message: MessageOf<'tick'> };
  const { k, preimage } = decoded.message;
  const hash = alone(() => crypto.keccak256(preimage));
  const tick = { type: 'tick', channel, k, preimage, late: false } as const;
  const record = alone(() => terminalRecords.encode(tick));
  const journal = openJournal(halves[1], { banks: 4 });
  const payload = terminalRecords.encode(tick);
  const store = alone(() => journal.append(payload, none));
  const parts = { frame, decode, hash, record, store };
  const rest = counts.tick - frame - decode - hash - record - store;

  const signature = await payerKey!.sign(digest);
  counts.sign = alone(() => payerKey!.sign(digest));
  counts.recover = alone(() => crypto.recover(digest, signature));
  counts.keccak256 = alone(() => crypto.keccak256(new Uint8Array(64)));
  counts.sha256 = alone(() => board.sha256(new Uint8Array(64), digest));
  // The same beside an outbox and lanes as full as they get while a stream is taken, after a restart from flash.
  const others = fullBooks(terminal.state.books, payee!.address, terminalKey!.address);
  const filling = openJournal(halves[1], { banks: 4 });
  for (const record of others) filling.append(terminalRecords.encode(record), none);
  terminal.stop();
  terminal = newTerminal();
  await terminal.start();
  [payerEnd, terminalEnd] = [new End(), new End()];
  terminal.attachLink(terminalEnd);
  payer.attachLink(payerEnd);
  await settle(() => false);
  for (let turns = 0; turns < patience && payerEnd.frames.length + terminalEnd.frames.length > 0; turns++) {
    if (payerEnd.frames.length > 0) await deliver(payerEnd, terminalEnd);
    if (terminalEnd.frames.length > 0) await deliver(terminalEnd, payerEnd);
  }
  const full = await stream(78);
  counts.tickFull = full.tick;
  counts.tickFullMeasured = full.ticks;
  counts.outboxFull = terminal.state.books.outbox.length;
  counts.lanesFull = terminal.state.books.lanes.length;

  board.print(
    `${JSON.stringify({ event: 'bench', profile: PROFILE, ...counts, tickParts: { ...parts, rest } })}\n`,
  );
}

onStart(() => void run());
