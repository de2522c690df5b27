/** Rule 1 and 2: an honest payer never lets two different vouchers of one seq, or two of one tick, leave the chip. */
import { toHex } from '../../protocol/bytes.ts';
import type { MakeChecker } from './checker.ts';

export const uniqueSeq: MakeChecker = (_simulation, report) => {
  const seen = new Map<number, string>();
  return {
    name: 'unique seq',
    payerSent(payer, message) {
      if (!payer.honest) return;
      let what: string;
      let slot: number;
      switch (message.type) {
        case 'voucher':
        case 'resolveVoucher':
        case 'stream':
        case 'resolveStream':
          // The signature is a function of the digest, so it stands for everything that was signed.
          what = toHex(message.signature.subarray(16, 36));
          slot = message.seq * 512;
          break;
        case 'tick':
          what = toHex(message.preimage.subarray(0, 16));
          slot = message.seq * 512 + message.k;
          break;
        default:
          return;
      }
      const key = payer.channel * 2 ** 34 + slot;
      const before = seen.get(key);
      if (before === undefined) seen.set(key, what);
      else if (before !== what)
        report(`${payer.device.name} signed two different vouchers with seq ${Math.floor(slot / 512)}`);
    },
  };
};
