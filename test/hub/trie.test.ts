import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Edit,
  keyNumber,
  numberKey,
  type Trie,
  trieEntries,
  trieGet,
  trieKey,
  trieSet,
} from '../../hub/intake/trie.ts';

/** Twelve digits, most of them the same: buckets burst, several levels deep at once. */
const KEY = fc
  .tuple(fc.constantFrom('', '00000', '0000a0'), fc.array(fc.constantFrom(...'01af'), { minLength: 12 }))
  .map(([start, digits]) => `${start}${digits.join('')}`.slice(0, 12));
const SETS = fc.array(fc.tuple(KEY, fc.nat(9)), { maxLength: 400, size: 'max' });

const built = (sets: readonly (readonly [string, number])[], edit?: Edit): Trie<number> => {
  let trie: Trie<number>;
  for (const [key, value] of sets) trie = trieSet(trie, key, value, edit);
  return trie;
};

test('it holds what a map would hold, in the order of the keys, and its shape follows from that alone', () => {
  fc.assert(
    fc.property(SETS, KEY, (sets, other) => {
      const model = new Map(sets);
      const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
      const trie = built(sets);
      assert.equal(trieEntries(trie), sorted);
      for (const key of [other, ...model.keys()]) {
        assert.is(trieGet(trie, key), model.get(key));
        assert.is(trieKey(trie, key), model.has(key) ? key : undefined);
      }
      assert.equal(trie, built(sorted.reverse()), 'in another order');
      assert.equal(trie, built(sets, new Edit()), 'in place');
    }),
    { seed: 7, numRuns: 300 },
  );
});

test('a map stays as it was, whatever is made from it, in place or not', () => {
  fc.assert(
    fc.property(SETS, SETS, (first, second) => {
      const before = built(first, new Edit());
      const text = JSON.stringify(before);
      const edit = new Edit();
      let copied = before;
      let edited = before;
      for (const [key, value] of second) {
        copied = trieSet(copied, key, value + 10);
        edited = trieSet(edited, key, value + 10, edit);
      }
      assert.is(JSON.stringify(before), text);
      assert.equal(copied, edited);
    }),
    { seed: 7, numRuns: 200 },
  );
});

/** Items of the longest list in it. */
const longest = (trie: Trie<number>): number =>
  Array.isArray(trie) ? Math.max(trie.length, ...trie.map((child) => longest(child as Trie<number>))) : 0;

test('whatever it holds, a change copies little', () => {
  const keys = Array.from({ length: 5000 }, (_, n) => numberKey(Math.imul(n, 0x9e3779b1) >>> 0));
  assert.ok(longest(built(keys.map((key, n) => [key, n]))) <= 100);
});

test('a number comes back from its key', () => {
  for (const value of [0, 1, 15, 16, 255, 65_537, 2 ** 32 - 1]) assert.is(keyNumber(numberKey(value)), value);
});

test.run();
