/**
 * One trace for each payment, from its tap to its settlement, though days with no network lie between. Ids are not handed
 * along: they follow from the request, which every party to a payment has, so that spans of different machines join wherever
 * they meet. The trace is the first half of the request's hash, which holds the tap's challenge.
 */
import { createHash } from 'node:crypto';
import type { Bytes32 } from '../../protocol/bytes.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { requestHash } from '../../protocol/vouchers.ts';
import { channelBook, entryMessage } from '../intake/books.ts';
import type { Books, Entry } from '../intake/state.ts';
import type { RecordOf } from '../ledger/records.ts';
import { traceLaneMax } from '../limits.ts';

/** The steps of a payment, each the parent of the next. */
const STEPS = ['tap', 'acknowledge', 'settle'] as const;
export type Step = (typeof STEPS)[number];

/** A span as OTLP's JSON writes it, without what all have. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: Step;
  /** Seconds since 1970, may have parts. */
  readonly start: number;
  readonly end: number;
  readonly facts: Readonly<Record<string, string | number>>;
}

/** The trace of a request, by its hash. */
export const traceIdOf = (request: Bytes32): string => toHex(request).slice(2, 34);

/** The span of a step in a trace: whoever knows the trace knows all its ids. */
export const spanIdOf = (traceId: string, step: Step): string =>
  createHash('sha256').update(`${traceId} ${step}`).digest('hex').slice(0, 16);

function span(traceId: string, name: Step, start: number, end: number, facts: Span['facts']): Span {
  const before = STEPS[STEPS.indexOf(name) - 1];
  return {
    traceId,
    spanId: spanIdOf(traceId, name),
    ...(before !== undefined && { parentSpanId: spanIdOf(traceId, before) }),
    name,
    start,
    end: Math.max(start, end),
    facts,
  };
}

/** The trace of the payment that an entry is. */
export function traceOf(signing: Signing, entry: Entry): string {
  const { terminal, at, detail } = entryMessage(entry);
  return traceIdOf(requestHash(signing, { terminal, amount: entry.amount, at, detail }));
}

/** Spans of a payment that came into the ledger; a session's ticks and credits make none of their own. */
export function acknowledgedSpans(
  signing: Signing,
  entry: Entry,
  record: RecordOf<'entry'>,
  position: number,
): Span[] {
  const traceId = traceOf(signing, entry);
  const message = entryMessage(entry);
  const facts = {
    'sundial.payment': `0x${entry.key}`,
    'sundial.channel': entry.channel,
    'sundial.seq': entry.seq,
    'sundial.terminal': toHex(message.terminal),
    'sundial.payee': toHex(entry.payee),
  };
  return [
    // By the till's clock, which is all that was there.
    span(traceId, 'tap', entry.at, entry.at, { ...facts, 'sundial.amount': entry.amount }),
    span(traceId, 'acknowledge', entry.at, record.at, { ...facts, 'sundial.position': position }),
  ];
}

/**
 * Spans of all payments that a settled voucher brought to L2: its own, and those before it on its lane that were told of no
 * settlement, back to `after` (the seq that was settled last, if it is known).
 */
export function settledSpans(
  signing: Signing,
  books: Books,
  settled: Entry,
  after: number,
  end: number,
  transaction: string,
): Span[] {
  const spans: Span[] = [];
  const lane = toHex(settled.payee);
  for (const entry of channelBook(books, settled.channel).entries.before(settled.seq + 1)) {
    if (entry.seq <= after || spans.length >= traceLaneMax) break;
    if (entry.voided || toHex(entry.payee) !== lane) continue;
    spans.push(
      span(traceOf(signing, entry), 'settle', entry.at, end, {
        'sundial.payment': `0x${entry.key}`,
        'sundial.transaction': transaction,
      }),
    );
  }
  return spans;
}
