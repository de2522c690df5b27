/**
 * The table of refusals: names, numbers, precedence. Not checked here: when each is given (acceptance.test.ts and the
 * refusals of payer and terminal).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { REFUSAL_MEANINGS } from '../../protocol/refusal-meanings.ts';
import { firstRefusal, REFUSALS, refusalName, refusalNumber } from '../../protocol/refusals.ts';

/** Numbers go over the wire: a device in the field knows each by what it was when that device was made. */
const ON_THE_WIRE: Readonly<Record<string, number>> = {
  too_large: 1,
  malformed: 2,
  not_canonical: 3,
  version_unknown: 4,
  message_unknown: 5,
  field_range: 6,
  unexpected_message: 7,
  frozen: 10,
  busy: 11,
  outbox_full: 12,
  no_time_basis: 13,
  payee_mismatch: 20,
  certificate_invalid: 21,
  certificate_expired: 22,
  lease_missing: 23,
  unconfirmed_here: 24,
  unconfirmed_full: 25,
  lanes_full: 26,
  over_tap_limit: 27,
  over_spend_limit: 28,
  stream_terms: 29,
  declined: 30,
  not_mine: 40,
  no_open_request: 41,
  channel_mismatch: 42,
  scheme_unsupported: 62,
  hub_key_unknown: 43,
  lease_mismatch: 44,
  lease_scope: 45,
  lease_future: 46,
  lease_expired: 47,
  revoked: 48,
  signature: 49,
  ask_hub: 50,
  seq_stale: 51,
  base_stale: 52,
  sum_wrong: 53,
  before_lease: 54,
  terminal_over_tap_limit: 55,
  terminal_over_spend_limit: 56,
  cap_channel: 57,
  cap_total: 58,
  no_session: 59,
  cap_uncovered: 64,
  voids_waiting: 63,
  tick_order: 60,
  tick_preimage: 61,
  no_receipt: 70,
  channel_unknown: 71,
  payee_unknown: 72,
  terminal_unknown: 73,
  stream_unknown: 74,
  voucher_unknown: 75,
  credit_range: 76,
  behind_ledger: 78,
  chain_stale: 79,
  exit_running: 80,
  credits_overdue: 85,
  scope_full: 81,
  entropy_uncertified: 82,
  index_full: 86,
  queue_full: 83,
  storage_failed: 84,
  register_stale: 87,
  not_covered: 88,
  over_day_limit: 31,
  clearance_waits: 65,
  not_free: 89,
  clearance_over: 90,
};

test('every refusal keeps its number', () => {
  assert.equal(Object.fromEntries(REFUSALS.map(([name, number]) => [name, number])), ON_THE_WIRE);
});

test('every refusal has a name and a number of its own that fits one byte, and a reason', () => {
  assert.is(new Set(REFUSALS.map(([name]) => name)).size, REFUSALS.length);
  assert.is(new Set(REFUSALS.map(([, number]) => number)).size, REFUSALS.length);
  for (const [name, number] of REFUSALS) {
    const reason = REFUSAL_MEANINGS[name];
    assert.ok(Number.isInteger(number) && number > 0 && number < 256, name);
    assert.ok(reason.length > 10, name);
    assert.is(refusalName(refusalNumber(name)), name);
  }
  assert.is(refusalName(0), undefined);
  assert.is(refusalName(255), undefined);
});

test('of two refusals the one that stands first in the table is given, in whichever order they were found', () => {
  for (let i = 0; i < REFUSALS.length; i++)
    for (let j = i; j < REFUSALS.length; j++) {
      const [first] = REFUSALS[i]!;
      const [second] = REFUSALS[j]!;
      assert.is(firstRefusal([first, undefined, second]), first);
      assert.is(firstRefusal([second, first]), first);
    }
  assert.is(firstRefusal([]), undefined);
  assert.is(firstRefusal([undefined]), undefined);
});

test.run();
