/** A UART behind the Link interface. The line itself has no connection: a far end that is gone is silence. */
import type { Link } from '../../interfaces/index.ts';
import { board } from './natives.ts';

/** Bytes taken from the ring in one go; the C ring holds eight times as much. */
const chunkBytes = 256;

const receivers: { port: number; onBytes: (bytes: Uint8Array) => void }[] = [];
const chunk = new Uint8Array(chunkBytes);

/** The loop calls it when bytes have arrived; it drains every port, in turns so that neither starves the other. */
function drain(): void {
  let more = true;
  while (more) {
    more = false;
    for (const { port, onBytes } of receivers) {
      const count = board.uartRead(port, chunk);
      if (count === 0) continue;
      more = true;
      onBytes(chunk.slice(0, count));
    }
  }
}

export function uartLink(port: number, frameSizeMax: number): Link {
  (globalThis as unknown as { onInterrupt: () => void }).onInterrupt = drain;
  return {
    frameSizeMax,
    send(bytes) {
      board.uartWrite(port, bytes);
    },
    receive(onBytes) {
      receivers.push({ port, onBytes });
    },
    close() {
      const at = receivers.findIndex((receiver) => receiver.port === port);
      if (at >= 0) receivers.splice(at, 1);
    },
  };
}
