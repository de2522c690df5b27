/** What one version of OCPP says in its own words: messages of charge points in, commands to them out. */
import { z } from 'zod';
import type { Station } from '../station.ts';

export type Params = Readonly<Record<string, unknown>>;

/** A message to the charge point. */
export interface Call {
  readonly method: string;
  readonly params: Params;
}

/** A session that L2 settled, in the words of OCPP 2.1. */
export interface Settlement {
  readonly transactionId: string;
  /** What the payer's token is called in OCPP. */
  readonly pspRef: string;
  /** Whole tokens. */
  readonly settlementAmount: number;
  readonly settlementTime: string;
  /** The session's record. */
  readonly receiptId: string;
  /** The currency's three letters, and the transaction on L2 where it is known. */
  readonly statusInfo: string;
}

/** What a DataTransfer about a settlement is called; its data are a Settlement as JSON. */
export const SETTLEMENT_MESSAGE = 'NotifySettlement';

/** The same facts for a system whose version of OCPP has no message for them. */
export const settlementTransfer = (settlement: Settlement, vendorId: string): Call => ({
  method: 'DataTransfer',
  params: {
    vendorId,
    messageId: SETTLEMENT_MESSAGE,
    data: JSON.stringify({ status: 'Settled', ...settlement }),
  },
});

const transferred = z.looseObject({ transactionId: z.string() });

/** A DataTransfer with another name for the transaction of a settlement; all that other vendors say stays as it is. */
export function renamedSettlement(params: Params, rename: (id: string) => string): Params {
  const { messageId, data } = params;
  if (messageId !== SETTLEMENT_MESSAGE || typeof data !== 'string') return params;
  let parsed: z.ZodSafeParseResult<z.infer<typeof transferred>>;
  try {
    parsed = transferred.safeParse(JSON.parse(data));
  } catch {
    return params;
  }
  if (!parsed.success) return params;
  const transactionId = rename(parsed.data.transactionId);
  return { ...params, data: JSON.stringify({ ...parsed.data, transactionId }) };
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
  /**
   * What a central system above is told of a session that L2 settled: by a message of its own where this version has one,
   * else in DataTransfer under a vendor's name. Undefined: it is not told.
   */
  settled(settlement: Settlement, protocol: string, vendor: string | undefined): Call | undefined;
  /** The answer to a message from above that would change what this gateway set: sessions are paid by it. */
  keeps(method: string, params: Params): Params | undefined;
  /** What a charge point is set to after it came: readings every so many seconds. */
  configure(intervalSeconds: number): readonly Call[];
}

/** How often a charge point says that it is there. */
export const HEARTBEAT_SECONDS = 60;

export const timeNow = (): string => new Date().toISOString();
