/** A payer and a terminal joined in memory: messages cross at once, records are kept, signatures are real. */
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { type Address, toHex } from '../../protocol/bytes.ts';
import { amount, channelId, type Seconds, seconds } from '../../protocol/integers.ts';
import type { Effect, Notice } from '../../protocol/machines/effects.ts';
import type { PayerRecord } from '../../protocol/machines/payer/books.ts';
import { applyRecord as applyPayer, EMPTY_PAYER } from '../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../protocol/machines/payer/payer.ts';
import type { PayerSettings, PayerState } from '../../protocol/machines/payer/state.ts';
import type { TerminalRecord } from '../../protocol/machines/terminal/books.ts';
import { applyRecord as applyTerminal, EMPTY_TERMINAL } from '../../protocol/machines/terminal/books.ts';
import type { TerminalSettings, TerminalState } from '../../protocol/machines/terminal/state.ts';
import {
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../../protocol/machines/terminal/terminal.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { decodeMessage, encodeMessage, type Message, type MessageOf } from '../../protocol/wire/messages.ts';

const secret = (n: number): Uint8Array => new Uint8Array(32).fill(n);
export const keys = {
  payer: nobleKey(secret(1)),
  terminal: nobleKey(secret(2)),
  terminal2: nobleKey(secret(3)),
  payee: nobleKey(secret(4)),
  hub: nobleKey(secret(5)),
  stranger: nobleKey(secret(6)),
};
export const signing = makeSigning(nobleSuite, { chainId: 31337, vault: new Uint8Array(20).fill(0xaa) });
export const START = seconds(1_790_000_000);
export const CHANNEL = channelId(7);

/** A lease as the hub would sign it; every field may be set otherwise. */
export async function lease(change: Partial<MessageOf<'lease'>> = {}): Promise<MessageOf<'lease'>> {
  const fields = {
    channel: CHANNEL,
    payer: keys.payer.address,
    spentFrom: amount(0),
    spendLimit: amount(80_000_000),
    tapLimit: amount(1_750_000),
    issuedAt: START,
    expiresAt: seconds(START + 72 * 3600),
    scope: SCOPE_ANY,
    ...change,
  };
  const signature = change.signature ?? (await keys.hub.sign(signing.digest('Lease', fields)));
  return { type: 'lease', ...fields, signature };
}

export const payerSettings: PayerSettings = {
  role: 'wearable',
  scheme: 'secp256k1',
  tapMax: amount(50_000_000),
  entropyCertified: true,
};

export async function terminalSettings(terminal: Address = keys.terminal.address): Promise<TerminalSettings> {
  const expiresAt = seconds(START + 365 * 86400);
  const fields = { terminal, payee: keys.payee.address, expiresAt };
  return {
    role: 'pos',
    scheme: 'secp256k1',
    payee: keys.payee.address,
    certificate: { expiresAt, signature: await keys.payee.sign(signing.digest('Terminal', fields)) },
    capTotal: amount(1_000_000_000),
    outboxMax: 64,
    lanesMax: 64,
    entropyCertified: true,
  };
}

/** One device: its state, what it stored, what it said. */
class Actor<S, E, R> {
  state: S;
  readonly records: R[] = [];
  readonly notices: Notice[] = [];
  readonly sent: Message[] = [];
  readonly uploads: Message[] = [];
  /** Receives what this device sends; undefined drops it. */
  deliver: ((message: Message) => Promise<void>) | undefined;
  nowMs = 0;
  private readonly run: (state: S, event: E, nowMs: number) => { state: S; effects: readonly Effect<R>[] };
  private readonly sign: (digest: Uint8Array) => Promise<Uint8Array>;
  private readonly signed: (digest: Uint8Array, signature: Uint8Array) => E;

  constructor(
    state: S,
    run: (state: S, event: E, nowMs: number) => { state: S; effects: readonly Effect<R>[] },
    sign: (digest: Uint8Array) => Promise<Uint8Array>,
    signed: (digest: Uint8Array, signature: Uint8Array) => E,
  ) {
    this.state = state;
    this.run = run;
    this.sign = sign;
    this.signed = signed;
  }

  /** Steps and executes every effect; what is sent is delivered after the effects, in order. */
  async on(event: E): Promise<void> {
    const outgoing: Message[] = [];
    await this.step(event, outgoing);
    for (const message of outgoing) await this.deliver?.(message);
  }

  private async step(event: E, outgoing: Message[]): Promise<void> {
    const { state, effects } = this.run(this.state, event, this.nowMs);
    this.state = state;
    for (const effect of effects) {
      if (effect.type === 'persist') this.records.push(effect.record);
      else if (effect.type === 'notify') this.notices.push(effect.notice);
      else if (effect.type === 'upload') this.uploads.push(effect.message);
      else if (effect.type === 'sign')
        await this.step(this.signed(effect.digest, await this.sign(effect.digest)), outgoing);
      else {
        const decoded = decodeMessage(encodeMessage(effect.message), 'tap');
        if (!decoded.ok || !decoded.message)
          throw new Error(`${effect.message.type} does not cross the link`);
        this.sent.push(decoded.message);
        outgoing.push(decoded.message);
      }
    }
  }

  said(type: Notice['type']): Notice[] {
    return this.notices.filter((notice) => notice.type === type);
  }
}

export type Payer = Actor<PayerState, PayerEvent, PayerRecord>;
export type Terminal = Actor<TerminalState, TerminalEvent, TerminalRecord>;

const hubKey = { address: keys.hub.address, from: seconds(0), until: seconds(START + 10 * 365 * 86400) };

/** A provisioned payer right after boot, with a lease and a clock. */
export async function makePayer(leaseChange: Partial<MessageOf<'lease'>> = {}): Promise<Payer> {
  let books = applyPayer(EMPTY_PAYER, { type: 'channelOpened', channel: CHANNEL });
  books = applyPayer(books, { type: 'hubKey', ...hubKey });
  books = applyPayer(books, await lease(leaseChange));
  const context = { signing, self: keys.payer.address };
  const actor: Payer = new Actor<PayerState, PayerEvent, PayerRecord>(
    payerAfterPowerUp(books),
    (state, event, nowMs) => payerStep(context, payerSettings, state, event, nowMs),
    (digest) => keys.payer.sign(digest),
    (digest, signature) => ({ type: 'signed', digest, signature }),
  );
  await actor.on({ type: 'boot', realTime: START });
  return actor;
}

/** A provisioned terminal right after boot. `realTime` undefined: it has no clock. */
export async function makeTerminal(
  options: {
    key?: typeof keys.terminal;
    realTime?: Seconds | undefined;
    settings?: Partial<TerminalSettings>;
  } = {},
): Promise<Terminal> {
  const key = options.key ?? keys.terminal;
  const settings = { ...(await terminalSettings(key.address)), ...options.settings };
  const books = applyTerminal(EMPTY_TERMINAL, { type: 'hubKey', ...hubKey });
  const context = { signing, self: key.address };
  const actor: Terminal = new Actor<TerminalState, TerminalEvent, TerminalRecord>(
    terminalAfterPowerUp(books),
    (state, event, nowMs) => terminalStep(context, settings, state, event, nowMs),
    (digest) => key.sign(digest),
    (digest, signature) => ({ type: 'signed', digest, signature }),
  );
  await actor.on({
    type: 'boot',
    ...('realTime' in options ? { realTime: options.realTime } : { realTime: START }),
  } as TerminalEvent);
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

export const challenge = (n: number): Uint8Array => new Uint8Array(16).fill(n);
export const hex = toHex;
