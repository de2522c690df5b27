/**
 * Sessions that L2 settled: recorded once their terminal heard so, and told to a central system above, in OCPP 2.1 by its own
 * message, in older versions by DataTransfer where a vendor is named, also after kills. The terminal is a few lines that say
 * where L2 stands; the system above is the library's server with the published schemas. Not checked here: that terminals
 * hear it (protocol, hub).
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RPCClient, RPCServer } from 'ocpp-rpc';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Gateway, type OpenTerminal } from '../../hardware/boards/node/ocpp/gateway.ts';
import { strict } from '../../hardware/boards/node/ocpp/schemas.ts';
import { newSession, type Session } from '../../hardware/boards/node/ocpp/session.ts';
import { Settlements, UNSETTLED_MAX } from '../../hardware/boards/node/ocpp/settlements.ts';
import { SessionStore } from '../../hardware/boards/node/ocpp/store.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import { codeOf } from '../errors.ts';
import { TARIFF, TICK } from './world.ts';

const scratch: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sundial-settled-'));
  scratch.push(made);
  return made;
}
test.after(() => {
  for (const made of scratch) rmSync(made, { recursive: true, force: true });
});

const CHANNEL = 7;
/** Paid by two streams of one channel, the lane of which stood at `before`; 3 ticks and 2. */
const paid = (id: string, before: number, protocol = 'ocpp2.1'): Session => ({
  ...newSession({ id, chargePoint: 'CP1', connector: 1, protocol, tariff: TARIFF, openedAt: 1_800_000_000 }),
  transaction: { id, key: '', token: `TOKEN${id}`, startedAt: 1_800_000_000, startWh: 0 },
  streams: [3, 2].map((k, i) => ({
    request: `0x0${i}`,
    voucher: `0x1${i}`,
    channel: CHANNEL,
    tickValue: TICK,
    k,
    credited: 0,
    upTo: before + TICK * (i === 0 ? 3 : 5),
  })),
  ended: { at: 1_800_000_600, reason: 'Local' },
  closedAt: 1_800_000_601,
});
const PLUG = { chargePoint: 'CP1', number: 1 };
const settledIn = (store: SessionStore, at: number, tell: (session: Session) => void): void =>
  store.settle(PLUG, (channel) => (channel === CHANNEL ? at : 0), { at: 1_800_009_000 }, tell);

test('a session is settled when L2 stands where its last tick does: not a unit before, and once', () => {
  const path = folder();
  const store = new SessionStore(path);
  store.close(paid('1', 0));
  const told: string[] = [];
  const tell = ({ id }: Session): void => void told.push(id);
  settledIn(store, 5 * TICK - 1, tell);
  assert.equal(told, []);
  settledIn(store, 5 * TICK, tell);
  settledIn(store, 9 * TICK, tell);
  assert.equal(told, ['1']);
  assert.equal(store.closed('CP1', '1')?.settled, { at: 1_800_009_000 });
  settledIn(new SessionStore(path), 9 * TICK, tell);
  assert.equal(told, ['1'], 'nor after a restart');
});

test('another connector, another channel, or nothing that was paid settles nothing', () => {
  const store = new SessionStore(folder());
  store.close(paid('1', 0));
  store.close({ ...paid('2', 0), streams: [] });
  const told: string[] = [];
  const tell = ({ id }: Session): void => void told.push(id);
  store.settle({ ...PLUG, number: 2 }, () => 99 * TICK, { at: 1 }, tell);
  store.settle(PLUG, (channel) => (channel === CHANNEL ? 0 : 99 * TICK), { at: 1 }, tell);
  assert.equal(told, []);
  settledIn(store, 99 * TICK, tell);
  assert.equal(told, ['1']);
});

test('a kill between telling and forgetting tells again, with the moment of the first time', () => {
  const path = folder();
  const store = new SessionStore(path);
  store.close(paid('1', 0));
  assert.throws(() =>
    settledIn(store, 5 * TICK, () => {
      throw new Error('killed');
    }),
  );
  const told: Session[] = [];
  new SessionStore(path).settle(
    PLUG,
    () => 5 * TICK,
    { at: 1_900_000_000 },
    (session) => told.push(session),
  );
  assert.equal(
    told.map(({ id, settled }) => [id, settled?.at]),
    [['1', 1_800_009_000]],
  );
});

test('so many may wait, one more is recorded without it, and a damaged file is named', () => {
  const path = folder();
  const waiting = new Settlements(path);
  const one = { chargePoint: 'CP1', connector: 1, transaction: 'x', streams: [{ channel: 1, upTo: 1 }] };
  // Filled in memory: each file is a few hundred bytes, and made durable.
  const held = (waiting as unknown as { waiting: Map<string, typeof one> }).waiting;
  for (let i = 0; i < UNSETTLED_MAX - 1; i++) held.set(`${i}.json`, one);
  assert.ok(waiting.add('last.json', one));
  assert.not(waiting.add('more.json', one));
  assert.equal(readdirSync(path), ['last.json']);
  writeFileSync(join(path, 'last.json'), '{"chargePoint":1}');
  assert.is(
    codeOf(() => new Settlements(path)),
    'bad_settlement',
  );
});

/** The central system above: takes what its schemas take. */
async function above(): Promise<{
  readonly url: string;
  readonly heard: (readonly [method: string, params: Record<string, unknown>])[];
  readonly told: (count: number) => Promise<void>;
  readonly stop: () => void;
}> {
  const rpc = new RPCServer({ protocols: ['ocpp1.6', 'ocpp2.1'], ...strict });
  const heard: (readonly [string, Record<string, unknown>])[] = [];
  const waiting: (() => void)[] = [];
  rpc.on('client', (client: RPCClient) =>
    client.handle((({ method, params }: { method: string; params: Record<string, unknown> }) => {
      heard.push([method, params]);
      for (const wake of waiting.splice(0)) wake();
      if (method === 'BootNotification')
        return { status: 'Accepted', interval: 60, currentTime: new Date().toISOString() };
      if (method === 'StartTransaction') return { transactionId: 4711, idTagInfo: { status: 'Accepted' } };
      return method === 'DataTransfer' ? { status: 'Accepted' } : {};
    }) as never),
  );
  const server = createServer();
  server.on('upgrade', (request, socket, head) => void rpc.handleUpgrade(request, socket as Socket, head));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ocpp`,
    heard,
    told: async (count) => {
      const settlements = () =>
        heard.filter(([method]) => method === 'NotifySettlement' || method === 'DataTransfer');
      while (settlements().length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    stop: () => {
      server.close();
      void rpc.close({ force: true } as never);
    },
  };
}

/** A gateway with one terminal, which knows one lane. */
async function gateway(path: string, url: string, vendor?: string) {
  const lane = { channel: CHANNEL, settled: 0 };
  let hears: ((notice: Notice) => void) | undefined;
  const terminal = {
    device: { state: { books: { lanes: [lane] } }, dispatch: () => undefined },
    entropy: { certified: true, random: (length: number) => new Uint8Array(length) },
    tap: 'unix:none',
    start: async (onNotice: (notice: Notice) => void) => {
      hears = onNotice;
    },
  } as unknown as OpenTerminal;
  const settled: Session[] = [];
  const running = new Gateway({
    broken: (error) => {
      throw error;
    },
    tariff: TARIFF,
    zone: () => 0,
    store: new SessionStore(path),
    tickValue: TICK,
    intervalSeconds: 10,
    pause: false,
    unpaid: true,
    terminal: () => Promise.resolve(terminal),
    summon: () => Promise.resolve(),
    say: () => undefined,
    closed: () => undefined,
    settled: (session) => settled.push(session),
    upstream: {
      url,
      currency: 'XTS',
      folderOf: (identity) => join(path, 'upstream', identity),
      ...(vendor !== undefined && { settlementVendor: vendor }),
    },
  });
  return {
    endpoint: await running.listen(0, '127.0.0.1'),
    settled,
    settle: (at: number, transaction = 0xab) => {
      lane.settled = at;
      hears?.({
        type: 'settled',
        channel: CHANNEL,
        paid: at,
        transaction: new Uint8Array(32).fill(transaction),
      } as never);
    },
    close: () => running.close(),
  };
}

async function chargePoint(endpoint: string, protocol: string): Promise<RPCClient> {
  const client = new RPCClient({
    endpoint,
    identity: 'CP1',
    protocols: [protocol],
    reconnect: false,
  } as never);
  client.handle((() => ({ status: 'Accepted', setVariableResult: [] })) as never);
  await client.connect();
  const vendor = { vendorName: 'v', model: 'm' };
  await client.call(
    'BootNotification',
    protocol === 'ocpp1.6'
      ? { chargePointModel: 'm', chargePointVendor: 'v' }
      : { reason: 'PowerUp', chargingStation: vendor },
  );
  return client;
}

test('OCPP 2.1: the system above is told of each settled session, once, in its own message', async () => {
  const path = folder();
  const store = new SessionStore(path);
  store.close(paid('first', 0));
  store.close(paid('second', 5 * TICK));
  const top = await above();
  const site = await gateway(path, top.url);
  const client = await chargePoint(site.endpoint, 'ocpp2.1');
  site.settle(7 * TICK);
  await top.told(1);
  site.settle(10 * TICK, 0xcd);
  await top.told(2);
  const [first, second] = top.heard.filter(([method]) => method === 'NotifySettlement');
  assert.is(first?.[1].transactionId, 'first');
  assert.is(first?.[1].status, 'Settled');
  assert.is(first?.[1].pspRef, 'TOKENfirst');
  assert.is(first?.[1].settlementAmount, 0.25);
  assert.is(first?.[1].receiptId, 'CP1-first');
  assert.is(first?.[1].statusInfo, `XTS 0x${'ab'.repeat(32)}`);
  assert.is(second?.[1].transactionId, 'second');
  assert.is(new SessionStore(path).closed('CP1', 'first')?.settled?.transaction, `0x${'ab'.repeat(32)}`);
  assert.equal(
    site.settled.map(({ id }) => id),
    ['first', 'second'],
  );
  await client.close();
  site.close();
  top.stop();
});

test('what the terminal heard before a kill is told after it, also before the charge point comes', async () => {
  const path = folder();
  new SessionStore(path).close(paid('1', 0));
  // Something goes on at the connector: it is opened at the start.
  writeFileSync(
    join(path, 'open', 'x.json'),
    JSON.stringify({ ...paid('9', 0), streams: [], ended: undefined }),
  );
  const top = await above();
  const site = await gateway(path, top.url);
  site.settle(5 * TICK);
  assert.is(site.settled.length, 1);
  const client = await chargePoint(site.endpoint, 'ocpp2.1');
  await top.told(1);
  assert.is(top.heard.find(([method]) => method === 'NotifySettlement')?.[1].transactionId, '1');
  await client.close();
  site.close();
  top.stop();
});

test('OCPP 1.6: in DataTransfer under the vendor that was named, by the number that the system above gave', async () => {
  const path = folder();
  const top = await above();
  const site = await gateway(path, top.url, 'org.example');
  const client = await chargePoint(site.endpoint, 'ocpp1.6');
  const start = { connectorId: 1, idTag: 'T', meterStart: 0, timestamp: new Date().toISOString() };
  const { transactionId } = (await client.call('StartTransaction', start)) as { transactionId: number };
  const session = paid(String(transactionId), 0, 'ocpp1.6');
  new SessionStore(path).close(session);
  await client.close();
  site.close();
  const again = await gateway(path, top.url, 'org.example');
  const back = await chargePoint(again.endpoint, 'ocpp1.6');
  again.settle(5 * TICK);
  await top.told(1);
  const [, transfer] = top.heard.find(([method]) => method === 'DataTransfer')!;
  assert.is(transfer.vendorId, 'org.example');
  assert.is(transfer.messageId, 'NotifySettlement');
  const data = JSON.parse(String(transfer.data));
  assert.is(data.transactionId, '4711');
  assert.is(data.settlementAmount, 0.25);
  await back.close();
  again.close();
  top.stop();
});

test('OCPP 1.6 with no vendor: the session is recorded as settled, and above hears nothing', async () => {
  const path = folder();
  new SessionStore(path).close(paid('1', 0, 'ocpp1.6'));
  const top = await above();
  const site = await gateway(path, top.url);
  const client = await chargePoint(site.endpoint, 'ocpp1.6');
  site.settle(5 * TICK);
  assert.is(site.settled.length, 1);
  assert.equal(readdirSync(join(path, 'unsettled')), []);
  assert.not(top.heard.some(([method]) => method === 'DataTransfer'));
  await client.close();
  site.close();
  top.stop();
});

test.run();
