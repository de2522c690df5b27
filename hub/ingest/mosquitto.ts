/**
 * mosquitto of one's own, for tests and for trying out: on loopback, without logins, and keeping nothing on disk. What a
 * site runs wants a configuration with TLS and users.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SundialError } from '../../protocol/errors.ts';
import { freePort } from '../node/free-port.ts';

/** File with the broker's process id. */
const PID = 'mosquitto.pid';

/** How it is started. */
export interface MosquittoOptions {
  readonly tiedBy?: string;
  /** Lines of its configuration, behind the others. */
  readonly more?: readonly string[];
}

/** A broker that may be killed and begun again at the same address. */
export class Mosquitto {
  readonly url: string;
  private readonly folder: string;
  private readonly tiedBy: string | undefined;
  private child: ChildProcess | undefined;

  private constructor(folder: string, url: string, tiedBy: string | undefined) {
    this.folder = folder;
    this.url = url;
    this.tiedBy = tiedBy;
  }

  /** `tiedBy`: the program (tools/tied.mjs) that ends it when this process ends in any way. Throws `mosquitto_start`. */
  static async start({ tiedBy, more = [] }: MosquittoOptions = {}): Promise<Mosquitto> {
    const folder = mkdtempSync(join(tmpdir(), 'sundial-mosquitto-'));
    const port = await freePort();
    const lines = [
      // It would give up being root, and with it the folder.
      `user ${userInfo().username}`,
      `pid_file ${join(folder, PID)}`,
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'persistence false',
      'log_dest stderr',
      ...more,
    ];
    return Mosquitto.on(folder, lines.join('\n'), `mqtt://127.0.0.1:${port}`, tiedBy);
  }

  /** With a configuration of `sundial hub mosquitto`, beside its other files in a folder that is gone afterwards. */
  static startShipped(folder: string, url: string, tiedBy?: string): Promise<Mosquitto> {
    const conf = readFileSync(join(folder, 'mosquitto.conf'), 'utf8');
    const own = [`user ${userInfo().username}`, `pid_file ${join(folder, PID)}`];
    return Mosquitto.on(folder, [...own, conf].join('\n'), url, tiedBy);
  }

  private static async on(
    folder: string,
    conf: string,
    url: string,
    tiedBy: string | undefined,
  ): Promise<Mosquitto> {
    writeFileSync(join(folder, 'mosquitto.conf'), `${conf}\n`);
    const broker = new Mosquitto(folder, url, tiedBy);
    await broker.begin();
    return broker;
  }

  /** Starts it; resolves when it takes connections. */
  async begin(): Promise<void> {
    const command = ['mosquitto', '-c', join(this.folder, 'mosquitto.conf')];
    const [program, ...words] =
      this.tiedBy === undefined ? command : [process.execPath, this.tiedBy, ...command];
    const child = spawn(program!, words, { stdio: ['pipe', 'ignore', 'pipe'] });
    this.child = child;
    let isUp = false;
    let said = '';
    const failed = once(child, 'error').then(([error]) => {
      said = String(error);
    });
    const told = (async () => {
      for await (const line of createInterface({ input: child.stderr! })) {
        said = line;
        isUp = /running$/.test(line);
        if (isUp) return;
      }
    })();
    await Promise.race([told, failed]);
    if (!isUp)
      throw new SundialError('mosquitto_start', `mosquitto did not start: ${said}`, {
        severity: 'process',
        remedy: 'apt-get install mosquitto',
      });
    child.stderr!.resume();
  }

  /** Ends it at once; whatever it held is gone. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Ends it, and removes its files. */
  async stop(): Promise<void> {
    await this.end('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async end(how: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    // The broker itself, not what it is tied by, which ends with it.
    process.kill(Number(readFileSync(join(this.folder, PID), 'utf8')), how);
    await gone;
  }
}
