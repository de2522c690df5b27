/** Hashes of final blocks: what the registry keeps of them, and where two chains part. Pure but for the questions. */
import { SundialError } from '../../protocol/errors.ts';
import { finalHashesMax } from '../limits.ts';
import type { Block, L2 } from '../ports.ts';

/** Hashes by height, as the registry has them. */
export type Finals = Readonly<Record<string, string>>;

/** The newest blocks of which every one is kept. */
const NEAR = finalHashesMax / 4;

/** With one more block: `null` for those that are let go, so that near ones are dense and far ones rare. */
export function finalsPatch(finals: Finals, block: Block): Record<string, `0x${string}` | null> {
  const heights = Object.keys(finals)
    .map(Number)
    .sort((a, b) => a - b);
  const patch: Record<string, `0x${string}` | null> = {};
  const steps = new Set<number>();
  for (const [i, height] of heights.entries()) {
    const isNear = i >= heights.length - NEAR;
    // The oldest of each doubling by square roots stays: it moves on to the next one as the chain grows.
    const step = Math.floor(2 * Math.log2(1 + Math.max(0, block.height - height)));
    if (height > block.height || (!isNear && steps.has(step))) patch[height] = null;
    steps.add(step);
  }
  patch[block.height] = block.hash;
  return patch;
}

/** The highest final block that still stands as it was kept; -1 when none does. */
export async function lastCommon(l2: L2, finals: Finals, newest: number): Promise<number> {
  const heights = Object.keys(finals)
    .map(Number)
    .filter((height) => height <= newest)
    .sort((a, b) => b - a);
  for (const height of heights) if ((await l2.blockAt(height)).hash === finals[String(height)]) return height;
  return -1;
}

/** A node that tells two blocks of one height. */
export const torn = (height: number): SundialError =>
  new SundialError('l2_unproved', `the node told two different blocks ${height}`, {
    severity: 'call',
    remedy: 'Nothing to do: the hub asks again. A node that goes on so has to be replaced.',
    facts: { height },
  });
