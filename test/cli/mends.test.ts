/**
 * What goes wrong in a new user's first hour: every error has a name and a way out, for people and with --json for
 * programs; nothing that belongs to somebody is removed; nothing is left running. Not checked here: what the commands do
 * when all goes well, and the errors of a chain, a vault and a hub (test/cli/cli.test.ts).
 */
import { execFile, spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { keyForNew } from '../../hardware/boards/node/cli/device-folder.ts';
import { namedForMachine } from '../../hardware/boards/node/cli/machine-errors.ts';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { shellWord } from '../../hardware/boards/node/cli/output.ts';
import { freeTapPath } from '../../hardware/boards/node/socket-link.ts';
import { reconciliationTable } from '../../hub/cli/reconcile.ts';
import type { Ended } from '../../simulators/operator/shop.ts';
import { sundialHere } from './in-process.ts';

const CLI = join(process.cwd(), 'tools', 'sundial.mjs');
const WAIT_MS = 60_000;
const home = mkdtempSync(join(tmpdir(), 'sundial mends-'));
const inHome = (name: string): string => join(home, name);
test.after(() => rmSync(home, { recursive: true, force: true }));

const run = (...args: string[]) => sundialHere(args);
/** In a process of its own. */
const runAlone = (...args: string[]): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { timeout: WAIT_MS }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
  });

writeFileSync(inHome('broken.json'), '{\n  "name": "x",\n  "folder" "y"\n}\n');
writeFileSync(inHome('mine.txt'), 'mine');
const zero = `0x${'00'.repeat(32)}`;
const one = `0x${'00'.repeat(31)}01`;
const tillOf = (...args: string[]): string[] => ['pos', '--state', inHome('none'), ...args];

const wrong: readonly (readonly [code: string, words: RegExp, ...args: string[]])[] = [
  ['bad_amount', /has 3 decimals, 2 are the most/, 'pos', '--amount', '4.505'],
  ['bad_amount', /"4,50" is no amount/, 'pos', '--amount', '4,50'],
  ['bad_amount', /is too large/, 'pos', '--amount', '281474976'],
  ['bad_amount', /is too large/, 'pos', '--amount', '99999999999999999999'],
  ['bad_amount', /a sale of 0/, 'pos', '--amount', '0.00'],
  ['bad_amount', /a tick of 0/, 'charger', '--tick-value', '0'],
  ['bad_amount', /has 7 decimals/, 'charger', '--tick-value', '0.0000001'],
  ['no_device', /holds no device/, ...tillOf('--halt-at', 'send:receipt')],
  ['config', /none\.json is not there/, 'hub', '--config', inHome('none.json')],
  ['config', /broken\.json is no JSON, line 3, column 12/, 'hub', '--config', inHome('broken.json')],
  ['config', /can't be read \(EISDIR\)/, 'hub', '--config', home],
  ['usage', /Allowed choices are silent/, 'hub', '--config', inHome('broken.json'), '--log', 'loud'],
  ['usage', /unknown option/, 'pos', '--loud'],
  ['usage', /Give 2 or more/, 'sim', '--devices', '0'],
  ['usage', /Give 1 or more/, 'sim', '--hours', '0'],
  ['not_there', /is no folder/, 'sim', '--report', join(home, 'none', 'report.html')],
  ['bad_key', /no key of the curve/, 'deploy', '--rpc', 'http://127.0.0.1:9', '--key', zero],
  ['bad_url', /no address of a node/, 'deploy', '--rpc', 'nonsense', '--key', one],
  ['chain_away', /127\.0\.0\.1:9/, 'deploy', '--rpc', 'http://127.0.0.1:9', '--key', one],
  [
    'file_exists',
    /mine\.txt/,
    ...['deploy', '--rpc', 'http://127.0.0.1:9', '--key', one, '--out', inHome('mine.txt')],
  ],
  ...(['--root', '--settler', '--operator'] as const).map(
    (flag) =>
      [
        'bad_address',
        /"0x12" is no address/,
        ...['deploy', '--rpc', 'http://127.0.0.1:9', '--key', one, flag, '0x12'],
      ] as const,
  ),
  ['bad_role', /no board is a toaster/, 'board', 'toaster'],
];
for (const [code, words, ...args] of wrong)
  test(`sundial ${args.join(' ').replaceAll(home, '…')}: ${code}, for people and as JSON`, async () => {
    const [people, program] = await Promise.all([run(...args), run(...args, '--json')]);
    assert.is(people.code, 1);
    assert.match(people.stderr, words);
    assert.not.match(people.stderr, /\n\s+at .*:\d+:\d+/);
    assert.is(program.code, 1);
    const { error } = JSON.parse(program.stderr.trim().split('\n').at(-1)!);
    assert.is(error.code, code);
    assert.match(error.message, words);
    assert.ok(error.remedy.length > 10);
  });

test('a device that is told nonsense says so before it says that it is ready', async () => {
  const bench = join(home, 'bench');
  mkdirSync(bench);
  const till = (...args: string[]) =>
    new Promise<string>((resolve) =>
      execFile(
        process.execPath,
        [CLI, 'pos', ...args],
        { cwd: bench, timeout: WAIT_MS },
        (error, out, err) => {
          assert.is(error?.code, 1, args.join(' '));
          assert.not.match(out, /ready/);
          resolve(err);
        },
      ),
    );
  assert.match(await till('--halt-at', 'nonsense'), /bad_halt: no device ever does "nonsense"/);
  assert.match(await till('--halt-at', 'send:nonsense'), /After send: give one of hello, request/);
  assert.match(await till('--tap', 'smoke:'), /bad_link/);
  assert.not.ok(
    existsSync(join(bench, 'state', 'bench', 'pos')),
    'a till was made for a command that was refused',
  );
  assert.match(await till('--tap', `unix:${inHome('mine.txt')}`), /tap_is_no_socket/);
  assert.is(readFileSync(inHome('mine.txt'), 'utf8'), 'mine');
});

test('--version', async () => {
  const { code, stdout } = await runAlone('--version');
  assert.is(code, 0);
  assert.is(stdout.trim(), JSON.parse(readFileSync('package.json', 'utf8')).version);
});

test('a tap path: a dead socket makes room, a live one and anything else stay', async () => {
  const path = join(tmpdir(), `mend-${process.pid}.sock`);
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  await freeTapPath(path).then(
    () => assert.unreachable(),
    ({ code }) => assert.is(code, 'tap_in_use'),
  );
  server.close();
  // A killed process leaves its socket behind; a closed one does not.
  const child = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  await new Promise((resolve) => child.once('exit', resolve));
  assert.ok(lstatSync(path).isSocket());
  await freeTapPath(path);
  assert.not.ok(existsSync(path));
  for (const make of [() => mkdirSync(path), () => writeFileSync(path, 'x')]) {
    make();
    await freeTapPath(path).then(
      () => assert.unreachable(),
      ({ code }) => assert.is(code, 'tap_is_no_socket'),
    );
    rmSync(path, { recursive: true });
  }
});

test('a device is made in an empty folder only', () => {
  const mine = inHome('thesis');
  mkdirSync(join(mine, 'element'), { recursive: true });
  writeFileSync(join(mine, 'element', 'years'), 'of work');
  assert.throws(
    () => keyForNew(mine),
    (error: { code: string }) => error.code === 'folder_not_empty',
  );
  assert.is(readFileSync(join(mine, 'element', 'years'), 'utf8'), 'of work');
});

test('what the kernel refuses has a name, and the rest is a defect without a stack', () => {
  for (const [kernel, code] of [
    ['ENOSPC', 'disk_full'],
    ['EACCES', 'no_permission'],
    ['ENOENT', 'not_there'],
    ['EROFS', 'read_only'],
    ['EADDRINUSE', 'address_in_use'],
  ] as const)
    assert.is(namedForMachine(Object.assign(new Error('x'), { code: kernel })).code, code);
  const defect = namedForMachine(new TypeError('undefined is no function'));
  assert.is(defect.code, 'defect');
  assert.not.match(defect.message, /\n/);
});

test('money: the largest amount, the first that is too large, and what a shell takes', () => {
  assert.is(parseMoney('281474975.999999'), 281_474_975_999_999);
  assert.throws(() => parseMoney('281474976'));
  assert.is(parseMoney('0.000001'), 1);
  assert.is(shellWord('/a/b.sock'), '/a/b.sock');
  assert.is(shellWord("/my site/it's"), `'/my site/it'\\''s'`);
});

test('money on its way is not called different', () => {
  const lane = { channel: 1, payee: `0x${'11'.repeat(20)}`, payer: 5, terminals: 5, hub: 3, vault: 0 };
  const vault = { deposited: 0, settled: 0, held: 0, returned: 0 };
  const table = (agree: boolean, inFlight: boolean): string =>
    reconciliationTable({
      lanes: [{ ...lane, agree, inFlight }],
      vault,
      conserved: true,
      reconciled: false,
      different: 0,
    });
  assert.match(table(false, true), /on its way/);
  assert.match(table(false, false), /DIFFERENT/);
  assert.match(table(true, false), /equal/);
});

// ---- nothing is left running ----

/** Process ids below one, at any depth. */
function below(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It ended while we looked.
    }
  }
  const found: number[] = [];
  const add = (parent: number): void => {
    for (const [child, of] of parents)
      if (of === parent) {
        found.push(child);
        add(child);
      }
  };
  add(pid);
  return found;
}

const runs = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

for (const [signal, when] of [
  ['SIGTERM', /broker at/],
  ['SIGKILL', /broker at/],
  ['SIGKILL', /anvil at/],
] as const)
  test(`${signal} to a demonstration that said ${when}: no child is left`, async () => {
    const demo = spawn(process.execPath, [CLI, 'demo', '--state', inHome('story')], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = new Promise((resolve) => demo.once('exit', resolve));
    for await (const line of createInterface({ input: demo.stdout })) if (when.test(line)) break;
    const children = below(demo.pid!);
    assert.ok(children.length >= 2, String(children));
    demo.kill(signal);
    await ended;
    const deadline = Date.now() + WAIT_MS;
    while (children.some(runs)) {
      if (Date.now() > deadline) assert.unreachable(`left: ${children.filter(runs)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

test('a story takes its own things only', async () => {
  const state = inHome('story');
  writeFileSync(join(state, 'notes.txt'), 'mine');
  const demo = spawn(process.execPath, [CLI, 'demo', '--state', state], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise((resolve) => demo.once('exit', resolve));
  for await (const line of createInterface({ input: demo.stdout })) if (/anvil at/.test(line)) break;
  assert.is(readFileSync(join(state, 'notes.txt'), 'utf8'), 'mine');
  demo.kill('SIGTERM');
  await ended;
  const strange = inHome('strange');
  mkdirSync(strange);
  writeFileSync(join(strange, 'site.json'), '{}');
  const { code, stderr } = await run('demo', '--once', '--state', strange);
  assert.is(code, 1);
  assert.match(stderr, /not_a_story/);
});

test.run();
