/**
 * A device process as the demonstration drives it: commands go in as JSON lines, events come out. Every wait is for an
 * event, with a bound after which the story fails and says what it waited for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { SundialError } from '../../protocol/errors.ts';

/** One line that a device printed. `event` names it; the other fields are its facts. */
export interface DeviceLine {
  readonly device: string;
  readonly event: string;
  readonly text: string;
  readonly [fact: string]: unknown;
}

/** How a process of Node is started otherwise than by its program alone. */
export interface Launch {
  readonly flags: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export interface ChildOptions {
  readonly role: 'wearable' | 'pos' | 'charger' | 'car';
  readonly state: string;
  readonly tap: string;
  readonly extra?: readonly string[];
  /** Run it as firmware on an emulated board. */
  readonly board?: boolean;
  /** Folder that it runs in: its workbench lies below. */
  readonly cwd?: string;
  readonly launch?: Launch;
}

/** Longest wait for one event. A key takes milliseconds; a loaded machine may take seconds to start a process. */
const WAIT_MS = 60_000;
/** Lines that are kept to search in; a session prints three a tick. */
const LINES_MAX = 5000;

interface Waiter {
  readonly matches: (line: DeviceLine) => boolean;
  readonly resolve: (line: DeviceLine) => void;
}

export class DeviceChild {
  readonly options: ChildOptions;
  private readonly program: string;
  private readonly onLine: (line: DeviceLine) => void;
  private process: ChildProcess | undefined;
  private ready: DeviceLine | undefined;
  private lines: DeviceLine[] = [];
  private waiters: Waiter[] = [];

  /** `program`: the bundled command line. Nothing runs before `start`. */
  constructor(program: string, options: ChildOptions, onLine: (line: DeviceLine) => void) {
    this.program = program;
    this.options = options;
    this.onLine = onLine;
  }

  /** Starts the process and waits until it is ready. */
  async start(): Promise<void> {
    const { role, state, tap, extra = [], board = false, cwd, launch } = this.options;
    const args = [
      ...(launch?.flags ?? []),
      this.program,
      ...(board ? ['board'] : []),
      role,
      '--state',
      state,
      '--tap',
      tap,
      '--json',
      '--control',
      ...extra,
    ];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 2], cwd, env: launch?.env });
    this.process = child;
    this.lines = [];
    // Writing to a process that was just killed is part of the story.
    child.stdin!.on('error', () => undefined);
    createInterface({ input: child.stdout! }).on('line', (text) => this.take(text));
    this.ready = await this.next('ready', () => true);
  }

  private take(text: string): void {
    const line = JSON.parse(text) as DeviceLine;
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.shift();
    this.onLine(line);
    const woken = this.waiters.filter((waiter) => waiter.matches(line));
    this.waiters = this.waiters.filter((waiter) => !woken.includes(waiter));
    for (const waiter of woken) waiter.resolve(line);
  }

  /** How many lines the process has printed: hand it to `next` to wait for what comes after now. */
  get mark(): number {
    return this.lines.length;
  }

  /** The first line of this event, from `mark` on, that fits. Throws `story_waits` when none comes. */
  next(event: string, fits: (line: DeviceLine) => boolean = () => true, mark = 0): Promise<DeviceLine> {
    const matches = (line: DeviceLine): boolean => line.event === event && fits(line);
    const seen = this.lines.slice(mark).find(matches);
    if (seen !== undefined) return Promise.resolve(seen);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const last = this.lines.slice(-3).map((line) => line.text);
        reject(
          new SundialError(
            'story_waits',
            `${this.options.role} never said "${event}"; last: ${last.join(' | ')}`,
            {
              severity: 'process',
              remedy: 'Run it again; if it happens again, send the output.',
            },
          ),
        );
      }, WAIT_MS);
      this.waiters.push({
        matches,
        resolve: (line) => {
          clearTimeout(timer);
          resolve(line);
        },
      });
    });
  }

  /** Did it print this event, from `mark` on? */
  has(event: string, mark = 0): boolean {
    return this.lines.slice(mark).some((line) => line.event === event);
  }

  /** Names of the commands that the process takes on stdin, as it said when it was ready; undefined before. */
  get controls(): readonly string[] | undefined {
    return this.ready?.controls as readonly string[] | undefined;
  }

  command(command: Readonly<Record<string, unknown>>): void {
    this.process?.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** Asks for the status line. */
  async status(): Promise<DeviceLine> {
    const { mark } = this;
    this.command({ status: true });
    return this.next('status', () => true, mark);
  }

  /** Asks again and again, a fifth of a second apart, until the status fits. */
  async until(fits: (status: DeviceLine) => boolean): Promise<DeviceLine> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const status = await this.status();
      if (fits(status)) return status;
      if (Date.now() > deadline) {
        throw new SundialError('story_waits', `${this.options.role} stays at ${status.text}`, {
          severity: 'process',
          remedy: 'Run it again; if it happens again, send the output.',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** SIGKILL: no handler runs, nothing is flushed. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  private async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.process;
    this.process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}
