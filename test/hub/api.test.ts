/**
 * The hub's API: every route of its description asked by every role and by nobody, codes that are guessed, used twice and
 * late, what a merchant and an owner see of others, and what the audit log says of it. The description is held against
 * the rules of OpenAPI 3.1 that a generated client needs; the schemas of answers are read from it and applied. Not
 * checked here: the console's pages (test/console), settling and revoking on L2 (settle.test.ts).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { Desk } from '../../hub/desk/desk.ts';
import { operatorTokenPath, ROLES, Tokens } from '../../hub/desk/tokens.ts';
import type { Hub } from '../../hub/hub.ts';
import { codesMax, tokensMax } from '../../hub/limits.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { otherPayee, payee, tap, terminal } from './fleet.ts';
import { type Site, startSite, startTerminal } from './site.ts';
import { inTemporaryFolder } from './temporary.ts';

let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(() => site.close());

// biome-ignore lint/suspicious/noExplicitAny: what a hub answers is what is tested
type Any = any;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Any;
}

/** Asks a hub as one who holds a token. */
function asker(hub: Hub, token?: string) {
  return async (
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const response = await fetch(`${hub.statusUrl}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return { status: response.status, type, body: type.includes('json') ? JSON.parse(text) : text };
  };
}

const operatorOf = (hub: Hub, folder: string) =>
  asker(hub, readFileSync(operatorTokenPath(folder), 'utf8').trim());
const withHub = (act: (hub: Hub, folder: string) => Promise<void>) => () =>
  inTemporaryFolder(async (folder) => {
    const hub = await site.start(folder, {
      scopes: [{ id: `0x${'5c'.repeat(32)}`, payees: [] }],
      leaseAnyScope: false,
    });
    try {
      await act(hub, folder);
    } finally {
      await hub.stop();
    }
  });
const payeeText = toHex(payee.address);
const device = toHex(terminal.address);
const SECRET = `0x${'77'.repeat(32)}`;

test(
  'the description names every route, and its schemas fit what is answered',
  withHub(async (hub, folder) => {
    const ask = operatorOf(hub, folder);
    const { body: api } = await ask('GET', '/openapi.json');
    assert.is(api.openapi, '3.1.0');
    const ids = new Set<string>();
    let asked = 0;
    for (const [path, methods] of Object.entries<Record<string, Any>>(api.paths))
      for (const [method, operation] of Object.entries(methods)) {
        assert.match(path, /^\/v1\//);
        assert.not.ok(ids.has(operation.operationId), operation.operationId);
        ids.add(operation.operationId);
        assert.ok(operation.summary.length > 5);
        const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const inPath = operation.parameters.filter((one: Any) => one.in === 'path');
        assert.equal(
          inPath.map((one: Any) => one.name),
          named,
          path,
        );
        assert.ok(inPath.every((one: Any) => one.required && one.schema !== undefined));
        assert.ok(operation.responses[200].content['application/json'].schema !== undefined);
        assert.ok(operation.responses.default.content['application/problem+json'].schema !== undefined);
        if (method !== 'get' || named.length > 0 || path === '/v1/statements') continue;
        // An owner's own question.
        if (path === '/v1/account') continue;
        const answer = await ask('GET', path);
        assert.is(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`);
        z.fromJSONSchema(operation.responses[200].content['application/json'].schema).parse(answer.body);
        asked += 1;
      }
    assert.ok(asked >= 10, String(asked));
    assert.match((await ask('GET', '/status')).body.crypto, /^(native|noble)$/);
    // Not even an address: told as every other refusal.
    const { status, body } = await ask('GET', '/%');
    assert.equal([status, body.code], [400, 'bad_url']);
  }),
);

test(
  'every role at every route: who may not gets 403, nobody 401, and the log shows it',
  withHub(async (hub, folder) => {
    const operator = operatorOf(hub, folder);
    await operator('POST', '/v1/payees', { name: 'Shop', key: SECRET });
    const { address } = (await operator('GET', '/v1/payees')).body.payees[0];
    const tokens: Record<string, string> = {};
    for (const role of ROLES) {
      const more =
        role === 'merchant' ? { payee: 'Shop' } : role === 'owner' ? { channel: site.channel } : {};
      const made = await operator('POST', '/v1/tokens', { name: `a ${role}`, role, ...more });
      assert.is(made.status, 200, JSON.stringify(made.body));
      tokens[role] = made.body.token;
    }
    const { body: api } = await operator('GET', '/openapi.json');
    let refused = 0;
    for (const [path, methods] of Object.entries<Record<string, Any>>(api.paths))
      for (const [method, operation] of Object.entries(methods)) {
        const real = path.replace('{channel}', '999').replace(/\{\w+\}/g, 'abcd');
        // An empty body is wrong everywhere, so that whoever may changes nothing here; settling takes none.
        if (path === '/v1/settlements' && method === 'post') continue;
        const body = method === 'post' ? { none: true } : undefined;
        const may: string[] | undefined = operation['x-roles'];
        const nobody = await asker(hub)(method.toUpperCase(), real, body);
        assert.is(nobody.status === 401, may !== undefined, `nobody at ${method} ${path}: ${nobody.status}`);
        if (may === undefined) continue;
        for (const role of ROLES) {
          const answer = await asker(hub, tokens[role])(method.toUpperCase(), real, body);
          // Whoever may can be told no for another reason: passkeys are for no number such as 127.0.0.1.
          assert.is(
            answer.body.code === 'not_allowed',
            !may.includes(role),
            `${role} at ${method} ${path}: ${answer.status}`,
          );
          if (may.includes(role)) continue;
          refused += 1;
          assert.is(answer.status, 403);
          assert.match(answer.type, /^application\/problem\+json/);
          assert.ok(answer.body.remedy.length > 5);
        }
      }
    assert.ok(refused > 30, String(refused));
    const { lines } = (await operator('GET', '/v1/audit?limit=500')).body;
    for (const role of ROLES.filter((one) => one !== 'operator'))
      assert.ok(
        lines.some(
          (line: Any) => line.who === `a ${role}` && line.status === 403 && line.what.startsWith('POST'),
        ),
        role,
      );
    assert.not.match(readFileSync(join(folder, 'audit.jsonl'), 'utf8'), new RegExp(`${SECRET}|sundial_`));
    // A merchant and an owner see their own only.
    const merchant = asker(hub, tokens.merchant);
    assert.equal(
      (await merchant('GET', '/v1/payees')).body.payees.map((one: Any) => one.address),
      [address],
    );
    assert.is((await merchant('GET', `/v1/statements?payee=${payeeText}`)).body.payee, address);
    const owner = asker(hub, tokens.owner);
    assert.is((await owner('POST', '/v1/channels/999/revoke')).body.code, 'channel_unknown');
    // A token that is taken away is nobody's at once.
    await operator('DELETE', `/v1/tokens/${encodeURIComponent('a support')}`);
    assert.is((await asker(hub, tokens.support)('GET', '/v1/me')).status, 401);
  }),
);

test(
  'a code enrols one device, once, for one merchant',
  withHub(async (hub, folder) => {
    const operator = operatorOf(hub, folder);
    await operator('POST', '/v1/payees', { name: 'Shop', key: SECRET, wideMax: 5 });
    assert.is(
      (await operator('POST', '/v1/enrolments', { role: 'pos', name: 'till' })).body.code,
      'missing_payee',
    );
    const { code } = (await operator('POST', '/v1/enrolments', { role: 'pos', name: 'till', payee: 'Shop' }))
      .body;
    assert.match(code, /^([2-9A-HJKMNP-Z]{4}-){3}[2-9A-HJKMNP-Z]{4}$/);
    assert.not.match(readFileSync(join(folder, 'desk.json'), 'utf8'), new RegExp(code));
    const redeem = (text: string, of = device) =>
      asker(hub)('POST', '/v1/enrolments/redeem', { code: text, device: of });
    assert.is((await redeem('AAAA-BBBB-CCCC-DDDD')).body.code, 'code_unknown');
    const given = await redeem(code.toLowerCase().replaceAll('-', ' '));
    assert.is(given.status, 200, JSON.stringify(given.body));
    assert.equal((await redeem(code)).body, given.body, 'the same device may ask again');
    assert.is((await redeem(code, payeeText)).body.code, 'code_used');
    const { certificate, payee: its, root, wideMax, role } = given.body;
    assert.equal([role, wideMax, root], ['pos', 5, (await operator('GET', '/v1/hub-keys')).body && root]);
    const fields = {
      terminal: terminal.address,
      payee: Buffer.from(its.slice(2), 'hex'),
      expiresAt: certificate.expiresAt,
    };
    assert.ok(
      site.signing.signedBy(
        'Terminal',
        fields as never,
        Buffer.from(certificate.signature.slice(2), 'hex'),
        fields.payee as never,
      ),
    );
    assert.is(
      (await operator('POST', '/v1/enrolments', { role: 'pos', name: 'till', payee: 'Shop' })).body.code,
      'device_exists',
    );
    const { address, revokedAt } = (await operator('POST', '/v1/devices/till/revoke')).body;
    assert.is(address, device);
    assert.ok(revokedAt > 0);
  }),
);

test('desk and tokens: codes end, bounds hold at their maximum, everything is there after a restart', () =>
  inTemporaryFolder(async (folder) => {
    let now = 1_000_000;
    const desk = new Desk(folder, () => now);
    const { code } = desk.invite({ role: 'wearable', name: 'w', minutes: 1 });
    now += 61;
    assert.throws(
      () => desk.redeem(code, device),
      (error: Any) => error.code === 'code_unknown',
    );
    const fresh = desk.invite({ role: 'wearable', name: 'w', minutes: 60 });
    assert.is(new Desk(folder, () => now).redeem(fresh.code, device).name, 'w');
    const again = new Desk(folder, () => now);
    assert.is(again.device('w').address, device);
    // The bound, written as a file: making two thousand one by one syncs two thousand times.
    const many = JSON.parse(readFileSync(join(folder, 'desk.json'), 'utf8'));
    many.codes = Array.from({ length: codesMax - 1 }, (_, at) => ({
      hash: `${at}`.padStart(64, '0'),
      role: 'car',
      name: `c${at}`,
      expiresAt: now + 60,
    }));
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(folder, 'desk.json'), JSON.stringify(many));
    const full = new Desk(folder, () => now);
    full.invite({ role: 'car', name: 'last', minutes: 1 });
    assert.throws(
      () => full.invite({ role: 'car', name: 'over', minutes: 1 }),
      (error: Any) => error.code === 'desk_full',
    );
    writeFileSync(join(folder, 'desk.json'), '{"version":1}');
    assert.throws(
      () => new Desk(folder, () => now),
      (error: Any) => error.code === 'desk_invalid',
    );

    const tokens = new Tokens(folder, () => now);
    const secret = tokens.make({ name: 'x', role: 'auditor', expiresAt: now + 10 });
    assert.is(new Tokens(folder, () => now).of(secret)?.role, 'auditor');
    assert.not.match(readFileSync(join(folder, 'tokens.json'), 'utf8'), new RegExp(secret));
    now += 10;
    assert.is(tokens.of(secret), undefined, 'its end is its end');
    // A link is good once, and a session ends.
    const caller = { name: 'operator', role: 'operator', expiresAt: Infinity } as const;
    const link = tokens.link(caller);
    const session = tokens.signIn(link)!;
    assert.is(tokens.signIn(link), undefined);
    assert.is(tokens.session(session)?.role, 'operator');
    assert.is(tokens.of(session), undefined, 'a session is no token');
    for (let count = 0; count < tokensMax; count += 1) tokens.signIn(tokens.link(caller));
    assert.is(tokens.session(session), undefined, 'the oldest made room');
    now += 700;
    assert.is(tokens.signIn(tokens.link(caller)) === undefined, false);
    const late = tokens.link(caller);
    now += 601;
    assert.is(tokens.signIn(late), undefined);
  }));

test(
  'a browser: a link once, a cookie that scripts never see, no change without the header',
  withHub(async (hub) => {
    const first = await fetch(hub.consoleLink(), { redirect: 'manual' });
    assert.is(first.status, 302);
    const cookie = first.headers.get('set-cookie')!;
    assert.match(cookie, /HttpOnly/);
    assert.match(cookie, /SameSite=Strict/);
    assert.not.match(cookie, /Secure/, 'a browser would not send it back over plain HTTP');
    const proxied = { redirect: 'manual', headers: { 'x-forwarded-proto': 'https' } } as const;
    assert.match((await fetch(hub.consoleLink(), proxied)).headers.get('set-cookie')!, /; Secure/);
    const session = cookie.split(';')[0]!;
    const ask = (method: string, path: string, headers: Record<string, string> = {}) =>
      fetch(`${hub.statusUrl}${path}`, { method, headers: { cookie: session, ...headers } });
    assert.is((await ask('GET', '/v1/me')).status, 200);
    const revoke = `/v1/channels/${site.channel}/revoke`;
    assert.is((await ask('POST', revoke)).status, 403, 'another site can send the cookie, and no header');
    assert.is((await ask('POST', '/v1/links', { 'x-sundial': 'console' })).status, 200);
    // A session that somebody planted is nobody's.
    assert.is(
      (await fetch(`${hub.statusUrl}/v1/me`, { headers: { cookie: 'sundial_session=planted' } })).status,
      401,
    );
    await ask('POST', '/signout', { 'x-sundial': 'console' });
    assert.is((await ask('GET', '/v1/me')).status, 401);
  }),
);

test(
  'payments: page by page without a gap, and nobody sees what is another’s',
  withHub(async (hub, folder) => {
    const operator = operatorOf(hub, folder);
    const pos = await startTerminal(site, hub);
    const { signing: on, channel } = site;
    const taps = await Promise.all(
      [100, 250, 100].map((amount, at) => {
        const sum = [100, 350, 450][at]!;
        return tap({ on, channel, seq: at + 1, amount, spent: sum, paid: sum });
      }),
    );
    pos.send({ type: 'pack', entries: taps.map(({ bytes }) => bytes) });
    for (const { id } of taps) await pos.next('acknowledgement', (found) => equalBytes(found.entry, id));
    pos.close();
    const seen: string[] = [];
    for (let after = ''; ; ) {
      const { body } = await operator('GET', `/v1/payments?limit=1${after}`);
      assert.equal([body.total, body.sum, body.payments.length], [3, 450, 1]);
      seen.push(body.payments[0].id);
      if (body.next === undefined) break;
      after = `&after=${body.next}`;
    }
    assert.equal(seen.sort(), taps.map(({ id }) => toHex(id)).sort());
    const of = async (query: string) => (await operator('GET', `/v1/payments?${query}`)).body.total;
    assert.equal(
      await Promise.all(
        [
          'amount=100',
          'amount=101',
          `terminal=${device}`,
          `channel=${channel}`,
          'channel=99',
          'state=settled',
        ].map(of),
      ),
      [2, 0, 3, 3, 0, 0],
    );
    // The merchant whose it is, another one, the owner, and another's owner.
    await operator('POST', '/v1/payees', { name: 'Own', address: payeeText });
    await operator('POST', '/v1/payees', { name: 'Other', key: SECRET });
    const totals: number[] = [];
    for (const more of [
      { role: 'merchant', payee: 'Own' },
      { role: 'merchant', payee: 'Other' },
      { role: 'owner', channel },
      { role: 'owner', channel: channel + 1 },
    ]) {
      const { token } = (await operator('POST', '/v1/tokens', { name: `t${totals.length}`, ...more })).body;
      const ask = asker(hub, token);
      totals.push((await ask('GET', `/v1/payments?payee=${payeeText}`)).body.total);
      const life = await ask('GET', `/v1/payments/${seen[0]}`);
      assert.is(life.status, totals.at(-1) === 3 ? 200 : 404);
    }
    assert.equal(totals, [3, 0, 3, 0]);
    const { body: statement } = await operator('GET', '/v1/statements?payee=Own');
    assert.equal(
      [statement.sales, statement.closing, statement.inFlight, statement.payments],
      [450, 450, 450, 3],
    );
  }),
);

test(
  'the same idempotency key gives the same answer, and acts once',
  withHub(async (hub, folder) => {
    const operator = operatorOf(hub, folder);
    const wish = { role: 'wearable', name: 'Ann' };
    const headers = { 'idempotency-key': 'one' };
    const first = await operator('POST', '/v1/enrolments', wish, headers);
    assert.equal((await operator('POST', '/v1/enrolments', wish, headers)).body, first.body);
    assert.is((await operator('GET', '/v1/enrolments')).body.codes.length, 1);
    const both = await Promise.all(
      [1, 2].map(() =>
        operator('POST', '/v1/enrolments', { role: 'car', name: 'Bo' }, { 'idempotency-key': 'two' }),
      ),
    );
    assert.equal(both[0]!.body, both[1]!.body, 'at once, too');
    // What was refused may be tried again with the same key.
    const again = { 'idempotency-key': 'three' };
    assert.is(
      (await operator('POST', '/v1/enrolments', { role: 'pos', name: 'Cy', payee: 'Shop' }, again)).status,
      404,
    );
    await operator('POST', '/v1/payees', { name: 'Shop', key: SECRET });
    assert.is(
      (await operator('POST', '/v1/enrolments', { role: 'pos', name: 'Cy', payee: 'Shop' }, again)).status,
      200,
    );
  }),
);

test(
  'wrong fields are named, large bodies refused, and guessing codes is slowed down',
  withHub(async (hub, folder) => {
    const operator = operatorOf(hub, folder);
    const wrong = await operator('GET', '/v1/payments?amount=4.5');
    assert.equal([wrong.status, wrong.body.code], [400, 'bad_field']);
    assert.match(wrong.body.title, /^amount/);
    const name = await operator('POST', '/v1/payees', {
      name: '<script>',
      address: toHex(otherPayee.address),
    });
    assert.match(name.body.title, /^name/);
    assert.is((await operator('POST', '/v1/payees', { name: 'x'.repeat(70_000) })).status, 413);
    assert.is((await operator('GET', '/v1/nothing')).body.code, 'no_such_page');
    const codes = await Promise.all(
      Array.from({ length: 40 }, () =>
        asker(hub)('POST', '/v1/enrolments/redeem', { code: 'AAAA-BBBB-CCCC-DDDD', device }),
      ),
    );
    assert.ok(codes.filter(({ status }) => status === 429).length >= 10);
    assert.is((await operator('GET', '/v1/me')).status, 200, 'others are not slowed down by it');
  }),
);

test.run();
