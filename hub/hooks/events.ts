/**
 * What a webhook tells of, read from the ledger: the same record gives the same event with the same id, whenever it is
 * read, so that what is told twice can be told apart. The ledger is the queue; a hook remembers a place in it.
 */
import { toHex } from '../../protocol/bytes.ts';
import { decodeMessage } from '../../protocol/wire/messages.ts';
import type { Entry } from '../intake/state.ts';
import type { HubRecord, RecordOf } from '../ledger/records.ts';
import { OUTCOME_STATES } from '../settle/batches.ts';

export const EVENT_TYPES = [
  'payment.acknowledged',
  'payment.settled',
  'payment.refunded',
  'device.gone',
  'alert',
  'test',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** One event, as it is told. */
export interface HookEvent {
  readonly id: string;
  readonly type: EventType;
  /** Seconds since 1970: of L2 where it is about money, of this machine otherwise. */
  readonly at: number;
  /** Whose money it is about, an address. */
  readonly payee?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** How far a hook has read. */
export interface Cursor {
  /** The record that is told next. */
  readonly position: number;
  /** Events of that record that were told already. */
  readonly told: number;
  /** Settlements under way: where in the ledger their rows stand, by number of the batch. */
  readonly batches: Readonly<Record<string, number>>;
}

/** What an event needs beside its record. */
export interface Sources {
  readonly hub: string;
  /** The voucher with this digest, if it is in the ledger. */
  entry(id: Uint8Array): Entry | undefined;
  /** The intent at this position. */
  intent(position: number): Promise<RecordOf<'batchIntent'> | undefined>;
}

/** Can a record mean anything to a hook? Others need not be kept for it. */
export const concernsHooks = ({ type }: HubRecord): boolean =>
  type === 'entry' || type === 'batchIntent' || type === 'batchOutcome';

/** The settlements under way after one more record. */
export function batchesAfter(batches: Cursor['batches'], record: HubRecord, position: number) {
  if (record.type === 'batchIntent') return { ...batches, [record.batch]: position };
  if (record.type !== 'batchOutcome') return batches;
  const { [record.batch]: _, ...others } = batches;
  return others;
}

/** The events of the record at this position; `batches` as they stood before it. */
export async function eventsOf(
  record: HubRecord,
  position: number,
  batches: Cursor['batches'],
  sources: Sources,
): Promise<HookEvent[]> {
  const id = `evt_${sources.hub}_${position}`;
  if (record.type === 'entry') return entryEvents(record, position, id, sources);
  if (record.type !== 'batchOutcome' || record.state !== OUTCOME_STATES.mined) return [];
  const at = batches[record.batch];
  const intent = at === undefined ? undefined : await sources.intent(at);
  if (intent === undefined) return [];
  const events: HookEvent[] = [];
  for (const { entry: digest, k, lanes } of intent.rows) {
    const entry = sources.entry(digest);
    if (entry === undefined) continue;
    const { channel, seq } = entry;
    const transaction = toHex(record.transaction);
    const own = entry.paid + k * (entry.stream?.tickValue ?? 0);
    const settled = [{ payee: entry.payee, paid: own }, ...lanes];
    for (const { payee, paid } of settled)
      events.push({
        id: `${id}_${events.length}`,
        type: 'payment.settled',
        at: entry.at,
        payee: toHex(payee),
        // Everything of this channel for this payee up to `seq` is on L2 now.
        data: {
          payment: toHex(digest),
          channel,
          seq,
          payee: toHex(payee),
          paid,
          transaction,
          block: record.block,
        },
      });
  }
  return events;
}

function entryEvents(
  { id: digest, at, message: bytes }: RecordOf<'entry'>,
  position: number,
  id: string,
  sources: Sources,
): HookEvent[] {
  const decoded = decodeMessage(bytes, 'sync');
  if (!decoded.ok || decoded.message === undefined) return [];
  const { message } = decoded;
  switch (message.type) {
    case 'collectedVoucher':
    case 'collectedStream': {
      // Without a receipt its terminal voided it: nothing was bought.
      if (message.receipt === undefined) return [];
      const payee = toHex(message.payee);
      const amount = message.type === 'collectedVoucher' ? message.amount : 0;
      const { channel, seq } = message;
      const data = {
        payment: toHex(digest),
        channel,
        seq,
        amount,
        payee,
        terminal: toHex(message.terminal),
        paidAt: message.at,
        position,
      };
      return [{ id, type: 'payment.acknowledged', at, payee, data }];
    }
    case 'collectedTick': {
      const entry = sources.entry(message.stream);
      if (entry?.stream === undefined) return [];
      const payee = toHex(entry.payee);
      // What the session comes to by now: ticks are handed in again and again while it goes on.
      const amount = message.k * entry.stream.tickValue;
      const { channel, seq, k: ticks } = message;
      const data = { payment: toHex(message.stream), channel, seq, amount, ticks, payee, position };
      return [{ id, type: 'payment.acknowledged', at, payee, data }];
    }
    case 'collectedCredit': {
      const entry = sources.entry(message.voucher);
      if (entry === undefined || entry.voided) return [];
      const payee = toHex(entry.payee);
      const { channel, seq, credited } = message;
      // A terminal promises, and its payee's office signs for L2 later: both are told, with the sum so far.
      const by = message.byPayee === 1 ? 'payee' : 'terminal';
      const data = { payment: toHex(message.voucher), channel, seq, credited, by, payee, position };
      return [{ id, type: 'payment.refunded', at, payee, data }];
    }
    default:
      return [];
  }
}
