/** The chain and the vault that a hub began with: it never goes on with others. */
import { SundialError } from '../../protocol/errors.ts';
import type { L2 } from '../ports.ts';
import type { Registry } from '../registry/registry.ts';

/** Compares L2 with what the registry pinned, or pins it. Throws `chain_changed` and `vault_changed`. */
export async function checkPinned(l2: L2, registry: Registry): Promise<void> {
  const { genesis, code } = await l2.identity();
  const pinned = registry.state.chain;
  // A full disk is told by the next write, with which the pin is stored as well.
  if (pinned === undefined) return registry.update({ chain: { genesis, code } }).catch(() => {});
  if (pinned.genesis !== genesis)
    throw changed('chain_changed', 'the chain is another one than before', pinned.genesis, genesis);
  if (pinned.code !== code)
    throw changed('vault_changed', "the vault's code is not what it was", pinned.code, code);
}

const changed = (code: 'chain_changed' | 'vault_changed', words: string, was: string, now: string) =>
  new SundialError(code, words, {
    severity: 'process',
    remedy:
      'Correct chain.rpcUrl. If the chain began anew on purpose, start a hub with a new folder: what this one holds is about the old one. Until then nothing is leased or settled.',
    facts: { was, now },
  });
