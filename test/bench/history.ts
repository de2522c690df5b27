/**
 * What a voucher costs a hub, how much memory it holds and how long it takes to start, by how many vouchers are behind it:
 * the same hub over ledger and index on this disk, on one thread. The history is written straight into segments and
 * index, as vouchers of many channels that take turns, which is the worst order for an index by channels; what is
 * measured has real signatures, and goes from bytes through the fsync and the index to the signed acknowledgement.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import { assembleHub } from '../../hub/assemble.ts';
import { IndexFollower } from '../../hub/index/follower.ts';
import { LmdbIndex } from '../../hub/index/lmdb-index.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import { IntakeRuntime } from '../../hub/intake/runtime.ts';
import { heldEntries, type IntakeEvent, type IntakeState } from '../../hub/intake/state.ts';
import { Edit } from '../../hub/intake/trie.ts';
import { decodeHeader, encodeGroup, encodeHeader, headerBytes } from '../../hub/ledger/frame.ts';
import { Journal } from '../../hub/ledger/journal.ts';
import { MerkleTree } from '../../hub/ledger/merkle.ts';
import { segmentIndices, segmentName } from '../../hub/ledger/reader.ts';
import { encodeRecord } from '../../hub/ledger/records.ts';
import { indexBuildRecords, segmentBytesMax } from '../../hub/limits.ts';
import { createLogger } from '../../hub/log.ts';
import { createMetrics } from '../../hub/metrics.ts';
import { nodeDisk } from '../../hub/node/disk.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { systemTime } from '../../hub/node/time.ts';
import { emptyHistory } from '../../hub/settle/batches.ts';
import { amount, channelId, seconds, seq } from '../../protocol/integers.ts';
import { PACK_ENTRIES_MAX } from '../../protocol/limits.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { aloneSetup, portsIn } from '../hub/alone.ts';
import { context, NOW, payee, preparedState, suite, tap } from '../hub/fleet.ts';

const CHANNELS = 10_000;
/** Lanes of a channel, and payees that they lead to. */
const LANES = 20;
const PAYEES = 400;
const AMOUNT = 5;
/** Numbers begin where all of them take the same bytes, so that a message is made by writing into another one. */
const BASE = 70_000;
const GROUP = 1_024;
/** Vouchers of one measured round, rounds of one size, and packs under way at once. */
const MEASURED = 6_400;
const ROUNDS = 3;
const IN_FLIGHT = 16;
const log = createLogger('silent');
const never = () => undefined;

/** Who signs what is measured. */
export interface Signers {
  readonly payer: SecureKey;
  readonly terminal: SecureKey;
  readonly hub: SecureKey;
}

/** By the number of vouchers behind it: processor time of one more in us, and MB of memory that the hub holds. */
export interface HistoryCosts {
  readonly history: Record<string, number>;
  readonly heapMB: Record<string, number>;
  /** From nothing to the books, index and devices' door open. */
  readonly startSeconds: Record<string, number>;
}

/** Measures at each size, by turns, so that a busy machine slows all alike; starts the hub at the last one. */
export async function historyCosts(
  sizes: readonly number[],
  signers: Signers,
  say: (text: string) => void,
): Promise<HistoryCosts> {
  const folder = await mkdtemp(join(tmpdir(), 'sundial-history-'));
  const costs: HistoryCosts = { history: {}, heapMB: {}, startSeconds: {} };
  try {
    const pasts: { name: string; past: Past; micros: number[] }[] = [];
    for (const size of sizes) {
      say(`${size} vouchers behind a hub ...`);
      const name = size.toExponential().replace('+', '');
      const past = new Past(join(folder, name), signers);
      await past.grow(size);
      pasts.push({ name, past, micros: [] });
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const { name, past, micros } of pasts) {
        const measured = await past.measure();
        micros.push(measured.micros);
        costs.heapMB[name] = Math.round(measured.heapMB);
        say(`  ${name}: ${Math.round(measured.micros)} us a voucher, ${Math.round(measured.heapMB)} MB`);
      }
    }
    for (const { name, micros } of pasts) {
      micros.sort((a, b) => a - b);
      costs.history[name] = Math.round(micros[Math.floor(ROUNDS / 2)]!);
    }
    const { name, past } = pasts.at(-1)!;
    costs.startSeconds[name] = Number((await past.start()).toFixed(2));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return costs;
}

/** A hub's folder that fills up. */
class Past {
  private readonly folder: string;
  private readonly signers: Signers;
  private readonly payees: readonly Uint8Array[];
  private readonly template: Template;
  /** By channel: vouchers in all, and by lane. */
  private readonly vouchers = new Uint32Array(CHANNELS);
  private readonly lanes = new Uint32Array(CHANNELS * LANES);
  private size = 0;

  constructor(folder: string, signers: Signers) {
    this.folder = folder;
    this.signers = signers;
    this.payees = Array.from({ length: PAYEES }, (_, n) =>
      suite.keccak256(Uint8Array.of(n >> 8, n, 1)).slice(0, 20),
    );
    this.template = new Template();
    mkdirSync(join(folder, 'ledger'), { recursive: true });
  }

  /** The next numbers of a channel on a lane. */
  private next(channel: number, lane: number): { seq: number; spent: number; paid: number } {
    const place = channel * LANES + lane;
    this.vouchers[channel]! += 1;
    this.lanes[place]! += 1;
    const count = this.vouchers[channel]!;
    return {
      seq: BASE + count,
      spent: AMOUNT * (count + LANES * BASE),
      paid: AMOUNT * (this.lanes[place]! + BASE),
    };
  }

  /** Writes segments and index until so many vouchers stand in them. */
  async grow(size: number): Promise<void> {
    const store = await LmdbIndex.open(join(this.folder, 'index'), never);
    const tree = new MerkleTree(suite.keccak256, store, store.applied);
    const hub = { state: preparedState(), handle: async (event: IntakeEvent) => step(event) };
    const step = (event: IntakeEvent): void => {
      hub.state = intakeStep(context, hub.state, event).state;
    };
    step({ type: 'restored', books: store.restore().books, size: this.size });
    const follower = new IndexFollower({
      time: systemTime,
      store,
      intake: hub as never,
      journal: { ledger: { phase: 'writing' }, tree } as never,
      settle: { history: emptyHistory, lanes: { indexed: never } } as never,
      log,
    });
    const segments = await RawSegments.after(join(this.folder, 'ledger'), this.size);
    let group: Uint8Array[] = [];
    let edit = new Edit();
    while (this.size < size) {
      const channel = this.size % CHANNELS;
      const lane = (this.vouchers[channel]! * 7 + channel) % LANES;
      const to = lane === 0 ? payee.address : this.payees[(channel * 7 + lane) % PAYEES]!;
      const { record, message } = this.template.fill(this.size, BASE + channel, this.next(channel, lane), to);
      const bytes = encodeRecord({ ...record, message });
      step({ type: 'replayed', record: { ...record, message }, position: this.size, edit });
      tree.append(bytes);
      group.push(bytes);
      this.size += 1;
      if (group.length === GROUP || this.size === size) {
        segments.write(group);
        group = [];
      }
      if (follower.lag >= indexBuildRecords || this.size === size) {
        edit = new Edit();
        await follower.write();
      }
    }
    segments.close();
    await store.close();
  }

  /** Packs of real vouchers on channels that are far apart. */
  private async packs(): Promise<Uint8Array[]> {
    const { payer, terminal } = this.signers;
    const packs: Uint8Array[] = [];
    for (let made = 0; made < MEASURED; ) {
      const entries: Uint8Array[] = [];
      for (; entries.length < PACK_ENTRIES_MAX && made < MEASURED; made += 1) {
        const channel = (made * 4_001) % CHANNELS;
        const numbers = this.next(channel, 0);
        const { bytes } = await tap({ channel: BASE + channel, payer, terminal, amount: AMOUNT, ...numbers });
        entries.push(bytes);
      }
      packs.push(encodeMessage({ type: 'pack', entries }));
    }
    return packs;
  }

  /** Processor time of a voucher, us, and what is held in memory behind them. */
  async measure(): Promise<{ micros: number; heapMB: number }> {
    const store = await LmdbIndex.open(join(this.folder, 'index'), never);
    const ledger = await openFileLedger(join(this.folder, 'ledger'));
    const journal = new Journal(ledger, suite, undefined, store);
    let acknowledged = 0;
    const runtime: IntakeRuntime = new IntakeRuntime(context, {
      journal,
      key: this.signers.hub,
      metrics: createMetrics(),
      log,
      send: () => {
        acknowledged += 1;
      },
      durable: () => follower.poke(),
      registered: never,
      timeAsked: async () => undefined,
      revocations: never,
      fatal: (error) => {
        throw error;
      },
    });
    const settle = { history: emptyHistory, lanes: { indexed: never } } as never;
    const follower = new IndexFollower({ time: systemTime, store, intake: runtime, journal, settle, log });
    runtime.state = withChannels(this.signers);
    const { books } = store.restore();
    await runtime.handle({ type: 'restored', books, size: store.applied });
    const queue = await this.packs();
    global.gc!();
    const before = process.cpuUsage();
    const worker = async () => {
      for (let pack = queue.shift(); pack !== undefined; pack = queue.shift())
        await runtime.message('terminal', pack, NOW);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    await follower.write();
    const { user, system } = process.cpuUsage(before);
    if (acknowledged !== MEASURED) throw new Error(`${acknowledged} of ${MEASURED} acknowledged`);
    if (heldEntries(runtime.state.books) !== 0) throw new Error('memory holds what the index has');
    this.size = ledger.size;
    global.gc!();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    await follower.close();
    await ledger.close();
    await store.close();
    return { micros: (user + system) / MEASURED, heapMB: (heapUsed + arrayBuffers) / 1e6 };
  }

  /** Seconds until the hub that ships has its books, with its last batch not in the index. */
  async start(): Promise<number> {
    const ports = { ...(await portsIn(this.folder)), signers: [this.signers.hub] };
    const setup = { ...aloneSetup(log), metrics: createMetrics() };
    const began = performance.now();
    const hub = await assembleHub(ports, setup);
    const took = (performance.now() - began) / 1000;
    if (hub.journal.tree.size !== this.size) throw new Error('records are missing');
    await hub.stop();
    return took;
  }
}

/** A state that knows all channels; one payer has them all. */
function withChannels({ payer, terminal }: Signers): IntakeState {
  let state = preparedState();
  const facts = {
    payer: payer.address,
    deposited: amount(1e9),
    spendable: amount(8e8),
    bond: amount(2e8),
    exiting: false,
    slashed: false,
  };
  for (let channel = BASE; channel < BASE + CHANNELS; channel += 1)
    state = intakeStep(context, state, { type: 'channel', channel: channelId(channel), facts }).state;
  const device = { type: 'device', device: terminal.address, counter: 0, payee: payee.address } as const;
  return intakeStep(context, state, device).state;
}

/** Vouchers that differ in numbers, payee and digest: one message, written into. Nothing verifies them. */
class Template {
  private readonly bytes: Uint8Array;
  private readonly at: Record<'channel' | 'seq' | 'spent' | 'paid' | 'payee', number>;

  constructor() {
    const mark = { channel: 0x11223344, seq: 0x22334455, spent: 0x33445566, paid: 0x44556677 };
    const to = new Uint8Array(20).fill(0xaa);
    const signature = new Uint8Array(64);
    this.bytes = encodeMessage({
      type: 'collectedVoucher',
      channel: channelId(mark.channel),
      seq: seq(mark.seq),
      spent: amount(mark.spent),
      paid: amount(mark.paid),
      payee: to,
      terminal: to.map(() => 0xbb),
      at: NOW,
      detail: new Uint8Array(32).fill(0xcc),
      amount: amount(AMOUNT),
      lanes: new Uint8Array(16).fill(0xdd),
      signature,
      receipt: signature,
    });
    const buffer = Buffer.from(this.bytes);
    const place = (value: number) => {
      const marked = Buffer.alloc(4);
      marked.writeUInt32BE(value);
      return buffer.indexOf(marked);
    };
    this.at = {
      channel: place(mark.channel),
      seq: place(mark.seq),
      spent: place(mark.spent),
      paid: place(mark.paid),
      payee: buffer.indexOf(Buffer.from(to)),
    };
  }

  fill(
    number: number,
    channel: number,
    numbers: { readonly seq: number; readonly spent: number; readonly paid: number },
    to: Uint8Array,
  ) {
    const message = this.bytes.slice();
    const view = new DataView(message.buffer);
    view.setUint32(this.at.channel, channel);
    for (const name of ['seq', 'spent', 'paid'] as const) view.setUint32(this.at[name], numbers[name]);
    message.set(to, this.at.payee);
    const id = new Uint8Array(32);
    const words = new DataView(id.buffer);
    // Digests have no order: a mixed counter has none either.
    for (let word = 0; word < 8; word += 1) words.setUint32(4 * word, mixed(number * 8 + word));
    return { message, record: { type: 'entry', id, at: seconds(NOW) } as const };
  }
}

function mixed(value: number): number {
  let mix = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}

/** Segment files behind those that are there, written without a sync for each group. */
class RawSegments {
  private readonly folder: string;
  private index: number;
  private readonly epoch: number;
  private position: number;
  private bytes: number;
  private file: number | undefined;

  private constructor(
    folder: string,
    position: number,
    last: { index: number; epoch: number; bytes: number },
  ) {
    this.folder = folder;
    this.position = position;
    this.index = last.index;
    this.epoch = last.epoch;
    this.bytes = last.bytes;
  }

  static async after(folder: string, position: number): Promise<RawSegments> {
    const index = (await segmentIndices(await nodeDisk(folder))).at(-1) ?? 0;
    if (index === 0) return new RawSegments(folder, position, { index, epoch: 0, bytes: 0 });
    const path = join(folder, segmentName(index));
    const file = openSync(path, 'r');
    const head = Buffer.alloc(headerBytes);
    readSync(file, head);
    closeSync(file);
    const header = decodeHeader(head);
    const epoch = header.kind === 'header' ? header.epoch : 0;
    return new RawSegments(folder, position, { index, epoch, bytes: statSync(path).size });
  }

  write(records: readonly Uint8Array[]): void {
    if (this.file === undefined || this.bytes >= segmentBytesMax) {
      const before = { index: this.index, bytes: this.bytes };
      this.close();
      this.index += 1;
      this.file = openSync(join(this.folder, segmentName(this.index)), 'wx');
      this.bytes = writeSync(
        this.file,
        encodeHeader({ first: this.position, salt: this.index, epoch: this.epoch, before }),
      );
    }
    this.bytes += writeSync(this.file, encodeGroup(this.index, this.position, records));
    this.position += records.length;
  }

  close(): void {
    if (this.file === undefined) return;
    fsyncSync(this.file);
    closeSync(this.file);
    this.file = undefined;
  }
}
