/** A serial line of ECMA-419 behind the Link interface; who is at its far end says device/links/line.ts. */
import Serial from 'embedded:io/serial';
import { Line } from '../../../device/links/line.ts';
import type { Clock, Entropy, Link } from '../../interfaces/index.ts';

/** Where the line is: a port and its pins on a chip, a device file on Linux. */
export type SerialPlace =
  | { readonly port: number; readonly receive: number; readonly transmit: number }
  | { readonly device: string };

/** Bytes that wait for the line when it is busy; a frame is at most 260, and a tap sends one at a time. */
const waitingMax = 2048;
/** The least room that an ECMA-419 port reports when it can take bytes again is part of a frame; more goes at once. */
const partMax = 256;
/** Between attempts to open a line that was unplugged. */
const reopenMs = 2000;

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

/**
 * Opens the line, and opens it again after an error (a converter was unplugged). Calls back with a fresh link for each
 * far end that comes. Throws when it can't be opened the first time.
 */
export function serialLinks(
  place: SerialPlace,
  frameSizeMax: number,
  clock: Clock,
  entropy: Entropy,
  onLink: (link: Link) => void,
): void {
  let line: Line | undefined;
  let waiting = new Uint8Array(0);
  let room = 0;
  /** Undefined after an error: the SDK has closed it then, and a closed port must not be touched. */
  let serial: Serial | undefined;
  function open(): Serial {
    const options = {
      ...place,
      baud: 115_200,
      format: 'buffer',
      onReadable(this: Serial, count: number) {
        const bytes = this.read(count);
        if (bytes instanceof ArrayBuffer) line?.push(new Uint8Array(bytes));
      },
      onWritable(count: number) {
        room = count;
        pump();
      },
      onError() {
        serial = undefined;
        end();
      },
    };
    // The typings know chips only; `device` is what the SDK's Linux port takes.
    return new Serial(options as unknown as ConstructorParameters<typeof Serial>[0]);
  }
  function pump(): void {
    while (serial !== undefined && waiting.length > 0 && room > 0) {
      const part = waiting.slice(0, Math.min(room, partMax));
      try {
        // The Linux port takes no views.
        serial.write(part.buffer as ArrayBuffer);
      } catch {
        // Busier than it said: it reports when it has room again.
        room = 0;
        return;
      }
      waiting = waiting.slice(part.length);
      room -= part.length;
    }
  }
  function end(): void {
    waiting = new Uint8Array(0);
    line?.end();
    line = undefined;
  }
  function begin(): void {
    room = 0;
    serial = open();
    line = new Line({
      name: 1 + (entropy.random(1)[0]! % 255),
      clock,
      frameSizeMax,
      connected: false,
      write(bytes) {
        // What does not fit is lost, as on any line; the outbox and the resend bring it again.
        if (waiting.length + bytes.length <= waitingMax) waiting = joined(waiting, bytes) as typeof waiting;
        pump();
      },
      hangUp: () => undefined,
      onLink,
    });
  }
  function watch(): void {
    try {
      if (serial === undefined) begin();
    } catch {
      // Still unplugged.
    }
    clock.schedule(reopenMs, watch);
  }
  begin();
  clock.schedule(reopenMs, watch);
}
