/**
 * Rates of devices and addresses: what a bucket lets through against a count of its own, names that come without end,
 * one device that floods beside others that don't, and what logs and terminals are given of a stranger's words. Not
 * checked here: connections of a broker (doors.test.ts), how much a machine takes in.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { shown } from '../../protocol/shown.ts';
import { limited } from '../../hub/ingest/limited.ts';
import { Rates } from '../../hub/ingest/rates.ts';
import {
  deviceInFlightMax,
  deviceRate,
  ratedNamesMax,
  spokenOverheadBytes,
  strangersMax,
} from '../../hub/limits.ts';
import { createLogger, type Logger } from '../../hub/log.ts';
import type { IngestEvents } from '../../hub/ports.ts';
import { Presence } from '../../hub/presence.ts';
import { seededRandom } from './random.ts';
import { inTemporaryFolder } from './temporary.ts';

test('in any time a name gets its burst and what the time brought, and not less while it asks for no more', () => {
  const random = seededRandom(11);
  const draw = () => random.next();
  for (let round = 0; round < 50; round += 1) {
    const rate = { perSecond: 1 + Math.floor(draw() * 500), burst: 10 + Math.floor(draw() * 1_000) };
    const rates = new Rates(rate, 4);
    const takenAt: { at: number; cost: number }[] = [];
    let now = 0;
    for (let n = 0; n < 300; n += 1) {
      now += Math.floor(draw() * 40);
      const cost = 1 + Math.floor(draw() * 10);
      if (rates.take('a', cost, now)) takenAt.push({ at: now, cost });
      else {
        // Refused: with it some stretch that ends now would have had more than it may.
        const isOver = takenAt.some(({ at }, from) => {
          const sum = takenAt.slice(from).reduce((all, one) => all + one.cost, 0);
          return sum + cost > rate.burst + ((now - at) * rate.perSecond) / 1000 - 1e-6;
        });
        assert.ok(isOver || cost > rate.burst, `refused early in round ${round}`);
      }
    }
    for (const [from, { at }] of takenAt.entries()) {
      let sum = 0;
      for (const one of takenAt.slice(from)) {
        sum += one.cost;
        assert.ok(
          sum <= rate.burst + ((one.at - at) * rate.perSecond) / 1000 + 1e-6,
          `too much in round ${round}`,
        );
      }
    }
  }
});

test('names without end cost a bounded memory, and one that is heard keeps its own bucket', () => {
  const rates = new Rates({ perSecond: 1, burst: 10 }, 100);
  let mine = 0;
  for (let n = 0; n < 10_000; n += 1) {
    assert.ok(rates.take(`ghost-${n}`, 10, 0), 'a newcomer has a full bucket');
    if (n % 50 === 0 && rates.take('mine', 1, 0)) mine += 1;
  }
  assert.is(rates.names, 100);
  assert.is(mine, 10, 'neither more nor less than its burst');
  assert.is(rates.owe('late', 25, 0), 15_000);
  assert.is(rates.owe('late', 0, 14_999), 1);
  assert.is(rates.owe('late', 0, 15_000), 0);
});

class Host {
  now = 0;
  readonly refused: Record<string, number> = {};
  readonly lines: string[] = [];
  readonly heard: string[] = [];
  private waiting: (() => void)[] = [];
  readonly events: IngestEvents;

  constructor(holds = false) {
    const log = {
      warn: (facts: { device: string }) => void this.lines.push(facts.device),
    } as unknown as Logger;
    const inner: IngestEvents = {
      message: async (device) => {
        this.heard.push(device);
        if (holds) await new Promise<void>((resolve) => this.waiting.push(resolve));
      },
      presence: (device) => void this.heard.push(`${device} presence`),
      kept: () => undefined,
      tooLarge: () => undefined,
    };
    const inc = (labels?: Readonly<Record<string, string>>): void => {
      this.refused[labels!.code!] = (this.refused[labels!.code!] ?? 0) + 1;
    };
    this.events = limited(inner, { metrics: { refusals: { inc } }, log, nowMs: () => this.now });
  }

  letGo(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  count(device: string): number {
    return this.heard.filter((name) => name === device).length;
  }
}

test('a device that floods is heard at its rate, refused by name, told of in few lines; others are heard whole', async () => {
  const host = new Host();
  const bytes = new Uint8Array(15_000);
  const cost = bytes.length + spokenOverheadBytes;
  let honest = 0;
  for (let n = 0; n < 20_000; n += 1) {
    host.now += 3;
    await host.events.message('flood', bytes);
    if (n % 200 === 0) {
      honest += 1;
      await host.events.message('till', bytes);
    }
  }
  const may = Math.floor((deviceRate.burst + (host.now * deviceRate.perSecond) / 1000) / cost);
  assert.ok(host.count('flood') <= may && host.count('flood') >= may - 1, `${host.count('flood')} of ${may}`);
  assert.is(host.refused.device_rate, 20_000 - host.count('flood'));
  assert.is(host.count('till'), honest);
  assert.ok(host.lines.length <= 7 && host.lines.length > 0, `${host.lines.length} lines in a minute`);
  // Coming and going costs, too.
  for (let n = 0; n < 100; n += 1) host.events.presence('flood', n % 2 === 0);
  assert.ok(host.count('flood presence') < 100);
});

test('a till’s full outbox goes up in one go, and a device has so many messages under way and no more', async () => {
  const host = new Host(true);
  const pack = new Uint8Array(15_000);
  for (let n = 0; n < 32; n += 1) void host.events.message('till', pack);
  assert.is(host.count('till'), 32);
  for (let n = 0; n < 200; n += 1) void host.events.message('busy', Uint8Array.of(n));
  assert.is(host.count('busy'), deviceInFlightMax);
  assert.is(host.refused.device_busy, 200 - deviceInFlightMax);
  void host.events.message('other', pack);
  assert.is(host.count('other'), 1);
  host.letGo();
  await new Promise((resolve) => setImmediate(resolve));
  void host.events.message('busy', pack);
  assert.is(host.count('busy'), deviceInFlightMax + 1, 'what is done makes room');
});

test('ghosts that say they are there leave those that registered where they are', () => {
  const presence = new Presence((device) => device.startsWith('till'));
  presence.set('till-1', true);
  for (let n = 0; n < 10 * strangersMax; n += 1) presence.set(`ghost-${n}`, true);
  presence.set('till-2', true);
  assert.is(presence.online.size, strangersMax + 2);
  assert.ok(presence.online.has('till-1') && presence.online.has('till-2'));
  presence.set('till-1', false);
  presence.set(`ghost-${10 * strangersMax - 1}`, false);
  assert.is(presence.online.size, strangersMax);
  assert.ok(ratedNamesMax > strangersMax);
});

/** Everything that a terminal acts on, and what would make a line of its own. */
const HOSTILE = '\u001b[2J\u009b31m\u0000\u0007\u007f\r\n{"level":60,"msg":"forged"}\u2028\u202eend';

test('a stranger’s words make neither a line of the log nor a sign of the terminal', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'log');
    const log = createLogger('debug', path);
    log.warn({ err: HOSTILE, [HOSTILE]: 1 }, HOSTILE);
    log.info('next');
    const text = readFileSync(path, 'utf8');
    const lines = text.split('\n');
    assert.is(lines.length, 3, 'two lines, each with its end');
    assert.not(/[^\n\u0020-\u007e\u00a0-\u2027\u202f-\uffff]/.test(text), 'nothing but what is seen');
    const said = JSON.parse(lines[0]!) as { err: string; msg: string };
    assert.is(said.err, HOSTILE, 'and nothing of it is lost');
    assert.is(said.msg, HOSTILE);
    assert.not(/[^\n\t\u0020-\u007e\u00a0-\u2027\u202f-\uffff]/.test(shown(HOSTILE)));
    assert.is(shown('Zürich, 4.50 €\n\tnext'), 'Zürich, 4.50 €\n\tnext');
  }));

test.run();
