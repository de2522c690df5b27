/** The index of a ledger: the one that is there when it is of this ledger, else an empty one that is built anew. */
import type { CryptoSuite } from '../../hardware/interfaces/index.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { isError } from '../errors.ts';
import { leafHash } from '../ledger/merkle.ts';
import type { Logger } from '../log.ts';
import type { IndexStore, Ledger, Ports } from '../ports.ts';

type Restored = ReturnType<IndexStore['restore']>;

/** Opens it; undefined where the hub has none. What can't be used is told, and gone. */
export async function openIndexOf(
  { openIndex }: Pick<Ports, 'openIndex'>,
  onDamage: (error: SundialError) => void,
  ledger: Ledger,
  suite: CryptoSuite,
  log: Logger,
): Promise<{ readonly store: IndexStore; readonly restored: Restored } | undefined> {
  const store = await openIndex?.(onDamage);
  if (store === undefined) return undefined;
  const isOfLedger = await follows(store, ledger, suite);
  if (!isOfLedger) await store.clear();
  let { trouble = isOfLedger ? 'missing' : 'of_another_ledger' } = store;
  let restored: Restored;
  try {
    restored = store.restore();
  } catch (error) {
    if (!isError(error, 'index_damaged')) throw error;
    trouble = 'damaged';
    await store.clear();
    restored = store.restore();
  }
  if (store.applied === 0 && ledger.size > 0)
    log.warn({ reason: trouble, records: ledger.size }, 'the index is built anew from the ledger');
  return { store, restored };
}

/** Is the last record that the index has the one that the ledger has there? */
async function follows(
  { applied, leaf }: IndexStore,
  ledger: Ledger,
  { keccak256 }: CryptoSuite,
): Promise<boolean> {
  if (applied === 0) return true;
  if (applied > ledger.size || leaf === undefined) return false;
  for await (const { bytes } of ledger.replay(applied - 1))
    return equalBytes(leafHash(keccak256, bytes), leaf);
  return false;
}
