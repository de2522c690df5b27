/**
 * Two radios that are none, for the demonstration: a till's and a wearable's, on a simulated BlueZ and a message bus of
 * their own. Programs that are started with `env` find them where they would find the machine's.
 */
import { Bluez } from '../stage/bluez/bluez.ts';
import { startBus } from '../stage/bluez/daemon.ts';

export interface Radio {
  /** What a device's process is given, besides its own environment. */
  readonly env: { readonly DBUS_SYSTEM_BUS_ADDRESS: string };
  /** Addresses of the links, as a person types them. */
  readonly pos: string;
  readonly wearable: string;
  stop(): Promise<void>;
}

/** Starts them; `tiedBy`: as startBus has it. Rejects with `no_dbus_daemon`. */
export async function startRadio(tiedBy: string): Promise<Radio> {
  const bus = await startBus(tiedBy);
  const bluez = await Bluez.start(bus.address);
  const [pos, wearable] = [bluez.addAdapter(), bluez.addAdapter()];
  return {
    env: { DBUS_SYSTEM_BUS_ADDRESS: bus.address },
    pos: `ble:${pos}`,
    wearable: `ble:${wearable}`,
    async stop() {
      bluez.stop();
      await bus.close();
    },
  };
}
