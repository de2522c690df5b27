/** A receiver of webhooks for tests, on loopback: checks each signature by itself, and behaves as it is told. */
import { createHmac } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Got {
  readonly id: string;
  readonly body: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a hub tells is what is tested
  readonly event: any;
  readonly at: number;
  /** Secrets, by their place in `secrets`, whose signatures fit. */
  readonly signedBy: readonly number[];
}

/** How it answers. */
export type Manner = 'take' | 'refuse' | 'silent' | 'redirect' | 'gone' | 'endless' | 'hangs up' | 'early';

export class Receiver {
  readonly got: Got[] = [];
  secrets: string[] = [];
  manner: Manner = 'take';
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();
  private port = 0;
  /** Requests that came, whatever became of them. */
  asked = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.asked += 1;
      let body = '';
      request.on('data', (bytes) => {
        body += bytes;
      });
      request.on('end', () => this.answer(request.headers as Record<string, string>, body, response));
    });
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  /** Gone at once, with every connection. */
  async kill(): Promise<void> {
    const closed = new Promise((resolve) => this.server?.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** Ids in the order in which they first came. */
  ids(): string[] {
    return [...new Set(this.got.map(({ id }) => id))];
  }

  private answer(headers: Record<string, string>, body: string, response: ServerResponse): void {
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = headers;
    const shown = signature!.split(' ');
    const signedBy = this.secrets.flatMap((secret, index) => {
      const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
      const want = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64');
      return shown.includes(`v1,${want}`) ? [index] : [];
    });
    const take = (): void =>
      void this.got.push({ id: id!, body, event: JSON.parse(body), at: Number(at), signedBy });
    switch (this.manner) {
      case 'take':
        take();
        response.writeHead(204).end();
        break;
      case 'refuse':
        response.writeHead(500).end('no');
        break;
      case 'gone':
        response.writeHead(410).end();
        break;
      case 'redirect':
        response.writeHead(307, { location: this.url }).end();
        break;
      case 'silent':
        break;
      case 'hangs up':
        // It has taken it, and nobody knows.
        take();
        response.socket!.destroy();
        break;
      case 'endless': {
        // A status, and a body without an end.
        take();
        response.writeHead(200);
        const more = setInterval(() => response.write('x'.repeat(65_536)), 1);
        response.on('close', () => clearInterval(more));
        break;
      }
      case 'early':
        // Says "go on" for ever and never how it went.
        response.writeProcessing();
        break;
    }
  }
}
