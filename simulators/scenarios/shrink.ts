/**
 * Makes a failing run small: fewer faults, then a shorter time. Each step runs the same seed again; what is left out
 * changes no other random number, so the same violation is looked for, not any.
 */
import { SECOND } from '../stage/world/world.ts';
import { Simulation, type SimulationOptions } from '../fleet/simulation.ts';
import { WARMUP_MS } from '../fleet/timing.ts';

export interface Reproducer {
  readonly seed: number;
  /** Faults of the schedule that it needs. */
  readonly faults: readonly number[];
  readonly untilMs: number;
  readonly checker: string;
  readonly words: string;
  readonly runs: number;
}

/** Runs that shrinking may take: some minutes for the small fleets of a hunt. */
const RUNS_MAX = 120;

export async function shrink(options: SimulationOptions): Promise<Reproducer | undefined> {
  let runs = 0;
  const fails = async (keepFaults: ReadonlySet<number>, untilMs: number): Promise<Simulation | undefined> => {
    runs += 1;
    const simulation = new Simulation({ ...options, keepFaults, untilMs });
    await simulation.run();
    return simulation.violations.some(({ checker }) => checker === wanted) ? simulation : undefined;
  };
  const first = new Simulation(options);
  await first.run();
  const [violation] = first.violations;
  if (violation === undefined) return undefined;
  const wanted = violation.checker;
  let faults = first.faults.filter(({ atMs }) => atMs <= first.activeUntilMs).map(({ id }) => id);
  if (options.keepFaults !== undefined) faults = faults.filter((id) => options.keepFaults!.has(id));
  let untilMs = first.activeUntilMs;
  let words = violation.words;
  const take = async (keep: readonly number[], until: number): Promise<boolean> => {
    if (runs >= RUNS_MAX) return false;
    const found = await fails(new Set(keep), until);
    if (found === undefined) return false;
    words = found.violations[0]!.words;
    return true;
  };
  if (await take([], untilMs)) faults = [];
  // Halves, quarters, eighths: what can be left out together, is.
  for (let parts = 2; faults.length > 1 && parts <= 2 * faults.length && runs < RUNS_MAX; ) {
    const size = Math.ceil(faults.length / parts);
    let smaller = false;
    for (let start = 0; start < faults.length; start += size) {
      const rest = [...faults.slice(0, start), ...faults.slice(start + size)];
      if (rest.length === faults.length || !(await take(rest, untilMs))) continue;
      faults = rest;
      smaller = true;
      break;
    }
    parts = smaller ? Math.max(2, parts - 1) : 2 * parts;
  }
  let low = WARMUP_MS;
  while (untilMs - low > 30 * SECOND && runs < RUNS_MAX) {
    const middle = Math.floor((low + untilMs) / 2 / SECOND) * SECOND;
    if (await take(faults, middle)) untilMs = middle;
    else low = middle;
  }
  return { seed: options.seed, faults, untilMs, checker: wanted, words, runs };
}
