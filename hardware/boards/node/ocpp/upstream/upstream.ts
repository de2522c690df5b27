/**
 * A central system above this one. It stands as if the charge point were connected to it: what is decided here (who may
 * charge, when energy ends) it is told in order, everything else passes through, both ways. It may be away for days; no
 * session waits for it.
 */
import { once } from 'node:events';
import { createRPCError, RPCClient } from 'ocpp-rpc';
import type { Call, Dialect, Params } from '../dialects/dialect.ts';
import { strict } from '../schemas.ts';
import type { Copies, Copy } from './copies.ts';

/** How long after a failure it is tried again, milliseconds. */
const AGAIN_MS = { least: 1_000, most: 60_000 };
const CALL_MS = 30_000;
/** Seconds that a charge point which is not accepted yet may be asked to wait. */
const PAUSE_MAX = 900;
/** Connectors whose status is told anew whenever it is met. */
const STANDING_MAX = 64;

export interface UpstreamParts {
  /** Address to which the identity is added. */
  readonly url: string;
  readonly identity: string;
  readonly protocol: string;
  readonly password?: string;
  readonly dialect: Dialect;
  readonly copies: Copies;
  /** Passes a message of its to the charge point; rejects when that is away or refuses. */
  readonly toPoint: (call: Call) => Promise<Params>;
  readonly say: (words: string, facts: Readonly<Record<string, unknown>>) => void;
}

/** What is said when no more can be kept for a central system above. */
export const upstreamFull = (identity: string, what: string): Parameters<UpstreamParts['say']> => [
  `${identity}: what waits for the central system above is full; ${what} is not kept for it`,
  { event: 'upstreamFull', chargePoint: identity },
];

const pauseOf = ({ interval }: { readonly interval?: unknown }): number =>
  1000 * Math.max(1, Math.min(PAUSE_MAX, Number(interval) || 60));

export class Upstream {
  private readonly parts: UpstreamParts;
  /** Is the charge point connected? Whoever stands above sees it come and go. */
  private here = false;
  private client: RPCClient | undefined;
  /** True once it accepted the charge point. */
  private accepted = false;
  private closed = false;
  private full = false;
  private sending = false;
  private wake: (() => void) | undefined;
  /** What is told anew whenever it is met: each connector's newest status. */
  private readonly standing = new Map<string, Call>();

  constructor(parts: UpstreamParts) {
    this.parts = parts;
    void this.run();
  }

  get protocol(): string {
    return this.parts.protocol;
  }

  /** The charge point came, or is gone. */
  present(here: boolean): void {
    this.here = here;
    this.wake?.();
    if (!here) void this.client?.close({ code: 1001 });
  }

  close(): void {
    this.closed = true;
    this.present(false);
  }

  /** Waits until there is something to do. */
  private rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async run(): Promise<void> {
    const { url, identity, protocol, password, say } = this.parts;
    let pause = AGAIN_MS.least;
    let said: string | undefined;
    while (!this.closed) {
      if (!this.here) {
        await this.rest(AGAIN_MS.most);
        continue;
      }
      // The library's types want every option; what is left out has a default.
      const client = new RPCClient({
        endpoint: url,
        identity,
        protocols: [protocol],
        ...strict,
        reconnect: false,
        callTimeoutMs: CALL_MS,
        ...(password !== undefined && { password }),
      } as ConstructorParameters<typeof RPCClient>[0]);
      client.on('socketError', () => undefined);
      client.handle(({ method = '', params }) => this.fromAbove(method, params as Params));
      try {
        await client.connect();
        this.client = client;
        said = undefined;
        say(`${identity} stands at ${url}`, { event: 'upstream', chargePoint: identity, status: 'online' });
        const gone = once(client, 'close');
        await this.boot(client);
        pause = AGAIN_MS.least;
        void this.send();
        await gone;
      } catch (error) {
        const { message } = error as Error;
        if (message !== said && !this.closed)
          say(`${url} does not take ${identity}: ${message}`, {
            event: 'upstream',
            chargePoint: identity,
            status: 'refused',
            reason: message,
          });
        said = message;
        void client.close({ force: true }).catch(() => undefined);
      }
      if (this.accepted)
        say(`${url} is gone for ${identity}`, {
          event: 'upstream',
          chargePoint: identity,
          status: 'offline',
        });
      this.client = undefined;
      this.accepted = false;
      if (this.closed) return;
      await this.rest(pause);
      pause = Math.min(2 * pause, AGAIN_MS.most);
    }
  }

  /** Introduces the charge point, as often as it is asked to; then tells how its connectors stand. */
  private async boot(client: RPCClient): Promise<void> {
    const { copies } = this.parts;
    for (;;) {
      const own = copies.boot;
      const answer = own && ((await client.call('BootNotification', own)) as Params);
      if (answer?.status === 'Accepted') break;
      await this.rest(answer === undefined ? AGAIN_MS.most : pauseOf(answer));
      if (!this.here) return;
    }
    this.accepted = true;
    for (const { method, params } of this.standing.values())
      await client.call(method, params).catch(() => undefined);
  }

  /**
   * What the charge point said and this gateway answered: to be called before the answer leaves, so that it is kept as
   * surely as the charge point takes it for told.
   */
  copy(method: string, params: Params, answer: Params): void {
    const { dialect, copies, identity, say } = this.parts;
    const kind = dialect.tells(method);
    if (kind === 'boot') {
      copies.saveBoot(params);
      if (!this.accepted) return this.wake?.();
    }
    if (kind === 'standing') {
      const key = JSON.stringify([params.evseId, params.connectorId]);
      if (this.standing.has(key) || this.standing.size < STANDING_MAX)
        this.standing.set(key, { method, params });
    }
    if (kind === 'boot' || kind === 'standing' || kind === 'told') return void this.tell(method, params);
    if (kind !== 'kept') return;
    const { id, begins = false, ends = false } = dialect.transactionOf(method, params, answer);
    // A charge point that lost our answer says it again; above it would be another transaction.
    if ((begins || ends) && id !== undefined && copies.knows(id, ends)) return;
    const fits = copies.add({ method, params, id }, begins || ends);
    if ((begins || ends) && id !== undefined && fits) copies.note(id, ends ? { over: true } : {});
    if (!fits && !this.full) say(...upstreamFull(identity, 'what it reads'));
    this.full = !fits;
    void this.send();
  }

  /** What this gateway itself says of a transaction: kept until it is taken. */
  keep({ method, params }: Call, id: string): void {
    const { copies, identity, say } = this.parts;
    if (!copies.add({ method, params, id }, true)) say(...upstreamFull(identity, method));
    void this.send();
  }

  private async tell(method: string, params: Params): Promise<void> {
    if (this.accepted) await this.client?.call(method, params).catch(() => undefined);
  }

  /** What waits, one after the other. What it refuses is dropped: it would refuse it for ever. */
  private async send(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    const { dialect, copies, identity, say } = this.parts;
    try {
      while (this.accepted && this.client !== undefined) {
        const copy = this.first();
        if (copy === undefined) return;
        const { method, id } = copy;
        const params = dialect.renamed(method, copy.params, (it) => copies.theirs(it));
        try {
          const answer = await this.client.call(method, params);
          const theirs = dialect.transactionOf(method, params, answer as Params).id;
          if (id !== undefined && theirs !== undefined && theirs !== id) copies.note(id, { theirs });
        } catch (error) {
          if ((error as { readonly rpcErrorCode?: string }).rpcErrorCode === undefined) return this.later();
          say(
            `the central system above does not take ${method} of ${identity}: ${(error as Error).message}`,
            {
              event: 'upstreamRefused',
              chargePoint: identity,
              method,
            },
          );
        }
        copies.drop();
      }
    } finally {
      this.sending = false;
    }
  }

  /** The oldest that waits. One that can't be read is named and passed over: all the others wait behind it. */
  private first(): Copy | undefined {
    const { copies, identity, say } = this.parts;
    for (;;)
      try {
        return copies.first();
      } catch (error) {
        say(`${identity}: ${(error as Error).message}`, { event: 'upstreamBad', chargePoint: identity });
        copies.drop();
      }
  }

  /** No answer came: the connection may be half open. */
  private later(): void {
    void this.client?.close({ force: true }).catch(() => undefined);
  }

  /** Passes a message of the charge point above, and gives the answer; undefined when it is away or gives none. */
  async pass(method: string, params: Params): Promise<Params | undefined> {
    if (!this.accepted || this.client === undefined) return undefined;
    try {
      return (await this.client.call(method, params)) as Params;
    } catch (error) {
      if ((error as { readonly rpcErrorCode?: string }).rpcErrorCode === undefined) return undefined;
      throw error;
    }
  }

  private async fromAbove(method: string, params: Params): Promise<Params> {
    const { dialect, copies, toPoint, identity, say } = this.parts;
    const own = dialect.keeps(method, params);
    if (own !== undefined) {
      say(`${identity}: ${method} from above is about a setting of this gateway, and is refused`, {
        event: 'upstreamKept',
        chargePoint: identity,
        method,
      });
      return own;
    }
    try {
      return await toPoint({ method, params: dialect.renamed(method, params, (it) => copies.ours(it)) });
    } catch (error) {
      if ((error as { readonly rpcErrorCode?: string }).rpcErrorCode !== undefined) throw error;
      throw createRPCError('GenericError', `${identity}: ${(error as Error).message}`, {});
    }
  }
}
