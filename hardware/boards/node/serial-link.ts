/** A tap link over a serial line: a board at a computer's port, or a pseudo terminal. Either side may come first. */
import { SerialPort } from 'serialport';
import { Line } from '../../../device/links/line.ts';
import { TAP_MESSAGE_BYTES_MAX } from '../../../protocol/limits.ts';
import type { Link } from '../../interfaces/index.ts';
import { nodeClock, startName } from './host.ts';

/** Milliseconds between attempts to open a port that is not there. */
const REOPEN_MS = 1000;
/** Bytes that may wait for a line that takes none; what comes then is lost, as on any line. */
const WAITING_MAX = 4096;

/**
 * Calls back with a fresh link for each far end that comes, and opens the port again when it was unplugged. Returns
 * a function that stops. `say`: told once each time that the port is gone or there again.
 */
export function serialLinks(
  path: string,
  onLink: (link: Link) => void,
  say: (text: string) => void = () => undefined,
): () => void {
  let stopped = false;
  let there: boolean | undefined;
  const is = (now: boolean): void => {
    if (now === there || stopped) return;
    there = now;
    say(now ? `the port ${path} is open` : `port_gone: ${path} is not there; plug it in, or name another`);
  };
  let port: SerialPort | undefined;
  let timer: NodeJS.Timeout | undefined;
  const open = (): void => {
    const opened = new SerialPort({ path, baudRate: 115_200, autoOpen: false });
    port = opened;
    let line: Line | undefined;
    const again = (): void => {
      line?.end();
      line = undefined;
      is(false);
      if (!stopped) timer = setTimeout(open, REOPEN_MS);
    };
    // Without a handler an error would end the process; the port closes after it, or did not open.
    opened.on('error', () => undefined);
    opened.on('close', again);
    opened.open((error) => {
      if (error) return again();
      is(true);
      line = new Line({
        name: startName(),
        clock: nodeClock,
        frameSizeMax: TAP_MESSAGE_BYTES_MAX,
        connected: false,
        write: (bytes) => {
          if (opened.isOpen && opened.writableLength < WAITING_MAX) opened.write(Buffer.from(bytes));
        },
        hangUp: stop,
        onLink,
      });
      opened.on('data', (bytes: Buffer) => line?.push(new Uint8Array(bytes)));
    });
  };
  function stop(): void {
    stopped = true;
    clearTimeout(timer);
    if (port?.isOpen) port.close();
  }
  open();
  return stop;
}
