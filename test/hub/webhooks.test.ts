/**
 * Webhooks: receivers that are slow, lie, hang up, are killed and come back; a hub that is killed while it tells; what
 * happened on a real chain, told once settled. The receiver checks signatures with code of its own. Where days pass, the
 * clock is the test's; sockets and files are real. Not checked here: TLS of receivers, names that resolve elsewhere in a
 * real DNS (addresses are tried one by one instead), the console's page.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { type HubConfigInput, parseConfig } from '../../hub/config.ts';
import { operatorTokenPath } from '../../hub/desk/tokens.ts';
import { checkHookUrl, isAllowed } from '../../hub/hooks/address.ts';
import { Hooks } from '../../hub/hooks/hooks.ts';
import { startHub } from '../../hub/hub.ts';
import type { HubRecord } from '../../hub/ledger/records.ts';
import { hookNotesMax, hookPatience, hookRecentMax, hookRetryMs, hooksMax } from '../../hub/limits.ts';
import { createLogger } from '../../hub/log.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { amount, seconds, seq } from '../../protocol/integers.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import {
  hub as hubKey,
  NOW,
  payee,
  payer,
  root,
  signing,
  suite,
  tap,
  terminal,
  tick,
  vault,
} from './fleet.ts';
import { seededRandom } from './random.ts';
import { Receiver } from './receiver.ts';
import { Connected, startSite, startTerminal } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

const isHub = process.argv[2] === 'hub';
if (isHub) {
  const hub = await startHub(parseConfig(JSON.parse(process.argv[3]!)), { log: createLogger('error') });
  process.stdout.write(`${hub.mqttUrl} ${hub.statusUrl}\n`);
}

/** A clock that goes when it is told; what is due at once is done soon. */
class Clock {
  private at = NOW * 1000;
  private waiting: { due: number; action: () => void }[] = [];
  readonly time = {
    nowMs: () => this.at,
    schedule: (delayMs: number, action: () => void) => {
      if (delayMs <= 10) {
        const soon = setTimeout(action, delayMs);
        return () => clearTimeout(soon);
      }
      const one = { due: this.at + delayMs, action };
      this.waiting.push(one);
      return () => {
        this.waiting = this.waiting.filter((other) => other !== one);
      };
    },
  };

  /** Milliseconds until what is due next; Infinity: nothing is. */
  get next(): number {
    return Math.min(...this.waiting.map(({ due }) => due - this.at));
  }

  advance(ms: number): void {
    this.at += ms;
    const due = this.waiting.filter((one) => one.due <= this.at);
    this.waiting = this.waiting.filter((one) => one.due > this.at);
    for (const { action } of due) action();
  }
}

/** Hooks over a ledger in memory. */
class Bench {
  readonly clock = new Clock();
  readonly records: HubRecord[] = [];
  hooks: Hooks;
  readonly folder: string;
  disabled: string[] = [];

  constructor(folder: string, timeoutMs = 2_000) {
    this.folder = folder;
    this.hooks = this.open(timeoutMs);
  }

  private open(timeoutMs: number): Hooks {
    const { records } = this;
    return new Hooks({
      folder: this.folder,
      hub: 'test',
      rules: { hosts: [], development: true },
      time: this.clock.time,
      log: createLogger('silent'),
      async *read(from) {
        for (let position = from; position < records.length; position += 1)
          yield { position, record: records[position]! };
      },
      size: () => records.length,
      known: () => records.length,
      entry: () => undefined,
      onDisabled: (name, why) => this.disabled.push(`${name}: ${why}`),
      timeoutMs,
    });
  }

  /** As after a crash: what the file has. */
  restart(): void {
    this.hooks = this.open(2_000);
    this.hooks.begin();
  }

  /** One more payment in the ledger. */
  async pay(number: number): Promise<void> {
    const { id, bytes } = await tap({ seq: number, amount: 100, spent: number * 100, paid: number * 100 });
    this.records.push({ type: 'entry', id, at: NOW, message: bytes });
    this.hooks.stored(this.records.at(-1)!, this.records.length - 1);
  }
}

const withBench = (act: (bench: Bench, receiver: Receiver) => Promise<void>, timeoutMs?: number) => () =>
  inTemporaryFolder(async (folder) => {
    const receiver = new Receiver();
    await receiver.start();
    const bench = new Bench(folder, timeoutMs);
    try {
      await act(bench, receiver);
    } finally {
      await bench.hooks.stop();
      await receiver.kill();
    }
  });

function declareTests(): void {
  const ALL = [
    'payment.acknowledged',
    'payment.settled',
    'payment.refunded',
    'device.gone',
    'alert',
  ] as const;
  const add = ({ hooks }: Bench, { url }: Receiver, name = 'shop'): string =>
    hooks.add({ name, url, events: [...ALL] }).secret;
  const state = ({ hooks }: Bench) => hooks.list()[0]!;

  test(
    'signed, in order, and never again once taken',
    withBench(async (bench, receiver) => {
      await bench.pay(1);
      receiver.secrets = [add(bench, receiver)];
      for (const number of [2, 3, 4]) await bench.pay(number);
      await until('three are told', () => receiver.got.length === 3);
      // What was before the hook is not told.
      assert.equal(receiver.ids(), ['evt_test_1', 'evt_test_2', 'evt_test_3']);
      for (const { signedBy, event, at } of receiver.got) {
        assert.equal(signedBy, [0]);
        assert.is(at, NOW);
        assert.equal(
          [event.type, event.data.amount, event.data.payee],
          ['payment.acknowledged', 100, toHex(payee.address)],
        );
      }
      // A rotated secret: both sign for a day, then the new one alone.
      receiver.secrets.unshift(bench.hooks.rotate('shop').secret);
      await bench.pay(5);
      await until('the fourth is told', () => receiver.got.length === 4);
      assert.equal(receiver.got[3]!.signedBy, [0, 1]);
      bench.clock.advance(86_400_000);
      await bench.pay(6);
      await until('the fifth is told', () => receiver.got.length === 5);
      assert.equal(receiver.got[4]!.signedBy, [0]);
      bench.restart();
      await bench.pay(7);
      await until('the sixth is told', () => receiver.ids().length === 6);
    }),
  );

  test(
    'a receiver that is killed, lies or hangs up gets everything when it is well, with the same ids and bodies',
    withBench(async (bench, receiver) => {
      receiver.secrets = [add(bench, receiver)];
      let paid = 0;
      for (const trouble of ['refuse', 'redirect', 'hangs up', 'silent', 'early', 'killed'] as const) {
        if (trouble === 'killed') await receiver.kill();
        else receiver.manner = trouble;
        paid += 1;
        await bench.pay(paid);
        await until(`${trouble} is noticed`, () => state(bench).failing !== undefined);
        const { asked } = receiver;
        bench.clock.advance(hookRetryMs.first - 1_000);
        assert.is(receiver.asked, asked, 'it is left in peace meanwhile');
        if (trouble === 'killed') await receiver.start();
        receiver.manner = 'take';
        bench.clock.advance(1_000);
        await until(`after ${trouble} it goes on`, () => receiver.ids().length === paid);
        await until('it is well again', () => state(bench).failing === undefined);
      }
      // A status is enough: a body without an end holds up nobody.
      receiver.manner = 'endless';
      paid += 1;
      await bench.pay(paid);
      await until('the endless one took it', () => state(bench).behind === 0);
      assert.is(state(bench).failing, undefined);
      assert.is(receiver.ids().length, paid);
      const bodies = new Map<string, string>();
      for (const { id, body } of receiver.got) {
        assert.is(bodies.get(id) ?? body, body, 'told twice, it is the same');
        bodies.set(id, body);
      }
      assert.ok(receiver.got.length > paid, 'who hangs up is told twice');
    }, 300),
  );

  test(
    'tried ever more rarely, disabled by name after days, and taken up again where it was',
    withBench(async (bench, receiver) => {
      receiver.secrets = [add(bench, receiver)];
      await receiver.kill();
      for (const number of [1, 2, 3]) await bench.pay(number);
      const pauses: number[] = [];
      for (let attempts = 1; state(bench).disabled === undefined; attempts += 1) {
        await until('an attempt failed', () => (state(bench).failing?.attempts ?? 0) >= attempts);
        if (state(bench).disabled !== undefined) break;
        const untilNext = state(bench).failing!.nextAt! * 1000 - bench.clock.time.nowMs();
        pauses.push(untilNext);
        bench.clock.advance(untilNext);
      }
      const longest = Math.max(...pauses);
      assert.ok(longest <= hookRetryMs.last && longest > hookRetryMs.last / 2, `${longest}`);
      const attempts = state(bench).failing!.attempts;
      // Hourly for five days, once it has slowed down.
      assert.ok(attempts > 100 && attempts < 150, `${attempts} attempts`);
      assert.is(bench.disabled.length, 1);
      assert.match(bench.disabled[0]!, /^shop: hook_away: .*ECONNREFUSED/);
      // A restart changes nothing about it.
      bench.restart();
      assert.is(bench.clock.next, Infinity, 'nothing is tried');
      await receiver.start();
      await bench.hooks.enable('shop', 'there');
      await until('all are told', () => receiver.ids().length === 3);
      await receiver.kill();
      await bench.pay(4);
      await until('it fails', () => state(bench).failing !== undefined);
      await receiver.start();
      await bench.hooks.enable('shop', 'now');
      await bench.pay(5);
      await until('the fifth is told', () => receiver.ids().length === 4);
      assert.is(receiver.ids().at(-1), 'evt_test_4');
      // One that says that it wants no more is asked no more.
      receiver.manner = 'gone';
      await bench.pay(6);
      await until('it is disabled', () => state(bench).disabled !== undefined);
    }),
  );

  test(
    'a hub that is off for days doesn’t disable at its first attempt',
    withBench(async (bench, receiver) => {
      add(bench, receiver);
      await receiver.kill();
      await bench.pay(1);
      await until('it fails', () => state(bench).failing !== undefined);
      await bench.hooks.stop();
      bench.clock.advance(2 * hookPatience.seconds * 1000);
      bench.restart();
      await until('it fails again', () => state(bench).failing!.attempts === 2);
      assert.is(state(bench).disabled, undefined);
      await receiver.start();
    }),
  );

  test(
    'behind by more than memory keeps, it reads the ledger; each by its own place, a merchant’s only its own',
    withBench(async (bench, receiver) => {
      const own = add(bench, receiver);
      bench.hooks.add({
        name: 'other',
        url: receiver.url,
        events: [...ALL],
        payee: `0x${'99'.repeat(20)}`,
      });
      receiver.secrets = [own];
      receiver.manner = 'refuse';
      const { id, bytes } = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
      const many = hookRecentMax + 7;
      for (let count = 0; count < many; count += 1) {
        bench.records.push({ type: 'entry', id, at: NOW, message: bytes });
        bench.hooks.stored(bench.records.at(-1)!, count);
      }
      await until('it fails', () => state(bench).failing !== undefined);
      receiver.manner = 'take';
      bench.clock.advance(hookRetryMs.first);
      await until('all are told', () => receiver.got.length === many);
      assert.equal(
        receiver.got.map((one) => one.id),
        Array.from({ length: many }, (_, at) => `evt_test_${at}`),
      );
      assert.ok(
        receiver.got.every(({ signedBy }) => signedBy.length === 1),
        'the other one was told nothing',
      );
      await until('both are through', () => bench.hooks.list().every(({ behind }) => behind === 0));
    }),
  );

  test(
    'devices that are gone and alerts are told once each; of too many the oldest make room, and are counted',
    withBench(async (bench, receiver) => {
      receiver.secrets = [add(bench, receiver)];
      const one = { address: `0x${'11'.repeat(20)}`, since: NOW - 90_000 };
      bench.hooks.gone([one]);
      bench.hooks.gone([one]);
      bench.hooks.alert('chain', 'chain: l2_away', false);
      await until('both are told', () => receiver.got.length === 2);
      bench.hooks.gone([]);
      bench.hooks.gone([one]);
      await until('it went again', () => receiver.got.length === 3);
      assert.equal(
        receiver.got.map(({ event }) => [event.type, event.data.device ?? event.data.name]),
        [
          ['device.gone', one.address],
          ['alert', 'chain'],
          ['device.gone', one.address],
        ],
      );
      // The bound, written as a file: a thousand one by one sync a thousand times.
      await bench.hooks.stop();
      receiver.manner = 'refuse';
      const path = join(bench.folder, 'webhooks.json');
      const file = JSON.parse(readFileSync(path, 'utf8'));
      const note = (number: number) => ({
        number,
        type: 'alert',
        at: NOW,
        data: { words: `broker: ${number - 3}` },
      });
      file.notes = Array.from({ length: hookNotesMax }, (_, at) => note(at + 3));
      file.nextNote = hookNotesMax + 3;
      await writeFile(path, JSON.stringify(file));
      bench.restart();
      for (let count = hookNotesMax; count < hookNotesMax + 5; count += 1)
        bench.hooks.alert('broker', `broker: ${count}`, false);
      await until('it fails', () => state(bench).failing !== undefined);
      assert.is(state(bench).lost, 5);
      receiver.manner = 'take';
      bench.clock.advance(hookRetryMs.first);
      // What was under way when it made room may still be told.
      await until('the others are told', () => receiver.got.length >= hookNotesMax + 3);
      assert.is(receiver.got.at(-1)!.event.data.words, `broker: ${hookNotesMax + 4}`);
    }),
  );

  test('what a URL may be, and to which addresses it may lead', () => {
    const rules = { hosts: ['erp.local:8443'], development: false };
    const refused = (url: string, development = false): void =>
      assert.throws(
        () => checkHookUrl(url, { ...rules, development }),
        (error: { code: string }) => error.code === 'hook_address',
        url,
      );
    for (const url of [
      'http://shop.example/hook',
      'ftp://shop.example/',
      'file:///etc/passwd',
      'https://user:word@shop.example/',
      'https://shop.example/#part',
      'https://127.0.0.1/',
      'https://0x7f000001/',
      'https://2130706433/',
      'https://017700000001/',
      'https://10.1.2.3/',
      'https://172.31.255.255/',
      'https://192.168.0.1/',
      'https://169.254.169.254/latest/meta-data',
      'https://100.64.0.1/',
      'https://0.0.0.0/',
      'https://[::1]/',
      'https://[::]/',
      'https://[fe80::1]/',
      'https://[fd00::1]/',
      'https://[::ffff:127.0.0.1]/',
      'https://[64:ff9b::7f00:1]/',
      'https://[2002:7f00:1::]/',
      'https://[2001:db8::1]/',
      'nonsense',
      `https://shop.example/${'x'.repeat(500)}`,
      'http://localhost:8080/',
      'http://erp.local/',
    ])
      refused(url);
    for (const url of ['http://shop.example/', 'https://10.1.2.3/', 'http://192.168.0.1/'])
      refused(url, true);
    for (const url of ['https://shop.example:8443/a?b=c', 'https://1.1.1.1/', 'https://[2606:4700::1111]/'])
      assert.is(checkHookUrl(url, rules).href, url);
    assert.ok(checkHookUrl('http://erp.local:8443/', rules));
    assert.ok(checkHookUrl('http://localhost:8080/', { hosts: [], development: true }));
    assert.not.ok(isAllowed('127.0.0.1', false));
    assert.ok(isAllowed('127.0.0.1', true));
    assert.not.ok(isAllowed('10.0.0.1', true));
  });

  test(
    'a name that leads to this machine is refused where the connection is made',
    withBench(async (bench) => {
      const { hooks } = bench;
      await inTemporaryFolder(async (folder) => {
        const strict = new Hooks({
          folder,
          hub: 'test',
          rules: { hosts: [], development: false },
          time: bench.clock.time,
          log: createLogger('silent'),
          async *read() {},
          size: () => 0,
          known: () => 0,
          entry: () => undefined,
        });
        strict.add({ name: 'shop', url: 'https://localhost:9/', events: ['alert'] });
        const posted = await strict.test('shop');
        assert.match(
          (posted as { trouble: string }).trouble,
          /^hook_address: localhost is (127\.0\.0\.1|::1)/,
        );
        await strict.stop();
      });
      for (let count = 0; count < hooksMax; count += 1)
        hooks.add({ name: `h${count}`, url: 'https://shop.example/', events: ['alert'] });
      assert.throws(
        () => hooks.add({ name: 'over', url: 'https://shop.example/', events: ['alert'] }),
        (error: { code: string }) => error.code === 'webhooks_full',
      );
    }),
  );

  test('on a real hub and chain: acknowledged, refunded, settled, each told once, by its routes', () =>
    inTemporaryFolder(async (folder) => {
      const site = await startSite();
      const receiver = new Receiver();
      await receiver.start();
      const hub = await site.start(folder, { development: true, webhooks: { goneAfter: 60 } });
      const ask = (path: string, method: 'GET' | 'POST' | 'DELETE' = 'GET', body?: object) =>
        askHub({ url: hub.statusUrl, tokenFile: operatorTokenPath(folder) }, path, method, body) as Promise<
          Record<string, never>
        >;
      try {
        const { secret } = await ask('/v1/webhooks', 'POST', { name: 'shop', url: receiver.url });
        receiver.secrets = [secret!];
        assert.equal(await ask('/v1/webhooks/shop/test', 'POST'), { ok: true, status: 204 });
        const pos = await startTerminal(site, hub);
        const { signing: on, channel } = site;
        const first = await tap({ on, channel, seq: 1, amount: 450, spent: 450, paid: 450 });
        const stream = { tickValue: 10, ticks: 8, seed: suite.keccak256(Uint8Array.of(9)) };
        const second = await tap({ on, channel, seq: 2, amount: 0, spent: 450, paid: 450, stream });
        const voided = await tap({
          on,
          channel,
          seq: 3,
          amount: 70,
          spent: 520,
          paid: 520,
          answer: 'credit',
        });
        const third = tick(second, stream.seed, 8, 3);
        const credit = {
          type: 'collectedCredit',
          channel: first.voucher.channel,
          seq: seq(1),
          voucher: first.id,
          credited: amount(50),
          signature: await terminal.sign(on.digest('Credit', { voucher: first.id, credited: amount(50) })),
          byPayee: 0,
        } as const;
        pos.send({
          type: 'pack',
          entries: [first.bytes, second.bytes, encodeMessage(third), encodeMessage(credit)],
        });
        pos.send({ type: 'pack', entries: [voided.bytes] });
        await pos.next('acknowledgement', ({ entry }) => equalBytes(entry, first.id));
        await until('four are told', () => receiver.got.length === 1 + 4);
        await ask('/v1/settlements', 'POST');
        await until('the settlement is told', () =>
          receiver.got.some(({ event }) => event.type === 'payment.settled'),
        );
        pos.close();
        const told = receiver.got.map(({ event: { type, data } }) => [
          type,
          data.payment,
          data.amount ?? data.credited ?? data.paid,
        ]);
        assert.equal(told.slice(1, 5), [
          ['payment.acknowledged', toHex(first.id), 450],
          ['payment.acknowledged', toHex(second.id), 0],
          ['payment.acknowledged', toHex(second.id), 30],
          ['payment.refunded', toHex(first.id), 50],
        ]);
        const settled = receiver.got.filter(({ event }) => event.type === 'payment.settled');
        assert.is(new Set(settled.map(({ id }) => id)).size, settled.length);
        const { payments } = await ask('/v1/payments?state=settled');
        const rows = payments as unknown as { transaction: string }[];
        assert.is(settled.at(-1)!.event.data.transaction, rows[0]!.transaction);
        // By the routes: its secrets are nowhere to be read, and what is removed is told nothing.
        const list = JSON.stringify(await ask('/v1/webhooks'));
        assert.not.match(list, /whsec_/);
        assert.not.match(readFileSync(join(folder, 'audit.jsonl'), 'utf8'), /whsec_/);
        assert.is(statSync(join(folder, 'webhooks.json')).mode & 0o777, 0o600);
        await ask('/v1/webhooks/shop', 'DELETE');
        assert.equal(await ask('/v1/webhooks'), { webhooks: [] });
        const { lines } = await ask('/v1/audit');
        const whats = (lines as unknown as { what: string }[]).map(({ what }) => what);
        for (const what of [
          'POST /v1/webhooks',
          'POST /v1/webhooks/{name}/test',
          'DELETE /v1/webhooks/{name}',
        ])
          assert.ok(whats.includes(what), what);
      } finally {
        await hub.stop();
        await receiver.kill();
        await site.close();
      }
    }));

  test('a hub that is killed while it tells loses nothing: everything it acknowledged is told', () =>
    inTemporaryFolder(async (folder) => {
      const receiver = new Receiver();
      await receiver.start();
      await prepareRegistry(folder);
      const random = seededRandom(16);
      const acknowledged = new Set<string>();
      let ports = { mqtt: 0, http: 0 };
      let spent = 0;
      try {
        for (let life = 0; life < LIVES; life += 1) {
          const { child, mqttUrl, url } = await startProcess(await config(folder, ports));
          ports = { mqtt: Number(new URL(mqttUrl).port), http: Number(new URL(url).port) };
          const ask = (path: string, method: 'GET' | 'POST', body?: object) =>
            askHub({ url, tokenFile: operatorTokenPath(folder) }, path, method, body) as Promise<{
              secret: string;
            }>;
          if (life === 0)
            receiver.secrets = [
              (await ask('/v1/webhooks', 'POST', { name: 'shop', url: receiver.url })).secret,
            ];
          const device = new Connected({ mqttUrl }, terminal.address);
          await device.ready();
          for (let pack = 0; pack < 3; pack += 1) {
            const taps = await Promise.all(
              Array.from({ length: 20 }, () => {
                spent += 1;
                return tap({ channel: CHANNEL, seq: spent, amount: 1, spent, paid: spent });
              }),
            );
            device.send({ type: 'pack', entries: taps.map(({ bytes }) => bytes) });
          }
          const enough = acknowledged.size + 10 + random.below(45);
          await until('enough are acknowledged', () => {
            for (const message of device.received)
              if (message.type === 'acknowledgement') acknowledged.add(`evt_test_${message.position}`);
            return acknowledged.size >= enough;
          });
          if (life < LIVES - 1) child.kill('SIGKILL');
          else
            await until('all are told', () => {
              const told = new Set(receiver.ids());
              return [...acknowledged].every((id) => told.has(id));
            });
          device.close();
          if (life === LIVES - 1) child.kill('SIGTERM');
          await exited(child);
        }
        const bodies = new Map<string, string>();
        for (const { id, body, signedBy } of receiver.got) {
          assert.equal(signedBy, [0]);
          assert.is(bodies.get(id) ?? body, body);
          bodies.set(id, body);
        }
        console.log(
          `${LIVES - 1} kills, ${acknowledged.size} acknowledged, ${bodies.size} told, ${receiver.got.length - bodies.size} of them again`,
        );
      } finally {
        await receiver.kill();
      }
    }));
}

// ---- a hub as a process, with L2 out of reach ----

const CHANNEL = 7;
const LIVES = 3;

async function config(
  folder: string,
  { mqtt, http }: { mqtt: number; http: number },
): Promise<HubConfigInput> {
  const from = seconds(Math.floor(Date.now() / 1000) - 3600);
  const certified = { address: hubKey.address, from, epoch: 0, signedAt: from };
  return {
    name: 'test',
    folder,
    mqtt: { port: mqtt },
    http: { port: http },
    chain: { rpcUrl: 'http://127.0.0.1:9', chainId: 31337, vault: toHex(vault) },
    keys: {
      signing: toHex(suite.keccak256(Uint8Array.of(0, 20, 77))),
      settlement: `0x${'33'.repeat(32)}`,
      root: toHex(root.address),
      words: [toHex(encodeMessage(await certifyHubKey(signing, root, certified)))],
    },
    batch: { everyMs: 0 },
    development: true,
  };
}

/** What the hub would have learnt from L2 and from the terminal's registration. */
async function prepareRegistry(folder: string): Promise<void> {
  const head = {
    payer: toHex(payer.address),
    owner: `0x${'11'.repeat(20)}`,
    deposit: 100_000_000,
    bond: 20_000_000,
    credited: 0,
    exiting: false,
    slashed: false,
    settled: {},
  };
  const state = {
    version: 1,
    minReader: 1,
    devices: {
      [toHex(terminal.address)]: { role: 'pos', payee: toHex(payee.address), entropyCertified: true },
    },
    watched: { height: 1, at: NOW },
    payees: { [toHex(payee.address)]: 1 },
    heads: { [CHANNEL]: head },
    ledgerSize: 0,
  };
  await writeFile(join(folder, 'registry.json'), JSON.stringify(state));
}

function startProcess(
  options: HubConfigInput,
): Promise<{ child: ChildProcess; mqttUrl: string; url: string }> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'hub', JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', (line) => {
      const [mqttUrl, url] = line.split(' ') as [string, string];
      resolve({ child, mqttUrl, url });
    });
    child.once('exit', (code) => reject(new Error(`the hub ended with ${code} before it was up`)));
  });
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

if (!isHub) {
  declareTests();
  test.run();
}
