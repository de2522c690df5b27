/**
 * The list of a channel's entries against a plain array that is sorted anew each time: whatever order they come in, with
 * and without an edit, and older lists stay as they were. Not checked: how fast it is (bench:hub, `oneChannel`).
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EntryList } from '../../hub/intake/entry-list.ts';
import type { Entry } from '../../hub/intake/state.ts';
import { Edit } from '../../hub/intake/trie.ts';

const entry = (seq: number, key: number): Entry =>
  ({ seq, token: key, key: String(key) }) as unknown as Entry;
const keys = (entries: Iterable<Entry>): string[] => [...entries].map(({ key }) => key);

/** By seq, then by arrival: what the list has to be. */
const sorted = (entries: readonly Entry[]): Entry[] => entries.slice().sort((a, b) => a.seq - b.seq);

const check = (list: EntryList<Entry>, all: readonly Entry[], seqs: readonly number[]): void => {
  const plain = sorted(all);
  assert.is(list.length, plain.length);
  assert.equal(keys(list), keys(plain));
  assert.is(list.last, plain.at(-1));
  for (const index of [0, 1, plain.length - 1, plain.length, -1, -2, -plain.length - 1])
    assert.is(list.at(index), plain.at(index));
  for (const seq of seqs) {
    assert.equal(keys(list.from(seq)), keys(plain.filter((one) => one.seq >= seq)));
    assert.equal(keys(list.before(seq)), keys(plain.filter((one) => one.seq < seq).reverse()));
  }
};

for (const inPlace of [false, true]) {
  test(`entries in any order${inPlace ? ', put in where the list stands' : ''}`, () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 700 }), (seqs) => {
        const edit = inPlace ? new Edit() : undefined;
        let list = EntryList.empty<Entry>();
        const all: Entry[] = [];
        for (const [key, seq] of seqs.entries()) {
          all.push(entry(seq, key));
          list = list.with(all.at(-1)!, edit);
        }
        check(list, all, [0, 1, 7, 200, 399, 400, 401]);
        for (const [index, old] of all.entries()) {
          if (index % 7 !== 0) continue;
          const changed = entry(old.seq, 10_000 + index);
          list = list.replacing(old, changed, edit);
          all[index] = changed;
        }
        check(list, all, [0, 200, 401]);
      }),
      { numRuns: 60, seed: 7 },
    );
    assert.is(EntryList.empty<Entry>().length, 0);
    check(EntryList.empty<Entry>(), [], [0, 5]);
  });
}

test('a list stays as it was when another one is made of it', () => {
  let list = EntryList.empty<Entry>();
  const kept: [EntryList<Entry>, Entry[]][] = [];
  const all: Entry[] = [];
  for (let at = 0; at < 600; at += 1) {
    all.push(entry(at % 3 === 0 ? at : 600 - at, at));
    list = list.with(all.at(-1)!, undefined);
    if (at % 50 === 0) kept.push([list, all.slice()]);
  }
  for (const [old, was] of kept) check(old, was, [0, 300]);
  assert.throws(() => list.replacing(entry(5, -1), entry(5, -2), undefined), /not in the list/);
});

test.run();
