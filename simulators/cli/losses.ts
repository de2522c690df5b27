/**
 * What simulated attacks by copied keys come to, for the console, which can't simulate: writes hub/desk/simulated-losses.json.
 * Argument: attacks for each figure. Deterministic: the same number of attacks gives the same file.
 */
import { writeFileSync } from 'node:fs';
import { standInSuite } from '../stage/world/suite.ts';
import { sweepOne } from '../scenarios/sweep.ts';

/** Whole tokens. What is lost follows the deposit, as limits are shares of it. */
const DEPOSIT = 300;
export const COPIES = [1, 2, 5, 10] as const;
export const NETWORKS = ['always', 'hourly', 'never'] as const;
const FIRST_SEED = 1;

/** One figure: attacks by `copies` copies of a key, each merchant with a till of its own. */
export async function lossOf(network: (typeof NETWORKS)[number], copies: number, seeds: number) {
  const row = await sweepOne(standInSuite, FIRST_SEED, seeds, copies, DEPOSIT, network, 'many');
  return { network, copies, lost: row.lost, lostMost: row.lostMost };
}

export async function writeLosses(path: string, seeds: number): Promise<void> {
  const rows = [];
  for (const network of NETWORKS)
    for (const copies of COPIES) {
      process.stderr.write(`${seeds} attacks by ${copies} copies, terminals online: ${network}\n`);
      rows.push(await lossOf(network, copies, seeds));
    }
  const file = { deposit: DEPOSIT * 1_000_000, seeds, rows };
  writeFileSync(path, `${JSON.stringify(file, undefined, 2)}\n`);
}
