/** The hub as a process of the demonstration, and what it answers over its status interface on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import type { Launch } from './device-child.ts';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { SundialError } from '../../protocol/errors.ts';

export interface HubReady {
  readonly mqttUrl: string;
  readonly statusUrl: string;
}

/** How it is launched; `worker`: the name of one more worker beside a hub that runs. */
export interface HubLaunch extends Partial<Launch> {
  readonly worker?: string;
}

/** Ends the hub when this process ends in any way. */
export const TIED = join(projectRoot(), 'tools', 'tied.mjs');

/** The hub has this long to open its ledger, its broker and its connection to the chain. */
const START_MS = 60_000;

export class HubChild {
  private readonly process: ChildProcess;
  readonly ready: HubReady;

  private constructor(process: ChildProcess, ready: HubReady) {
    this.process = process;
    this.ready = ready;
  }

  /**
   * Starts `sundial hub --config <file> --json` and waits until it is ready; `launch.worker`: the name of one more worker
   * beside it. Throws `hub_start`.
   */
  static async start(program: string, config: string, launch: HubLaunch = {}): Promise<HubChild> {
    const { worker, flags, env } = launch;
    const more = worker === undefined ? [] : ['--worker', worker];
    const hub = [program, 'hub', '--config', config, '--json', ...more];
    // Whoever launches it otherwise ends it, too.
    const child = spawn(
      process.execPath,
      flags === undefined ? [TIED, process.execPath, ...hub] : [...flags, ...hub],
      { stdio: ['pipe', 'pipe', 2], env },
    );
    const ready = await new Promise<HubReady>((resolve, reject) => {
      const failed = (why: string): void => {
        clearTimeout(timer);
        reject(
          new SundialError('hub_start', `the hub ${why}`, {
            severity: 'process',
            remedy: 'Its own messages stand above.',
          }),
        );
      };
      const timer = setTimeout(() => failed('said nothing'), START_MS);
      child.once('exit', (code) => failed(`ended with code ${code}`));
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const message = JSON.parse(line) as Partial<HubReady> & { event?: string };
        if (message.event !== 'ready') return;
        clearTimeout(timer);
        resolve({ mqttUrl: message.mqttUrl!, statusUrl: message.statusUrl! });
      });
    });
    return new HubChild(child, ready);
  }

  get pid(): number {
    return this.process.pid!;
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, 'exit');
    this.process.kill(signal);
    await gone;
  }
}
