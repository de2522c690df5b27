/**
 * Vouchers on their way to the hub: what a terminal (first copy) or a payer (second copy) hands in, and how it looks
 * as a message. The hub's intake reads the same shapes.
 */
import type { Bytes32, Signature } from '../bytes.ts';
import { UINT48_MAX } from '../integers.ts';
import { TICKS_MAX } from '../limits.ts';
import { firstRefusal, type RefusalName } from '../refusals.ts';
import type { Message, MessageOf } from '../wire/messages.ts';
import { requestField, voucherField } from '../wire/records.ts';
import { keyField, optional, signatureField } from '../wire/schema.ts';
import { requestHash, type Request, type Voucher } from '../vouchers.ts';
import type { Signing } from '../signing/digests.ts';

/** A voucher with everything that proves it: opened request, payer's signature, the terminal's answer. */
export interface Collected {
  readonly voucher: Voucher;
  readonly request: Request;
  /** The payer's. */
  readonly signature: Signature;
  /** P-256 payers only. */
  readonly key?: Uint8Array;
  /** The terminal's receipt; absent when the voucher was voided. */
  readonly receipt?: Signature;
  /** The terminal's signature over the full credit of a voided voucher. */
  readonly credit?: Signature;
}

/**
 * Why the numbers of a voucher alone keep it out of every ledger, or undefined. The hub asks, and a terminal before it: an
 * entry that no hub ever takes would wait in its outbox for ever (rule 15).
 */
export function numbersRefusal(voucher: Voucher, request: Request): RefusalName | undefined {
  const terms =
    voucher.kind === 'stream' &&
    (voucher.ticks < 1 ||
      voucher.ticks > TICKS_MAX ||
      voucher.tickValue < 1 ||
      voucher.spent + voucher.ticks * voucher.tickValue > UINT48_MAX);
  const sum = voucher.spent < voucher.paid || voucher.paid < request.amount;
  return firstRefusal([terms ? 'stream_terms' : undefined, sum ? 'sum_wrong' : undefined]);
}

/** How it stands in a device's journal. */
export const collectedFields = {
  voucher: voucherField,
  request: requestField,
  signature: signatureField,
  key: optional(keyField),
  receipt: optional(signatureField),
  credit: optional(signatureField),
} as const;

/** The message that carries it. */
export function collectedMessage(collected: Collected): Message {
  const { voucher, request, key, receipt, credit } = collected;
  const shared = {
    channel: voucher.channel,
    seq: voucher.seq,
    spent: voucher.spent,
    paid: voucher.paid,
    payee: voucher.payee,
    terminal: request.terminal,
    at: request.at,
    detail: request.detail,
    signature: collected.signature,
    ...(key && { key }),
    ...(receipt && { receipt }),
    ...(credit && { credit }),
  };
  if (voucher.kind === 'stream') {
    const { anchor, tickValue, ticks } = voucher;
    return { type: 'collectedStream', ...shared, anchor, tickValue, ticks };
  }
  return { type: 'collectedVoucher', ...shared, amount: request.amount, lanes: voucher.lanes };
}

/** The voucher that a message carries, with its request's hash computed, so that digests can be trusted. */
export function collectedFrom(
  signing: Signing,
  message: MessageOf<'collectedVoucher'> | MessageOf<'collectedStream'>,
): Collected {
  const request: Request = {
    terminal: message.terminal,
    amount: (message.type === 'collectedVoucher' ? message.amount : 0) as Request['amount'],
    at: message.at,
    detail: message.detail,
  };
  const shared = {
    channel: message.channel,
    seq: message.seq,
    spent: message.spent,
    payee: message.payee,
    paid: message.paid,
    request: requestHash(signing, request),
  };
  const voucher: Voucher =
    message.type === 'collectedVoucher'
      ? { kind: 'voucher', ...shared, lanes: message.lanes }
      : {
          kind: 'stream',
          ...shared,
          anchor: message.anchor,
          tickValue: message.tickValue,
          ticks: message.ticks,
        };
  return {
    voucher,
    request,
    signature: message.signature,
    ...(message.key && { key: message.key }),
    ...(message.receipt && { receipt: message.receipt }),
    ...(message.credit && { credit: message.credit }),
  };
}

/** A tick of a stream that the terminal holds. */
export interface CollectedTick {
  readonly stream: Bytes32;
  readonly k: number;
  readonly preimage: Bytes32;
}
