/**
 * The embedded broker for one box and for tests. It keeps nothing over a restart, and need not: a device clears its
 * outbox only on the hub's signed acknowledgement. Each client may touch only the topics of the device it names
 * itself after, and whoever shows that device's key (logins.ts) is not put out by one who doesn't; who signed what is
 * decided by signatures, not by the broker.
 *
 * What a client can make it keep is bounded: no session outlives its connection, nothing that a device says is retained, no
 * message is sent with QoS 2, and the connections of one address are counted. Who says more than a device may is read more
 * slowly, and all of one address together, so that a flood takes the others' turn neither here nor at the hub.
 */
import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes, type Client } from 'aedes';
import { SundialError } from '../../protocol/errors.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { deviceTopics, hubTopics, isDeviceName } from '../../protocol/wire/topics.ts';
import { causeText } from '../errors.ts';
import {
  addressRate,
  brokerClientsMax,
  brokerClientsPerAddressMax,
  deviceRate,
  knockRate,
  ratedNamesMax,
  spokenOverheadBytes,
  stateBytesMax,
} from '../limits.ts';
import type { Logins } from './logins.ts';
import { guardPackets } from './packet-guard.ts';
import { type Rate, Rates } from './rates.ts';

/** Topic, packet id and properties around the largest message. */
const PACKET_OVERHEAD_BYTES = 512;

/** Why a client or a packet was refused, or held back (`tooFast`). */
export type Refusal = 'tooLarge' | 'notAllowed' | 'tooMany' | 'tooOften' | 'tooFast' | 'login';

/** Rates of connections: of one, of one address, and how often an address may begin another. */
export interface BrokerRates {
  readonly device: Rate;
  readonly address: Rate;
  readonly knock: Rate;
}

const RATES: BrokerRates = { device: deviceRate, address: addressRate, knock: knockRate };

/** A broker in this process. */
export interface EmbeddedBroker {
  readonly url: string;
  readonly port: number;
  /** What the hub's own client logs in with; made anew at each start and never stored. */
  readonly credentials: { readonly username: string; readonly password: string };
  /** Packets and clients refused since the start. */
  readonly refused: Readonly<Record<Refusal, number>>;
  close(): Promise<void>;
}

/** Starts a broker for hub `name`; port 0 takes a free one. Throws `broker_port` when it can't listen, `broker_tls`. */
export async function startBroker(options: {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** For a broker that outlives the hub; made up otherwise. */
  readonly credentials?: EmbeddedBroker['credentials'];
  /** Checks who has a device's key; absent: whoever comes first has its name. */
  readonly logins?: Logins;
  /** PEM; absent: without TLS. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Connections of one address; absent: brokerClientsPerAddressMax. */
  readonly clientsPerAddressMax?: number;
  /** Absent: those of limits.ts. */
  readonly rates?: Partial<BrokerRates>;
  /** Is told of each refusal. */
  readonly onRefused?: (why: Refusal) => void;
}): Promise<EmbeddedBroker> {
  // First: what its files say may be refused, and nothing is open then.
  const server = serverFor(options.tls);
  const credentials = options.credentials ?? {
    username: `hub-${options.name}`,
    password: randomBytes(24).toString('hex'),
  };
  const refused: Record<Refusal, number> = {
    tooLarge: 0,
    notAllowed: 0,
    tooMany: 0,
    tooOften: 0,
    tooFast: 0,
    login: 0,
  };
  const refuse = (why: Refusal): void => {
    refused[why] += 1;
    options.onRefused?.(why);
  };
  const rates = { ...RATES, ...options.rates };
  const knocks = new Rates(rates.knock, ratedNamesMax);
  const addresses = new Rates(rates.address, ratedNamesMax);
  /** The hub's own connections: what it says is its own affair. */
  const unpaced = new WeakSet<object>();
  const hubClients = new WeakSet<object>();
  const sockets = new Set<Socket>();
  const perAddress = new Map<string, number>();
  const { clientsPerAddressMax = brokerClientsPerAddressMax, logins } = options;
  /** Devices that are there and have shown their key, by their client. */
  const signed = new Map<string, Client>();
  const { beacon, revocations } = hubTopics(options.name);

  const broker = await Aedes.createBroker({
    drainTimeout: 10_000,
    connectTimeout: 10_000,
    keepaliveLimit: 600,
    maxTopicLevels: 6,
    queueLimit: 42,
    preConnect: (_client, packet, done) => {
      // What is kept of who is gone would be anybody's to fill.
      (packet as { clean?: boolean }).clean = true;
      done(null, true);
    },
    authenticate: (client, username, password, done) => {
      const isHub = username === credentials.username && password?.toString() === credentials.password;
      if (isHub) {
        hubClients.add(client);
        unpaced.add(client.conn);
        return done(null, true);
      }
      // A client's name becomes a part of its topics: a wildcard there would be everybody's. And the hub's own is its own.
      if (
        !isDeviceName(client.id) ||
        client.id === hubClientId(options.name) ||
        username === credentials.username
      ) {
        refuse('notAllowed');
        return done(null, false);
      }
      const { id } = client;
      void admit(id, password).then((isSigned) => {
        if (isSigned === undefined) {
          refuse('login');
          return done(null, false);
        }
        if (isSigned) holdName(id, client);
        done(null, true);
      });
    },
    authorizePublish: (client, packet, done) => {
      if (client === null || hubClients.has(client)) return done(null);
      const topics = deviceTopics(options.name, client.id);
      const isState = packet.topic === topics.state && packet.payload.length <= stateBytesMax;
      if ((packet.topic !== topics.up && !isState) || packet.qos === 2) {
        refuse('notAllowed');
        return done(new Error('a device says to its own up and state topics only what fits there'));
      }
      // The hub hears it now; kept for later, every name that was ever used would stay.
      packet.retain = false;
      done(null);
    },
    authorizeSubscribe: (client, subscription, done) => {
      const allowed =
        hubClients.has(client) ||
        subscription.topic === deviceTopics(options.name, client.id).down ||
        subscription.topic === beacon ||
        subscription.topic === revocations;
      if (!allowed) refuse('notAllowed');
      done(null, allowed ? subscription : null);
    },
  });

  // As they come, before any handshake: half-open ones count, too.
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const fromThere = perAddress.get(address) ?? 0;
    const isOften = !knocks.take(address, 1, performance.now());
    if (isOften || sockets.size >= brokerClientsMax || fromThere >= clientsPerAddressMax) {
      refuse(isOften ? 'tooOften' : 'tooMany');
      socket.destroy();
      return;
    }
    sockets.add(socket);
    perAddress.set(address, fromThere + 1);
    socket.setNoDelay(true);
    socket.on('close', () => {
      sockets.delete(socket);
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left === 0) perAddress.delete(address);
      else perAddress.set(address, left);
    });
  });
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    if (socket.destroyed) return;
    const address = socket.remoteAddress ?? '';
    const own = new Rates(rates.device, 1);
    const guarded = guardPackets(
      socket,
      SYNC_MESSAGE_BYTES_MAX + PACKET_OVERHEAD_BYTES,
      () => refuse('tooLarge'),
      (bytes, packets) => {
        if (unpaced.has(guarded)) return 0;
        const cost = bytes + packets * spokenOverheadBytes;
        const now = performance.now();
        const waitMs = Math.max(own.owe('', cost, now), addresses.owe(address, cost, now));
        if (waitMs > 0) refuse('tooFast');
        return waitMs;
      },
    );
    broker.handle(guarded);
  });
  /** The name is the connection's, for as long as it stands or until another one shows the key. */
  function holdName(id: string, client: Client): void {
    signed.set(id, client);
    const free = (): void => {
      if (signed.get(id) === client) signed.delete(id);
    };
    if (client.conn.destroyed) free();
    else client.conn.once('close', free);
  }

  /** True: it showed its key. Undefined: it may not come. */
  async function admit(id: string, password: Uint8Array | undefined): Promise<boolean | undefined> {
    if (logins === undefined) return false;
    try {
      const admitted = await logins.admit(id, password);
      if (admitted === 'refused' || (admitted === 'unsigned' && signed.has(id))) return undefined;
      return admitted === 'signed';
    } catch {
      // Its counter could not be kept: on a full disk nobody may come who could be a copy.
      return undefined;
    }
  }

  let port: number;
  try {
    port = await listen(server, options.host, options.port);
  } catch (error) {
    await new Promise<void>((resolve) => broker.close(() => resolve()));
    throw error;
  }
  return {
    url: `${options.tls === undefined ? 'mqtt' : 'mqtts'}://${options.host}:${port}`,
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

/** A handshake takes a client's time, not the broker's for long, milliseconds. */
const HANDSHAKE_MS = 10_000;

function serverFor(tls: { readonly cert: Buffer; readonly key: Buffer } | undefined): Server {
  if (tls === undefined) return createServer();
  try {
    return createTlsServer({ ...tls, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_MS });
  } catch (cause) {
    throw new SundialError('broker_tls', `the broker's certificate or key is none: ${causeText(cause)}`, {
      severity: 'process',
      remedy: 'Name PEM files that belong together in mqtt.tls.',
      cause,
    });
  }
}

/** The name that the hub's own client has at any broker. */
export const hubClientId = (hub: string): string => `hub-${hub}`;

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
