/**
 * Questions for a clearance: may a payer pay this very request above its offline limits? Only what is free, once for each
 * request, one at a time for a terminal and channel, and only while the hub sees L2.
 */
import { type Bytes32, equalBytes } from '../../protocol/bytes.ts';
import { amount, seconds, type Seconds, UINT40_MAX } from '../../protocol/integers.ts';
import { clearanceLife } from '../../protocol/limits.ts';
import { firstRefusal, type RefusalName } from '../../protocol/refusals.ts';
import { requestHash } from '../../protocol/vouchers.ts';
import type { MessageOf } from '../../protocol/wire/messages.ts';
import { leasedEntriesMax } from '../limits.ts';
import { channelBook, highest } from './books.ts';
import { isOver, type Reservation, requestAge, reservationOf, reservedOn } from './clearances.ts';
import { committed } from './leases.ts';
import { ownersRefusal } from './owner-limits.ts';
import { durableBooks, heldEntries, type IntakeContext, type IntakeState } from './state.ts';
import { bytesKey, numberKey, trieGet } from './trie.ts';

export type ClearanceAnswer = { readonly asked: Bytes32 } & (
  | { readonly refusal: RefusalName }
  /** `known`: it was reserved before, and is durable or being written. */
  | { readonly clearance: Reservation; readonly known: 'durable' | 'writing' | undefined }
);

/** Answers a terminal that passes a payer's word on. `now` is the hub's clock: it can only refuse, never date. */
export function answerClearanceRequest(
  context: IntakeContext,
  state: IntakeState,
  message: MessageOf<'clearanceRequest'>,
  now: Seconds,
): ClearanceAnswer {
  const { signing, timing } = context;
  const { channel, seq, spent, askedAt, terminal, amount: sum, at, detail } = message;
  const request = requestHash(signing, { terminal, amount: sum, at, detail });
  const asking = { channel, seq, spent, at: askedAt, scope: request };
  const asked = signing.digest('LeaseRequest', asking);
  const facts = trieGet(state.channels, numberKey(channel));
  if (facts === undefined) return { asked, refusal: 'channel_unknown' };
  if (!signing.signedBy('LeaseRequest', asking, message.signature, facts.payer, message.key))
    return { asked, refusal: 'signature' };
  const key = bytesKey(request);
  const { books, block } = state;
  const same = reservationOf(books.clearances, key);
  if (same !== undefined && same.channel === channel) {
    const durable = reservationOf(durableBooks(state).clearances, key) !== undefined;
    return { asked, clearance: same, known: durable ? 'durable' : 'writing' };
  }
  const book = channelBook(books, channel);
  const seen = highest(book);
  const blockAt = block?.at ?? 0;
  const lent = committed(context, state, channel, spent);
  const refusal = firstRefusal([
    reservedOn(books, channel, blockAt, timing).some((one) => equalBytes(one.terminal, terminal))
      ? 'busy'
      : undefined,
    trieGet(state.terminals, bytesKey(terminal)) === undefined ? 'terminal_unknown' : undefined,
    book.proof !== undefined || facts.slashed || books.revoked.includes(channel) ? 'revoked' : undefined,
    seq < seen.seq || spent < seen.spent ? 'behind_ledger' : undefined,
    block === undefined || state.doubted || now - block.at > timing.watchLag ? 'chain_stale' : undefined,
    facts.exiting ? 'exit_running' : undefined,
    heldEntries(books) >= leasedEntriesMax(context.indexedMax) ? 'index_full' : undefined,
    lent + sum > facts.spendable ? 'not_free' : undefined,
    ownersRefusal(context, state, { channel, spent, amount: sum }, blockAt),
    same !== undefined || isOver(books.clearances, key) || Math.abs(at - blockAt) > requestAge(timing)
      ? 'clearance_over'
      : undefined,
  ]);
  if (refusal !== undefined) return { asked, refusal };
  const clearance: Reservation = {
    type: 'clearance',
    channel,
    payer: facts.payer,
    spentFrom: spent,
    // As a lease's: what is reserved for other requests is lent to nobody.
    spendLimit: amount(facts.spendable - (lent - spent)),
    request,
    terminal,
    amount: sum,
    at,
    detail,
    issuedAt: block!.at,
    expiresAt: seconds(Math.min(block!.at + clearanceLife(timing), UINT40_MAX)),
  };
  return { asked, clearance, known: undefined };
}

/** Why the word that a request is over does not count, or undefined: it is its terminal's, or any registered one's. */
export function endedRefusal(
  { signing }: IntakeContext,
  { books, terminals }: IntakeState,
  { request, signature }: MessageOf<'clearanceEnded'>,
): RefusalName | undefined {
  const signer = signing.suite.recover(signing.digest('ClearanceEnded', { request }), signature);
  if (signer === undefined) return 'signature';
  if (trieGet(terminals, bytesKey(signer)) === undefined) return 'terminal_unknown';
  const held = reservationOf(books.clearances, bytesKey(request));
  return held === undefined || equalBytes(held.terminal, signer) ? undefined : 'signature';
}
