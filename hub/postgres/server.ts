/**
 * A PostgreSQL server of one's own, for tests and for trying out: the machine's programs on loopback, without a
 * password. It refuses to be root, so root starts it as the user that Debian's package makes.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { Client } from 'pg';
import { SundialError } from '../../protocol/errors.ts';
import { freePort } from '../node/free-port.ts';

/** Where Debian keeps the programs of each version. */
const DEBIAN = '/usr/lib/postgresql';
const USER = 'postgres';
const START_MS = 60_000;
/** Of what it said, for an error: characters. */
const SAID_MAX = 4_000;

/** Folder of the server's programs; undefined: none is installed. */
export function postgresPrograms(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(DEBIAN, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** What a server is started with. */
export interface PostgresServerOptions {
  /** The program (tools/tied.mjs) that ends it when this process ends in any way; alone when absent. */
  readonly tiedBy?: string;
}

/** A server over a folder of its own among the machine's temporary ones, gone with the server. */
export class PostgresServer {
  private readonly folder: string;
  private readonly port: number;
  private readonly programs: string;
  private readonly options: PostgresServerOptions;
  private child: ChildProcess | undefined;
  private said = '';

  private constructor(folder: string, port: number, programs: string, options: PostgresServerOptions) {
    this.folder = folder;
    this.port = port;
    this.programs = programs;
    this.options = options;
  }

  /** Makes a server and starts it. Throws `postgres_start`. */
  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const programs = postgresPrograms();
    if (programs === undefined) throw failed('it is not installed', 'apt-get install postgresql');
    const folder = mkdtempSync(join(tmpdir(), 'sundial-postgres-'));
    const server = new PostgresServer(folder, await freePort(), programs, options);
    const user = userOf();
    if (user !== undefined) chownSync(folder, user.uid, user.gid);
    const made = ['-D', folder, '-U', USER, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
    const { command, words } = asUser(join(programs, 'initdb'), made);
    try {
      execFileSync(command, words, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' });
      await server.begin();
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return server;
  }

  /** Of its first database. */
  get url(): string {
    return `postgres://${USER}@127.0.0.1:${this.port}/postgres`;
  }

  /** Starts it again after `kill`; resolves when it answers. */
  async begin(): Promise<void> {
    const options = ['-D', this.folder, '-p', String(this.port), '-c', 'listen_addresses=127.0.0.1'];
    const more = ['-c', 'unix_socket_directories=', '-c', 'max_connections=60'];
    const { command, words } = asUser(join(this.programs, 'postgres'), [...options, ...more]);
    const { tiedBy } = this.options;
    const [program, ...rest] =
      tiedBy === undefined ? [command, ...words] : [process.execPath, resolve(tiedBy), command, ...words];
    const child = spawn(program!, rest, { stdio: ['pipe', 'ignore', 'pipe'], cwd: '/' });
    this.child = child;
    child.stderr!.on('data', (data: Buffer) => {
      this.said = (this.said + data.toString('utf8')).slice(-SAID_MAX);
    });
    await this.answers(child);
  }

  /** Makes a database; resolves with its address. */
  async create(name: string): Promise<string> {
    await withClient(this.url, (client) => client.query(`create database "${name}"`));
    return this.url.replace(/postgres$/, name);
  }

  /** Process of the server itself; its children serve a connection each. */
  get pid(): number {
    // The first line of this file, by the server's manual.
    return Number(readFileSync(join(this.folder, 'postmaster.pid'), 'utf8').split('\n')[0]);
  }

  /** The server's and its children's, as they are now. */
  processes(): number[] {
    const { pid } = this;
    return [pid, ...childrenOf(pid)];
  }

  /** Ends all its processes at once, as a power cut would; resolves when they are gone. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child !== undefined && isRunning(child)) for (const one of this.processes()) signal(one, 'SIGKILL');
    await this.ended();
  }

  /** Ends it as its operator would, and removes what it kept. */
  async stop(): Promise<void> {
    const { child } = this;
    // Fast, by the server's manual: clients are cut off.
    if (child !== undefined && isRunning(child)) signal(this.pid, 'SIGINT');
    await this.ended();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async ended(): Promise<void> {
    const { child } = this;
    if (child !== undefined && isRunning(child)) await once(child, 'exit');
  }

  private async answers(child: ChildProcess): Promise<void> {
    const end = Date.now() + START_MS;
    for (;;) {
      if (!isRunning(child) || Date.now() > end)
        throw failed(`it did not start: ${this.said}`, 'What it said stands above.');
      try {
        return await withClient(this.url, (client) => client.query('select 1'));
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode === null && signalCode === null;

/** The user that starts it where we are root, which it refuses to be; undefined: we are not. */
function userOf(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, USER], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch (cause) {
    throw failed(`it refuses to be root, and there is no user ${USER}`, 'Run this as another user.', cause);
  }
}

function asUser(program: string, words: readonly string[]): { command: string; words: string[] } {
  const user = userOf();
  if (user === undefined) return { command: program, words: [...words] };
  const { uid, gid } = user;
  const drop = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', program];
  return { command: 'setpriv', words: [...drop, ...words] };
}

async function withClient(url: string, work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: START_MS });
  // A server that is not up yet cuts what it has begun.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** The processes that a process began, by its own list of them. */
function childrenOf(pid: number): number[] {
  try {
    const list = execFileSync('ps', ['--ppid', String(pid), '-o', 'pid='], { encoding: 'utf8' });
    return list.split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function signal(pid: number, how: NodeJS.Signals): void {
  try {
    process.kill(pid, how);
  } catch {
    // Gone already.
  }
}

const failed = (why: string, remedy: string, cause?: unknown): SundialError =>
  new SundialError('postgres_start', `PostgreSQL: ${why}`, { severity: 'process', remedy, cause });
