/** What devices send while things are killed, and what they were told. */
import { PACK_ENTRIES_MAX } from '../../protocol/limits.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { key, payee, tap, terminal } from '../hub/fleet.ts';
import { Connected, hubKey, registration } from '../hub/site.ts';
import { until } from '../hub/temporary.ts';
import { CHANNELS } from './chain.ts';

const WINDOW = 3 * PACK_ENTRIES_MAX;
const AMOUNT = 3;

/** Vouchers of several channels through one terminal, sent again until they are acknowledged. */
export class Load {
  /** Digest to position, as signed by the hub. */
  readonly acknowledged = new Map<string, number>();
  /** The highest that was acknowledged, by channel's index. */
  readonly tops = new Map<number, number>();
  signedTwice = 0;
  private readonly signing: Signing;
  private readonly channels: readonly number[];
  private readonly byPosition = new Map<number, string>();
  private readonly waiting = new Map<
    string,
    { readonly bytes: Uint8Array; readonly index: number; readonly paid: number }
  >();
  private readonly payers = Array.from({ length: CHANNELS }, (_, n) => key(100 + n));
  private readonly counts = new Array<number>(CHANNELS).fill(0);
  private counter = 0;
  private next = 0;

  constructor(signing: Signing, channels: readonly number[]) {
    this.signing = signing;
    this.channels = channels;
  }

  /** Sends until `enough`, then kills; ends when the link is gone, or with the kill when the link stays. */
  async run(
    url: string,
    enough: () => boolean,
    kill: () => Promise<void>,
    linkStays: boolean,
  ): Promise<void> {
    const device = await this.connect(url);
    let killed: Promise<void> | undefined;
    let isOver = false;
    this.sendAgain(device);
    while (!isOver && (device.connected || killed === undefined)) {
      await this.refill(device);
      const before = this.acknowledged.size;
      let looks = 0;
      await until('an acknowledgement', () => {
        this.take(device);
        // A hub that has not seen the channel on L2 yet refuses: devices send again.
        if (looks % 400 === 399) this.sendAgain(device);
        looks += 1;
        if (killed === undefined && enough())
          killed = kill().then(() => {
            isOver = true;
          });
        return isOver || this.acknowledged.size > before || !device.connected;
      });
    }
    await killed;
    if (!linkStays) await until('the hub is gone', () => !device.connected);
    this.take(device);
    device.close();
  }

  /** Sends what is waiting until nothing is. */
  async drain(url: string): Promise<void> {
    const device = await this.connect(url);
    let looks = 0;
    await until('everything is acknowledged', () => {
      if (looks % 400 === 0) this.sendAgain(device);
      looks += 1;
      this.take(device);
      return this.waiting.size === 0;
    });
    device.close();
  }

  private async connect(url: string): Promise<Connected> {
    const device = new Connected({ mqttUrl: url }, terminal.address);
    await device.ready();
    return device;
  }

  private sendAgain(device: Connected): void {
    this.counter += 1;
    void registration(this.signing, terminal, payee, this.counter).then((message) => {
      device.send(message);
      const entries = [...this.waiting.values()].map(({ bytes }) => bytes);
      for (let at = 0; at < entries.length; at += PACK_ENTRIES_MAX)
        device.send({ type: 'pack', entries: entries.slice(at, at + PACK_ENTRIES_MAX) });
    });
  }

  private async refill(device: Connected): Promise<void> {
    while (this.waiting.size + PACK_ENTRIES_MAX <= WINDOW) {
      const entries: Uint8Array[] = [];
      for (let i = 0; i < PACK_ENTRIES_MAX; i += 1) {
        const index = this.next % CHANNELS;
        this.next += 1;
        this.counts[index]! += 1;
        const paid = AMOUNT * this.counts[index]!;
        const signed = await tap({
          on: this.signing,
          channel: this.channels[index]!,
          payer: this.payers[index]!,
          seq: this.counts[index]!,
          amount: AMOUNT,
          spent: paid,
          paid,
        });
        this.waiting.set(hexOf(signed.id), { bytes: signed.bytes, index, paid });
        entries.push(signed.bytes);
      }
      device.send({ type: 'pack', entries });
    }
  }

  private take(device: Connected): void {
    for (const message of device.received.splice(0)) {
      if (message.type !== 'acknowledgement') continue;
      if (!this.signing.signedBy('Acknowledgement', message, message.signature, hubKey.address))
        throw new Error('an acknowledgement that the hub did not sign');
      const id = hexOf(message.entry);
      const other = this.byPosition.get(message.position);
      if (other !== undefined && other !== id) this.signedTwice += 1;
      this.byPosition.set(message.position, id);
      this.acknowledged.set(id, message.position);
      const sent = this.waiting.get(id);
      if (sent === undefined) continue;
      this.waiting.delete(id);
      this.tops.set(sent.index, Math.max(this.tops.get(sent.index) ?? 0, sent.paid));
    }
  }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
