/**
 * A scenario as a JSON file: who is in the fleet, how they live, what goes wrong. Validated where it enters; the
 * README has a table of the fields. Numbers are whole: the simulation computes with integers only.
 */
import { z } from 'zod';
import { FAULT_KINDS, FAULT_LEVELS } from '../stage/faults/schedule.ts';

const share = z.int().min(0).max(1000);

/** When a kind of device has a network. */
const network = z.enum(['always', 'hourly', 'daily', 'never']);

export const ADVERSARIES = [
  'clone',
  'rollback',
  'stolen',
  'exit',
  'noCredits',
  'noReceipts',
  'replay',
  'relay',
  'hubWithholds',
  'hubBuries',
  'hubOverlends',
] as const;

const adversary = z.strictObject({
  kind: z.enum(ADVERSARIES),
  count: z.int().min(1).max(1000),
  size: z.int().min(1).max(100).optional(),
});
export type Adversary = z.infer<typeof adversary>;

export const scenarioSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{1,40}$/, 'lower-case letters, digits and dashes'),
  about: z.string().max(400),
  /** Devices when the command names none, and hours in which payments are made. */
  devices: z.int().min(2).max(100_000),
  hours: z
    .int()
    .min(1)
    .max(24 * 30),
  /** Parts of the fleet, in 1,000. */
  mix: z
    .strictObject({ wearable: share, pos: share, car: share, charger: share })
    .refine(
      (mix) => mix.wearable + mix.pos + mix.car + mix.charger === 1000,
      'the parts must add up to 1000',
    ),
  /**
   * People pay where they live and work: devices of one district, and sales, in 1,000, to somebody from anywhere. Absent:
   * one district, in which anybody meets anybody.
   */
  districts: z.strictObject({ devices: z.int().min(10).max(100_000), strangers: share }).optional(),
  /**
   * Leases name a scope: the merchants of a payer's own district, at most five terminals of which are members. Absent:
   * any terminal takes any lease.
   */
  scopes: z.boolean().optional(),
  /** Terminals of one merchant. */
  terminalsPerMerchant: z.int().min(1).max(100),
  salesPerDay: z.int().min(0).max(20_000),
  sessionsPerDay: z.int().min(0).max(1000),
  /** Fewest and most ticks that a car wants in one session; absent: a battery's worth, 40 to 320. */
  sessionTicks: z.tuple([z.int().min(1).max(10_000), z.int().min(1).max(10_000)]).optional(),
  /** Whole tokens in each channel. */
  deposit: z.int().min(10).max(1_000_000),
  /** Channels, in 1,000, to which the owner adds half a deposit at some time; absent: none. */
  topUps: share.optional(),
  /** Customers, in 1,000, that walk away in the middle of a tap, and cars that drive off. */
  hasty: share,
  /** Sales, in 1,000, that are paid back in part. */
  refunds: share,
  network: z.strictObject({ wearable: network, pos: network, car: network, charger: network }),
  /**
   * What the journals of devices stand on. `memory`: flash that never fails and is large enough; `journal`: a board's
   * 64 KiB, which wears, rots and loses power in the middle of words.
   */
  storage: z.enum(['memory', 'journal']),
  /** Each kind off, rare or frequent; `swarm` draws it from the seed. */
  faults: z.union([z.literal('swarm'), z.partialRecord(z.enum(FAULT_KINDS), z.enum(FAULT_LEVELS))]),
  /** Times at which faults begin and end, in 1,000 of the hours; absent: all of them. */
  faultWindow: z.tuple([share, share]).optional(),
  /** The hub is away for the whole time in which payments are made. */
  hubDown: z.boolean().optional(),
  /** Who cheats, and how many of them; `swarm` draws it from the seed. */
  adversaries: z.union([z.literal('swarm'), z.array(adversary)]),
  /** How long a lease lives; absent: as long as the protocol's own. */
  leaseMinutes: z.int().min(5).max(4320).optional(),
  /** Nodes of the chain that the hub asks, all of which must agree; absent: one. */
  nodes: z.int().min(1).max(5).optional(),
  /** Records that may wait for the hub's disk before it refuses more; absent: the hub's own bound. */
  hubQueueMax: z.int().min(1).max(8192).optional(),
  /** Payers, in 1,000, whose key is a secure element of P-256, which answers later; absent: none. */
  p256: share.optional(),
  /** Payers keep no clock while they are without power. */
  clocklessPayers: z.boolean().optional(),
  beaconMinutes: z.int().min(1).max(1440),
  batchMinutes: z.int().min(1).max(1440),
  /** Entries and lanes that a terminal's memory holds. */
  outboxMax: z.int().min(4).max(1024),
  lanesMax: z.int().min(4).max(1024),
});

export type Scenario = z.infer<typeof scenarioSchema>;
export type AdversaryKind = (typeof ADVERSARIES)[number];
