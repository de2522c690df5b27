/**
 * The hub's small HTTP face on loopback: metrics for Prometheus and the books as JSON, for reconciling and for
 * looking on. Beyond questions it takes the operator's three wishes: settle now, revoke a channel, allow
 * it again; whoever can reach loopback on this machine is the operator.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SundialError } from '../../protocol/errors.ts';
import { causeText } from '../errors.ts';

/** What the server answers with. */
export interface StatusRoutes {
  /** GET /metrics. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
  /** GET /readyz: 200 when the hub is ready, else 503 with the reasons. */
  ready(): { readonly ready: boolean };
  /** GET and POST routes by "METHOD /path"; the answer goes out as JSON, undefined as 404. */
  readonly json: Readonly<Record<string, (query: URLSearchParams) => unknown>>;
}

/** A server that listens. */
export interface StatusServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Starts the server; port 0 takes a free one. Throws `http_port` when it can't listen. */
export function startStatus(host: string, port: number, routes: StatusRoutes): Promise<StatusServer> {
  const server = createServer((request, response) => {
    void answer(routes, request, response).catch((error: unknown) => {
      if (response.headersSent) return;
      if (error instanceof SundialError && error.severity === 'call') {
        send(response, 400, { error: error.code, message: error.message, remedy: error.remedy });
      } else {
        send(response, 500, { error: causeText(error) });
      }
    });
  });
  // Short-lived questions from tools on the same machine; nobody needs to hold a connection.
  server.requestTimeout = 10_000;
  server.keepAliveTimeout = 1_000;
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new SundialError('http_port', `can't listen on ${host}:${port}: ${causeText(cause)}`, {
          severity: 'process',
          remedy: 'Set http.port to a free port, or to 0 for any free one.',
          facts: { host, port },
          cause,
        }),
      ),
    );
    server.listen(port, host, () => resolve(running(server, host)));
  });
}

function running(server: Server, host: string): StatusServer {
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  routes: StatusRoutes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://hub');
  // A browser page from elsewhere must not reach the hub by a name that it made resolve to loopback.
  if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(request.headers.host ?? '')) {
    return send(response, 403, { error: 'ask by the loopback address' });
  }
  // Nor may such a page send anything without reading the answer: browsers name where a POST comes from.
  if (request.method !== 'GET' && request.headers.origin !== undefined) {
    return send(response, 403, { error: 'not from a web page' });
  }
  if (request.method === 'GET' && url.pathname === '/metrics') {
    const { type, text } = await routes.metrics();
    response.writeHead(200, { 'content-type': type });
    response.end(text);
    return;
  }
  if (request.method === 'GET' && url.pathname === '/readyz') {
    const health = routes.ready();
    return send(response, health.ready ? 200 : 503, health);
  }
  const route = routes.json[`${request.method} ${url.pathname}`];
  const body = route === undefined ? undefined : await route(url.searchParams);
  if (body === undefined)
    return send(response, 404, { error: 'no such page', pages: Object.keys(routes.json) });
  send(response, 200, body);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
