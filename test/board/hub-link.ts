/** The far end of a board's uplink, in the hands of a test: it beats, reads or not, and says what the test wants. */
import { SerialPort } from 'serialport';
import { Deframer, encodeFrame } from '../../device/links/framing.ts';
import { BEAT_MS, beatOf } from '../../device/links/line.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { decodeMessage, encodeMessage, type Message } from '../../protocol/wire/messages.ts';

export class HubLink {
  /** What the board sent, in order. */
  readonly messages: Message[] = [];
  private static readonly opened = new Set<HubLink>();
  private readonly port: SerialPort;
  private readonly beating: NodeJS.Timeout;
  private wake: () => void = () => undefined;

  /** `name`: of this start of the reader, 1 to 255. `deaf`: it takes no byte from the line. */
  constructor(path: string, name: number, deaf = false) {
    HubLink.opened.add(this);
    this.port = new SerialPort({ path, baudRate: 115_200 });
    this.port.on('error', () => undefined);
    const deframer = new Deframer(
      SYNC_MESSAGE_BYTES_MAX,
      (bytes) => this.take(bytes),
      // The board's beats.
      () => undefined,
    );
    if (!deaf) this.port.on('data', (bytes: Buffer) => deframer.push(new Uint8Array(bytes)));
    const beat = (): void => this.write(beatOf(name));
    beat();
    this.beating = setInterval(beat, BEAT_MS);
  }

  private take(bytes: Uint8Array): void {
    const decoded = decodeMessage(bytes, 'sync');
    if (!decoded.ok || decoded.message === undefined) throw new Error('the board sent what is no message');
    this.messages.push(decoded.message);
    this.wake();
  }

  /** Resolves when the board has sent so many messages of a type. */
  async sent(type: Message['type'], count: number, timeoutMs = 60_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.messages.filter((message) => message.type === type).length < count) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`${this.messages.map((message) => message.type)}: not ${count} ${type}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  write(bytes: Uint8Array): void {
    this.port.write(Buffer.from(bytes));
  }

  say(message: Message): void {
    this.write(encodeFrame(encodeMessage(message)));
  }

  /** Those that a test which failed left open. */
  static async closeAll(): Promise<void> {
    for (const link of HubLink.opened) await link.close();
  }

  /** Falls silent; resolves when the line is let go. */
  async close(): Promise<void> {
    HubLink.opened.delete(this);
    clearInterval(this.beating);
    await new Promise<void>((resolve) => this.port.close(() => resolve()));
  }
}
