/** Registry and ledger in folders of this machine, each used by one process alone. */
import { randomInt } from 'node:crypto';
import { lockFolder } from '../../hardware/boards/node/storage/lock.ts';
import { FileLedger, type FileLedgerOptions } from '../ledger/file-ledger.ts';
import { Registry } from '../registry/registry.ts';
import { nodeDisk } from './disk.ts';
import { systemTime } from './time.ts';

/**
 * Opens the ledger in `folder`, alone (SundialError `folder_locked` otherwise), cutting off a torn end.
 * Throws `ledger_corrupt` or `ledger_newer` (severity process).
 */
export async function openFileLedger(
  folder: string,
  options: Omit<FileLedgerOptions, 'disk' | 'time' | 'salt' | 'released'> = {},
): Promise<FileLedger> {
  const lock = await lockFolder(folder, 'ledger');
  try {
    return await FileLedger.open({
      ...options,
      disk: await nodeDisk(folder),
      time: systemTime,
      salt: () => randomInt(2 ** 32),
      released: () => lock.release(),
    });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Opens the registry in `folder`, alone. Throws `folder_locked`, `state_unreadable` or `registry_invalid`. */
export async function openRegistry(folder: string): Promise<Registry> {
  const lock = await lockFolder(folder, 'registry');
  try {
    return await Registry.open(await nodeDisk(folder), () => lock.release());
  } catch (error) {
    await lock.release();
    throw error;
  }
}
