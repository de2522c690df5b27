/**
 * The hub's HTTP server: versioned routes for tools and the console, with their OpenAPI description made from the same
 * schemas that check what comes in; errors as problem+json with our codes and remedies. Who asks is known by a token or
 * a browser's session; every change needs one, from this machine as well, and each change and each reading of people's
 * data is in the audit log before the answer goes out.
 */
import cookie from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import {
  check,
  openApi,
  problemOf,
  refusal,
  Repeats,
  type Route as Common,
  routerPath,
  routesOf,
  Text,
} from '../../hardware/boards/node/http/routes.ts';
import type { Approvals, Wish } from '../desk/approvals.ts';
import type { Audit } from '../desk/audit.ts';
import { ROLES, type Caller, type Role, type Tokens } from '../desk/tokens.ts';
import { causeText } from '../errors.ts';
import type { Logger } from '../log.ts';

/** One route: what it takes, who may, and what it does. */
export interface Route extends Common<Caller | undefined> {
  /** Who may; `anyone` for what proves itself. */
  readonly may: readonly Role[] | 'anyone';
  /** Does it show people's payments or devices? Then the reading is logged, too. */
  readonly personal?: boolean;
  /** Asks a minute from one address, when they may be fewer than for all. */
  readonly perMinute?: number;
}

/** What a route answers that has found out who asks: the browser is given a session. */
export class SignedIn {
  readonly session: string;
  /** For the audit log. */
  readonly name: string;
  readonly answer: object;

  constructor(session: string, name: string, answer: object) {
    this.session = session;
    this.name = name;
    this.answer = answer;
  }
}

/** What an act answers that waits for a second person. */
class Waits {
  readonly wish: Wish;

  constructor(wish: Wish) {
    this.wish = wish;
  }
}

/** Keeps the types of a route's schemas in its `act`. */
export const route = routesOf<Route>();

/** HTTP status of an error that a caller can do something about. */
const STATUS: Readonly<Record<string, number>> = {
  not_signed_in: 401,
  not_allowed: 403,
  not_from_here: 403,
  other_address: 403,
  bad_signature: 403,
  no_channel: 403,
  too_many_requests: 429,
  no_such_page: 404,
  payment_unknown: 404,
  merchant_unknown: 404,
  device_unknown: 404,
  token_unknown: 404,
  channel_unknown: 404,
  code_unknown: 404,
  code_used: 409,
  merchant_exists: 409,
  device_exists: 409,
  token_exists: 409,
  webhook_unknown: 404,
  passkey_unknown: 404,
  passkey_refused: 403,
  approval_unknown: 404,
  same_person: 403,
  webhook_exists: 409,
};

/** Asks a minute from one address. */
const PER_MINUTE = 600;
/** Bytes of a request's body at most. */
const BODY_BYTES_MAX = 64 * 1024;
/** Answers that are kept for idempotency keys; the oldest goes first. */
const REPEATS_MAX = 1_000;
const SESSION = 'sundial_session';

/** What the server is made of. */
export interface ServerSetup {
  readonly tokens: Tokens;
  readonly audit: Audit;
  readonly approvals: Approvals;
  readonly log: Logger;
  readonly routes: readonly Route[];
  /** Pages that are served as they are, by path: the console. */
  readonly files: ReadonlyMap<string, { readonly type: string; readonly bytes: Buffer | string }>;
  /** Policy of those pages. */
  readonly contentPolicy: string;
}

/** A server with all routes, not listening yet. */
export async function makeServer(setup: ServerSetup): Promise<FastifyInstance> {
  const { tokens, audit, approvals, log, routes } = setup;
  const server = fastify({
    bodyLimit: BODY_BYTES_MAX,
    // A page's address with a slash behind it is the page's.
    routerOptions: { ignoreTrailingSlash: true },
    requestTimeout: 120_000,
    keepAliveTimeout: 1_000,
    forceCloseConnections: true,
    // What it can't even route, such as a broken %-sequence.
    frameworkErrors: (_error, _request, reply) =>
      void send(reply, refusal('bad_url', 'an address that is none', 'See /openapi.json.')),
  });
  await server.register(cookie);
  await server.register(rateLimit, {
    max: PER_MINUTE,
    timeWindow: 60_000,
    errorResponseBuilder: () =>
      refusal('too_many_requests', 'too many questions from one address', 'Wait a minute.'),
  });
  const repeats = new Repeats(REPEATS_MAX);
  const send = (reply: FastifyReply, error: unknown): number => {
    const { status, body } = problemOf(error, STATUS);
    if (status === 500) log.error({ error: causeText(error) }, 'a request could not be answered');
    void reply.code(status).header('content-type', 'application/problem+json').send(body);
    return status;
  };
  server.setErrorHandler((error, _request, reply) => void send(reply, error));
  server.setNotFoundHandler(
    (_request, reply) => void send(reply, refusal('no_such_page', 'no such page', 'See /openapi.json.')),
  );
  server.addHook('onSend', async (_request, reply, payload) => {
    reply.header('x-content-type-options', 'nosniff');
    reply.header('referrer-policy', 'no-referrer');
    reply.header('cache-control', 'no-store');
    return payload;
  });

  /** Who asks. A browser sends its cookie by itself, so that a change needs a header which no other site can add. */
  const callerOf = (request: FastifyRequest): Caller | undefined => {
    const { authorization } = request.headers;
    if (authorization !== undefined)
      return authorization.startsWith('Bearer ') ? tokens.of(authorization.slice(7)) : undefined;
    const session = request.cookies[SESSION];
    if (session === undefined) return undefined;
    if (request.method !== 'GET' && request.headers['x-sundial'] !== 'console')
      throw refusal(
        'not_from_here',
        'a change that no page of this hub asked for',
        'Use the console or a token.',
      );
    return tokens.session(session);
  };

  for (const one of routes) {
    server.route({
      method: one.method,
      url: routerPath(one.path),
      ...(one.perMinute !== undefined && {
        config: { rateLimit: { max: one.perMinute, timeWindow: 60_000 } },
      }),
      handler: async (request, reply) => {
        let caller: Caller | undefined;
        let signedInAs: string | undefined;
        const logged = one.method !== 'GET' || one.personal === true;
        const note = (status: number, more?: string): void => {
          if (!logged) return;
          audit.write({
            at: Math.floor(Date.now() / 1000),
            who: signedInAs ?? caller?.name ?? 'nobody',
            what: `${one.method} ${one.path}`,
            ...(more === undefined ? about(request) : { about: more }),
            status,
          });
        };
        try {
          caller = callerOf(request);
          if (one.may !== 'anyone') {
            if (caller === undefined)
              throw refusal(
                'not_signed_in',
                'nobody known asks',
                'Send `Authorization: Bearer` with a token.',
              );
            if (!one.may.includes(caller.role))
              throw refusal(
                'not_allowed',
                `${caller.role} may not`,
                `Ask one who is ${one.may.join(' or ')}.`,
              );
          }
          const key = request.headers['idempotency-key'];
          const repeat =
            // Of somebody: strangers have no name by which one could be told from another.
            one.method === 'POST' && key !== undefined && caller !== undefined
              ? `${caller.name} ${request.url} ${key}`
              : undefined;
          const act = async (): Promise<unknown> => {
            const ask = {
              caller,
              params: check(one.params, request.params, 'path'),
              query: check(one.query, request.query, 'query'),
              body: check(one.body, request.body ?? {}, 'body'),
              host: request.headers.host,
            };
            const words = caller && one.secondFor?.(ask);
            if (words === undefined || one.may === 'anyone') return one.act(ask);
            return new Waits(approvals.ask(caller!, one.may, words, async () => one.act(ask)));
          };
          const answer = await (repeat === undefined ? act() : repeats.once(repeat, act));
          if (answer instanceof SignedIn) {
            signedInAs = answer.name;
            note(200);
            return reply.setCookie(SESSION, answer.session, cookieOf(request)).send(answer.answer);
          }
          if (answer instanceof Waits) {
            note(202, `id=${answer.wish.id}: ${answer.wish.words}`.slice(0, 300));
            return reply.code(202).send({ approval: answer.wish });
          }
          note(200);
          if (answer instanceof Text)
            return (
              reply
                .header('content-type', answer.type)
                // A page for people holds what devices and merchants said: it runs nothing and fetches nothing.
                .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
                .send(answer.content)
            );
          return reply.header('content-type', 'application/json').send(`${JSON.stringify(answer)}\n`);
        } catch (error) {
          note(send(reply, error));
          return reply;
        }
      },
    });
  }

  const description = openApi(
    routes,
    {
      title: "A Sundial hub's API",
      description: `Roles: ${ROLES.join(', ')}. Amounts are units of 10^-6 TIME, times seconds since 1970.`,
    },
    ({ may }) => (may === 'anyone' ? { security: [] } : { security: [{ token: [] }], 'x-roles': may }),
  );
  server.get('/openapi.json', async () => description);
  for (const [path, { type, bytes }] of setup.files)
    server.get(path, async (_request, reply) =>
      reply.header('content-type', type).header('content-security-policy', setup.contentPolicy).send(bytes),
    );
  // A link is opened by hand, once: what it gives is a cookie that scripts and other sites never see.
  server.get('/signin', async (request, reply) => {
    const { link = '' } = request.query as { link?: string };
    const session = tokens.signIn(link);
    if (session === undefined)
      return void send(
        reply,
        refusal('not_signed_in', 'this link was used or is over', 'Ask for a new one: `sundial console`.'),
      );
    const role = tokens.session(session)?.role;
    return reply
      .setCookie(SESSION, session, cookieOf(request))
      .redirect(role === 'owner' && setup.files.has('/owner') ? '/owner' : '/');
  });
  server.post('/signout', async (request, reply) => {
    if (request.headers['x-sundial'] === 'console') tokens.signOut(request.cookies[SESSION] ?? '');
    return reply.clearCookie(SESSION, { path: '/' }).send({ signedOut: true });
  });
  return server;
}

/** How a browser keeps its session: no script reads it, no other site sends it. */
function cookieOf(request: FastifyRequest) {
  // Behind a proxy that speaks TLS the cookie stays within it. Anybody may claim to be one: that only narrows it.
  const secure = request.headers['x-forwarded-proto'] === 'https';
  return { httpOnly: true, sameSite: 'strict', path: '/', maxAge: 12 * 3600, secure } as const;
}

/** What the log says that it was about: never a body, which may hold a code or a key. */
function about(request: FastifyRequest): { about?: string } {
  const parts = { ...(request.params as object), ...(request.query as object) };
  const text = Object.entries(parts)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ')
    .slice(0, 300);
  return text === '' ? {} : { about: text };
}
