/**
 * What can be said about a message without knowing any state: its fields, the digests that are signed, and which
 * signatures have to be checked. Pure, and apart from the intake's step so that a host may have the signatures
 * recovered elsewhere (other threads) before the step; without that the step does it itself.
 */
import type { Address, Bytes32 } from '../../protocol/bytes.ts';
import { type Collected, collectedFrom } from '../../protocol/machines/collected.ts';
import type { RefusalName } from '../../protocol/refusals.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { voucherDigest } from '../../protocol/vouchers.ts';
import { decodeMessage, type Message, type MessageOf } from '../../protocol/wire/messages.ts';

export type CollectedMessage = MessageOf<'collectedVoucher'> | MessageOf<'collectedStream'>;

/** A signature over a digest; who made it is the question. */
export interface Question {
  readonly digest: Bytes32;
  readonly signature: Uint8Array;
}

/** A voucher or stream with everything that follows from its bytes alone. */
export interface PreparedVoucher {
  readonly kind: 'voucher';
  readonly message: CollectedMessage;
  readonly bytes: Uint8Array;
  readonly collected: Collected;
  /** The voucher's digest. */
  readonly id: Bytes32;
  /** The terminal's receipt, or its credit over the full amount; undefined when it comes without one. */
  readonly answer: (() => Question) | undefined;
  /** Who signed, when it was found out already; undefined within means that nobody did. */
  readonly signers?: { readonly payer: Address | undefined; readonly answer: Address | undefined };
}

export type Prepared =
  | { readonly kind: 'refused'; readonly code: RefusalName; readonly digest: Bytes32 }
  /** An odd message of a later release. */
  | { readonly kind: 'skipped' }
  | { readonly kind: 'pack'; readonly entries: readonly Prepared[] }
  | PreparedVoucher
  | { readonly kind: 'other'; readonly message: Message; readonly bytes: Uint8Array };

/** Reads one message. Never throws on bytes from outside. */
export function prepareMessage(signing: Signing, bytes: Uint8Array): Prepared {
  const decoded = decodeMessage(bytes, 'sync');
  // What can't be read has no digest, so the refusal names the bytes.
  if (!decoded.ok) return { kind: 'refused', code: decoded.code, digest: signing.suite.keccak256(bytes) };
  const { message } = decoded;
  if (message === undefined) return { kind: 'skipped' };
  if (message.type === 'collectedVoucher' || message.type === 'collectedStream') {
    return prepareVoucher(signing, message, bytes);
  }
  if (message.type !== 'pack') return { kind: 'other', message, bytes };
  // Packs hold no packs, so this goes one level deep and no further.
  return {
    kind: 'pack',
    entries: message.entries.map((entry): Prepared => {
      const inner = prepareMessage(signing, entry);
      return inner.kind === 'pack'
        ? { kind: 'refused', code: 'unexpected_message', digest: signing.suite.keccak256(entry) }
        : inner;
    }),
  };
}

function prepareVoucher(signing: Signing, message: CollectedMessage, bytes: Uint8Array): PreparedVoucher {
  const collected = collectedFrom(signing, message);
  const id = voucherDigest(signing, collected.voucher);
  return { kind: 'voucher', message, bytes, collected, id, answer: answerOf(signing, collected, id) };
}

/** Rule 3: a receipt, or a credit over the full amount. Hashed when asked: of what is known already nobody asks. */
function answerOf(signing: Signing, collected: Collected, id: Bytes32): (() => Question) | undefined {
  const { receipt, credit, request } = collected;
  if (receipt !== undefined)
    return () => ({ digest: signing.digest('Receipt', { voucher: id }), signature: receipt });
  if (credit === undefined) return undefined;
  const fields = { voucher: id, credited: request.amount };
  return () => ({ digest: signing.digest('Credit', fields), signature: credit });
}

/** The vouchers of a message that can be asked about elsewhere: secp256k1 payers with an answer. */
export function openQuestions(prepared: Prepared): PreparedVoucher[] {
  if (prepared.kind === 'pack') return prepared.entries.flatMap(openQuestions);
  if (prepared.kind !== 'voucher' || prepared.answer === undefined || prepared.message.key) return [];
  return [prepared];
}

/** The same message with the signers filled in, by the order of openQuestions. */
export function withSigners(
  prepared: Prepared,
  signers: Iterator<NonNullable<PreparedVoucher['signers']>>,
): Prepared {
  if (prepared.kind === 'pack') {
    return { ...prepared, entries: prepared.entries.map((entry) => withSigners(entry, signers)) };
  }
  if (prepared.kind !== 'voucher' || openQuestions(prepared).length === 0) return prepared;
  const next = signers.next();
  return next.done ? prepared : { ...prepared, signers: next.value };
}
