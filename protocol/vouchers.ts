/**
 * What vouchers mean: tops and bases, chains of ticks, lists of lanes, details of a request. Pure functions that the
 * payer, the terminal, the hub and the tests share.
 */
import type { CryptoSuite } from '../hardware/interfaces/index.ts';
import {
  type Address,
  type Bytes16,
  type Bytes32,
  concatBytes,
  uintBytes,
  utf8,
  ZERO_BYTES16,
  ZERO_BYTES32,
} from './bytes.ts';
import {
  type Amount,
  addAmounts,
  type ChannelId,
  multiplyAmount,
  type Seconds,
  type Seq,
  subtractAmounts,
  ZERO_AMOUNT,
} from './integers.ts';
import { LISTED_LANES_MAX } from './limits.ts';
import type { Signing } from './signing/digests.ts';

/** What a terminal asked, opened: its hash is bound into the voucher. */
export interface Request {
  readonly terminal: Address;
  /** 0 for a stream. */
  readonly amount: Amount;
  readonly at: Seconds;
  readonly detail: Bytes32;
}

interface VoucherBase {
  readonly channel: ChannelId;
  readonly seq: Seq;
  /** Spent on the whole channel with this voucher; for a stream before its first tick. */
  readonly spent: Amount;
  readonly payee: Address;
  /** Paid on this lane with this voucher; for a stream before its first tick. */
  readonly paid: Amount;
  /** hashStruct(Request). */
  readonly request: Bytes32;
}

export interface PlainVoucher extends VoucherBase {
  readonly kind: 'voucher';
  /** Commitment to other lanes of the payer, opaque to terminals. */
  readonly lanes: Bytes16;
}

export interface StreamVoucher extends VoucherBase {
  readonly kind: 'stream';
  /** keccak256 applied `ticks` times to the payer's seed. */
  readonly anchor: Bytes32;
  readonly tickValue: Amount;
  readonly ticks: number;
}

export type Voucher = PlainVoucher | StreamVoucher;

/** The voucher's id, 32 bytes. */
export function voucherDigest(signing: Signing, voucher: Voucher): Bytes32 {
  return voucher.kind === 'stream' ? signing.digest('Stream', voucher) : signing.digest('Voucher', voucher);
}

/** True when `signer` signed the voucher. */
export function voucherSigner(
  signing: Signing,
  voucher: Voucher,
  signature: Uint8Array,
  key?: Uint8Array,
): Address | undefined {
  return signing.suite.recover(voucherDigest(signing, voucher), signature, key);
}

/** Value of k ticks; 0 for a plain voucher. */
export function ticksValue(voucher: Voucher, k: number): Amount {
  return voucher.kind === 'stream' ? multiplyAmount(voucher.tickValue, k) : ZERO_AMOUNT;
}

/** Where the voucher (with k ticks) leaves its lane. */
export const topOf = (voucher: Voucher, k: number): Amount =>
  addAmounts(voucher.paid, ticksValue(voucher, k));

/** Where the voucher (with k ticks) leaves the channel's spent. */
export const spentTop = (voucher: Voucher, k: number): Amount =>
  addAmounts(voucher.spent, ticksValue(voucher, k));

/** Where the lane stood before the voucher. `requestAmount` is 0 for a stream. Throws when it is above paid. */
export const baseOf = (voucher: Voucher, requestAmount: Amount): Amount =>
  subtractAmounts(voucher.paid, requestAmount);

/** What is hidden in a request: 32 bytes. */
export function detailHash(
  suite: CryptoSuite,
  details: {
    readonly currency: string;
    readonly challenge: Bytes16;
    readonly meter?: Bytes32 | undefined;
    readonly quote?: Bytes32 | undefined;
  },
): Bytes32 {
  return suite.keccak256(
    concatBytes(
      suite.keccak256(utf8(details.currency)),
      details.challenge,
      ZERO_BYTES16,
      details.meter ?? ZERO_BYTES32,
      details.quote ?? ZERO_BYTES32,
    ),
  );
}

/** Hash of the request as it stands in a voucher: 32 bytes. */
export const requestHash = (signing: Signing, request: Request): Bytes32 =>
  signing.structHash('Request', request);

/** One lane of a list that a voucher commits to. */
export interface ListedLane {
  readonly payee: Address;
  readonly paid: Amount;
}

/** Commitment of at most 32 lanes, in the order given; zero for none: 16 bytes. */
export function lanesHash(suite: CryptoSuite, lanes: readonly ListedLane[]): Bytes16 {
  if (lanes.length === 0) return ZERO_BYTES16;
  const packed = new Uint8Array(26 * lanes.length);
  lanes.forEach((lane, index) => {
    packed.set(lane.payee, 26 * index);
    packed.set(uintBytes(lane.paid, 6), 26 * index + 20);
  });
  return suite.keccak256(packed).slice(0, 16);
}

/** The lanes that a list holds: newest confirmed voucher first, at most 32. */
export function listedLanes<L extends { readonly confirmedSeq: Seq }>(lanes: readonly L[]): L[] {
  return lanes
    .filter((lane) => lane.confirmedSeq > 0)
    .sort((a, b) => b.confirmedSeq - a.confirmedSeq)
    .slice(0, LISTED_LANES_MAX);
}

/** keccak256 applied `steps` times. */
export function hashChain(suite: CryptoSuite, start: Bytes32, steps: number): Bytes32 {
  let value = start;
  for (let i = 0; i < steps; i++) value = suite.keccak256(value);
  return value;
}

/** What the hub acknowledges for a tick, so that acknowledging tick 10 never clears tick 11. */
export const tickEntry = (suite: CryptoSuite, stream: Bytes32, k: number, preimage: Bytes32): Bytes32 =>
  suite.keccak256(concatBytes(stream, uintBytes(k, 2), preimage));

/** What the hub acknowledges for a credit: its digest. */
export const creditEntry = (signing: Signing, voucher: Bytes32, credited: Amount): Bytes32 =>
  signing.digest('Credit', { voucher, credited });

/** Scope of a lease that any terminal may accept: the hub's own reserve bears what the bond doesn't. */
export const SCOPE_ANY: Bytes32 = ZERO_BYTES32;
