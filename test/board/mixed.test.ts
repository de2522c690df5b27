/** Boards and Node devices tap each other: real processes of the command line, over a socket and a pseudo terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('boards and Node devices');
const cli = join(process.cwd(), 'tools/sundial.mjs');
const folders: string[] = [];
const running = new Set<ChildProcess>();
test.after(() => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

type Line = Readonly<Record<string, unknown>>;

/** A command, its lines as they come, and its end. */
class Sundial {
  readonly lines: Line[] = [];
  private readonly child: ChildProcess;
  private readonly closed: Promise<number | null>;
  private output = '';
  private errors = '';
  private wake: () => void = () => undefined;

  constructor(cwd: string, ...args: string[]) {
    this.child = spawn(process.execPath, [cli, ...args, '--json', '--control'], {
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(this.child);
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.output + text).split('\n');
      this.output = lines.pop()!;
      this.lines.push(...lines.map((line) => JSON.parse(line) as Line));
      this.wake();
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.closed = new Promise((resolve) => {
      this.child.once('close', (code) => {
        running.delete(this.child);
        resolve(code);
      });
    });
  }

  /** The first line of an event from line `from` on. */
  async event(event: string, from = 0): Promise<Line> {
    const deadline = Date.now() + 120_000;
    for (;;) {
      const found = this.lines.slice(from).find((line) => line.event === event);
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no ${event}: ${JSON.stringify(this.lines)} ${this.errors}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  tell(command: object): void {
    this.child.stdin!.write(`${JSON.stringify(command)}\n`);
  }

  async status(): Promise<Line> {
    const from = this.lines.length;
    this.tell({ status: true });
    return this.event('status', from);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }
}

function site(): { folder: string; tap: string } {
  const folder = mkdtempSync(join(tmpdir(), 'sundial-mixed-'));
  folders.push(folder);
  return { folder, tap: `unix:${join(folder, 'tap')}` };
}

const baseOf = (status: Line): unknown => (status.lanes as { base: number }[])[0]?.base;

test('a Node wearable pays a till that is an image, also after either was killed', async () => {
  const { folder, tap } = site();
  let till = new Sundial(folder, 'board', 'pos', '--tap', tap);
  await till.event('ready');
  let band = new Sundial(folder, 'wearable', '--tap', tap);
  await band.event('ready');
  till.tell({ sale: '4.50' });
  assert.is((await band.event('paid')).amount, 4_500_000);
  assert.is((await till.event('approved')).amount, 4_500_000);

  await band.kill();
  band = new Sundial(folder, 'wearable', '--tap', tap);
  await band.event('ready');
  let from = till.lines.length;
  till.tell({ sale: '1' });
  await till.event('approved', from);

  await till.kill();
  till = new Sundial(folder, 'board', 'pos', '--tap', tap);
  await till.event('ready');
  from = band.lines.length;
  till.tell({ sale: '2' });
  // The receipt of the sale before may come only now, so a `paid` alone does not say which.
  await till.event('approved');
  await band.event('paid', from);
  assert.is((await band.status()).spent, 7_500_000);
  assert.is(baseOf(await till.status()), 7_500_000);
});

test('a wearable that is an image pays a Node till over a pseudo terminal', async () => {
  const { folder } = site();
  const band = new Sundial(folder, 'board', 'wearable', '--tap', 'pty');
  const { tap } = await band.event('ready');
  let till = new Sundial(folder, 'pos', '--tap', String(tap));
  await till.event('ready');
  till.tell({ sale: '3' });
  assert.is((await till.event('approved')).amount, 3_000_000);
  await band.event('paid');

  await till.kill();
  till = new Sundial(folder, 'pos', '--tap', String(tap));
  await till.event('ready');
  till.tell({ sale: '0.25' });
  await till.event('approved');
  assert.is((await band.status()).spent, 3_250_000);
  assert.is(baseOf(await till.status()), 3_250_000);
});

test('a Node car streams ticks to a charge point that is an image', async () => {
  const { folder, tap } = site();
  const charger = new Sundial(folder, 'board', 'charger', '--tap', tap, '--speed', '60000');
  await charger.event('ready');
  const car = new Sundial(folder, 'car', '--tap', tap);
  await charger.event('approved');
  const delivered = charger.lines.filter(({ event }) => event === 'deliver').length;
  assert.is(delivered, 226, 'until the battery is full');
  assert.is((await car.status()).spent, 226 * 20_000);
  assert.is(baseOf(await charger.status()), 226 * 20_000);
});

test('what a board keeps is not played a second time from its folder by a Node device', async () => {
  const { folder, tap } = site();
  const band = new Sundial(folder, 'board', 'wearable', '--tap', tap);
  await band.event('ready');
  await band.kill();
  const again = spawn(process.execPath, [cli, 'wearable', '--tap', tap], { cwd: folder });
  running.add(again);
  let errors = '';
  again.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  assert.is(await new Promise((resolve) => again.once('close', resolve)), 1);
  assert.match(errors, /^device_on_board: /);
});

test.run();
