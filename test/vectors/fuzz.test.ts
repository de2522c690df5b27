/**
 * Mutated messages and records: the decoder never throws, and what it accepts is exactly what the encoder writes, so
 * no second spelling of a message exists. cbor-x reads what is accepted to the same values.
 */
import { env } from 'node:process';
import { Decoder } from 'cbor-x/index-no-eval';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { decodeMessage, encodeMessage } from '../../protocol/wire/messages.ts';
import { type Random, randomFrom } from '../protocol/random.ts';
import recordVectors from './records.json';
import wire from './wire.json';

const deep = env.SUNDIAL_DEEP === '1';
const [shard, shards] = (env.SUNDIAL_SHARD ?? '1/1').split('/').map(Number) as [number, number];
const COUNT = Math.ceil((deep ? 1_000_000 : 100_000) / shards);
const SEED = 712_000 + shard;

const corpus = wire.map((vector) => fromHex(vector.hex)).filter((bytes) => bytes.length < 2000);

/** Bytes where a mistake is likely: heads of every size, null, other majors. */
const HEADS = [0x00, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x40, 0x54, 0x58, 0x80, 0x83, 0x98, 0xf6, 0xf7, 0xfb, 0x5f, 0xff];

/** One change of the bytes. */
function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1);
  const changed = bytes.slice();
  switch (random.below(9)) {
    case 0:
      if (at < bytes.length) changed[at] = changed[at]! ^ (1 << random.below(8));
      return changed;
    case 1:
      if (at < bytes.length) changed[at] = random.next() & 255;
      return changed;
    case 2:
      return bytes.slice(0, at);
    case 3:
      return Uint8Array.from([...bytes.slice(0, at), ...random.bytes(1 + random.below(4)), ...bytes.slice(at)]);
    case 4:
      return Uint8Array.from([...bytes.slice(0, at), ...bytes.slice(at + 1 + random.below(8))]);
    case 5:
      if (at < bytes.length) changed[at] = HEADS[random.below(HEADS.length)]!;
      return changed;
    case 6:
      return widen(bytes, at);
    case 7: {
      const other = corpus[random.below(corpus.length)]!;
      return Uint8Array.from([...bytes.slice(0, at), ...other.slice(random.below(other.length))]);
    }
    default:
      return at < bytes.length ? replaceNumber(changed, at, random) : changed;
  }
}

/** The head at `at` in its next longer form: the same value, not canonical. */
function widen(bytes: Uint8Array, at: number): Uint8Array {
  const head = bytes[at];
  if (head === undefined || (head & 31) > 23 || head >> 5 > 4) return bytes.slice();
  return Uint8Array.from([...bytes.slice(0, at), (head & 0xe0) | 24, head & 31, ...bytes.slice(at + 1)]);
}

/** Another number in the place of a large one. */
function replaceNumber(bytes: Uint8Array, at: number, random: Random): Uint8Array {
  const head = bytes[at]!;
  const size = head >= 0x18 && head <= 0x1b ? 1 << (head - 0x18) : 0;
  for (let i = 1; i <= size && at + i < bytes.length; i++)
    bytes[at + i] = random.below(2) === 0 ? 0xff : random.below(256);
  return bytes;
}

const decoder = new Decoder({ useRecords: false, tagUint8Array: false, mapsAsObjects: true });

/** Do cbor-x's values, flattened, hold as many items as ours? A cheap sign that both read the same structure. */
function flat(value: unknown): string {
  if (value instanceof Uint8Array) return toHex(Uint8Array.from(value));
  if (Array.isArray(value)) return value.map(flat).join(',');
  return String(value ?? '');
}

function flatFields(value: unknown): string {
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(flatFields).join(',');
  if (typeof value === 'object' && value !== null) return Object.values(value).map(flatFields).join(',');
  return String(value);
}

test(`${COUNT} mutated messages: none throws, none has a second spelling`, () => {
  console.log(`seed ${SEED}, ${COUNT} messages`);
  const random = randomFrom(SEED);
  const outcomes = new Map<string, number>();
  for (let n = 0; n < COUNT; n++) {
    let bytes = corpus[random.below(corpus.length)]!;
    for (let i = 1 + random.below(3); i > 0; i--) bytes = mutate(bytes, random);
    const medium = random.below(2) === 0 ? 'tap' : 'sync';
    const decoded = decodeMessage(bytes, medium);
    const outcome = decoded.ok ? (decoded.message ? 'accepted' : 'skipped') : decoded.code;
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (!decoded.ok || !decoded.message) continue;
    if (!equalBytes(encodeMessage(decoded.message), bytes))
      assert.unreachable(`accepted but not canonical: ${toHex(bytes)}`);
    if (n % 10 !== 0) continue;
    const { type: _, ...fields } = decoded.message;
    const [, , items] = decoder.decode(bytes) as [number, number, unknown[]];
    // Absent fields are null for cbor-x and absent for us, so empty places are dropped on both sides.
    const dropEmpty = (text: string): string => text.split(',').filter(Boolean).join(',');
    if (dropEmpty(flat(items)) !== dropEmpty(flatFields(fields)))
      assert.unreachable(`cbor-x reads other values: ${toHex(bytes)}`);
  }
  const shown = [...outcomes].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${name} ${count}`);
  console.log(shown.join(', '));
  for (const name of ['accepted', 'malformed', 'not_canonical', 'field_range', 'message_unknown', 'version_unknown'])
    assert.ok(outcomes.has(name), `no mutation led to ${name}`);
});

test(`${COUNT} mutated records: refused as damaged or newer, or read to what is written`, () => {
  const random = randomFrom(SEED + 1);
  const stored = recordVectors.map(({ machine, hex }) => ({
    table: machine === 'payer' ? payerRecords : terminalRecords,
    bytes: fromHex(hex),
  }));
  let accepted = 0;
  for (let n = 0; n < COUNT; n++) {
    const { table, bytes: original } = stored[random.below(stored.length)]!;
    const bytes = mutate(original, random);
    try {
      const record = table.decode(bytes);
      accepted += 1;
      // The envelope's version is the writer's and may be larger; the rest must be the only spelling.
      const rest = table.encode(record as never).slice(3);
      if (!equalBytes(rest, bytes.slice(bytes.length - rest.length)))
        assert.unreachable(`accepted but not canonical: ${toHex(bytes)}`);
    } catch (error) {
      const code = error instanceof SundialError ? error.code : String(error);
      if (code !== 'journal_corrupt' && code !== 'journal_newer' && code !== 'journal_older') throw error;
    }
  }
  assert.ok(accepted > 0 && accepted < COUNT);
});

test.run();
