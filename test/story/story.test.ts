/** The commands of the README with real processes: the whole story, a tap by hand, crashes, bad input. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceChild } from '../../simulators/demo/device-child.ts';

const ROOT = process.cwd();
const CLI = join(ROOT, 'tools', 'sundial.mjs');
/** The story takes some ten seconds; a loaded machine with a first compilation of the contracts much longer. */
const STORY_MS = 300_000;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[], cwd = ROOT): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, timeout: STORY_MS, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
  });
}

const sundial = (...args: string[]): Promise<Outcome> => run(process.execPath, [CLI, ...args]);

const folder = mkdtempSync(join(tmpdir(), 'sundial-story-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('npm start -- --once --json tells the whole story in one JSON object', async () => {
  const state = join(folder, 'demo');
  const { code, stdout, stderr } = await run('npm', ['start', '--', '--once', '--json', '--state', state]);
  assert.is(code, 0, stderr);
  const story = JSON.parse(stdout);
  assert.is(stdout.trim().split('\n').length, 1);
  assert.is(story.ok, true);
  assert.ok(story.taps >= 5 && story.ticks >= 200);
  assert.is(story.accepted, story.acknowledged);
  assert.is(story.accepted, story.taps + 2, 'taps, the stream and its closing voucher');
  assert.equal([story.lost, story.duplicated, story.reconciled], [0, 0, true]);
  assert.match(story.batch.tx, /^0x[0-9a-f]{64}$/);
  assert.ok(story.batch.lanes >= 2 && story.batch.gas > 21_000);
  const { deposited, settled, held, returned } = story.vault;
  assert.is(deposited, settled + held + returned);
  // The basket of simulators/data, and what the ticks are worth.
  assert.is(settled, 8_850_000 + story.ticks * 20_000);
});

/** A device of the workbench in a folder of its own. */
function benchDevice(role: 'wearable' | 'pos', home: string): DeviceChild {
  const child = new DeviceChild(
    CLI,
    { role, state: join(home, 'state', 'bench', role), tap: `unix:${join(home, 'tap.sock')}` },
    () => undefined,
  );
  return child;
}

test('two devices tap by hand, are killed at any moment, and go on from their folders', async () => {
  const home = mkdtempSync(join(tmpdir(), 'sundial-hand-'));
  process.chdir(home);
  const pos = benchDevice('pos', home);
  const wearable = benchDevice('wearable', home);
  try {
    await Promise.all([pos.start(), wearable.start()]);
    // Killed with the intent stored, with the voucher signed, and with the voucher accepted but no receipt sent.
    for (const [victim, at] of [
      [wearable, 'send:voucher'],
      [pos, 'persist:answered'],
      [pos, 'send:receipt'],
    ] as const) {
      const { spent } = await wearable.status();
      victim.command({ haltAt: at });
      // Its answer says that it has taken the command: the sale goes to another process, which may be faster.
      await victim.status();
      pos.command({ sale: '1.25' });
      await victim.next('halted');
      await victim.kill();
      await victim.start();
      const resolved = await wearable.until((status) => status.unconfirmed === 0 && status.spent !== spent);
      assert.is(resolved.spent, Number(spent) + 1_250_000);
    }
    const [payer, terminal] = [await wearable.status(), await pos.status()];
    const lanes = terminal.lanes as { base: number }[];
    assert.is(lanes[0]?.base, payer.spent);
    // The second sale died with the request in RAM: its voucher came late, was void, and is credited in full.
    assert.equal(terminal.counts, { accepted: 2, ticks: 0, voided: 1, acknowledged: 0 });
  } finally {
    await Promise.all([pos.stop(), wearable.stop()]);
    process.chdir(ROOT);
    rmSync(home, { recursive: true, force: true });
  }
});

test('a device folder is used by one process at a time', async () => {
  const home = mkdtempSync(join(tmpdir(), 'sundial-lock-'));
  process.chdir(home);
  const pos = benchDevice('pos', home);
  try {
    await pos.start();
    const second = await run(
      process.execPath,
      [CLI, 'pos', '--tap', `unix:${join(home, 'other.sock')}`],
      home,
    );
    assert.is(second.code, 1);
    assert.match(second.stderr, /device_in_use: process \d+ runs this device/);
  } finally {
    await pos.stop();
    process.chdir(ROOT);
    rmSync(home, { recursive: true, force: true });
  }
});

test('every command has --help, and says on stderr what is wrong and what to do', async () => {
  for (const command of [
    'demo',
    'hub',
    'wearable',
    'pos',
    'charger',
    'car',
    'channel',
    'reconcile',
    'payee',
  ]) {
    const help = await sundial(command, '--help');
    assert.is(help.code, 0);
    assert.match(help.stdout, new RegExp(`Usage: sundial ${command}`));
  }
  const config = join(folder, 'hub.json');
  writeFileSync(config, JSON.stringify({ name: 'Hub One', folder }));
  const cases: [string[], RegExp][] = [
    [['hub', '--config', config], /name: want 1 to 32 of a-z/],
    [['hub', '--config', join(folder, 'none.json')], /none.json is not there/],
    [['pos', '--state', folder], /no_device/],
    [['pos', '--amount', '4,50'], /bad_amount: "4,50" is no amount/],
    [['channel', 'show', '--site', folder, '--channel', '1'], /no_site/],
    [['reconcile', '--site', folder], /no_site/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await sundial(...args);
    assert.is(code, 1, args.join(' '));
    assert.is(stdout, '');
    assert.match(stderr, message);
  }
});

test('a late voucher is void, its payee countersigns, and the money is back in the channel on L2', async () => {
  const state = join(folder, 'void');
  const demo = spawn(process.execPath, [CLI, 'demo', '--state', state], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise((resolve) => demo.once('exit', resolve));
  const tap = `unix:${join(folder, 'void.sock')}`;
  const pos = new DeviceChild(CLI, { role: 'pos', state: join(state, 'pos'), tap }, () => undefined);
  const wearable = new DeviceChild(
    CLI,
    { role: 'wearable', state: join(state, 'wearable'), tap },
    () => undefined,
  );
  try {
    let output = '';
    await new Promise<void>((resolve, reject) => {
      demo.stdout.on('data', (data) => {
        output += data;
        if (output.includes('Ctrl-C here')) resolve();
      });
      demo.once('exit', () => reject(new Error(`the story ended early: ${output.slice(-500)}`)));
    });
    const site = JSON.parse(readFileSync(join(state, 'site.json'), 'utf8'));
    await Promise.all([pos.start(), wearable.start()]);
    const { spent } = await wearable.status();
    pos.command({ haltAt: 'persist:answered' });
    pos.command({ sale: '2.00' });
    await pos.next('halted');
    await pos.kill();
    await pos.start();
    await wearable.next('voided');
    await wearable.until((status) => status.unconfirmed === 0);
    assert.is((await wearable.status()).spent, Number(spent) + 2_000_000, 'numbers stay');

    // What was void is claimed by nobody until a later voucher of the lane carries it along.
    const { mark } = wearable;
    pos.command({ sale: '1.00' });
    await wearable.next('paid', () => true, mark);
    pos.command({ connect: site.mqttUrl });
    await pos.until((status) => status.outbox === 0);
    const waiting = async (): Promise<string> => {
      const { stdout } = await sundial('payee', '--site', state, '--json');
      return JSON.parse(stdout)
        .credits.map((credit: { answer: string }) => credit.answer)
        .join();
    };
    // The terminal says that it has synced right behind its last acknowledgement; the hub stores that first.
    let answer = await waiting();
    for (let look = 0; answer === 'wait' && look < 20; look++) answer = await waiting();
    assert.is(answer, 'sign');
    assert.is(await waiting(), '', 'nothing is left to sign');

    const credited = async (): Promise<number> => {
      await askHub({ url: site.statusUrl, tokenFile: site.tokenFile }, '/v1/settlements', 'POST');
      const { stdout } = await sundial('channel', 'show', '--site', state, '--channel', '1', '--json');
      return JSON.parse(stdout).credited;
    };
    let back = await credited();
    for (let look = 0; back === 0 && look < 5; look++) back = await credited();
    assert.is(back, 2_000_000);

    const cash = ['withdraw', '--site', state, '--json'] as const;
    const { withdrawn, left } = JSON.parse((await sundial(...cash, '--amount', '1')).stdout);
    assert.is(withdrawn, 1_000_000);
    assert.ok(left > 0);
    const tooMuch = await sundial(...cash, '--amount', '9000');
    assert.match(tooMuch.stderr, /"code":"payee_funds","message":"the vault holds [\d.]+ TIME/);
    assert.match(
      (await sundial(...cash, '--to', '0x12')).stderr,
      /"code":"address","message":"0x12 is no address/,
    );
    assert.is(JSON.parse((await sundial(...cash)).stdout).withdrawn, left, 'all of it');
    assert.is((await sundial('reconcile', '--site', state)).code, 0, 'and the sums hold');

    const lost = ['--site', state, '--channel', '1', '--json'] as const;
    const revoked = async (): Promise<unknown> => {
      const status = await (await fetch(`${site.statusUrl}/status`)).json();
      return (status as { revoked: unknown }).revoked;
    };
    assert.equal(JSON.parse((await sundial('channel', 'revoke', ...lost)).stdout), {
      channel: 1,
      revoked: true,
    });
    assert.equal(await revoked(), [1]);
    assert.is((await sundial('channel', 'allow', ...lost)).code, 0);
    assert.equal(await revoked(), []);
    const unknown = await sundial('channel', 'revoke', '--site', state, '--channel', '99');
    assert.is(unknown.code, 1);
    assert.match(unknown.stderr, /channel_unknown/);
  } finally {
    await Promise.all([pos.stop(), wearable.stop()]);
    demo.kill('SIGINT');
    await ended;
  }
});

/** Parent of a process; undefined when it ended while we looked. */
function parentOf(pid: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
  } catch {
    return undefined;
  }
}

test('sundial sim explore walks a configuration, and shows how a dropped rule fails', async () => {
  const whole = await sundial('sim', 'explore', '--config', 's1', '--json');
  assert.is(whole.code, 0);
  const { ok, states, seconds } = JSON.parse(whole.stdout);
  assert.ok(ok === true && states > 100 && seconds >= 0);
  const broken = await sundial('sim', 'explore', '--config', 's1', '--drop', 'payerPersist', '--json');
  assert.is(broken.code, 1);
  assert.match(JSON.parse(broken.stdout).fault, /two different vouchers/);
  const unknown = await sundial('sim', 'explore', '--config', 'c99');
  assert.is(unknown.code, 1);
  assert.match(unknown.stderr, /unknown_name/);
});

test('a hub that is interrupted by Ctrl-C, and the story itself, end without leaving a process', async () => {
  const state = join(folder, 'interrupted');
  const child = spawn(process.execPath, [CLI, 'demo', '--once', '--state', state], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pids = new Set<number>();
  let output = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (data) => {
      output += data;
      if (output.includes('APPROVED')) resolve();
    });
    child.once('exit', () => resolve());
  });
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (parentOf(pid) === child.pid) pids.add(Number(pid));
  }
  assert.ok(pids.size >= 5, 'chain, hub and devices run');
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await gone;
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), 'ESRCH');
});

test.run();
