/** What is offered for gas: every reason to raise it, at its edges, and the bound. Not checked here: nodes (test/edges/l2). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type BidState, nextBid, patientBlocks, stuckBlocks } from '../../hub/settle/bids.ts';

const MAX = 10_000n;
const calm: BidState = {
  offered: { maxFee: 800n, priorityFee: 80n },
  suggested: { maxFee: 800n, priorityFee: 80n },
  baseFee: 700n,
  isRefused: false,
  blocks: 0,
};
const bid = (change: Partial<BidState>, max = MAX) => {
  const found = nextBid({ ...calm, ...change }, max);
  return found && [Number(found.feeMin), Number(found.priorityFeeMin)];
};

test('a good offer is left alone', () => {
  assert.is(bid({}), undefined);
  assert.is(bid({ baseFee: 800n, blocks: stuckBlocks - 1 }), undefined, 'a base fee that is just reached');
});

test('a base fee above the offer doubles it at once', () => {
  assert.equal(bid({ baseFee: 801n }), [1600, 91]);
});

test('a higher suggestion is followed after some blocks, at least as nodes take replacements', () => {
  const suggested = { maxFee: 2000n, priorityFee: 500n };
  assert.is(bid({ suggested, blocks: patientBlocks - 1 }), undefined);
  assert.equal(bid({ suggested, blocks: patientBlocks }), [2000, 500]);
  const little = { maxFee: 801n, priorityFee: 81n };
  assert.equal(bid({ suggested: little, blocks: patientBlocks }), [901, 91]);
});

test('what is refused, or left lying, doubles its tip', () => {
  assert.equal(bid({ isRefused: true }), [901, 160]);
  assert.equal(bid({ blocks: stuckBlocks }), [901, 160]);
  assert.equal(bid({ isRefused: true, suggested: { maxFee: 3000n, priorityFee: 700n } }), [3000, 700]);
});

test('a tip of nothing grows, too', () => {
  const nothing = { maxFee: 7n, priorityFee: 0n };
  assert.equal(bid({ offered: nothing, suggested: nothing, baseFee: 1n, isRefused: true }), [8, 1]);
});

test('nothing is offered above the bound, and it is said when only more would help', () => {
  assert.equal(
    bid({ suggested: { maxFee: 10n ** 9n, priorityFee: 10n ** 9n }, isRefused: true }, 901n),
    [901, 901],
  );
  assert.throws(
    () => bid({ isRefused: true }, 900n),
    (error: { code: string; remedy: string }) =>
      error.code === 'fees_too_high' && /feeMaxGwei/.test(error.remedy),
  );
  assert.is(bid({}, 1n), undefined, 'a bound that was lowered takes nothing back');
});

test.run();
