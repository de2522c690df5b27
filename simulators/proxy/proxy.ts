/**
 * A proxy between two devices that run: it is the terminal to whoever pays, and the payer to the terminal. The terminal
 * sees a customer when one has come, not before.
 */
import { nodeClock } from '../../hardware/boards/node/host.ts';
import type { LinkAddress } from '../../hardware/boards/node/links/address.ts';
import { openTap, type OpenTap } from '../../hardware/boards/node/links/open.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { Pair, type Passed } from './pair.ts';
import type { End, Faults } from './rules.ts';

export interface ProxyOptions {
  /** Where the payer comes. */
  readonly from: LinkAddress;
  /** Where the terminal is. */
  readonly to: LinkAddress;
  readonly faults: Faults;
  /** See Pair. */
  readonly partMs: number;
  onTogether?(tap: number): void;
  onPassed?(passed: Passed): void;
  onApart?(tap: number, why: string): void;
  say?(text: string): void;
}

/** What a tap link of either side is opened with. */
const endOf = (end: End, onLink: (link: Link) => void, say: (text: string) => void) => ({
  // To the payer it is a terminal, and the other way round.
  side: end === 'payer' ? ('terminal' as const) : ('payer' as const),
  intent: 'always' as const,
  onLink,
  say,
});

/** A proxy that runs. */
export class TapProxy {
  private readonly options: ProxyOptions;
  private readonly clock = nodeClock;
  private open: OpenTap | undefined;
  private pair: Pair | undefined;
  private taps = 0;
  private stopped = false;

  private constructor(options: ProxyOptions) {
    this.options = options;
  }

  /** Rejects with what `openTap` rejects with: `wrong_link`, `no_bluetooth`, `tap_in_use`, ... */
  static async start(options: ProxyOptions): Promise<TapProxy> {
    const proxy = new TapProxy(options);
    proxy.open = await openTap(
      options.from,
      endOf(
        'payer',
        (link) => void proxy.meet(link),
        (text) => options.say?.(text),
      ),
    );
    return proxy;
  }

  /** How often the devices met. */
  get met(): number {
    return this.taps;
  }

  /** Whether a payer is there now. */
  get linked(): boolean {
    return this.pair !== undefined;
  }

  /** Parts the devices that are there now, as if somebody took the wearable away. False: nobody is. */
  part(why = 'parted by hand'): boolean {
    const { pair } = this;
    pair?.apart(why);
    return pair !== undefined;
  }

  stop(): void {
    this.stopped = true;
    this.part('the proxy ends');
    this.open?.close();
  }

  private async meet(payer: Link): Promise<void> {
    if (this.stopped || this.pair !== undefined) return payer.close();
    const { to, faults, partMs, onTogether, onPassed, onApart, say } = this.options;
    this.taps += 1;
    const tap = this.taps;
    let terminal: OpenTap | undefined;
    const pair = new Pair({
      tap,
      clock: this.clock,
      faults,
      partMs,
      onPassed: (passed) => onPassed?.(passed),
      onApart: (why) => {
        this.pair = undefined;
        terminal?.close();
        onApart?.(tap, why);
      },
    });
    this.pair = pair;
    onTogether?.(tap);
    pair.join('payer', payer);
    try {
      terminal = await openTap(
        to,
        endOf(
          'terminal',
          (link) => pair.join('terminal', link),
          (text) => say?.(text),
        ),
      );
    } catch (error) {
      pair.apart((error as Error).message);
      return;
    }
    // The payer may have gone meanwhile.
    if (this.pair !== pair) terminal.close();
  }
}
