/**
 * The hub's HTTP server: versioned routes for tools and the console, with their OpenAPI description made from the same
 * schemas that check what comes in; errors as problem+json with our codes and remedies. Who asks is known by a token or
 * a browser's session; every change needs one, from this machine as well, and each change and each reading of people's
 * data is in the audit log before the answer goes out.
 */
import cookie from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import { SundialError } from '../../protocol/errors.ts';
import type { Audit } from '../desk/audit.ts';
import { ROLES, type Caller, type Role, type Tokens } from '../desk/tokens.ts';
import { causeText } from '../errors.ts';
import type { Logger } from '../log.ts';

/** One route: what it takes, who may, and what it does. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With `{name}` for parameters, as OpenAPI writes it. */
  readonly path: `/${string}`;
  readonly summary: string;
  /** Who may; `anyone` for what proves itself. */
  readonly may: readonly Role[] | 'anyone';
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  /** What a good answer holds. */
  readonly answer: z.ZodType;
  /** Does it show people's payments or devices? Then the reading is logged, too. */
  readonly personal?: boolean;
  /** Asks a minute from one address, when they may be fewer than for all. */
  readonly perMinute?: number;
  act(ask: Ask): unknown;
}

/** A checked question. */
export interface Ask {
  readonly caller: Caller | undefined;
  readonly params: Record<string, never>;
  readonly query: Record<string, never>;
  readonly body: Record<string, never>;
}

/** Keeps the types of a route's schemas in its `act`. */
export const route = <
  P extends z.ZodObject = z.ZodObject,
  Q extends z.ZodObject = z.ZodObject,
  B extends z.ZodObject = z.ZodObject,
>(
  one: Omit<Route, 'act' | 'params' | 'query' | 'body'> & {
    readonly params?: P;
    readonly query?: Q;
    readonly body?: B;
    act(ask: {
      readonly caller: Caller | undefined;
      readonly params: z.output<P>;
      readonly query: z.output<Q>;
      readonly body: z.output<B>;
    }): unknown;
  },
): Route => one as unknown as Route;

/** What an answer other than JSON is. */
export class Text {
  constructor(
    readonly type: string,
    readonly text: string,
  ) {}
}

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  remedy: z.string(),
});

/** HTTP status of an error that a caller can do something about. */
const STATUS: Readonly<Record<string, number>> = {
  not_signed_in: 401,
  not_allowed: 403,
  not_from_here: 403,
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
};

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

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
  readonly log: Logger;
  readonly routes: readonly Route[];
  /** Pages that are served as they are, by path: the console. */
  readonly files: ReadonlyMap<string, { readonly type: string; readonly bytes: Buffer | string }>;
  /** Policy of those pages. */
  readonly contentPolicy: string;
}

/** A server with all routes, not listening yet. */
export async function makeServer(setup: ServerSetup): Promise<FastifyInstance> {
  const { tokens, audit, log, routes } = setup;
  const server = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: 120_000,
    keepAliveTimeout: 1_000,
    forceCloseConnections: true,
    // What it can't even route, such as a broken %-sequence.
    frameworkErrors: (_error, _request, reply) =>
      void send(reply, refused('bad_url', 'an address that is none', 'See /openapi.json.')),
  });
  await server.register(cookie);
  await server.register(rateLimit, {
    max: PER_MINUTE,
    timeWindow: 60_000,
    errorResponseBuilder: () =>
      refused('too_many_requests', 'too many questions from one address', 'Wait a minute.'),
  });
  const repeats = new Map<string, Promise<unknown>>();
  /** Two that come at once act once, too; what failed may be tried again. */
  const once = (key: string, act: () => Promise<unknown>): Promise<unknown> => {
    const known = repeats.get(key);
    if (known !== undefined) return known;
    if (repeats.size >= REPEATS_MAX) repeats.delete(repeats.keys().next().value!);
    const answer = act();
    repeats.set(key, answer);
    answer.catch(() => repeats.delete(key));
    return answer;
  };

  const send = (reply: FastifyReply, error: unknown): number => {
    const known = error instanceof SundialError && error.severity === 'call';
    const status = known
      ? (STATUS[error.code] ?? 400)
      : ((error as { statusCode?: number }).statusCode ?? 500);
    if (status === 500) log.error({ error: causeText(error) }, 'a request could not be answered');
    const code = error instanceof SundialError ? error.code : status === 500 ? 'defect' : 'bad_request';
    const remedy = error instanceof SundialError ? error.remedy : 'See the log of the hub.';
    const words = error instanceof SundialError ? error.message.slice(code.length + 2) : causeText(error);
    void reply
      .code(status)
      .header('content-type', 'application/problem+json')
      .send(`${JSON.stringify({ type: `urn:sundial:${code}`, title: words, status, code, remedy })}\n`);
    return status;
  };
  server.setErrorHandler((error, _request, reply) => void send(reply, error));
  server.setNotFoundHandler(
    (_request, reply) => void send(reply, refused('no_such_page', 'no such page', 'See /openapi.json.')),
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
      throw refused(
        'not_from_here',
        'a change that no page of this hub asked for',
        'Use the console or a token.',
      );
    return tokens.session(session);
  };

  for (const one of routes) {
    server.route({
      method: one.method,
      url: one.path.replace(/\{(\w+)\}/g, ':$1'),
      ...(one.perMinute !== undefined && {
        config: { rateLimit: { max: one.perMinute, timeWindow: 60_000 } },
      }),
      handler: async (request, reply) => {
        let caller: Caller | undefined;
        const logged = one.method !== 'GET' || one.personal === true;
        const note = (status: number): void => {
          if (!logged) return;
          audit.write({
            at: Math.floor(Date.now() / 1000),
            who: caller?.name ?? 'nobody',
            what: `${one.method} ${one.path}`,
            ...about(request),
            status,
          });
        };
        try {
          caller = callerOf(request);
          if (one.may !== 'anyone') {
            if (caller === undefined)
              throw refused(
                'not_signed_in',
                'nobody known asks',
                'Send `Authorization: Bearer` with a token.',
              );
            if (!one.may.includes(caller.role))
              throw refused(
                'not_allowed',
                `${caller.role} may not`,
                `Ask one who is ${one.may.join(' or ')}.`,
              );
          }
          const key = request.headers['idempotency-key'];
          const repeat =
            one.method === 'POST' && key !== undefined ? `${caller?.name} ${request.url} ${key}` : undefined;
          const act = async (): Promise<unknown> =>
            one.act({
              caller,
              params: check(one.params, request.params, 'path'),
              query: check(one.query, request.query, 'query'),
              body: check(one.body, request.body ?? {}, 'body'),
            });
          const answer = await (repeat === undefined ? act() : once(repeat, act));
          note(200);
          if (answer instanceof Text) return reply.header('content-type', answer.type).send(answer.text);
          return reply.header('content-type', 'application/json').send(`${JSON.stringify(answer)}\n`);
        } catch (error) {
          note(send(reply, error));
          return reply;
        }
      },
    });
  }

  const description = openApi(routes);
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
        refused('not_signed_in', 'this link was used or is over', 'Ask for a new one: `sundial console`.'),
      );
    return reply
      .setCookie(SESSION, session, { httpOnly: true, sameSite: 'strict', path: '/', maxAge: 12 * 3600 })
      .redirect('/');
  });
  server.post('/signout', async (request, reply) => {
    if (request.headers['x-sundial'] === 'console') tokens.signOut(request.cookies[SESSION] ?? '');
    return reply.clearCookie(SESSION, { path: '/' }).send({ signedOut: true });
  });
  return server;
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

/** Throws `bad_field`, which names the field. */
function check(schema: z.ZodObject | undefined, value: unknown, where: string): Record<string, never> {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data as Record<string, never>;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.join('.') || where;
  throw refused('bad_field', `${field}: ${message}`, `Correct ${field}; /openapi.json has all fields.`);
}

/** The description of all routes, OpenAPI 3.1. */
function openApi(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, unknown>> = {};
  const schemaOf = (schema: z.ZodType, io: 'input' | 'output') => {
    const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<
      string,
      unknown
    >;
    return rest;
  };
  const parameters = (schema: z.ZodObject | undefined, place: 'path' | 'query') =>
    Object.entries(schema?.shape ?? {}).map(([name, one]) => ({
      name,
      in: place,
      required: place === 'path' || !(one as z.ZodType).safeParse(undefined).success,
      schema: schemaOf(one as z.ZodType, 'input'),
    }));
  for (const one of routes) {
    paths[one.path] ??= {};
    paths[one.path]![one.method.toLowerCase()] = {
      operationId: `${one.method.toLowerCase()}${one.path.replace(/[^A-Za-z0-9]+(.)?/g, (_, next = '') => next.toUpperCase())}`,
      summary: one.summary,
      ...(one.may === 'anyone' ? { security: [] } : { security: [{ token: [] }], 'x-roles': one.may }),
      parameters: [...parameters(one.params, 'path'), ...parameters(one.query, 'query')],
      ...(one.body !== undefined && {
        requestBody: {
          required: true,
          content: { 'application/json': { schema: schemaOf(one.body, 'input') } },
        },
      }),
      responses: {
        200: {
          description: 'what was asked for',
          content: { 'application/json': { schema: schemaOf(one.answer, 'output') } },
        },
        default: {
          description: 'why not',
          content: { 'application/problem+json': { schema: schemaOf(problem, 'output') } },
        },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: "A Sundial hub's API",
      version: '1',
      description: `Roles: ${ROLES.join(', ')}. Amounts are units of 10^-6 TIME, times seconds since 1970.`,
    },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}
