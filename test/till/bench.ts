/** A till and a wearable of the workbench as real processes, in a folder of their own: no hub, no chain, no deposit. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connectTill } from 'sundial/pos';

export const CLI = join(process.cwd(), 'tools', 'sundial.mjs');

type Line = Readonly<Record<string, unknown>>;

/** A device process: what it printed, and what it may be told. */
export class Device {
  readonly lines: Line[] = [];
  private child: ChildProcess | undefined;
  private wake: (() => void)[] = [];
  private readonly folder: string;
  private readonly args: readonly string[];

  constructor(folder: string, args: readonly string[]) {
    this.folder = folder;
    this.args = args;
  }

  async start(...extra: string[]): Promise<void> {
    const from = this.lines.length;
    const child = spawn(process.execPath, [CLI, ...this.args, ...extra, '--json', '--control'], {
      cwd: this.folder,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.child = child;
    child.stdin!.on('error', () => undefined);
    createInterface({ input: child.stdout! }).on('line', (text) => {
      this.lines.push(JSON.parse(text));
      for (const wake of this.wake.splice(0)) wake();
    });
    await this.next('ready', from);
  }

  /** The first line of this event from there on; the suite's own time-out ends a wait in vain. */
  async next(event: string, from = 0): Promise<Line> {
    for (;;) {
      const found = this.lines.slice(from).find((line) => line.event === event);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.wake.push(resolve));
    }
  }

  tell(command: object): void {
    this.child!.stdin!.write(`${JSON.stringify(command)}\n`);
  }

  async end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}

/** A folder with one till and one wearable, and clients of the till. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'sundial-till-'));
  readonly till: Device;
  readonly wearable: Device;
  private readonly tap = join(this.folder, 'tap.sock');

  constructor(...args: string[]) {
    this.till = new Device(this.folder, ['pos', '--tap', `unix:${this.tap}`, '--http', '0', ...args]);
    this.wearable = new Device(this.folder, ['wearable', '--tap', `unix:${this.tap}`]);
  }

  /** Where the till keeps its state. */
  get state(): string {
    return join(this.folder, 'state', 'bench', 'pos');
  }

  /** Starts the till; returns its address and token. */
  async open(...extra: string[]): Promise<{ url: string; token: string }> {
    const from = this.till.lines.length;
    await this.till.start(...extra);
    const { url } = await this.till.next('api', from);
    return { url: String(url), token: readFileSync(join(this.state, 'till.token'), 'utf8') };
  }

  async client(...extra: string[]) {
    return connectTill({ ...(await this.open(...extra)), patienceMs: 1000 });
  }

  async close(): Promise<void> {
    await Promise.all([this.till.end(), this.wearable.end()]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
