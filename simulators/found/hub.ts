/**
 * A hub's folder as it was found: a copy of its ledger and registry is read with the hub's own code; the folder itself is
 * not touched, and its hub may be running. Of the registry only what devices said goes on (who registered, for whom, with
 * which counter): which chain it was and what stood there belongs to the chain that this world has not.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fromHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { Domain } from '../../protocol/signing/digests.ts';
import { decodeRecord } from '../../hub/ledger/records.ts';
import { openFileLedger, openRegistry } from '../../hub/node/open.ts';
import type { RegistryState } from '../../hub/registry/registry.ts';
import { applyBatchRecord, type BatchHistory, emptyHistory } from '../../hub/settle/batches.ts';

export interface FoundHub {
  readonly path: string;
  /** What vouchers are signed for, where a configuration says it. */
  readonly domain: Domain | undefined;
  readonly name: string | undefined;
  readonly registry: RegistryState;
  /** Files of the ledger, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly records: number;
  /** Settlements: how many were signed, and the one whose outcome nobody wrote down. */
  readonly history: BatchHistory;
  /** The newest time that stands in it, Unix seconds. */
  readonly at: number;
}

interface Configuration {
  readonly name?: string;
  readonly folder?: string;
  readonly chain?: { readonly chainId?: number; readonly vault?: string };
}

/** What `hub.json` says, of a folder or of the one around it. */
function configurationOf(folder: string): { readonly at: string; readonly said: Configuration } | undefined {
  const at = [folder, dirname(folder)].find((path) => existsSync(join(path, 'hub.json')));
  if (at === undefined) return undefined;
  try {
    return { at, said: JSON.parse(readFileSync(join(at, 'hub.json'), 'utf8')) as Configuration };
  } catch {
    return undefined;
  }
}

/**
 * Reads the folder of a hub: the one with `ledger/` in it, or the one that `sundial init` made. Rejects with `no_ledger`,
 * and with what a hub is refused with: `ledger_corrupt`, `registry_invalid`, ...
 */
export async function readFoundHub(given: string): Promise<FoundHub> {
  const configuration = configurationOf(resolve(given));
  const folders = [resolve(given)];
  if (configuration?.said.folder !== undefined)
    folders.push(resolve(configuration.at, configuration.said.folder));
  const path = folders.find((folder) => existsSync(join(folder, 'ledger')));
  if (path === undefined)
    throw new SundialError('no_ledger', `${given} holds no ledger of a hub`, {
      severity: 'call',
      remedy: 'Name the folder of a hub, in which are `ledger` and `registry.json`.',
    });
  const copy = mkdtempSync(join(tmpdir(), 'sundial-found-'));
  try {
    for (const name of readdirSync(path))
      if (/^registry(-\d+\.log|\.json)$/.test(name)) cpSync(join(path, name), join(copy, name));
    cpSync(join(path, 'ledger'), join(copy, 'ledger'), {
      recursive: true,
      filter: (from) => !from.endsWith('lock'),
    });
    const opened = await openRegistry(copy);
    const registry = structuredClone(opened.state) as RegistryState;
    await opened.close();
    const read = await readLedger(join(copy, 'ledger'), registry.ledgerSize);
    const files = new Map(
      readdirSync(join(copy, 'ledger')).map((name) => [name, readFileSync(join(copy, 'ledger', name))]),
    );
    const { chain = {}, name } = configuration?.said ?? {};
    const { chainId, vault } = chain;
    return {
      path,
      name,
      domain:
        chainId === undefined || vault === undefined ? undefined : { chainId, vault: fromHex(vault, 20) },
      registry,
      files,
      ...read,
      at: Math.max(read.at, registry.watched.at, registry.publishedAt),
    };
  } catch (error) {
    if (!(error instanceof SundialError)) throw error;
    // Told of the folder that was named, and to somebody who only looks.
    throw new SundialError(error.code, error.message.slice(error.code.length + 2).replaceAll(copy, path), {
      severity: 'call',
      remedy: `A hub would not start on this folder either: nothing in it was touched. Its operator's way: ${error.remedy}`,
      cause: error,
    });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Every record of a ledger, as far as settlements and time go. */
async function readLedger(
  folder: string,
  sizeKnown: number,
): Promise<Pick<FoundHub, 'records' | 'history' | 'at'>> {
  const ledger = await openFileLedger(folder, { sizeKnown });
  let history = emptyHistory;
  let at = 0;
  try {
    for await (const { position, bytes } of ledger.replay()) {
      const record = decodeRecord(bytes, position);
      history = applyBatchRecord(history, record, position);
      if ('at' in record) at = Math.max(at, record.at);
      if ('issuedAt' in record) at = Math.max(at, record.issuedAt);
    }
    return { records: ledger.size, history, at };
  } finally {
    await ledger.close();
  }
}

/** The registry that the hub of the new world begins with: who registered, and what it had read of L2. */
export const registryOf = ({ registry }: FoundHub): Uint8Array => {
  const { chain: _, ...kept } = registry;
  const state = { ...kept, finals: {}, watched: { height: 0, at: 0 }, payees: {}, rootWords: {} };
  return new TextEncoder().encode(JSON.stringify(state));
};
