/**
 * A link over one BLE connection: one characteristic that the central writes, one by which the peripheral notifies. A
 * packet is one value of either. Its first byte says what it is; protocol/LINKS.md has all of them byte for byte.
 *
 * Radio stacks lose notifications when they are busy, and a write without response is a hope. So packets with bytes are
 * numbered modulo 8, at most WINDOW of them are under way, and what the other side did not take is sent again from the
 * first that is missing. What a frame is, is not known here: a frame that fits is one packet, others are split.
 */
import type { Clock, Link } from '../../hardware/interfaces/index.ts';
import { concatBytes, equalBytes } from '../../protocol/bytes.ts';

/** Service and characteristics of a tap: the payer is the peripheral. */
export const TAP_GATT = {
  service: '5ad1a100-73b0-4a6e-9f0b-7c1e5d2f9e01',
  write: '5ad1a101-73b0-4a6e-9f0b-7c1e5d2f9e01',
  notify: '5ad1a102-73b0-4a6e-9f0b-7c1e5d2f9e01',
} as const;
/** Of a sync: a device is the peripheral, a gateway the central. */
export const SYNC_GATT = {
  service: '5ad1a110-73b0-4a6e-9f0b-7c1e5d2f9e01',
  write: '5ad1a111-73b0-4a6e-9f0b-7c1e5d2f9e01',
  notify: '5ad1a112-73b0-4a6e-9f0b-7c1e5d2f9e01',
} as const;
export type GattProfile = typeof TAP_GATT | typeof SYNC_GATT;

/** The smallest and largest MTU of a connection, bytes; an ATT packet has three bytes of its own. */
export const MTU_MIN = 23;
export const MTU_MAX = 517;
export const ATT_OVERHEAD = 3;
/** A value has at most 512 bytes, whatever the MTU. */
const VALUE_MAX = 512;

/** Bytes of a packet at an MTU. Throws RangeError outside of 23 to 517. */
export function packetMaxAt(mtu: number): number {
  if (!Number.isInteger(mtu) || mtu < MTU_MIN || mtu > MTU_MAX) throw new RangeError(`an MTU of ${mtu}`);
  return Math.min(mtu - ATT_OVERHEAD, VALUE_MAX);
}

const VERSION = 1;
const OPEN = 0x01;
const OPENED = 0x02;
const REFUSED = 0x03;
const CLOSE = 0x04;
const ACK = 0x40;
/** An ACK that says that something is missing. */
const MISSING = 0x20;
const DATA = 0x80;

/** Packets under way that the other side has not taken. */
export const WINDOW = 4;
const SEQS = 8;
/** Silence after which a packet is sent again, and how often before the link is given up. */
export const RETRY_MS = 300;
const TRIES_MAX = 6;
/** Silence on a link that stands, after which the central asks whether it still does. */
export const IDLE_MS = 2_000;
/** How long a peripheral waits for a sign of a central of which a connection went, and it may have been another one. */
export const GONE_MS = 3 * IDLE_MS;
/** How long a packet waits for bytes that go the other way and say that it was taken, and how many wait. */
const ACK_MS = 40;
const UNTOLD_MAX = WINDOW / 2;
/** Bytes that may wait for the window; more, and the link is given up. */
const WAITING_MAX = 32 * 1024;

/** Why a peripheral does not open. */
export const GATT_REFUSALS = { not_pressed: 1, busy: 2, other_version: 3 } as const;
export type GattRefusal = keyof typeof GATT_REFUSALS;
/** Why a link ended; `gone`: the connection did. */
export type GattEnd = GattRefusal | 'gone' | 'closed' | 'silent' | 'overflow' | 'malformed';

type Timer = Pick<Clock, 'schedule'>;

/** Numbered packets both ways over one opened connection. */
class Stream {
  readonly link: Link;
  private readonly dataMax: number;
  private readonly clock: Timer;
  private readonly write: (packet: Uint8Array) => void;
  private readonly over: (why: GattEnd) => void;
  private onBytes: ((bytes: Uint8Array) => void) | undefined;
  private onClosed: (() => void) | undefined;
  /** What came before anybody listened. */
  private early: Uint8Array[] = [];
  /** Parts that were sent and not taken, oldest first; `firstSeq` numbers the oldest. */
  private underWay: Uint8Array[] = [];
  private firstSeq = 0;
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  private expected = 0;
  private saidMissing = false;
  /** Packets that were taken, and the other side was not told. */
  private untold = 0;
  private tries = 0;
  private ended = false;
  private closing = false;
  private stopRetry: (() => void) | undefined;
  private stopAck: (() => void) | undefined;

  constructor(
    packetMax: number,
    clock: Timer,
    write: (packet: Uint8Array) => void,
    over: (why: GattEnd) => void,
  ) {
    this.dataMax = packetMax - 1;
    this.clock = clock;
    this.write = write;
    this.over = over;
    this.link = {
      frameSizeMax: this.dataMax,
      send: (bytes) => this.send(bytes),
      receive: (onBytes, onClosed) => {
        this.onBytes = onBytes;
        this.onClosed = onClosed;
        for (const bytes of this.early.splice(0)) onBytes(bytes);
      },
      close: () => this.close(),
    };
  }

  private send(bytes: Uint8Array): void {
    if (this.ended || this.closing) return;
    for (let at = 0; at < bytes.length; at += this.dataMax)
      this.waiting.push(bytes.slice(at, at + this.dataMax));
    this.waitingBytes += bytes.length;
    if (this.waitingBytes > WAITING_MAX) return this.end('overflow');
    this.pump();
  }

  private pump(): void {
    while (this.underWay.length < WINDOW && this.waiting.length > 0) {
      const part = this.waiting.shift()!;
      this.waitingBytes -= part.length;
      this.underWay.push(part);
      this.put(this.underWay.length - 1);
    }
    if (this.stopRetry === undefined && this.underWay.length > 0) this.watch();
  }

  /** Puts one packet that is under way on the air. */
  private put(index: number): void {
    this.told();
    const seq = (this.firstSeq + index) % SEQS;
    this.write(concatBytes(Uint8Array.of(DATA | (seq << 3) | this.expected), this.underWay[index]!));
  }

  private watch(): void {
    this.stopRetry = this.clock.schedule(RETRY_MS, () => {
      this.stopRetry = undefined;
      this.tries += 1;
      if (this.tries >= TRIES_MAX) return this.end('silent');
      this.again();
    });
  }

  /** Everything that is under way once more, from the first that is missing. */
  private again(): void {
    this.stopRetry?.();
    this.stopRetry = undefined;
    for (let i = 0; i < this.underWay.length; i++) this.put(i);
    if (this.underWay.length > 0) this.watch();
  }

  /** Takes a packet of bytes, or that says what was taken. */
  take(packet: Uint8Array): void {
    if (this.ended) return;
    const head = packet[0]!;
    this.taken(head & 7);
    if (head < DATA) {
      if (head & MISSING) this.again();
      return;
    }
    if (packet.length < 2) return this.end('malformed');
    if (((head >> 3) & 7) !== this.expected) return this.notExpected();
    this.expected = (this.expected + 1) % SEQS;
    this.saidMissing = false;
    this.untold += 1;
    if (this.untold >= UNTOLD_MAX) this.tell();
    else this.stopAck ??= this.clock.schedule(ACK_MS, () => this.tell());
    const bytes = packet.slice(1);
    if (this.onBytes === undefined) this.early.push(bytes);
    else this.onBytes(bytes);
  }

  /** Says what was taken. */
  private tell(head: number = ACK): void {
    this.told();
    this.write(Uint8Array.of(head | this.expected));
  }

  private told(): void {
    this.untold = 0;
    this.stopAck?.();
    this.stopAck = undefined;
  }

  /** A packet that came twice, or one after a gap. */
  private notExpected(): void {
    this.tell(this.saidMissing ? ACK : ACK | MISSING);
    this.saidMissing = true;
  }

  /** The other side waits for `next`: what came before it has arrived. */
  private taken(next: number): void {
    const count = (next - this.firstSeq + SEQS) % SEQS;
    if (count === 0 || count > this.underWay.length) return;
    this.underWay.splice(0, count);
    this.firstSeq = next;
    this.tries = 0;
    this.stopRetry?.();
    this.stopRetry = undefined;
    this.pump();
    if (this.closing && this.underWay.length === 0) this.end('closed');
  }

  /** Ends when everything that was sent has arrived, or nobody answers any more. */
  private close(): void {
    if (this.ended) return;
    this.closing = true;
    if (this.underWay.length === 0) this.end('closed');
  }

  end(why: GattEnd): void {
    if (this.ended) return;
    this.ended = true;
    this.stopRetry?.();
    this.stopAck?.();
    this.over(why);
    this.onClosed?.();
  }
}

interface Options {
  readonly clock: Timer;
  /** Largest value of either characteristic that this side can send and take: see packetMaxAt. */
  readonly packetMax: number;
}

export interface CentralOptions extends Options {
  /** 4 bytes that nobody could know: names this opening among those of other centrals. */
  readonly nonce: Uint8Array;
  write(packet: Uint8Array): void;
  onLink(link: Link): void;
  /** Once, when it ended or never began; the host lets the connection go. */
  onEnd(why: GattEnd): void;
}

/** The till's or gateway's side of a connection, which opens the link. */
export class GattCentral {
  private readonly options: CentralOptions;
  private stream: Stream | undefined;
  private ended = false;
  private tries = 0;
  private stopRetry: (() => void) | undefined;

  constructor(options: CentralOptions) {
    this.options = options;
    this.open();
  }

  /**
   * Opens; and asks by the same word, when nothing was heard for a while, whether the other side still has this link: its
   * host may have told it that we are gone.
   */
  private open(): void {
    const { packetMax, nonce, clock, write } = this.options;
    this.tries += 1;
    if (this.tries > TRIES_MAX) return this.end('silent');
    this.stopRetry = clock.schedule(RETRY_MS, () => this.open());
    write(concatBytes(Uint8Array.of(OPEN, VERSION, packetMax >> 8, packetMax & 255), nonce));
  }

  /** Takes a notification. */
  push(packet: Uint8Array): void {
    if (this.ended || packet.length === 0) return;
    const kind = packet[0]!;
    if (kind >= ACK) {
      if (this.stream === undefined) return;
      this.heard();
      return this.stream.take(packet);
    }
    // Every central that subscribed hears every notification of some stacks: what is for another is not for us.
    const ours = equalBytes(packet.slice(-4), this.options.nonce);
    if (kind === OPENED && packet.length === 8) this.opened(packet, ours);
    else if (kind === REFUSED && packet.length === 6 && ours) this.end(refusalOf(packet[1]!));
    else if (kind === CLOSE && packet.length === 5 && ours) this.end('closed');
  }

  private opened(packet: Uint8Array, ours: boolean): void {
    if (!ours) {
      if (this.stream !== undefined) this.end('busy');
      return;
    }
    this.heard();
    if (this.stream !== undefined) return;
    const packetMax = Math.min(this.options.packetMax, (packet[2]! << 8) | packet[3]!);
    if (packet[1] !== VERSION || packetMax < MTU_MIN - ATT_OVERHEAD) return this.end('other_version');
    const { clock, write, nonce, onLink } = this.options;
    this.stream = new Stream(packetMax, clock, write, (why) => {
      if (why === 'closed') write(concatBytes(Uint8Array.of(CLOSE), nonce));
      this.end(why);
    });
    onLink(this.stream.link);
  }

  /** The other side is there. */
  private heard(): void {
    this.tries = 0;
    this.stopRetry?.();
    this.stopRetry = this.options.clock.schedule(IDLE_MS, () => this.open());
  }

  /** The connection is gone, or the host gives it up. */
  end(why: GattEnd = 'gone'): void {
    if (this.ended) return;
    this.ended = true;
    this.stopRetry?.();
    this.stream?.end(why);
    this.options.onEnd(why);
  }
}

const refusalOf = (code: number): GattEnd =>
  (Object.keys(GATT_REFUSALS) as GattRefusal[]).find((name) => GATT_REFUSALS[name] === code) ?? 'malformed';

export interface PeripheralOptions extends Options {
  /** Notifies `peer`; where a stack notifies everybody, the others know by their nonce that it is not for them. */
  write(packet: Uint8Array, peer: string): void;
  /** Why nobody may open just now; undefined: welcome. */
  refusal(): GattRefusal | undefined;
  onLink(link: Link): void;
  /** The link that stood ended; the host lets `peer` go. */
  onEnd(why: GattEnd, peer: string): void;
}

/** The wearable's or device's side: any number of centrals may connect, one at a time is served. */
export class GattPeripheral {
  private readonly options: PeripheralOptions;
  private present: { readonly peer: string; readonly nonce: Uint8Array; readonly stream: Stream } | undefined;
  /** The opening that ended last: who asks for it once more is told that it is over. */
  private last: Uint8Array | undefined;
  /**
   * Connections of the present central that may still go beside its own: one that met this device under another address
   * has the same name as before.
   */
  private older = 0;
  private stopGone: (() => void) | undefined;

  constructor(options: PeripheralOptions) {
    this.options = options;
  }

  /** Takes what a central wrote. `peer`: a name of its connection. */
  push(peer: string, packet: Uint8Array): void {
    const { present } = this;
    const kind = packet[0];
    if (present?.peer === peer) this.stopGone?.();
    if (kind === OPEN && packet.length === 8) return this.open(peer, packet);
    if (present?.peer !== peer || kind === undefined) return;
    if (kind >= ACK) present.stream.take(packet);
    else if (kind === CLOSE && packet.length === 5 && equalBytes(packet.slice(1), present.nonce))
      present.stream.end('closed');
  }

  private open(peer: string, packet: Uint8Array): void {
    const { options, present } = this;
    const nonce = packet.slice(4);
    if (this.last !== undefined && equalBytes(this.last, nonce))
      return options.write(concatBytes(Uint8Array.of(CLOSE), nonce), peer);
    const again = present?.peer === peer && equalBytes(present.nonce, nonce);
    const packetMax = Math.min(options.packetMax, (packet[2]! << 8) | packet[3]!);
    const refusal =
      packet[1] !== VERSION || packetMax < MTU_MIN - ATT_OVERHEAD
        ? 'other_version'
        : present !== undefined && present.peer !== peer
          ? 'busy'
          : again
            ? undefined
            : options.refusal();
    if (refusal !== undefined)
      return options.write(concatBytes(Uint8Array.of(REFUSED, GATT_REFUSALS[refusal]), nonce), peer);
    if (!again) {
      // The same central begins anew: what it left behind is over.
      const older = present === undefined ? 0 : this.older + 1;
      present?.stream.end('gone');
      this.older = older;
      const stream = new Stream(
        packetMax,
        options.clock,
        (bytes) => options.write(bytes, peer),
        (why) => this.over(why, peer, nonce),
      );
      this.present = { peer, nonce, stream };
    }
    const own = options.packetMax;
    options.write(concatBytes(Uint8Array.of(OPENED, VERSION, own >> 8, own & 255), nonce), peer);
    if (!again) options.onLink(this.present!.stream.link);
  }

  private over(why: GattEnd, peer: string, nonce: Uint8Array): void {
    this.present = undefined;
    this.last = nonce;
    this.older = 0;
    this.stopGone?.();
    if (why !== 'gone') this.options.write(concatBytes(Uint8Array.of(CLOSE), nonce), peer);
    this.options.onEnd(why, peer);
  }

  /** A central's connection is gone. */
  gone(peer: string): void {
    if (this.present?.peer !== peer) return;
    if (this.older === 0) return this.end();
    // An older one, most likely; if not, nothing comes any more.
    this.older -= 1;
    this.stopGone?.();
    this.stopGone = this.options.clock.schedule(GONE_MS, () => this.end());
  }

  /** The radio is off, or the device ends. */
  end(): void {
    this.present?.stream.end('gone');
  }
}
