/** A till: the merchant types an amount, a customer taps, the display says approved or why not. */
import type { Entropy } from '../../hardware/interfaces/index.ts';
import type { Bytes16, Bytes32 } from '../../protocol/bytes.ts';
import type { Amount } from '../../protocol/integers.ts';
import type { TerminalDevice } from '../devices.ts';

/** A till: amounts in front of a terminal's machine. */
export class Pos {
  private readonly device: Pick<TerminalDevice, 'dispatch'>;
  private readonly entropy: Entropy;
  private readonly currency: string;

  constructor(device: Pick<TerminalDevice, 'dispatch'>, entropy: Entropy, currency = 'TIME') {
    this.device = device;
    this.entropy = entropy;
    this.currency = currency;
  }

  /**
   * Asks for `amount`; the outcome comes as a notice: approved, or refused with its code. `challenge`: 16 fresh random
   * bytes, for whoever wants to know the request again. `quote`: hash of what the price was converted by, if it was.
   */
  sale(
    amount: Amount,
    challenge: Bytes16 = this.entropy.random(16),
    quote?: Bytes32,
  ): Promise<void> | undefined {
    const converted = quote === undefined ? {} : { quote };
    return this.device.dispatch({ type: 'sale', amount, currency: this.currency, challenge, ...converted });
  }

  /** Drops the open sale; whoever paid it too late gets a full credit. */
  cancel(): Promise<void> | undefined {
    return this.device.dispatch({ type: 'cancel' });
  }
}
