/**
 * Rules broken from outside, one at a time, to show that the walk would see it: effects are put in another order,
 * swallowed, or a step is given books in which something is hidden. Nothing in protocol/ knows of this.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { amount } from '../../protocol/integers.ts';
import { DEFAULT_TIMING, type Timing } from '../../protocol/limits.ts';
import { applyRecord as applyPayer, type PayerRecord } from '../../protocol/machines/payer/books.ts';
import type { PayerEvent } from '../../protocol/machines/payer/payer.ts';
import type { PayerState } from '../../protocol/machines/payer/state.ts';
import { applyRecord as applyTerminal, type TerminalRecord } from '../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../protocol/machines/terminal/state.ts';
import type { TerminalEvent } from '../../protocol/machines/terminal/terminal.ts';
import { addressNamed, signedDigest } from './suite.ts';
import { canonical } from './space.ts';
import type { Trail } from './actors/device.ts';

type PayerRun = (state: PayerState, event: PayerEvent) => { state: PayerState; trail: Trail<PayerRecord>[] };
type TerminalRun = (
  state: TerminalState,
  event: TerminalEvent,
) => { state: TerminalState; trail: Trail<TerminalRecord>[] };

export interface TerminalHands {
  readonly run: TerminalRun;
  /** The same step for another terminal's address, with its key. */
  readonly runAs: (address: Uint8Array) => TerminalRun;
  readonly self: Uint8Array;
  readonly payee: Uint8Array;
}

export interface Drop {
  /** Which rule of the design is broken. */
  readonly rule: string;
  /** A small configuration in which the walk without it fails. */
  readonly shownBy: string;
  readonly payer?: (run: PayerRun, state: PayerState, event: PayerEvent) => ReturnType<PayerRun> | undefined;
  readonly terminal?: (
    hands: TerminalHands,
    state: TerminalState,
    event: TerminalEvent,
  ) => ReturnType<TerminalRun> | undefined;
  /** The outbox is cleared when the hub received an entry, written or not. */
  readonly transportAcknowledges?: boolean;
  /** Other times than the protocol's: when an owner who leaves has the rest. */
  readonly timing?: Timing;
  /** Of the sums that terminals gave back on a lane only the highest counts. */
  readonly creditsByLane?: boolean;
}

export const NO_DROP: Drop = { rule: 'none', shownBy: 'none' };

/** The same drop, which tells each time that a device does something else than the rule asks for. */
export function watched(drop: Drop, onBreak: () => void): Drop {
  const compared = <R>(broken: R | undefined, whole: () => R): R | undefined => {
    if (broken !== undefined && canonical(broken) !== canonical(whole())) onBreak();
    return broken;
  };
  const { payer, terminal } = drop;
  return {
    ...drop,
    ...(payer && {
      payer: (run, state, event) => compared(payer(run, state, event), () => run(state, event)),
    }),
    ...(terminal && {
      terminal: (hands, state, event) =>
        compared(terminal(hands, state, event), () => hands.run(state, event)),
    }),
  };
}

/** What is sent goes before what is stored. */
function sendFirst<R>(trail: readonly Trail<R>[]): Trail<R>[] {
  return [...trail.filter((one) => one.type === 'send'), ...trail.filter((one) => one.type === 'persist')];
}

const stores = <R extends { type: string }>(trail: readonly Trail<R>[], type: R['type']): boolean =>
  trail.some((one) => one.type === 'persist' && one.record.type === type);

/** The books after the trail, starting from the real ones. */
function foldOnto(
  state: PayerState,
  books: PayerState['books'],
  trail: readonly Trail<PayerRecord>[],
): PayerState {
  const records = trail.flatMap((one) => (one.type === 'persist' ? [one.record] : []));
  return { ...state, books: records.reduce(applyPayer, books) };
}

const NOBODY = addressNamed(0x99);

/** Books in which every unanswered voucher and tick belongs to nobody. */
function unanswered({ books, volatile }: PayerState): PayerState {
  const unconfirmed = books.unconfirmed.map((entry) =>
    entry.kind === 'tick'
      ? { ...entry, terminal: NOBODY }
      : { ...entry, request: { ...entry.request, terminal: NOBODY } },
  );
  const stream = books.stream && { ...books.stream, terminal: NOBODY };
  return { volatile, books: { ...books, unconfirmed, stream } };
}

/** Money of vouchers that were voided, and that no later one on their lanes has confirmed past. */
function voided({ lanes, unconfirmed }: PayerState['books']): number {
  const open = unconfirmed.reduce(
    (sum, entry) => sum + (entry.kind === 'voucher' ? entry.request.amount : 0),
    0,
  );
  return lanes.reduce((sum, lane) => sum + lane.paid - lane.confirmedPaid, 0) - open;
}

const { watchLag, leaseLifetime, clockError, payeeOfflineMax, claimMargin, slowLane } = DEFAULT_TIMING;

const isRequest = (event: PayerEvent): boolean =>
  event.type === 'message' && (event.message.type === 'request' || event.message.type === 'streamRequest');

export const DROPS: Readonly<Record<string, Drop>> = {
  payerPersist: {
    rule: '2, the payer sends a voucher before it stored the intent',
    shownBy: 's1',
    payer: (run, state, event) => {
      const ran = run(state, event);
      return stores(ran.trail, 'intent') ? { ...ran, trail: sendFirst(ran.trail) } : ran;
    },
  },
  payeePersist: {
    rule: '2, the terminal says approved before it stored the voucher',
    shownBy: 's1',
    terminal: ({ run }, state, event) => {
      const ran = run(state, event);
      return stores(ran.trail, 'answered') ? { ...ran, trail: sendFirst(ran.trail) } : ran;
    },
  },
  tickPersist: {
    rule: '2, the payer reveals a tick before it stored that',
    shownBy: 's2',
    payer: (run, state, event) => {
      const ran = run(state, event);
      return stores(ran.trail, 'tickRevealed') ? { ...ran, trail: sendFirst(ran.trail) } : ran;
    },
  },
  tickAck: {
    rule: '3, the acknowledgement of a tick clears a later one',
    shownBy: 's3',
    terminal: ({ run }, state, event) => {
      const ran = run(state, event);
      const waiting = state.books.outbox.find((entry) => entry.kind === 'tick');
      if (waiting?.kind !== 'tick' || !stores(ran.trail, 'tickAcknowledged')) return ran;
      const record = { type: 'tickAcknowledged', stream: waiting.stream, k: waiting.k } as const;
      const books = applyTerminal(ran.state.books, record);
      return { state: { ...ran.state, books }, trail: [...ran.trail, { type: 'persist', record }] };
    },
  },
  unconfirmed: {
    rule: '3, a new voucher while one is unconfirmed at the terminal',
    shownBy: 's1',
    payer: (run, state, event) => {
      if (!isRequest(event)) return undefined;
      const ran = run(unanswered(state), event);
      return { ...ran, state: foldOnto(ran.state, state.books, ran.trail) };
    },
  },
  noVoid: {
    rule: '4, a late voucher is ignored instead of voided',
    shownBy: 's1',
    terminal: ({ run }, state, event) => {
      const ran = run(state, event);
      const voids = ran.trail.some(
        (one) => one.type === 'persist' && one.record.type === 'answered' && one.record.credit !== undefined,
      );
      return voids ? { state, trail: [] } : ran;
    },
  },
  shortLedger: {
    rule: '4, a terminal that forgot a lane believes a ledger that was shorter then',
    shownBy: 's8',
    terminal: ({ run }, state, event) => {
      const { books, volatile } = state;
      if (volatile.unknown === undefined || event.type !== 'message') return undefined;
      const ran = run({ volatile, books: { ...books, evictedPosition: -1 as never } }, event);
      return stores(ran.trail, 'answered') ? ran : undefined;
    },
  },
  noHubWord: {
    rule: "4, a terminal that forgot a lane takes no word of the hub's",
    shownBy: 's8',
    terminal: (_hands, state, event) =>
      event.type === 'message' && event.message.type === 'unknown' ? { state, trail: [] } : undefined,
  },
  foreignVoid: {
    rule: "4, a terminal voids a voucher for another terminal's request",
    shownBy: 's4',
    terminal: ({ run, runAs, self }, state, event) => {
      if (event.type !== 'message' || !('terminal' in event.message)) return undefined;
      const { message } = event;
      const foreign = message.type === 'resolveVoucher' && !equalBytes(message.terminal, self);
      return foreign ? runAs(message.terminal)(state, event) : run(state, event);
    },
  },
  exactBase: {
    rule: '4, the lane must stand exactly where this terminal left it',
    shownBy: 's4',
    terminal: (_hands, state, event) => {
      if (event.type !== 'message') return undefined;
      const { message } = event;
      const lane = state.books.lanes[0];
      const repeated =
        'signature' in message && lane && equalBytes(signedDigest(message.signature), lane.digest);
      if (repeated) return undefined;
      let asked: number | undefined;
      if (message.type === 'resolveVoucher') asked = message.amount;
      if (message.type === 'voucher') asked = state.volatile.open?.request.amount;
      const moved = asked !== undefined && 'paid' in message && message.paid - asked !== (lane?.base ?? 0);
      return moved ? { state, trail: [] } : undefined;
    },
  },
  streamSurvives: {
    rule: '6, the stream stays open after the next voucher',
    shownBy: 's2',
    payer: (run, state, event) => {
      const { stream } = state.books;
      if (!isRequest(event) || stream === undefined) return undefined;
      const ran = run({ ...state, books: { ...state.books, stream: undefined } }, event);
      if (!stores(ran.trail, 'intent')) return { ...ran, state: { ...ran.state, books: state.books } };
      const folded = foldOnto(ran.state, state.books, ran.trail);
      return { ...ran, state: { ...folded, books: { ...folded.books, stream } } };
    },
  },
  captureAddsUp: {
    rule: '8, what goes back on a hold is added to what went back before, and names no sum',
    shownBy: 's13',
    terminal: ({ run }, state, event) => {
      if (event.type !== 'refund' || event.sold === undefined) return undefined;
      const { sold, credited } = event;
      const [lane] = state.books.lanes;
      const before = lane !== undefined && equalBytes(lane.digest, sold.voucher) ? lane.credited : amount(0);
      const sum = amount(before + credited);
      return run(state, { ...event, credited: sum, sold: { ...sold, credited: before } });
    },
  },
  captureOnNewest: {
    rule: '8, what goes back on a hold is credited on whatever stands last on the lane',
    shownBy: 's13',
    terminal: ({ run }, state, event) => {
      if (event.type !== 'refund') return undefined;
      const { sold: _, ...newest } = event;
      return run(state, newest);
    },
  },
  creditEarly: {
    rule: '1, a credit can be spent before L2 has it',
    shownBy: 's11',
    payer: (run, state, event) => {
      const { lease } = state.books;
      if (!isRequest(event) || lease === undefined) return undefined;
      const raised = { ...lease, spendLimit: amount(lease.spendLimit + voided(state.books)) };
      const ran = run({ ...state, books: { ...state.books, lease: raised } }, event);
      return { ...ran, state: foldOnto(ran.state, state.books, ran.trail) };
    },
  },
  creditPerLane: {
    rule: '8, a credit counts for the lane as a whole and not for its voucher',
    shownBy: 's10',
    creditsByLane: true,
  },
  exitDelay: {
    rule: '11, the owner has the rest before the last voucher accepted within the rules is settled',
    shownBy: 's9',
    timing: {
      ...DEFAULT_TIMING,
      exitDelay: watchLag + leaseLifetime + clockError + payeeOfflineMax + claimMargin + slowLane - 1,
    },
  },
  transportAck: {
    rule: '12, the outbox is cleared when the transport confirms',
    shownBy: 's1',
    transportAcknowledges: true,
  },
};
