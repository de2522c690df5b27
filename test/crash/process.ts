/**
 * A hub as a process of its own, and what can befall it: it is killed, it sleeps, its disk takes nothing more, its clock is
 * set. The disk is the kernel's bound on how long a process's files may be (RLIMIT_FSIZE), of 0 bytes: each write to any
 * file fails, while reads and sockets go on; unlike a full disk it lets no other file grow either. The clock is
 * libfaketime's, under the process from its beginning.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { HubConfigInput } from '../../hub/config.ts';
import { SundialError } from '../../protocol/errors.ts';

/** Programs of a crash run, and the packages that have them. */
const PROGRAMS = [
  { program: 'mosquitto', apt: 'mosquitto' },
  { program: 'faketime', apt: 'faketime' },
  { program: 'prlimit', apt: 'util-linux' },
  { program: 'flock', apt: 'util-linux' },
] as const;

/** Throws `crash_programs` with what is missing and how it is installed. */
export function needPrograms(hasPostgres: boolean): void {
  const missing = [
    ...PROGRAMS.filter(({ program }) => !isThere(program)),
    ...(hasPostgres ? [] : [{ program: 'initdb', apt: 'postgresql' }]),
  ];
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(({ apt }) => apt))].join(' ');
  throw new SundialError('crash_programs', `missing: ${missing.map(({ program }) => program).join(', ')}`, {
    severity: 'process',
    remedy: `apt-get install ${packages}`,
  });
}

function isThere(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    // mosquitto's answer ends with an error, too.
    return (error as { code?: string }).code !== 'ENOENT';
  }
}

/** What puts a clock of its own under a program, as faketime itself sets it. */
let preload: string | undefined;
function clockLibrary(): string {
  preload ??= execFileSync('faketime', ['-f', '+0', 'printenv', 'LD_PRELOAD'], { encoding: 'utf8' }).trim();
  return preload;
}

/** Lets the files of these processes grow no more, or again. */
export function setDisk(pids: readonly number[], isFull: boolean): void {
  for (const pid of pids) {
    try {
      execFileSync('prlimit', ['--pid', String(pid), `--fsize=${isFull ? '0' : 'unlimited'}:unlimited`], {
        stdio: 'ignore',
      });
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Resolves after so long: for what is done to a process for a while. */
export const during = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What its pages say, of which the rounds need this. */
interface Status {
  readonly settlement: { readonly open?: object };
  readonly worker?: { readonly isElected: boolean };
}

/** The process over one folder, killed and started again. */
export class HubProcess {
  mqttUrl = '';
  private statusUrl = '';
  private child: ChildProcess | undefined;
  private readonly clockFile: string;

  /** `home`: an empty folder's path, beside which its clock lies. */
  constructor(home: string) {
    this.clockFile = `${home}.clock`;
    this.setClock(0);
  }

  /** Starts it; resolves when it is up. */
  async start(config: HubConfigInput): Promise<void> {
    const words = ['--enable-source-maps', process.argv[1]!, 'hub', JSON.stringify(config)];
    const child = spawn(process.execPath, words, {
      // Its end of stdin tells it that we have ended, however we did.
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        ...process.env,
        LD_PRELOAD: clockLibrary(),
        FAKETIME_TIMESTAMP_FILE: this.clockFile,
        FAKETIME_CACHE_DURATION: '1',
        // Timers go on as they do when a machine's clock is set.
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    });
    this.child = child;
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout! }).once('line', resolve);
      child.once('exit', (code, signal) =>
        reject(new Error(`a hub ended with ${code ?? signal} before it was up`)),
      );
    });
    ({ mqttUrl: this.mqttUrl, statusUrl: this.statusUrl } = JSON.parse(line));
  }

  get isRunning(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  private async end(how: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === undefined || !this.isRunning) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(how);
    await gone;
    // What the library keeps of a process it removes only at a clean end.
    for (const name of ['faketime_shm_', 'sem.faketime_sem_'])
      rmSync(`/dev/shm/${name}${child.pid}`, { force: true });
  }

  /** It sleeps for so long, and goes on. */
  async sleep(ms: number): Promise<void> {
    this.child?.kill('SIGSTOP');
    await during(ms);
    this.child?.kill('SIGCONT');
  }

  /** Its disk takes nothing, or takes all again. */
  setDisk(isFull: boolean): void {
    if (this.child?.pid !== undefined && this.isRunning) setDisk([this.child.pid], isFull);
  }

  /** Sets its clock so many seconds from the machine's; it sees it within a second. */
  setClock(offset: number): void {
    // Replaced whole: the process may be reading it.
    writeFileSync(`${this.clockFile}.new`, `${offset < 0 ? '' : '+'}${offset}\n`);
    renameSync(`${this.clockFile}.new`, this.clockFile);
  }

  /** Undefined: it does not answer. */
  private async status(): Promise<Status | undefined> {
    try {
      const response = await fetch(`${this.statusUrl}/status`, { signal: AbortSignal.timeout(2_000) });
      return (await response.json()) as Status;
    } catch {
      return undefined;
    }
  }

  /** A batch is signed and not final. */
  async isSettling(): Promise<boolean> {
    return (await this.status())?.settlement.open !== undefined;
  }

  /** Of several workers it is this one that settles. */
  async isElected(): Promise<boolean> {
    return (await this.status())?.worker?.isElected === true;
  }
}
