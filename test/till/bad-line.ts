/** A line between a till and its hub that breaks where a test wants it to: before a message gets across, or before its answer. */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** A TCP port that passes everything on to another, or breaks each connection after so many bytes. */
export class BadLine {
  /** How each further connection breaks; empty: it holds. `lost`: what breaks it does not get across, `doubled`: it does. */
  breaks: { readonly bytes: number; readonly how: 'lost' | 'doubled' }[] = [];
  broken = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(to: number) {
    this.server = createServer((near) => {
      const far = connect(to, '127.0.0.1');
      const plan = this.breaks.shift();
      let left = plan?.bytes ?? Number.POSITIVE_INFINITY;
      for (const socket of [near, far]) {
        this.sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.once('close', () => {
          this.sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      far.on('data', (bytes) => near.write(bytes));
      near.on('data', (bytes) => {
        left -= bytes.length;
        if (left > 0) return void far.write(bytes);
        this.broken += 1;
        if (plan?.how === 'lost') return void near.destroy();
        // The hub hears it all; what it answers finds nobody.
        near.destroy();
        far.end(bytes);
      });
    });
  }

  async open(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as { port: number }).port;
  }

  /** Breaks what stands now, so that the next connection follows the plan. */
  breakNow(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.server.close();
    this.breakNow();
  }
}
