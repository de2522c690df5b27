/** A serial line of ECMA-419 behind the Link interface. */
import Serial from 'embedded:io/serial';
import type { Link } from '../../interfaces/index.ts';

export interface SerialPins {
  readonly receive: number;
  readonly transmit: number;
  readonly port: number;
}

/** Bytes that wait for the line when it is busy; a frame is at most 260, and a tap sends one at a time. */
const waitingMax = 2048;

export function serialLink(pins: SerialPins, frameSizeMax: number): Link {
  let onBytes: ((bytes: Uint8Array) => void) | undefined;
  let waiting: number[] = [];
  let room = 0;
  const serial = new Serial({
    ...pins,
    baud: 115_200,
    format: 'buffer',
    onReadable(count) {
      const bytes = this.read(count);
      if (bytes !== undefined) onBytes?.(new Uint8Array(bytes));
    },
    onWritable(count) {
      room = count;
      pump();
    },
  });
  function pump(): void {
    const part = waiting.slice(0, room);
    if (part.length === 0) return;
    waiting = waiting.slice(part.length);
    room -= part.length;
    serial.write(Uint8Array.from(part));
  }
  return {
    frameSizeMax,
    send(bytes) {
      // What does not fit is lost, as on any line; the outbox and the resend bring it again.
      if (waiting.length + bytes.length <= waitingMax) waiting.push(...bytes);
      pump();
    },
    receive(receiver) {
      onBytes = receiver;
    },
    close: () => serial.close(),
  };
}
