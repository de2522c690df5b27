/**
 * A scenario as a JSON file: who is in the fleet, how they live, what goes wrong, what is expected. Validated where it
 * enters. What is said here of each field is what errors say (`fields.ts`), and the table of simulators/README.md. Numbers
 * are whole: the simulation computes with integers only.
 */
import { z } from 'zod';
import { REFUSALS, type RefusalName } from '../../protocol/refusals.ts';
import { FAULT_KINDS, FAULT_LEVELS, GROUP_FAULTS } from '../stage/faults/kinds.ts';

const share = z.int().min(0).max(1000);
const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,40}$/, 'lower-case letters, digits and dashes, from a letter on');
const duration = z.string().regex(/^\d{1,3}:[0-5]\d(:[0-5]\d)?$/, 'hours:minutes or hours:minutes:seconds');

const network = z.enum(['always', 'hourly', 'daily', 'never']);
const storage = z.enum(['memory', 'journal']);
const outboxMax = z.int().min(4).max(1024);
const lanesMax = z.int().min(4).max(1024);
const salesPerDay = z.int().min(0).max(20_000);
const sessionsPerDay = z.int().min(0).max(1000);

export const ADVERSARIES = [
  'clone',
  'rollback',
  'stolen',
  'exit',
  'noCredits',
  'noReceipts',
  'replay',
  'relay',
  'oldTimes',
  'oldUnknowns',
  'hotKey',
  'announce',
  'hubWithholds',
  'hubBuries',
  'hubOverlends',
] as const;

const adversary = z.strictObject({
  kind: z.enum(ADVERSARIES).describe('see "Who cheats"'),
  count: z.int().min(1).max(1000).describe('how many of them'),
  size: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe('copies, taps an hour, or how often a deposit is lent (5)'),
  chance: share.min(1).optional().describe('seeds, in 1,000, in which they are there (all)'),
});
export type Adversary = z.infer<typeof adversary>;

const rate = z.union([
  z.enum(FAULT_LEVELS),
  z.strictObject({
    per1000Hours: z
      .int()
      .min(0)
      .max(10_000_000)
      .describe('times in 1,000 hours, of each device where the kind hits one, or else of the run'),
    for: duration.optional().describe('how long each lasts (drawn)'),
    size: z
      .int()
      .min(0)
      .max(10_000_000)
      .optional()
      .describe('how hard each is, in the unit of its kind (drawn)'),
  }),
]);

const refusalNames = REFUSALS.map(([code]) => code) as unknown as [RefusalName, ...RefusalName[]];

const expect = z.strictObject({
  approved: share.optional().describe('sales approved in 1,000 sales asked, at least'),
  asked: z.int().min(0).optional().describe('sales asked, at least: what was never asked was never refused'),
  refusals: z
    .partialRecord(z.enum(refusalNames), z.int().min(0))
    .optional()
    .describe('sales refused, by reason (protocol/README.md lists them), at most'),
  frozen: z.int().min(0).optional().describe('devices frozen at the end, at most'),
});
export type Expect = z.infer<typeof expect>;

const group = z.strictObject({
  name: name.describe('its name in reports; no device may have it'),
  role: z.enum(['wearable', 'pos', 'car', 'charger']).describe('which part of the mix it refines'),
  count: z.int().min(1).max(100_000).optional().describe('how many devices; either this or `share`'),
  share: share.min(1).optional().describe('its part of the devices of the role, in 1,000, one at least'),
  network: network.optional().describe('when its devices have a network (as the scenario)'),
  storage: storage.optional().describe('what its journals stand on (as the scenario)'),
  outboxMax: outboxMax
    .optional()
    .describe('entries that wait for the hub; only `pos` and `charger` (as the scenario)'),
  lanesMax: lanesMax.optional().describe('lanes in memory; only `pos` and `charger` (as the scenario)'),
  salesPerDay: salesPerDay.optional().describe('sales asked at each; only `pos` (as the scenario)'),
  sessionsPerDay: sessionsPerDay
    .optional()
    .describe('sessions asked at each; only `charger` (as the scenario)'),
  p256: share.optional().describe('with a P-256 key, in 1,000; only `wearable` and `car` (as the scenario)'),
  faults: z
    .partialRecord(z.enum(GROUP_FAULTS), rate)
    .optional()
    .describe(
      'kinds named here hit its devices so often, whatever the scenario says of them; others as the scenario',
    ),
  expect: expect.optional().describe('as `expect`, of this group alone'),
});
export type Group = z.infer<typeof group>;

const scripted = z.strictObject({
  at: duration.describe('time since payments began'),
  fault: z.enum(FAULT_KINDS).describe('a kind of fault'),
  device: z.string().optional().describe('the device that it hits, or whose links, such as `pos-3`'),
  group: z.string().optional().describe('instead: every device of this group, or their links'),
  for: duration.optional().describe('how long it lasts (drawn)'),
  size: z
    .int()
    .min(0)
    .max(10_000_000)
    .optional()
    .describe('how hard, in the unit of its kind (drawn; for `powerCut` 0: at once)'),
});
export type Scripted = z.infer<typeof scripted>;

export const scenarioSchema = z.strictObject({
  name: name.describe('how reports call it'),
  about: z.string().max(400).describe('a sentence for the reader of reports'),
  devices: z.int().min(2).max(100_000).describe('devices, when the command names none'),
  hours: z
    .int()
    .min(1)
    .max(24 * 30)
    .describe('hours in which payments are made, from eight in the morning'),
  mix: z
    .strictObject({ wearable: share, pos: share, car: share, charger: share })
    .refine((mix) => mix.wearable + mix.pos + mix.car + mix.charger === 1000, 'the parts must add up to 1000')
    .describe('parts of the fleet, in 1,000, together 1,000'),
  groups: z.array(group).max(100).optional().describe('devices of a role that are unlike the others'),
  districts: z
    .strictObject({
      devices: z.int().min(10).max(100_000).describe('devices of one district'),
      strangers: share.describe('sales, in 1,000, to somebody from anywhere'),
    })
    .optional()
    .describe('people pay where they live and work (one district, in which anybody meets anybody)'),
  scopes: z
    .boolean()
    .optional()
    .describe(
      "leases name a scope: the merchants of the payer's district, five terminals at most (any terminal)",
    ),
  terminalsPerMerchant: z.int().min(1).max(100).describe('terminals of one merchant'),
  salesPerDay: salesPerDay.describe('sales asked at each till in a day'),
  sessionsPerDay: sessionsPerDay.describe('sessions asked at each charge point in a day'),
  sessionTicks: z
    .tuple([z.int().min(1).max(10_000), z.int().min(1).max(10_000)])
    .optional()
    .describe("fewest and most ticks that a car wants (a battery's worth: 40 to 320)"),
  deposit: z.int().min(10).max(1_000_000).describe('whole tokens in each channel'),
  topUps: share
    .optional()
    .describe('channels, in 1,000, to which the owner adds half a deposit at some time (none)'),
  hasty: share.describe('customers, in 1,000, that walk off in the middle of a tap, and cars that drive off'),
  refunds: share.describe('sales, in 1,000, that are paid back in part'),
  largeSales: share
    .optional()
    .describe(
      'sales, in 1,000, of several times what a tap may be: tills ask the hub for a clearance first, and owners say yes to the largest (none)',
    ),
  holds: share
    .optional()
    .describe(
      'sales, in 1,000, that ask for the most, and give back what was not used within the hour (none)',
    ),
  tips: share.optional().describe('sales, in 1,000, on which the customer adds 5 to 20 in 100 (none)'),
  tills: share
    .optional()
    .describe(
      "tills, in 1,000, that run the till's program: baskets, tips, parts, holds, refunds and days stand in its books (none)",
    ),
  gateways: share
    .optional()
    .describe(
      'charge points, in 1,000, behind an OCPP gateway: it follows the meter, and prices energy, time, idling, VAT by a tariff of its own (none)',
    ),
  pauses: share
    .optional()
    .describe('charge sessions, in 1,000, in which nothing flows for some minutes and then goes on (none)'),
  network: z
    .strictObject({ wearable: network, pos: network, car: network, charger: network })
    .describe('when devices of a role have a network; `hourly` and `daily` for some minutes each'),
  storage: storage.describe(
    'what journals stand on: `memory` is large and never fails; `journal` is the 64 KiB of a board, which wear, rot and lose power within a word',
  ),
  faults: z
    .union([z.literal('swarm'), z.partialRecord(z.enum(FAULT_KINDS), rate)])
    .describe(
      'how often each kind of fault happens, see the table of faults; `swarm` draws it from the seed',
    ),
  faultWindow: z
    .tuple([share, share])
    .optional()
    .describe('when faults begin and end, in 1,000 of the hours (all of them)'),
  script: z
    .array(scripted)
    .max(1000)
    .optional()
    .describe('faults at a time of their own, beside those drawn'),
  hubDown: z.boolean().optional().describe('the hub is away for the whole time in which payments are made'),
  adversaries: z
    .union([z.literal('swarm'), z.array(adversary)])
    .describe('who cheats; `swarm` draws it from the seed'),
  leaseMinutes: z.int().min(5).max(4320).optional().describe("how long a lease lives (the protocol's own)"),
  slowLaneMinutes: z
    .int()
    .min(30)
    .max(2880)
    .optional()
    .describe("minutes from an announcement on L2 to its execution (the protocol's own)"),
  offices: share
    .optional()
    .describe('merchants, in 1,000, whose office watches L2 and takes its money there by itself (none)'),
  nodes: z
    .int()
    .min(1)
    .max(5)
    .optional()
    .describe('nodes of the chain that the hub asks, which must all agree (1)'),
  drainHours: z
    .int()
    .min(3)
    .max(240)
    .optional()
    .describe(
      'hours that everything may take after payments and faults stop (3); a large fleet has more to settle',
    ),
  hubQueueMax: z
    .int()
    .min(1)
    .max(8192)
    .optional()
    .describe("records that may wait for the hub's disk before it refuses more (the hub's own bound)"),
  p256: share
    .optional()
    .describe('payers, in 1,000, whose key is a secure element of P-256, which answers after 60 ms (none)'),
  clocklessPayers: z
    .boolean()
    .optional()
    .describe('payers keep no clock while they are without power (they do)'),
  hubKeyHours: z
    .int()
    .min(1)
    .max(720)
    .optional()
    .describe('hours that a day-to-day key of the hub is certified; the next begins after two thirds (720)'),
  beaconMinutes: z.int().min(1).max(1440).describe("minutes between the hub's beacons"),
  batchMinutes: z.int().min(1).max(1440).describe('minutes between settlements'),
  outboxMax: outboxMax.describe('entries that a terminal keeps for the hub'),
  lanesMax: lanesMax.describe('lanes that a terminal keeps'),
  expect: expect
    .optional()
    .describe('what the run must come to: if it misses one, the command ends with code 1'),
});

export type Scenario = z.infer<typeof scenarioSchema>;
export type AdversaryKind = (typeof ADVERSARIES)[number];
