/**
 * Security profiles 1 to 3 of OCPP over real TLS sockets, with certificates made by openssl: who is let in, and who is not.
 * Not checked here: what is said inside (gateway.test.ts), which ciphers a charge point likes, revocation of certificates.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { RPCClient } from 'ocpp-rpc';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Gateway, type GatewayOptions } from '../../hardware/boards/node/ocpp/gateway.ts';
import { SessionStore } from '../../hardware/boards/node/ocpp/store.ts';
import { codeOfLater, DONE } from '../errors.ts';
import { TARIFF, TICK } from './world.ts';

const folder = mkdtempSync(join(tmpdir(), 'sundial-profiles-'));
const has = spawnSync('openssl', ['version']).status === 0;
const test = suite(has ? 'security profiles' : 'security profiles (needs openssl: apt-get install openssl)');
const run = has ? test : test.skip;
test.after(() => rmSync(folder, { recursive: true, force: true }));

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { cwd: folder });
  assert.is(status, 0, String(stderr));
}
const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function authority(name: string): void {
  openssl(
    'req',
    '-x509',
    ...CURVE,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
  );
}
/** A certificate of `name` by an authority. */
function certificate(file: string, name: string, by: string, days = '2'): void {
  openssl('req', ...CURVE, '-subj', `/CN=${name}`, '-keyout', `${file}.key`, '-out', `${file}.csr`);
  writeFileSync(join(folder, 'ext'), 'subjectAltName=IP:127.0.0.1\n');
  openssl(
    ...['x509', '-req', '-in', `${file}.csr`, '-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial'],
    ...['-days', days, '-extfile', 'ext', '-out', `${file}.pem`],
  );
}
const pem = (name: string): Buffer => readFileSync(join(folder, name));
const pair = (file: string) => ({ cert: pem(`${file}.pem`), key: pem(`${file}.key`) });

test.before(() => {
  if (!has) return;
  authority('ca');
  authority('stranger');
  certificate('site', 'site', 'ca');
  certificate('CP1', 'CP1', 'ca');
  certificate('CP2', 'CP2', 'ca');
  certificate('forged', 'CP1', 'stranger');
});

async function site(change: Partial<GatewayOptions>) {
  const said: string[] = [];
  const gateway = new Gateway({
    broken: (error) => {
      throw error;
    },
    tariff: TARIFF,
    zone: () => 0,
    store: new SessionStore(mkdtempSync(join(folder, 'store-'))),
    tickValue: TICK,
    intervalSeconds: 10,
    pause: false,
    unpaid: true,
    terminal: () => Promise.resolve(undefined),
    summon: () => Promise.resolve(),
    say: (_words, { event, code }) => said.push([event, code].filter(Boolean).join(' ')),
    settled: () => undefined,
    closed: () => undefined,
    ...change,
  });
  return { gateway, said, url: await gateway.listen(0, '127.0.0.1') };
}

/** Connects as CP1, asks the time, and goes. */
async function knock(endpoint: string, password?: string, tls: ConnectionOptions = {}): Promise<void> {
  const client = new RPCClient({
    endpoint,
    identity: 'CP1',
    protocols: ['ocpp1.6'],
    reconnect: false,
    ...(password !== undefined && { password }),
    wsOpts: tls,
  } as never);
  client.on('socketError', () => undefined);
  try {
    await client.connect();
    await client.call('Heartbeat', {});
  } finally {
    await client.close({ force: true });
  }
}
const opens = async (...how: Parameters<typeof knock>): Promise<boolean> =>
  (await codeOfLater(() => knock(...how))) === DONE;

run('profile 1: a password, with no TLS', async () => {
  const { gateway, url, said } = await site({ passwords: { CP1: 'right' } });
  assert.match(url, /^ws:/);
  assert.ok(await opens(url, 'right'));
  for (const password of ['Right', 'righ', 'right ', '', undefined]) assert.not(await opens(url, password));
  assert.is(said.filter((words) => words === 'turnedAway bad_password').length, 5);
  gateway.close();
});

run('profile 2: a password inside TLS, of a side whose certificate the charge point can check', async () => {
  const { gateway, url, said } = await site({ passwords: { CP1: 'right' }, tls: pair('site') });
  assert.match(url, /^wss:/);
  assert.ok(await opens(url, 'right', { ca: pem('ca.pem') }));
  assert.not(await opens(url, 'wrong', { ca: pem('ca.pem') }));
  assert.equal(
    said.filter((words) => words.startsWith('turnedAway')),
    ['turnedAway bad_password'],
  );
  assert.not(
    await opens(url, 'right', { ca: pem('stranger.pem') }),
    'who knows another authority stays away',
  );
  assert.not(await opens(url.replace('wss:', 'ws:'), 'right'), 'nor without TLS');
  assert.not(await opens(url, 'right', { ca: pem('ca.pem'), maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }));
  gateway.close();
});

run('profile 3: a certificate of its own, which names the identity', async () => {
  const tls = {
    ...pair('site'),
    ca: pem('ca.pem'),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
  } as const;
  const { gateway, url, said } = await site({ tls });
  const ca = pem('ca.pem');
  assert.ok(await opens(url, undefined, { ca, ...pair('CP1') }));
  assert.not(await opens(url, undefined, { ca }), 'none');
  assert.not(await opens(url, undefined, { ca, ...pair('forged') }), 'the right name by a stranger');
  assert.equal(
    said.filter((words) => words.startsWith('turnedAway')),
    [],
  );
  assert.not(await opens(url, undefined, { ca, ...pair('CP2') }), 'the name of another one');
  assert.equal(
    said.filter((words) => words.startsWith('turnedAway')),
    ['turnedAway bad_certificate'],
  );
  gateway.close();
});

test.run();
