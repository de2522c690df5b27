/** A node that lies, fails or hangs as it is told, in front of a real one. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the road answers instead of the node; undefined: what the node says. */
export type Answer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string } }
  | { readonly status: number }
  | 'hang';

/** Decides about one call. `forward` asks the node. */
export type Lie = (
  method: string,
  params: readonly never[],
  forward: () => Promise<{ readonly result?: never; readonly error?: never }>,
) => Answer | undefined | Promise<Answer | undefined>;

/** A road to a node. */
export interface Road {
  readonly url: string;
  /** Calls since the last lie was set, by method. */
  readonly counts: Map<string, number>;
  /** From now on answers are these; undefined: the truth. Several calls in one request are refused if it is said so. */
  tell(lie: Lie | undefined, takesBatches?: boolean): void;
  close(): Promise<void>;
}

interface Call {
  readonly id: number;
  readonly method: string;
  readonly params: never[];
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
};

/** Opens a road to the node at `url`. */
export async function openRoad(url: string): Promise<Road> {
  let lie: Lie | undefined;
  let takesBatches = true;
  const counts = new Map<string, number>();
  const ask = async (body: string) =>
    fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  /** One call's answer; `hang` and a status are the whole request's. */
  const answer = async (call: Call): Promise<object | 'hang' | { readonly status: number }> => {
    const { id, method, params } = call;
    counts.set(method, (counts.get(method) ?? 0) + 1);
    const forward = async () => (await ask(JSON.stringify(call))).json() as never;
    const own = await lie?.(method, params, forward);
    if (own === undefined) return forward();
    return own === 'hang' || 'status' in own ? own : { jsonrpc: '2.0', id, ...own };
  };
  const server = createServer(async (request, response) => {
    try {
      const body = JSON.parse(await bodyOf(request)) as Call | Call[];
      if (Array.isArray(body) && !takesBatches) {
        const error = { code: -32600, message: 'batch requests are not supported' };
        return void response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error }));
      }
      if (Array.isArray(body) && lie === undefined) {
        for (const { method } of body) counts.set(method, (counts.get(method) ?? 0) + 1);
        return void response.end(await (await ask(JSON.stringify(body))).text());
      }
      const answers: unknown[] = [];
      for (const call of Array.isArray(body) ? body : [body]) {
        const one = await answer(call);
        if (one === 'hang') return;
        if ('status' in one && typeof one.status === 'number') {
          response.statusCode = one.status;
          return void response.end('{}');
        }
        answers.push(one);
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(Array.isArray(body) ? answers : answers[0]));
    } catch {
      response.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    tell(next, batches = true) {
      lie = next;
      takesBatches = batches;
      counts.clear();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
