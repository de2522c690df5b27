/** A device's connection to a hub that the test plays: what it uploads is kept, what the hub says arrives at once. */
import type { Uplink } from '../../hardware/interfaces/index.ts';
import { decodeMessage, encodeMessage, type Message, type MessageOf } from '../../protocol/wire/messages.ts';

/** Any runtime that takes an uplink. */
interface Connects {
  attachUplink(uplink: Uplink): void;
  idle(): Promise<void> | undefined;
}

export class PlayedHub implements Uplink {
  readonly heard: Message[] = [];
  private toDevice: (bytes: Uint8Array) => void = () => undefined;
  private readonly device: Connects;

  private constructor(device: Connects) {
    this.device = device;
  }

  /** Connects the device. */
  static async connect(device: Connects): Promise<PlayedHub> {
    const hub = new PlayedHub(device);
    device.attachUplink(hub);
    await device.idle();
    return hub;
  }

  send(bytes: Uint8Array): void {
    const decoded = decodeMessage(bytes, 'sync');
    if (decoded.ok && decoded.message) this.heard.push(decoded.message);
  }

  receive(onMessage: (message: Uint8Array) => void, onConnected: (connected: boolean) => void): void {
    this.toDevice = onMessage;
    onConnected(true);
  }

  close(): void {
    this.toDevice = () => undefined;
  }

  /** Says it, through the real bytes, and waits until the device has handled it. */
  async tell(message: Message): Promise<void> {
    this.toDevice(encodeMessage(message));
    await this.device.idle();
  }

  /** The newest question for the time. */
  get question(): MessageOf<'timeQuestion'> | undefined {
    return this.heard.findLast(
      (message): message is MessageOf<'timeQuestion'> => message.type === 'timeQuestion',
    );
  }
}
