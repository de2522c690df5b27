/**
 * What `npm run edges` counts, in a size for every commit: one kind of flash a generation, and the smallest board. Not
 * looked at here: two faults at once but for a power cut and one more, parts that wear out (test/device/journal.test.ts),
 * and the RAM of a board with full books.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BOARDS, fillBoard } from './boards.ts';
import { damageImage, damageVitals, emptyTally, type Tally } from './damage.ts';
import { cutImages, images } from './images.ts';
import { poison } from './poison.ts';

const all = await images();
const sound = (tally: Tally): void => {
  assert.equal(tally.wrong, []);
  assert.is(tally.forgotten + tally.doubledSeq, 0);
  assert.is(tally.frozen + tally.right, tally.cases);
  assert.ok(tally.right > tally.frozen, 'most damage is survived');
};

test('a payer or a till with a damaged head or mark has its books, or is frozen by name', () => {
  const tally = emptyTally();
  for (const [i, image] of all.entries()) if (i % 5 === 0) damageVitals(tally, image);
  assert.ok(tally.cases > 3000, `${tally.cases} cases`);
  sound(tally);
});

test('a flipped bit, a dead word or a read that goes wrong at the start never makes the books shorter', () => {
  const tally = emptyTally();
  const density = { bits: 401, erasedBits: 997, words: 61, erasedWords: 127, reads: 11 };
  for (const image of all) damageImage(tally, image, density);
  assert.ok(tally.cases > 3000, `${tally.cases} cases`);
  sound(tally);
});

test('after a power cut, with bits that read differently every time, one more fault forgets nothing', () => {
  const tally = emptyTally();
  const density = { bits: 9001, erasedBits: 2003, words: 601, erasedWords: 1009, reads: 401 };
  for (const image of cutImages(all.filter(({ generation }) => generation === 3)))
    damageImage(tally, image, density);
  assert.ok(tally.cases > 1000, `${tally.cases} cases`);
  sound(tally);
});

for (const board of BOARDS.filter(({ limits }) => limits.outboxMax < 100))
  test(`a till on ${board.board} is full by name, loses power, hands in all that it sold, and sells again`, async () => {
    const filled = await fillBoard(board);
    assert.is(filled.frozen, 0);
    assert.is(filled.sales, filled.drained);
    assert.ok(
      filled.sales >= board.limits.outboxMax && filled.again >= filled.sales / 2,
      JSON.stringify(filled),
    );
    assert.ok(filled.lanes >= board.limits.lanesMax, JSON.stringify(filled));
    assert.ok(filled.streams > 0 && filled.cuts > 0, JSON.stringify(filled));
  });

test('late vouchers of customers with their own firmware never fill a till for good', async () => {
  const { sent, taken, stuck, sold, offered } = await poison(150);
  assert.is(stuck, 0);
  assert.is(sold, offered, 'the till sells on');
  assert.ok(taken > 20 && taken < sent, `${taken} of ${sent}`);
});

test.run();
