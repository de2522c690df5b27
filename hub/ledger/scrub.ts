/**
 * Reads what is durable again, little by little, while the hub runs: a start over an index reads old segments no more, and
 * damage should be found while a copy is still at hand. One segment after the other, from the first to the last, over and
 * over.
 */
import { isError } from '../errors.ts';
import { scrubPauseMs } from '../limits.ts';
import type { Time } from '../ports.ts';
import type { Ledger } from './ledger.ts';

/** Looks at segments until it is stopped or finds damage. */
export class Scrub {
  private readonly ledger: Ledger;
  private readonly time: Time;
  private readonly onDamage: (error: unknown) => void;
  private next = 0;
  private cancel: (() => void) | undefined;

  constructor(ledger: Ledger, time: Time, onDamage: (error: unknown) => void) {
    this.ledger = ledger;
    this.time = time;
    this.onDamage = onDamage;
  }

  /** Begins; the first look is after a pause. */
  start(): void {
    this.cancel = this.time.schedule(scrubPauseMs, () => void this.look());
  }

  /** Nothing is told any more. */
  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  private async look(): Promise<void> {
    try {
      this.next = (await this.ledger.verify(this.next)) ?? 0;
    } catch (error) {
      // A disk that does not answer now is asked again; damage does not heal.
      if (isError(error, 'ledger_corrupt') && this.cancel !== undefined) {
        this.cancel = undefined;
        this.onDamage(error);
      }
    }
    if (this.cancel !== undefined) this.start();
  }
}
