/** What really changed hands: goods handed over and energy delivered, by channel and merchant. The simulation's truth. */
import type { Bytes32 } from '../../protocol/bytes.ts';
import type { Merchant } from './actors.ts';

const MERCHANTS_MAX = 65_536;

export class Accounts {
  private readonly goods = new Map<number, number>();
  /** By channel: terminals that handed something over. */
  readonly terminals = new Map<number, Set<number>>();
  /** Ticks that payers gave up because the charger had forgotten the stream. */
  readonly writtenOff: { readonly channel: number; readonly stream: Bytes32; readonly k: number }[] = [];
  taps = 0;
  ticks = 0;
  refunds = 0;

  private static key(channel: number, merchant: number): number {
    return channel * MERCHANTS_MAX + merchant;
  }

  /** `value` may be negative: a refund. */
  add(channel: number, merchant: Merchant, terminal: number, value: number): void {
    const key = Accounts.key(channel, merchant.index);
    this.goods.set(key, (this.goods.get(key) ?? 0) + value);
    let met = this.terminals.get(channel);
    if (met === undefined) {
      met = new Set();
      this.terminals.set(channel, met);
    }
    met.add(terminal);
  }

  delivered(channel: number, merchant: Merchant): number {
    return this.goods.get(Accounts.key(channel, merchant.index)) ?? 0;
  }

  get total(): number {
    let sum = 0;
    for (const value of this.goods.values()) sum += value;
    return sum;
  }
}
