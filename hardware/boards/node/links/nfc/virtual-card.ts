/**
 * A card in a virtual reader: vsmartcard's vpcd calls at a local port, gives the card power and hands commands over, each
 * message with its length in two bytes in front. One application answers: device/links/apdu.ts.
 */
import { createServer, type Socket } from 'node:net';
import type { ApduCard } from '../../../../../device/links/apdu.ts';
import { SundialError } from '../../../../../protocol/errors.ts';

/** Answer to reset of a contactless card that says nothing of itself (PC/SC part 3). */
const ATR = Buffer.from('3b80800101', 'hex');
const [OFF, ON, RESET, GIVE_ATR] = [0, 1, 2, 4];
/** Bytes of a message from the reader: the largest extended command and its length. */
const WAITING_MAX = 70_000;

/** A card that lies on the reader until it is closed. */
export interface VirtualCard {
  close(): Promise<void>;
}

const framed = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);

/** Listens at a local port for vpcd; the card lies on the reader from the start. Rejects with `card_port`. */
export async function virtualCard(
  port: number,
  card: Pick<ApduCard, 'answer' | 'removed'>,
): Promise<VirtualCard> {
  let socket: Socket | undefined;
  const serve = (peer: Socket): void => {
    socket?.destroy();
    socket = peer;
    peer.setNoDelay(true);
    let waiting: Buffer = Buffer.alloc(0);
    peer.on('error', () => peer.destroy());
    peer.on('close', () => {
      if (socket !== peer) return;
      socket = undefined;
      card.removed();
    });
    peer.on('data', (data) => {
      waiting = Buffer.concat([waiting, data]);
      if (waiting.length > WAITING_MAX) return peer.destroy();
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
        const message = waiting.subarray(2, 2 + waiting.readUInt16BE(0));
        waiting = waiting.subarray(2 + message.length);
        answer(peer, new Uint8Array(message));
      }
    });
  };
  const answer = (peer: Socket, message: Uint8Array): void => {
    if (message.length !== 1) {
      peer.write(framed(card.answer(message)));
      return;
    }
    if (message[0] === GIVE_ATR) peer.write(framed(ATR));
    else if (message[0] === OFF || message[0] === ON || message[0] === RESET) card.removed();
  };
  const server = createServer(serve);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new SundialError('card_port', `the virtual card can't listen at port ${port}: ${cause.message}`, {
          severity: 'process',
          remedy: 'Stop what listens there, or name another port: vpcd calls at the one of its reader.conf.',
          cause,
        }),
      ),
    );
    server.listen(port, '127.0.0.1', () => resolve());
  });
  return {
    close() {
      socket?.destroy();
      socket = undefined;
      card.removed();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
