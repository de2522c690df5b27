/**
 * UARTs behind the Link and Uplink interfaces. Beats on the wire say whether somebody is at the far end
 * (device/links/line.ts): a link begins and ends with them.
 */
import { Deframer, encodeFrame } from '../../../device/links/framing.ts';
import { Line } from '../../../device/links/line.ts';
import { SYNC_MESSAGE_BYTES_MAX, TAP_MESSAGE_BYTES_MAX } from '../../../protocol/limits.ts';
import { setTimer } from '../../native/prelude.ts';
import type { Link, Uplink } from '../../interfaces/index.ts';
import { boardClock } from './key.ts';
import { board, control, port } from './natives.ts';

/** Bytes taken from a ring in one go; the C ring holds eight times as much. */
const chunkBytes = 256;
/**
 * A far end that takes nothing for this long is not there, and the bytes are lost, as on any line. One whose beats are
 * heard may share a busy computer with us.
 */
const patienceMs = { stranger: 50, heard: 1000 } as const;
// Made with the first port: what exists before the start lies in flash.
let chunk: Uint8Array | undefined;

interface Port {
  readonly number: number;
  readonly onBytes: (bytes: Uint8Array) => void;
}

let ports: readonly Port[] = [];

/** The loop calls it when something has arrived; it drains every port, in turns so that neither starves another. */
function drain(): void {
  chunk ??= new Uint8Array(chunkBytes);
  for (let more = true; more; ) {
    more = false;
    for (const one of ports) {
      const count = board.uartRead(one.number, chunk);
      if (count === 0) continue;
      more = true;
      one.onBytes(chunk.slice(0, count));
    }
  }
}

/** Takes a port; `onBytes` is called from the main loop, never from an interrupt. */
export function openPort(number: number, onBytes: (bytes: Uint8Array) => void): void {
  (globalThis as unknown as { onInterrupt: () => void }).onInterrupt = drain;
  ports = [...ports, { number, onBytes }];
  // The first reading opens it.
  setTimer(drain, 0);
}

/** Calls back with a fresh link for each far end that comes to a port. */
function openLine(number: number, frameSizeMax: number, onLink: (link: Link) => void): void {
  let line: Line | undefined;
  /** The last frame was given up in the middle. */
  let torn = false;
  line = new Line({
    name: 1 + (board.control(control.boots) % 255),
    clock: boardClock,
    frameSizeMax,
    connected: false,
    write(bytes) {
      const patience = line?.heard ? patienceMs.heard : patienceMs.stranger;
      // The rest of that frame must not become the start of this one.
      if (torn && board.uartWrite(number, Uint8Array.of(0), patience) === 0) return;
      torn = board.uartWrite(number, bytes, patience) < bytes.length;
    },
    hangUp: () => undefined,
    onLink,
  });
  openPort(number, (bytes) => line?.push(bytes));
}

/** Calls back with a fresh link for each far end that comes. */
export function tapLinks(onLink: (link: Link) => void): void {
  openLine(port.tap, TAP_MESSAGE_BYTES_MAX, onLink);
}

/** Whole messages over the uplink's UART, in the tap link's frames; the reader at the far end is a hub's. */
export function serialUplink(): Uplink {
  let onMessage: ((message: Uint8Array) => void) | undefined;
  let onConnected: ((connected: boolean) => void) | undefined;
  let link: Link | undefined;
  const deframer = new Deframer(
    uplinkMessageBytesMax,
    (message) => onMessage?.(message),
    // A damaged frame is lost; the outbox sends again what was not acknowledged.
    () => {},
  );
  openLine(port.uplink, uplinkMessageBytesMax, (next) => {
    link = next;
    deframer.reset();
    link.receive(
      (bytes) => deframer.push(bytes),
      () => onConnected?.(false),
    );
    onConnected?.(true);
  });
  return {
    send: (message) => link?.send(encodeFrame(message)),
    receive(messageReceiver, connectedReceiver) {
      onMessage = messageReceiver;
      onConnected = connectedReceiver;
    },
    close() {
      onMessage = undefined;
      onConnected = undefined;
    },
  };
}

/** Messages from the hub that a board takes: revocation lists are the largest, and a board keeps few of them. */
export const uplinkMessageBytesMax = Math.min(SYNC_MESSAGE_BYTES_MAX, 4096);
