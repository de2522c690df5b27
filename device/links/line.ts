/**
 * Links over a line that does not say whether anybody is at its far end, such as a wire. So each side sends a beat, the
 * frame of three bytes that name this start of it: 04, name, two checks of it, 00. No message is that short, so beats are
 * taken out of the stream before anyone parses it. Another name means that the far end started anew, silence that it is
 * gone. Without the checks one flipped bit, in a beat or where a message begins, would end a payment half way.
 */
import type { Clock, Link } from '../../hardware/interfaces/index.ts';
import { concatBytes } from '../../protocol/bytes.ts';

export const BEAT_MS = 200;
/** Silence after which nobody is there any more. */
const GONE_MS = 1000;

const HEAD = 4;
const BEAT_BYTES = 5;

/** The beat of a start named `name`, 1 to 255. No byte of it but the last is zero. */
export const beatOf = (name: number): Uint8Array =>
  Uint8Array.of(HEAD, name, name ^ 0xff || 0xaa, 1 + ((29 * name + 71) % 255), 0);

/** How many bytes from `at` on are those of a beat, up to the end of what has come; 0: it is none. */
function beatBytes(bytes: Uint8Array, at: number): number {
  const count = Math.min(BEAT_BYTES, bytes.length - at);
  const name = count > 1 ? bytes[at + 1]! : 1;
  if (bytes[at] !== HEAD || name === 0) return 0;
  if (count <= 2) return count;
  const beat = beatOf(name);
  for (let i = 2; i < count; i++) if (bytes[at + i] !== beat[i]) return 0;
  return count;
}

const none = new Uint8Array();

export interface LineOptions {
  /** 1 to 255, another than at the last start. */
  readonly name: number;
  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'>;
  readonly frameSizeMax: number;
  /**
   * True for a line that says itself when somebody is there, as a socket does: a link begins at once, and this side
   * beats only when it has heard a beat. False for a wire: it beats from the start, and a link begins with an answer.
   */
  readonly connected: boolean;
  /** Puts bytes on the line. */
  write(bytes: Uint8Array): void;
  /** The device closes its link for good. */
  hangUp(): void;
  /** A far end came, or started anew; the link before has been closed. */
  onLink(link: Link): void;
}

/** Gives out one link after the other over one line. */
export class Line {
  private readonly options: LineOptions;
  /** The far end's name; 0: no beat was heard, or none for too long. */
  private peer = 0;
  private heardMs = 0;
  private cancel: (() => void) | undefined;
  private onBytes: ((bytes: Uint8Array) => void) | undefined;
  private onClosed: (() => void) | undefined;
  /** The start of a frame that may yet be a beat: up to four bytes. */
  private held = none;
  /** In the middle of a frame that is none. */
  private inside = false;

  constructor(options: LineOptions) {
    this.options = options;
    if (options.connected) this.begin();
    else this.beat();
  }

  /** True while the far end's beats are heard. */
  get heard(): boolean {
    return this.peer !== 0;
  }

  /** Takes whatever the line delivered. */
  push(delivered: Uint8Array): void {
    // Whatever it says, it is there: on a busy line its beats wait behind the rest.
    if (this.peer !== 0) this.heardMs = this.options.clock.monotonicMs();
    // Most deliveries are one frame, whole.
    const zero = delivered.indexOf(0);
    const begins = !this.inside && this.held.length === 0 && delivered[0] !== HEAD;
    if (begins && zero > 0 && zero === delivered.length - 1) this.onBytes?.(delivered);
    else this.sift(delivered);
  }

  /** Passes on what is no beat. */
  private sift(delivered: Uint8Array): void {
    const bytes = this.held.length === 0 ? delivered : concatBytes(this.held, delivered);
    this.held = none;
    const { length } = bytes;
    /** Where what was not passed on begins. */
    let from = 0;
    const pass = (to: number): void => {
      if (to > from) this.onBytes?.(from === 0 && to === length ? bytes : bytes.slice(from, to));
      from = to;
    };
    for (let at = 0; at < length; ) {
      const beat = this.inside ? 0 : beatBytes(bytes, at);
      if (beat === BEAT_BYTES) {
        // What came before the beat is for the link before it.
        pass(at);
        at += BEAT_BYTES;
        from = at;
        this.hear(bytes[at - BEAT_BYTES + 1]!);
        continue;
      }
      if (beat > 0) {
        pass(at);
        this.held = bytes.slice(at);
        return;
      }
      const zero = bytes.indexOf(0, at);
      this.inside = zero < 0;
      at = zero < 0 ? length : zero + 1;
    }
    pass(length);
  }

  /** The line itself is gone, for instance unplugged. */
  end(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.close();
  }

  private hear(name: number): void {
    this.heardMs = this.options.clock.monotonicMs();
    if (name === this.peer) return;
    this.peer = name;
    this.close();
    // What is said next is for whoever has just come, so that one must know first that we are here.
    this.beat();
    this.begin();
  }

  private beat(): void {
    const { clock, name, write } = this.options;
    this.cancel?.();
    write(beatOf(name));
    this.cancel = clock.schedule(BEAT_MS, () => {
      this.listen();
      this.beat();
    });
  }

  private listen(): void {
    if (this.peer === 0 || this.options.clock.monotonicMs() - this.heardMs < GONE_MS) return;
    this.peer = 0;
    this.close();
  }

  private begin(): void {
    const { frameSizeMax, write, hangUp, onLink } = this.options;
    onLink({
      frameSizeMax,
      send: write,
      receive: (onBytes, onClosed) => {
        this.onBytes = onBytes;
        this.onClosed = onClosed;
      },
      close: () => {
        this.end();
        hangUp();
      },
    });
  }

  private close(): void {
    const closed = this.onClosed;
    this.onBytes = undefined;
    this.onClosed = undefined;
    closed?.();
  }
}
