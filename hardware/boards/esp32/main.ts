/**
 * The SDK's entry: a wearable that pays over BLE. Other roles differ as the images of the emulated board do. This has
 * been type-checked and bundled, but not run on hardware.
 */
import Preference from 'preference';
import random from 'sundial/entropy';
import { payerDevice } from '../../../device/devices.ts';
import { openJournal } from '../../../device/journal/journal.ts';
import { toHex } from '../../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../../protocol/crypto/noble.ts';
import { amount } from '../../../protocol/integers.ts';
import { makeSigning } from '../../../protocol/signing/digests.ts';
import type { Entropy } from '../../interfaces/index.ts';
import { TapServer } from './ble.ts';
import { sdkClock } from './clock.ts';
import { partitionFlash } from './flash.ts';

const entropy: Entropy = {
  certified: true,
  random(length) {
    const buffer = new ArrayBuffer(length);
    random(buffer);
    return new Uint8Array(buffer);
  },
};

/** The device's key, made at the first start. A product keeps it in a secure element or in encrypted flash. */
function deviceSecret(): Uint8Array {
  const stored = Preference.get('sundial', 'key');
  if (stored instanceof ArrayBuffer) return new Uint8Array(stored);
  const secret = entropy.random(32);
  Preference.set('sundial', 'key', secret.slice().buffer);
  return secret;
}

export default function main(): void {
  const key = nobleKey(deviceSecret());
  const chainId = Number(Preference.get('sundial', 'chainId') ?? 31337);
  const vault = new Uint8Array((Preference.get('sundial', 'vault') ?? new ArrayBuffer(20)) as ArrayBuffer);
  const device = payerDevice(
    makeSigning(nobleSuite, { chainId, vault }),
    {
      role: 'wearable',
      scheme: 'secp256k1',
      tapMax: amount(50_000_000),
      entropyCertified: entropy.certified,
    },
    { key, clock: sdkClock(), entropy },
    () => openJournal(partitionFlash('sundial'), { banks: 8 }),
  );
  void device.start().then(() => {
    new TapServer(`sundial ${toHex(key.address).slice(2, 8)}`, (link) => device.attachLink(link));
  });
}
