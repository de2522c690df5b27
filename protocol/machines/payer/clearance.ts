/**
 * Requests above the payer's limits. A terminal that has the hub asks first; the person says yes where the owner wants
 * that; the payer signs that it would pay this very request, the hub reserves, and what it clears is good for this one
 * request alone. Nothing is spent before the request itself comes, and it is then paid like any other.
 */
import { type Bytes32, equalBytes } from '../../bytes.ts';
import type { RefusalName } from '../../refusals.ts';
import { detailHash } from '../../vouchers.ts';
import type { MessageOf } from '../../wire/messages.ts';
import { hubKeyOf } from '../hub-keys.ts';
import { hubTime } from '../time.ts';
import { hubKeys, notOurs } from '../trusting.ts';
import { clearedOn } from './books.ts';
import type { Clearing, PayerTurn } from './state.ts';

const DAY = 86_400;

/**
 * The UTC day of the newest time that the hub signed, counted from 1970: its own clock could be set back. The clearance is
 * dated as well.
 */
export const hubDay = (turn: PayerTurn, { issuedAt }: MessageOf<'lease'>): number =>
  Math.floor(Math.max(hubTime(turn.volatile.time, turn.nowMs), issuedAt) / DAY);

/** What the hub cleared for the request with this hash, if it did. */
export function clearedFor(turn: PayerTurn, hash: Bytes32): Clearing | undefined {
  const { clearing } = turn.volatile;
  return clearing?.lease !== undefined && equalBytes(clearing.hash, hash) ? clearing : undefined;
}

/** Why a request of `most` may not be paid above the lease's limits; `lease`: the hub's clearance, once it is here. */
export function clearanceRefusals(
  turn: PayerTurn,
  most: number,
  lease: MessageOf<'lease'> | undefined,
): RefusalName[] {
  const { books, settings } = turn;
  const { dayLimit } = settings;
  const found: RefusalName[] = [];
  if (lease !== undefined && turn.based && turn.now > lease.expiresAt) found.push('lease_expired');
  if (lease !== undefined && books.spent + most > lease.spendLimit) found.push('over_spend_limit');
  // Which day it is, a device that was away learns from the clearance.
  const sum = lease === undefined ? 0 : clearedOn(books, hubDay(turn, lease)).sum;
  if (dayLimit !== undefined && sum + most > dayLimit) found.push('over_day_limit');
  return found;
}

/** A terminal asks whether this would be paid: so it is, where the person need not be asked or has said yes. */
export function askClearance(turn: PayerTurn, question: MessageOf<'clearanceQuestion'>, hash: Bytes32): void {
  const { confirmLimit, tapMax } = turn.settings;
  const { clearing } = turn.volatile;
  const same = clearing !== undefined && equalBytes(clearing.hash, hash);
  const confirmed = same ? clearing.confirmed : question.amount <= (confirmLimit ?? tapMax);
  turn.set({ clearing: { question, hash, confirmed } });
  if (confirmed) return signClearance(turn, question, hash);
  const { amount, payee } = question;
  turn.notify({ type: 'confirmWanted', request: hash, amount, payee });
}

/** The person's answer. A wearable that left the till meanwhile is held to it once more. */
export function onConfirm(turn: PayerTurn, request: Bytes32, yes: boolean): void {
  const { clearing, linkUp } = turn.volatile;
  if (clearing === undefined || clearing.confirmed || !equalBytes(clearing.hash, request)) return;
  if (!yes) {
    turn.set({ clearing: undefined });
    return linkUp ? turn.refuse('declined') : turn.notify({ type: 'refused', code: 'declined', by: 'us' });
  }
  turn.set({ clearing: { ...clearing, confirmed: true } });
  if (linkUp) signClearance(turn, clearing.question, clearing.hash);
}

function signClearance(turn: PayerTurn, question: MessageOf<'clearanceQuestion'>, hash: Bytes32): void {
  const { channel, seq, spent } = turn.books;
  const { key } = turn.settings;
  const { signing } = turn.context;
  const askedAt = turn.now;
  const { terminal, amount, at } = question;
  const message = {
    type: 'clearanceRequest',
    channel: channel!,
    seq,
    spent,
    askedAt,
    terminal,
    amount,
    at,
    detail: detailHash(signing.suite, question),
    signature: new Uint8Array(64),
    ...(key && { key }),
  } as const;
  const digest = signing.digest('LeaseRequest', { channel: channel!, seq, spent, at: askedAt, scope: hash });
  turn.set({ leaseRequest: { digest, message }, sentAtMs: turn.nowMs });
  turn.sign(digest);
}

/** No request came for a while: the word that it would be paid goes out once more. */
export function askAgain(turn: PayerTurn): void {
  const { clearing } = turn.volatile;
  if (clearing?.confirmed) signClearance(turn, clearing.question, clearing.hash);
}

/** The hub's clearance, passed on by the terminal: of the very request that the payer was asked about. */
export function takeClearance(turn: PayerTurn, lease: MessageOf<'lease'>): void {
  const { clearing } = turn.volatile;
  const { books, context } = turn;
  if (clearing === undefined || !clearing.confirmed || !equalBytes(clearing.hash, lease.scope)) return;
  if (lease.channel !== books.channel || !equalBytes(lease.payer, context.self))
    return turn.notify({ type: 'refused', code: 'lease_mismatch', by: 'us' });
  const { signing } = context;
  if (hubKeyOf(signing, hubKeys(turn), 'Lease', lease, lease.signature, lease.issuedAt) === undefined)
    return notOurs(turn);
  turn.set({ clearing: { ...clearing, lease } });
}

/** The terminal dropped the request. */
export function dropClearing(turn: PayerTurn, request: Bytes32): void {
  const { clearing } = turn.volatile;
  if (clearing !== undefined && equalBytes(clearing.hash, request)) turn.set({ clearing: undefined });
}
