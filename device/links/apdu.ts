/**
 * A link between a card and a reader (ISO 7816-4, the contactless cards of ISO 14443-4 above all): the wearable is an
 * application that a terminal selects, and the bytes of the tap travel in one command, EXCHANGE, both ways at once. A card
 * never speaks first, so the reader asks again while it waits. protocol/LINKS.md has every byte.
 *
 * Commands may be chained, lengths short or extended, answers collected by GET RESPONSE. Within a session nothing is lost;
 * a card that is pulled ends the link at both sides.
 */
import type { Clock, Link } from '../../hardware/interfaces/index.ts';
import { concatBytes, equalBytes } from '../../protocol/bytes.ts';

/** F0 (nobody registered it), the letters SUNDIAL, version 1. */
export const AID = Uint8Array.of(0xf0, 0x53, 0x55, 0x4e, 0x44, 0x49, 0x41, 0x4c, 0x01);
const VERSION = 1;

const SELECT = 0xa4;
const EXCHANGE = 0x10;
const GET_RESPONSE = 0xc0;
const CHAINED = 0x10;
const PROPRIETARY = 0x80;

/** Bytes of a short command, and of an extended one as this code sends and takes them. */
export const SHORT_MAX = 255;
export const EXTENDED_MAX = 4096;
/** Bytes that may wait for the reader; more, and the link is over. */
const WAITING_MAX = 32 * 1024;

/** Status words, and what each means to whoever reads it. */
export const STATUS = {
  ok: 0x9000,
  /** The device is frozen: its storage can't be trusted. */
  frozen: 0x6581,
  wrong_length: 0x6700,
  chain_broken: 0x6883,
  /** Nobody pressed, or the wearer's policy says no. */
  not_pressed: 0x6985,
  /** EXCHANGE before SELECT, or after the link was closed. */
  not_selected: 0x6986,
  no_application: 0x6a82,
  no_room: 0x6a84,
  wrong_parameters: 0x6a86,
  unknown_instruction: 0x6d00,
  unknown_class: 0x6e00,
} as const;
export type StatusName = keyof typeof STATUS;
/** High byte of the answer that says that more waits: 61 and how much, 00 for 256 and more. */
const MORE = 0x61;

/** Why the card's device does not answer just now. */
export type CardRefusal = Extract<StatusName, 'frozen' | 'not_pressed'>;

const word = (status: number): Uint8Array => Uint8Array.of(status >> 8, status & 255);

/** A command, taken apart. `expected`: bytes that the answer may have. */
export interface Command {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  readonly data: Uint8Array;
  readonly expected: number;
  readonly extended: boolean;
}

/** Takes a command apart, all four cases of ISO 7816-3, short and extended; undefined: its lengths do not fit. */
export function parseCommand(apdu: Uint8Array): Command | undefined {
  if (apdu.length < 4) return undefined;
  const [cla, ins, p1, p2] = apdu as unknown as [number, number, number, number];
  const head = { cla, ins, p1, p2 };
  const body = apdu.subarray(4);
  const none = new Uint8Array(0);
  if (body.length === 0) return { ...head, data: none, expected: 0, extended: false };
  if (body.length === 1) return { ...head, data: none, expected: body[0]! || 256, extended: false };
  if (body[0] !== 0) {
    const length = body[0]!;
    const rest = body.length - 1 - length;
    if (rest !== 0 && rest !== 1) return undefined;
    const expected = rest === 0 ? 0 : body[body.length - 1]! || 256;
    return { ...head, data: body.slice(1, 1 + length), expected, extended: false };
  }
  if (body.length < 3) return undefined;
  const length = (body[1]! << 8) | body[2]!;
  if (body.length === 3) return { ...head, data: none, expected: length || 65_536, extended: true };
  const rest = body.length - 3 - length;
  if (length === 0 || (rest !== 0 && rest !== 2)) return undefined;
  const expected = rest === 0 ? 0 : (body[body.length - 2]! << 8) | body[body.length - 1]! || 65_536;
  return { ...head, data: body.slice(3, 3 + length), expected, extended: true };
}

/** Puts a command together. `expected`: 0 for none, at most 256 for a short one. */
export function commandBytes(
  cla: number,
  ins: number,
  data: Uint8Array,
  expected: number,
  extended: boolean,
  p1 = 0,
): Uint8Array {
  const head = Uint8Array.of(cla, ins, p1, 0);
  if (extended) {
    const length = data.length === 0 ? [0] : [0, data.length >> 8, data.length & 255];
    const end = expected === 0 ? [] : [(expected >> 8) & 255, expected & 255];
    return concatBytes(head, Uint8Array.from(length), data, Uint8Array.from(end));
  }
  const length = data.length === 0 ? [] : [data.length];
  const end = expected === 0 ? [] : [expected & 255];
  return concatBytes(head, Uint8Array.from(length), data, Uint8Array.from(end));
}

export interface CardOptions {
  /** Why no reader may select just now; undefined: welcome. */
  refusal(): CardRefusal | undefined;
  /** A reader selected the application. */
  onLink(link: Link): void;
}

/** The wearable's application. Commands in, answers out; nothing takes time. */
export class ApduCard {
  private readonly options: CardOptions;
  private session: CardSession | undefined;

  constructor(options: CardOptions) {
    this.options = options;
  }

  /** Answers one command: the data, if any, and two bytes of status. */
  answer(apdu: Uint8Array): Uint8Array {
    const command = parseCommand(apdu);
    if (command === undefined) return word(STATUS.wrong_length);
    const cla = command.cla & ~CHAINED;
    if (command.ins === SELECT && cla === 0) return this.select(command);
    if (command.ins === GET_RESPONSE && cla === 0)
      return this.session?.answer(command.expected) ?? word(STATUS.not_selected);
    if (command.ins === EXCHANGE && cla === PROPRIETARY) return this.exchange(command);
    return word(cla === 0 || cla === PROPRIETARY ? STATUS.unknown_instruction : STATUS.unknown_class);
  }

  private select({ p1, p2, data, cla }: Command): Uint8Array {
    this.removed();
    if (cla !== 0) return word(STATUS.chain_broken);
    if (p1 !== 4 || p2 !== 0) return word(STATUS.wrong_parameters);
    if (!equalBytes(data, AID)) return word(STATUS.no_application);
    const refusal = this.options.refusal();
    if (refusal !== undefined) return word(STATUS[refusal]);
    this.session = new CardSession();
    this.options.onLink(this.session.link);
    return concatBytes(Uint8Array.of(VERSION, EXTENDED_MAX >> 8, EXTENDED_MAX & 255), word(STATUS.ok));
  }

  private exchange({ cla, p1, p2, data, expected }: Command): Uint8Array {
    const { session } = this;
    if (session?.open !== true) return word(STATUS.not_selected);
    if (p1 !== 0 || p2 !== 0) return word(STATUS.wrong_parameters);
    if (data.length > EXTENDED_MAX) return word(STATUS.wrong_length);
    session.take(data);
    return (cla & CHAINED) !== 0 ? word(STATUS.ok) : session.answer(expected);
  }

  /** The card left the field, or lost its power: the link is over. */
  removed(): void {
    const { session } = this;
    this.session = undefined;
    session?.end();
  }
}

class CardSession {
  readonly link: Link;
  open = true;
  private waiting: Uint8Array = new Uint8Array(0);
  private overflown = false;
  private onBytes: ((bytes: Uint8Array) => void) | undefined;
  private onClosed: (() => void) | undefined;

  constructor() {
    this.link = {
      frameSizeMax: SHORT_MAX,
      send: (bytes) => {
        if (!this.open) return;
        if (this.waiting.length + bytes.length > WAITING_MAX) this.overflown = true;
        else this.waiting = concatBytes(this.waiting, bytes);
      },
      receive: (onBytes, onClosed) => {
        this.onBytes = onBytes;
        this.onClosed = onClosed;
      },
      close: () => this.end(),
    };
  }

  take(bytes: Uint8Array): void {
    if (bytes.length > 0) this.onBytes?.(bytes);
  }

  answer(expected: number): Uint8Array {
    if (this.overflown) {
      this.end();
      return word(STATUS.no_room);
    }
    const part = this.waiting.slice(0, expected);
    this.waiting = this.waiting.slice(part.length);
    const left = this.waiting.length;
    return concatBytes(part, left === 0 ? word(STATUS.ok) : Uint8Array.of(MORE, left > 255 ? 0 : left));
  }

  end(): void {
    if (!this.open) return;
    this.open = false;
    this.onClosed?.();
  }
}

/** How a session with a card ended: `removed`, `closed` by this side, or what the card's status says. */
export type CardEnd = 'removed' | 'closed' | 'overflow' | 'unknown_status' | Exclude<StatusName, 'ok'>;

export interface ReaderOptions {
  /** Sends a command; rejects when the card is gone. */
  transmit(apdu: Uint8Array): Promise<Uint8Array>;
  /** Whether the reader takes extended lengths. */
  readonly extended: boolean;
  readonly clock: Pick<Clock, 'schedule'>;
  onLink(link: Link): void;
}

/** Between two questions while nobody has anything to say, milliseconds: first and longest. */
const POLL_MS = { first: 2, most: 40 } as const;

/** One session with the card that lies on the reader: selects, gives out the link, resolves when it is over. */
export async function readCard(options: ReaderOptions): Promise<CardEnd> {
  const session = new ReaderSession(options);
  try {
    return await session.run();
  } catch {
    return 'removed';
  } finally {
    session.end();
  }
}

class ReaderSession {
  private readonly options: ReaderOptions;
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  private closed = false;
  private ended = false;
  private onBytes: ((bytes: Uint8Array) => void) | undefined;
  private onClosed: (() => void) | undefined;
  private wake: () => void = () => undefined;

  constructor(options: ReaderOptions) {
    this.options = options;
  }

  async run(): Promise<CardEnd> {
    const selected = await this.ask(commandBytes(0, SELECT, AID, 256, false, 4));
    if (selected.end !== undefined) return selected.end;
    if (selected.data[0] !== VERSION) return 'no_application';
    this.options.onLink({
      frameSizeMax: this.options.extended ? EXTENDED_MAX : SHORT_MAX,
      send: (bytes) => this.send(bytes),
      receive: (onBytes, onClosed) => {
        this.onBytes = onBytes;
        this.onClosed = onClosed;
      },
      close: () => {
        this.closed = true;
        this.wake();
      },
    });
    for (let pause: number = POLL_MS.first; ; ) {
      if (this.waitingBytes > WAITING_MAX) return 'overflow';
      if (this.closed && this.waiting.length === 0) return 'closed';
      const bytes = this.waiting.shift();
      this.waitingBytes -= bytes?.length ?? 0;
      const { data, end } = await this.exchange(bytes ?? new Uint8Array(0));
      if (end !== undefined) return end;
      if (data.length > 0) this.onBytes?.(data);
      if (data.length > 0 || bytes !== undefined) pause = POLL_MS.first;
      else {
        await this.rest(pause);
        pause = Math.min(2 * pause, POLL_MS.most);
      }
    }
  }

  private send(bytes: Uint8Array): void {
    if (this.ended || this.closed) return;
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    this.wake();
  }

  /** Until somebody has something to say, but no longer. */
  private rest(ms: number): Promise<void> {
    if (this.waiting.length > 0 || this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.options.clock.schedule(ms, () => this.wake());
      this.wake = () => {
        cancel();
        this.wake = () => undefined;
        resolve();
      };
    });
  }

  /** Bytes there, bytes back: chained where they do not fit. */
  private async exchange(bytes: Uint8Array): Promise<{ data: Uint8Array; end?: CardEnd }> {
    const { extended } = this.options;
    const most = extended ? EXTENDED_MAX : SHORT_MAX;
    let at = 0;
    for (; bytes.length - at > most; at += most) {
      const part = commandBytes(PROPRIETARY | CHAINED, EXCHANGE, bytes.slice(at, at + most), 0, extended);
      const { end } = await this.ask(part);
      if (end !== undefined) return { data: new Uint8Array(0), end };
    }
    const expected = extended ? EXTENDED_MAX : 256;
    return this.ask(commandBytes(PROPRIETARY, EXCHANGE, bytes.slice(at), expected, extended));
  }

  /** One command, and all of its answer. */
  private async ask(apdu: Uint8Array): Promise<{ data: Uint8Array; end?: CardEnd }> {
    let all = new Uint8Array(0);
    for (let next = apdu; ; ) {
      const answer = await this.options.transmit(next);
      // Some drivers say so in this way.
      if (answer.length === 0) return { data: all, end: 'removed' };
      if (answer.length < 2) return { data: all, end: 'unknown_status' };
      all = concatBytes(all, answer.subarray(0, -2)) as typeof all;
      const status = (answer[answer.length - 2]! << 8) | answer[answer.length - 1]!;
      if (status === STATUS.ok) return { data: all };
      if (status >> 8 !== MORE) return { data: all, end: nameOf(status) };
      if (all.length > WAITING_MAX) return { data: all, end: 'overflow' };
      next = commandBytes(0, GET_RESPONSE, new Uint8Array(0), status & 255 || 256, false);
    }
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.wake();
    this.onClosed?.();
  }
}

function nameOf(status: number): CardEnd {
  const found = (Object.keys(STATUS) as StatusName[]).find((name) => STATUS[name] === status);
  return found === undefined || found === 'ok' ? 'unknown_status' : found;
}
