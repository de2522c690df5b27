/**
 * The pages that tools on this machine read: metrics for Prometheus, readiness, and the books as JSON, for reconciling
 * and for looking on. Nothing is changed here, and nothing is shown to who calls this machine by another name: a web
 * page may have made that name resolve to loopback. Everything else is under /v1 (v1.ts).
 */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { SundialError } from '../../protocol/errors.ts';
import { causeText } from '../errors.ts';

/** What the pages answer with. */
export interface StatusRoutes {
  /** GET /metrics. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
  /** GET /readyz: 200 when the hub is ready, else 503 with the reasons. */
  ready(): { readonly ready: boolean };
  /** JSON pages by path. */
  readonly json: Readonly<Record<string, (query: URLSearchParams) => unknown>>;
}

/** A server that listens. */
export interface StatusServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

/** Adds the pages. */
export function addStatusPages(server: FastifyInstance, routes: StatusRoutes): void {
  const page = (path: string, answer: (query: URLSearchParams) => unknown): void => {
    server.get(path, { config: { rateLimit: false } }, async (request, reply) => {
      if (!LOOPBACK.test(request.headers.host ?? ''))
        throw new SundialError('not_from_here', 'ask by the loopback address', {
          severity: 'call',
          remedy: 'Ask on this machine, as 127.0.0.1; from elsewhere use /v1 with a token.',
        });
      const body = await answer(new URL(request.url, 'http://hub').searchParams);
      return reply.header('content-type', 'application/json').send(`${JSON.stringify(body)}\n`);
    });
  };
  for (const [path, answer] of Object.entries(routes.json)) page(path, answer);
  server.get('/readyz', { config: { rateLimit: false } }, async (_request, reply) => {
    const health = routes.ready();
    return reply.code(health.ready ? 200 : 503).send(health);
  });
  server.get('/metrics', { config: { rateLimit: false } }, async (_request, reply) => {
    const { type, text } = await routes.metrics();
    return reply.header('content-type', type).send(text);
  });
}

/** Listens; port 0 takes a free one. Throws `http_port` when it can't. */
export async function listen(server: FastifyInstance, host: string, port: number): Promise<StatusServer> {
  try {
    await server.listen({ host, port });
  } catch (cause) {
    throw new SundialError('http_port', `can't listen on ${host}:${port}: ${causeText(cause)}`, {
      severity: 'process',
      remedy: 'Set http.port to a free port, or to 0 for any free one.',
      facts: { host, port },
      cause,
    });
  }
  const { port: taken } = server.server.address() as AddressInfo;
  // Who runs it asks on this machine, whatever else it listens on.
  const own = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return {
    url: `http://${own.includes(':') ? `[${own}]` : own}:${taken}`,
    port: taken,
    close: () => server.close(),
  };
}
