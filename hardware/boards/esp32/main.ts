/**
 * A wearable on an ESP32: pays over BLE after a press of its button, and syncs through a gateway over BLE. Type-checked,
 * bundled, and its radio run against a server that refuses what the SDK's refuses; not built for the chip and not run on
 * hardware: see hardware/README.md for what has been.
 */
import { GATTServer } from 'embedded:io/bluetoothle/peripheral';
import Digital from 'embedded:io/digital';
import flashStorage from 'embedded:storage/flash';
import keyValueStorage from 'embedded:storage/key-value';
import { journalIn } from '../../../device/journal/capacity.ts';
import { Intent } from '../../../device/links/intent.ts';
import { LinkUplink } from '../../../device/links/uplink.ts';
import type { PayerDevice } from '../../../device/devices.ts';
import type { Entropy, Link } from '../../interfaces/index.ts';
import { nativeKey } from '../../native/index.ts';
import { sdkClock } from '../sdk/clock.ts';
import { say, sdkPayer } from '../sdk/device.ts';
import { sdkEntropy } from '../sdk/entropy.ts';
import { sdkFlash } from '../sdk/flash.ts';
import { settingsIn } from '../sdk/settings.ts';
import { timingIn } from '../sdk/timing.ts';
import { serveBle } from './ble.ts';
import { buttonPin, journalBanks } from './limits.ts';

const store = keyValueStorage.open({ path: 'sundial', format: 'buffer' });
// The ESP32's clock is lost with the power; time comes from the hub.
const clock = sdkClock(() => undefined);
let radioIsOn = false;

/** The chip's random source is pseudo-random until the radio is on, and says nothing of it: until then nothing is made of it. */
const entropy: Entropy = {
  get certified() {
    return radioIsOn;
  },
  random(length) {
    if (!radioIsOn) throw new Error('no_entropy');
    return sdkEntropy.random(length);
  },
};

/** The device's key, made at the first start. A product keeps it in a secure element or in encrypted flash. */
function deviceSecret(): Uint8Array {
  const stored = store.read('key');
  if (stored !== undefined) return new Uint8Array(stored);
  const secret = entropy.random(32);
  store.write('key', secret);
  return secret;
}

/** The device over what the factory wrote; undefined: it shows its key, and waits to be provisioned. */
function openDevice(): PayerDevice | undefined {
  const key = nativeKey(deviceSecret());
  const [scope, spans] = ['scope', 'timing'].map((name) => store.read(name));
  say({ event: 'board', address: key.address, entropyCertified: entropy.certified });
  const settings = settingsIn((name) => store.read(name));
  if (typeof settings === 'string') {
    say({ event: settings });
    return undefined;
  }
  const { vault, chainId, hub, root } = settings;
  const device = sdkPayer(
    {
      role: 'wearable',
      chainId,
      vault,
      hub: { id: hub, root },
      timing: timingIn(spans),
      ...(scope !== undefined && { scope: new Uint8Array(scope) }),
    },
    { key, clock, entropy },
    journalIn(sdkFlash(flashStorage.open({ path: 'sundial', mode: 'r+' })), { banks: journalBanks }),
    // One payment a press: whoever holds the link could ask for another.
    (notice) => {
      if (notice.type === 'paid') intent.end();
    },
  );
  // A gateway that is there is the hub: leases are renewed and the outbox is handed in by the machine itself.
  uplink = new LinkUplink(key.address);
  device.attachUplink(uplink);
  return device;
}

let device: PayerDevice | undefined;
let uplink: LinkUplink | undefined;
let tapLink: Link | undefined;

const intent = new Intent({
  policy: 'press',
  clock,
  onChange(wanted) {
    ble.wantTap(wanted);
    if (!wanted) tapLink?.close();
  },
});

const ble = serveBle(GATTServer, {
  clock,
  refusal: () => (device !== undefined && intent.wanted ? undefined : 'not_pressed'),
  onReady() {
    radioIsOn = true;
    device = openDevice();
    void device?.start();
  },
  onTap(link) {
    tapLink = link;
    device?.attachLink(link);
  },
  onTapEnd() {
    tapLink = undefined;
  },
  onSync(link) {
    if (uplink === undefined) link.close();
    else uplink.attach(link);
  },
});

export default function main(): void {
  new Digital({
    pin: buttonPin,
    mode: Digital.InputPullUp,
    edge: Digital.Falling,
    onReadable() {
      intent.press();
    },
  });
}
