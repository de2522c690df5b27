/**
 * UARTs behind the Link and Uplink interfaces. Beats on the wire, which the C layer adds and takes out, say whether
 * somebody is at the far end (see uart.c): a link begins and ends with them.
 */
import { Deframer, encodeFrame } from '../../../device/links/framing.ts';
import { SYNC_MESSAGE_BYTES_MAX, TAP_MESSAGE_BYTES_MAX } from '../../../protocol/limits.ts';
import { setTimer } from '../../native/prelude.ts';
import type { Link, Uplink } from '../../interfaces/index.ts';
import { board, port } from './natives.ts';

/** Bytes taken from a ring in one go; the C ring holds eight times as much. */
const chunkBytes = 256;
// Made with the first port: what exists before the start lies in flash.
let chunk: Uint8Array | undefined;

interface Port {
  readonly number: number;
  peer: number;
  /** Called when somebody else is at the far end, or nobody any more (0). */
  readonly onPeer: (peer: number) => void;
  readonly onBytes: (bytes: Uint8Array) => void;
}

let ports: readonly Port[] = [];

/** The loop calls it when something has arrived; it drains every port, in turns so that neither starves another. */
function drain(): void {
  chunk ??= new Uint8Array(chunkBytes);
  for (let more = true; more; ) {
    more = false;
    for (const one of ports) {
      const peer = board.uartPeer(one.number);
      if (peer !== one.peer) {
        one.peer = peer;
        one.onPeer(peer);
      }
      const count = board.uartRead(one.number, chunk);
      if (count === 0) continue;
      more = true;
      one.onBytes(chunk.slice(0, count));
    }
  }
}

/** Takes a port; `onBytes` and `onPeer` are called from the main loop, never from an interrupt. */
export function openPort(
  number: number,
  onBytes: (bytes: Uint8Array) => void,
  onPeer: (peer: number) => void = () => {},
): void {
  (globalThis as unknown as { onInterrupt: () => void }).onInterrupt = drain;
  ports = [...ports, { number, peer: 0, onPeer, onBytes }];
  // Whoever came before the port was open is noticed at once; from now on the loop is told.
  setTimer(drain, 0);
}

/** Calls back with a fresh link for each far end that comes. */
export function tapLinks(onLink: (link: Link) => void): void {
  let onBytes: ((bytes: Uint8Array) => void) | undefined;
  let onClosed: (() => void) | undefined;
  const end = (): void => {
    const closed = onClosed;
    onBytes = undefined;
    onClosed = undefined;
    closed?.();
  };
  openPort(
    port.tap,
    (bytes) => onBytes?.(bytes),
    (peer) => {
      end();
      if (peer === 0) return;
      onLink({
        frameSizeMax: TAP_MESSAGE_BYTES_MAX,
        send: (bytes) => {
          board.uartWrite(port.tap, bytes);
        },
        receive(bytesReceiver, closedReceiver) {
          onBytes = bytesReceiver;
          onClosed = closedReceiver;
        },
        close: end,
      });
    },
  );
}

/** Whole messages over the uplink's UART, in the tap link's frames; the reader at the far end is a hub's. */
export function serialUplink(): Uplink {
  let onMessage: ((message: Uint8Array) => void) | undefined;
  let onConnected: ((connected: boolean) => void) | undefined;
  const deframer = new Deframer(
    uplinkMessageBytesMax,
    (message) => onMessage?.(message),
    // A damaged frame is lost; the outbox sends again what was not acknowledged.
    () => {},
  );
  openPort(
    port.uplink,
    (bytes) => deframer.push(bytes),
    (peer) => {
      deframer.reset();
      onConnected?.(false);
      if (peer !== 0) onConnected?.(true);
    },
  );
  return {
    send(message) {
      board.uartWrite(port.uplink, encodeFrame(message));
    },
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
