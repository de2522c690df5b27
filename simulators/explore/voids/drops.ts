/**
 * The rules about voids and write-offs broken from outside, one at a time: a step is given books in which something is
 * hidden, or another message. Nothing in protocol/ knows of this.
 */
import { equalBytes, toHex } from '../../../protocol/bytes.ts';
import { amount } from '../../../protocol/integers.ts';
import { VOIDS_WAITING_MAX } from '../../../protocol/limits.ts';
import { applyRecord, type TerminalRecord } from '../../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../../protocol/machines/terminal/state.ts';
import { requestHash, voucherDigest } from '../../../protocol/vouchers.ts';
import type { Trail } from '../actors/device.ts';
import type { Drop, TerminalHands } from '../drops.ts';
import { SIGNING as signing } from '../scene.ts';
import { signedDigest, standInSignature } from '../suite.ts';
import {
  aheadOfHub,
  anyTerminal,
  anyTime,
  type GoneDrop,
  notStored,
  noWriteOff,
  offIsFree,
  openAsWell,
  staysCleared,
  waitingAsWell,
} from './gone-drops.ts';
import {
  anyOldSale,
  anyOldWord,
  heldUnseen,
  ledgerStays,
  type PlaceDrop,
  placeForgotten,
  placesAlone,
} from './place-drops.ts';
import { anyLength, anySale, heldAsWell, neverGone, refusalIsWord, type StrayDrop } from './stray-drops.ts';
import {
  answeredAlone,
  anyWord,
  lateIsSold,
  neverOff,
  offAtOnce,
  offIsUnspent,
  openIsForgotten,
  openIsFree,
  type TickDrop,
} from './tick-drops.ts';
import { voidsOf } from './voided.ts';

export interface VoidDrop extends Pick<Drop, 'rule' | 'shownBy' | 'payer' | 'terminal'> {
  /** Requests outlive the link that they came on. */
  readonly requestsStay?: boolean;
  /** The hub takes no voids of a channel whose owner leaves. */
  readonly hubLeavesOut?: boolean;
  /** What the hub refuses is taken out of the outbox. */
  readonly refusalRemoves?: boolean;
  /** Where a terminal never comes back. */
  readonly gone?: GoneDrop;
  /** Where ticks come late or never. */
  readonly ticks?: TickDrop;
  /** Where a refund waits on a sale that nobody has. */
  readonly strays?: StrayDrop;
  /** Where a thief named the places of what the terminal forgot. */
  readonly places?: PlaceDrop;
}

export const NO_VOID_DROP: VoidDrop = { rule: 'none', shownBy: 'none' };

type Run = TerminalHands['run'];

const without = (state: TerminalState, gone: readonly string[]): TerminalState => ({
  ...state,
  books: {
    ...state.books,
    outbox: state.books.outbox.filter(
      (entry) => !(entry.kind === 'voucher' && gone.includes(toHex(entry.entry))),
    ),
  },
});

/** The step with no voids in the outbox, on the real books afterwards. */
function unseen(run: Run, state: TerminalState, event: Parameters<Run>[1]): ReturnType<Run> {
  const ran = run(without(state, voidsOf(state.books)), event);
  const records = ran.trail.flatMap((one: Trail<TerminalRecord>) =>
    one.type === 'persist' ? [one.record] : [],
  );
  return { ...ran, state: { ...ran.state, books: records.reduce(applyRecord, state.books) } };
}

/** Takes a late voucher whose numbers no ledger takes, as if they were right. */
function voidedAnyway(
  { run, self, payee }: TerminalHands,
  state: TerminalState,
  event: Parameters<Run>[1],
): ReturnType<Run> | undefined {
  if (event.type !== 'message' || event.message.type !== 'resolveVoucher') return undefined;
  const { message } = event;
  const { signature } = message;
  if (message.spent >= message.paid && message.paid >= message.amount) return undefined;
  const terms = { terminal: self, amount: message.amount, at: message.at, detail: message.detail };
  const request = requestHash(signing, terms);
  const said = { kind: 'voucher', channel: message.channel, seq: message.seq, payee, request } as const;
  const voucher = { ...said, spent: message.spent, paid: message.paid, lanes: message.lanes };
  const good = { ...voucher, spent: amount(8), paid: amount(8) };
  const payer = signature.slice(32, 52);
  const signed = standInSignature(payer, voucherDigest(signing, good));
  const ran = run(state, {
    type: 'message',
    message: { ...message, spent: good.spent, paid: good.paid, signature: signed },
  });
  const digest = voucherDigest(signing, voucher);
  const credited = { voucher: digest, credited: message.amount };
  const credit = standInSignature(self, signing.digest('Credit', credited));
  const trail = ran.trail.map((one: Trail<TerminalRecord>): Trail<TerminalRecord> => {
    if (one.type === 'persist' && one.record.type === 'answered')
      return { type: 'persist', record: { ...one.record, digest, voucher, signature, credit } };
    if (one.type === 'send' && one.message.type === 'credit')
      return { type: 'send', message: { type: 'credit', ...credited, signature: credit } };
    return one;
  });
  const records = trail.flatMap((one) => (one.type === 'persist' ? [one.record] : []));
  return { trail, state: { ...ran.state, books: records.reduce(applyRecord, state.books) } };
}

const isLate = (event: Parameters<Run>[1]): boolean =>
  event.type === 'message' && event.message.type === 'resolveVoucher';

export const VOID_DROPS: Readonly<Record<string, VoidDrop>> = {
  requestRoom: {
    rule: '15, a request goes to a channel only while two places are left for its voids',
    shownBy: 'v1',
    terminal: ({ run }, state, event) => {
      const greets = event.type === 'message' && event.message.type === 'hello';
      return event.type === 'sale' || greets ? unseen(run, state, event) : undefined;
    },
  },
  repeatNeedsPlace: {
    rule: '15, repeating an answer needs no place',
    shownBy: 'v1',
    terminal: (_hands, state, event) => {
      if (event.type !== 'message' || !('signature' in event.message)) return undefined;
      const digest = signedDigest(event.message.signature);
      const repeated = state.books.lanes.some((lane) => equalBytes(lane.digest, digest));
      return repeated && voidsOf(state.books).length >= VOIDS_WAITING_MAX ? { state, trail: [] } : undefined;
    },
  },
  requestsStay: {
    rule: '15, requests die with their link',
    shownBy: 'v4',
    requestsStay: true,
  },
  voidsBound: {
    rule: '15, at most VOIDS_WAITING_MAX voids of one channel wait',
    shownBy: 'v2',
    terminal: ({ run }, state, event) => (isLate(event) ? unseen(run, state, event) : undefined),
  },
  terminalChecks: {
    rule: '15, a terminal makes every check of the hub before an entry enters its outbox',
    shownBy: 'v2',
    terminal: (hands, state, event) => voidedAnyway(hands, state, event),
  },
  hubLeavesOut: {
    rule: '15, the hub takes every void, of a channel whose owner leaves as well',
    shownBy: 'v2',
    hubLeavesOut: true,
  },
  refusalRemoves: {
    rule: '15, no refusal removes an entry',
    shownBy: 'v2',
    refusalRemoves: true,
  },
  noWriteOff: {
    rule: "15, a voucher is written off on the hub's one word",
    shownBy: 'v3',
    gone: noWriteOff,
  },
  writeOffAnyTime: {
    rule: '15, the terminal had handed in everything up to the request',
    shownBy: 'v3',
    gone: anyTime,
  },
  writeOffAnyTerminal: {
    rule: "15, the hub's word is about the terminal that asked",
    shownBy: 'v3',
    gone: anyTerminal,
  },
  syncedWhileOpen: {
    rule: '15, a terminal names no time at which something is open that it may still accept',
    shownBy: 'v3',
    gone: openAsWell,
  },
  syncedWhileWaiting: {
    rule: '15, a terminal names a time once nothing waits',
    shownBy: 'v3',
    gone: waitingAsWell,
  },
  syncedAhead: {
    rule: '15, a terminal names a time before the newest that the hub signed',
    shownBy: 'v3',
    gone: aheadOfHub,
  },
  syncedNotStored: {
    rule: '15, the time that a terminal names is stored before it is said',
    shownBy: 'v5',
    gone: notStored,
  },
  tickWrittenOff: {
    rule: '15, with all places taken a tick is written off that the hub says it has not',
    shownBy: 'v6',
    ticks: neverOff,
  },
  tickLastResort: {
    rule: '15, a tick is written off with all places taken, and not before',
    shownBy: 'v7',
    ticks: offAtOnce,
  },
  tickHubsWord: {
    rule: "15, a tick is written off on the hub's own word",
    shownBy: 'v6',
    ticks: anyWord,
  },
  tickStaysSpent: {
    rule: '15, a tick that is written off stays counted as spent',
    shownBy: 'v6',
    ticks: offIsUnspent,
  },
  openTickCounts: {
    rule: '3, the tick that is open counts among what has no answer',
    shownBy: 'v6',
    ticks: openIsFree,
  },
  openTickIsKept: {
    rule: '3, a tick without an answer stays when its stream is closed',
    shownBy: 'v7',
    ticks: openIsForgotten,
  },
  lateSaysOver: {
    rule: '6, a late tick is answered with the word that nothing is delivered any more',
    shownBy: 'v7',
    ticks: answeredAlone,
  },
  lateIsOwed: {
    rule: '6, what comes when nothing is delivered any more is given back',
    shownBy: 'v7',
    ticks: lateIsSold,
  },
  strayHoldsNothing: {
    rule: '6a, what waits about a voucher that nobody has holds no Synced back',
    shownBy: 'v8',
    strays: neverGone,
  },
  strayHubsWord: {
    rule: '6a, that the hub has no such voucher it signs: a refusal is no word',
    shownBy: 'v8',
    strays: refusalIsWord,
  },
  strayNewWord: {
    rule: '6a, of a ledger that is longer than what it acknowledged since power-up and since its keys changed',
    shownBy: 'v8',
    strays: anyLength,
  },
  strayNewSale: {
    rule: '6a, a sale of that time is acknowledged as well',
    shownBy: 'v8',
    strays: anySale,
  },
  strayNotHeld: {
    rule: '6a, a voucher that the terminal still has is not one that nobody has',
    shownBy: 'v8',
    strays: heldAsWell,
  },
  placeNewWord: {
    rule: '6a, a word of now voids a voucher whatever places were acknowledged for what was forgotten',
    shownBy: 'v9',
    places: placesAlone,
  },
  placeNewSale: {
    rule: '6a, a word of now comes after a sale that was acknowledged since power-up and since keys changed',
    shownBy: 'v9',
    places: anyOldSale,
  },
  placeLength: {
    rule: '6a, a word of now is of a ledger longer than what was acknowledged in that time',
    shownBy: 'v9',
    places: anyOldWord,
  },
  placeRevoked: {
    rule: '6a, what was acknowledged before keys were taken back says nothing of how long the ledger is',
    shownBy: 'v9',
    places: ledgerStays,
  },
  placeHeld: {
    rule: '4, a voucher that waits or is kept has its answer, where its lane is forgotten',
    shownBy: 'v9',
    places: heldUnseen,
  },
  placeBroughtBack: {
    rule: '4, the place of what came back counts, where its lane is forgotten',
    shownBy: 'v9',
    places: placeForgotten,
  },
  thiefsWordStays: {
    rule: '6a, what a thief acknowledged waits again, though the terminal said on that word that all is handed in',
    shownBy: 'v10',
    gone: staysCleared,
  },
  writtenOffIsSpent: {
    rule: '15, what is written off stays counted as paid: the word that it is nowhere may have been had by a thief',
    shownBy: 'v10',
    gone: offIsFree,
  },
};
