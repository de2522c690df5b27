/** The image of a payer: a wearable or a car, as its settings say. */
import { onStart } from '../../native/prelude.ts';
import { payerDevice } from '../../../device/devices.ts';
import { payerStatus } from '../../../device/status.ts';
import { memoryUse, observer, say, takeCommands } from './console.ts';
import { ready, startBoard } from './device.ts';
import { payerLanesMax } from './limits.ts';
import { serialUplink, tapLinks } from './link.ts';

onStart(() => {
  const started = startBoard('wearable', 'car');
  if (started === undefined) return;
  const { settings, signing, host, storage } = started;
  const device = payerDevice(
    signing,
    {
      hub: settings.hub,
      timing: settings.timing,
      role: settings.role === 'car' ? 'car' : 'wearable',
      scheme: 'secp256k1',
      tapMax: settings.tapMax,
      lanesMax: payerLanesMax,
      entropyCertified: host.entropy.certified,
      ...(settings.scope && { scope: settings.scope }),
    },
    host,
    storage,
    observer,
  );
  takeCommands({
    stop: () => device.dispatch({ type: 'stop' }),
    renew: () => device.dispatch({ type: 'renew' }),
    status: () => {
      const { books } = device.state;
      say({
        event: 'status',
        ...payerStatus(books),
        stream: books.stream !== undefined,
        frozen: device.frozen,
        memory: memoryUse(),
      });
    },
  });
  void device.start().then(() => {
    tapLinks((link) => device.attachLink(link));
    device.attachUplink(serialUplink());
    ready();
  });
});
