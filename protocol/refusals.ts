/**
 * Every named refusal, in order of precedence: where several apply, the one that stands first is given. Numbers go
 * on the wire and never change meaning; a new code is put where its precedence is and takes a free number.
 */

export const REFUSALS = [
  // ---- bytes: any receiver ----
  ['too_large', 1, 'more bytes than the link allows'],
  ['malformed', 2, 'not the CBOR subset, or fields missing'],
  ['not_canonical', 3, 'a value with a shorter encoding'],
  ['version_unknown', 4, 'wire version of another release'],
  ['message_unknown', 5, 'a mandatory message that this release does not know'],
  ['field_range', 6, 'a field outside its range'],
  ['unexpected_message', 7, 'a message that this role never receives'],
  // ---- the device itself ----
  ['frozen', 10, 'storage is damaged or newer than the firmware: the device signs nothing'],
  ['busy', 11, 'another payment is under way'],
  ['outbox_full', 12, 'too many entries wait for the hub'],
  ['no_time_basis', 13, 'no clock since power-up: meet the hub first'],
  // ---- payer ----
  ['payee_mismatch', 20, "the certificate names another payee than the request's"],
  ['certificate_invalid', 21, 'the terminal shows no valid certificate of its payee'],
  ['certificate_expired', 22, "the terminal's certificate ran out"],
  ['lease_missing', 23, 'no lease, or one that ran out: meet the hub'],
  ['unconfirmed_here', 24, 'an earlier voucher at this terminal has no answer yet'],
  ['unconfirmed_full', 25, 'too many vouchers without an answer'],
  ['lanes_full', 26, 'no room for another lane'],
  ['over_tap_limit', 27, "above the lease's limit for one tap"],
  ['over_spend_limit', 28, "above the lease's spend limit"],
  ['stream_terms', 29, 'tick value or tick count outside the bounds'],
  ['declined', 30, 'the person or the policy of the device said no'],
  // ---- terminal: which voucher is it ----
  ['not_mine', 40, 'the request was issued by another terminal'],
  ['no_open_request', 41, 'no request is open and the voucher names none'],
  ['channel_mismatch', 42, 'another channel than the one that greeted'],
  ['scheme_unsupported', 62, 'the payer has a P-256 key, and this terminal checks secp256k1 only'],
  // ---- terminal: the lease ----
  ['hub_key_unknown', 43, 'the lease was signed by a key that this terminal does not know'],
  ['lease_mismatch', 44, 'the lease is for another channel or payer'],
  ['lease_scope', 45, 'the lease is for a scope that this terminal is no member of'],
  ['lease_future', 46, 'the lease begins later than now'],
  ['lease_expired', 47, 'the lease ran out'],
  ['revoked', 48, 'the channel was revoked by the hub'],
  // ---- terminal: the voucher ----
  ['signature', 49, 'not signed by the payer: wrong key, wrong domain, high S, or changed bytes'],
  ['ask_hub', 50, "older than the terminal's memory of this lane: only the hub knows"],
  ['seq_stale', 51, 'a seq that is not above the last one seen'],
  ['base_stale', 52, 'the lane stood lower than what this terminal holds already'],
  ['sum_wrong', 53, 'spent is below paid, or paid below the amount'],
  ['before_lease', 54, "spent stood below the lease's start: a rolled-back device"],
  ['terminal_over_tap_limit', 55, "above the lease's limit for one tap"],
  ['terminal_over_spend_limit', 56, "above the lease's spend limit"],
  ['cap_channel', 57, "above this terminal's limit for one channel until the hub acknowledges"],
  ['cap_total', 58, "above this terminal's limit for everything not acknowledged"],
  ['voids_waiting', 63, 'too many void vouchers of this channel wait for the hub already'],
  ['cap_uncovered', 64, 'above what the merchant risks on leases that nothing covers'],
  ['no_session', 59, 'no stream is open on this lane'],
  ['tick_order', 60, 'not the next tick'],
  ['tick_preimage', 61, 'the preimage does not hash to the last one'],
  // ---- hub ----
  [
    'no_receipt',
    70,
    'a voucher without its receipt or full credit: it could be claimed by a payee that never had it',
  ],
  ['channel_unknown', 71, 'no such channel on L2 (or not final yet)'],
  ['payee_unknown', 72, 'no such payee on L2'],
  ['terminal_unknown', 73, 'the terminal never registered with a certificate of this payee'],
  ['stream_unknown', 74, 'a tick whose stream was never collected'],
  ['voucher_unknown', 75, 'a credit whose voucher was never collected'],
  ['credit_range', 76, "a credit above the voucher's amount or below an earlier credit"],
  ['behind_ledger', 78, 'the device counts fewer vouchers than the ledger: restored or duplicated'],
  ['chain_stale', 79, "the hub's newest L2 block is too old to sign a lease"],
  ['exit_running', 80, 'the owner is leaving'],
  ['credits_overdue', 85, 'a payee of the scope owes its signature under a credit for too long'],
  ['scope_full', 81, 'as many terminals as the scope allows'],
  [
    'entropy_uncertified',
    82,
    'a key from a board without real entropy, and the hub is not in development mode',
  ],
  ['not_covered', 88, 'what the channel was lent in other scopes fills its bond'],
  ['register_stale', 87, 'a registration older than one that the device made since'],
  ['index_full', 86, 'the hub has no room for more: it signs no lease, and in the end takes no new entry'],
  ['queue_full', 83, 'the hub has too much to write: try again'],
  ['storage_failed', 84, 'the hub could not write: nothing was acknowledged, try again'],
] as const satisfies readonly (readonly [string, number, string])[];

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
