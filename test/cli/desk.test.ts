/**
 * An operator's commands beside a real hub and a real chain, carried out in this process: merchants, tills and customers by
 * code, tokens, settlement and statements where nothing was sold, and what is refused by name and loses nothing. Not checked
 * here: taps (operator), who may do what over HTTP (hub/api), the same commands as processes (operator).
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { composeFile } from '../../hub/cli/init-command.ts';
import type { Anvil } from '../../hub/l2/anvil.ts';
import { connect } from '../../hub/l2/chain.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { GAS, Shop } from '../../simulators/operator/shop.ts';
import { sundialHere } from './in-process.ts';

const CLI = join(process.cwd(), 'tools', 'sundial.mjs');
const shop = new Shop(CLI, mkdtempSync(join(tmpdir(), 'sundial-desk-')), sundialHere);
const { at } = shop;
const inFolder = (name: string): string => join(shop.folder, name);
let anvil: Anvil;
let payee: string;

test.before(async () => {
  anvil = await shop.chain();
  const roles = await shop.roles(anvil);
  await shop.deploy(anvil, roles);
  await shop.complete(anvil, '--http-port', '0', '--mqtt-port', '0');
  await shop.money(anvil, roles, 1, '400');
  await shop.hub();
  payee = String((await shop.run('payee', 'add', 'Corner shop', ...at)).address);
});
test.after(async () => {
  await shop.close();
  rmSync(shop.folder, { recursive: true, force: true });
});

test('init writes what was said of the broker, and says it again when it is run again', async () => {
  const site = inFolder('other');
  const mqttOf = () => JSON.parse(readFileSync(join(site, 'hub.json'), 'utf8')).mqtt;
  const init = (...flags: string[]) => shop.run('init', site, '--rpc', anvil.url, ...flags);
  for (const name of ['keys', 'addresses.json'])
    cpSync(join(shop.site, name), join(site, name), { recursive: true });
  const url = 'mqtt://broker.example:1883';
  assert.ok((await init('--mqtt-url', url)).ready);
  assert.equal(mqttOf(), { url });
  assert.equal(JSON.parse(readFileSync(join(shop.site, 'hub.json'), 'utf8')).mqtt, {
    host: '127.0.0.1',
    port: 0,
  });
});

test('the compose file is YAML that runs this hub in its folder, and lets it write nowhere else', () => {
  // As whoever composes reads it; a folder may be called anything.
  for (const folder of [shop.site, '/srv/my "hub": $1 #2']) {
    const text =
      folder === shop.site ? readFileSync(join(folder, 'compose.yaml'), 'utf8') : composeFile(folder);
    const { services } = parse(text) as { services: Record<string, Record<string, unknown>> };
    assert.equal(Object.keys(services), ['hub']);
    const { command, volumes, working_dir: here, ...more } = services.hub!;
    const mounts = volumes as { source: string; target: string; read_only?: boolean }[];
    // Nothing that compose would fill in from its surroundings.
    assert.equal(
      mounts
        .filter(({ read_only: isRead }) => isRead !== true)
        .map(({ source }) => source.replaceAll('$$', '$')),
      [folder],
    );
    assert.not.match(text, /(?<!\$)(\$\$)*\$(?!\$)/);
    const [program, script, , at] = command as string[];
    assert.equal([program, at], ['node', here]);
    const mount = mounts.find(({ target }) => script!.startsWith(`${target}/`))!;
    assert.ok(existsSync(script!.replace(mount.target, mount.source)), script);
    assert.equal(
      [more.read_only, more.cap_drop, more.network_mode, more.restart],
      [true, ['ALL'], 'host', 'unless-stopped'],
    );
  }
});

type Named = { readonly name: string; readonly revokedAt?: number };
const devices = async (): Promise<Named[]> => (await shop.run('terminal', 'list', ...at)).devices as Named[];

test('merchants: listed by name and address, once, and removed', async () => {
  assert.is(
    (await shop.run('payee', 'add', 'Corner shop', ...at)).address,
    payee,
    'added again it is the same',
  );
  await shop.run('payee', 'add', 'Closed soon', ...at);
  const listed = async () =>
    (await shop.run('payee', 'list', ...at)).payees as { name: string; address: string }[];
  assert.equal((await listed()).map(({ name }) => name).sort(), ['Closed soon', 'Corner shop']);
  assert.is((await listed()).find(({ name }) => name === 'Corner shop')?.address, payee);
  await shop.run('payee', 'remove', 'Closed soon', ...at);
  assert.equal(
    (await listed()).map(({ name }) => name),
    ['Corner shop'],
  );
  assert.is(await shop.refused('payee', 'remove', 'Closed soon', ...at), 'merchant_unknown');
  assert.is(
    await shop.refused('terminal', 'enrol', 'a till', '--payee', 'nobody', ...at),
    'merchant_unknown',
  );
});

test('a merchant agrees once, for ever, to what whoever settles for it keeps', async () => {
  const own = ['payout', 'fee', '--payee', 'Corner shop', '--folder', shop.site] as const;
  await connect(anvil.url).request({ method: 'anvil_setBalance' as never, params: [payee, GAS] as never });
  assert.is((await shop.run(...own)).rate, 0);
  assert.is((await shop.run(...own, '--rate', '0.25')).rate, 25);
  assert.is((await shop.run(...own)).rate, 25);
  assert.is(await shop.refused(...own, '--rate', '0.5'), 'vault_refused');
});

test('a till by a code: once, into an empty folder, listed, revoked once', async () => {
  const { state, invitation } = await shop.till(1, 'Corner shop');
  const settings = readFileSync(join(state, 'device.json'), 'utf8');
  assert.is(JSON.parse(settings).role, 'pos');
  assert.is(await shop.refused('device', 'provision', invitation, '--into', inFolder('thief')), 'code_used');
  assert.not.ok(existsSync(join(inFolder('thief'), 'device.json')), 'no device came of it');
  const { invitation: second } = await shop.run(
    'terminal',
    'enrol',
    'till 2',
    '--payee',
    'Corner shop',
    ...at,
  );
  assert.is(await shop.refused('device', 'provision', String(second), '--into', state), 'device_exists');
  assert.is(readFileSync(join(state, 'device.json'), 'utf8'), settings, 'it is what it was');
  await shop.run('device', 'provision', String(second), '--into', inFolder('till-2'));
  assert.equal((await devices()).map(({ name }) => name).sort(), ['till 1', 'till 2']);
  await shop.run('terminal', 'revoke', 'till 2', ...at);
  const gone = (await devices()).filter(({ revokedAt }) => revokedAt !== undefined);
  assert.equal(
    gone.map(({ name }) => name),
    ['till 2'],
  );
  assert.is(await shop.refused('terminal', 'revoke', 'till 9', ...at), 'device_unknown');
  assert.is(
    await shop.refused('device', 'provision', 'sundial-nonsense', '--into', inFolder('x')),
    'bad_code',
  );
});

test('a customer by a code opens a channel, which the hub sees', async () => {
  const keeper = `0x${'5a'.repeat(20)}` as const;
  const state = await shop.customer(1, '300', anvil.url, '--recovery', keeper);
  assert.is(JSON.parse(readFileSync(join(state, 'device.json'), 'utf8')).role, 'wearable');
  await shop.untilKnown(1);
  const { vault } = JSON.parse(readFileSync(join(shop.site, 'addresses.json'), 'utf8'));
  const { mandates } = await Vault.connect(anvil.url, vault);
  assert.is((await mandates.recoveryOf(1)).toLowerCase(), keeper);
});

test('where nothing was sold nothing is found, settled or stated, and the doctor names devices that never came', async () => {
  assert.equal((await shop.run('payments', ...at)).payments, []);
  await shop.run('settle', ...at);
  const statement = await shop.run('statement', '--payee', 'Corner shop', ...at);
  for (const name of ['sales', 'closing', 'settled', 'inFlight', 'onL2']) assert.is(statement[name], 0, name);
  assert.is(await shop.refused('payment', 'abcdef012345', ...at), 'payment_unknown');
  assert.is(await shop.refused('statement', '--payee', 'nobody', ...at), 'merchant_unknown');
  const { code, stdout } = await sundialHere(['doctor', ...at, '--json']);
  assert.is(code, 1, 'somebody is hit: two devices never came');
  const { findings } = JSON.parse(stdout) as { findings: { code: string; impact: string }[] };
  assert.equal(
    findings.map(({ code, impact }) => `${impact} ${code}`),
    ['device never_came', 'device never_came'],
  );
});

test('tokens: one of a role is shown once, listed without its secret, and withdrawn', async () => {
  const made = await shop.run('token', 'add', 'till software', '--role', 'support', ...at);
  assert.match(String(made.token), /\S{20,}/);
  const listed = await shop.run('token', 'list', ...at);
  assert.match(JSON.stringify(listed), /till software/);
  assert.not.match(JSON.stringify(listed), new RegExp(String(made.token)));
  await shop.run('token', 'remove', 'till software', ...at);
  assert.not.match(JSON.stringify(await shop.run('token', 'list', ...at)), /till software/);
});

test.run();
