/**
 * Rule 1 and 2: an honest payer never lets two different vouchers of one seq, or two of one tick, leave the chip.
 *
 * Not checked here: copies that go to the hub, dishonest payers, and vouchers that are signed and never sent.
 */
import type { MakeChecker } from './checker.ts';

export const uniqueSeq: MakeChecker = (_simulation, report) => {
  // By channel: one map for a whole fleet would be larger than an engine allows.
  const seen: Map<number, number>[] = [];
  return {
    name: 'unique seq',
    payerSent(payer, message) {
      if (!payer.honest) return;
      let what: number;
      let slot: number;
      switch (message.type) {
        case 'voucher':
        case 'resolveVoucher':
        case 'stream':
        case 'resolveStream':
          // The signature is a function of the digest, so it stands for everything that was signed.
          what = shortOf(message.signature, 16);
          slot = message.seq * 512;
          break;
        case 'tick':
          what = shortOf(message.preimage, 0);
          slot = message.seq * 512 + message.k;
          break;
        default:
          return;
      }
      const ofPayer = seen[payer.channel] ?? new Map<number, number>();
      seen[payer.channel] = ofPayer;
      const before = ofPayer.get(slot);
      if (before === undefined) ofPayer.set(slot, what);
      else if (before !== what)
        report(`${payer.device.name} signed two different vouchers with seq ${Math.floor(slot / 512)}`);
    },
  };
};

/** Six bytes as a number: that two signatures share them by chance happens once in 2^48. */
function shortOf(bytes: Uint8Array, start: number): number {
  let value = 0;
  for (let i = start; i < start + 6; i++) value = value * 256 + bytes[i]!;
  return value;
}
