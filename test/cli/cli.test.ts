/**
 * The commands that people use, where something is wrong: every error has a name and says what to do, and whatever is cut
 * and run again loses neither a key nor a journal nor money. Not checked here: what they print when all goes well
 * (test/story).
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { privateKeyToAccount } from 'viem/accounts';
import { BoardMemory } from '../../hardware/boards/mps2-an386/host/emulator.ts';
import { openedRowOf } from '../../hub/batch/batch.ts';
import { applyRecord, namedEntry } from '../../hub/intake/books.ts';
import { emptyBooks } from '../../hub/intake/state.ts';
import { startAnvil } from '../../hub/l2/anvil.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { RULES } from '../../hub/l2/fraud.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import type { HubStatus } from '../../hub/cli/hub-status.ts';
import { reconcile } from '../../hub/cli/reconcile.ts';
import { key, suite, tap } from '../hub/fleet.ts';
import { amount, channelId, seconds } from '../../protocol/integers.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { provision } from '../../hardware/boards/node/cli/board-command.ts';
import { storeLease } from '../../hardware/boards/node/cli/workbench.ts';
import {
  boardFolder,
  createDevice,
  keyForNew,
  type KeyKind,
  lockDevice,
  payerBooksOf,
  readDevice,
} from '../../hardware/boards/node/cli/device-folder.ts';
import { createDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { addWearable, readSite, type Site, writeSite } from '../../hub/cli/site.ts';
import { makeSite } from '../../simulators/demo/site.ts';
import { sundialHere } from './in-process.ts';

const CLI = join(process.cwd(), 'tools', 'sundial.mjs');
/** Nobody listens there. */
const NOWHERE = 'http://127.0.0.1:9';

const home = mkdtempSync(join(tmpdir(), 'sundial-cli-'));
const folder = join(home, 'site');
let anvil: Awaited<ReturnType<typeof startAnvil>>;
let site: Site;
let vault: Vault;
test.before(async () => {
  anvil = await startAnvil();
  site = await makeSite(folder, anvil.url, anvil.keys, { say: () => {} });
  vault = await Vault.connect(anvil.url, site.vault);
});
test.after(async () => {
  await anvil.stop();
  rmSync(home, { recursive: true, force: true });
});

const sundial = (...args: string[]) => sundialHere(args);

/** Runs a command that must fail with this error, said for people. */
async function fails(code: string, ...args: string[]): Promise<void> {
  const { code: exit, stderr } = await sundial(...args);
  assert.is(exit, 1, args.join(' '));
  assert.match(stderr, new RegExp(`(^|\\n)${code}`), args.join(' '));
  assert.not.match(stderr, /\n\s+at .*:\d+:\d+/, 'a stack helps nobody');
}

const nobody = `0x${'11'.repeat(20)}`;
const channelOfPayer = () => site.devices[0]!.channel!;
const wrong: readonly (readonly [code: string, ...args: string[]])[] = [
  ['vault_refused: UnknownChannel\\(99\\)', 'channel', 'show', '--channel', '99'],
  ['vault_refused: UnknownChannel', 'channel', 'top-up', '--channel', '99', '--amount', '1'],
  ['vault_refused: NoExit', 'channel', 'exit', '--channel', '1', '--finish'],
  ['vault_refused: NothingDeposited', 'channel', 'open', '--payer', nobody, '--amount', '0'],
  ['bad_channel', 'channel', 'show', '--channel', 'abc'],
  ['bad_channel', 'channel', 'show', '--channel', '1.5'],
  ['bad_channel', 'channel', 'show', '--channel', '99999999999'],
  ['address', 'channel', 'open', '--payer', '0x12', '--amount', '1'],
  ['vault_refused: NotAllowed', 'channel', 'accept', '--channel', '1'],
  ['vault_refused: UnknownChannel', 'channel', 'give', '--channel', '99', '--to', nobody],
  ['missing_flag', 'channel', 'give', '--channel', '1'],
  ['address', 'channel', 'recovery', '--channel', '1', '--to', '0x12'],
  ['address', 'channel', 'open', '--payer', nobody, '--amount', '1', '--recovery', '0x12'],
  ['payee_funds', 'withdraw'],
  ['bad_share', 'payout', 'fix', '--split', `${nobody}=99`],
  ['no_split', 'payout', 'release'],
  ['bad_rate', 'payout', 'fee', '--rate', '1.01'],
  ['bad_rate', 'payout', 'fee', '--rate', '0.001'],
  ['bad_rate', 'payout', 'fee', '--rate', '0'],
  ['error: option .--as', 'withdraw', '--as', 'nobody'],
  ['hub_away', 'payee'],
  ['hub_away', 'channel', 'revoke', '--channel', '1'],
  ['hub_status', 'reconcile'],
];
for (const [code, ...args] of wrong)
  test(`sundial ${args.join(' ')}: ${code}`, async () => {
    writeSite(folder, { ...site, statusUrl: NOWHERE, mqttUrl: 'mqtt://127.0.0.1:9' });
    await fails(code, ...args, '--site', folder);
  });

test('a site whose hub never ran has nothing to reconcile, and says so', async () => {
  const hubless = join(home, 'hubless');
  const { statusUrl: _, ...rest } = site;
  writeSite(hubless, rest);
  await fails('no_site', 'reconcile', '--site', hubless);
});

test('an exit that runs is refused a second start and an early end by name', async () => {
  const at = ['--site', folder, '--channel', String(channelOfPayer())];
  assert.is((await sundial('channel', 'exit', ...at)).code, 0);
  await fails('vault_refused: ChannelLeaving', 'channel', 'exit', ...at);
  await fails('vault_refused: ExitNotReady', 'channel', 'exit', ...at, '--finish');
});

test('a channel is offered, shown so, taken back, and named a recovery account', async () => {
  const at = ['--site', folder, '--channel', String(channelOfPayer()), '--json'];
  const given = await sundial('channel', 'give', ...at, '--to', nobody);
  assert.match(JSON.parse(given.stdout).offered, new RegExp(`^${nobody} from `, 'i'));
  const back = await sundial('channel', 'give', ...at, '--to', 'nobody');
  assert.is(JSON.parse(back.stdout).offered, undefined);
  const named = await sundial('channel', 'recovery', ...at, '--to', nobody);
  assert.is(JSON.parse(named.stdout).recovery.toLowerCase(), nobody.toLowerCase());
});

test('a withdrawal is good for 1 to 8,760 hours', async () => {
  const at = ['withdraw', '--site', folder, '--sign', join(home, 'hours.json'), '--fee', '0'];
  for (const hours of ['0', '8761', '1.5', 'long']) await fails('bad_hours', ...at, '--hours', hours);
});

test('a withdrawal that nobody signed is not carried', async () => {
  const key = join(home, 'carrier.key');
  writeFileSync(key, `${site.keys.owner}\n`, { mode: 0o600 });
  const word = join(home, 'word.json');
  const by = ['--rpc', site.rpcUrl, '--key-file', key];
  await fails('bad_withdrawal', 'carry', word, ...by);
  writeFileSync(word, '{"payee": 1}');
  await fails('bad_withdrawal', 'carry', word, ...by);
  const terms = { payee: 1, to: nobody, amount: 1, fee: 0, nonce: 0, deadline: 2 ** 33, signature: '0x' };
  writeFileSync(word, JSON.stringify({ ...terms, vault: site.vault, chainId: 1 }));
  await fails('other_chain', 'carry', word, ...by);
  writeFileSync(word, JSON.stringify({ ...terms, vault: site.vault, chainId: site.chainId }));
  await fails('vault_refused: NotThePayees', 'carry', word, ...by);
});

test('without a chain the commands say so', async () => {
  const away = join(home, 'away');
  writeSite(away, { ...site, rpcUrl: NOWHERE, statusUrl: NOWHERE });
  await fails('chain_away', 'channel', 'show', '--channel', '1', '--site', away);
  await fails('chain_away', 'withdraw', '--site', away);
});

test('a charger that is told nonsense says so before it takes its folder', async () => {
  const at = ['charger', '--state', join(folder, 'charger')];
  await fails('bad_number', ...at, '--speed', 'fast');
  await fails('bad_number', ...at, '--tick-wh', '0');
  await fails('bad_curve', ...at, '--curve', join(home, 'none.json'));
});

test('a folder that no demonstration made is not emptied', async () => {
  const mine = join(home, 'mine');
  mkdirSync(mine);
  writeFileSync(join(mine, 'thesis.txt'), 'years of work');
  await fails('not_a_story', 'demo', '--once', '--state', mine);
  assert.is(readFileSync(join(mine, 'thesis.txt'), 'utf8'), 'years of work');
});

test('of several that make one file each at once the first one stands, for all of them', () => {
  const path = join(home, 'keys', 'keys.json');
  createDurably(path, 'first');
  createDurably(path, 'second');
  assert.is(readFileSync(path, 'utf8'), 'first');
  assert.equal(readdirSync(join(home, 'keys')), ['keys.json']);
});

test('the vault’s figures add up while a lost bond waits in its pot, and with channels of other devices', async () => {
  const owner = privateKeyToAccount(site.keys.owner);
  const signing = makeSigning(suite, { chainId: site.chainId, vault: fromHex(site.vault) });
  const payer = key(90);
  const to = nobleKey(fromHex(site.keys.merchant)) as typeof payer;
  const { channel } = await vault.openChannel(owner, {
    payer: toHex(payer.address),
    amount: parseMoney('10'),
  });
  const shared = { on: signing, channel, payer, payee: to, seq: 1 };
  const pair = await Promise.all(
    [100, 90].map((units) => tap({ ...shared, amount: units, spent: units, paid: units })),
  );
  const books = pair.reduce(
    (found, { bytes, id }) => applyRecord(found, { type: 'entry', id, at: 0, message: bytes } as never),
    emptyBooks,
  );
  const rows = pair.map(({ id }) => openedRowOf(signing, namedEntry(books, id)));
  await vault.proveFraud(owner, RULES.equivocation, rows);
  assert.ok((await vault.readPot(channel)).left > 0);
  const { conserved, vault: figures } = await reconcile(readSite(folder), {
    channels: async () => [],
  } as unknown as HubStatus);
  assert.ok(conserved, JSON.stringify(figures));
});

// ---- folders of devices ----

const deposit = parseMoney('10');
const add = (state: string, kind: KeyKind, from: Pick<Vault, 'openChannel' | 'events'> = vault) =>
  addWearable(folder, readSite(folder), from as Vault, state, kind, deposit);

for (const kind of ['memory', 'p256'] as const)
  test(`a channel for a new wearable (${kind}), cut after each step and run again: one deposit, and its key is there`, async () => {
    const state = join(home, `cut-${kind}`);
    const before = await vault.readChannelCount();
    // The deposit is made, and then nothing more.
    const cut = new Proxy(vault, {
      get: (target, name) =>
        name === 'openChannel'
          ? async (...call: Parameters<Vault['openChannel']>) => {
              await target.openChannel(...call);
              throw new Error('cut');
            }
          : Reflect.get(target, name, target),
    });
    await add(state, kind, cut).then(
      () => assert.unreachable(),
      (error) => assert.is(error.message, 'cut'),
    );
    // The folder is half made.
    writeFileSync(join(state, 'flash.img'), '');
    mkdirSync(join(state, 'element'), { recursive: true });
    writeFileSync(join(state, 'witness'), 'half');
    const made = await add(state, kind);
    assert.is(await vault.readChannelCount(), before + 1);
    assert.is((await vault.readChannel(made.channel!)).payer.toLowerCase(), made.address);
    const device = readDevice(state, 'wearable');
    assert.is(toHex(device.key().address), made.address);
    assert.is(payerBooksOf(device).channel, made.channel);
    // It is made, and the site does not know it yet.
    const listed = readSite(folder);
    writeSite(folder, {
      ...listed,
      devices: listed.devices.filter(({ address }) => address !== made.address),
    });
    assert.equal(await add(state, kind), made);
    assert.ok(readSite(folder).devices.some(({ address }) => address === made.address));
    assert.is(await vault.readChannelCount(), before + 1);
    await add(state, kind).then(
      () => assert.unreachable(),
      (error) => assert.is(error.code, 'device_exists'),
    );
  });

/** A payer's folder, with a few records in its journal. */
function wearable(name: string) {
  const path = join(home, name);
  const settings = {
    version: 1,
    role: 'wearable',
    name,
    chainId: 31337,
    vault: nobody,
    hub: 'x',
    root: nobody,
    channel: 7,
  };
  const hubKey = {
    address: new Uint8Array(20).fill(3),
    from: seconds(0),
    until: seconds(2_000_000_000),
    epoch: 0,
    signedAt: seconds(0),
  };
  const provided = { hubKey, channel: channelId(7) };
  return createDevice(path, settings as never, keyForNew(path), provided);
}

type Line = Readonly<Record<string, unknown>>;

/** Runs a wearable until it is ready, then `act`, then kills it; what it said until it was ready. */
async function untilReady(path: string, act: (pid: number) => Promise<void> = async () => {}) {
  const args = [CLI, 'wearable', '--state', path, '--tap', `unix:${join(home, 'none.sock')}`, '--json'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  try {
    const lines: Line[] = [];
    for await (const text of createInterface({ input: child.stdout })) {
      lines.push(JSON.parse(text));
      if (lines.at(-1)!.event === 'ready') break;
    }
    await act(child.pid!);
    return lines;
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}

test('a device whose journal is gone, or whose settings are damaged, does not begin anew', async () => {
  const { path } = wearable('damaged');
  const run = async () => {
    const lines = await untilReady(path);
    const codes = lines.filter(({ event }) => event === 'fault').map(({ code, frozen }) => [code, frozen]);
    assert.equal(codes, [['journal_missing', true]]);
  };
  const flash = readFileSync(join(path, 'flash.img'));
  writeFileSync(join(path, 'flash.img'), '');
  await run();
  rmSync(join(path, 'flash.img'));
  await run();
  assert.not.ok(existsSync(join(path, 'flash.img')));
  writeFileSync(join(path, 'flash.img'), flash);
  const settings = readFileSync(join(path, 'device.json'));
  writeFileSync(join(path, 'device.json'), settings.subarray(0, 20));
  await fails('bad_device_file', 'wearable', '--state', path);
  rmSync(join(path, 'device.json'));
  assert.throws(
    () => keyForNew(path),
    (error: { code: string }) => error.code === 'bad_device_file',
  );
});

test('a device folder is free as soon as its process is dead, and not before', async () => {
  const { path } = wearable('locked');
  await untilReady(path, (pid) =>
    lockDevice(path).then(
      () => assert.unreachable(),
      (error) => {
        assert.is(error.code, 'device_in_use');
        assert.is(error.facts.pid, pid);
      },
    ),
  );
  const unlock = await lockDevice(path);
  await unlock();
});

test('a lease that is stored when the journal’s bank is full keeps what stood there', () => {
  const folder = wearable('full');
  const journal = folder.openJournal();
  const time = payerRecords.encode({ type: 'time', at: seconds(1_900_000_000) });
  while (journal.bytesFree > 200) journal.append(time, () => []);
  const before = payerBooksOf(folder);
  const lease = {
    type: 'lease',
    channel: channelId(7),
    payer: folder.address,
    spentFrom: amount(0),
    spendLimit: amount(9),
    tapLimit: amount(1),
    cap: amount(2),
    guarantee: amount(0),
    issuedAt: seconds(1),
    expiresAt: seconds(2),
    scope: new Uint8Array(32),
    signature: new Uint8Array(64),
  } as const;
  const signer = new Uint8Array(20).fill(3);
  storeLease(folder, lease, signer);
  assert.equal(payerBooksOf(folder), { ...before, lease: { ...lease, signer } });
});

test('a device that moves to a board, cut at any write and run again, has its whole journal there', () => {
  const folder = wearable('moved');
  // More history than a bank of the board holds.
  const journal = folder.openJournal();
  const time = payerRecords.encode({ type: 'time', at: seconds(1_900_000_000) });
  while (journal.bytesFree > 20_000) journal.append(time, () => []);
  const stored = payerBooksOf(folder);
  const flags = { tickValue: '0.02', tickWh: '40', speed: '600' };
  const { program } = BoardMemory.prototype;
  try {
    for (let writes = 0; ; writes += 1) {
      rmSync(boardFolder(folder.path), { recursive: true, force: true });
      let left = writes;
      let cut = false;
      BoardMemory.prototype.program = function (...call) {
        if (left === 0) {
          cut = true;
          throw new Error('cut');
        }
        left -= 1;
        program.apply(this, call);
      };
      try {
        provision(folder, flags);
      } catch (error) {
        if ((error as Error).message !== 'cut') throw error;
      }
      BoardMemory.prototype.program = program;
      provision(folder, flags);
      assert.equal(payerBooksOf(folder), stored, `cut before write ${writes}`);
      if (!cut) break;
    }
  } finally {
    BoardMemory.prototype.program = program;
  }
});

test.run();
