/**
 * What an announced batch would take, lane by lane, and who signed it: only what a channel's own payer signed can settle, and
 * anybody may announce anything.
 */
import { equalBytes, ZERO_ADDRESS } from '../../protocol/bytes.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { hashChain, type Voucher, voucherDigest } from '../../protocol/vouchers.ts';
import { TICKS_MAX } from '../../protocol/limits.ts';
import { readBatch } from './read-batch.ts';
import { type Row, RowError } from './rows.ts';

/** A lane that an announced row raises to `top`, units, when its signer is the channel's payer. */
export interface AnnouncedLane {
  readonly channel: number;
  /** The zero address: a payee without an id so far. */
  readonly payee: Uint8Array;
  readonly top: number;
  /** Undefined: it can't be told, as the row names a payee without an id. */
  readonly signer: Uint8Array | undefined;
}

/**
 * The lanes that a batch would raise; none when its bytes are no batch. Channel and payees need not be there yet: they may be
 * by the time the batch is due.
 * @param accounts account (20 bytes) of each vault id that the batch names and that is given out
 */
export function announcedLanes(
  signing: Signing,
  batch: Uint8Array,
  accounts: ReadonlyMap<number, Uint8Array>,
): AnnouncedLane[] {
  let rows: Row[];
  try {
    rows = readBatch(signing.suite, batch, accounts);
  } catch (error) {
    if (error instanceof RowError) return [];
    throw error;
  }
  return rows.flatMap((row) => {
    const { voucher, signature, key, list = [], credit } = row;
    const { channel, payee } = voucher;
    const ticks = ticksShown(signing, row);
    // A credit takes nothing out of a channel.
    if (credit !== undefined || ticks === undefined) return [];
    const lanes = [{ payee, paid: voucher.paid + ticks }, ...list];
    const isTold = lanes.every((lane) => !equalBytes(lane.payee, ZERO_ADDRESS));
    const signer = isTold
      ? signing.suite.recover(voucherDigest(signing, voucher as Voucher), signature, key)
      : undefined;
    if (isTold && signer === undefined) return [];
    return lanes.map((lane) => ({ channel, payee: lane.payee, top: lane.paid, signer }));
  });
}

/** Units that the ticks of a stream add; undefined when its preimage is none, and the vault would skip the row. */
function ticksShown({ suite }: Signing, { voucher, reveal }: Row): number | undefined {
  if (voucher.kind !== 'stream' || reveal === undefined) return 0;
  const { ticks, tickValue, anchor } = voucher;
  const { k, preimage } = reveal;
  if (k > ticks || ticks > TICKS_MAX) return undefined;
  return equalBytes(hashChain(suite, preimage, k), anchor) ? k * tickValue : undefined;
}
