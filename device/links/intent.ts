/**
 * Whether the wearer wants to pay just now. A radio reaches through a coat, so a device that can be pressed pays only
 * within seconds of a press, and one payment a press; whoever builds one without a button may choose `always`.
 */
import type { Clock } from '../../hardware/interfaces/index.ts';

export const INTENTS = ['press', 'always'] as const;
export type IntentPolicy = (typeof INTENTS)[number];
/** How long a press holds, milliseconds. */
export const PRESS_MS = 10_000;

export interface IntentOptions {
  readonly policy: IntentPolicy;
  readonly clock: Pick<Clock, 'schedule'>;
  /** Milliseconds that a press holds. */
  readonly pressMs?: number;
  /** The device may be found from now on, or no more: a host starts and stops its advertisement, and closes its link. */
  onChange(wanted: boolean): void;
}

/** Tells when a device may be found and may open a link. */
export class Intent {
  private readonly options: IntentOptions;
  private stop: (() => void) | undefined;

  constructor(options: IntentOptions) {
    this.options = options;
  }

  get wanted(): boolean {
    return this.options.policy === 'always' || this.stop !== undefined;
  }

  /** The wearer presses, or presses again: the time begins anew. */
  press(): void {
    const { clock, policy, pressMs, onChange } = this.options;
    if (policy === 'always') return;
    const before = this.stop;
    before?.();
    this.stop = clock.schedule(pressMs ?? PRESS_MS, () => this.end());
    if (before === undefined) onChange(true);
  }

  /** A payment went through, or the time is over: the next one wants another press. */
  end(): void {
    if (this.stop === undefined) return;
    this.stop();
    this.stop = undefined;
    this.options.onChange(false);
  }
}
