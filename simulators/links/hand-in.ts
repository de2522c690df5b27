/** Both devices meet the hub's broker themselves and hand in what they have. */
import { mqttUplink } from '../../hardware/boards/node/mqtt.ts';
import { toHex } from '../../protocol/bytes.ts';
import { HUB_NAME, keys, type Shop, SIDES } from './site.ts';

const HAND_IN_MS = 60_000;

/** Resolves when both outboxes are empty. Rejects when the hub does not acknowledge in time. */
export async function handIn(shop: Shop, url: string): Promise<void> {
  for (const side of SIDES) {
    const { device } = shop.actors[side];
    const address = (side === 'payer' ? keys.payer : keys.till).address;
    device.attachUplink(mqttUplink({ url, hub: HUB_NAME, device: toHex(address), reconnectMs: 200 }));
    const left = () => (device.state.books as { outbox: readonly unknown[] }).outbox.length;
    const done = await shop.until(() => left() === 0, HAND_IN_MS);
    device.detachUplink();
    if (!done) throw new Error(`${side}: ${left()} entries wait for the hub's word`);
  }
}
