/**
 * What C does at once, against what it stands for: structs (struct.c), spread objects and byte arrays (quick.c). With
 * --deep also on an engine that collects garbage and moves all memory at every single allocation.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { struct as atOnce } from '../../hardware/native/struct.ts';
import { DecodeError, Reader, Writer } from '../../protocol/wire/cbor.ts';
import { flag } from '../../protocol/wire/records.ts';
import {
  amountField,
  bytes16Field,
  bytes32Field,
  type Codec,
  optional,
  secondsField,
  u8,
  u16,
  u32,
} from '../../protocol/wire/schema.ts';
import { struct as inSteps } from '../../protocol/wire/struct.ts';

const test = suite('done at once');

/** Bytes that differ with `salt`. */
const bytesOf = (size: number, salt: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => salt * 31 + i * 7 + 1);

const fields = {
  small: u8,
  ticks: u16,
  channel: u32,
  at: secondsField,
  amount: amountField,
  late: flag,
  hash: bytes32Field,
  half: optional(bytes16Field),
  bound: optional(amountField),
} as const;
const reference = inSteps(fields);
const quick = atOnce(fields);
type Value = Parameters<typeof reference.write>[1];

/** Values around every edge of the integers' shortest forms. */
const edges = [
  0,
  1,
  23,
  24,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 40 - 1,
  2 ** 48 - 1,
];
const values = edges.map(
  (edge, i) =>
    ({
      small: Math.min(edge, 255),
      ticks: Math.min(edge, 65_535),
      channel: Math.min(edge, 2 ** 32 - 1),
      at: Math.min(edge, 2 ** 40 - 1),
      amount: edge,
      late: i % 2 === 1,
      hash: bytesOf(32, i),
      ...(i % 3 === 0 && { half: bytesOf(16, i) }),
      ...(i % 4 === 0 && { bound: edge }),
    }) as Value,
);

/** The struct's bytes behind others, and in front of one. */
const written = (codec: Codec<Value>, value: Value, before = 1): Uint8Array => {
  const writer = new Writer();
  for (let i = 0; i < before; i++) writer.uint(7);
  codec.write(writer, value);
  writer.null();
  return writer.finish().slice(before - 1);
};

/** What a codec makes of bytes: the value and the bytes behind it, or the fault. */
const read = (codec: Codec<Value>, bytes: Uint8Array): unknown => {
  const reader = new Reader(bytes);
  try {
    reader.uint(7);
    const value = codec.read(reader);
    return { value, rest: reader.null() };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return error.message;
  }
};

test('structs in C are the bytes and the values of those in JavaScript', () => {
  for (const value of values) {
    const bytes = written(reference, value);
    assert.equal(written(quick, value), bytes);
    assert.equal(written(quick, value, 230), bytes, 'in a buffer that has to grow');
    assert.equal(read(quick, bytes), { value, rest: true });
    assert.equal(read(reference, bytes), { value, rest: true });
  }
});

test('bytes that are wrong anywhere are refused with the same words', () => {
  let refused = 0;
  for (const value of values) {
    const bytes = written(reference, value);
    for (let at = 1; at < bytes.length; at += 3)
      for (const wrong of [
        0,
        0x17,
        0x18,
        0x19,
        0x1b,
        0x1f,
        0x40,
        0x58,
        0x80,
        0x89,
        0xf6,
        0xff,
        bytes[at]! + 1,
      ]) {
        const changed = bytes.slice();
        changed[at] = wrong;
        const expected = read(reference, changed);
        assert.equal(read(quick, changed), expected, `byte ${at} is ${wrong}`);
        if (typeof expected === 'string') refused += 1;
      }
    for (let length = 1; length < bytes.length; length++)
      assert.equal(read(quick, bytes.slice(0, length)), read(reference, bytes.slice(0, length)));
  }
  assert.ok(refused > 500, `${refused} refused`);
});

test('values that no field holds are refused with the same words', () => {
  const wrong: [string, unknown][] = [
    ['small', 256],
    ['ticks', -1],
    ['channel', 1.5],
    ['at', 2 ** 40],
    ['amount', 2 ** 48],
    ['amount', Number.NaN],
    ['hash', bytesOf(31, 1)],
    ['half', bytesOf(17, 1)],
  ];
  for (const [name, value] of wrong) {
    const record = { ...values[0]!, [name]: value } as Value;
    const told = [reference, quick].map((codec) => {
      try {
        return written(codec, record);
      } catch (error) {
        return (error as Error).message;
      }
    });
    assert.type(told[0], 'string', name);
    assert.is(told[1], told[0], name);
  }
});

test('byte arrays are cut, filled, set and searched as the language says', () => {
  const bytes = bytesOf(20, 5);
  const listed = [...bytes];
  for (const start of [0, 1, 19, 20, 25, -3, undefined])
    for (const end of [0, 1, 20, 30, -1, undefined]) {
      assert.equal([...bytes.slice(start, end)], listed.slice(start, end));
      assert.equal([...bytes.subarray(start, end)], listed.slice(start, end));
      assert.equal([...bytes.slice().fill(300, start, end)], listed.slice().fill(44, start, end));
      assert.is(bytes.indexOf(listed[4]!, start), listed.indexOf(listed[4]!, start));
    }
  assert.is(bytes.indexOf(1000), -1);
  assert.is(bytes.subarray(3).subarray(2, 6).slice()[1], listed[6]);
  const copy = bytes.slice();
  copy.set(copy.subarray(0, 10), 5);
  assert.equal([...copy], [...listed.slice(0, 5), ...listed.slice(0, 10), ...listed.slice(15)]);
  assert.throws(() => copy.set(bytes, 1));
  copy.set([1, 2], 18);
  assert.equal([...copy.slice(17)], [listed[17], 1, 2]);
  assert.is(new Uint8Array(5).length, 5);
  assert.equal([...new Uint8Array([1, 258])], [1, 2]);
  assert.throws(() => new Uint8Array(-1));
  assert.is(new Uint8Array(new ArrayBuffer(8), 2, 3).length, 3);
});

test('objects are spread and left over as the language says', () => {
  const source = { a: 1, b: 'two', c: [3], d: undefined };
  assert.equal({ ...source }, { a: 1, b: 'two', c: [3], d: undefined });
  assert.equal(Object.entries({ z: 0, ...source, b: 4, ...{ a: 5, e: 6 } }), [
    ['z', 0],
    ['a', 5],
    ['b', 4],
    ['c', [3]],
    ['d', undefined],
    ['e', 6],
  ]);
  const { a, c, ...rest } = source;
  assert.equal([a, c, rest], [1, [3], { b: 'two', d: undefined }]);
  const computed = {
    get now(): number {
      return 7;
    },
  };
  const taken: { now: number } = { ...computed };
  taken.now = 8;
  assert.is(taken.now, 8, 'a getter is read once, not copied');
  const oddities = [[1, 2], 'x', null, undefined] as unknown as object[];
  assert.equal({ ...oddities[0], ...oddities[1], ...oddities[2], ...oddities[3] }, { 0: 'x', 1: 2 });
  const hidden = Object.defineProperty({ shown: 1 }, 'hidden', { value: 2 });
  assert.equal({ ...hidden }, { shown: 1 });
  const copy = { ...source };
  copy.a = 9;
  assert.is(source.a, 1);
});

/** What may not be done throws in a module, and does nothing in the script that a bundle is. */
function attempt(work: () => void): void {
  try {
    work();
  } catch {}
}

test('arrays are copied, begun and measured as the language says', () => {
  const list = [1, 'two', { three: 3 }];
  const copy = list.slice();
  copy[0] = 9;
  copy.push(4);
  assert.equal(
    [list, copy],
    [
      [1, 'two', { three: 3 }],
      [9, 'two', { three: 3 }, 4],
    ],
  );
  assert.is(copy[2], list[2]);
  const holes = [1];
  holes[2] = 3;
  assert.equal([holes.length, 1 in holes.slice(), holes.slice()[2]], [3, false, 3]);
  assert.equal([[].slice(), [5, 6].slice(1), [5, 6].fill(7), [].fill(7 as never)], [[], [6], [7, 7], []]);
  class Listed extends Array<number> {}
  assert.instance(Listed.from([1, 2]).slice(), Listed);
  const cut = [1, 2, 3];
  cut.length = 3;
  cut.length = 1;
  assert.equal([cut, cut.length, cut[1]], [[1], 1, undefined]);
  assert.throws(() => {
    cut.length = -1;
  });
  const frozen = Object.freeze([1, 2]);
  attempt(() => {
    (frozen as number[])[0] = 3;
  });
  assert.equal(
    [frozen, frozen.slice().fill(4)],
    [
      [1, 2],
      [4, 4],
    ],
  );
});

test('lengths and bytes are read as the language says', () => {
  const bytes = new Uint8Array(6).fill(3).subarray(2);
  assert.equal(
    [bytes.length, bytes[3], bytes[4], (bytes as unknown as number[])[-1]],
    [4, 3, undefined, undefined],
  );
  class Own extends Uint8Array {
    override get length(): number {
      return 77;
    }
  }
  assert.is(new Own(3).length, 77);
  const words = new Uint16Array([1, 65_535]);
  assert.equal([words.length, words[1]], [2, 65_535]);
  assert.is((new Uint8Array(2) as unknown as Record<string, unknown>).missing, undefined);
});

test('properties are found, set and made as the language says', () => {
  const seen: unknown[] = [];
  const base = {
    get shared(): string {
      return 'got';
    },
    set shared(value: string) {
      seen.push(value);
    },
  };
  const object = Object.setPrototypeOf({ own: 1 }, base) as { own: number; shared: string; later?: number };
  object.shared = 'set';
  object.later = 2;
  object.own = 3;
  assert.equal([seen, object.shared, Object.keys(object)], [['set'], 'got', ['own', 'later']]);
  const fixed = Object.setPrototypeOf({}, Object.freeze({ fixed: 1 })) as { fixed: number };
  attempt(() => {
    fixed.fixed = 2;
  });
  assert.is(fixed.fixed, 1);
  const sealed = Object.preventExtensions({ a: 1 } as Record<string, number>);
  attempt(() => {
    sealed.b = 2;
  });
  assert.equal(Object.keys(sealed), ['a']);
  const key = 'c';
  const first = { a: 1, b: 2 };
  const made = { ...first, [key]: 3, ...{ a: 4 }, b2: 5, method: () => 6 };
  assert.equal([made.a, made.b, made.c, made.b2, made.method(), made.method.name], [4, 2, 3, 5, 6, 'method']);
  const redefined = Object.defineProperty({} as { a: number }, 'a', { value: 1, configurable: true });
  assert.equal([Object.keys(redefined), { ...redefined, a: 2 }], [[], { a: 2 }]);
  class Parent {
    first = 1;
    say(): string {
      return `parent ${this.first}`;
    }
  }
  class Child extends Parent {
    override say(): string {
      return `child of ${super.say()}`;
    }
  }
  const child = new Child();
  assert.is(child.say(), 'child of parent 1');
  Parent.prototype.say = () => 'changed';
  assert.is(child.say(), 'child of changed');
});

test.run();
