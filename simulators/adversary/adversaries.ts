/** Puts the adversaries of a scenario into the fleet. */
import { unreachable } from '../../protocol/errors.ts';
import type { PayerActor } from '../fleet/actors.ts';
import { tap } from '../fleet/tap.ts';
import { ADVERSARIES, type Adversary } from '../scenarios/schema.ts';
import type { Run } from '../fleet/run.ts';
import { WARMUP_MS } from '../fleet/timing.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE } from '../stage/world/world.ts';
import { planAnnouncer } from './announcer.ts';
import { planDuplicate } from './duplicate.ts';
import { planHotKey } from './hot-key.ts';
import { planOldTimes } from './old-times.ts';
import { planOldUnknowns } from './old-unknowns.ts';
import { planRelays } from './relay.ts';
import { planReplays } from './replay.ts';

/** Copies, taps an hour of a thief or a relay, or how often a deposit is lent, when the scenario names no size. */
const SIZE = 5;
/** What a terminal never says that keeps its customers without an answer. */
const ANSWERS: ReadonlySet<string> = new Set(['receipt', 'credit', 'tickAnswer']);

export function planAdversaries(simulation: Run): void {
  const { adversaries } = simulation.options.scenario;
  const own = simulation.random.fork('adversaries');
  const drawn =
    adversaries === 'swarm'
      ? drawAdversaries(own)
      : adversaries.filter(({ kind, chance }) => chance === undefined || own.fork(kind).chance(chance));
  for (const adversary of drawn)
    for (let i = 0; i < adversary.count; i++) {
      const random = simulation.random.fork(`${adversary.kind} ${i}`);
      plan(simulation, random, adversary, i);
    }
}

/** Kinds that a run draws, in 1,000: most have one or two of the thirteen that are drawn. */
const DRAWN = 150;

/** Kinds with a hunt of their own: `hunt-keys`, as where outboxes are small next to nothing is kept, and `hunt-announcements`. */
const APART: ReadonlySet<string> = new Set(['hotKey', 'announce']);

/** Draws who cheats: each kind is there or not, so that any two meet in some seed. */
function drawAdversaries(random: Random): Adversary[] {
  return ADVERSARIES.filter((kind) => !APART.has(kind) && random.fork(kind).chance(DRAWN)).map((kind) => ({
    kind,
    count: 1 + random.fork(`${kind} count`).below(2),
    size: 1 + random.fork(`${kind} size`).below(6),
  }));
}

function plan(simulation: Run, random: Random, adversary: Adversary, number: number): void {
  const { fleet, hub, chain, world } = simulation;
  const size = adversary.size ?? SIZE;
  const span = simulation.activeUntilMs - WARMUP_MS;
  const payer = fleet.payers[number];
  switch (adversary.kind) {
    case 'clone':
    case 'rollback':
      if (payer !== undefined) planDuplicate(simulation, random, payer, size, adversary.kind);
      return;
    case 'stolen':
      if (payer !== undefined) planThief(simulation, random, payer, size);
      return;
    case 'noCredits': {
      const merchant = fleet.merchants[number];
      if (merchant !== undefined) merchant.givesCredits = false;
      return;
    }
    case 'noReceipts': {
      const merchant = fleet.merchants[number];
      for (const { device } of merchant?.terminals ?? []) device.mutes = ANSWERS;
      return;
    }
    case 'replay': {
      const terminal = fleet.terminals[number];
      if (terminal !== undefined) planReplays(simulation, random, terminal);
      return;
    }
    case 'relay':
      if (payer !== undefined) planRelays(simulation, random, payer, size);
      return;
    case 'oldTimes':
      if (payer !== undefined) planOldTimes(simulation, random, payer);
      return;
    case 'oldUnknowns':
      if (payer !== undefined) planOldUnknowns(simulation, random, payer);
      return;
    case 'hotKey':
      return planHotKey(simulation, random);
    case 'hubBuries':
      // It goes on acknowledging for the second half of the time, and for good.
      world.at(WARMUP_MS + Math.floor(span / 2), () => {
        hub.l2.buries = true;
      });
      return;
    case 'hubOverlends':
      hub.l2.lends = size;
      return;
    case 'hubWithholds':
      // It answers nobody for the second half of the time; what payees hold stays theirs.
      world.at(WARMUP_MS + Math.floor(span / 2), () => {
        hub.withholds = true;
      });
      return;
    case 'announce':
      if (payer !== undefined) planAnnouncer(simulation, random, payer);
      return;
    case 'exit':
      if (payer === undefined) return;
      world.at(WARMUP_MS + random.between(0, span), () => {
        chain.submit({
          name: 'exit',
          run: (vault, at) => vault.startExit(payer.channel, at),
        });
      });
      return;
    default:
      return unreachable(adversary.kind);
  }
}

/** Someone finds a wearable and pays with it until its owner's call to the hub has reached the tills. */
function planThief(simulation: Run, random: Random, payer: PayerActor, perHour: number): void {
  const { world, fleet, hub } = simulation;
  const start = WARMUP_MS + MINUTE;
  const gap = Math.floor((60 * MINUTE) / perHour);
  const steal = (): void => {
    if (world.nowMs > simulation.activeUntilMs - 5 * MINUTE) return;
    const terminal = random.pick(fleet.terminals);
    if (!payer.busy && !terminal.busy && terminal.role === 'pos')
      tap(
        simulation,
        random,
        payer,
        terminal,
        { amount: random.between(1_000_000, 20_000_000) },
        {
          hasty: false,
          refund: false,
        },
      );
    world.after(random.between(MINUTE, gap), steal);
  };
  world.at(start, steal);
  world.at(start + 60 * MINUTE, () => hub.revoke(payer.channel));
}
