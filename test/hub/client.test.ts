/**
 * A client made of `/openapi.json` and nothing else: each operation becomes a function that checks what goes out and what
 * comes back against the description's schemas. It lives an operator's and an owner's day through every route, then tries
 * each route as another site's page would (a cookie and no header), and each text of each body as a stranger would. Not
 * checked here: roles (api.test.ts), what an authenticator signs (console/people.test.ts).
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { limitsHash } from '../../hub/api/owners.ts';
import { operatorTokenPath } from '../../hub/desk/tokens.ts';
import { toHex } from '../../protocol/bytes.ts';
import { payee, suite, tap, terminal } from './fleet.ts';
import { Receiver } from './receiver.ts';
import { startSite, startTerminal } from './site.ts';
import { inTemporaryFolder } from './temporary.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a hub answers is what is tested
type Any = any;
interface Args {
  readonly path?: Record<string, string | number>;
  readonly query?: Record<string, string | number>;
  readonly body?: object;
}
type Call = (args?: Args) => Promise<Any>;

const EVIL = '<img src=x onerror=alert(1)>';
/** Whose authenticator signs what these take. */
const ELSEWHERE = ['postV1Passkeys', 'deleteV1PasskeysId', 'postV1SigninPasskey'];

/** Patterns are of Unicode there, as the standard has it; zod reads them as if they were not. */
const checker = (schema: Any) =>
  z.fromJSONSchema(
    JSON.parse(JSON.stringify(schema), (name, value) =>
      name === 'pattern' && value.includes('\\p{') ? undefined : value,
    ),
  );

/** Client and what was seen of it. */
class Client {
  readonly answered = new Set<string>();
  /** Good bodies by operation, for who wants to spoil them. */
  readonly bodies = new Map<string, { readonly args: Args; readonly headers: Record<string, string> }>();
  private readonly api: Any;
  private readonly url: string;

  constructor(api: Any, url: string) {
    this.api = api;
    this.url = url;
  }

  get operations(): { id: string; method: string; path: string; operation: Any }[] {
    return Object.entries<Any>(this.api.paths).flatMap(([path, methods]) =>
      Object.entries<Any>(methods).map(([method, operation]) => ({
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        operation,
      })),
    );
  }

  async send(id: string, { path = {}, query = {}, body }: Args, headers: Record<string, string>) {
    const found = this.operations.find((one) => one.id === id);
    assert.ok(found, id);
    const place = found.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name]!));
    const search = new URLSearchParams(
      Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
    );
    const response = await fetch(`${this.url}${place}${search.size > 0 ? `?${search}` : ''}`, {
      method: found.method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { response, operation: found.operation };
  }

  /** The operations as functions, by their ids, for one who sends these headers. */
  as(headers: Record<string, string>): Record<string, Call> {
    const call =
      (id: string): Call =>
      async (args = {}) => {
        const { response, operation } = await this.send(id, args, headers);
        const wanted = operation.requestBody?.content['application/json'].schema;
        if (wanted !== undefined) {
          checker(wanted).parse(args.body ?? {});
          this.bodies.set(id, { args, headers });
        }
        const text = await response.text();
        assert.ok(response.ok, `${id}: ${response.status} ${text}`);
        this.answered.add(id);
        if (!response.headers.get('content-type')!.startsWith('application/json')) return text;
        const answer = JSON.parse(text);
        if (response.status === 200)
          checker(operation.responses[200].content['application/json'].schema).parse(answer);
        const set = response.headers.getSetCookie()[0];
        return set === undefined ? answer : { ...answer, cookie: set.split(';')[0] };
      };
    return Object.fromEntries(this.operations.map(({ id }) => [id, call(id)]));
  }
}

test('every route of the description, by a client that is made of it; no page of another site, no text does harm', () =>
  inTemporaryFolder(async (folder) => {
    const site = await startSite();
    const receiver = new Receiver();
    await receiver.start();
    const hub = await site.start(folder, {
      development: true,
      approvals: { above: 1_000_000 },
      scopes: [{ id: `0x${'5c'.repeat(32)}`, payees: [] }],
      leaseAnyScope: false,
    });
    try {
      const url = `http://localhost:${new URL(hub.statusUrl).port}`;
      const client = new Client(await (await fetch(`${url}/openapi.json`)).json(), url);
      const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
      const operator = client.as(bearer(readFileSync(operatorTokenPath(folder), 'utf8').trim())) as Any;
      const nobody = client.as({}) as Any;
      const { channel, signing: on, owner } = site;

      // ---- an operator's day ----
      const { token } = await operator.postV1Tokens({ body: { name: 'Ann', role: 'operator' } });
      const ann = client.as(bearer(token)) as Any;
      await operator.postV1Tokens({ body: { name: 'Cy', role: 'support' } });
      assert.is((await operator.getV1Tokens()).tokens.length, 2);
      const key = toHex(suite.keccak256(Uint8Array.of(0, 1, 77)));
      const { approval } = await operator.postV1Payees({ body: { name: 'Shop', key } });
      await ann.postV1ApprovalsIdApprove({ path: { id: approval.id } });
      assert.is((await operator.getV1Payees()).payees[0].address, toHex(payee.address));
      const { code } = await operator.postV1Enrolments({
        body: { role: 'pos', name: 'till 1', payee: 'Shop' },
      });
      assert.is((await operator.getV1Enrolments()).codes.length, 1);
      await nobody.postV1EnrolmentsRedeem({ body: { code, device: toHex(terminal.address) } });
      const { secret } = await operator.postV1Webhooks({ body: { name: 'stock', url: receiver.url } });
      receiver.secrets = [secret];
      const pos = await startTerminal(site, hub);
      const paid = await tap({ on, channel, seq: 1, amount: 900_000, spent: 900_000, paid: 900_000 });
      pos.send({ type: 'pack', entries: [paid.bytes] });
      await pos.next('acknowledgement');
      pos.close();
      const id = toHex(paid.id);
      assert.is(
        (await operator.getV1Payments({ query: { amount: 900_000, payee: 'Shop' } })).payments[0].id,
        id,
      );
      assert.is((await operator.getV1PaymentsId({ path: { id } })).payment.terminalName, 'till 1');
      assert.match(await operator.getV1PaymentsIdReceipt({ path: { id } }), /<!doctype html>/);
      await operator.postV1Settlements();
      assert.ok((await operator.getV1Settlements()).finished.length > 0);
      assert.is((await operator.getV1Statements({ query: { payee: 'Shop' } })).settled, 900_000);
      for (const format of ['csv', 'html', 'pdf', 'camt053', 'camt054'])
        assert.ok((await operator.getV1Statements({ query: { payee: 'Shop', format } })).length > 100);
      assert.is(
        (await operator.postV1Withdrawals({ body: { payee: 'Shop', amount: 900_000 } })).amount,
        900_000,
      );
      assert.is((await operator.postV1WebhooksNameTest({ path: { name: 'stock' } })).ok, true);
      await operator.postV1WebhooksNameRotate({ path: { name: 'stock' } });
      await operator.postV1WebhooksNameEnable({ path: { name: 'stock' }, body: { from: 'now' } });
      assert.is((await operator.getV1Webhooks()).webhooks.length, 1);
      await operator.deleteV1WebhooksName({ path: { name: 'stock' } });
      await operator.postV1ChannelsChannelRevoke({ path: { channel } });
      await operator.postV1ChannelsChannelAllow({ path: { channel } });
      await operator.postV1DevicesDeviceRevoke({ path: { device: 'till 1' } });
      const wish = (await operator.deleteV1PayeesPayee({ path: { payee: 'Shop' } })).approval;
      assert.equal(
        (await operator.getV1Approvals()).approvals.map((one: Any) => one.id),
        [wish.id],
      );
      await operator.postV1ApprovalsIdRefuse({ path: { id: wish.id } });
      await operator.deleteV1TokensName({ path: { name: 'Cy' } });
      await nobody.postV1HubKeys({ body: { word: site.config(folder).keys.words![0]! } });
      for (const one of ['Me', 'Status', 'Devices', 'Channels', 'Limits', 'HubKeys', 'Passkeys', 'Audit'])
        await operator[`getV1${one}`]();
      await operator.postV1PasskeysOptions();
      await nobody.postV1SigninPasskeyOptions();

      // ---- an owner's ----
      const place = await nobody.getV1Place();
      const { nonce, text } = await nobody.postV1SigninChallenge({
        body: { account: owner.address.toLowerCase() },
      });
      const signature = await owner.signMessage({ message: text });
      const { cookie } = await nobody.postV1Signin({ body: { nonce, signature } });
      const own = client.as({ cookie, 'x-sundial': 'console' }) as Any;
      assert.is((await own.getV1Account()).channels[0].channel, channel);
      const at = Math.floor(Date.now() / 1000);
      const hash = limitsHash(place, { channel, tap: 5, day: 50, at });
      await own.postV1ChannelsChannelLimits({
        path: { channel },
        body: { tap: 5, day: 50, at, signature: await owner.sign({ hash }) },
      });
      const { path: link } = await operator.postV1Links();
      assert.equal(
        client.operations
          .map((one) => one.id)
          .filter((one) => !client.answered.has(one))
          .sort(),
        [...ELSEWHERE].sort(),
      );

      // ---- another site's page: the browser sends the cookie, and no header of ours ----
      const signedIn = await fetch(`${url}${link}`, { redirect: 'manual' });
      const session = signedIn.headers.getSetCookie()[0]!.split(';')[0]!;
      let forged = 0;
      for (const { id: name, method, operation } of client.operations) {
        if (method === 'GET' || operation.security?.length === 0) continue;
        for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
          const spots = { payee: 'Shop', name: 'Ann', id, channel, device: 'till 1' };
          const { response } = await client.send(
            name,
            { path: spots, body: {} },
            {
              cookie: session,
              origin: 'https://evil.example',
              'content-type': type,
            },
          );
          assert.ok([403, 415].includes(response.status), `${name} as ${type}: ${response.status}`);
          forged += 1;
        }
      }
      assert.ok(forged > 30, String(forged));
      assert.equal((await operator.getV1Approvals()).approvals, [], 'nothing was asked for');
      assert.is((await fetch(`${url}${link}`, { redirect: 'manual' })).status, 401, 'a link is good once');

      // ---- a stranger's text in each field that takes one ----
      let spoiled = 0;
      for (const [name, { args, headers }] of client.bodies)
        for (const [field, value] of Object.entries(args.body!)) {
          if (typeof value !== 'string') continue;
          const { response } = await client.send(
            name,
            { ...args, body: { ...args.body, [field]: EVIL } },
            headers,
          );
          assert.ok(response.status >= 400 && response.status < 500, `${name} ${field}: ${response.status}`);
          assert.match(response.headers.get('content-type')!, /^application\/problem\+json/);
          assert.is(response.headers.get('x-content-type-options'), 'nosniff');
          spoiled += 1;
        }
      assert.ok(spoiled > 12, String(spoiled));
      for (const page of [
        await operator.getV1PaymentsIdReceipt({ path: { id } }),
        await operator.getV1Statements({ query: { payee: 'Shop', format: 'html' } }),
      ])
        assert.not.match(page, /<img|<script/);
    } finally {
      await hub.stop();
      await receiver.kill();
      await site.close();
    }
  }));

test.run();
