/**
 * The gateway over real sockets, with nobody to pay: what charge points of three versions report is kept, told again it is
 * the same, and what breaks a schema is refused. Not checked here: payers and kills (plug.test.ts, npm run plug).
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RPCClient } from 'ocpp-rpc';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Gateway, type GatewayOptions } from '../../hardware/boards/node/ocpp/gateway.ts';
import { cdrOf, NO_PARTY } from '../../hardware/boards/node/ocpp/record.ts';
import type { Session } from '../../hardware/boards/node/ocpp/session.ts';
import { SessionStore } from '../../hardware/boards/node/ocpp/store.ts';
import { codeOfLater } from '../errors.ts';
import { TARIFF, TICK } from './world.ts';

interface Running {
  readonly folder: string;
  readonly url: string;
  readonly gateway: Gateway;
  readonly store: SessionStore;
  readonly closed: Session[];
  readonly said: string[];
  again(): Promise<Running>;
  stop(): void;
}

async function run(change: Partial<GatewayOptions> = {}, from?: string): Promise<Running> {
  const folder = from ?? mkdtempSync(join(tmpdir(), 'sundial-ocpp-'));
  const store = new SessionStore(folder);
  const closed: Session[] = [];
  const said: string[] = [];
  const gateway = new Gateway({
    broken: (error) => {
      throw error;
    },
    tariff: TARIFF,
    zone: () => 0,
    store,
    tickValue: TICK,
    intervalSeconds: 10,
    pause: false,
    unpaid: true,
    terminal: () => Promise.resolve(undefined),
    summon: () => Promise.resolve(),
    say: (_words, { event }) => said.push(String(event)),
    settled: () => undefined,
    closed: (session) => closed.push(session),
    ...change,
  });
  const url = await gateway.listen(0, '127.0.0.1');
  return {
    folder,
    url,
    gateway,
    store,
    closed,
    said,
    again: () => {
      gateway.close();
      return run(change, folder);
    },
    stop: () => {
      gateway.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** A charge point's end, without checks of its own. */
async function point(url: string, protocol: string, extra: object = {}): Promise<RPCClient> {
  const client = new RPCClient({
    endpoint: url,
    identity: 'CP1',
    protocols: [protocol],
    reconnect: false,
    ...extra,
  } as never);
  for (const method of ['ChangeConfiguration', 'RemoteStopTransaction', 'RequestStopTransaction'])
    client.handle(method, (async () => ({ status: 'Accepted' })) as never);
  client.handle('SetVariables', (async () => ({ setVariableResult: [] })) as never);
  await client.connect();
  return client;
}

type Answer = Record<string, never>;
const call = (client: RPCClient, method: string, params: object): Promise<Answer> =>
  client.call(method, params) as Promise<Answer>;
const at = (ms = 0): string => new Date(Date.now() + ms).toISOString();
const START = { connectorId: 1, idTag: 'T', meterStart: 1000 };

test('OCPP 1.6: a session, told twice, is one', async () => {
  const site = await run();
  const client = await point(site.url, 'ocpp1.6');
  const boot = await call(client, 'BootNotification', { chargePointModel: 'm', chargePointVendor: 'v' });
  assert.is(boot.status, 'Accepted');
  const start = { ...START, timestamp: at() };
  const first = await call(client, 'StartTransaction', start);
  assert.equal(first.idTagInfo, { status: 'Accepted' });
  assert.equal(await call(client, 'StartTransaction', start), first, 'its answer was lost');
  const { transactionId } = first;
  await call(client, 'MeterValues', {
    connectorId: 1,
    transactionId,
    meterValue: [
      {
        timestamp: at(),
        sampledValue: [
          { value: '1.4', unit: 'kWh' },
          { value: '9', measurand: 'SoC' },
        ],
      },
    ],
  });
  const stop = { transactionId, meterStop: 1600, timestamp: at(), reason: 'EVDisconnected' };
  await call(client, 'StopTransaction', stop);
  await call(client, 'StopTransaction', stop);
  assert.equal(await call(client, 'StartTransaction', start), first, 'over, and told once more');
  assert.is(site.closed.length, 1);
  const cdr = cdrOf(site.closed[0]!, NO_PARTY) as Record<string, never>;
  assert.equal(cdr.total_cost, { excl_vat: 0.3, incl_vat: 0.3 });
  assert.is(cdr.total_energy, 0.6);
  assert.equal([...site.store.records()].length, 1);
  await client.close();
  site.stop();
});

for (const protocol of ['ocpp2.0.1', 'ocpp2.1'])
  test(`${protocol}: a session, told twice, is one`, async () => {
    const site = await run();
    const client = await point(site.url, protocol);
    await call(client, 'BootNotification', {
      reason: 'PowerUp',
      chargingStation: { model: 'm', vendorName: 'v' },
    });
    const event = (eventType: string, seqNo: number, wh: number, extra: object = {}) => ({
      eventType,
      timestamp: at(),
      triggerReason: 'Authorized',
      seqNo,
      evse: { id: 1 },
      transactionInfo: { transactionId: 'tx-1', chargingState: 'Charging' },
      meterValue: [{ timestamp: at(), sampledValue: [{ value: wh / 1000, unitOfMeasure: { unit: 'kWh' } }] }],
      ...extra,
    });
    const idToken = { idToken: 'T', type: 'ISO14443' };
    const started = event('Started', 0, 2000, { idToken });
    assert.equal((await call(client, 'TransactionEvent', started)).idTokenInfo, { status: 'Accepted' });
    await call(client, 'TransactionEvent', started);
    const updated = await call(client, 'TransactionEvent', event('Updated', 1, 2500));
    assert.is(updated.totalCost, 0.25);
    const ended = event('Ended', 2, 3000);
    assert.is((await call(client, 'TransactionEvent', ended)).totalCost, 0.5);
    assert.is((await call(client, 'TransactionEvent', ended)).totalCost, 0.5);
    assert.is(site.closed.length, 1);
    assert.is(site.closed[0]!.register?.energy, 1000);
    await client.close();
    site.stop();
  });

test('a session goes on after the gateway is gone, and one that was offline is recorded', async () => {
  let site = await run();
  let client = await point(site.url, 'ocpp1.6');
  const { transactionId } = await call(client, 'StartTransaction', { ...START, timestamp: at() });
  await client.close();
  site = await site.again();
  client = await point(site.url, 'ocpp1.6');
  await call(client, 'StopTransaction', { transactionId, meterStop: 1250, timestamp: at() });
  assert.is(site.closed[0]?.register?.energy, 250);
  // Two that began and ended while nobody was there to hear, an hour ago.
  for (const n of [0, 1]) {
    const old = await call(client, 'StartTransaction', {
      ...START,
      meterStart: 2000,
      timestamp: at(-3_600_000 + n),
    });
    await call(client, 'StopTransaction', {
      transactionId: old.transactionId,
      meterStop: 2100,
      timestamp: at(-1_800_000),
    });
  }
  assert.is(site.closed.length, 3);
  assert.ok(site.closed[1]!.beside && site.closed[1]!.register?.energy === 100);
  // And one whose beginning nobody ever told.
  await call(client, 'StopTransaction', { transactionId: 4711, meterStop: 9, timestamp: at() });
  assert.is([...site.store.records()].length, 4);
  await client.close();
  site.stop();
});

test('what was half written when the gateway was killed is no session', async () => {
  const site = await run();
  const aside = join(site.folder, 'open', 'CP1%20x-1.json.4711');
  writeFileSync(aside, '{"id":');
  const again = await site.again();
  assert.not.ok(existsSync(aside));
  again.stop();
});

test('a late session is open across a restart', async () => {
  let site = await run();
  let client = await point(site.url, 'ocpp1.6');
  const start = { ...START, timestamp: at(-3_600_000) };
  const { transactionId } = await call(client, 'StartTransaction', start);
  await client.close();
  site = await site.again();
  client = await point(site.url, 'ocpp1.6');
  assert.is((await call(client, 'StartTransaction', start)).transactionId, transactionId);
  await call(client, 'StopTransaction', { transactionId, meterStop: 1100, timestamp: at(-60_000) });
  assert.is(site.closed[0]?.register?.energy, 100);
  await client.close();
  site.stop();
});

test('a token alone starts nothing', async () => {
  const site = await run({ unpaid: false });
  const client = await point(site.url, 'ocpp1.6');
  assert.equal((await call(client, 'Authorize', { idTag: 'T' })).idTagInfo, { status: 'Invalid' });
  const stopped = new Promise((resolve) =>
    client.handle('RemoteStopTransaction', (async (it: unknown) => {
      resolve(it);
      return { status: 'Accepted' };
    }) as never),
  );
  const answer = await call(client, 'StartTransaction', { ...START, timestamp: at() });
  assert.equal(answer.idTagInfo, { status: 'Invalid' });
  await stopped;
  await call(client, 'StopTransaction', {
    transactionId: answer.transactionId,
    meterStop: 1001,
    timestamp: at(),
  });
  assert.is(site.closed[0]?.ended?.reason, 'Local');
  await client.close();
  site.stop();
});

test('a start is answered when whoever was called is here or not, and stopped only after the answer', async () => {
  let here: (() => void) | undefined;
  const called = new Promise<void>((begun) => {
    here = begun;
  });
  let arrive: (() => void) | undefined;
  const arrival = new Promise<void>((done) => {
    arrive = done;
  });
  const site = await run({
    unpaid: false,
    summon: () => {
      here?.();
      return arrival;
    },
  });
  const client = await point(site.url, 'ocpp1.6', { callConcurrency: 2 });
  const heard: string[] = [];
  const stopped = new Promise<void>((resolve) =>
    client.handle('RemoteStopTransaction', (async () => {
      resolve();
      return { status: 'Accepted' };
    }) as never),
  );
  await call(client, 'Heartbeat', {});
  client.on('message', (({ message, outbound }: { message: Buffer; outbound: boolean }) => {
    const [kind, , method] = JSON.parse(String(message));
    if (!outbound) heard.push(kind === 2 ? method : 'answer');
  }) as never);
  const answer = call(client, 'StartTransaction', { ...START, timestamp: at() });
  await called;
  // Over the same socket, in order: what was sent before this answer comes before it.
  await call(client, 'Heartbeat', {});
  assert.equal(heard.splice(0), ['answer'], 'only the heartbeat: nothing while somebody is on the way');
  arrive?.();
  assert.equal((await answer).idTagInfo, { status: 'Invalid' });
  await stopped;
  assert.equal(heard, ['answer', 'RemoteStopTransaction']);
  await client.close();
  site.stop();
});

test('what breaks a schema, or is not known, is refused by name and changes nothing', async () => {
  const site = await run();
  const client = await point(site.url, 'ocpp1.6');
  assert.match(
    await codeOfLater(() => call(client, 'StartTransaction', { connectorId: 'one' })),
    /must|Violation|required/,
  );
  assert.is(site.gateway.schemaViolations, 1);
  assert.equal(await call(client, 'DataTransfer', { vendorId: 'nobody' }), { status: 'UnknownVendorId' });
  assert.match(await codeOfLater(() => call(client, 'Invented', {})), /Unable to handle 'Invented'/);
  client.sendRaw('no json');
  assert.is((await call(client, 'Heartbeat', {})).currentTime !== undefined, true);
  assert.is([...site.store.records()].length, 0);
  await client.close();
  site.stop();
});

test('who may connect', async () => {
  const site = await run({ passwords: { CP1: 'right' } });
  for (const [extra, protocol] of [
    [{ password: 'wrong' }, 'ocpp1.6'],
    [{}, 'ocpp1.6'],
    [{ password: 'right', identity: 'CP2' }, 'ocpp1.6'],
    [{ password: 'right' }, 'ocpp1.2'],
  ] as const)
    assert.not.equal(await codeOfLater(() => point(site.url, protocol, extra)), 'done');
  const client = await point(site.url, 'ocpp1.6', { password: 'right' });
  await call(client, 'Heartbeat', {});
  await client.close();
  assert.is(site.said.filter((event) => event === 'turnedAway').length, 4);
  site.stop();
});

test.run();
