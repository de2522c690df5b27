/** A payer and terminals joined in memory: messages cross at once, records are kept, signatures are real. */
import { type Address, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { amount, channelId, type Seconds, seconds, UINT48_MAX } from '../../protocol/integers.ts';
import { DEFAULT_TIMING, terminalCapOf } from '../../protocol/limits.ts';
import type { Effect, Notice } from '../../protocol/machines/effects.ts';
import { hubPin } from '../../protocol/machines/hub-keys.ts';
import type { PayerBooks, PayerRecord } from '../../protocol/machines/payer/books.ts';
import { applyRecord as applyPayer, EMPTY_PAYER } from '../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../protocol/machines/payer/payer.ts';
import type { PayerSettings, PayerState } from '../../protocol/machines/payer/state.ts';
import type { TerminalBooks, TerminalRecord } from '../../protocol/machines/terminal/books.ts';
import { applyRecord as applyTerminal, EMPTY_TERMINAL } from '../../protocol/machines/terminal/books.ts';
import type { TerminalSettings, TerminalState } from '../../protocol/machines/terminal/state.ts';
import {
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../../protocol/machines/terminal/terminal.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { decodeMessage, encodeMessage, type Message, type MessageOf } from '../../protocol/wire/messages.ts';

export const secret = (n: number): Uint8Array => new Uint8Array(32).fill(n);
export const keys = {
  payer: nobleKey(secret(1)),
  terminal: nobleKey(secret(2)),
  terminal2: nobleKey(secret(3)),
  payee: nobleKey(secret(4)),
  hub: nobleKey(secret(5)),
  stranger: nobleKey(secret(6)),
  payee2: nobleKey(secret(7)),
  nextHub: nobleKey(secret(8)),
  root: nobleKey(secret(9)),
};
/** What devices are told of their hub. */
export const site = { hub: hubPin(nobleSuite, 'bench', keys.root.address), timing: DEFAULT_TIMING };
export const signing = makeSigning(nobleSuite, { chainId: 31337, vault: new Uint8Array(20).fill(0xaa) });
export const START = seconds(1_790_000_000);
export const CHANNEL = channelId(7);
/** Tap limit of the usual lease: 1.75 % of a deposit of 100. */
export const TAP_LIMIT = amount(1_750_000);

/** A lease as the hub would sign it; every field may be set otherwise. */
export async function lease(
  change: Partial<MessageOf<'lease'>> = {},
  hub: typeof keys.hub = keys.hub,
): Promise<MessageOf<'lease'>> {
  const fields = {
    channel: CHANNEL,
    payer: keys.payer.address,
    spentFrom: amount(0),
    spendLimit: amount(80_000_000),
    tapLimit: TAP_LIMIT,
    cap: change.tapLimit === undefined ? terminalCapOf(TAP_LIMIT) : amount(UINT48_MAX),
    guarantee: amount(0),
    issuedAt: START,
    expiresAt: seconds(START + 72 * 3600),
    scope: SCOPE_ANY,
    ...change,
  };
  const signature = change.signature ?? (await hub.sign(signing.digest('Lease', fields)));
  return { type: 'lease', ...fields, signature };
}

export const payerSettings: PayerSettings = {
  ...site,
  role: 'wearable',
  scheme: 'secp256k1',
  tapMax: amount(50_000_000),
  entropyCertified: true,
};

export async function terminalSettings(
  terminal: Address = keys.terminal.address,
  payee: typeof keys.payee = keys.payee,
): Promise<TerminalSettings> {
  const expiresAt = seconds(START + 365 * 86400);
  const fields = { terminal, payee: payee.address, expiresAt };
  return {
    ...site,
    role: 'pos',
    scheme: 'secp256k1',
    payee: payee.address,
    certificate: { expiresAt, signature: await payee.sign(signing.digest('Terminal', fields)) },
    capTotal: amount(1_000_000_000),
    wideMax: amount(1_000_000_000),
    outboxMax: 64,
    lanesMax: 64,
    entropyCertified: true,
  };
}

/** What a machine's step looks like to the bench. */
type Run<S, E, R> = (state: S, event: E, nowMs: number) => { state: S; effects: readonly Effect<R>[] };

/** One device: its state, what it stored, what it said. */
class Actor<S, E extends { readonly type: string }, R> {
  state: S;
  private connections = 90;
  readonly records: R[] = [];
  readonly notices: Notice[] = [];
  readonly sent: Message[] = [];
  readonly uploads: Message[] = [];
  /** Types of all effects, in order of execution. */
  readonly order: string[] = [];
  /** Receives what this device sends; undefined drops it. */
  deliver: ((message: Message) => Promise<void>) | undefined;
  /** Receives what this device uploads; undefined drops it. */
  uplink: ((message: Message) => Promise<void>) | undefined;
  nowMs = 0;
  private readonly run: Run<S, E, R>;
  private readonly sign: (digest: Uint8Array) => Promise<Uint8Array>;
  private readonly signed: (digest: Uint8Array, signature: Uint8Array) => E;

  constructor(
    state: S,
    run: Run<S, E, R>,
    sign: (digest: Uint8Array) => Promise<Uint8Array>,
    signed: (digest: Uint8Array, signature: Uint8Array) => E,
  ) {
    this.state = state;
    this.run = run;
    this.sign = sign;
    this.signed = signed;
  }

  /** Steps and executes every effect; what is sent is delivered after the effects, in order. */
  async on(given: E): Promise<void> {
    // As the runtime does: fresh bytes with every connection.
    this.connections += 1;
    const event = given.type === 'hubConnected' ? { ...given, seed: secret(this.connections & 127) } : given;
    const outgoing: (() => Promise<void> | undefined)[] = [];
    await this.step(event, outgoing);
    for (const deliver of outgoing) await deliver();
  }

  private async step(event: E, outgoing: (() => Promise<void> | undefined)[]): Promise<void> {
    const { state, effects } = this.run(this.state, event, this.nowMs);
    this.state = state;
    for (const effect of effects) {
      this.order.push(effect.type);
      if (effect.type === 'persist') this.records.push(effect.record);
      else if (effect.type === 'notify') this.notices.push(effect.notice);
      else if (effect.type === 'upload') {
        const message = crossing(effect.message, 'sync');
        this.uploads.push(message);
        outgoing.push(() => this.uplink?.(message));
      } else if (effect.type === 'sign')
        await this.step(this.signed(effect.digest, await this.sign(effect.digest)), outgoing);
      else {
        const message = crossing(effect.message, 'tap');
        this.sent.push(message);
        outgoing.push(() => this.deliver?.(message));
      }
    }
  }

  said<T extends Notice['type']>(type: T): Extract<Notice, { type: T }>[] {
    return this.notices.filter((notice): notice is Extract<Notice, { type: T }> => notice.type === type);
  }

  /** Codes that this device itself refused with, in order. */
  get refused(): string[] {
    return this.said('refused')
      .filter((notice) => notice.by === 'us')
      .map((notice) => notice.code);
  }
}

/** The message as it arrives: through the real bytes. */
function crossing(message: Message, medium: 'tap' | 'sync'): Message {
  const decoded = decodeMessage(encodeMessage(message), medium);
  if (!decoded.ok || !decoded.message) throw new Error(`${message.type} does not cross the link`);
  return decoded.message;
}

export type Payer = Actor<PayerState, PayerEvent, PayerRecord>;
export type Terminal = Actor<TerminalState, TerminalEvent, TerminalRecord>;

export const hubKey = {
  address: keys.hub.address,
  from: seconds(0),
  until: seconds(START + 10 * 365 * 86400),
  epoch: 0,
  signedAt: seconds(0),
};

/** The books of a payer that was provisioned: channel, hub key, lease. */
export async function provisioned(change: Partial<MessageOf<'lease'>> = {}): Promise<PayerBooks> {
  let books = applyPayer(EMPTY_PAYER, { type: 'channelOpened', channel: CHANNEL });
  books = applyPayer(books, { type: 'hubKey', ...hubKey });
  return applyPayer(books, { ...(await lease(change)), signer: keys.hub.address });
}

/** A payer right after boot, from any books. */
export async function startPayer(
  books: PayerBooks,
  options: {
    settings?: Partial<PayerSettings>;
    realTime?: Seconds | undefined;
    key?: typeof keys.payer;
  } = {},
): Promise<Payer> {
  const key = options.key ?? keys.payer;
  const context = { signing, self: key.address };
  const settings = { ...payerSettings, ...options.settings };
  const actor: Payer = new Actor<PayerState, PayerEvent, PayerRecord>(
    payerAfterPowerUp(books),
    (state, event, nowMs) => payerStep(context, settings, state, event, nowMs),
    async (digest) => key.sign(digest),
    (digest, signature) => ({ type: 'signed', digest, signature }),
  );
  const realTime = 'realTime' in options ? options.realTime : START;
  await actor.on(realTime === undefined ? { type: 'boot' } : { type: 'boot', realTime });
  return actor;
}

/** A provisioned payer right after boot, with a lease and a clock. */
export async function makePayer(leaseChange: Partial<MessageOf<'lease'>> = {}): Promise<Payer> {
  return startPayer(await provisioned(leaseChange));
}

export interface TerminalOptions {
  readonly key?: typeof keys.terminal;
  readonly payee?: typeof keys.payee;
  /** Undefined: it has no clock. */
  readonly realTime?: Seconds | undefined;
  readonly settings?: Partial<TerminalSettings>;
  readonly books?: TerminalBooks;
  /** What it computes with; all of `signing` when absent. */
  readonly signing?: Signing;
}

/** A provisioned terminal right after boot. */
export async function makeTerminal(options: TerminalOptions = {}): Promise<Terminal> {
  const key = options.key ?? keys.terminal;
  const settings = { ...(await terminalSettings(key.address, options.payee)), ...options.settings };
  const books = options.books ?? applyTerminal(EMPTY_TERMINAL, { type: 'hubKey', ...hubKey });
  const context = { signing: options.signing ?? signing, self: key.address };
  const actor: Terminal = new Actor<TerminalState, TerminalEvent, TerminalRecord>(
    terminalAfterPowerUp(books),
    (state, event, nowMs) => terminalStep(context, settings, state, event, nowMs),
    async (digest) => key.sign(digest),
    (digest, signature) => ({ type: 'signed', digest, signature }),
  );
  const realTime = 'realTime' in options ? options.realTime : START;
  await actor.on(realTime === undefined ? { type: 'boot' } : { type: 'boot', realTime });
  return actor;
}

/** Puts the two on one link. `loses` may drop a message on the way. */
export async function link(
  payer: Payer,
  terminal: Terminal,
  loses: (message: Message) => boolean = () => false,
): Promise<void> {
  let random = 0;
  payer.deliver = async (message) => {
    if (!loses(message)) await terminal.on({ type: 'message', message });
  };
  terminal.deliver = async (message) => {
    random += 1;
    if (!loses(message)) await payer.on({ type: 'message', message, random: secret(random) });
  };
  await terminal.on({ type: 'linkUp' });
  await payer.on({ type: 'linkUp' });
}

/** The two part. */
export async function unlink(payer: Payer, terminal: Terminal): Promise<void> {
  payer.deliver = undefined;
  terminal.deliver = undefined;
  await payer.on({ type: 'linkDown' });
  await terminal.on({ type: 'linkDown' });
}

export const challenge = (n: number): Uint8Array => new Uint8Array(16).fill(n);
export const hex = toHex;

/** A sale of `value`; the challenge makes it one of its own. */
export const sale = (value: number, n = 1): TerminalEvent => ({
  type: 'sale',
  amount: amount(value),
  currency: 'TIME',
  challenge: challenge(n),
});

/** A stream of `ticks` at `tickValue`. */
export const streamSale = (tickValue: number, ticks: number, n = 1): TerminalEvent => ({
  type: 'streamSale',
  tickValue: amount(tickValue),
  ticks,
  currency: 'TIME',
  challenge: challenge(n),
});

/** A whole tap: sale, link, and apart again. */
export async function tap(
  payer: Payer,
  terminal: Terminal,
  value: number,
  n: number,
  loses?: (message: Message) => boolean,
): Promise<void> {
  await terminal.on(sale(value, n));
  await link(payer, terminal, loses);
  await unlink(payer, terminal);
}

/** Delivers the worth of the tick that is being delivered. Returns its number, 0 when none is. */
export async function deliverTick(terminal: Terminal): Promise<number> {
  const { session } = terminal.state.volatile;
  if (session === undefined || session.delivering === 0) return 0;
  const k = session.delivering;
  await terminal.on({ type: 'delivered', channel: session.channel, k, challenge: challenge(99) });
  return k;
}

/** The device after a power cut: only its books are left. */
export async function restartPayer(payer: Payer): Promise<Payer> {
  return startPayer(payer.state.books);
}

export async function restartTerminal(terminal: Terminal, options: TerminalOptions = {}): Promise<Terminal> {
  return makeTerminal({ ...options, books: terminal.state.books });
}
