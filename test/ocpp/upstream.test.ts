/**
 * A central system above the gateway: a second gateway, over real sockets. What is decided here is told there in order,
 * once, also after it was away or the gateway was killed; all else passes, both ways. Not checked here: payers, TLS.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RPCClient } from 'ocpp-rpc';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Gateway } from '../../hardware/boards/node/ocpp/gateway.ts';
import type { Session } from '../../hardware/boards/node/ocpp/session.ts';
import { SessionStore } from '../../hardware/boards/node/ocpp/store.ts';
import { Copies, COPIES_MAX } from '../../hardware/boards/node/ocpp/upstream/copies.ts';
import { codeOf } from '../errors.ts';
import { TARIFF, TICK } from './world.ts';

const scratch: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sundial-upstream-'));
  scratch.push(made);
  return made;
}
test.after(() => {
  for (const made of scratch) rmSync(made, { recursive: true, force: true });
});

interface Running {
  readonly url: string;
  readonly gateway: Gateway;
  readonly closed: Session[];
  readonly said: Record<string, unknown>[];
  /** Resolves with the facts of the next event of this name that satisfies `is`, or one that was said before. */
  heard(event: string, is?: (facts: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
}

async function run(at: {
  readonly folder: string;
  readonly port?: number;
  readonly above?: string;
}): Promise<Running> {
  const closed: Session[] = [];
  const said: Record<string, unknown>[] = [];
  const waiting: (() => void)[] = [];
  const gateway = new Gateway({
    broken: (error) => {
      throw error;
    },
    tariff: TARIFF,
    zone: () => 0,
    store: new SessionStore(at.folder),
    tickValue: TICK,
    intervalSeconds: 10,
    pause: false,
    unpaid: true,
    terminal: () => Promise.resolve(undefined),
    summon: () => Promise.resolve(),
    say: (words, facts) => {
      said.push({ ...facts, words });
      for (const wake of waiting.splice(0)) wake();
    },
    settled: () => undefined,
    closed: (session) => {
      closed.push(session);
      for (const wake of waiting.splice(0)) wake();
    },
    ...(at.above !== undefined && {
      upstream: {
        url: at.above,
        folderOf: (identity) => join(at.folder, 'upstream', identity),
        currency: 'XTS',
      },
    }),
  });
  const url = await gateway.listen(at.port ?? 0, '127.0.0.1');
  const until = async <T>(find: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return {
    url,
    gateway,
    closed,
    said,
    heard: (event, is = () => true) => until(() => said.find((facts) => facts.event === event && is(facts))),
  };
}

/** How the system above reaches the charge point. */
const farEnd = ({ gateway }: Running): RPCClient =>
  (gateway as never as { sites: Map<string, { client: RPCClient }> }).sites.get('CP1')!.client;
const portOf = (url: string): number => Number(new URL(url).port);
const at = (ms = 0): string => new Date(Date.now() + ms).toISOString();
type Answer = Readonly<Record<string, never>>;
const call = (client: RPCClient, method: string, params: object): Promise<Answer> =>
  client.call(method, params) as Promise<Answer>;

/** A charge point, and all that it is told. */
async function point(
  url: string,
  protocol = 'ocpp1.6',
): Promise<{ client: RPCClient; heard: [string, Answer][]; told: (method: string) => Promise<Answer> }> {
  const client = new RPCClient({
    endpoint: url,
    identity: 'CP1',
    protocols: [protocol],
    reconnect: false,
  } as never);
  const heard: [string, Answer][] = [];
  const waiting: (() => void)[] = [];
  client.handle((async ({ method, params }: { method: string; params: Answer }) => {
    heard.push([method, params]);
    for (const wake of waiting.splice(0)) wake();
    if (method !== 'SetVariables') return { status: 'Accepted' };
    const { setVariableData } = params as never as { setVariableData: Record<string, unknown>[] };
    return {
      setVariableResult: setVariableData.map(({ component, variable }) => ({
        attributeStatus: 'Accepted',
        component,
        variable,
      })),
    };
  }) as never);
  await client.connect();
  const told = async (method: string): Promise<Answer> => {
    for (;;) {
      const found = heard.find(([name]) => name === method);
      if (found !== undefined) return found[1];
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return { client, heard, told };
}

const BOOT = { chargePointModel: 'm', chargePointVendor: 'v' };
const session = async (client: RPCClient, wh: number, tag = 'T'): Promise<number> => {
  const start = { connectorId: 1, idTag: tag, meterStart: 1000, timestamp: at() };
  const { transactionId } = await call(client, 'StartTransaction', start);
  assert.is(
    (await call(client, 'StartTransaction', start)).transactionId,
    transactionId,
    'its answer was lost',
  );
  const stop = { transactionId, meterStop: 1000 + wh, timestamp: at() };
  await call(client, 'StopTransaction', stop);
  await call(client, 'StopTransaction', stop);
  return Number(transactionId);
};
const energies = ({ closed }: Running): (number | undefined)[] =>
  closed.map(({ register }) => register?.energy);
const closedAs = (running: Running, count: number): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (running.closed.length >= count) resolve();
      else setImmediate(look);
    };
    look();
  });

test('what is decided here is told above once, under the numbers that it gave', async () => {
  const above = await run({ folder: folder() });
  const site = await run({ folder: folder(), above: above.url });
  const { client } = await point(site.url);
  await call(client, 'BootNotification', BOOT);
  await above.heard('online');
  const told: string[] = [];
  farEnd(above).on('message', (({ message, outbound }: { message: Buffer; outbound: boolean }) => {
    const [kind, , method] = JSON.parse(String(message));
    if (!outbound && kind === 2 && method.endsWith('Transaction')) told.push(method);
  }) as never);
  await session(client, 300);
  await session(client, 500, 'U');
  await closedAs(above, 2);
  assert.equal(energies(above), [300, 500]);
  assert.equal(energies(site), [300, 500]);
  const once = ['StartTransaction', 'StopTransaction'];
  assert.equal(told, [...once, ...once], 'each was said twice here');
  const ids = (running: Running): (string | undefined)[] =>
    running.closed.map(({ transaction }) => transaction?.id);
  assert.equal(
    above.closed.map(({ transaction }) => transaction?.token),
    ['T', 'U'],
  );
  assert.is(ids(above).length, 2);
  await client.close();
  site.gateway.close();
  above.gateway.close();
});

test('all else passes, both ways, and names the transaction as each side knows it', async () => {
  const above = await run({ folder: folder() });
  const site = await run({ folder: folder(), above: above.url });
  const { client, heard, told } = await point(site.url);
  await call(client, 'BootNotification', BOOT);
  await site.heard('upstream', ({ status }) => status === 'online');
  // Its first wish, a setting that this gateway holds, is refused; the same wish of ours was taken.
  const kept = await site.heard('upstreamKept');
  assert.is(kept.method, 'ChangeConfiguration');
  // The system above answers what this gateway does not know itself.
  assert.equal(await call(client, 'DataTransfer', { vendorId: 'x' }), { status: 'UnknownVendorId' });
  const { transactionId } = await call(client, 'StartTransaction', {
    connectorId: 1,
    idTag: 'T',
    meterStart: 0,
    timestamp: at(),
  });
  await call(client, 'StatusNotification', { connectorId: 1, errorCode: 'NoError', status: 'Charging' });
  // A stop from above: the connector there is told to, as one that ends without an end.
  const started = await above.heard('charging');
  const far = farEnd(above);
  const answer = await call(far, 'RemoteStopTransaction', { transactionId: Number(started.transaction) });
  assert.equal(answer, { status: 'Accepted' });
  assert.is((await told('RemoteStopTransaction')).transactionId, transactionId);
  await call(far, 'SetChargingProfile', {
    connectorId: 1,
    csChargingProfiles: {
      chargingProfileId: 1,
      transactionId: Number(started.transaction),
      stackLevel: 0,
      chargingProfilePurpose: 'TxProfile',
      chargingProfileKind: 'Absolute',
      chargingSchedule: { chargingRateUnit: 'W', chargingSchedulePeriod: [{ startPeriod: 0, limit: 0 }] },
    },
  });
  assert.is(
    ((await told('SetChargingProfile')) as never as { csChargingProfiles: Answer }).csChargingProfiles
      .transactionId,
    transactionId,
  );
  const set = { key: 'MeterValueSampleInterval', value: '900' };
  assert.equal(await call(far, 'ChangeConfiguration', set), { status: 'Rejected' });
  assert.not.ok(heard.some(([, params]) => (params as Record<string, unknown>).value === '900'));
  assert.equal(await call(far, 'ChangeConfiguration', { ...set, key: 'LightIntensity' }), {
    status: 'Accepted',
  });
  await client.close();
  await above.heard('offline');
  site.gateway.close();
  above.gateway.close();
});

test('above may be away, and the gateway be killed: what happened is told afterwards, in order', async () => {
  const first = await run({ folder: folder() });
  const home = { folder: folder(), above: first.url };
  const away = portOf(first.url);
  first.gateway.close();
  let site = await run(home);
  const { client } = await point(site.url);
  await call(client, 'BootNotification', BOOT);
  await session(client, 100);
  await session(client, 200, 'U');
  await site.heard('upstream', ({ status }) => status === 'refused');
  site.gateway.close();
  site = await run(home);
  const back = await point(site.url);
  const above = await run({ folder: folder(), port: away });
  await closedAs(above, 2);
  assert.equal(energies(above), [100, 200]);
  await session(back.client, 300, 'V');
  await closedAs(above, 3);
  assert.equal(energies(above), [100, 200, 300]);
  // The last answer may still be on its way.
  while (new Copies(join(home.folder, 'upstream', 'CP1')).length > 0)
    await new Promise((resolve) => setImmediate(resolve));
  await back.client.close();
  site.gateway.close();
  above.gateway.close();
});

test('2.0.1: events are told as they came, and one setting of ours refuses a change', async () => {
  const above = await run({ folder: folder() });
  const site = await run({ folder: folder(), above: above.url });
  const { client } = await point(site.url, 'ocpp2.0.1');
  await call(client, 'BootNotification', {
    reason: 'PowerUp',
    chargingStation: { model: 'm', vendorName: 'v' },
  });
  assert.is((await site.heard('upstreamKept')).method, 'SetVariables');
  const event = (eventType: string, seqNo: number, wh: number) =>
    call(client, 'TransactionEvent', {
      eventType,
      timestamp: at(),
      triggerReason: 'Authorized',
      seqNo,
      evse: { id: 1 },
      transactionInfo: { transactionId: 'tx-1', chargingState: 'Charging' },
      meterValue: [{ timestamp: at(), sampledValue: [{ value: wh }] }],
    });
  await event('Started', 0, 0);
  await event('Updated', 1, 40);
  await event('Ended', 2, 90);
  await event('Ended', 2, 90);
  await closedAs(above, 1);
  assert.equal(energies(above), [90]);
  assert.is(above.closed[0]?.transaction?.id, 'tx-1');
  // Nobody here knows it, and above neither.
  const unknown = await call(client, 'NotifyEVChargingNeeds', {
    evseId: 1,
    chargingNeeds: { requestedEnergyTransfer: 'DC' },
  }).catch((error: { rpcErrorCode: string }) => error.rpcErrorCode);
  assert.is(unknown, 'NotImplemented');
  await client.close();
  site.gateway.close();
  above.gateway.close();
});

test('2.1: above hears what it costs, in parts', async () => {
  const above = await run({ folder: folder() });
  const site = await run({ folder: folder(), above: above.url });
  const { client } = await point(site.url, 'ocpp2.1');
  await call(client, 'BootNotification', {
    reason: 'PowerUp',
    chargingStation: { model: 'm', vendorName: 'v' },
  });
  await above.heard('online');
  const told: Record<string, unknown>[] = [];
  farEnd(above).on('message', (({ message, outbound }: { message: Buffer; outbound: boolean }) => {
    const [kind, , method, params] = JSON.parse(String(message));
    if (!outbound && kind === 2 && method === 'TransactionEvent') told.push(params.costDetails);
  }) as never);
  for (const [seqNo, eventType, wh] of [
    [0, 'Started', 0],
    [1, 'Ended', 700],
  ])
    await call(client, 'TransactionEvent', {
      eventType,
      timestamp: at(),
      triggerReason: 'Authorized',
      seqNo,
      evse: { id: 1 },
      transactionInfo: { transactionId: 'tx-1', chargingState: 'Charging' },
      meterValue: [{ timestamp: at(), sampledValue: [{ value: wh }] }],
    });
  await closedAs(above, 1);
  const { totalCost, totalUsage } = told.at(-1) as Record<string, Record<string, unknown>>;
  // 0.50 a kWh, no VAT, nothing else.
  assert.is(totalCost!.typeOfCost, 'NormalCost');
  assert.equal(totalCost!.total, { exclTax: 0.35, inclTax: 0.35 });
  assert.equal(totalCost!.energy, { exclTax: 0.35, inclTax: 0.35 });
  assert.equal(totalCost!.fixed, { exclTax: 0, inclTax: 0 });
  assert.is(totalUsage!.energy, 0.7);
  assert.is(site.gateway.schemaViolations + above.gateway.schemaViolations, 0);
  await client.close();
  site.gateway.close();
  above.gateway.close();
});

test('what waits has a bound, with room left for what begins and ends', () => {
  const copies = new Copies(folder());
  const reading = { method: 'MeterValues', params: {} };
  let readings = 0;
  while (copies.add(reading, false)) readings += 1;
  let ends = 0;
  while (copies.add({ method: 'StopTransaction', params: {} }, true)) ends += 1;
  assert.ok(ends > 0 && readings + ends === COPIES_MAX);
  assert.is(copies.length, COPIES_MAX);
});

test('what can not be read is named, and holds up neither the rest nor whoever charges', async () => {
  const above = await run({ folder: folder() });
  const home = { folder: folder(), above: above.url };
  const kept = join(home.folder, 'upstream', 'CP1');
  new Copies(kept).saveBoot(BOOT);
  writeFileSync(join(kept, '000000000001.json'), '{');
  const site = await run(home);
  const { client } = await point(site.url);
  await session(client, 300);
  await site.heard('upstreamBad');
  await closedAs(above, 1);
  await client.close();
  site.gateway.close();
  writeFileSync(join(kept, 'numbers.json'), '{');
  const again = await run(home);
  const back = await point(again.url);
  await again.heard('upstreamBad');
  await session(back.client, 400, 'U');
  assert.equal(energies(again), [400]);
  await back.client.close();
  again.gateway.close();
  above.gateway.close();
});

test('a file that is none of ours is named', () => {
  const at = folder();
  const copies = new Copies(at);
  copies.saveBoot({});
  assert.equal(copies.boot, {});
  new Copies(at).saveBoot([] as never);
  assert.is(
    codeOf(() => new Copies(at).boot),
    'bad_copy',
  );
});

test.run();
