/**
 * A wearable on an ESP32 that pays over BLE. Type-checked and bundled; not built for the chip and not run on hardware:
 * see hardware/README.md for what has been.
 */
import flashStorage from 'embedded:storage/flash';
import keyValueStorage from 'embedded:storage/key-value';
import { journalIn } from '../../../device/journal/capacity.ts';
import { toHex } from '../../../protocol/bytes.ts';
import { nativeKey } from '../../native/index.ts';
import { sdkClock } from '../sdk/clock.ts';
import { say, sdkPayer } from '../sdk/device.ts';
import { sdkEntropy } from '../sdk/entropy.ts';
import { sdkFlash } from '../sdk/flash.ts';
import { serveTaps } from './ble.ts';
import { journalBanks } from './limits.ts';

const store = keyValueStorage.open({ path: 'sundial', format: 'buffer' });

/** The device's key, made at the first start. A product keeps it in a secure element or in encrypted flash. */
function deviceSecret(): Uint8Array {
  const stored = store.read('key');
  if (stored !== undefined) return new Uint8Array(stored);
  const secret = sdkEntropy.random(32);
  store.write('key', secret);
  return secret;
}

export default function main(): void {
  const key = nativeKey(deviceSecret());
  const vault = store.read('vault');
  const chainId = store.read('chainId');
  say({ event: 'board', address: key.address, entropyCertified: sdkEntropy.certified });
  // The factory writes all four; a device without them shows its key and waits.
  const hub = store.read('hub');
  const root = store.read('root');
  if (vault === undefined || chainId === undefined || hub === undefined || root === undefined)
    return say({ event: 'not_provisioned' });
  const device = sdkPayer(
    {
      role: 'wearable',
      chainId: new DataView(chainId).getUint32(0),
      vault: new Uint8Array(vault),
      hub: { id: new Uint8Array(hub), root: new Uint8Array(root) },
    },
    // The ESP32's clock is lost with the power; time comes from the hub.
    { key, clock: sdkClock(() => undefined), entropy: sdkEntropy },
    journalIn(sdkFlash(flashStorage.open({ path: 'sundial', mode: 'r+' })), { banks: journalBanks }),
  );
  void device.start().then(() => {
    serveTaps(`sundial ${toHex(key.address).slice(2, 8)}`, (link) => device.attachLink(link));
  });
}
