/**
 * What waits about a voucher that is nowhere (rule 6a): a credit or a tick whose voucher only a thief of a hub key had
 * acknowledged, and which has lost its place among what is kept since. No hub takes it before the payer's copy of the voucher
 * has come, so it goes up again with every retry. Once the hub has signed that it has no such voucher it holds back no
 * `Synced`: all that the terminal has is handed in. Where it takes up the room of sales it waits among what is kept.
 */
import { type Bytes32, equalBytes } from '../../bytes.ts';
import type { Position } from '../../integers.ts';
import { ASK_PAUSE_MAX_MS, KEPT_MAX } from '../../limits.ts';
import type { RefusalName } from '../../refusals.ts';
import type { MessageOf } from '../../wire/messages.ts';
import { signedNow } from '../trusting.ts';
import type { OutboxEntry } from './lanes.ts';
import type { HandedIn, Stray, TerminalTurn } from './state.ts';

/** Changes what is known of how far everything is handed in. */
export const setHanded = (turn: TerminalTurn, change: Partial<HandedIn>): void =>
  turn.set({ handed: { ...turn.volatile.handed, ...change } });

/** The voucher without which no hub takes this entry. */
const needs = (entry: OutboxEntry): Bytes32 | undefined =>
  entry.kind === 'voucher' ? undefined : entry.kind === 'tick' ? entry.stream : entry.voucher;

const sameVoucher = (voucher: Bytes32) => (known: Stray) => equalBytes(known.voucher, voucher);

/** A voucher that the terminal still has with its answer, to hand it in or to do so once more. */
export function heldVoucher(
  { outbox, kept }: TerminalTurn['books'],
  voucher: Bytes32,
): (OutboxEntry & { kind: 'voucher' }) | undefined {
  for (const entries of [outbox, kept])
    for (const entry of entries)
      if (entry.kind === 'voucher' && equalBytes(entry.entry, voucher)) return entry;
  return undefined;
}

/**
 * Is this the hub's ledger of now: longer than all that was acknowledged since power-up and since its keys changed, with a sale
 * of that time in it? All that was acknowledged before then stands below that sale.
 */
export function isOfNow({ volatile }: TerminalTurn, size: Position): boolean {
  const { isNew, to } = volatile.handed.ledger;
  return isNew && size > to;
}

/** The hub refused an entry. Where it lacks the voucher, and so does the terminal, the hub is asked to say so in writing. */
export function askForVoucher(turn: TerminalTurn, subject: Bytes32, code: RefusalName): void {
  if (code !== 'voucher_unknown' && code !== 'stream_unknown') return;
  const tick = turn.volatile.uploadedTicks.find(({ entry }) => equalBytes(entry, subject));
  const waiting = turn.books.outbox.find((entry) =>
    entry.kind === 'tick'
      ? tick !== undefined && equalBytes(entry.stream, tick.stream)
      : equalBytes(entry.entry, subject),
  );
  const voucher = waiting && needs(waiting);
  if (waiting === undefined || voucher === undefined || waiting.kind === 'voucher') return;
  const { strays } = turn.volatile.handed;
  const known = strays.find(sameVoucher(voucher));
  const asked = known !== undefined && (known.isGone || turn.nowMs - known.askedAtMs < ASK_PAUSE_MAX_MS);
  if (asked || heldVoucher(turn.books, voucher) !== undefined) return;
  const others = strays.filter((one) => one !== known);
  setHanded(turn, {
    strays: [...others, { voucher, askedAtMs: turn.nowMs, isGone: false }].slice(-KEPT_MAX),
  });
  turn.upload({ type: 'query', channel: waiting.channel, seq: waiting.seq, entry: voucher });
}

/** The hub has no such voucher, in its own words of now: none that was recorded before the voucher was handed in. */
export function onVoucherGone(turn: TerminalTurn, word: MessageOf<'unknown'>): void {
  const { strays } = turn.volatile.handed;
  const known = strays.find(sameVoucher(word.entry));
  if (known === undefined || known.isGone || !isOfNow(turn, word.size as Position)) return;
  if (heldVoucher(turn.books, word.entry) || !signedNow(turn, 'Unknown', word, word.signature)) return;
  setHanded(turn, { strays: strays.map((one) => (one === known ? { ...one, isGone: true } : one)) });
  if (isCrowded(turn)) turn.persist({ type: 'setAside', voucher: word.entry });
}

/** Half of the places or of what may be owed in all is taken. */
const isCrowded = ({ books, settings }: TerminalTurn): boolean =>
  2 * books.outbox.length >= settings.outboxMax || 2 * books.exposure >= settings.capTotal;

/** Has the hub everything that the terminal can hand in? */
export function allHandedIn({ books, volatile }: TerminalTurn): boolean {
  return books.outbox.every((entry) => {
    const voucher = needs(entry);
    return (
      voucher !== undefined && volatile.handed.strays.some((one) => one.isGone && sameVoucher(voucher)(one))
    );
  });
}

/** A voucher was accepted now. */
export function noteAccepted(turn: TerminalTurn, newest: Bytes32): void {
  setHanded(turn, { ledger: { ...turn.volatile.handed.ledger, newest } });
}

/** The hub's ledger is longer than this place. */
export function noteAcknowledged(turn: TerminalTurn, entry: Bytes32, position: Position): void {
  const { to, newest, isNew } = turn.volatile.handed.ledger;
  const ledger = {
    to: position > to ? position : to,
    newest,
    isNew: isNew || (newest !== undefined && equalBytes(newest, entry)),
  };
  setHanded(turn, { ledger });
}
