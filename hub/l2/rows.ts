/**
 * Batches as the vault reads them: packed rows behind a header of payee ids, and the 16-byte outcomes that come back.
 * The bytes are documented in contracts/README.md. Pure functions; the chain is in vault.ts.
 */

/** Thrown when a row can't be encoded: a mistake of the caller, never of a payer. */
export class RowError extends Error {
  override readonly name = 'RowError';
  constructor(
    readonly code: 'wrong_length' | 'out_of_range' | 'payee_not_registered' | 'bad_parts' | 'too_long',
    message: string,
  ) {
    super(message);
  }
}

interface VoucherFields {
  readonly channel: number;
  readonly seq: number;
  /** Units spent on the channel; of a stream, before its first tick. */
  readonly spent: number;
  /** 20 bytes. */
  readonly payee: Uint8Array;
  /** Units paid on the lane; of a stream, before its first tick. */
  readonly paid: number;
  /** hashStruct(Request), 32 bytes. */
  readonly request: Uint8Array;
}

/** What the payer signed. The protocol's Voucher type fits. */
export type SignedVoucher =
  | (VoucherFields & { readonly kind: 'voucher'; readonly lanes: Uint8Array })
  | (VoucherFields & {
      readonly kind: 'stream';
      readonly anchor: Uint8Array;
      readonly tickValue: number;
      readonly ticks: number;
    });

/** A lane that a voucher lists. */
export interface Listed {
  readonly payee: Uint8Array;
  readonly paid: number;
}

/** The fields behind a voucher's `request`. */
export interface OpenedRequest {
  readonly terminal: Uint8Array;
  readonly amount: number;
  readonly at: number;
  readonly detail: Uint8Array;
}

/** One row of a batch, or of a proof's evidence. */
export interface Row {
  readonly voucher: SignedVoucher;
  /** 64 bytes: EIP-2098 compact, or r and s of P-256. */
  readonly signature: Uint8Array;
  /** P-256 payers only: x and y, 64 bytes. */
  readonly key?: Uint8Array;
  /** Makes it a statement: the lanes that `voucher.lanes` commits to, in the order signed; all of them settle. */
  readonly list?: readonly Listed[];
  /** Streams only: how many ticks were revealed, and the preimage of the last. Absent: no tick. */
  readonly reveal?: { readonly k: number; readonly preimage: Uint8Array };
  /** The request behind `voucher.request`: for credits, and for proofs that need amounts. */
  readonly opened?: OpenedRequest;
  /** Makes it a credit on this voucher; needs `opened`. Zeros for a signature: the payee consented in the vault. */
  readonly credit?: { readonly credited: number; readonly signature: Uint8Array };
  /** The hub's acknowledgement of exactly this row: then it settles at once whoever submits it. Not on a credit. */
  readonly acknowledgement?: {
    readonly position: number;
    readonly at: number;
    readonly signature: Uint8Array;
  };
}

/** What became of a lane, by the numbers of the vault's Reasons. */
export const REASONS = [
  'applied',
  'partly',
  'bad_signature',
  'unknown_signer',
  'stale',
  'no_funds',
  'list_above_spent',
  'bad_preimage',
  'bad_ticks',
  'overflow',
  'bad_opening',
  'bad_payee_signature',
  'credit_above_amount',
  'not_settled',
  'credit_stale',
  'credit_above_lane',
  'payee_short',
  'slow_lane',
  'bad_acknowledgement',
] as const;
export type Reason = (typeof REASONS)[number];

/** Outcome of one lane of one row. */
export interface Outcome extends BareOutcome {
  /** Index of the row in the batch. */
  readonly row: number;
  /** 0: the row's own lane; n: the n-th lane of its list. */
  readonly lane: number;
  /** True when the row did all it asked, now or earlier: nothing is left to send again. */
  readonly done: boolean;
}

/** The numbers of the format: of the header, of kinds, bits of a row's parts, and the longest list. */
export const BATCH_BITS = {
  FORMAT: 1,
  KINDS: { plain: 1, lanes: 2, statement: 3, stream: 4 },
  ACKNOWLEDGED: 0x10,
  OPENED: 0x20,
  CREDIT: 0x40,
  P256: 0x80,
  LIST_MAX: 32,
} as const;
const { FORMAT, KINDS, ACKNOWLEDGED, OPENED, CREDIT, P256, LIST_MAX } = BATCH_BITS;
const PAYEES_MAX = 0xffff;
const OUTCOME_BYTES = 16;
/** Header of the batch, selector and ABI words around it, with room. */
const HEADER_BYTES_MAX = 128;

/** Largest transaction that nodes usually carry, in bytes, less room for the envelope. */
export const BATCH_BYTES_MAX = 126_000;
/** The per-transaction gas cap of EIP-7825 is 2^24; some room stays for what an estimate misses. */
export const BATCH_GAS_MAX = 15_500_000;

class Writer {
  private bytes = new Uint8Array(4096);
  length = 0;

  uint(value: number, size: number, field: string): void {
    if (!Number.isSafeInteger(value) || value < 0 || value >= 2 ** (8 * size)) {
      throw new RowError('out_of_range', `${field} is ${value}, want an integer of ${8 * size} bits`);
    }
    this.room(size);
    let rest = value;
    for (let i = this.length + size - 1; i >= this.length; i--) {
      this.bytes[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.length += size;
  }

  raw(bytes: Uint8Array, size: number, field: string): void {
    if (bytes.length !== size) {
      throw new RowError('wrong_length', `${field} has ${bytes.length} bytes, want ${size}`);
    }
    this.room(size);
    this.bytes.set(bytes, this.length);
    this.length += size;
  }

  done(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  private room(size: number): void {
    if (this.length + size <= this.bytes.length) return;
    const larger = new Uint8Array(2 * this.bytes.length + size);
    larger.set(this.bytes);
    this.bytes = larger;
  }
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** Key of a payee in a map: its address in lower-case hex, without 0x. */
export const payeeKey = (payee: Uint8Array): string =>
  Buffer.from(payee.buffer, payee.byteOffset, payee.length).toString('hex');

function kindOf(row: Row): number {
  if (row.voucher.kind === 'stream') {
    if (row.list !== undefined) throw new RowError('bad_parts', 'a stream lists no lanes');
    return KINDS.stream;
  }
  if (row.reveal !== undefined) throw new RowError('bad_parts', 'only a stream reveals ticks');
  if (isZero(row.voucher.lanes)) return KINDS.plain;
  // A credit concerns one lane, so it carries the commitment and not the list.
  return row.list !== undefined && row.credit === undefined ? KINDS.statement : KINDS.lanes;
}

/** The accounts that a batch of these rows pays, each once, in no particular order. */
export function payeesOf(rows: readonly Row[]): Uint8Array[] {
  const found = new Map<string, Uint8Array>();
  for (const row of rows) {
    found.set(payeeKey(row.voucher.payee), row.voucher.payee);
    if (kindOf(row) === KINDS.statement) {
      for (const { payee } of row.list ?? []) found.set(payeeKey(payee), payee);
    }
  }
  return [...found.values()];
}

function writeRow(writer: Writer, row: Row, indexOf: (payee: Uint8Array) => number): void {
  const { voucher } = row;
  const kind = kindOf(row);
  const parts =
    (row.key ? P256 : 0) |
    (row.opened ? OPENED : 0) |
    (row.credit ? CREDIT : 0) |
    (row.acknowledgement ? ACKNOWLEDGED : 0);
  if (row.credit && !row.opened) throw new RowError('bad_parts', 'a credit needs its opened request');
  if (row.credit && row.acknowledgement)
    throw new RowError('bad_parts', 'a credit is immediate: it carries no acknowledgement');
  writer.uint(kind | parts, 1, 'kind');
  writer.uint(voucher.channel, 4, 'channel');
  writer.uint(voucher.seq, 4, 'seq');
  writer.uint(voucher.spent, 6, 'spent');
  writer.uint(indexOf(voucher.payee), 2, 'payee');
  writer.uint(voucher.paid, 6, 'paid');
  writer.raw(voucher.request, 32, 'request');
  writer.raw(row.signature, 64, 'signature');
  if (voucher.kind === 'stream') {
    writer.raw(voucher.anchor, 32, 'anchor');
    writer.uint(voucher.tickValue, 6, 'tickValue');
    writer.uint(voucher.ticks, 2, 'ticks');
    writer.uint(row.reveal?.k ?? 0, 2, 'k');
    writer.raw(row.reveal?.preimage ?? voucher.anchor, 32, 'preimage');
  } else if (kind === KINDS.lanes) {
    writer.raw(voucher.lanes, 16, 'lanes');
  } else if (kind === KINDS.statement) {
    const list = row.list ?? [];
    if (list.length > LIST_MAX) throw new RowError('too_long', `a list holds ${LIST_MAX} lanes`);
    writer.uint(list.length, 1, 'list');
    for (const { payee, paid } of list) {
      writer.uint(indexOf(payee), 2, 'payee');
      writer.uint(paid, 6, 'paid');
    }
  }
  if (row.key) writer.raw(row.key, 64, 'key');
  if (row.opened) {
    writer.raw(row.opened.terminal, 20, 'terminal');
    writer.uint(row.opened.amount, 6, 'amount');
    writer.uint(row.opened.at, 5, 'at');
    writer.raw(row.opened.detail, 32, 'detail');
  }
  if (row.credit) {
    writer.uint(row.credit.credited, 6, 'credited');
    writer.raw(row.credit.signature, 64, 'credit signature');
  }
  if (row.acknowledgement) {
    writer.uint(row.acknowledgement.position, 6, 'position');
    writer.uint(row.acknowledgement.at, 5, 'acknowledged at');
    writer.raw(row.acknowledgement.signature, 64, 'acknowledgement signature');
  }
}

/** A member of a lease's scope: a payee's id in the vault, and how many of its terminals. */
export interface ScopeMember {
  readonly payee: number;
  readonly terminals: number;
}

/** What a lease's scope is the hash of: id 4 and terminals 1 a member, ids rising. Throws RowError otherwise. */
export function encodeMembers(members: readonly ScopeMember[]): Uint8Array {
  const writer = new Writer();
  let last = 0;
  for (const { payee, terminals } of members) {
    if (payee <= last) throw new RowError('bad_parts', 'the ids of a scope rise');
    last = payee;
    writer.uint(payee, 4, 'member');
    writer.uint(terminals, 1, 'terminals');
  }
  return writer.done();
}

/** A lease as evidence at a pot. Amounts in units, times in seconds of chain time. */
export interface ShownLease {
  readonly spentFrom: number;
  readonly spendLimit: number;
  readonly tapLimit: number;
  readonly cap: number;
  readonly guarantee: number;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** 64 bytes, of a hub key. */
  readonly signature: Uint8Array;
  /** Ids rising; empty: any terminal. */
  readonly members: readonly ScopeMember[];
}

/** Leases as the pots read them, in the order given: scopes must rise. */
export function encodeLeases(leases: readonly ShownLease[]): Uint8Array {
  const writer = new Writer();
  for (const lease of leases) {
    writer.uint(lease.members.length, 1, 'members');
    for (const field of ['spentFrom', 'spendLimit', 'tapLimit', 'cap', 'guarantee'] as const)
      writer.uint(lease[field], 6, field);
    writer.uint(lease.issuedAt, 5, 'issuedAt');
    writer.uint(lease.expiresAt, 5, 'expiresAt');
    writer.raw(lease.signature, 64, 'lease signature');
    const members = encodeMembers(lease.members);
    writer.raw(members, members.length, 'members');
  }
  return writer.done();
}

/**
 * Encodes rows in their order. The same rows and ids always give the same bytes.
 * @param ids vault id of every payee in payeesOf(rows), by payeeKey
 * @throws RowError when a value doesn't fit, or a payee has no id yet (register it first)
 */
export function encodeBatch(rows: readonly Row[], ids: ReadonlyMap<string, number>): Uint8Array {
  const idOf = (payee: Uint8Array): number => {
    const id = ids.get(payeeKey(payee));
    if (id === undefined)
      throw new RowError('payee_not_registered', `payee 0x${payeeKey(payee)} has no id in the vault`);
    return id;
  };
  const sorted = payeesOf(rows)
    .map(idOf)
    .sort((a, b) => a - b);
  if (sorted.length > PAYEES_MAX) throw new RowError('too_long', `a batch names ${PAYEES_MAX} payees`);
  const index = new Map(sorted.map((id, position) => [id, position]));
  const writer = new Writer();
  writer.uint(FORMAT, 1, 'format');
  writer.uint(sorted.length, 2, 'payees');
  for (const id of sorted) writer.uint(id, 4, 'payee id');
  for (const row of rows) writeRow(writer, row, (payee) => index.get(idOf(payee))!);
  return writer.done();
}

/** Reasons after which the same row would never do more than it did. */
const FINAL: ReadonlySet<Reason> = new Set(['applied', 'stale', 'credit_stale']);

/** One lane's outcome as it stands in the event, without the rows that were sent. */
export interface BareOutcome {
  readonly channel: number;
  /** Vault id of the payee. */
  readonly payee: number;
  readonly reason: Reason;
  /** Units: to the payee, or back to the channel when `credit`. */
  readonly moved: number;
  readonly credit: boolean;
}

/** Reads the outcomes of any BatchSettled event: what an indexer does. Throws RowError when they are malformed. */
export function readOutcomes(outcomes: Uint8Array): BareOutcome[] {
  if (outcomes.length % OUTCOME_BYTES !== 0)
    throw new RowError('wrong_length', `${outcomes.length} bytes are no whole outcomes`);
  const view = new DataView(outcomes.buffer, outcomes.byteOffset, outcomes.byteLength);
  return Array.from({ length: outcomes.length / OUTCOME_BYTES }, (_, position) => {
    const at = position * OUTCOME_BYTES;
    const reason = REASONS[view.getUint8(at + 9)];
    if (reason === undefined) throw new RowError('out_of_range', `unknown reason ${view.getUint8(at + 9)}`);
    return {
      channel: view.getUint32(at),
      payee: view.getUint32(at + 4),
      reason,
      moved: view.getUint16(at + 10) * 2 ** 32 + view.getUint32(at + 12),
      credit: (view.getUint8(at + 8) & CREDIT) !== 0,
    };
  });
}

/**
 * Reads the outcomes of a BatchSettled event against the rows that were sent.
 * @throws RowError `wrong_length` when they don't belong together
 */
export function decodeOutcomes(rows: readonly Row[], outcomes: Uint8Array): Outcome[] {
  const lanes = rows.flatMap((row, index) => {
    const count = kindOf(row) === KINDS.statement ? 1 + (row.list?.length ?? 0) : 1;
    return Array.from({ length: count }, (_, lane) => ({ row: index, lane }));
  });
  const bare = readOutcomes(outcomes);
  if (bare.length !== lanes.length)
    throw new RowError('wrong_length', `${bare.length} outcomes for ${lanes.length} lanes`);
  return bare.map((outcome, position) => ({
    ...lanes[position]!,
    ...outcome,
    done: FINAL.has(outcome.reason),
  }));
}

/** A plain row without further parts, the usual one. */
const isBare = (row: Row): boolean =>
  kindOf(row) === KINDS.plain && !row.key && !row.opened && !row.credit && !row.acknowledgement;

/** Bytes that a row can add to a batch, its payees' ids in the header included. */
function rowBytesMax(row: Row): number {
  const lanes = row.list?.length ?? 0;
  return ROW_BYTES_MAX + lanes * LISTED_BYTES_MAX;
}

/** A plain row and its payee's id. */
const PLAIN_BYTES_MAX = 119 + 4;
/** Common part, stream, key, opened request, acknowledgement (larger than a credit), one payee id. */
const ROW_BYTES_MAX = 119 + 75 + 64 + 63 + 75 + 4;
/** A listed lane and its payee's id. */
const LISTED_BYTES_MAX = 8 + 4;

/** Splits rows into batches that fit one transaction's bytes, keeping their order. Gas is estimated by the chain. */
export function splitRows(rows: readonly Row[], bytesMax: number = BATCH_BYTES_MAX): Row[][] {
  const batches: Row[][] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = isBare(row) ? PLAIN_BYTES_MAX : rowBytesMax(row);
    if (batches.length === 0 || bytes + size > bytesMax) {
      batches.push([]);
      bytes = HEADER_BYTES_MAX;
    }
    batches.at(-1)!.push(row);
    bytes += size;
  }
  return batches;
}
