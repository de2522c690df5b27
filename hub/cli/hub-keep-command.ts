/** `sundial hub verify|backup|restore|recover`: a hub's folder, or its database: looked at, copied, put back, gone on with. */
import type { Command } from 'commander';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { loadCrypto } from '../crypto/crypto.ts';
import { backup, restore } from '../keep/backup.ts';
import { backupDatabase, recoverDatabase, restoreDatabase, verifyDatabase } from '../keep/database.ts';
import { readHeld } from '../keep/hold.ts';
import { recover } from '../keep/recover.ts';
import { noLedger, type Progress, verifyLedger } from '../keep/verify.ts';
import { nodeDisk } from '../node/disk.ts';
import type { SharedStore } from '../ports.ts';
import { PostgresStore } from '../postgres/store.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { readHubConfig } from './hub-folder.ts';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

interface Flags {
  readonly config?: string;
  readonly folder?: string;
  readonly json: boolean;
}

const keccak256 = (bytes: Uint8Array): Uint8Array => loadCrypto().suite.keccak256(bytes);

/** The folder that is meant. Throws `folder_unnamed`, `config`. */
function folderOf({ config, folder }: Flags): string {
  if (folder !== undefined) return folder;
  if (config !== undefined) return readHubConfig(config).folder;
  throw new SundialError('folder_unnamed', 'no folder is named', {
    severity: 'call',
    remedy: 'Name the folder of the hub with --folder, or its configuration with --config.',
  });
}

/** The database that the configuration names, if that is what is meant. */
function databaseOf({ config, folder }: Flags): { readonly url: string; readonly hub: string } | undefined {
  if (folder !== undefined || config === undefined) return undefined;
  const { database, name } = readHubConfig(config);
  return database && { url: database.url, hub: name };
}

/** What is done with the database where one is meant; undefined: with the folder. */
async function inDatabase<T>(flags: Flags, work: (store: SharedStore) => Promise<T>): Promise<T | undefined> {
  const database = databaseOf(flags);
  if (database === undefined) return undefined;
  const store = await PostgresStore.open(database);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** How wide the bar is, characters. */
const BAR = 30;
/** Shortest time between two looks at the progress, milliseconds. */
const SHOWN_EVERY_MS = 100;

/** A bar for people, lines for programs; both on stderr, so that stdout has the result alone. */
function progressOf(json: boolean): Progress {
  let shown = 0;
  return (done, of) => {
    const now = Date.now();
    if (now - shown < SHOWN_EVERY_MS && done < of) return;
    shown = now;
    const share = of === 0 ? 1 : Math.min(1, done / of);
    if (json)
      process.stderr.write(`${JSON.stringify({ event: 'progress', share: Number(share.toFixed(3)) })}\n`);
    else if (process.stderr.isTTY) {
      const full = Math.round(share * BAR);
      process.stderr.write(`\r[${'#'.repeat(full)}${' '.repeat(BAR - full)}] ${Math.floor(share * 100)} %`);
      if (done >= of) process.stderr.write('\n');
    }
  };
}

function say(json: boolean, facts: object, words: string): void {
  process.stdout.write(json ? `${JSON.stringify(facts)}\n` : `${words}\n`);
}

async function runVerify(flags: Flags): Promise<void> {
  const shared = await inDatabase(flags, (store) => verifyDatabase(store, keccak256, progressOf(flags.json)));
  if (shared !== undefined) {
    const { records, bytes, held } = shared;
    const checkpoint = toHex(shared.checkpoint);
    return say(
      flags.json,
      { records, bytes, checkpoint, ...(held && { held }) },
      `${records} records in the database, ${bytes} bytes, none missing\n  checkpoint ${checkpoint}${
        held === undefined ? '' : `\n  held: ${held.what}`
      }`,
    );
  }
  const folder = folderOf(flags);
  if (!existsSync(join(folder, 'ledger'))) throw noLedger(folder);
  const root = await nodeDisk(folder);
  const found = await verifyLedger(await nodeDisk(join(folder, 'ledger')), keccak256, {
    sizeKnown: sizeKnown(folder),
    progress: progressOf(flags.json),
  });
  const held = await readHeld(root);
  const { segments, records, bytes } = found;
  const checkpoint = toHex(found.checkpoint);
  say(
    flags.json,
    { segments, records, bytes, checkpoint, ...(held && { held }) },
    `${records} records in ${segments} segments, ${bytes} bytes, all intact\n  checkpoint ${checkpoint}${
      held === undefined ? '' : `\n  held: ${held.what}`
    }`,
  );
}

/** What the registry says was durable, as far as its snapshot tells; the hub may be running. */
function sizeKnown(folder: string): number {
  const path = join(folder, 'registry.json');
  if (!existsSync(path)) return 0;
  const { ledgerSize } = readJson(path, 'state_unreadable', {
    severity: 'process',
    remedy: 'Restore the file from a copy.',
  }) as { ledgerSize?: number };
  return ledgerSize ?? 0;
}

async function runBackup(flags: Flags & { readonly to: string }): Promise<void> {
  const folder = folderOf(flags);
  const progress = progressOf(flags.json);
  const done =
    (await inDatabase(flags, (store) => backupDatabase(store, folder, flags.to, keccak256, progress))) ??
    (await backup(folder, flags.to, keccak256, progress));
  say(
    flags.json,
    done,
    `${done.records} records are in ${flags.to}, read back\n  checkpoint ${done.checkpoint}`,
  );
}

async function runRestore(flags: Flags & { readonly from: string }): Promise<void> {
  const folder = folderOf(flags);
  const progress = progressOf(flags.json);
  const done =
    (await inDatabase(flags, (store) => restoreDatabase(flags.from, store, folder, keccak256, progress))) ??
    (await restore(flags.from, folder, keccak256, progress));
  say(
    flags.json,
    done,
    `${done.records} records of ${done.takenAt} are in ${databaseOf(flags) ? 'the database' : folder}\n  What was acknowledged later is missing: run \`sundial hub recover\` before its hub starts.`,
  );
}

async function runRecover(flags: Flags & { readonly positions?: string }): Promise<void> {
  const positions = flags.positions === undefined ? undefined : Number(flags.positions);
  if (positions !== undefined && !Number.isSafeInteger(positions))
    throw new SundialError('recover_range', `${flags.positions} is no number of positions`, {
      severity: 'call',
      remedy: 'Give --positions the largest sundial_hub_ledger_records that was ever seen of this hub.',
    });
  const progress = progressOf(flags.json);
  const done =
    (await inDatabase(flags, (store) => recoverDatabase(store, keccak256, { positions, progress }))) ??
    (await recoverFolder(folderOf(flags), positions, progress));
  say(
    flags.json,
    done,
    `${done.kept} records kept, ${done.salvaged} found behind damage and appended again, ${done.lost} positions passed over\n` +
      `  the next position is ${done.size}${done.aside === undefined ? '' : `\n  damaged files are in ${done.aside}`}\n` +
      '  Start the hub: terminals hand in what they hold. Compare with `sundial reconcile` afterwards.',
  );
}

function recoverFolder(folder: string, positions: number | undefined, progress: Progress) {
  if (!existsSync(folder)) throw noLedger(folder);
  return recover(folder, { positions, progress });
}

/** Adds the commands to `sundial hub`. */
export function addKeepCommands(hub: Command): void {
  const add = (name: string, what: string): Command =>
    hub
      .command(name)
      .description(what)
      .option('--folder <path>', 'the folder of the hub')
      .option('--config <file>', 'its configuration, which names the folder, or the database of its workers')
      .option('--json', 'the result as JSON on stdout, progress as JSON lines on stderr', false);
  // `sundial hub --config` has flags of the same names: whichever stand behind the command are the command's.
  const run =
    <F extends Flags>(act: (flags: F) => Promise<void>) =>
    (_: unknown, command: Command): Promise<void> =>
      act(command.optsWithGlobals<F>()).catch(fail);
  add('verify', 'reads the whole ledger and says what it holds; the hub may run').action(run(runVerify));
  add(
    'backup',
    'copies the folder or the database; the hub may run, and a second copy takes only what is new',
  )
    .requiredOption('--to <path>', 'folder of the copy')
    .action(run(runBackup));
  add('restore', 'puts a backup into an empty folder, or an empty database')
    .requiredOption('--from <path>', 'folder of the backup')
    .action(run(runRestore));
  add('recover', 'goes on with what is left of a ledger, above every position that may have been signed')
    .option('--positions <n>', 'how many positions may have been signed; absent: what is known, and a margin')
    .action(run(runRecover));
}
