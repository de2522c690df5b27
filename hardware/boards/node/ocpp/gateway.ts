/**
 * The central system on site: charge points connect over WebSocket in OCPP 1.6, 2.0.1 and 2.1, every message is checked
 * against the schema of its version both ways, and each connector has a terminal that payers tap.
 */
import { timingSafeEqual } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { createRPCError, type RPCClient, RPCServer } from 'ocpp-rpc';
import type { TerminalDevice } from '../../../../device/devices.ts';
import { nobleSuite } from '../../../../protocol/crypto/noble.ts';
import type { Notice } from '../../../../protocol/machines/effects.ts';
import type { Entropy } from '../../../interfaces/index.ts';
import { Connector } from './connector.ts';
import type { Call, Dialect, Params } from './dialects/dialect.ts';
import { v16 } from './dialects/v16.ts';
import { v2 } from './dialects/v2.ts';
import { costDetailsOf, settlementOf } from './record.ts';
import { PROTOCOLS, strict } from './schemas.ts';
import type { Session } from './session.ts';
import { Station } from './station.ts';
import type { SessionStore } from './store.ts';
import type { SiteTariff } from './tariff-file.ts';
import { Copies } from './upstream/copies.ts';
import { Upstream, upstreamFull } from './upstream/upstream.ts';

/** Charge points that may be connected or remembered at once, and connectors of each. */
export const STATIONS_MAX = 64;
export const CONNECTORS_MAX = 16;
/** Bytes of a message: signed meter values of 2.x may have 32 KiB each. */
const MESSAGE_BYTES_MAX = 1 << 20;
/** A charge point that sends so many messages in a row that are none is let go. */
const BAD_MESSAGES_MAX = 100;
const CALL_MS = 30_000;
const CLOCK_MS = 1000;

/** A terminal of this process, ready for a connector. */
export interface OpenTerminal {
  readonly device: TerminalDevice;
  readonly entropy: Entropy;
  /** Where payers tap it. */
  readonly tap: string;
  /** Puts it on its links; the two are called with all that it says and hears from then on. */
  start(
    onNotice: (notice: Notice) => void,
    onEvent: (event: { readonly type: string }) => void,
  ): Promise<void>;
}

export interface GatewayOptions extends SiteTariff {
  readonly store: SessionStore;
  /** Units of a tick. */
  readonly tickValue: number;
  /** What must be saved can't be: the process must end, and begin again from what is stored. */
  readonly broken: (error: unknown) => void;
  /** Seconds between two readings that charge points are asked for. */
  readonly intervalSeconds: number;
  /** Pause a session by a limit of zero before it is stopped. */
  readonly pause: boolean;
  readonly unpaid: boolean;
  /** The terminal of a connector, `charge point/number`; undefined when there is none left. */
  readonly terminal: (plug: string) => Promise<OpenTerminal | undefined>;
  readonly summon: (connector: Connector, plug: string) => Promise<void>;
  readonly say: (words: string, facts: Readonly<Record<string, unknown>>) => void;
  readonly closed: (session: Session) => void;
  /** All of a session that is over was settled on L2. */
  readonly settled: (session: Session) => void;
  /** A central system above this one; see Upstream. */
  readonly upstream?: {
    readonly url: string;
    readonly passwords?: Readonly<Record<string, string>>;
    /** Where what it is still to be told is kept, by identity. */
    readonly folderOf: (identity: string) => string;
    /** Three letters that stand for the token in what things cost. */
    readonly currency: string;
    /** The vendor under which it is told of settlements in DataTransfer, where its OCPP has no message for them. */
    readonly settlementVendor?: string;
  };
  /** Passwords by identity (security profiles 1 and 2); undefined: none is asked for. */
  readonly passwords?: Readonly<Record<string, string>>;
  /** Certificates of this side (profile 2), and with `requestCert` those of charge points (profile 3). */
  readonly tls?: ServerOptions;
}

/** The library's class for the far end; its types leave the events out. */
type Client = RPCClient & {
  readonly identity: string;
  readonly protocol: string;
};

interface Site {
  readonly station: Station;
  readonly connectors: Map<number, Promise<Connector | undefined>>;
  readonly ready: Connector[];
  client: Client | undefined;
  dialect: Dialect;
  upstream: Upstream | undefined;
}

const dialectOf = (protocol: string): Dialect => (protocol === 'ocpp1.6' ? v16 : v2);
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export class Gateway {
  private readonly options: GatewayOptions;
  private readonly sites = new Map<string, Site>();
  private readonly stored: Session[];
  private server: Server | undefined;
  private clock: NodeJS.Timeout | undefined;
  /** Messages of charge points, or to them, that broke their schema. */
  schemaViolations = 0;

  /** Throws `bad_session` when a stored session can't be read. */
  constructor(options: GatewayOptions) {
    this.options = options;
    this.stored = options.store.open();
  }

  /** Listens; port 0: one that is free. Gives the address to which a charge point adds its identity. */
  async listen(port: number, host: string): Promise<string> {
    const { tls } = this.options;
    const rpc = new RPCServer({
      protocols: [...PROTOCOLS],
      ...strict,
      callTimeoutMs: CALL_MS,
      maxBadMessages: BAD_MESSAGES_MAX,
      wssOptions: { maxPayload: MESSAGE_BYTES_MAX },
    });
    rpc.auth((accept, reject, handshake) => {
      const refusal = this.refusalOf(handshake);
      if (refusal === undefined) return accept();
      this.options.say(`turned away ${handshake.identity}: ${refusal.words}`, {
        event: 'turnedAway',
        chargePoint: handshake.identity,
        code: refusal.code,
      });
      reject(refusal.status, refusal.words);
    });
    rpc.on('client', (client: Client) => this.onClient(client));
    const server = tls === undefined ? createServer() : createSecureServer(tls);
    server.on('request', (_request, response) => response.writeHead(404).end());
    server.on('upgrade', (request, socket, head) => void rpc.handleUpgrade(request, socket as Socket, head));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    this.server = server;
    // Sessions that go on have their connector at once, and with it the terminal that a payer looks for.
    for (const { chargePoint, protocol, connector, beside } of this.stored)
      if (!beside) await this.connector(this.site(chargePoint, protocol), chargePoint, connector);
    this.clock = setInterval(() => this.tick(), CLOCK_MS);
    const bound = server.address() as AddressInfo;
    const name = host.includes(':') ? `[${host}]` : host;
    return `${tls === undefined ? 'ws' : 'wss'}://${name}:${bound.port}/ocpp`;
  }

  close(): void {
    clearInterval(this.clock);
    this.server?.close();
    for (const { client, upstream } of this.sites.values()) {
      void client?.close({ code: 1001 });
      upstream?.close();
    }
  }

  private refusalOf(handshake: {
    readonly identity: string;
    readonly protocols: Set<string>;
    readonly password: Buffer | undefined;
    readonly request: { readonly socket: unknown };
  }): { readonly status: number; readonly code: string; readonly words: string } | undefined {
    const { identity, protocols, password, request } = handshake;
    const { passwords, tls } = this.options;
    if (!/^[\x21-\x7e]{1,48}$/.test(identity))
      return { status: 404, code: 'bad_identity', words: 'the address ends with no identity' };
    if (!PROTOCOLS.some((protocol) => protocols.has(protocol)))
      return { status: 400, code: 'bad_protocol', words: `none of ${PROTOCOLS.join(', ')} is offered` };
    if (!this.sites.has(identity) && this.sites.size >= STATIONS_MAX)
      return { status: 503, code: 'stations_full', words: `more than ${STATIONS_MAX} charge points` };
    if (tls?.requestCert) {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      if (subject?.CN !== identity)
        return { status: 401, code: 'bad_certificate', words: 'its certificate names another one' };
    }
    if (passwords === undefined) return undefined;
    const wanted = Object.hasOwn(passwords, identity) ? Buffer.from(passwords[identity]!) : undefined;
    const right =
      wanted !== undefined && password?.length === wanted.length && timingSafeEqual(password, wanted);
    return right ? undefined : { status: 401, code: 'bad_password', words: 'its password is another one' };
  }

  private tick(): void {
    for (const { ready } of this.sites.values())
      for (const connector of ready) connector.tell({ type: 'clock' });
  }

  private site(identity: string, protocol: string): Site {
    const known = this.sites.get(identity);
    if (known !== undefined) return known;
    const { tariff, zone, store, unpaid, closed, summon } = this.options;
    const ready: Connector[] = [];
    const site: Site = {
      station: new Station(
        {
          identity,
          protocol,
          tariff,
          zone,
          store,
          unpaid,
          closed,
          connector: (number) => this.connector(site, identity, number),
          connectors: () => ready,
          summon: (connector) => summon(connector, `${identity}/${connector.number}`),
          now: nowSeconds,
        },
        this.stored.filter(({ chargePoint, beside }) => chargePoint === identity && beside === true),
      ),
      connectors: new Map(),
      ready,
      client: undefined,
      dialect: dialectOf(protocol),
      upstream: undefined,
    };
    this.sites.set(identity, site);
    return site;
  }

  private connector(site: Site, identity: string, number: number): Promise<Connector | undefined> {
    const known = site.connectors.get(number);
    if (known !== undefined) return known;
    if (!(number >= 1 && number <= CONNECTORS_MAX)) return Promise.resolve(undefined);
    const made = this.makeConnector(site, identity, number);
    site.connectors.set(number, made);
    return made;
  }

  private async makeConnector(site: Site, identity: string, number: number): Promise<Connector> {
    const { store, say, closed, tariff, tickValue, zone, unpaid, pause } = this.options;
    const plug = `${identity}/${number}`;
    const terminal = await this.options.terminal(plug);
    const connector: Connector = new Connector(
      {
        context: {
          chargePoint: identity,
          connector: number,
          protocol: site.client?.protocol ?? 'unknown',
          tariff,
          tickValue,
          zone,
          unpaid,
        },
        terminal,
        store,
        say: (words, facts) =>
          say(`${plug}: ${words}`, { chargePoint: identity, connector: number, ...facts }),
        closed,
        settled: (session) => this.onSettled(site, session),
        keccak256: nobleSuite.keccak256,
        now: nowSeconds,
        broken: this.options.broken,
        commands: {
          start: (at, token) => void this.call(site, identity, (dialect) => dialect.start(at, token)),
          stop: (at, transaction) => {
            if (pause) void this.call(site, identity, (dialect) => dialect.pause(at, transaction));
            void this.call(site, identity, (dialect) => dialect.stop(transaction));
          },
        },
      },
      this.stored.find(
        (session) =>
          session.chargePoint === identity && session.connector === number && session.beside !== true,
      ),
    );
    site.ready.push(connector);
    // What the terminal heard before this process was killed.
    connector.settle();
    await terminal?.start(
      (notice) => connector.onNotice(notice),
      (event) => connector.onEvent(event),
    );
    say(
      terminal === undefined
        ? `${plug} has no terminal: nobody can pay there`
        : `${plug} is paid at ${terminal.tap}`,
      { event: 'connector', chargePoint: identity, connector: number, tap: terminal?.tap },
    );
    if (site.client !== undefined) connector.tell({ type: 'online' });
    return connector;
  }

  private onClient(client: Client): void {
    const { identity, protocol } = client;
    const { say, intervalSeconds } = this.options;
    const site = this.site(identity, protocol);
    const before = site.client;
    site.client = client;
    site.dialect = dialectOf(protocol);
    // A charge point that comes anew is gone where it was.
    void before?.close({ force: true });
    say(`${identity} is here (${protocol})`, { event: 'online', chargePoint: identity, protocol });
    client.on('strictValidationFailure', ({ method, outbound, error }) => {
      this.schemaViolations += 1;
      say(`${outbound ? 'our' : `${identity}'s`} ${method} breaks its schema: ${(error as Error).message}`, {
        event: 'schemaViolation',
        chargePoint: identity,
        method,
        outbound,
      });
    });
    client.on('badMessage', ({ error }) =>
      say(`${identity} sent what is no message: ${(error as Error).message}`, {
        event: 'badMessage',
        chargePoint: identity,
      }),
    );
    client.on('socketError', () => undefined);
    client.once('close', () => {
      if (site.client !== client) return;
      site.client = undefined;
      say(`${identity} is gone`, { event: 'offline', chargePoint: identity });
      site.upstream?.present(false);
      for (const connector of site.ready) connector.tell({ type: 'offline' });
    });
    const { dialect, station } = site;
    this.meetUpstream(site, client);
    if (this.options.upstream !== undefined)
      client.handle(async ({ method = '', params }) => {
        const answer = await site.upstream?.pass(method, params as Params);
        if (answer === undefined) throw createRPCError('NotImplemented', `${method} is not known here`, {});
        return answer;
      });
    for (const method of dialect.methods)
      client.handle(method, async ({ params }) => {
        const passes = dialect.tells(method) === undefined;
        const above = passes ? await site.upstream?.pass(method, params as Params) : undefined;
        const answer = above ?? (await dialect.handle(station, method, params as Params));
        this.tellUpstream(site, method, params as Params, answer);
        if (method === 'BootNotification')
          setImmediate(() => {
            for (const call of dialect.configure(intervalSeconds)) void this.call(site, identity, () => call);
          });
        return answer;
      });
    void this.connector(site, identity, 1);
    for (const connector of site.ready) connector.tell({ type: 'online' });
  }

  /** What a charge point said, with what it costs in the one version of OCPP that has a place for it. */
  private tellUpstream(
    { upstream, station, dialect }: Site,
    method: string,
    params: Params,
    answer: Params,
  ): void {
    if (upstream === undefined) return;
    const { id } = dialect.transactionOf(method, params, answer);
    const session = upstream.protocol === 'ocpp2.1' && id !== undefined ? station.sessionOf(id) : undefined;
    const { currency } = this.options.upstream!;
    const costs = session !== undefined && { costDetails: costDetailsOf(session, currency) };
    upstream.copy(method, { ...params, ...costs }, answer);
  }

  /** Says that a session is settled, above as well; that it is told there is durable when this returns. */
  private onSettled(site: Site, session: Session): void {
    const { upstream, say, settled } = this.options;
    settled(session);
    if (upstream === undefined) return;
    const { chargePoint, protocol, transaction } = session;
    const settlement = settlementOf(session, upstream.currency);
    const call = dialectOf(protocol).settled(settlement, protocol, upstream.settlementVendor);
    if (call === undefined) return;
    if (site.upstream !== undefined) return site.upstream.keep(call, transaction!.id);
    // The charge point was not here since this process began: it is told once that is.
    const copies = this.copiesOf(chargePoint);
    if (copies?.add({ ...call, id: transaction!.id }, true) === false)
      say(...upstreamFull(chargePoint, call.method));
  }

  /** What the central system above is still to be told of a charge point; undefined, and said so, when it can't be read. */
  private copiesOf(identity: string): Copies | undefined {
    const { upstream, say } = this.options;
    try {
      return new Copies(upstream!.folderOf(identity));
    } catch (error) {
      // Who charges here does not wait for it.
      say(`${identity} does not stand above: ${(error as Error).message}`, {
        event: 'upstreamBad',
        chargePoint: identity,
      });
      return undefined;
    }
  }

  /** A charge point stands above as it stands here, in its own version of OCPP. */
  private meetUpstream(site: Site, client: Client): void {
    const { upstream, say } = this.options;
    if (upstream === undefined) return;
    const { identity, protocol } = client;
    const password = upstream.passwords?.[identity];
    if (site.upstream?.protocol !== protocol) site.upstream?.close();
    else return site.upstream.present(true);
    site.upstream = undefined;
    const copies = this.copiesOf(identity);
    if (copies === undefined) return;
    site.upstream = new Upstream({
      url: upstream.url,
      identity,
      protocol,
      ...(password !== undefined && { password }),
      dialect: site.dialect,
      copies,
      toPoint: ({ method, params }) => {
        if (site.client === undefined) throw new Error('the charge point is not connected');
        return site.client.call(method, params) as Promise<Params>;
      },
      say,
    });
    site.upstream.present(true);
  }

  /** Sends a message to the charge point. What it answers is said; nothing hangs on it but what it reports later. */
  private async call(site: Site, identity: string, make: (dialect: Dialect) => Call): Promise<void> {
    const { client, dialect } = site;
    if (client === undefined) return;
    const { method, params } = make(dialect);
    try {
      const answer = (await client.call(method, params)) as { readonly status?: string };
      this.options.say(`${identity} answers ${method}: ${answer.status ?? 'done'}`, {
        event: 'answered',
        chargePoint: identity,
        method,
        status: answer.status,
      });
    } catch (error) {
      this.options.say(`${identity} does not take ${method}: ${(error as Error).message}`, {
        event: 'notTaken',
        chargePoint: identity,
        method,
      });
    }
  }
}
