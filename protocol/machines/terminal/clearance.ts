/**
 * Sales above the offline limits, with the hub at hand: the payer signs that it would pay this very request, the hub
 * reserves the amount and signs a clearance, and only then the request is made. Taking the voucher first and asking then
 * would lock the payer's numbers when the hub says no. What is cleared is in RAM until it is sold; what was sold and is
 * not acknowledged stands in the outbox, and nothing else is cleared meanwhile (rule 19).
 */
import { type Bytes32, equalBytes } from '../../bytes.ts';
import type { Amount, ChannelId } from '../../integers.ts';
import { type RefusalName, refusalName, refusalNumber } from '../../refusals.ts';
import { requestHash } from '../../vouchers.ts';
import type { MessageOf } from '../../wire/messages.ts';
import { hubKeyOf, leaseEnd } from '../hub-keys.ts';
import { hubKeys, notOurs } from '../trusting.ts';
import { capRefusal } from './acceptance.ts';
import { clearedWaiting } from './books.ts';
import type { ClearanceDesk, HeldLease, OpenRequest, TerminalTurn } from './state.ts';

/** Is it above what this terminal may take from the channel by itself? Of a lease that it has not seen the payer judges. */
function aboveLimits(turn: TerminalTurn, channel: ChannelId, amount: Amount): boolean {
  if (turn.books.exposure + amount > turn.settings.capTotal) return true;
  const held = turn.leaseOf(channel);
  if (held === undefined) return false;
  return amount > held.lease.tapLimit || capRefusal(turn, turn.lane(channel), held, amount) !== undefined;
}

/** Asks the payer on the link whether it would pay the open request, when it can't be taken offline. True: it was dealt with. */
function ask(turn: TerminalTurn, channel: ChannelId): boolean {
  const { open, hubConnected } = turn.volatile;
  if (open?.message.type !== 'request' || !hubConnected) return false;
  const goesOn = open.clearing?.channel === channel;
  if (!goesOn && !aboveLimits(turn, channel, open.message.amount)) return false;
  askPayer(turn);
  return true;
}

/** The question; the same again for whoever comes back to confirm it. Once a greeting. */
function askPayer(turn: TerminalTurn): void {
  const { open, greeted } = turn.volatile;
  if (open?.message.type !== 'request' || greeted === undefined || greeted.questioned) return;
  const clearing = open.clearing;
  if (clearing !== undefined && clearing.channel !== greeted.channel) return turn.refuse('busy');
  // Who falls silent after a cleared sale can lose that one, and no second.
  if (clearedWaiting(turn.books)) return turn.refuse('clearance_waits');
  turn.set({ greeted: { ...greeted, questioned: true } });
  turn.send({ ...open.message, type: 'clearanceQuestion' });
}

/** The payer says that the request is above its limits. Returns true when it is asked for a clearance instead. */
function onOverLimits(turn: TerminalTurn, code: RefusalName | undefined): boolean {
  const { hubConnected, open, greeted } = turn.volatile;
  if (code !== 'over_tap_limit' && code !== 'over_spend_limit') return false;
  if (!hubConnected || open?.message.type !== 'request' || greeted === undefined || greeted.questioned)
    return false;
  askPayer(turn);
  return true;
}

/** The payer would pay: its signed word goes to the hub. Where the clearance is here already, the request goes out. */
function onRequest(turn: TerminalTurn, message: MessageOf<'clearanceRequest'>): void {
  const { open, greeted, hubConnected } = turn.volatile;
  const { signing } = turn.context;
  const { channel, seq, spent, askedAt, terminal, amount, at, detail } = message;
  if (greeted?.channel !== channel) return turn.refuse('channel_mismatch');
  const scope = requestHash(signing, { terminal, amount, at, detail });
  if (open === undefined || !equalBytes(scope, open.hash)) return turn.refuse('no_open_request');
  if (open.clearing !== undefined && open.clearing.channel !== channel) return turn.refuse('busy');
  if (clearedWaiting(turn.books)) return turn.refuse('clearance_waits');
  if (open.clearing?.held !== undefined) return sendCleared(turn, open, open.clearing.held);
  if (!hubConnected) return turn.refuse('over_tap_limit');
  const asked = signing.digest('LeaseRequest', { channel, seq, spent, at: askedAt, scope });
  turn.set({ open: { ...open, clearing: { channel, payer: greeted.payer, asked } } });
  turn.notify({ type: 'clearing', channel, amount });
  turn.upload(message);
}

/** What the hub cleared, then the request itself. */
function sendCleared(turn: TerminalTurn, open: OpenRequest, held: HeldLease): void {
  turn.send(held.lease);
  turn.send(open.message);
}

/** The hub reserved the amount, for the request that is open now and the payer that it was asked for. True: it was no lease. */
function onLease(turn: TerminalTurn, lease: MessageOf<'lease'>): boolean {
  // A lease for one request, which lends nothing: what the hub reserved.
  if (lease.cap !== 0) return false;
  const { open, greeted } = turn.volatile;
  const clearing = open?.clearing;
  if (open === undefined || clearing === undefined || !equalBytes(lease.scope, open.hash)) return true;
  const { signing } = turn.context;
  const key = hubKeyOf(signing, hubKeys(turn), 'Lease', lease, lease.signature, lease.issuedAt);
  const { channel, payer } = clearing;
  if (key === undefined) notOurs(turn);
  if (key === undefined || lease.channel !== channel || !equalBytes(lease.payer, payer)) return true;
  const until = leaseEnd(key, lease.expiresAt, turn.settings.timing.leaseLifetime);
  const digest = signing.digest('Lease', lease);
  const held = { lease, digest, signer: key.address, until, isWide: false, cap: 0 };
  turn.set({ open: { ...open, clearing: { ...clearing, held } } });
  turn.notify({ type: 'cleared', channel, amount: open.request.amount });
  if (greeted?.channel === channel) sendCleared(turn, open, held);
  return true;
}

/** The hub reserves nothing. Returns true when the refusal was about the clearance that is asked for. */
function onRefused(turn: TerminalTurn, { entry, code }: MessageOf<'rejection'>): boolean {
  const { open, linkUp } = turn.volatile;
  if (open?.clearing === undefined || !equalBytes(open.clearing.asked, entry)) return false;
  const { clearing: _, ...rest } = open;
  turn.set({ open: rest });
  const name = refusalName(code) ?? 'unexpected_message';
  if (linkUp) turn.send({ type: 'refusal', code: refusalNumber(name) });
  turn.notify({ type: 'refused', code: name, by: 'hub' });
  return true;
}

/** The clearance under which a voucher for the open request is judged, if it has one. */
function heldFor(open: OpenRequest | undefined, channel: ChannelId): HeldLease | undefined {
  const clearing = open?.clearing;
  return clearing?.channel === channel ? clearing.held : undefined;
}

/** Tells the hub that a request is over which it may have reserved for: after it was dropped, and never before. */
function end(turn: TerminalTurn, request: Bytes32): void {
  const digest = turn.context.signing.digest('ClearanceEnded', { request });
  turn.set({ ending: { digest, request } });
  turn.sign(digest);
}

/** The key answered: the reservation is free again. A word that is lost is made up for by the next Synced. */
function onEndedSigned(turn: TerminalTurn, signature: Uint8Array): void {
  const { request } = turn.volatile.ending!;
  turn.set({ ending: undefined });
  turn.upload({ type: 'clearanceEnded', request, signature });
}

/** Clearances, for a terminal whose sales may be above the offline limits. */
export const CLEARANCES: ClearanceDesk = {
  ask,
  onOverLimits,
  onRequest,
  onLease,
  onRefused,
  heldFor,
  end,
  onEndedSigned,
};
