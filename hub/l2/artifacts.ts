/** What the compiler made of the contracts, as tools/contracts.mjs leaves it in build/contracts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Hex } from 'viem';

export interface Artifact {
  readonly bytecode: Hex;
}

/** The contracts that are deployed by name; Reserve comes with Pots, a split with Splits. */
const NAMES = ['Time', 'Timelock', 'Registry', 'Vault', 'Pots', 'Mandates', 'Splits'] as const;

export type Artifacts = Readonly<Record<(typeof NAMES)[number], Artifact>>;

/** Reads compiled contracts from a folder; says how to make them when they aren't there. */
export function readArtifacts(folder: string): Artifacts {
  const read = (name: string): Artifact => {
    const file = join(folder, `${name}.json`);
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as Artifact;
    } catch (cause) {
      throw new Error(`${file} can't be read; run: node tools/contracts.mjs`, { cause });
    }
  };
  return Object.fromEntries(NAMES.map((name) => [name, read(name)])) as unknown as Artifacts;
}
