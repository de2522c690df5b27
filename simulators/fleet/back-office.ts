/**
 * A merchant's back office in virtual time: it asks the hub what its terminals promised back, and signs as the payee's
 * own machine (protocol/machines/payee.ts) says: what `sundial payee` does, over the broker as any device.
 */
import { creditViews } from '../../hub/api/views.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { amount, seconds } from '../../protocol/integers.ts';
import type { Timing } from '../../protocol/limits.ts';
import { countersign, isPromised, terminalsSynced } from '../../protocol/machines/payee.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import type { Broker, UplinkEnd } from '../stage/network/broker.ts';
import type { Merchant } from './actors.ts';
import type { SimulatedHub } from './hub.ts';

export class BackOffice implements UplinkEnd {
  readonly id: string;
  readonly isOn = true;
  private readonly merchant: Merchant;
  private readonly signing: Signing;
  private readonly timing: Timing;

  constructor(merchant: Merchant, signing: Signing, timing: Timing) {
    this.merchant = merchant;
    this.id = merchant.id;
    this.signing = signing;
    this.timing = timing;
  }

  /** Looks through all that is promised, signs what nothing can contradict any more, and sends it to the hub. */
  work(hub: SimulatedHub, broker: Broker): void {
    if (!this.merchant.givesCredits || !hub.isUp) return;
    broker.connect(this);
    const { key } = this.merchant;
    const { now, terminals, credits } = creditViews(hub.state, hub.books, toHex(key.address));
    const own = this.merchant.terminals.map(({ device }) => device.key.address);
    const terminalsSyncedAt = terminalsSynced(
      this.signing,
      own,
      terminals.map(({ terminal, syncedAt, signature }) => ({
        terminal: fromHex(terminal as `0x${string}`, 20),
        at: seconds(syncedAt),
        signature: signature && fromHex(signature, 64),
      })),
    );
    for (const { channel, seq, requestAt, countersigned, proved, ...told } of credits) {
      const credit = { requestAt: seconds(requestAt), promised: amount(told.promised) };
      const voucher = fromHex(told.voucher, 32);
      const evidence = {
        voucher,
        collected: fromHex(told.collected),
        signature: fromHex(told.signature, 64),
      };
      if (!isPromised(this.signing, key.address, own, { ...credit, ...evidence })) continue;
      const known = { countersigned: amount(countersigned), proved, terminalsSyncedAt };
      if (countersign({ ...credit, ...known }, seconds(now), this.timing) !== 'sign') continue;
      const fields = { voucher, credited: credit.promised };
      const signature = key.sign(this.signing.digest('Credit', fields));
      const message = { type: 'collectedCredit', channel, seq, ...fields, signature, byPayee: 1 } as const;
      broker.up(this.id, encodeMessage(message));
    }
  }

  hubConnected(): void {}
  hubLost(): void {}
  /** An acknowledgement is not awaited: what is still owed is signed again with the next look. */
  hubBytes(): void {}
}
