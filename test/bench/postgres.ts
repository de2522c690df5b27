/** What workers over PostgreSQL take in, each a process, beside a hub over its files: by turns, on the same machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PostgresServer, postgresPrograms } from '../../hub/postgres/server.ts';

/** Vouchers a second, and what two workers take in beside a file ledger. */
export interface PostgresRates {
  readonly file: number;
  readonly workers1: number;
  readonly workers2: number;
  readonly ratio: number;
}

const ROUNDS = 3;
/** First channels of the processes, apart. */
const APART = 1_000;

class Process {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string, undefined>;

  constructor(wish: object) {
    const words = ['--enable-source-maps', 'build/bench/postgres.mjs', JSON.stringify(wish)];
    this.child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value } = await this.lines.next();
    if (value === undefined) throw new Error('a worker of the bench ended');
    return value;
  }

  go(): void {
    this.child.stdin!.write('go\n');
  }
}

/** All processes take their vouchers in at once: vouchers a second, from the first beginning to the last end. */
async function rate(vouchers: number, processes: number, url: string | undefined): Promise<number> {
  const each = Math.floor(vouchers / processes);
  const all = Array.from({ length: processes }, (_, n) => {
    const wish = { first: 1 + APART * n, vouchers: each };
    return new Process(url === undefined ? wish : { ...wish, url });
  });
  for (const one of all) await one.line();
  for (const one of all) one.go();
  const times = (await Promise.all(all.map((one) => one.line()))).map(
    (line) => JSON.parse(line) as { began: number; ended: number },
  );
  const elapsed = Math.max(...times.map(({ ended }) => ended)) - Math.min(...times.map(({ began }) => began));
  return (each * processes * 1000) / elapsed;
}

/** Undefined where no server is installed. Needs the worker's bundle in build/bench. */
export async function postgresRates(vouchers: number): Promise<PostgresRates | undefined> {
  if (postgresPrograms() === undefined) return undefined;
  const server = await PostgresServer.start({ tiedBy: 'tools/tied.mjs' });
  const found = { file: [] as number[], workers1: [] as number[], workers2: [] as number[] };
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      found.file.push(await rate(vouchers, 1, undefined));
      found.workers1.push(await rate(vouchers, 1, await server.create(`one${round}`)));
      found.workers2.push(await rate(vouchers, 2, await server.create(`two${round}`)));
    }
  } finally {
    await server.stop();
  }
  const median = (values: number[]) => Math.round(values.sort((a, b) => a - b)[1]!);
  const [file, workers1, workers2] = [median(found.file), median(found.workers1), median(found.workers2)];
  return { file, workers1, workers2, ratio: Number((workers2 / file).toFixed(3)) };
}
