/**
 * A charge session at one connector: what the charge point said, what the payer's streams paid, and what both come to by
 * the tariff that it began with. Plain values: a session is stored whole, and goes on from what was stored.
 */
import { priceOf, type Price, type Tariff, type Usage } from '../../../../device/tariff/tariff.ts';
import { unused, use } from '../../../../device/tariff/usage.ts';
import { readRegister, type Register, registerAt } from './register.ts';

/** One chain of ticks. A long session has several, and so has one whose gateway or payer started again. */
export interface StreamPaid {
  /** Hash of the request that opened it, hex: how it is found again when the gateway was killed before it was told. */
  readonly request: string;
  /** Digest of the voucher, hex, and the channel, once a payer signed it. */
  readonly voucher?: string;
  readonly channel?: number;
  readonly tickValue: number;
  /** Ticks that the terminal stored, and units that it gave back. */
  readonly k: number;
  readonly credited: number;
  /** Where all that this payee was ever paid on the channel stands with these ticks: settled once L2 stands there. */
  readonly upTo?: number;
}

/** Of the charge point. */
export interface Transaction {
  /** As the charge point names it; in OCPP 1.6 the number that it was given. */
  readonly id: string;
  /** What names the message that began it, however often it is sent. */
  readonly key: string;
  /** The token that the charge point showed, if any. */
  readonly token?: string;
  readonly startedAt: number;
  readonly startWh: number;
}

/** A signed meter record that the charge point relayed. */
export interface SignedRecord {
  readonly at: number;
  readonly format: string;
  readonly data: string;
  readonly publicKey?: string;
  /** Its signature is of the key that came with it. */
  readonly verified?: boolean;
}

export interface Session {
  readonly id: string;
  readonly chargePoint: string;
  readonly connector: number;
  readonly protocol: string;
  readonly tariff: Tariff;
  readonly openedAt: number;
  readonly streams: readonly StreamPaid[];
  readonly transaction?: Transaction;
  readonly register?: Register;
  readonly usage: Usage;
  readonly idle: boolean;
  /** Signed records: the first, and the newest up to SIGNED_MAX. */
  readonly signed: readonly SignedRecord[];
  /** Why energy is to end: from then on the charge point is asked to stop. */
  readonly stopWanted?: string;
  readonly ended?: { readonly at: number; readonly reason: string };
  /** No connector held it: it was told late, or there is no terminal for it. */
  readonly beside?: boolean;
  /** Set when nothing more can be done for it. */
  readonly closedAt?: number;
  /** L2 settled all that was paid: when that was heard, and the newest transaction, hex. */
  readonly settled?: { readonly at: number; readonly transaction?: string };
}

/** Signed records that a session keeps; what a verifier needs are the first and the last. */
export const SIGNED_MAX = 8;

/** A session that begins, by a payer's stream or by a charge point. */
export const newSession = (
  facts: Pick<Session, 'id' | 'chargePoint' | 'connector' | 'protocol' | 'tariff' | 'openedAt'>,
): Session => ({ ...facts, streams: [], usage: unused(facts.tariff), idle: false, signed: [] });

const worth = ({ k, tickValue, credited }: StreamPaid): number => k * tickValue - credited;

/** Units paid and not given back. */
export const paidOf = ({ streams }: Session): number =>
  streams.reduce((sum, stream) => sum + worth(stream), 0);

/** What was used so far costs this; nothing without a transaction. */
export const priceSoFar = ({ tariff, usage, transaction }: Session): Price | undefined =>
  transaction === undefined ? undefined : priceOf(tariff, usage);

/** Units that are due. */
export const dueOf = (session: Session): number => priceSoFar(session)?.total ?? 0;

/** Of the stream that stands last: how many ticks are used up by what is due. */
export function ticksUsed(session: Session): number {
  const last = session.streams.at(-1);
  if (last === undefined) return 0;
  const before = paidOf(session) - worth(last);
  return Math.floor(Math.max(0, dueOf(session) - before + last.credited) / last.tickValue);
}

/** Changes the stream that stands last. */
export const withLast = (session: Session, change: Partial<StreamPaid>): Session => ({
  ...session,
  streams: session.streams.map((stream, i) =>
    i === session.streams.length - 1 ? { ...stream, ...change } : stream,
  ),
});

/** The charge point began a transaction. */
export const withTransaction = (session: Session, transaction: Transaction): Session => ({
  ...session,
  transaction,
  register: registerAt(transaction.startWh, transaction.startedAt),
});

/** Time passes up to `at`, and the register may have moved. `zone`: seconds that local time is ahead. */
export function withReading(session: Session, at: number, wh: number | undefined, zone: number): Session {
  const { register, tariff, usage, idle } = session;
  if (register === undefined || at < register.at) return session;
  const next = wh === undefined ? { ...register, at } : readRegister(register, wh, at);
  const energy = next.energy - register.energy;
  const span = { from: register.at, to: at, wh: energy, idle: idle && energy <= 0, zone };
  return {
    ...session,
    register: next,
    usage: energy < 0 ? takenBack(usage, -energy) : use(tariff, usage, span),
  };
}

/** A glitch was billed as a register that started anew: what it added goes, from the last bands first. */
function takenBack(usage: Usage, wh: number): Usage {
  let left = wh;
  const kept = [...usage.wh];
  for (let i = kept.length - 1; i >= 0; i--) {
    const taken = Math.min(left, kept[i]!);
    kept[i]! -= taken;
    left -= taken;
  }
  return { ...usage, wh: kept };
}

/** Keeps a signed record: the first and the newest ones. */
export function withSigned(session: Session, record: SignedRecord): Session {
  if (session.signed.some(({ data }) => data === record.data)) return session;
  const [first, ...others] = [...session.signed, record];
  return { ...session, signed: [first!, ...others.slice(-(SIGNED_MAX - 1))] };
}

/** The token under which a paid session is started: at most 20 characters, as OCPP 1.6 allows. */
export const tokenOf = ({ streams, id }: Session): string =>
  `S${(streams.at(-1)?.voucher?.replace(/^0x/, '') ?? id).slice(0, 18)}`.toUpperCase();
