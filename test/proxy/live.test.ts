/**
 * `sundial proxy` between a till and a wearable that run as processes: whatever it does to their messages, each sale is
 * paid once; what it wrote down happens again; a voucher that is played back is refused. Not checked here: links other
 * than sockets (test/links has them; the proxy opens all by the same table).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceChild } from '../../simulators/demo/device-child.ts';

const ROOT = process.cwd();
const PROGRAM = join(ROOT, 'build', 'cli', 'sundial.mjs');
process.env.SUNDIAL_ROOT = ROOT;

const home = mkdtempSync(join(tmpdir(), 'sundial-proxy-'));
const at = (name: string): string => `unix:${join(home, `${name}.sock`)}`;
const device = (role: 'pos' | 'wearable', tap: string): DeviceChild =>
  new DeviceChild(
    PROGRAM,
    { role, state: join(home, 'state', 'bench', role), tap, cwd: home },
    () => undefined,
  );
const pos = device('pos', at('till'));
const wearable = device('wearable', at('held'));

test.before(async () => {
  // The launcher bundles the command line when a source is newer.
  await sundial('--version');
  await pos.start();
  await wearable.start();
});
test.after(async () => {
  for (const stop of running) await stop();
  await wearable.stop();
  await pos.stop();
  rmSync(home, { recursive: true, force: true });
});

function sundial(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'tools', 'sundial.mjs'), ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
  });
}

/** Ends proxies that a test left behind. */
const running = new Set<() => Promise<unknown>>();

/** A proxy that is ready. */
async function proxy(...flags: string[]) {
  const child: ChildProcess = spawn(
    process.execPath,
    [PROGRAM, 'proxy', '--from', at('held'), '--to', at('till'), '--json', '--part', '500ms', ...flags],
    { stdio: ['ignore', 'pipe', 2] },
  );
  const lines: { event: string; [fact: string]: unknown }[] = [];
  const reader = createInterface({ input: child.stdout! });
  await new Promise<void>((resolve) =>
    reader.on('line', (line) => {
      lines.push(JSON.parse(line));
      if (lines.at(-1)!.event === 'ready') resolve();
    }),
  );
  const stop = async () => {
    running.delete(stop);
    const gone = once(child, 'close');
    child.kill('SIGTERM');
    await gone;
    return lines.at(-1)!;
  };
  running.add(stop);
  return { lines, stop };
}

type Counts = { accepted: number };
const accepted = async (): Promise<number> => ((await pos.status()).counts as Counts).accepted;

/** Sells for `price`, and waits until the wearable holds a receipt. */
async function sell(price: string): Promise<void> {
  const { mark } = wearable;
  pos.command({ sale: price });
  await wearable.next('paid', () => true, mark);
}

test('a cut before the voucher: paid once at the next touch, and the record says where', async () => {
  const record = join(home, 'cut.jsonl');
  const before = await accepted();
  const one = await proxy('--cut-at', 'voucher', '--record', record);
  await sell('1.00');
  const end = await one.stop();
  assert.is(await accepted(), before + 1);
  assert.is(end.cuts, 1);
  const cut = readFileSync(record, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"what":"cut before"'));
  assert.is(cut.length, 1);
  assert.match(cut[0]!, /"message":"voucher"/);
});

test('what was written down happens again to two devices that run', async () => {
  const one = await proxy('--replay', join(home, 'cut.jsonl'));
  await sell('1.10');
  await one.stop();
  const cuts = one.lines.filter(({ what }) => what === 'cut before');
  assert.is(cuts.length, 1);
  assert.is(cuts[0]!.message, 'voucher');
});

test('a wearable that was written down, played back to the till: heard and refused, nothing is sold', async () => {
  const record = join(home, 'whole.jsonl');
  const one = await proxy('--record', record);
  await sell('1.20');
  await one.stop();
  const before = await accepted();
  const { mark } = pos;
  pos.command({ sale: '1.20' });
  await pos.next('sale.opened', () => true, mark);
  const { code, stdout } = await sundial('proxy', '--to', at('till'), '--replay', record, '--json');
  assert.is(code, 0);
  const end = JSON.parse(stdout.trim().split('\n').at(-1)!);
  assert.is(end.same, false);
  assert.ok(end.said > 1 && end.heard.length > 0, stdout);
  assert.not.ok(end.heard.includes('receipt'), stdout);
  assert.is(await accepted(), before);
});

test('a bad link: lost, doubled, garbled and late messages, and every sale is paid once', async () => {
  const script = join(home, 'faults.json');
  writeFileSync(
    script,
    JSON.stringify({ version: 1, seed: 5, rules: [{ do: 'cutAfter', message: 'receipt', percent: 20 }] }),
  );
  const flags = ['--drop', '10%', '--dup', '15%', '--garble', '5%', '--delay', '0ms-20ms'];
  const one = await proxy(...flags, '--script', script);
  const before = await accepted();
  // Small prices: with no hub a wearable may owe one till only so much.
  for (let price = 10; price < 22; price++) await sell(`0.${price}`);
  const end = await one.stop();
  assert.is(await accepted(), before + 12);
  assert.is(end.seed, 5);
  assert.ok(Number(end.dropped) > 0 && Number(end.doubled) > 0 && Number(end.late) > 0, JSON.stringify(end));
});

for (const [code, ...flags] of [
  ['missing_flag', '--from', 'unix:/tmp/x'],
  ['bad_link', '--from', 'smoke:', '--to', 'unix:/tmp/x'],
  ['bad_fault', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/y', '--drop', '5'],
  ['bad_fault', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/y', '--drop', '101%'],
  ['bad_fault', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/y', '--delay', 'soon'],
  ['bad_fault', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/y', '--delay', '200ms-20ms'],
  ['bad_fault', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/y', '--delay', '-3ms'],
  ['bad_fault', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/y', '--cut-at', 'cheque'],
  ['bad_fault', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/y', '--part', '0s'],
  ['bad_fault', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/y', '--taps', '0'],
  ['wrong_link', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/x'],
  ['bad_script', '--from', 'unix:/tmp/x', '--to', 'unix:/tmp/y', '--script', '/nowhere.json'],
] as const)
  test(`sundial proxy ${flags.join(' ')}: ${code}`, async () => {
    const { code: exit, stderr } = await sundial('proxy', ...flags);
    assert.is(exit, 1);
    assert.match(stderr, new RegExp(`^${code}`));
    assert.not.match(stderr, /\n\s+at .*:\d+:\d+/);
  });

test.run();
