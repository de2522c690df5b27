/** What really changed hands: goods handed over and energy delivered, by channel and merchant. The simulation's truth. */
import type { Bytes32 } from '../../protocol/bytes.ts';
import type { Merchant } from './actors.ts';

export class Accounts {
  /** Worth of what was handed over, by channel and merchant. */
  private readonly goods = new Map<number, Map<Merchant, number>>();
  /** By channel: terminals that handed something over. */
  readonly terminals = new Map<number, Set<number>>();
  /** Ticks that payers gave up because the charger had forgotten the stream. */
  readonly writtenOff: { readonly channel: number; readonly stream: Bytes32; readonly k: number }[] = [];
  /** Ticks that came when nothing was delivered any more, by their stream. */
  readonly late = new Map<string, number>();
  taps = 0;
  ticks = 0;
  refunds = 0;

  /** `value` may be negative: a refund. */
  add(channel: number, merchant: Merchant, terminal: number, value: number): void {
    const goods = this.goods.get(channel) ?? new Map<Merchant, number>();
    this.goods.set(channel, goods);
    goods.set(merchant, (goods.get(merchant) ?? 0) + value);
    let met = this.terminals.get(channel);
    if (met === undefined) {
      met = new Set();
      this.terminals.set(channel, met);
    }
    met.add(terminal);
  }

  delivered(channel: number, merchant: Merchant): number {
    return this.goods.get(channel)?.get(merchant) ?? 0;
  }

  /** Merchants that handed anything to a channel. */
  merchantsOf(channel: number): Iterable<Merchant> {
    return this.goods.get(channel)?.keys() ?? [];
  }

  get total(): number {
    let sum = 0;
    for (const goods of this.goods.values()) for (const value of goods.values()) sum += value;
    return sum;
  }
}
