/**
 * From a payer's voucher to the terminal's answer: accept it, repeat the answer, or void it (rule 4). The order of
 * the effects: verify, sign the answer, persist one record, say approved, send the answer. A signature that was never
 * persisted never leaves the terminal, so a cut before the record means that nothing happened.
 */
import { type Bytes32, equalBytes } from '../../bytes.ts';
import { type Amount, ZERO_AMOUNT } from '../../integers.ts';
import { requestHash, type Request, SCOPE_ANY, type Voucher, voucherDigest } from '../../vouchers.ts';
import { type MessageOf, NEED } from '../../wire/messages.ts';
import { hubKeyOf, leaseEnd } from '../hub-keys.ts';
import { hubKeys } from '../trusting.ts';
import { acceptanceRefusal, type Candidate, channelCap, isCleared, voidRefusal } from './acceptance.ts';
import type { TerminalLane } from './books.ts';
import { makePlace, type Place, placeOfVoucher } from './place.ts';
import { heldVoucher, noteAccepted } from './strays.ts';
import { uploadOutbox } from './upload.ts';
import { LEASES_MAX, type TapVoucherMessage, type TerminalTurn } from './state.ts';

/** Says the same answer again: the receipt, or the credit of all that was asked. */
function repeatAnswer(
  turn: TerminalTurn,
  voucher: Bytes32,
  answer: TerminalLane['answer'],
  signature: Uint8Array,
  credited: Amount,
): void {
  if (answer === 'receipt') turn.send({ type: 'receipt', voucher, signature });
  else turn.send({ type: 'credit', voucher, credited, signature });
}

/** The same on a lane that was forgotten, where the voucher waits or is kept. True when it is. */
function repeatsHeld(turn: TerminalTurn, digest: Bytes32): boolean {
  const { receipt, credit, request } = heldVoucher(turn.books, digest)?.collected ?? {};
  const signature = receipt ?? credit;
  if (signature === undefined) return false;
  repeatAnswer(turn, digest, receipt === undefined ? 'credit' : 'receipt', signature, request!.amount);
  return true;
}

/** The voucher that the message means, with its request opened; undefined when no request is named or open. */
function candidateOf(
  turn: TerminalTurn,
  message: TapVoucherMessage,
): { readonly voucher: Voucher; readonly request: Request } | undefined {
  const { open } = turn.volatile;
  const { channel, seq, spent, paid } = message;
  const { payee } = turn.settings;
  const numbers = { channel, seq, spent, payee, paid };
  const { signing } = turn.context;
  switch (message.type) {
    case 'voucher':
      if (open?.message.type !== 'request') return undefined;
      return {
        voucher: { kind: 'voucher', ...numbers, lanes: message.lanes, request: open.hash },
        request: open.request,
      };
    case 'stream': {
      if (open?.message.type !== 'streamRequest') return undefined;
      const { tickValue, ticks } = open.message;
      const { anchor } = message;
      return {
        voucher: { kind: 'stream', ...numbers, request: open.hash, anchor, tickValue, ticks },
        request: open.request,
      };
    }
    case 'resolveVoucher': {
      const request = fromMessage(message, message.amount);
      const hash = requestHash(signing, request);
      return { voucher: { kind: 'voucher', ...numbers, lanes: message.lanes, request: hash }, request };
    }
    case 'resolveStream': {
      const request = fromMessage(message, ZERO_AMOUNT);
      const { anchor, tickValue, ticks } = message;
      const hash = requestHash(signing, request);
      return { voucher: { kind: 'stream', ...numbers, request: hash, anchor, tickValue, ticks }, request };
    }
  }
}

function fromMessage(
  { terminal, at, detail }: { terminal: Uint8Array; at: Request['at']; detail: Uint8Array },
  amount: Amount,
): Request {
  return { terminal, amount, at, detail };
}

/** A voucher, in either form. */
export function onVoucher(turn: TerminalTurn, message: TapVoucherMessage): void {
  const { greeted, open, pending } = turn.volatile;
  if (greeted === undefined) return turn.send({ type: 'need', what: NEED.hello });
  if (pending !== undefined) return turn.refuse('busy');
  if ('terminal' in message && !equalBytes(message.terminal, turn.context.self))
    return turn.refuse('not_mine');
  const found = candidateOf(turn, message);
  if (found === undefined) return turn.refuse('no_open_request');
  const { voucher, request } = found;
  if (voucher.channel !== greeted.channel) return turn.refuse('channel_mismatch');
  const digest = voucherDigest(turn.context.signing, voucher);
  const lane = turn.lane(voucher.channel);
  if (lane !== undefined && equalBytes(lane.digest, digest))
    return repeatAnswer(turn, digest, lane.answer, lane.signature, lane.amount);
  const isOpen = open !== undefined && equalBytes(open.hash, voucher.request);
  if (lane === undefined && !isOpen && repeatsHeld(turn, digest)) return;
  const clearance = isOpen ? turn.settings.clearances?.heldFor(open, voucher.channel) : undefined;
  const held = clearance ?? turn.leaseOf(voucher.channel);
  if (held === undefined) {
    turn.set({ stashed: message });
    return turn.send({ type: 'need', what: NEED.lease });
  }
  const candidate: Candidate = { voucher, request, signature: message.signature, digest, held, lane };
  const refusal = isOpen ? acceptanceRefusal(turn, candidate) : voidRefusal(turn, candidate);
  if (refusal === 'ask_hub' && asksHub(turn, message, voucher, digest)) return;
  if (refusal !== undefined) return turn.refuse(refusal, digest);
  const place = placeOf(turn, candidate, isOpen);
  if ('refusal' in place) return turn.refuse(place.refusal, digest);
  signAnswer(turn, candidate, isOpen ? 'receipt' : 'credit');
}

/** Asks the hub for a voucher that was answered on an evicted lane, or never: once a greeting, when it is there. */
function asksHub(
  turn: TerminalTurn,
  message: TapVoucherMessage,
  { channel, seq }: Voucher,
  digest: Bytes32,
): boolean {
  const { hubConnected, asked } = turn.volatile;
  if (!hubConnected || (asked !== undefined && equalBytes(asked, digest))) return false;
  turn.set({ asked: digest, stashed: message });
  turn.upload({ type: 'query', channel, seq, entry: digest });
  return true;
}

/** What was waited for is here: the voucher is judged. */
export function judgeStashed(turn: TerminalTurn): void {
  const { stashed } = turn.volatile;
  turn.set({ stashed: undefined });
  if (stashed !== undefined) onVoucher(turn, stashed);
}

function signAnswer(turn: TerminalTurn, candidate: Candidate, answer: 'receipt' | 'credit'): void {
  const { voucher, request, signature, digest, held } = candidate;
  const { signing } = turn.context;
  const key = turn.volatile.greeted?.key;
  const wanted =
    answer === 'receipt'
      ? signing.digest('Receipt', { voucher: digest })
      : signing.digest('Credit', { voucher: digest, credited: request.amount });
  turn.set({
    pending: {
      digest,
      signing: wanted,
      answer,
      collected: { voucher, request, signature, ...(key && { key }) },
      payer: held.lease.payer,
      cleared: answer === 'receipt' && isCleared(candidate),
    },
  });
  turn.sign(wanted);
}

/** The key answered: one record, then the display, then the payer. */
export function onAnswerSigned(turn: TerminalTurn, signature: Uint8Array): void {
  const { digest, answer, collected, payer, cleared } = turn.volatile.pending!;
  const { voucher, request } = collected;
  turn.set({ pending: undefined });
  const place = placeOf(turn, collected, true);
  if ('evicted' in place) makePlace(turn, place);
  turn.persist({
    type: cleared ? 'cleared' : 'answered',
    digest,
    payer,
    ...collected,
    ...(answer === 'receipt' ? { receipt: signature } : { credit: signature }),
  });
  noteAccepted(turn, digest);
  const { channel } = voucher;
  if (answer === 'credit') {
    turn.notify({ type: 'voided', voucher: digest, amount: request.amount });
    turn.send({ type: 'credit', voucher: digest, credited: request.amount, signature });
    return;
  }
  // Another sale may have replaced the request while the key was signing: that one stays open.
  const { open } = turn.volatile;
  const replaced = open !== undefined && !equalBytes(open.hash, voucher.request);
  turn.set({ open: replaced ? open : undefined, session: undefined });
  if (voucher.kind === 'stream') {
    turn.set({ session: { channel, stream: digest, delivering: 0 } });
    turn.notify({ type: 'streamOpened', channel, voucher: digest, ticks: voucher.ticks });
  } else {
    turn.notify({ type: 'approved', channel, amount: request.amount, voucher: digest });
  }
  turn.send({ type: 'receipt', voucher: digest, signature });
  if (cleared) uploadOutbox(turn, turn.books.outbox.length - 1);
  // Somebody else paid it within the limits than the one it was being cleared for.
  else if (!replaced && open?.clearing !== undefined) turn.settings.clearances?.end(turn, open.hash);
}

/** The place of a voucher and its answer. One for another request than the open one leaves that its own. */
function placeOf(turn: TerminalTurn, { voucher }: { readonly voucher: Voucher }, isOpen: boolean): Place {
  const { greeted, open } = turn.volatile;
  const coming = { kind: voucher.kind, keyed: greeted?.key !== undefined };
  return placeOfVoucher(turn, voucher.channel, coming, !isOpen && open !== undefined);
}

/** A lease: its signature is checked once, then it is kept in RAM. */
export function onLease(turn: TerminalTurn, lease: MessageOf<'lease'>): void {
  const { greeted, leases } = turn.volatile;
  const { signing } = turn.context;
  if (greeted === undefined) return turn.send({ type: 'need', what: NEED.hello });
  const digest = signing.digest('Lease', lease);
  if (!leases.some((entry) => equalBytes(entry.digest, digest))) {
    const key = hubKeyOf(signing, hubKeys(turn), 'Lease', lease, lease.signature, lease.issuedAt);
    if (key === undefined) return turn.refuse('hub_key_unknown');
    if (lease.channel !== greeted.channel || !equalBytes(lease.payer, greeted.payer))
      return turn.refuse('lease_mismatch');
    const until = leaseEnd(key, lease.expiresAt, turn.settings.timing.leaseLifetime);
    const isWide = equalBytes(lease.scope, SCOPE_ANY);
    const cap = channelCap(turn.settings, lease);
    const held = { lease, digest, signer: key.address, until, isWide, cap };
    turn.set({ leases: [...leases, held].slice(-LEASES_MAX) });
  }
  judgeStashed(turn);
}

/** True when this very lease is in RAM already. */
export function holdsLease(turn: TerminalTurn, digest: Bytes32 | undefined): boolean {
  return digest !== undefined && turn.volatile.leases.some((entry) => equalBytes(entry.digest, digest));
}
