/**
 * What is checked before an entry goes into the ledger. Each check names its refusal; where several apply the one
 * that stands first in the table of refusals is given. Expensive checks come last and only where they can matter.
 */
import type { CryptoSuite } from '../../hardware/interfaces/index.ts';
import { type Address, type Bytes32, equalBytes } from '../../protocol/bytes.ts';
import type { Amount } from '../../protocol/integers.ts';
import { numbersRefusal } from '../../protocol/machines/collected.ts';
import { firstRefusal, type RefusalName } from '../../protocol/refusals.ts';
import { creditEntry, hashChain, tickEntry } from '../../protocol/vouchers.ts';
import type { MessageOf } from '../../protocol/wire/messages.ts';
import { entryMessage, findEntry } from './books.ts';
import type { PreparedVoucher, Question } from './prepare.ts';
import type { Entry, IntakeContext, IntakeState } from './state.ts';
import { bytesKey, numberKey, trieGet } from './trie.ts';

/** The digest that will be acknowledged, and the check itself, made only when the entry is new. */
export interface Candidate {
  readonly id: Bytes32;
  /** True when the entry brings something new although its digest is known. */
  fresh?(): boolean;
  /** Why it is not taken. Costs up to two recoveries. */
  refusal(): RefusalName | undefined;
}

/** A voucher or stream with the terminal's answer. */
export function voucherCandidate(
  context: IntakeContext,
  state: IntakeState,
  prepared: PreparedVoucher,
): Candidate {
  return { id: prepared.id, refusal: () => voucherRefusal(context, state, prepared) };
}

function voucherRefusal(
  context: IntakeContext,
  state: IntakeState,
  prepared: PreparedVoucher,
): RefusalName | undefined {
  const { collected, id, signers } = prepared;
  const { voucher, request } = collected;
  const { suite } = context.signing;
  const facts = trieGet(state.channels, numberKey(voucher.channel));
  if (facts !== undefined) {
    const payer = signers ? signers.payer : suite.recover(id, collected.signature, collected.key);
    if (payer === undefined || !equalBytes(payer, facts.payer)) return 'signature';
  }
  const numbers = numbersRefusal(voucher, request);
  if (numbers !== undefined) return numbers;
  const payees = trieGet(state.payeesOf, bytesKey(request.terminal)) ?? [];
  return firstRefusal([
    answered(suite, prepared) ? undefined : 'no_receipt',
    facts === undefined ? 'channel_unknown' : undefined,
    trieGet(state.payees, bytesKey(voucher.payee)) ? undefined : 'payee_unknown',
    payees.some((payee) => equalBytes(payee, voucher.payee)) ? undefined : 'terminal_unknown',
  ]);
}

const signerOf = (suite: CryptoSuite, { digest, signature }: Question): Address | undefined =>
  suite.recover(digest, signature);

/** True when the terminal of the request signed a receipt, or a credit over the full amount (rule 3). */
function answered(suite: CryptoSuite, { answer, signers, collected }: PreparedVoucher): boolean {
  if (answer === undefined) return false;
  const signer = signers ? signers.answer : signerOf(suite, answer());
  return signer !== undefined && equalBytes(signer, collected.request.terminal);
}

/** A tick of a stream; `entry` is the stream, when the ledger has it. */
export function tickCandidate(
  context: IntakeContext,
  state: IntakeState,
  message: MessageOf<'collectedTick'>,
): Candidate {
  const { suite } = context.signing;
  const id = tickEntry(suite, message.stream, message.k, message.preimage);
  return {
    id,
    refusal: () => {
      const entry = findEntry(state.books, message.stream, message);
      if (entry?.stream === undefined) return 'stream_unknown';
      const { k, ticks, preimage } = entry.stream;
      if (message.k < 1 || message.k > ticks) return 'tick_order';
      // Forward from what is known, or, for an earlier tick, from it to what is known: at most TICKS_MAX hashes.
      const matches =
        message.k >= k
          ? equalBytes(hashChain(suite, message.preimage, message.k - k), preimage)
          : equalBytes(hashChain(suite, preimage, k - message.k), message.preimage);
      return matches ? undefined : 'tick_preimage';
    },
  };
}

/** A credit by the terminal of the voucher's request or by its payee. */
export function creditCandidate(
  context: IntakeContext,
  state: IntakeState,
  message: MessageOf<'collectedCredit'>,
): Candidate {
  const id = creditEntry(context.signing, message.voucher, message.credited);
  return {
    id,
    fresh: () => bringsPayeeSignature(findEntry(state.books, message.voucher, message), message),
    refusal: () => {
      const entry = findEntry(state.books, message.voucher, message);
      if (entry === undefined) return 'voucher_unknown';
      const signer = message.byPayee === 1 ? entry.payee : entryMessage(entry).terminal;
      const { voucher, credited, signature } = message;
      if (!context.signing.signedBy('Credit', { voucher, credited }, signature, signer)) return 'signature';
      const before = message.byPayee === 1 ? (entry.payeeCredit?.credited ?? 0) : entry.credited;
      return credited > creditableOf(entry) || credited < before ? 'credit_range' : undefined;
    },
  };
}

/**
 * Terminal and payee sign the same digest when they agree on the figure, but only the payee's signature counts on
 * L2: it is new even when the terminal's stands in the ledger already.
 */
export function bringsPayeeSignature(
  entry: Entry | undefined,
  message: MessageOf<'collectedCredit'>,
): boolean {
  if (entry === undefined || message.byPayee !== 1) return false;
  return entry.payeeCredit === undefined || entry.payeeCredit.credited < message.credited;
}

/** The most that can be given back on an entry: its amount, or the ticks known. */
export function creditableOf(entry: Entry): Amount {
  const { amount, stream } = entry;
  return (stream === undefined ? amount : stream.k * stream.tickValue) as Amount;
}
