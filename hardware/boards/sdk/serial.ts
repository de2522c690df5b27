/**
 * A serial line of ECMA-419 behind the Link interface. A wire does not say whether anybody is at its far end: when
 * nothing came for a while the link ends and begins anew, and the device greets whoever is there now.
 */
import Serial from 'embedded:io/serial';
import type { Clock, Link } from '../../interfaces/index.ts';

/** Where the line is: a port and its pins on a chip, a device file on Linux. */
export type SerialPlace =
  | { readonly port: number; readonly receive: number; readonly transmit: number }
  | { readonly device: string };

/** Bytes that wait for the line when it is busy; a frame is at most 260, and a tap sends one at a time. */
const waitingMax = 2048;
/** The least room that an ECMA-419 port reports when it can take bytes again is part of a frame; more goes at once. */
const partMax = 256;
/** Silence after which a link counts as ended: above the slowest answer of a tap, below a person's patience. */
const quietMs = 2000;

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

/**
 * Opens the line, and opens it again after an error (a converter was unplugged). Calls back with a fresh link at once and
 * after every silence. Throws when it can't be opened the first time.
 */
export function serialLinks(
  place: SerialPlace,
  frameSizeMax: number,
  clock: Clock,
  onLink: (link: Link) => void,
): void {
  let onBytes: ((bytes: Uint8Array) => void) | undefined;
  let onClosed: (() => void) | undefined;
  let waiting = new Uint8Array(0);
  let room = 0;
  let heardMs = 0;
  /** Undefined after an error: the SDK has closed it then, and a closed port must not be touched. */
  let serial: Serial | undefined;
  function open(): Serial {
    const options = {
      ...place,
      baud: 115_200,
      format: 'buffer',
      onReadable(this: Serial, count: number) {
        const bytes = this.read(count);
        if (!(bytes instanceof ArrayBuffer)) return;
        heardMs = clock.monotonicMs();
        onBytes?.(new Uint8Array(bytes));
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
    const closed = onClosed;
    onBytes = undefined;
    onClosed = undefined;
    waiting = new Uint8Array(0);
    closed?.();
  }
  function begin(): void {
    heardMs = clock.monotonicMs();
    onLink({
      frameSizeMax,
      send(bytes) {
        // What does not fit is lost, as on any line; the outbox and the resend bring it again.
        if (waiting.length + bytes.length <= waitingMax) waiting = joined(waiting, bytes) as typeof waiting;
        pump();
      },
      receive(bytesReceiver, closedReceiver) {
        onBytes = bytesReceiver;
        onClosed = closedReceiver;
      },
      close: end,
    });
  }
  function watch(): void {
    if (serial === undefined) {
      try {
        room = 0;
        serial = open();
        begin();
      } catch {
        // Still unplugged.
      }
    } else if (clock.monotonicMs() - heardMs >= quietMs) {
      end();
      begin();
    }
    clock.schedule(quietMs, watch);
  }
  serial = open();
  begin();
  clock.schedule(quietMs, watch);
}
