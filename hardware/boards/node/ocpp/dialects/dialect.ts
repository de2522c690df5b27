/** What one version of OCPP says in its own words: messages of charge points in, commands to them out. */
import type { Station } from '../station.ts';

export type Params = Readonly<Record<string, unknown>>;

/** A message to the charge point. */
export interface Call {
  readonly method: string;
  readonly params: Params;
}

export interface Dialect {
  /** Messages that are known here. */
  readonly methods: readonly string[];
  /** Answers one of them, whose shape was checked. What it reports is durable when the answer is given. */
  handle(station: Station, method: string, params: Params): Promise<Params>;
  start(connector: number, token: string): Call;
  stop(transaction: string): Call;
  /** Pauses a transaction: a limit of zero. */
  pause(connector: number, transaction: string): Call;
  /**
   * What becomes of a message towards a central system above this one: `boot` and `standing` are told anew whenever it is
   * met, `told` while it is there, `kept` until it took them; `decided` is for this gateway alone. Undefined: it passes
   * through, and is answered above.
   */
  tells(method: string): 'boot' | 'standing' | 'told' | 'kept' | 'decided' | undefined;
  /** The transaction that a message is about, as its sender calls it, and whether it begins or ends it. */
  transactionOf(
    method: string,
    params: Params,
    answer: Params,
  ): { readonly id?: string; readonly begins?: boolean; readonly ends?: boolean };
  /** The message with another name for its transaction. */
  renamed(method: string, params: Params, rename: (id: string) => string): Params;
  /** The answer to a message from above that would change what this gateway set: sessions are paid by it. */
  keeps(method: string, params: Params): Params | undefined;
  /** What a charge point is set to after it came: readings every so many seconds. */
  configure(intervalSeconds: number): readonly Call[];
}

/** How often a charge point says that it is there. */
export const HEARTBEAT_SECONDS = 60;

export const timeNow = (): string => new Date().toISOString();
