/** The local chain of a hub's folder that was made with `init --dev`: its state lies beside, and its hub runs it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { type Anvil, type AnvilOptions, startAnvil } from '../l2/anvil.ts';

/** Says that the folder has a chain, and at which port. */
export const DEV_CHAIN = 'dev-chain.json';
const schema = z.object({ port: z.int() });

/** How the chain of this folder is started. `port`: of the first start; later ones take the same. */
export function devChainOptions(folder: string, port = 0): AnvilOptions & { readonly url: string } {
  const path = join(folder, DEV_CHAIN);
  const how = { severity: 'process', remedy: 'Restore it as it was.' } as const;
  const taken = existsSync(path) ? schema.parse(readJson(path, 'config', how)).port : port;
  return {
    port: taken,
    url: `http://127.0.0.1:${taken}`,
    extra: ['--state', join(folder, 'chain-state.json'), '--state-interval', '2'],
    tiedBy: join(projectRoot(), 'tools', 'tied.mjs'),
  };
}

/** Starts it when the folder has one. */
export const startDevChain = async (folder: string): Promise<Anvil | undefined> =>
  existsSync(join(folder, DEV_CHAIN))
    ? startAnvil({ ...devChainOptions(folder), blockSeconds: 1 })
    : undefined;
