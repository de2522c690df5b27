// One-line breaks of the simulator's model of the vault, each with the test that holds it against the real vault and must
// fail. `from` must stand exactly once in the file. What only withdrawals could show is not here: the model has none.
const VAULT = 'simulators/stage/chain/vault.ts';

/** Those that are broken in every run of the tests, by name. */
const IN_CI = ['settling adds', "credits beyond the lane's", 'what is free is not taken first'];

export const VAULT_MUTATIONS = [
  // ---- money in and out ----
  ['the bond can be spent', 'free: deposit - bond,', 'free: deposit,'],
  [
    "a top-up's bond can be spent",
    "'free', channel.free + deposit - bond)",
    "'free', channel.free + deposit)",
  ],
  [
    'a leaving channel is topped up',
    'if (channel.exitReady !== 0 || channel.potOpened !== 0) return false;',
    'if (channel.potOpened !== 0) return false;',
  ],
  [
    'a slashed channel is topped up',
    'if (channel.exitReady !== 0 || channel.potOpened !== 0) return false;',
    'if (channel.exitReady !== 0) return false;',
  ],
  ['an exit starts anew', 'if (channel.exitReady !== 0) return false;', ''],
  ['an exit ends a second late', 'nowSeconds < channel.exitReady', 'nowSeconds <= channel.exitReady'],
  ['an exit ends at once', ' || nowSeconds < channel.exitReady', ''],
  ['an exit needs no start', 'channel.exitReady === 0 || nowSeconds', 'nowSeconds'],
  ['an exit leaves the money', "this.change(channel, 'free', 0);", ''],
  // ---- rows ----
  ['a row of another key counts', ' || !equalBytes(channel.payer, signer)', ''],
  ['ticks above the signed count', ' || k > voucher.ticks', ''],
  ['any preimage', '!equalBytes(hashChain(this.signing.suite, preimage, k), voucher.anchor)', 'false'],
  ['a tick is worth 1', 'top += k * voucher.tickValue;', 'top += k;'],
  ['any list', ' || !equalBytes(listed, voucher.lanes)', ''],
  ['a list above what was spent', "if (sum > voucher.spent) return refused('list_above_spent');", ''],
  ['a list up to what was spent is refused', 'if (sum > voucher.spent)', 'if (sum >= voucher.spent)'],
  ["a list's own lane is forgotten", 'total + lane.paid, voucher.paid)', 'total + lane.paid, 0)'],
  ['settling adds', 'let moved = top - lane.settled;', 'let moved = top;'],
  ['an old voucher lowers', "if (top <= lane.settled) return answer('stale', 0);", ''],
  ['what does not fit is not paid', 'moved = channel.free;', "return answer('no_funds', 0);"],
  ['more is paid than is free', 'if (moved > channel.free) {', 'if (false) {'],
  ['an empty channel pays in part', "if (channel.free === 0) return answer('no_funds', 0);", ''],
  ['the payee gets nothing', 'this.pay(payee, moved);', ''],
  // ---- credits ----
  [
    'a credit needs no opened request',
    "if (!equalBytes(requestHash(signing, request), voucher.request)) return answer('bad_opening');",
    '',
  ],
  [
    "a credit needs no signature of the payee's",
    "if (!signing.signedBy('Credit', { voucher: digest, credited }, signature, voucher.payee))",
    'if (false)',
  ],
  [
    'more is credited than was moved',
    "if (credited > opened.amount + top - voucher.paid) return answer('credit_above_amount');",
    '',
  ],
  ['ticks are not credited', 'credited > opened.amount + top - voucher.paid', 'credited > opened.amount'],
  ['a credit counts again', "if (credited <= before) return answer('credit_stale');", ''],
  ['a larger credit counts as a whole', 'const moved = credited - before;', 'const moved = credited;'],
  ['what was not settled is credited', "if (lane.settled < top) return answer('not_settled');", ''],
  [
    "credits beyond the lane's",
    "if (lane.credited + moved > lane.settled) return answer('credit_above_lane');",
    '',
  ],
  ['a credit is not remembered', 'this.put(this.credits, key, credited);', ''],
  ['a credit cannot be spent again', "this.change(channel, 'free', channel.free + moved);", ''],
  ['the payee keeps what it gave back', 'this.put(this.balances, payee, balance - moved);', ''],
  // ---- fraud ----
  ['rows of two channels prove', ' || (channel !== undefined && read.channel !== channel)', ''],
  ['a bond is taken twice', ' || channel.bond === 0 || !proves', ' || !proves'],
  ['anything proves', ' || !proves(rule, shown)', ''],
  ["a stream's ticks are not spent", 'spent: spent + ticks,', 'spent,'],
  ["a stream's ticks are its lane's before", '      paid: top,', '      paid,'],
  ['ticks were not moved', 'moved: ticks + this.openedAmount(row),', 'moved: this.openedAmount(row),'],
  [
    'any request opens',
    'return equalBytes(requestHash(this.signing, request), voucher.request) ? opened.amount : 0;',
    'return opened.amount;',
  ],
  ['a proof leaves the bond', "this.change(channel, 'pot', channel.bond);", ''],
  [
    'the window closes early',
    'this.timing.payeeOfflineMax + this.timing.claimMargin',
    'this.timing.payeeOfflineMax',
  ],
  // ---- pots ----
  [
    'a shortfall comes a second late',
    'nowSeconds >= channel.potClosesAt',
    'nowSeconds > channel.potClosesAt',
  ],
  [
    'wide claims above the bond',
    'Math.min(missing, claim.shown, channel.potOpened)',
    'Math.min(missing, claim.shown)',
  ],
  [
    'what was shown bounds nothing',
    'Math.min(missing, claim.shown, channel.potOpened)',
    'Math.min(missing, channel.potOpened)',
  ],
  ['a lower top replaces', 'top: Math.max(old.top, shown.top),', 'top: shown.top,'],
  [
    'shares before the slow lane is over',
    'channel.potClosesAt + this.timing.slowLane',
    'channel.potClosesAt',
  ],
  ['vouchers in any order', '!rises || ', ''],
  [
    "another payee's vouchers",
    'if (!rises || !equalBytes(voucher.payee, rows[0]!.voucher.payee)) return undefined;',
    'if (!rises) return undefined;',
  ],
  ['overlaps are not counted', 'overlap += Math.max(0, Math.min(highest, one.top) - base);', ''],
  ['one voucher of another channel', ' || one.channel !== channel) return undefined;', ') return undefined;'],
  ['a pot closes at once', ' || nowSeconds < channel.potClosesAt + this.timing.slowLane', ''],
  [
    'a pot closes a second late',
    'nowSeconds < channel.potClosesAt + this.timing.slowLane',
    'nowSeconds <= channel.potClosesAt + this.timing.slowLane',
  ],
  ['shares are not pro-rata', 'sum > channel.potOpened', 'false'],
  [
    'what settled meanwhile is paid again',
    'const missing = Math.max(0, claim.top - lane.settled);',
    'const missing = claim.shortfall;',
  ],
  ['overlaps raise the lane', 'const raised = Math.min(paid, missing);', 'const raised = paid;'],
  ['the rest is lost', "this.change(this, 'reserve', this.reserve + left);", ''],
  ['a pot is shared twice', "this.change(channel, 'pot', 0);", ''],
  // ---- reorganisations ----
  [
    'what is taken back stays in the order of its coming',
    'for (let i = steps.length - 1; i >= 0; i--) steps[i]!();',
    'for (const step of steps) step();',
  ],
  ['what was new is not taken back', 'else map.delete(key);', ''],
].map(([name, from, to]) => ({
  name: `vault: ${name}`,
  file: VAULT,
  from,
  to,
  caughtBy: 'vault/corners',
  inCi: IN_CI.includes(name),
}));
