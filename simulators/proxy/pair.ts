/**
 * Two devices that meet through a proxy: a link to each, and every message between them goes through the rules. Messages
 * of one end keep their order, as on any link.
 */
import { Deframer, encodeFrame } from '../../device/links/framing.ts';
import type { Clock, Link } from '../../hardware/interfaces/index.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { decodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { type End, ENDS, type Fate, type Faults } from './rules.ts';

/** Messages of one end that may wait for their time, or for the other device. */
const WAITING_MAX = 256;

/** A message that came to the proxy, and what becomes of it. */
export interface Passed {
  readonly tap: number;
  /** Milliseconds since the devices met. */
  readonly at: number;
  readonly from: End;
  readonly number: number;
  readonly bytes: Uint8Array;
  /** Absent where the bytes are no message of this version. */
  readonly message?: Message | undefined;
  readonly fate: Fate;
}

export interface PairOptions {
  readonly tap: number;
  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'>;
  readonly faults: Faults;
  /** After so long a silence behind a lost message the devices part, as people do who try again; milliseconds. */
  readonly partMs: number;
  onPassed(passed: Passed): void;
  /** Once, when the devices have parted. */
  onApart(why: string): void;
}

/** What one end has said and is not there yet. */
interface Way {
  readonly deframer: Deframer;
  number: number;
  /** How many of each name it has said. */
  readonly named: Map<string, number>;
  /** When the last message of this end is due, on the clock. */
  dueMs: number;
  waiting: number;
  /** What was said before the other device was there. */
  early: Uint8Array[];
}

const other = (end: End): End => (end === 'payer' ? 'terminal' : 'payer');

/** One meeting. */
export class Pair {
  private readonly options: PairOptions;
  private readonly startMs: number;
  private readonly links = new Map<End, Link>();
  private readonly ways: Readonly<Record<End, Way>>;
  private readonly cancels = new Set<() => void>();
  private cancelPart: (() => void) | undefined;
  private lossy = false;
  /** Whose link ended while something that it said is still on its way. */
  private gone: End | undefined;
  private over = false;

  constructor(options: PairOptions) {
    this.options = options;
    this.startMs = options.clock.monotonicMs();
    const way = (from: End): Way => ({
      deframer: new Deframer(
        SYNC_MESSAGE_BYTES_MAX,
        (bytes) => this.pass(from, bytes.slice()),
        () => undefined,
      ),
      number: 0,
      named: new Map(),
      dueMs: 0,
      waiting: 0,
      early: [],
    });
    this.ways = { payer: way('payer'), terminal: way('terminal') };
  }

  /** The link to one of the devices. */
  join(end: End, link: Link): void {
    if (this.over || this.links.has(end)) return link.close();
    this.links.set(end, link);
    link.receive(
      (bytes) => this.ways[end].deframer.push(bytes),
      () => this.leave(end),
    );
    const { early } = this.ways[other(end)];
    this.ways[other(end)].early = [];
    for (const frame of early) link.send(frame);
  }

  /** A device went. What it said before is late, not lost: it still arrives. */
  private leave(end: End): void {
    if (this.gone === undefined && this.ways[end].waiting > 0) this.gone = end;
    else this.apart(`the ${end} went`);
  }

  /** Parts the devices. Does nothing when they have. */
  apart(why: string): void {
    if (this.over) return;
    this.over = true;
    this.cancelPart?.();
    for (const cancel of this.cancels) cancel();
    for (const link of this.links.values()) link.close();
    this.options.onApart(why);
  }

  private pass(from: End, bytes: Uint8Array): void {
    if (this.over) return;
    const { tap, clock, faults, onPassed } = this.options;
    const way = this.ways[from];
    way.number += 1;
    const decoded = decodeMessage(bytes, 'sync');
    const message = decoded.ok ? decoded.message : undefined;
    const { number, named } = way;
    const name = message?.type;
    const nth = (named.get(name ?? '') ?? 0) + 1;
    named.set(name ?? '', nth);
    const fate = faults.fateOf({ tap, from, number, name, nth });
    const now = clock.monotonicMs();
    onPassed({ tap, at: now - this.startMs, from, number, bytes, message, fate });
    this.lossy ||= fate.copies === 0 || fate.garbled;
    this.watch();
    way.dueMs = Math.max(way.dueMs, now + fate.delayMs);
    if (way.dueMs <= now && way.waiting === 0) return this.arrive(from, bytes, fate);
    if (way.waiting >= WAITING_MAX) return this.apart('too much waits');
    way.waiting += 1;
    const cancel = clock.schedule(way.dueMs - now, () => {
      this.cancels.delete(cancel);
      way.waiting -= 1;
      this.arrive(from, bytes, fate);
      if (this.gone === from && way.waiting === 0) this.apart(`the ${from} went`);
    });
    this.cancels.add(cancel);
  }

  private arrive(from: End, bytes: Uint8Array, { copies, garbled, cut }: Fate): void {
    if (cut === 'before') return this.apart(`cut before message ${this.ways[from].number} of the ${from}`);
    const frame = encodeFrame(bytes);
    // A flipped bit that leaves no zero in the middle: the frame stays one, and its sum is wrong.
    if (garbled) frame[1]! ^= frame[1] === 0x10 ? 0x20 : 0x10;
    for (let copy = 0; copy < copies; copy++) this.send(from, frame);
    this.watch();
    if (cut === 'after') this.apart(`cut after message ${this.ways[from].number} of the ${from}`);
  }

  private send(from: End, frame: Uint8Array): void {
    const link = this.links.get(other(from));
    const { early } = this.ways[from];
    if (this.gone === other(from)) return;
    if (link !== undefined) link.send(frame);
    else if (early.length < WAITING_MAX) early.push(frame);
    else this.apart('too much waits');
  }

  /** What was lost is not said again on a link: somebody has to try again. */
  private watch(): void {
    if (!this.lossy || this.over) return;
    this.cancelPart?.();
    const { clock, partMs } = this.options;
    this.cancelPart = clock.schedule(partMs, () => this.apart('a message was lost, and nothing came since'));
  }

  /** Whether both devices are there. */
  get together(): boolean {
    return ENDS.every((end) => this.links.has(end));
  }
}
