/**
 * The lab's API: who may ask, what it describes and refuses, the time that all processes share, and every magic amount at
 * a till that runs, against what the terminal machine alone is told (`sundial sim magic`).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { playMagic } from '../../simulators/adversary/magic.ts';

let child: ChildProcess;
let url: string;
let token: string;

test.before(async () => {
  child = spawn(process.execPath, ['tools/sundial.mjs', 'lab', '--json'], { stdio: ['ignore', 'pipe', 2] });
  for await (const line of createInterface({ input: child.stdout! })) {
    const event = JSON.parse(line) as { event: string; url: string; token: string };
    if (event.event !== 'ready') continue;
    ({ url, token } = event);
    break;
  }
});
test.after(async () => {
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await gone;
  assert.is(code, 0, 'it ends in order');
});

/** Asks, and gives the status and the answer. */
async function ask(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
  authorization = `Bearer ${token}`,
): Promise<{ status: number; body: { [name: string]: unknown } }> {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization, ...(method === 'POST' && { 'content-type': 'application/json' }) },
    ...(method === 'POST' && { body: JSON.stringify(body ?? {}) }),
  });
  return { status: answer.status, body: (await answer.json()) as { [name: string]: unknown } };
}

/** Asks for what must go well. */
async function good(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) {
  const answer = await ask(method, path, body);
  assert.is(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

test('only who has the token; every route is described', async () => {
  assert.is((await ask('GET', '/v1/devices', undefined, '')).body.code, 'not_signed_in');
  assert.is((await ask('GET', '/v1/devices', undefined, 'Bearer x')).status, 401);
  const { openapi, paths } = (await good('GET', '/openapi.json')) as { openapi: string; paths: object };
  assert.is(openapi, '3.1.0');
  for (const path of ['/v1/devices', '/v1/links', '/v1/taps', '/v1/time', '/v1/magic', '/v1/hub/kill'])
    assert.ok(path in paths, path);
});

test('what is wrong is refused by name', async () => {
  const refused = async (code: string, path: string, body: object) =>
    assert.is((await ask('POST', path, body)).body.code, code);
  await refused('bad_field', '/v1/devices', { name: 'A', role: 'pos' });
  await refused('bad_field', '/v1/devices', { name: 'a', role: 'bank' });
  await refused('device_unknown', '/v1/taps', { payer: 'x', terminal: 'y', amount: '1' });
  await refused('bad_field', '/v1/time', { advance: 30 * 86_400 });
  await refused('no_magic', '/v1/magic', { terminal: 'till', amount: '3.21' });
  assert.is((await ask('GET', '/v1/links/7')).status, 404);
});

test('a tap, its record, and the time of everybody', async () => {
  await good('POST', '/v1/devices', { name: 'till', role: 'pos' });
  await good('POST', '/v1/devices', { name: 'ann', role: 'wearable', key: 'p256' });
  assert.is((await ask('POST', '/v1/devices', { name: 'ann', role: 'wearable' })).body.code, 'device_there');
  const tap = await good('POST', '/v1/taps', { payer: 'ann', terminal: 'till', amount: '1.50' });
  assert.is(tap.outcome, 'paid');
  assert.ok((tap.record as string[]).some((line) => line.includes('"message":"voucher"')));
  const before = (await good('GET', '/v1/time')) as { now: number };
  const after = (await good('POST', '/v1/time', { advance: 7200 })) as { now: number; ahead: number };
  assert.is(after.ahead, 7200);
  assert.ok(after.now - before.now >= 7200 && after.now - before.now < 7260);
  // The hub tells the new time, so chain and hub moved, too.
  let { lastEvent } = (await good('GET', '/v1/devices/till')) as { lastEvent: number };
  for (let at = 0; at < after.now; ) {
    const told = (await good('GET', `/v1/devices/till/events?event=time&after=${lastEvent}&wait=60`)) as {
      events: { at: number; number: number }[];
    };
    assert.ok(told.events.length > 0, 'the till hears no time any more');
    ({ at, number: lastEvent } = told.events.at(-1)!);
  }
  assert.is(
    (await good('POST', '/v1/taps', { payer: 'ann', terminal: 'till', amount: '1.50' })).outcome,
    'paid',
  );
});

test('a command that a device does not take, and an address that is none, are refused by name', async () => {
  const { status, body } = await ask('POST', '/v1/devices/till/commands', { command: { fly: true } });
  assert.equal([status, body.code], [400, 'bad_control']);
  assert.match(String(body.remedy), /sale/);
  assert.is((await ask('GET', '/v1/devices/%E0%A4%A')).body.code, 'bad_url');
});

test('a device that is killed is off, and comes back from its flash', async () => {
  await good('POST', '/v1/devices/till/kill');
  assert.is(
    (await ask('POST', '/v1/devices/till/commands', { command: { sale: '1' } })).body.code,
    'device_off',
  );
  await good('POST', '/v1/devices/till/start');
  const { status } = (await good('GET', '/v1/devices/till')) as { status: { counts: { accepted: number } } };
  assert.is(status.counts.accepted, 2);
});

test('magic amounts: a till that runs is told what the terminal machine is told', async () => {
  const virtual = await playMagic();
  // The one that moves the time by 80 hours comes last: what the others have would run out.
  const order = [...virtual].sort(
    (a, b) => Number(a.name === 'expired-lease') - Number(b.name === 'expired-lease'),
  );
  for (const { name, units, till } of order) {
    const terminal = `till-${name}`;
    await good('POST', '/v1/devices', { name: terminal, role: 'pos' });
    // A till with a network asks the hub above its limits; these are asked with none.
    if (!['hub-refusal', 'duplicated'].includes(name))
      await good('POST', `/v1/devices/${terminal}/network`, { on: false });
    const live = await good('POST', '/v1/magic', { terminal, amount: (units / 1_000_000).toFixed(2) });
    assert.is(live.name, name);
    assert.equal(live.till, till, name);
  }
});

test.run();
