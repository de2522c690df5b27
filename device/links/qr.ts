/**
 * A link of two displays that look at each other, with cameras or scanners that type. Each side shows one code at a time:
 * everything that it has to say in its turn. Whoever shows the next turn has read the one before. What does not fit one
 * code is shown as a fountain, frame after frame. protocol/LINKS.md has the bytes.
 *
 * Codes are text in the alphanumeric alphabet of QR (base45, RFC 9285), so a scanner that is a keyboard will do.
 */
import type { Clock, Link } from '../../hardware/interfaces/index.ts';
import { concatBytes } from '../../protocol/bytes.ts';
import { crc32 } from '../crc32.ts';
import { FOUNTAIN_BYTES_MAX, FountainDecoder, fountainPart } from './fountain.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';
/** What codes begin with: one turn whole, or a part of one. */
const WHOLE = 'SD1:';
const PART = 'SD2:';
const HEAD = 4;
const SUM = 4;
/** Bytes of a turn that is shown as one code: a version 9 at level L holds 335 characters. */
export const TURN_BYTES_MAX = 212;
/** Bytes of a part: a version 8 at level L. */
const PART_BYTES = 160;
/** How long a side collects what its device has to say before it shows it. */
const COLLECT_MS = 25;
/** How long it waits for anything to say at all; then it shows that it has nothing. */
const NOTHING_MS = 300;

/** RFC 9285. */
export function base45(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 2) {
    const two = i + 1 < bytes.length;
    let value = two ? bytes[i]! * 256 + bytes[i + 1]! : bytes[i]!;
    for (let digit = 0; digit < (two ? 3 : 2); digit++) {
      text += ALPHABET[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return text;
}

/** The bytes of a base45 text; undefined when it is none. */
export function fromBase45(text: string): Uint8Array | undefined {
  if (text.length % 3 === 1) return undefined;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i += 3) {
    const digits = [...text.slice(i, i + 3)].map((char) => ALPHABET.indexOf(char));
    if (digits.includes(-1)) return undefined;
    const value = digits.reduceRight((sum, digit) => sum * 45 + digit, 0);
    if (value > (digits.length === 3 ? 0xffff : 0xff)) return undefined;
    if (digits.length === 3) bytes.push(value >> 8);
    bytes.push(value & 255);
  }
  return Uint8Array.from(bytes);
}

export interface QrOptions {
  readonly clock: Pick<Clock, 'schedule'>;
  /** The payer shows the first code, and names the meeting with two bytes that are new each time. */
  readonly first: boolean;
  readonly nonce?: Uint8Array;
  /** Two displays meet; the link before it is over. */
  onLink(link: Link): void;
}

/** One side: what it shows, and what it makes of what it sees. */
export class QrLink {
  private readonly options: QrOptions;
  private readonly decoder = new FountainDecoder();
  private nonce: Uint8Array | undefined;
  /** The turn that this side shows, or showed last; the first side's are odd. */
  private turn = 0;
  /** This side may show its next turn. */
  private mine = false;
  private shown: Uint8Array | undefined;
  private waiting: Uint8Array = new Uint8Array(0);
  private cancel: (() => void) | undefined;
  private onBytes: ((bytes: Uint8Array) => void) | undefined;
  private onClosed: (() => void) | undefined;

  constructor(options: QrOptions) {
    this.options = options;
    if (options.first) this.begin(options.nonce ?? new Uint8Array(2), -1);
  }

  private begin(nonce: Uint8Array, turn: number): void {
    this.end();
    this.nonce = nonce;
    this.turn = turn;
    this.mine = this.options.first;
    const link: Link = {
      frameSizeMax: TURN_BYTES_MAX,
      send: (bytes) => {
        if (this.nonce !== nonce) return;
        // A turn has a bound, and so has what waits for one; more is lost, as on any link.
        if (this.waiting.length + bytes.length > FOUNTAIN_BYTES_MAX - HEAD) return;
        this.waiting = concatBytes(this.waiting, bytes);
        this.plan(COLLECT_MS);
      },
      receive: (onBytes, onClosed) => {
        this.onBytes = onBytes;
        this.onClosed = onClosed;
      },
      close: () => {
        if (this.nonce === nonce) this.end();
      },
    };
    this.options.onLink(link);
  }

  /** The text of the n-th frame that the display shows; undefined: it is dark. */
  frame(n: number): string | undefined {
    const { shown } = this;
    if (shown === undefined) return undefined;
    if (shown.length <= TURN_BYTES_MAX + HEAD) return WHOLE + base45(withSum(shown));
    return PART + base45(fountainPart(shown, PART_BYTES, n & 0xffff));
  }

  /** Takes the text of a code that was seen; anything else is not for us. */
  scan(text: string): void {
    const bytes = fromBase45(text.slice(4));
    if (bytes === undefined) return;
    if (text.startsWith(WHOLE)) {
      const turn = withoutSum(bytes);
      if (turn !== undefined) this.take(turn);
    } else if (text.startsWith(PART)) {
      const turn = this.decoder.push(bytes);
      if (turn !== undefined) this.take(turn);
    }
  }

  private take(packet: Uint8Array): void {
    if (packet.length < HEAD) return;
    const turn = (packet[2]! << 8) | packet[3]!;
    const nonce = packet.slice(0, 2);
    const known = this.nonce !== undefined && nonce[0] === this.nonce[0] && nonce[1] === this.nonce[1];
    if (!known) {
      if (this.options.first || turn !== 1) return;
      this.begin(nonce, 0);
    }
    // Seen before, or our own code in a mirror.
    if (turn !== this.turn + 1) return;
    this.turn = turn;
    this.mine = true;
    this.shown = undefined;
    this.plan(this.waiting.length > 0 ? COLLECT_MS : NOTHING_MS);
    if (packet.length > HEAD) this.onBytes?.(packet.slice(HEAD));
  }

  private plan(ms: number): void {
    if (!this.mine) return;
    this.cancel?.();
    this.cancel = this.options.clock.schedule(ms, () => this.show());
  }

  private show(): void {
    this.cancel = undefined;
    if (!this.mine || this.nonce === undefined) return;
    this.mine = false;
    this.turn = this.turn < 0 ? 1 : this.turn + 1;
    this.shown = concatBytes(
      this.nonce,
      Uint8Array.of((this.turn >> 8) & 255, this.turn & 255),
      this.waiting,
    );
    this.waiting = new Uint8Array(0);
  }

  /** The meeting is over. */
  end(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.nonce = undefined;
    this.shown = undefined;
    this.waiting = new Uint8Array(0);
    this.mine = false;
    const closed = this.onClosed;
    this.onBytes = undefined;
    this.onClosed = undefined;
    closed?.();
  }
}

function withSum(bytes: Uint8Array): Uint8Array {
  const sum = crc32(bytes);
  return concatBytes(bytes, Uint8Array.of(sum & 255, (sum >>> 8) & 255, (sum >>> 16) & 255, sum >>> 24));
}

function withoutSum(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < SUM) return undefined;
  const body = bytes.slice(0, -SUM);
  const sum = crc32(body);
  for (let i = 0; i < SUM; i++) if (bytes[body.length + i] !== ((sum >>> (8 * i)) & 255)) return undefined;
  return body;
}
