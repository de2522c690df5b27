/**
 * A duplicated or restored payer, as clever as rule 10 assumes: it first spends nearly all it has at an accomplice,
 * takes a fresh lease over the rest, and then spends that rest once at every terminal it reaches, each time from a
 * copy that knows nothing of the others.
 */
import { CHANNEL_CAP_TAPS, shareOf, TAP_LIMIT_PER_10000 } from '../../protocol/limits.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import { tap } from '../fleet/tap.ts';
import type { Run } from '../fleet/run.ts';
import { WARMUP_MS } from '../fleet/timing.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND } from '../stage/world/world.ts';

/** Between two taps at the accomplice: long enough for its acknowledgement. */
const FENCE_MS = 40 * SECOND;
/** Between the two taps at a victim. */
const AGAIN_MS = 30 * SECOND;

export function planDuplicate(
  simulation: Run,
  random: Random,
  payer: PayerActor,
  size: number,
  kind: 'clone' | 'rollback',
): void {
  const { world, fleet, vault } = simulation;
  const [fence, ...others] = fleet.terminals;
  if (fence === undefined || others.length === 0) return;
  payer.honest = false;
  fleet.takeOut(payer);
  // The accomplice has a network all the time, whatever the scenario says of honest tills.
  fleet.setNetwork(fence.device, true);
  fence.busy = true;
  const { deposited, bond } = vault.channel(payer.channel);
  const tapLimit = shareOf(deposited as never, TAP_LIMIT_PER_10000);
  const left = deposited - bond - CHANNEL_CAP_TAPS * tapLimit;
  const spendDown = (): void => {
    const { spent } = payer.device.books;
    fence.device.goOnline();
    if (spent + tapLimit > left) {
      // A new lease from the present numbers on.
      payer.device.goOnline();
      world.after(2 * MINUTE, () => {
        payer.device.goOffline();
        attack(simulation, random, payer, others, size, tapLimit, kind);
      });
      return;
    }
    tap(simulation, random, payer, fence, { amount: tapLimit }, { hasty: false, refund: false });
    world.after(FENCE_MS, spendDown);
  };
  world.at(WARMUP_MS + MINUTE, spendDown);
}

function attack(
  simulation: Run,
  random: Random,
  payer: PayerActor,
  terminals: readonly TerminalActor[],
  size: number,
  tapLimit: number,
  kind: 'clone' | 'rollback',
): void {
  const { world, fleet } = simulation;
  const image = payer.device.storedBooks;
  const victims = shuffled(random, terminals).slice(0, size);
  const gapMs = Math.floor(
    (simulation.activeUntilMs - world.nowMs - 10 * MINUTE) / Math.max(1, victims.length),
  );
  if (gapMs < 3 * MINUTE) return;
  victims.forEach((victim, number) => {
    world.after(number * gapMs + random.between(0, MINUTE), () => {
      let device = payer;
      if (kind === 'clone') device = fleet.addCopy(simulation, payer, number + 1);
      else payer.device.powerOff('flash is copied back');
      device.device.restore(image);
      device.device.boot();
      device.busy = false;
      spend(simulation, random, device, victim, tapLimit, CHANNEL_CAP_TAPS);
    });
  });
}

function spend(
  simulation: Run,
  random: Random,
  device: PayerActor,
  victim: TerminalActor,
  units: number,
  times: number,
): void {
  if (times === 0) return;
  const { world } = simulation;
  if (victim.busy)
    return void world.after(AGAIN_MS, () => spend(simulation, random, device, victim, units, times));
  tap(simulation, random, device, victim, { amount: units }, { hasty: false, refund: false });
  world.after(AGAIN_MS, () => spend(simulation, random, device, victim, units, times - 1));
}

function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const left = list.slice();
  const out: T[] = [];
  while (left.length > 0) out.push(...left.splice(random.below(left.length), 1));
  return out;
}
