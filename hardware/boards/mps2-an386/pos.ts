/** The image of a till: the amount comes over the console, where a product has a keypad. */
import { Pos } from '../../../device/roles/pos.ts';
import { amount } from '../../../protocol/integers.ts';
import { onStart } from '../../native/prelude.ts';
import { runTerminal } from './terminal.ts';

onStart(() =>
  runTerminal('pos', (device, { host }) => {
    const pos = new Pos(device, host.entropy);
    return {
      commands: {
        sale: (value) => pos.sale(amount(value)),
        cancel: () => pos.cancel(),
      },
    };
  }),
);
