/**
 * The integers of Sundial: one width everywhere (TypeScript, wire, Solidity), checked where a value enters.
 * All fit a JavaScript safe integer, so money on the chip is a plain number. Overflow is an error, never a wrap.
 */
import { SundialError } from './errors.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** Money in the token's smallest unit (TIME: 6 decimals), uint48. */
export type Amount = Branded<'Amount'>;
/** Position of a voucher on its channel, uint32; the first is 1. */
export type Seq = Branded<'Seq'>;
/** Number of a channel in its vault, uint32. */
export type ChannelId = Branded<'ChannelId'>;
/** Unix seconds of L2 time, uint40. */
export type Seconds = Branded<'Seconds'>;
/** L2 block height, uint48. */
export type Height = Branded<'Height'>;
/** Index of an entry in the hub's ledger, uint48. */
export type Position = Branded<'Position'>;

export const UINT16_MAX = 0xffff;
export const UINT32_MAX = 0xffff_ffff;
export const UINT40_MAX = 0xff_ffff_ffff;
export const UINT48_MAX = 0xffff_ffff_ffff;

/** Returns `value` when it is an integer from 0 to `max`; throws `out_of_range` with the field's name otherwise. */
export function checkUint(value: number, max: number, field: string): number {
  // Every field of every message comes by here; no max is above what a number holds exactly.
  if (!(value >= 0 && value <= max && value % 1 === 0)) {
    throw new SundialError('out_of_range', `${field} is ${value}, want an integer from 0 to ${max}`, {
      severity: 'call',
      remedy: `Give ${field} as a whole number from 0 to ${max}.`,
      facts: { field, value, max },
    });
  }
  return value;
}

/** Units of money, uint48. Like the five below it throws `out_of_range`, with the name of the field. */
export const amount = (value: number): Amount => checkUint(value, UINT48_MAX, 'amount') as Amount;
/** Number of a voucher on its channel, uint32. */
export const seq = (value: number): Seq => checkUint(value, UINT32_MAX, 'seq') as Seq;
/** Number of a channel on L2, uint32. */
export const channelId = (value: number): ChannelId => checkUint(value, UINT32_MAX, 'channel') as ChannelId;
/** Seconds since 1970, or a span of them; uint40. */
export const seconds = (value: number): Seconds => checkUint(value, UINT40_MAX, 'seconds') as Seconds;
/** Is it a time at all? For clocks, which may say anything. */
export const isSeconds = (value: number | undefined): value is Seconds =>
  value !== undefined && value >= 0 && value <= UINT40_MAX && value % 1 === 0;
/** Height of an L2 block, uint48. */
export const height = (value: number): Height => checkUint(value, UINT48_MAX, 'height') as Height;
/** A record's place in the hub's ledger, from 0; uint48. */
export const position = (value: number): Position => checkUint(value, UINT48_MAX, 'position') as Position;

/** a + b; throws `out_of_range` above uint48. Two amounts are whole and not negative, so only that can happen. */
export function addAmounts(a: Amount, b: Amount): Amount {
  const sum = a + b;
  return sum <= UINT48_MAX ? (sum as Amount) : amount(sum);
}

/** a - b; throws `out_of_range` below zero. */
export const subtractAmounts = (a: Amount, b: Amount): Amount => amount(a - b);

/**
 * a * count, for a whole count from 0 to 2^32 - 1. A product up to uint48 is exact; a larger one may lose low digits, but
 * never comes out below 2^48, so it is always seen.
 */
export function multiplyAmount(a: Amount, count: number): Amount {
  const product = a * count;
  if (product <= UINT48_MAX && count >>> 0 === count) return product as Amount;
  checkUint(count, UINT32_MAX, 'count');
  return amount(product);
}

/** seq + 1; throws `out_of_range` when a channel has used up its 2^32 - 1 vouchers. */
export const nextSeq = (value: Seq): Seq => seq(value + 1);

export const ZERO_AMOUNT = 0 as Amount;
export const ZERO_SEQ = 0 as Seq;
