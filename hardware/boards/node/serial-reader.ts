/**
 * A wired reader: a board's uplink UART on one side, the hub's broker on the other. It carries whole messages both
 * ways and promises nothing; while the broker is reachable it beats on the line, so that the board knows.
 */
import { SerialPort } from 'serialport';
import { Deframer, encodeFrame } from '../../../device/links/framing.ts';
import { BEAT_MS, beatOf } from '../../../device/links/line.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../../protocol/limits.ts';
import type { Uplink } from '../../interfaces/index.ts';
import { startName } from './host.ts';

/**
 * Joins a serial port to an uplink until the returned function is called.
 * @param path of the port, such as /dev/ttyACM0 or a pseudo terminal
 * @param uplink of the device at the far end of the line
 */
export function serialReader(path: string, uplink: Uplink): () => void {
  const port = new SerialPort({ path, baudRate: 115_200 });
  // A line that breaks is a board without network: its outbox waits.
  port.on('error', () => undefined);
  const beat = beatOf(startName());
  let beating: NodeJS.Timeout | undefined;
  const deframer = new Deframer(
    SYNC_MESSAGE_BYTES_MAX,
    (message) => uplink.send(message),
    // The board's beats are no messages, and a damaged frame is one that the board will send again.
    () => undefined,
  );
  port.on('data', (bytes: Buffer) => deframer.push(new Uint8Array(bytes)));
  uplink.receive(
    (message) => port.write(Buffer.from(encodeFrame(message))),
    (connected) => {
      clearInterval(beating);
      beating = connected ? setInterval(() => port.write(Buffer.from(beat)), BEAT_MS) : undefined;
    },
  );
  return () => {
    clearInterval(beating);
    uplink.close();
    port.close();
  };
}
