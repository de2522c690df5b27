/**
 * A tap link over a local socket: the terminal listens, the payer comes near. Bytes only; framing is the runtime's. At
 * the far end may also be an emulated board, which beats: see device/links/line.ts.
 */
import { lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { Line } from '../../../device/links/line.ts';
import { SundialError } from '../../../protocol/errors.ts';
import type { Link } from '../../interfaces/index.ts';
import { nodeClock, startName } from './host.ts';

function linksOver(socket: Socket, onLink: (link: Link) => void): void {
  socket.setNoDelay(true);
  // A far end that dies is a closed link, not a crash of this process.
  socket.on('error', () => socket.destroy());
  const line = new Line({
    name: startName(),
    clock: nodeClock,
    frameSizeMax: 64 * 1024,
    connected: true,
    write: (bytes) => {
      if (!socket.destroyed) socket.write(bytes);
    },
    hangUp: () => socket.destroy(),
    onLink,
  });
  socket.on('data', (data) => line.push(new Uint8Array(data)));
  socket.once('close', () => line.end());
}
/** Is somebody listening at the path? */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

/**
 * Makes room for a socket at the path: one that a killed process left behind is removed, and nothing else ever is.
 * Throws `tap_in_use` when another process listens there, `tap_is_no_socket` when it is a file of somebody's.
 */
export async function freeTapPath(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new SundialError('tap_is_no_socket', `${path} is there already, and no socket`, {
      severity: 'call',
      remedy: 'Give a --tap path that is not there yet: no file of yours is replaced.',
    });
  if (await answers(path))
    throw new SundialError('tap_in_use', `another terminal listens at ${path}`, {
      severity: 'process',
      remedy: 'Stop it, or give this one another --tap path.',
    });
  unlinkSync(path);
}

/** Listens for payers, one at a time: a second one is turned away, as on a reader. Throws what `freeTapPath` throws. */
export async function listenForTaps(path: string, onLink: (link: Link) => void): Promise<Server> {
  await freeTapPath(path);
  let present: Socket | undefined;
  const server = createServer((socket) => {
    if (present !== undefined && !present.destroyed) {
      socket.destroy();
      return;
    }
    present = socket;
    linksOver(socket, onLink);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
  return server;
}

/** Milliseconds between two looks for a terminal. */
const SEEK_MS = 200;

/** Looks for the terminal until it is there, links, and looks again when the link is gone. Returns a stop function. */
export function seekTerminal(path: string, onLink: (link: Link) => void): () => void {
  let stopped = false;
  let socket: Socket | undefined;
  let timer: NodeJS.Timeout | undefined;
  const seek = (): void => {
    if (stopped) return;
    socket = connect(path);
    socket.once('connect', () => linksOver(socket!, onLink));
    socket.once('error', () => socket?.destroy());
    socket.once('close', () => {
      if (!stopped) timer = setTimeout(seek, SEEK_MS);
    });
  };
  seek();
  return () => {
    stopped = true;
    clearTimeout(timer);
    socket?.destroy();
  };
}
