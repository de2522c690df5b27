/**
 * What a settlement offers for its gas: it follows the node's suggestion, offers more when it is refused or left lying,
 * and never more than the operator's bound. Pure functions.
 */
import { SundialError } from '../../protocol/errors.ts';
import type { Fees } from '../ports.ts';

/** What became of an offer. Blocks are those since it was made. */
export interface BidState {
  readonly offered: Fees;
  readonly suggested: Fees;
  readonly baseFee: bigint;
  /** The node, or one of them, said that it is too little. */
  readonly isRefused: boolean;
  readonly blocks: number;
}

/** The least that the same rows are to offer now, and why. */
export interface Bid {
  readonly feeMin: bigint;
  readonly priorityFeeMin: bigint;
  readonly why: string;
}

/** Blocks after which an offer below the node's suggestion is raised: one or two full blocks mean nothing. */
export const patientBlocks = 3;
/** Blocks after which an offer is raised whatever the node suggests: nobody takes it. */
export const stuckBlocks = 25;

/** Nodes take a replacement only when it offers a tenth more in both figures. */
const outbid = (fee: bigint): bigint => (fee * 9n) / 8n + 1n;
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/**
 * The next offer, or undefined while the present one may do. Throws `fees_too_high` when only more than `feeMax`, wei a
 * gas, would help.
 */
export function nextBid(state: BidState, feeMax: bigint): Bid | undefined {
  const wanted = wantedBid(state);
  if (wanted === undefined) return undefined;
  const { maxFee, priorityFee } = state.offered;
  if (outbid(maxFee) > feeMax || outbid(priorityFee) > feeMax)
    throw new SundialError('fees_too_high', `gas costs more than chain.feeMaxGwei allows (${wanted.why})`, {
      severity: 'call',
      remedy:
        'Raise chain.feeMaxGwei, or wait until gas is cheaper; what was signed is sent again meanwhile. Settle at the latest before an owner who leaves may take the rest.',
      facts: { offered: String(maxFee), tip: String(priorityFee), feeMax: String(feeMax) },
    });
  const priorityFeeMin = smaller(greater(outbid(priorityFee), wanted.priorityFeeMin), feeMax);
  return { ...wanted, priorityFeeMin, feeMin: smaller(greater(outbid(maxFee), wanted.feeMin), feeMax) };
}

function wantedBid({ offered, suggested, baseFee, isRefused, blocks }: BidState): Bid | undefined {
  const { maxFee, priorityFee } = offered;
  const tip = greater(suggested.priorityFee, priorityFee);
  if (isRefused || blocks >= stuckBlocks) {
    const why = isRefused ? 'the node wants more than was offered' : 'nobody mines it';
    return { feeMin: greater(suggested.maxFee, maxFee), priorityFeeMin: greater(tip, 2n * priorityFee), why };
  }
  if (baseFee > maxFee) return { feeMin: 2n * maxFee, priorityFeeMin: tip, why: 'gas became dearer' };
  if (blocks >= patientBlocks && suggested.priorityFee > priorityFee)
    return { feeMin: suggested.maxFee, priorityFeeMin: tip, why: 'others offer more' };
  return undefined;
}
