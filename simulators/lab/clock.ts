/** The clock of a lab's processes: all of them jump ahead together. Their side of it is tools/lab-clock.mjs. */
import { createServer, type Server, type Socket } from 'node:net';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { Launch } from '../demo/device-child.ts';

/** How long a process may take to jump, milliseconds: it does what came due first. */
const JUMP_MS = 60_000;

/** What time it is in the lab, and how its processes hear of it. */
export class LabClock {
  private readonly path: string;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly waiting = new Map<Socket, (line: string) => void>();
  private aheadMs = 0;

  private constructor(path: string) {
    this.path = path;
    this.server = createServer((socket) => this.join(socket));
  }

  /** Listens at a socket in `folder`. */
  static async start(folder: string): Promise<LabClock> {
    const clock = new LabClock(join(folder, 'clock.sock'));
    rmSync(clock.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      clock.server.once('error', reject);
      clock.server.listen(clock.path, () => resolve());
    });
    return clock;
  }

  /** How a process is started so that it lives in this time; `skewMs`: its own clock is wrong by so much. */
  launch(skewMs = 0): Launch {
    const preload = pathToFileURL(join(projectRoot(), 'tools', 'lab-clock.mjs')).href;
    return {
      flags: ['--import', preload],
      env: { ...process.env, SUNDIAL_LAB: this.path, SUNDIAL_LAB_SKEW: String(skewMs) },
    };
  }

  /** Seconds since 1970, in the lab. */
  now(): number {
    return Math.floor((Date.now() + this.aheadMs) / 1000);
  }

  /** Seconds that the lab is ahead of this machine. */
  get ahead(): number {
    return this.aheadMs / 1000;
  }

  /** All processes jump. Resolves when they have done what came due; rejects with `lab_late`. */
  async jump(seconds: number): Promise<void> {
    this.aheadMs += seconds * 1000;
    const line = String(this.aheadMs);
    await Promise.all(
      [...this.sockets].map(
        (socket) =>
          new Promise<void>((resolve, reject) => {
            const late = (): void =>
              reject(
                new SundialError('lab_late', 'a process did not come along with the time', {
                  severity: 'process',
                  remedy: 'See what it printed; start the lab again.',
                }),
              );
            const timer = setTimeout(late, JUMP_MS);
            this.waiting.set(socket, (answer) => {
              if (answer !== line) return;
              clearTimeout(timer);
              this.waiting.delete(socket);
              resolve();
            });
            socket.write(`${line}\n`);
          }),
      ),
    );
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private join(socket: Socket): void {
    this.sockets.add(socket);
    createInterface({ input: socket }).on('line', (line) => this.waiting.get(socket)?.(line));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.sockets.delete(socket);
      // Who was killed is with nobody.
      this.waiting.get(socket)?.(String(this.aheadMs));
    });
    socket.write(`${this.aheadMs}\n`);
  }
}
