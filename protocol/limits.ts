/**
 * Every bound of the protocol, each with its reason, and the timing constants of the money rules.
 * Bounds that belong to one host (queue lengths of the hub, flash sizes) stand with that host.
 */
import { type Amount, addAmounts, amount, multiplyAmount } from './integers.ts';
import { SundialError } from './errors.ts';

// ---- messages ----

/** Bytes of one BLE packet at the usual negotiated size: a larger tap message takes three times as long. */
export const TAP_MESSAGE_BYTES_MAX = 244;
/** Bytes of a voucher on the wire: leaves room for the link's own header in the smallest common BLE packet. */
export const VOUCHER_BYTES_MAX = 182;
/** Bytes of a message to or from the hub: 32 entries of at most 468 bytes each. */
export const SYNC_MESSAGE_BYTES_MAX = 16_384;
/** Entries a device sends in one message when it drains its outbox: keeps a message below 16 KiB. */
export const PACK_ENTRIES_MAX = 32;
/** Bytes of one packed entry: the largest is a collected stream with a P-256 key, 462. */
export const PACK_ENTRY_BYTES_MAX = 468;
/** Characters of a currency text: three letters as in ISO 4217, or a token's name. */
export const CURRENCY_BYTES_MAX = 8;
/** Channels in one revocation list: 5 bytes each, so a list stays below half a sync message. */
export const REVOCATIONS_MAX = 1024;

// ---- payer ----

/** Vouchers without an answer that a payer carries at once; more means that something is wrong with it. */
export const UNCONFIRMED_MAX = 8;
/** Lanes of one payer: a payer never forgets a lane, so the journal must hold them all. */
export const LANES_MAX = 512;
/** Other lanes that a voucher commits to: 26 bytes each keep the list below a kilobyte. */
export const LISTED_LANES_MAX = 32;
/** Second copies that a payer keeps for the hub. The terminal holds the first, so the oldest may go. */
export const PAYER_OUTBOX_MAX = 32;
/** Terminal certificates that a payer remembers; an evicted one is asked for again. */
export const CERTIFICATES_MAX = 64;
/** Ticks of one stream: 256 steps of the chain are recomputed in the worst case; then a new stream opens. */
export const TICKS_MAX = 256;

// ---- terminal ----

/** Hub keys that a device keeps: the current, the next, and two that are running out. */
export const HUB_KEYS_MAX = 4;
/** Seconds that a certificate of the hub's root is good for: how long a thief of the key has when nobody notices. */
export const HUB_KEY_LIFE_MAX = 30 * 86_400;
/** Seconds that the root certifies a key ahead of its first use: a thief who is there early has no more. */
export const HUB_KEY_AHEAD_MAX = 10 * 86_400;
/**
 * Revoked hub keys that a device remembers: each for 40 days, after which no certificate of it is in time. A ninth in that
 * time pushes the oldest out; the root then begins a new epoch instead.
 */
export const REVOKED_KEYS_MAX = 8;
/** Lanes that a terminal remembers; only acknowledged ones are evicted. */
export const TERMINAL_LANES_MAX = 1024;
/** Entries that wait for the hub's acknowledgement before a terminal stops accepting offline. */
export const TERMINAL_OUTBOX_MAX = 1024;
/**
 * Entries that a terminal keeps at most after they were acknowledged, should it have been by a thief: what goes up again when
 * the hub's root takes a key back is two messages, and a flash is not written anew all the time for it.
 */
export const KEPT_MAX = 64;
/**
 * Voids of one channel that wait for the hub at a terminal, N of rule 15: whoever invents late vouchers fills no more of
 * its outbox. Requests go to a channel only while two places are left, so that a voucher which comes late after all has one.
 */
export const VOIDS_WAITING_MAX = 4;
/** Seconds that a request stays open when nobody taps. */
export const REQUEST_OPEN_SECONDS = 120;
/**
 * Seconds that a clearance is good for beside what an L2 block may be old and a clock off (`clearanceLife`): as long as its
 * request stays open by the terminal's own timer.
 */
export const CLEARANCE_SECONDS = REQUEST_OPEN_SECONDS;
/** Seconds that a charge session survives a broken link: a radio may drop out, a car that is gone stays gone. */
export const SESSION_LOST_SECONDS = 30;
/** Terminals in one scope that may be offline at once, H of the loss bound. */
export const SCOPE_TERMINALS_MAX = 5;

// ---- device and hub ----

/** Milliseconds after which a device sends again what the hub has not answered. */
export const SYNC_RETRY_MS = 5000;
/**
 * Longest pause, milliseconds, between two questions to the hub about a voucher that it does not know: its terminal may
 * hand it in days later, and every answer costs the hub a signature.
 */
export const ASK_PAUSE_MAX_MS = 600_000;
/** A device stores the hub's time at most this often, so that beacons don't wear out the flash. */
export const TIME_STORE_SECONDS = 3600;

// ---- money ----

/** Share of the deposit that can't be spent and is slashed on proved fraud, in 1/10000. */
export const BOND_PER_10000 = 2000;
/** Share of the deposit that one tap may take, in 1/10000. */
export const TAP_LIMIT_PER_10000 = 175;
/** A channel's total at one terminal, in tap limits, until the hub acknowledges. */
export const CHANNEL_CAP_TAPS = 2;
/** A tick is at most this part of the tap limit, so that five terminals in scope stay within the bond. */
export const TICK_VALUE_DIVISOR = 4;

// ---- time, seconds ----

export interface Timing {
  /** How long a lease is valid. */
  readonly leaseLifetime: number;
  /** How long a payee's terminal may stay without the hub. */
  readonly payeeOfflineMax: number;
  /** How old the hub's newest L2 block may be when it signs a lease. */
  readonly watchLag: number;
  /** How far a device's time may be off. */
  readonly clockError: number;
  /** Time for the hub to settle what a late terminal brings. */
  readonly claimMargin: number;
  /** From announcing a batch to executing it on L2, for everybody but the hub's settlers. */
  readonly slowLane: number;
  /** How long the owner waits between starting and finishing an exit. */
  readonly exitDelay: number;
}

const HOUR = 3600;
const DAY = 24 * HOUR;

export const DEFAULT_TIMING: Timing = {
  leaseLifetime: 72 * HOUR,
  payeeOfflineMax: 7 * DAY,
  watchLag: HOUR,
  clockError: 2 * HOUR,
  claimMargin: 48 * HOUR,
  slowLane: 48 * HOUR,
  exitDelay: 15 * DAY,
};

/**
 * Returns `timing` when an owner cannot leave before the last voucher accepted within the rules is settled:
 * exitDelay >= watchLag + leaseLifetime + clockError + payeeOfflineMax + claimMargin + slowLane. Throws `timing`
 * otherwise.
 */
export function checkTiming(timing: Timing): Timing {
  const least =
    timing.watchLag +
    timing.leaseLifetime +
    timing.clockError +
    timing.payeeOfflineMax +
    timing.claimMargin +
    timing.slowLane;
  if (!(timing.exitDelay >= least)) {
    throw new SundialError(
      'timing',
      `exitDelay is ${timing.exitDelay} s, below the ${least} s of its parts`,
      {
        severity: 'process',
        remedy: `Set exitDelay to ${least} or more, or shorten the lease or the offline time.`,
        facts: { exitDelay: timing.exitDelay, least },
      },
    );
  }
  return timing;
}

/** Seconds from a clearance's block to its end: the block may be old, and the terminal's clock off. */
export const clearanceLife = ({ watchLag, clockError }: Timing): number =>
  watchLag + clockError + CLEARANCE_SECONDS;

/** `share` in 1/10000 of `whole`, rounded down; the rest is divided first so that nothing overflows. */
export function shareOf(whole: Amount, share: number): Amount {
  return addAmounts(
    multiplyAmount(amount(Math.floor(whole / 10_000)), share),
    amount(Math.floor(((whole % 10_000) * share) / 10_000)),
  );
}

/** The most that a channel may owe at one terminal: its taps until the hub acknowledges, and the tick that is open. */
export const terminalCapOf = (tapLimit: Amount): Amount =>
  addAmounts(multiplyAmount(tapLimit, CHANNEL_CAP_TAPS), amount(Math.floor(tapLimit / TICK_VALUE_DIVISOR)));

/** The most that one duplicated payer can cost the payees of one scope during one lease (rule 10). */
export function lossBound(facts: {
  readonly terminals: number;
  readonly window: Amount;
  readonly cap: Amount;
  readonly tickValue: Amount;
  readonly bond: Amount;
}): Amount {
  const each = addAmounts(amount(Math.min(facts.window, facts.cap)), facts.tickValue);
  return amount(Math.max(0, multiplyAmount(each, facts.terminals) - facts.bond));
}
