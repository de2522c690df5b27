/**
 * The till's HTTP server, for its own page and for a shop's software on the same machine or network: routes with their
 * OpenAPI description, events as they happen (server-sent events), and the page. A token is asked for everything that
 * shows or changes something; browsers send none by themselves, so no other site can act here.
 */
import { randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { SundialError } from '../../../../protocol/errors.ts';
import { createDurably } from '../storage/durable-file.ts';
import { check, openApi, problemOf, refusal, type Route, routerPath, Text } from '../http/routes.ts';
import type { Asker } from './api.ts';
import { event as eventSchema, requestIdText, type TillEvent } from './schema.ts';
import type { Till } from './till.ts';
import { z } from 'zod';

/** Bytes of a request's body at most. */
const BODY_BYTES_MAX = 16 * 1024;
/** Who listens to events at once. */
const LISTENERS_MAX = 16;
/** Bytes that wait for one listener: who reads slower is cut off, and goes on from the last event that it had. */
const BEHIND_BYTES_MAX = 1024 * 1024;
/** How often a silent stream says that it is there, milliseconds. */
const PULSE_MS = 15_000;

const STATUS: Readonly<Record<string, number>> = {
  not_signed_in: 401,
  no_such_page: 404,
  no_codes: 404,
  sale_unknown: 404,
  day_unknown: 404,
  sale_open: 409,
  sale_over: 409,
  busy: 409,
  credit_open: 409,
  key_reused: 409,
  capture_first: 409,
  not_a_hold: 409,
  sale_not_approved: 409,
  training: 409,
  events_gone: 410,
  till_full: 507,
  too_many_listeners: 503,
};

/** The token of a till, made once: in a file of its folder that its user alone can read. */
export function tillToken(folder: string): string {
  const path = join(folder, 'till.token');
  if (!existsSync(path)) createDurably(path, randomBytes(24).toString('base64url'));
  return readFileSync(path, 'utf8').trim();
}

/** What the server is made of. */
export interface ServerSetup {
  readonly till: Till;
  readonly token: string;
  readonly routes: readonly Route<Asker>[];
  /** Pages that are served as they are, by path. */
  readonly files: ReadonlyMap<string, { readonly type: string; readonly bytes: Buffer | string }>;
  readonly contentPolicy: string;
}

const isToken = (given: string, token: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
};

/** A server with all routes, not listening yet. */
export function makeTillServer({ till, token, routes, files, contentPolicy }: ServerSetup): FastifyInstance {
  const send = (reply: FastifyReply, error: unknown): void => {
    const { status, body } = problemOf(error, STATUS);
    void reply.code(status).header('content-type', 'application/problem+json').send(body);
  };
  const server = fastify({
    bodyLimit: BODY_BYTES_MAX,
    keepAliveTimeout: 5_000,
    forceCloseConnections: true,
    frameworkErrors: (_error, _request, reply) =>
      send(reply, refusal('bad_url', 'an address that is none', 'See /openapi.json.')),
  });
  server.setErrorHandler((error, _request, reply) => send(reply, error));
  server.setNotFoundHandler((_request, reply) =>
    send(reply, refusal('no_such_page', 'no such page', 'See /openapi.json.')),
  );
  // A POST without anything to say says nothing.
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, text === '' ? {} : JSON.parse(String(text)));
    } catch {
      done(refusal('bad_field', 'the body is no JSON', 'Send JSON; /openapi.json has all fields.'));
    }
  });
  server.addHook('onSend', async (request, reply, payload) => {
    reply.header('x-content-type-options', 'nosniff');
    reply.header('referrer-policy', 'no-referrer');
    reply.header('cache-control', 'no-store');
    reply.header('x-request-id', nameOf(request));
    return payload;
  });

  const names = new WeakMap<FastifyRequest, string>();
  /** What the question is called in events: what the caller calls it, or a name of our own. */
  function nameOf(request: FastifyRequest): string {
    let name = names.get(request);
    if (name === undefined) {
      const given = requestIdText.safeParse(request.headers['x-request-id']);
      name = given.success ? given.data : randomUUID();
      names.set(request, name);
    }
    return name;
  }
  const signedIn = (request: FastifyRequest): void => {
    const { authorization = '' } = request.headers;
    if (authorization.startsWith('Bearer ') && isToken(authorization.slice(7), token)) return;
    throw refusal(
      'not_signed_in',
      'nobody known asks',
      'Send `Authorization: Bearer` with what is in till.token, in the folder of the till.',
    );
  };

  for (const one of routes)
    server.route({
      method: one.method,
      url: routerPath(one.path),
      handler: async (request, reply) => {
        signedIn(request);
        const key = request.headers['idempotency-key'];
        const answer = await one.act({
          caller: { requestId: nameOf(request), key: typeof key === 'string' ? key : undefined },
          params: check(one.params, request.params, 'path'),
          query: check(one.query, request.query, 'query'),
          body: check(one.body, request.body ?? {}, 'body'),
        });
        if (answer instanceof Text) return reply.header('content-type', answer.type).send(answer.content);
        return reply.header('content-type', 'application/json').send(`${JSON.stringify(answer)}\n`);
      },
    });

  let listeners = 0;
  server.get('/v1/events', (request, reply) => {
    signedIn(request);
    const last = request.headers['last-event-id'] ?? (request.query as { after?: string }).after;
    const after = last === undefined ? till.books.lastId : Number(last);
    const missed = Number.isInteger(after) ? till.since(after) : undefined;
    if (missed === undefined)
      throw refusal(
        'events_gone',
        `what followed event ${last} is not told any more`,
        `Read GET /v1/sales, and go on after ${till.books.lastId}.`,
      );
    if (listeners >= LISTENERS_MAX)
      throw refusal('too_many_listeners', `${LISTENERS_MAX} listen already`, 'Close one of them.');
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    const write = (text: string): void => {
      if (raw.writableLength > BEHIND_BYTES_MAX) raw.destroy();
      else raw.write(text);
    };
    const tell = (event: TillEvent): void =>
      write(`id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    raw.write(`: ${till.books.lastId}\n\n`);
    missed.forEach(tell);
    const stop = till.listen(tell);
    const pulse = setInterval(() => write(':\n\n'), PULSE_MS);
    listeners += 1;
    raw.on('error', () => raw.destroy());
    raw.once('close', () => {
      listeners -= 1;
      clearInterval(pulse);
      stop();
    });
  });

  const description = openApi(
    [...routes, EVENTS],
    {
      title: "A Sundial till's API",
      description: 'Amounts are units of 10^-6 TIME, times seconds since 1970.',
    },
    () => ({ security: [{ token: [] }] }),
  );
  server.get('/openapi.json', async () => description);
  for (const [path, { type, bytes }] of files)
    server.get(path, async (_request, reply) =>
      reply.header('content-type', type).header('content-security-policy', contentPolicy).send(bytes),
    );
  return server;
}

/** For the description: the stream is no route that answers and ends. */
const EVENTS: Omit<Route, 'act'> = {
  method: 'GET',
  path: '/v1/events',
  summary:
    'Server-sent events: each `data` is one of these, each `id` its number. Last-Event-ID, or `after`, goes on behind one; 0 begins with the oldest.',
  query: z.object({ after: z.coerce.number().int().min(0).optional() }),
  answer: eventSchema,
};

/** Listens. Rejects with `port_taken`. */
export async function listen(server: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    throw new SundialError('port_taken', `${host}:${port}: ${(cause as Error).message}`, {
      severity: 'process',
      remedy: 'Give --http another port; 0 takes any that is free.',
      cause,
    });
  }
}
