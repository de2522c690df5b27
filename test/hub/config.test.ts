/**
 * The hub's configuration: every default, every bound to its edge, and an error that names the field. Not checked here:
 * what the hub makes of the values (the other tests of this folder).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type HubConfigInput, parseConfig } from '../../hub/config.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';

const VAULT = `0x${'aB'.repeat(20)}`;
const KEY = `0x${'5a'.repeat(32)}`;
const least = {
  name: 'hub-1',
  folder: 'x',
  chain: { rpcUrl: 'http://127.0.0.1:1', chainId: 1, vault: VAULT },
  keys: { signing: KEY, settlement: KEY, root: VAULT },
};

const DEFAULTS = {
  mqtt: { host: '127.0.0.1', port: 0, login: 'offered' },
  http: { host: '127.0.0.1', port: 0 },
  timing: DEFAULT_TIMING,
  scopes: [],
  leaseAnyScope: false,
  batch: { everyMs: 60_000, lanesMax: 1_000, inFlightMax: 16, laneMin: 1 },
  registry: { everyMs: 60_000, anchorEvery: 86_400 },
  webhooks: { hosts: [], goneAfter: 86_400 },
  beaconMs: 60_000,
  development: false,
};

test('what is left out has its default, whole parts or fields of them', () => {
  const chain = {
    ...least.chain,
    vault: VAULT.toLowerCase(),
    rpcUrl: ['http://127.0.0.1:1'],
    startBlock: 0,
    pollMs: 2_000,
    timeoutMs: 10_000,
    feeMaxGwei: 500,
  };
  const keys = { signing: [KEY], settlement: KEY, root: VAULT.toLowerCase(), words: [] };
  assert.equal(parseConfig(least), { ...least, ...DEFAULTS, chain, keys });
  const empty = { ...least, mqtt: {}, http: {}, timing: {}, batch: {}, registry: {}, webhooks: {} };
  assert.equal(parseConfig(empty), { ...least, ...DEFAULTS, chain, keys });
});

test('what is given is kept', () => {
  const id = `0x${'Cd'.repeat(32)}`;
  const given: HubConfigInput = {
    ...least,
    keys: { signing: [KEY, KEY], settlement: KEY, root: VAULT.toLowerCase(), words: ['0x00'] },
    mqtt: {
      host: '0.0.0.0',
      port: 1883,
      url: 'mqtts://a:1',
      username: 'u',
      password: 'p',
      login: 'required',
    },
    http: { host: '::1', port: 8080 },
    chain: {
      ...least.chain,
      rpcUrl: ['http://127.0.0.1:1', 'https://a:1'],
      startBlock: 5,
      finalityBlocks: 0,
      pollMs: 50,
      timeoutMs: 100,
      feeMaxGwei: 1,
    },
    timing: { ...DEFAULT_TIMING, exitDelay: DEFAULT_TIMING.exitDelay + 1 },
    scopes: [{ id, payees: [VAULT] }],
    leaseAnyScope: true,
    batch: { everyMs: 0, lanesMax: 7, inFlightMax: 2, laneMin: 3 },
    registry: { everyMs: 0, anchorEvery: 5 },
    webhooks: { hosts: ['erp.local:8443'], goneAfter: 60 },
    approvals: { above: 5 },
    traces: { url: 'http://127.0.0.1:4318/v1/traces' },
    beaconMs: 100,
    development: true,
  } as HubConfigInput;
  assert.equal(parseConfig(given), {
    ...given,
    chain: { ...given.chain, vault: VAULT.toLowerCase() },
    scopes: [{ id: id.toLowerCase(), payees: [VAULT.toLowerCase()] }],
  });
});

/** The configuration with one field set, by its path. */
function withField(path: string, value: unknown): unknown {
  const copy = structuredClone(least) as Record<string, unknown>;
  const keys = path.split('.');
  let at = copy;
  for (const key of keys.slice(0, -1)) {
    at[key] ??= {};
    at = at[key] as Record<string, unknown>;
  }
  at[keys.at(-1)!] = value;
  return copy;
}

function refusal(input: unknown): SundialError | undefined {
  try {
    parseConfig(input);
    return undefined;
  } catch (error) {
    return error as SundialError;
  }
}

const BOUNDS: readonly [path: string, min: number, max: number][] = [
  ['mqtt.port', 0, 65_535],
  ['http.port', 0, 65_535],
  ['chain.chainId', 1, 2 ** 48 - 1],
  ['chain.startBlock', 0, 2 ** 48 - 1],
  ['chain.finalityBlocks', 0, 100_000],
  ['chain.pollMs', 50, 60_000],
  ['chain.timeoutMs', 100, 60_000],
  ['chain.feeMaxGwei', 1, 1_000_000],
  ['batch.inFlightMax', 1, 16],
  ['batch.laneMin', 1, 2 ** 48 - 1],
  ['batch.everyMs', 0, 86_400_000],
  ['batch.lanesMax', 1, 1_000],
  ['beaconMs', 100, 3_600_000],
  ['webhooks.goneAfter', 60, 366 * 86_400],
  ['approvals.above', 0, 2 ** 48 - 1],
];

for (const [path, min, max] of BOUNDS) {
  test(`${path} goes from ${min} to ${max}`, () => {
    for (const value of [min, max]) assert.is(refusal(withField(path, value)), undefined, `${value}`);
    for (const value of [min - 1, max + 1, min + 0.5, String(min)]) {
      const error = refusal(withField(path, value));
      assert.is(error?.code, 'config', `${value}`);
      assert.is(error?.facts.field, path);
    }
  });
}

const SPANS: readonly [keyof typeof DEFAULT_TIMING, number, number][] = [
  ['leaseLifetime', 60, 30 * 86_400],
  ['payeeOfflineMax', 60, 90 * 86_400],
  ['watchLag', 1, 7 * 86_400],
  ['clockError', 0, 86_400],
  ['claimMargin', 60, 30 * 86_400],
  ['slowLane', 60, 30 * 86_400],
  ['exitDelay', 60, 365 * 86_400],
];

for (const [name, min, max] of SPANS) {
  test(`timing.${name} goes from ${min} to ${max}`, () => {
    // As long as an exit may take, so that the sum of the others fits, or as short as they are when it is the exit.
    const others =
      name === 'exitDelay'
        ? {
            leaseLifetime: 60,
            payeeOfflineMax: 60,
            watchLag: 1,
            clockError: 0,
            claimMargin: 60,
            slowLane: 60,
          }
        : { exitDelay: 365 * 86_400 };
    const timing = (value: number) => ({ ...least, timing: { ...others, [name]: value } });
    assert.is(refusal(timing(max)), undefined);
    if (name === 'exitDelay') assert.is(refusal(timing(min))?.code, 'timing', 'below the sum of its parts');
    else assert.is(refusal(timing(min)), undefined);
    for (const value of [min - 1, max + 1]) assert.is(refusal(timing(value))?.facts.field, `timing.${name}`);
  });
}

const WRONG: readonly [path: string, value: unknown][] = [
  ['name', 'Hub'],
  ['name', ''],
  ['name', 'a'.repeat(33)],
  ['folder', ''],
  ['mqtt.url', 'http://a'],
  ['mqtt.url', 'mqtt:'],
  ['chain.rpcUrl', 'ws://a'],
  ['chain.rpcUrl', 'http://'],
  ['chain.rpcUrl', []],
  ['chain.rpcUrl', ['http://a:1', 'http://a:1']],
  ['chain.rpcUrl', Array.from({ length: 6 }, (_, i) => `http://a:${i + 1}`)],
  ['chain.vault', `${VAULT}0`],
  ['chain.vault', VAULT.slice(0, -1)],
  ['keys.signing', KEY.slice(2)],
  ['keys.settlement', `${KEY}0`],
  ['keys.root', KEY],
  ['scopes.0.id', VAULT],
  ['leaseAnyScope', 1],
  ['development', 'yes'],
];

for (const [path, value] of WRONG) {
  test(`${path} can't be ${JSON.stringify(value)}`, () => {
    const input = path.startsWith('scopes')
      ? { ...least, scopes: [{ id: value, payees: [] }] }
      : withField(path, value);
    assert.is(refusal(input)?.facts.field, path);
  });
}

test('so many scopes and payees, and no more', () => {
  const scope = { id: KEY, payees: [] as string[] };
  assert.is(refusal({ ...least, scopes: Array(1_000).fill(scope) }), undefined);
  assert.is(refusal({ ...least, scopes: Array(1_001).fill(scope) })?.facts.field, 'scopes');
  assert.is(refusal({ ...least, scopes: [{ ...scope, payees: Array(1_000).fill(VAULT) }] }), undefined);
  const many = [{ ...scope, payees: Array(1_001).fill(VAULT) }];
  assert.is(refusal({ ...least, scopes: many })?.facts.field, 'scopes.0.payees');
});

test('a field that nobody knows is named, wherever it stands', () => {
  for (const path of [
    'pollMs',
    'mqtt.hots',
    'http.url',
    'chain.rpc',
    'keys.signer',
    'timing.lease',
    'batch.every',
  ]) {
    const error = refusal(withField(path, 1));
    assert.is(error?.facts.field, path);
    assert.ok(error?.remedy.includes('Remove'));
  }
  assert.is(refusal(undefined)?.code, 'config');
});

test.run();
