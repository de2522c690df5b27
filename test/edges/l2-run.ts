/** Every case of L2, one after the other on one chain, counted. */
import { startGround } from './l2/ground.ts';
import { CASES } from './l2/index.ts';

/** How many were run, and what was wrong, by case. */
export interface L2Tally {
  readonly cases: number;
  readonly wrong: readonly string[];
}

/** Runs all; `done` hears of each. */
export async function l2Counts(done: (cases: number, of: number) => void = () => {}): Promise<L2Tally> {
  const ground = await startGround();
  const wrong: string[] = [];
  let cases = 0;
  try {
    for (const { name, run } of CASES) {
      const found = await run(ground).catch((error: unknown) => [String(error)]);
      for (const road of [ground.road, ...ground.others]) road.tell(undefined);
      if (found.length > 0) wrong.push(`${name}: ${found.join('; ')}`);
      cases += 1;
      done(cases, CASES.length);
    }
  } finally {
    await ground.close();
  }
  return { cases, wrong };
}
