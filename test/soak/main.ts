/**
 * A hub with its own broker and index, a chain's node and devices that come and go, under a steady load for as long as is
 * wanted; every few seconds what the hub's process holds: heap and buffers after a collection, open files and sockets,
 * timers. What is held may not grow with what was done: a straight line is laid through the samples behind the warm-up, and
 * its slope is the verdict (slope.ts).
 *
 * Options: --minutes N (20), --rate vouchers a second (20), --json. Not checked: memory outside the heap that no buffer
 * holds, the node's own memory, devices' (they are connections of this process), months.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { type HubConfigInput, parseConfig } from '../../hub/config.ts';
import { startHub } from '../../hub/hub.ts';
import { createLogger } from '../../hub/log.ts';
import { Chain, hubConfig } from '../crash/chain.ts';
import { Load } from '../crash/load.ts';
import { judge, type Sample } from './slope.ts';

/** Devices connect anew so often, seconds. */
const TURN_SECONDS = 2;
/** Turns between two samples. */
const SAMPLED_EVERY = 2;

/** A hub as a process of its own, which says what it holds. */
class Soaked {
  readonly mqttUrl: string;
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string, undefined>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string, undefined>, mqttUrl: string) {
    this.child = child;
    this.lines = lines;
    this.mqttUrl = mqttUrl;
  }

  static async start(config: HubConfigInput): Promise<Soaked> {
    const words = ['--expose-gc', '--enable-source-maps', process.argv[1]!, 'hub', JSON.stringify(config)];
    const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const { value } = await lines.next();
    if (value === undefined) throw new Error('the hub ended before it was up');
    return new Soaked(child, lines, value);
  }

  async sample(): Promise<Omit<Sample, 'vouchers'>> {
    this.child.stdin!.write('sample\n');
    const { value } = await this.lines.next();
    if (value === undefined) throw new Error('the hub has ended');
    return JSON.parse(value);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await gone;
  }
}

/** Of this process, after everything that can go is gone. */
async function held(): Promise<Omit<Sample, 'vouchers'>> {
  for (let turn = 0; turn < 3; turn += 1) {
    global.gc!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  const files = (await readdir('/proc/self/fd')).length;
  return { bytes: heapUsed + external, files, handles: process.getActiveResourcesInfo().length };
}

async function soak(minutes: number, rate: number, say: (text: string) => void) {
  const home = await mkdtemp(join(tmpdir(), 'sundial-soak-'));
  const chain = await Chain.start(home);
  let hub: Soaked | undefined;
  const samples: Sample[] = [];
  try {
    hub = await Soaked.start({ ...(await hubConfig(chain)), folder: join(home, 'hub') });
    const load = new Load(chain.signing, chain.channels);
    const began = Date.now();
    const end = began + minutes * 60_000;
    for (let turn = 0; Date.now() < end; turn += 1) {
      const wanted = (turn + 1) * TURN_SECONDS * rate;
      await load.run(
        hub.mqttUrl,
        () => load.acknowledged.size >= wanted,
        async () => undefined,
        true,
      );
      if (turn % SAMPLED_EVERY === 0)
        samples.push({ vouchers: load.acknowledged.size, ...(await hub.sample()) });
      if (turn % 30 === 0)
        say(
          `${Math.round((Date.now() - began) / 60_000)} of ${minutes} minutes: ${load.acknowledged.size} vouchers`,
        );
      // The load's own pace: no test of anything waits for it.
      const next = began + (turn + 1) * TURN_SECONDS * 1_000;
      if (next > Date.now()) await new Promise((resolve) => setTimeout(resolve, next - Date.now()));
    }
    const { acknowledged, signedTwice } = load;
    return { minutes, acknowledged: acknowledged.size, signedTwice, ...judge(samples) };
  } finally {
    await hub?.stop();
    await chain.stop();
    await rm(home, { recursive: true, force: true });
  }
}

if (process.argv[2] === 'hub') {
  const hub = await startHub(parseConfig(JSON.parse(process.argv[3]!)), { log: createLogger('silent') });
  const stop = (): void => void hub.stop().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.stdout.write(`${hub.mqttUrl}\n`);
  createInterface({ input: process.stdin })
    .on('line', () => void held().then((sample) => process.stdout.write(`${JSON.stringify(sample)}\n`)))
    // Whoever started it has ended.
    .on('close', stop);
} else {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '20' },
      rate: { type: 'string', default: '20' },
      json: { type: 'boolean', default: false },
    },
  });
  const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
  if (!(minutes > 0 && minutes <= 10_080) || !(rate >= 1 && rate <= 100)) {
    process.stderr.write('soak_options: --minutes wants a number above 0, --rate one from 1 to 100\n');
    process.exit(2);
  }
  const result = await soak(minutes, rate, (text) => process.stderr.write(`${text}\n`));
  const { bytesPerVoucher, files, handles, bounds, ok } = result;
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${ok ? 'flat' : 'NOT FLAT'}: ${result.acknowledged} vouchers, ${bytesPerVoucher} bytes of memory each (at most ${bounds.bytesPerVoucher}), ${files} files and ${handles} handles more (at most ${bounds.more})\n`,
  );
  process.exit(ok && result.signedTwice === 0 ? 0 : 1);
}
