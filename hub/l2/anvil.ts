/** A local chain for demos and tests: anvil from npm on a free loopback port, stopped by its own process handle. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';

/** How the local chain is started. */
export interface AnvilOptions {
  /** Port on loopback; a free one when absent or 0. */
  readonly port?: number;
  /** Chain id; anvil's usual 31337 when absent. */
  readonly chainId?: number;
  /** Funded accounts; ten when absent. */
  readonly accounts?: number;
  /** Seconds between blocks; a block for each transaction when absent. */
  readonly blockSeconds?: number;
  /** Seconds since 1970 of the genesis block; the machine's clock when absent. */
  readonly timestamp?: number;
  /** `optimism` prices P256VERIFY as L2s do. */
  readonly network?: 'optimism';
  /** What the chain knows, when no network is named: `prague` is without P256VERIFY. */
  readonly hardfork?: 'osaka' | 'prague';
  /** More of anvil's own options, such as --state with a file. */
  readonly extra?: readonly string[];
  /** The program (tools/tied.mjs) that ends the node when this process ends in any way; alone when absent. */
  readonly tiedBy?: string;
  /** How long to wait for the first answer, in milliseconds. */
  readonly startupMs?: number;
}

/** A local chain that runs. */
export interface Anvil {
  readonly url: string;
  readonly port: number;
  /** Process id of the node. */
  readonly pid: number;
  /** Keys of the funded accounts, 0x hex. The phrase behind them is public: good for a local chain only. */
  readonly keys: readonly `0x${string}`[];
  /** Ends the process and waits until it is gone. */
  stop(): Promise<void>;
}

/** The node could not be started; the message holds what it said. */
export class AnvilError extends Error {
  override readonly name = 'AnvilError';
}

/** Path of the anvil program that npm installed for this machine. */
export function anvilProgram(): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const ending = process.platform === 'win32' ? '.exe' : '';
  const name = `@foundry-rs/anvil-${process.platform}-${architecture}/bin/anvil${ending}`;
  return createRequire(import.meta.url).resolve(name);
}

const STARTUP_MS = 20_000;
const HARDFORK = 'osaka';

/** Starts a chain and returns when it answers. Throws AnvilError with its output when it doesn't. */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const args = [
    '--host',
    '127.0.0.1',
    '--port',
    String(options.port ?? 0),
    '--accounts',
    String(options.accounts ?? 10),
  ];
  if (options.network !== undefined) args.push('--network', options.network);
  else args.push('--hardfork', options.hardfork ?? HARDFORK);
  if (options.chainId !== undefined) args.push('--chain-id', String(options.chainId));
  if (options.blockSeconds !== undefined) args.push('--block-time', String(options.blockSeconds));
  if (options.timestamp !== undefined) args.push('--timestamp', String(options.timestamp));
  args.push(...(options.extra ?? []));
  const [program, ...before] =
    options.tiedBy === undefined ? [anvilProgram()] : [process.execPath, options.tiedBy, anvilProgram()];
  const child = spawn(program!, [...before, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output = await firstOutput(child, options.startupMs ?? STARTUP_MS);
  const port = Number(/Listening on 127\.0\.0\.1:(\d+)/.exec(output)?.[1]);
  const keys = [...output.matchAll(/^\(\d+\) (0x[0-9a-f]{64})$/gm)].map((match) => match[1] as `0x${string}`);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid!,
    keys,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** Collects what anvil prints until it says where it listens. Keeps draining afterwards, so that it never blocks. */
function firstOutput(child: ChildProcess, startupMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    let listening = false;
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new AnvilError(`anvil ${why}\n${output}`));
    };
    const timer = setTimeout(() => fail(`did not listen within ${startupMs} ms`), startupMs);
    const collect = (data: Buffer) => {
      if (listening) return;
      output += data.toString('utf8');
      if (!/Listening on 127\.0\.0\.1:\d+/.test(output)) return;
      listening = true;
      clearTimeout(timer);
      resolve(output);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.on('error', (error) => fail(`could not be started: ${error.message}`));
    child.on('exit', (code) => {
      if (!listening) fail(`ended with ${code}`);
    });
  });
}
