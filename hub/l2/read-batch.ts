/**
 * Reads a batch's bytes back into rows: what an announcement shows (contracts/README.md has the format). Whoever announces may
 * put anything there, so every number is bounded before it is used. Pure; the inverse of `encodeBatch`.
 */
import type { CryptoSuite } from '../../hardware/interfaces/index.ts';
import { ZERO_ADDRESS } from '../../protocol/bytes.ts';
import { lanesHash, type ListedLane } from '../../protocol/vouchers.ts';
import { BATCH_BITS, type Listed, type Row, RowError, type SignedVoucher } from './rows.ts';

const { FORMAT, KINDS, ACKNOWLEDGED, OPENED, CREDIT, P256, LIST_MAX } = BATCH_BITS;

class Reader {
  private at = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  raw(size: number): Uint8Array {
    const end = this.at + size;
    if (end > this.bytes.length) throw new RowError('wrong_length', `a batch ends within ${size} bytes`);
    const part = this.bytes.slice(this.at, end);
    this.at = end;
    return part;
  }

  uint(size: number): number {
    return this.raw(size).reduce((value, byte) => value * 256 + byte, 0);
  }
}

function idsOf(reader: Reader): number[] {
  if (reader.uint(1) !== FORMAT) throw new RowError('bad_parts', 'a batch of another format');
  return Array.from({ length: reader.uint(2) }, () => reader.uint(4));
}

/** Vault ids of the payees that a batch names. Throws RowError when its header is cut. */
export const payeeIdsIn = (batch: Uint8Array): readonly number[] => idsOf(new Reader(batch));

/**
 * The rows of a batch, in order. A payee that isn't in `accounts` has the zero address: it may be registered before the batch
 * is executed. Throws RowError when the bytes are no batch.
 * @param accounts account (20 bytes) of each payee's vault id
 */
export function readBatch(
  suite: Pick<CryptoSuite, 'keccak256'>,
  batch: Uint8Array,
  accounts: ReadonlyMap<number, Uint8Array>,
): Row[] {
  const reader = new Reader(batch);
  const ids = idsOf(reader);
  const payee = (): Uint8Array => {
    const id = ids[reader.uint(2)];
    if (id === undefined) throw new RowError('bad_parts', 'a row names a payee that its header leaves out');
    return accounts.get(id) ?? ZERO_ADDRESS;
  };
  const rows: Row[] = [];
  while (!reader.isAtEnd) rows.push(readRow(suite, reader, payee));
  return rows;
}

function readRow(suite: Pick<CryptoSuite, 'keccak256'>, reader: Reader, payee: () => Uint8Array): Row {
  const bits = reader.uint(1);
  const kind = bits & 0x0f;
  const common = {
    channel: reader.uint(4),
    seq: reader.uint(4),
    spent: reader.uint(6),
    payee: payee(),
    paid: reader.uint(6),
    request: reader.raw(32),
  };
  const signature = reader.raw(64);
  let voucher: SignedVoucher;
  let list: readonly Listed[] | undefined;
  let reveal: Row['reveal'];
  if (kind === KINDS.stream) {
    const anchor = reader.raw(32);
    voucher = { kind: 'stream', ...common, anchor, tickValue: reader.uint(6), ticks: reader.uint(2) };
    const [k, preimage] = [reader.uint(2), reader.raw(32)];
    if (k > 0) reveal = { k, preimage };
  } else if (kind === KINDS.statement) {
    const count = reader.uint(1);
    if (count > LIST_MAX) throw new RowError('too_long', `a list of ${count} lanes`);
    list = Array.from({ length: count }, () => ({ payee: payee(), paid: reader.uint(6) }));
    voucher = { kind: 'voucher', ...common, lanes: lanesHash(suite as CryptoSuite, list as ListedLane[]) };
  } else if (kind === KINDS.plain || kind === KINDS.lanes) {
    const lanes = kind === KINDS.lanes ? reader.raw(16) : new Uint8Array(16);
    voucher = { kind: 'voucher', ...common, lanes };
  } else throw new RowError('bad_parts', `a row of kind ${kind}`);
  const key = (bits & P256) === 0 ? undefined : reader.raw(64);
  const opened =
    (bits & OPENED) === 0
      ? undefined
      : { terminal: reader.raw(20), amount: reader.uint(6), at: reader.uint(5), detail: reader.raw(32) };
  const credit = (bits & CREDIT) === 0 ? undefined : { credited: reader.uint(6), signature: reader.raw(64) };
  const acknowledgement =
    (bits & ACKNOWLEDGED) === 0
      ? undefined
      : { position: reader.uint(6), at: reader.uint(5), signature: reader.raw(64) };
  return {
    voucher,
    signature,
    ...(key && { key }),
    ...(list && { list }),
    ...(reveal && { reveal }),
    ...(opened && { opened }),
    ...(credit && { credit }),
    ...(acknowledgement && { acknowledgement }),
  };
}
