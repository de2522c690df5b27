/** The image of a charge point. */
import { Charger } from '../../../device/roles/charger.ts';
import { crypto } from './crypto.ts';
import { boardMeter } from './meter.ts';
import { onStart } from '../../native/prelude.ts';
import { runTerminal } from './terminal.ts';

onStart(() =>
  runTerminal('charger', (device, { settings, host }) => {
    const { tickValue, tickEnergyWh, speed } = settings;
    const meter = boardMeter(speed);
    const charger = new Charger(device, host.entropy, meter, { tickValue, tickEnergyWh }, crypto.keccak256);
    return {
      commands: { offer: () => charger.offer(), end: () => charger.end() },
      onNotice: (notice) => charger.onNotice(notice),
      status: () => ({ registerWh: meter.readingWh() }),
    };
  }),
);
