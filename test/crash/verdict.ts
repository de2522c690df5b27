/** What devices were told, against what a ledger holds. */
import type { Load } from './load.ts';

/** What became of what was acknowledged. */
export interface Found {
  readonly acknowledged: number;
  readonly missing: number;
  readonly doubled: number;
  readonly signedTwice: number;
}

/** `found`: positions of each entry in the ledger, by digest (hex). */
export function judge(load: Load, found: ReadonlyMap<string, readonly number[]>): Found {
  let missing = 0;
  for (const [id, position] of load.acknowledged) if (!found.get(id)?.includes(position)) missing += 1;
  let doubled = 0;
  for (const positions of found.values()) if (positions.length > 1) doubled += 1;
  return { acknowledged: load.acknowledged.size, missing, doubled, signedTwice: load.signedTwice };
}
