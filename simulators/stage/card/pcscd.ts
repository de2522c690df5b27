/**
 * A real pcscd with one virtual reader of two slots (vsmartcard's vpcd), for tests. The cards listen and vpcd calls, so
 * that nothing listens beyond this machine; both must be there when it starts. At most one pcscd runs on a machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { lockFolder } from '../../../hardware/boards/node/storage/lock.ts';
import { SundialError } from '../../../protocol/errors.ts';

/** The first slot's card listens here, the second's at the next port. */
export const CARD_PORT = 35_963;
const DRIVER = '/usr/lib/pcsc/drivers/serial/libifdvpcd.so';
const SOCKET = '/run/pcscd/pcscd.comm';
const PID = '/run/pcscd/pcscd.pid';
/** Longest wait for its socket. */
const START_MS = 15_000;

const unusable = (text: string, remedy: string): SundialError =>
  new SundialError('no_pcscd', text, { severity: 'process', remedy });

/** Why no pcscd can be started here; undefined: it can. */
export function pcscdMissing(): string | undefined {
  const found = (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, 'pcscd')));
  if (!found || !existsSync(DRIVER)) return 'pcscd and vpcd (apt-get install pcscd vsmartcard-vpcd)';
  if (process.getuid?.() !== 0) return 'a process of root, as pcscd has its socket in /run';
  return undefined;
}

function otherRuns(): boolean {
  try {
    process.kill(Number(readFileSync(PID, 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}

/** How long somebody else may use the readers, milliseconds: a full run takes a quarter of an hour. */
const TURN_MS = 40 * 60_000;
const TURN_LOOK_MS = 500;

/**
 * This process's turn: a machine has one pcscd, and vpcd one pair of ports. Waits for whoever has them, and says so once.
 * Call it before any card listens; the answer ends the turn. Rejects with `no_pcscd` when it does not come.
 */
export async function readersTurn(say: (text: string) => void): Promise<() => Promise<void>> {
  const deadline = Date.now() + TURN_MS;
  let said = false;
  for (;;) {
    const lock = await lockFolder(join(tmpdir(), 'sundial-readers'), 'readers').catch((error: unknown) => {
      if ((error as SundialError).code !== 'folder_locked') throw error;
      return undefined;
    });
    if (lock !== undefined && !otherRuns() && (await portFree(CARD_PORT))) return () => lock.release();
    await lock?.release();
    if (Date.now() > deadline)
      throw unusable('a pcscd runs already', 'Stop it: two of them take the readers from each other.');
    if (!said) say('another process uses the readers; waiting for it');
    said = true;
    await new Promise((resolve) => setTimeout(resolve, TURN_LOOK_MS));
  }
}

/** Can a card listen there? */
function portFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** Starts it; both cards must listen by now. Rejects with `no_pcscd`. The answer stops it. */
export async function startPcscd(): Promise<() => Promise<void>> {
  const missing = pcscdMissing();
  if (missing !== undefined)
    throw unusable(`pcscd can't be used without ${missing}`, 'Install it, or leave NFC out.');
  if (otherRuns())
    throw unusable('a pcscd runs already', 'Stop it: two of them take the readers from each other.');
  const folder = mkdtempSync(join(tmpdir(), 'sundial-pcscd-'));
  const conf = join(folder, 'reader.conf');
  writeFileSync(
    conf,
    `FRIENDLYNAME "Virtual PCD"\nDEVICENAME localhost:0x${CARD_PORT.toString(16)}\nLIBPATH ${DRIVER}\nCHANNELID 0x${CARD_PORT.toString(16)}\n`,
  );
  rmSync(SOCKET, { force: true });
  const child: ChildProcess = spawn('pcscd', ['--foreground', '--config', conf], {
    stdio: 'ignore',
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  for (const end = Date.now() + START_MS; !existsSync(SOCKET); ) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > end) {
      await stop();
      throw unusable('pcscd does not start', 'Run `pcscd --foreground --debug` to see why.');
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return stop;
}
