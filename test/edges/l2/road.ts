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
  /** From now on answers are these; undefined: the truth. */
  tell(lie: Lie | undefined): void;
  close(): Promise<void>;
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
};

/** Opens a road to the node at `url`. */
export async function openRoad(url: string): Promise<Road> {
  let lie: Lie | undefined;
  const counts = new Map<string, number>();
  const ask = async (body: string) =>
    fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: never[] };
    counts.set(method, (counts.get(method) ?? 0) + 1);
    try {
      const own = await lie?.(method, params, async () => (await ask(body)).json() as never);
      if (own === 'hang') return;
      if (own !== undefined && 'status' in own) {
        response.statusCode = own.status;
        return void response.end('{}');
      }
      response.setHeader('content-type', 'application/json');
      response.end(
        own === undefined ? await (await ask(body)).text() : JSON.stringify({ jsonrpc: '2.0', id, ...own }),
      );
    } catch {
      response.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    tell(next) {
      lie = next;
      counts.clear();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
