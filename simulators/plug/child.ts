/** A process of the run: JSON lines out, commands in, killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { SundialError } from '../../protocol/errors.ts';

export type Line = Readonly<Record<string, unknown>>;

/** Longest wait for one line: a loaded machine takes seconds to start a process. */
const WAIT_MS = 120_000;

interface Waiter {
  readonly fits: (line: Line) => boolean;
  readonly done: (line: Line) => void;
  readonly failed: (why: string) => void;
}

export class Child {
  readonly name: string;
  private readonly log: string;
  private readonly args: readonly string[];
  private readonly onLine: (line: Line) => void;
  private readonly isReady: (line: Line) => boolean;
  private process: ChildProcess | undefined;
  private waiters: Waiter[] = [];

  /** `log`: a file for all that it says. `isReady`: the line after which it can be used. Nothing runs before `start`. */
  constructor(
    name: string,
    log: string,
    args: readonly string[],
    isReady: (line: Line) => boolean,
    onLine: (line: Line) => void = () => undefined,
  ) {
    this.name = name;
    this.log = log;
    this.args = args;
    this.isReady = isReady;
    this.onLine = onLine;
  }

  /** Starts it, and gives the line that says that it is ready. */
  async start(): Promise<Line> {
    const child = spawn(process.execPath, ['--enable-source-maps', ...this.args], {
      stdio: ['pipe', 'pipe', 2],
    });
    this.process = child;
    child.stdin!.on('error', () => undefined);
    createInterface({ input: child.stdout! }).on('line', (text) => {
      // For whoever looks into the folder of a run that failed.
      appendFileSync(this.log, `${new Date().toISOString()} ${text}\n`);
      const line = JSON.parse(text) as Line;
      this.onLine(line);
      const woken = this.waiters.filter(({ fits }) => fits(line));
      this.waiters = this.waiters.filter((waiter) => !woken.includes(waiter));
      for (const { done } of woken) done(line);
    });
    const ready = this.next('ready', this.isReady);
    child.once('exit', (code) => {
      if (code === null || code === 0) return;
      for (const { failed } of this.waiters.splice(0)) failed(`ended with code ${code}`);
    });
    return ready;
  }

  get runs(): boolean {
    const { process: child } = this;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** The next line that fits. Throws `plug_waits` when none comes. */
  next(what: string, fits: (line: Line) => boolean): Promise<Line> {
    return new Promise((resolve, reject) => {
      const failed = (why: string): void => {
        clearTimeout(timer);
        reject(
          new SundialError('plug_waits', `${this.name}, waited for ${what}: ${why}`, {
            severity: 'process',
            remedy: 'Run it again with the same seed; if it happens again, send the output.',
          }),
        );
      };
      const timer = setTimeout(() => failed('in vain'), WAIT_MS);
      this.waiters.push({
        fits,
        failed,
        done: (line) => {
          clearTimeout(timer);
          resolve(line);
        },
      });
    });
  }

  tell(value: unknown): void {
    this.process?.stdin?.write(`${JSON.stringify(value)}\n`);
  }

  /** SIGKILL: no handler runs, nothing is flushed. */
  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  stop(): Promise<void> {
    return this.end('SIGTERM');
  }

  private async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { process: child } = this;
    if (child === undefined || !this.runs) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}
