/**
 * `sundial sim --from`: devices and a hub as processes live through a crash; their flash and ledger are then read, told and
 * gone on from in virtual time, and the originals stay as they were. Judged by the hub itself: what it says once the very
 * same processes are started again.
 *
 * Not checked here: every crash there is (test/device, npm run edges), a hub over a database.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab } from '../../simulators/lab/lab.ts';
import { tap } from '../../simulators/lab/tap.ts';

const CLI = 'tools/sundial.mjs';
const folder = mkdtempSync(join(tmpdir(), 'sundial-found-'));
const site = join(folder, 'site');
let lab: Lab;

interface Debt {
  readonly to: string;
  readonly what: string;
  readonly units: number;
  readonly seq?: number;
}
interface Told {
  readonly ok: boolean;
  readonly devices: readonly {
    readonly name: string;
    readonly frozen?: { readonly code: string };
    readonly goesOn: boolean;
    readonly owed: readonly Debt[];
    readonly owes?: readonly Debt[];
  }[];
  readonly hub?: { readonly records: number; readonly owed: readonly Debt[]; readonly owes: readonly Debt[] };
  readonly happened?: readonly { readonly who: string; readonly words: string }[];
}

function sim(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'sim', ...args], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

const told = (...args: string[]): Told => {
  const { code, out, err } = sim(...args, '--json');
  assert.ok(out !== '', `${code}: ${err}`);
  return JSON.parse(out) as Told;
};
const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

test.before(async () => {
  // The command line is bundled by its own first run.
  assert.is(spawnSync(process.execPath, [CLI, '--version']).status, 0);
  lab = await Lab.start(site, () => undefined);
  const wish = { deposit: '300', key: 'memory', skew: 0, flags: [] } as const;
  for (const [name, role] of [
    ['till', 'pos'],
    ['ann', 'wearable'],
  ] as const)
    await lab.addDevice({ ...wish, name, role });
  const one = { payer: 'ann', terminal: 'till', rules: [], seed: 1, seconds: 30 };
  assert.is((await tap(lab, { ...one, amount: '1.50' })).outcome, 'paid');
  const [ann, till] = [lab.device('ann'), lab.device('till')];
  const acknowledged = await till.events.next(0, ['acknowledged'], 30_000);
  assert.is(acknowledged.length, 1);
  for (const device of [ann, till]) await lab.setOnline(device, false);
  // The till dies with the voucher in its books and the receipt not sent.
  const { last } = till.events;
  lab.command(till, { haltAt: 'send:receipt' });
  lab.command(till, { sale: '2.25' });
  await till.events.next(last, ['sale.opened'], 30_000);
  const link = await lab.addLink('ann', 'till', [], 1);
  await till.events.next(last, ['halted'], 30_000);
  lab.endLink(link);
  await lab.endDevice(till, true);
  await lab.endDevice(ann, true);
  await lab.endHub(true);
});
test.after(async () => {
  await lab.stop();
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string): string => join(site, name);
const ONE = (debts: readonly Debt[], to: string, what: string): Debt => {
  const found = debts.filter((debt) => debt.to === to && debt.what === what);
  assert.is(found.length, 1, JSON.stringify(debts));
  return found[0]!;
};

test('what they hold is told, and goes on until nobody owes anybody anything', () => {
  const files = [
    at('ann/flash.img'),
    at('till/flash.img'),
    at('hub/registry.json'),
    at('hub/ledger/segment-00000001.log'),
  ];
  const before = files.map(hashOf);
  const { ok, devices, hub, happened } = told(
    '--from',
    at('ann'),
    '--from',
    at('till/flash.img'),
    '--from-ledger',
    at('hub'),
  );
  assert.equal(files.map(hashOf), before, 'the originals are as they were');
  assert.ok(ok);
  const [ann, till] = devices;
  const open = ONE(ann!.owed, 'terminal', 'voucher');
  assert.is(open.units, 2_250_000);
  assert.is(ONE(till!.owed, 'hub', 'voucher').units, 2_250_000);
  assert.is(ONE(till!.owed, 'hub', 'voucher').seq, open.seq);
  assert.is(ONE(hub!.owed, 'payee', 'settlement').units, 1_500_000);
  for (const device of devices) assert.equal([device.goesOn, device.owes], [true, []], device.name);
  assert.equal(hub!.owes, []);
  const words = happened!.map(({ who, words }) => `${who} ${words}`);
  assert.ok(
    words.includes('ann has the receipt for 2.25') || words.includes('ann has an acknowledgement of the hub'),
  );
  // What was acknowledged before anybody called goes first.
  const settled = words.filter((text) => text.startsWith('hub settled'));
  assert.equal(settled, ['hub settled 1.50 in 1 rows', 'hub settled 2.25 in 1 rows']);
});

test('in words, and the same run for the same seed', () => {
  const args = ['--from', at('ann'), '--from', at('till'), '--from-ledger', at('hub')];
  const { code, out } = sim(...args);
  assert.is(code, 0);
  assert.match(out, /owes a terminal: voucher 2 over 2\.25 to terminal 0x[0-9a-f]{8}… has no answer/);
  assert.match(out, /the hub\n {2}owes a payee: 1\.50 of channel 1 to payee/);
  assert.match(out, /then ann\n {2}owes nobody anything\n/);
  assert.is(sim(...args).out, out);
});

test('a till alone hands in to a hub that is made up; an image alone is only told', () => {
  const till = told('--from', at('till'));
  assert.equal(till.devices[0]!.owes, []);
  assert.is(till.hub, undefined);
  const bare = join(folder, 'bare.img');
  cpSync(at('ann/flash.img'), bare);
  const { ok, devices, happened } = told('--from', bare);
  assert.ok(ok);
  assert.is(devices[0]!.goesOn, false);
  assert.is(ONE(devices[0]!.owed, 'terminal', 'voucher').units, 2_250_000);
  assert.is(happened, undefined);
});

test('a damaged image is frozen by name, hands in what checks, and the command ends with 1', () => {
  const damaged = join(folder, 'damaged');
  cpSync(at('till'), damaged, { recursive: true });
  const image = readFileSync(join(damaged, 'flash.img'));
  // The first records are good; one bit of a body before the last mark is not.
  const { length } = image.subarray(0, 4096);
  const written = image.subarray(0, length).findLastIndex((byte) => byte !== 0xff);
  image[written - 200]! ^= 1;
  writeFileSync(join(damaged, 'flash.img'), image);
  const { code, out } = sim('--from', damaged, '--from-ledger', at('hub'));
  assert.is(code, 1);
  assert.match(out, /frozen: journal_corrupt, /);
  assert.match(out, /till starts frozen/);
  assert.is(told('--from', damaged).devices[0]!.frozen?.code, 'journal_corrupt');
});

test('what is no flash and no ledger is refused by name', () => {
  const refused = (code: string, ...args: string[]): void => {
    const { code: exit, err } = sim(...args);
    assert.is(exit, 1);
    assert.match(err, new RegExp(`^${code}: `), err);
  };
  const text = join(folder, 'text.img');
  writeFileSync(text, 'no flash');
  refused('no_flash', '--from', text);
  refused('no_flash', '--from', join(folder, 'nothing'));
  writeFileSync(text, Buffer.alloc(4 * 1024 * 1024, 0xff));
  refused('no_flash', '--from', text);
  refused('no_ledger', '--from-ledger', folder);
  const hub = join(folder, 'hub');
  cpSync(at('hub'), hub, { recursive: true });
  const segment = join(hub, 'ledger', 'segment-00000001.log');
  const bytes = readFileSync(segment);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  writeFileSync(segment, bytes);
  refused('ledger_corrupt', '--from-ledger', hub);
  writeFileSync(join(hub, 'registry.json'), '{"half');
  const { err } = sim('--from-ledger', hub);
  assert.match(err, /nothing in it was touched/);
  assert.not.match(
    err,
    new RegExp(`${tmpdir()}/(?!${basename(folder)})`),
    'the folder that was named, no copy of it',
  );
});

test('the same processes, started again, come to the same', async () => {
  await lab.startHub();
  const [ann, till] = [lab.device('ann'), lab.device('till')];
  const { last } = till.events;
  for (const device of [till, ann]) {
    device.online = true;
    await lab.startDevice(device);
  }
  assert.ok((await till.events.next(last, ['acknowledged'], 30_000)).length > 0);
  const books = (await lab.books()) as { channels?: unknown };
  assert.match(JSON.stringify(books), /3750000/);
});

test.run();
