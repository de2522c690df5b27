/**
 * Every named refusal, in order of precedence: where several apply, the one that stands first is given. Numbers go
 * on the wire and never change meaning; a new code is put where its precedence is and takes a free number.
 */

export const REFUSALS = [
  // ---- bytes: any receiver ----
  ['too_large', 1],
  ['malformed', 2],
  ['not_canonical', 3],
  ['version_unknown', 4],
  ['message_unknown', 5],
  ['field_range', 6],
  ['unexpected_message', 7],
  // ---- the device itself ----
  ['frozen', 10],
  ['busy', 11],
  ['outbox_full', 12],
  ['no_time_basis', 13],
  // ---- payer ----
  ['payee_mismatch', 20],
  ['certificate_invalid', 21],
  ['certificate_expired', 22],
  ['lease_missing', 23],
  ['unconfirmed_here', 24],
  ['unconfirmed_full', 25],
  ['lanes_full', 26],
  ['over_tap_limit', 27],
  ['over_spend_limit', 28],
  ['stream_terms', 29],
  ['over_day_limit', 31],
  ['declined', 30],
  // ---- terminal: which voucher is it ----
  ['not_mine', 40],
  ['no_open_request', 41],
  ['channel_mismatch', 42],
  ['scheme_unsupported', 62],
  // ---- terminal: the lease ----
  ['hub_key_unknown', 43],
  ['lease_mismatch', 44],
  ['lease_scope', 45],
  ['lease_future', 46],
  ['lease_expired', 47],
  ['revoked', 48],
  // ---- terminal: the voucher ----
  ['signature', 49],
  ['ask_hub', 50],
  ['seq_stale', 51],
  ['base_stale', 52],
  ['sum_wrong', 53],
  ['before_lease', 54],
  ['terminal_over_tap_limit', 55],
  ['terminal_over_spend_limit', 56],
  ['cap_channel', 57],
  ['cap_total', 58],
  ['voids_waiting', 63],
  ['cap_uncovered', 64],
  ['clearance_waits', 65],
  ['no_session', 59],
  ['tick_order', 60],
  ['tick_preimage', 61],
  // ---- hub ----
  ['no_receipt', 70],
  ['channel_unknown', 71],
  ['payee_unknown', 72],
  ['terminal_unknown', 73],
  ['stream_unknown', 74],
  ['voucher_unknown', 75],
  ['credit_range', 76],
  ['behind_ledger', 78],
  ['chain_stale', 79],
  ['exit_running', 80],
  ['credits_overdue', 85],
  ['scope_full', 81],
  ['entropy_uncertified', 82],
  ['not_covered', 88],
  ['not_free', 89],
  ['clearance_over', 90],
  ['register_stale', 87],
  ['index_full', 86],
  ['queue_full', 83],
  ['storage_failed', 84],
] as const satisfies readonly (readonly [string, number])[];

export type RefusalName = (typeof REFUSALS)[number][0];

const numbers = new Map<string, number>(REFUSALS.map(([name, number]) => [name, number]));
const names = new Map<number, RefusalName>(REFUSALS.map(([name, number]) => [number, name]));
const precedence = new Map<string, number>(REFUSALS.map(([name], index) => [name, index]));

/** Wire number of a refusal. */
export const refusalNumber = (name: RefusalName): number => numbers.get(name)!;

/** Name of a wire number; undefined when this release does not know it. */
export const refusalName = (number: number): RefusalName | undefined => names.get(number);

/** Of several refusals the one to give: the first in the table. */
export function firstRefusal(found: readonly (RefusalName | undefined)[]): RefusalName | undefined {
  let best: RefusalName | undefined;
  for (const name of found) {
    if (name === undefined) continue;
    if (best === undefined || precedence.get(name)! < precedence.get(best)!) best = name;
  }
  return best;
}
