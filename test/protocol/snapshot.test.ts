/**
 * What a snapshot keeps: books with something in every field go through snapshot, bytes and replay, and are compared
 * field by field, without their snapshot. Then each field in turn is lost on the way, and the comparison must say so.
 * Not checked here: whether the records of a running device make the same books (books.test.ts), and the flash.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Voucher } from '../../protocol/vouchers.ts';
import {
  applyRecord as applyPayer,
  EMPTY_PAYER,
  type PayerBooks,
  type PayerRecord,
  payerRecords,
  snapshot as snapshotPayer,
} from '../../protocol/machines/payer/books.ts';
import {
  applyRecord as applyTerminal,
  EMPTY_TERMINAL,
  snapshot as snapshotTerminal,
  type TerminalBooks,
  type TerminalRecord,
  terminalRecords,
} from '../../protocol/machines/terminal/books.ts';
import { sameBooks } from '../../simulators/stage/compare.ts';

/** The type with no field left out: a field that is added to the books must be filled in below, too. */
type Filled<T> = T extends Uint8Array | number | string
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Filled<Item>[]
    : { readonly [Key in keyof T]-?: Filled<Exclude<T[Key], undefined>> };

/** Numbers and bytes that stand nowhere twice, so that no field can take another's place. */
let next = 1;
const one = <N extends number>(): N => {
  next += 1;
  return next as N;
};
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(one()).fill(7, 0, 1);

const plain = () => ({
  kind: 'voucher' as const,
  channel: one<never>(),
  seq: one<never>(),
  spent: one<never>(),
  payee: bytes(20),
  paid: one<never>(),
  request: bytes(32),
  lanes: bytes(16),
});
const stream = () => {
  const { kind: _, lanes: __, ...shared } = plain();
  return {
    kind: 'stream' as const,
    ...shared,
    anchor: bytes(32),
    tickValue: one<never>(),
    ticks: one<never>(),
  };
};
const request = () => ({ terminal: bytes(20), amount: one<never>(), at: one<never>(), detail: bytes(32) });
const collected = (voucher: Voucher) => ({
  voucher: voucher as Filled<Voucher>,
  request: request(),
  signature: bytes(64),
  key: bytes(64),
  receipt: bytes(64),
  credit: bytes(64),
});
const hubTrust = () => {
  const epoch = one();
  const key = () => ({
    address: bytes(20),
    from: one<never>(),
    // Of one epoch, in the order of their ends, and none that ended: what a device could hold.
    until: one<never>(),
    epoch,
    signedAt: one<never>(),
  });
  const revoked = () => ({ address: bytes(20), at: one<never>() });
  return { epoch, certified: [key(), key()], revoked: [revoked(), revoked()] };
};

const payer: Filled<PayerBooks> = {
  cleared: { day: one(), sum: one<never>() },
  channel: one<never>(),
  seq: one<never>(),
  spent: one<never>(),
  lanes: [1, 2].map(() => ({
    payee: bytes(20),
    paid: one<never>(),
    confirmedPaid: one<never>(),
    confirmedSeq: one<never>(),
  })),
  unconfirmed: [
    { kind: 'voucher', digest: bytes(32), voucher: plain(), request: request() },
    { kind: 'voucher', digest: bytes(32), voucher: stream(), request: request() },
    {
      kind: 'tick',
      stream: bytes(32),
      terminal: bytes(20),
      seq: one<never>(),
      k: one(),
      preimage: bytes(32),
      payee: bytes(20),
      top: one<never>(),
    },
  ],
  writtenOff: [
    { kind: 'voucher', digest: bytes(32), voucher: plain(), request: request() },
    { kind: 'voucher', digest: bytes(32), voucher: stream(), request: request() },
  ],
  stream: { digest: bytes(32), voucher: stream(), terminal: bytes(20), seed: bytes(32), revealed: one() },
  lease: {
    type: 'lease',
    channel: one<never>(),
    payer: bytes(20),
    spentFrom: one<never>(),
    spendLimit: one<never>(),
    tapLimit: one<never>(),
    cap: one<never>(),
    guarantee: one<never>(),
    issuedAt: one<never>(),
    expiresAt: one<never>(),
    scope: bytes(32),
    signature: bytes(64),
    signer: bytes(20),
  },
  hub: hubTrust(),
  counter: one(),
  certificates: [1, 2].map(() => ({ terminal: bytes(20), payee: bytes(20), expiresAt: one<never>() })),
  outbox: [
    { digest: bytes(32), collected: collected(plain()) },
    { digest: bytes(32), collected: collected(stream()) },
  ],
  time: one<never>(),
};

/** What waits in the terminal's outbox: two vouchers on one channel, a tick on the other. */
const [CHANNEL_A, CHANNEL_B] = [one<number>(), one<number>()];
const [FIRST, SECOND, THIRD] = [one<number>(), one<number>(), one<number>()];

const lane = (answer: 'receipt' | 'credit', channel: number, exposure: number) => ({
  channel: channel as never,
  // A sum over the outbox, which no snapshot keeps.
  exposure: exposure as never,
  payer: bytes(20),
  base: one<never>(),
  seq: one<never>(),
  at: one<never>(),
  digest: bytes(32),
  amount: one<never>(),
  answer,
  signature: bytes(64),
  credited: one<never>(),
  owed: one<never>(),
  stream: { voucher: stream(), k: one<number>(), late: one<number>(), preimage: bytes(32) },
  settled: one<never>(),
  position: one<never>(),
});

const terminal: Filled<TerminalBooks> = {
  counts: { accepted: one(), ticks: one(), voided: one(), acknowledged: one() },
  lanes: [lane('receipt', CHANNEL_A, FIRST + SECOND), lane('credit', CHANNEL_B, THIRD)],
  exposure: (FIRST + SECOND + THIRD) as never,
  outbox: [
    ...[plain(), stream()].map((voucher, index) => ({
      kind: 'voucher' as const,
      channel: CHANNEL_A as never,
      entry: bytes(32),
      exposure: (index === 0 ? FIRST : SECOND) as never,
      collected: collected(voucher),
    })),
    {
      kind: 'tick',
      channel: CHANNEL_B as never,
      stream: bytes(32),
      seq: one<never>(),
      exposure: THIRD as never,
      tickValue: one<never>(),
      k: one(),
      preimage: bytes(32),
    },
    {
      kind: 'credit',
      channel: one<never>(),
      seq: one<never>(),
      entry: bytes(32),
      // A credit exposes nothing: no snapshot keeps it.
      exposure: 0 as never,
      voucher: bytes(32),
      credited: one<never>(),
      signature: bytes(64),
    },
  ],
  kept: [
    ...[plain(), stream()].map((voucher) => ({
      kind: 'voucher' as const,
      channel: CHANNEL_B as never,
      entry: bytes(32),
      exposure: one<never>(),
      collected: collected(voucher),
    })),
    {
      kind: 'credit',
      channel: one<never>(),
      seq: one<never>(),
      entry: bytes(32),
      exposure: 0 as never,
      voucher: bytes(32),
      credited: one<never>(),
      signature: bytes(64),
    },
  ],
  hub: hubTrust(),
  counter: one(),
  member: { scope: bytes(32), expiresAt: one<never>() },
  revoked: [one<never>(), one<never>()],
  revokedAt: one<never>(),
  time: one<never>(),
  evictedAt: one<never>(),
  evictedPosition: one<never>(),
};

type Path = readonly string[];

/** Every field at any depth; `*` stands for each item of a list. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  const items = Array.isArray(value) ? value : [value];
  const inner = items.flatMap((item) =>
    typeof item !== 'object'
      ? []
      : Array.isArray(value)
        ? pathsOf(item, [...path, '*'])
        : Object.entries(item).flatMap(([key, field]) => [[...path, key], ...pathsOf(field, [...path, key])]),
  );
  return [...new Map(inner.map((one) => [one.join('.'), one])).values()];
}

/** The value without what stands at the path, in every item of a list. */
function without(value: unknown, [key, ...rest]: Path): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => without(item, rest));
  const copy = { ...(value as Record<string, unknown>) };
  if (rest.length === 0) delete copy[key!];
  else if (key! in copy) copy[key!] = without(copy[key!], rest);
  return copy;
}

/** One machine's books as this file sees them. */
interface Machine<B, R> {
  readonly books: B;
  readonly empty: B;
  snapshot(books: B): readonly R[];
  /** What stands of a record in its bytes. */
  stored(record: R): R;
  /** From empty books on. */
  replay(records: readonly R[]): B;
}

/** What a record's type says already: only vouchers are written off. And sums, which the outbox says. */
const IMPLIED: ReadonlySet<string> = new Set(['writtenOff.*.kind', 'exposure', 'lanes.*.exposure']);

const machines = {
  payer: {
    books: payer as PayerBooks,
    empty: EMPTY_PAYER,
    snapshot: snapshotPayer,
    stored: (record: PayerRecord) => payerRecords.decode(payerRecords.encode(record)),
    replay: (records: PayerRecord[]) =>
      records.reduce((b, record) => applyPayer(b, machines.payer.stored(record)), EMPTY_PAYER),
  },
  terminal: {
    books: terminal as TerminalBooks,
    empty: EMPTY_TERMINAL,
    snapshot: snapshotTerminal,
    stored: (record: TerminalRecord) => terminalRecords.decode(terminalRecords.encode(record)),
    replay: (records: TerminalRecord[]) =>
      records.reduce((b, record) => applyTerminal(b, machines.terminal.stored(record)), EMPTY_TERMINAL),
  },
};

for (const [name, machine] of Object.entries(machines)) {
  const { books, empty, snapshot, stored, replay } = machine as unknown as Machine<object, { type: string }>;

  test(`${name}: a snapshot rebuilds every field`, () => {
    for (const key of Object.keys(empty))
      assert.ok(sameBooks(books[key as never], empty[key as never]), `${key} is filled in above`);
    assert.equal(Object.keys(books).sort(), Object.keys(empty).sort());
    assert.is(sameBooks(replay(snapshot(books)), books), undefined);
    assert.is(sameBooks(replay(snapshot(empty)), empty), undefined);
  });

  /** Whether books that were rebuilt so are seen to be others; what can't be written or read is seen at once. */
  const noticed = (rebuild: () => object): boolean => {
    let rebuilt: object;
    try {
      rebuilt = rebuild();
    } catch {
      return true;
    }
    return sameBooks(rebuilt, books) !== undefined;
  };

  test(`${name}: a snapshot that loses any field is noticed`, () => {
    const paths = pathsOf(books);
    assert.ok(paths.length > 4 * Object.keys(empty).length);
    for (const path of paths) {
      if (IMPLIED.has(path.join('.'))) continue;
      const [key] = path as [never];
      const broken = path.length === 1 ? { ...books, [key]: empty[key] } : without(books, path);
      assert.ok(
        noticed(() => replay(snapshot(broken as object))),
        `nothing noticed that ${path.join('.')} was lost`,
      );
    }
  });

  test(`${name}: a snapshot that loses any record, or any field of one kind, is noticed`, () => {
    const records = snapshot(books);
    const fields = new Set<string>();
    for (const [index, record] of records.entries()) {
      const others = records.filter((_, other) => other !== index);
      assert.ok(
        noticed(() => replay(others)),
        `nothing noticed that record ${record.type} was lost`,
      );
      for (const field of Object.keys(stored(record)))
        if (field !== 'type') fields.add(`${record.type}.${field}`);
    }
    assert.ok(fields.size > records.length);
    for (const name of fields) {
      const [type, field] = name.split('.') as [string, string];
      const broken = records.map((record) => (record.type === type ? without(record, [field]) : record));
      assert.ok(
        noticed(() => replay(broken as { type: string }[])),
        `nothing noticed that ${name} was lost`,
      );
    }
  });
}

test.run();
