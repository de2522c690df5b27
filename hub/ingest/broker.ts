/**
 * The embedded broker for one box and for tests. It keeps nothing over a restart, and need not: a device clears its
 * outbox only on the hub's signed acknowledgement. Each client may touch only the topics of the device it names
 * itself after; who signed what is decided by signatures, not by the broker.
 */
import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { SundialError } from '../../protocol/errors.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { deviceTopics, hubTopics, isDeviceName } from '../../protocol/wire/topics.ts';
import { causeText } from '../errors.ts';
import { brokerClientsMax } from '../limits.ts';
import { guardPackets } from './packet-guard.ts';

/** Topic, packet id and properties around the largest message. */
const PACKET_OVERHEAD_BYTES = 512;

/** A broker in this process. */
export interface EmbeddedBroker {
  readonly url: string;
  readonly port: number;
  /** What the hub's own client logs in with; made anew at each start and never stored. */
  readonly credentials: { readonly username: string; readonly password: string };
  /** Packets and clients refused since the start. */
  readonly refused: { tooLarge: number; notAllowed: number; tooMany: number };
  close(): Promise<void>;
}

/** Starts a broker for hub `name`; port 0 takes a free one. Throws `broker_port` when it can't listen. */
export async function startBroker(options: {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** For a broker that outlives the hub; made up otherwise. */
  readonly credentials?: EmbeddedBroker['credentials'];
}): Promise<EmbeddedBroker> {
  const credentials = options.credentials ?? {
    username: `hub-${options.name}`,
    password: randomBytes(24).toString('hex'),
  };
  const refused = { tooLarge: 0, notAllowed: 0, tooMany: 0 };
  const hubClients = new WeakSet<object>();
  const sockets = new Set<Socket>();
  const { beacon, revocations } = hubTopics(options.name);

  const broker = await Aedes.createBroker({
    drainTimeout: 10_000,
    connectTimeout: 10_000,
    keepaliveLimit: 600,
    maxTopicLevels: 6,
    queueLimit: 42,
    authenticate: (client, username, password, done) => {
      const isHub = username === credentials.username && password?.toString() === credentials.password;
      if (isHub) hubClients.add(client);
      // A client's name becomes a part of its topics: a wildcard there would be everybody's.
      const named = isHub || isDeviceName(client.id);
      if (!named) refused.notAllowed += 1;
      done(null, isHub || (named && username !== credentials.username));
    },
    authorizePublish: (client, packet, done) => {
      if (client !== null && !hubClients.has(client)) {
        const topics = deviceTopics(options.name, client.id);
        if (packet.topic !== topics.up && packet.topic !== topics.state) {
          refused.notAllowed += 1;
          done(new Error('a device publishes to its own up and state topics only'));
          return;
        }
      }
      done(null);
    },
    authorizeSubscribe: (client, subscription, done) => {
      const allowed =
        hubClients.has(client) ||
        subscription.topic === deviceTopics(options.name, client.id).down ||
        subscription.topic === beacon ||
        subscription.topic === revocations;
      if (!allowed) refused.notAllowed += 1;
      done(null, allowed ? subscription : null);
    },
  });

  const server = createServer((socket) => {
    if (sockets.size >= brokerClientsMax) {
      refused.tooMany += 1;
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
    const guarded = guardPackets(socket, SYNC_MESSAGE_BYTES_MAX + PACKET_OVERHEAD_BYTES, () => {
      refused.tooLarge += 1;
    });
    broker.handle(guarded);
  });
  let port: number;
  try {
    port = await listen(server, options.host, options.port);
  } catch (error) {
    await new Promise<void>((resolve) => broker.close(() => resolve()));
    throw error;
  }
  return {
    url: `mqtt://${options.host}:${port}`,
    port,
    credentials,
    refused,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new SundialError('broker_port', `can't listen on ${host}:${port}: ${causeText(cause)}`, {
          severity: 'process',
          remedy: 'Set mqtt.port to a free port, or to 0 for any free one.',
          facts: { host, port },
          cause,
        }),
      ),
    );
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}
