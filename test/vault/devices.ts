/** The protocol's own machines joined in memory, in the domain of a deployed vault. */
import { hexToBytes } from 'viem';
import type { CryptoSuite, SecureKey } from '../../hardware/interfaces/index.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { amount, channelId, type Seconds, seconds, UINT48_MAX } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import type { Effect } from '../../protocol/machines/effects.ts';
import {
  applyRecord as applyPayer,
  EMPTY_PAYER,
  type PayerRecord,
} from '../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../protocol/machines/payer/payer.ts';
import type { PayerState } from '../../protocol/machines/payer/state.ts';
import {
  applyRecord as applyTerminal,
  EMPTY_TERMINAL,
  type TerminalRecord,
} from '../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../protocol/machines/terminal/state.ts';
import {
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../../protocol/machines/terminal/terminal.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import type { World } from './kit.ts';

export const START: Seconds = seconds(1_790_000_000);
const DAY = 86_400;

type Run<S, E, R> = (state: S, event: E) => { state: S; effects: readonly Effect<R>[] };

/** One device. What it sends goes to `deliver`; what it would upload is read from its books instead. */
class Device<S, E, R> {
  deliver: ((message: Message) => Promise<void>) | undefined;

  constructor(
    public state: S,
    private readonly run: Run<S, E, R>,
    private readonly key: SecureKey,
    private readonly signed: (digest: Uint8Array, signature: Uint8Array) => E,
  ) {}

  async on(event: E): Promise<void> {
    const outgoing: Message[] = [];
    await this.step(event, outgoing);
    for (const message of outgoing) await this.deliver?.(message);
  }

  private async step(event: E, outgoing: Message[]): Promise<void> {
    const { state, effects } = this.run(this.state, event);
    this.state = state;
    for (const effect of effects) {
      if (effect.type === 'send') outgoing.push(effect.message);
      if (effect.type === 'sign') {
        await this.step(this.signed(effect.digest, await this.key.sign(effect.digest)), outgoing);
      }
    }
  }
}

export type Payer = Device<PayerState, PayerEvent, PayerRecord>;
export type Terminal = Device<TerminalState, TerminalEvent, TerminalRecord>;

export const signingOf = (world: World, suite: CryptoSuite = nobleSuite): Signing =>
  makeSigning(suite, {
    chainId: world.deployment.chainId,
    vault: hexToBytes(world.deployment.vault),
  });

const signed = (digest: Uint8Array, signature: Uint8Array) =>
  ({ type: 'signed', digest, signature }) as const;

/** No device here hears of its hub's root. */
const SITE = { hub: { id: new Uint8Array(32), root: new Uint8Array(20) }, timing: DEFAULT_TIMING };

/** A payer with a lease on its channel up to `spendLimit`. */
export async function payerOn(
  signing: Signing,
  key: SecureKey,
  hub: SecureKey,
  channel: number,
  spendLimit: number,
): Promise<Payer> {
  const fields = {
    channel: channelId(channel),
    payer: key.address,
    spentFrom: amount(0),
    spendLimit: amount(spendLimit),
    tapLimit: amount(spendLimit),
    cap: amount(UINT48_MAX),
    guarantee: amount(0),
    issuedAt: START,
    expiresAt: seconds(START + 3 * DAY),
    scope: SCOPE_ANY,
  };
  let books = applyPayer(EMPTY_PAYER, { type: 'channelOpened', channel: fields.channel });
  books = applyPayer(books, {
    type: 'hubKey',
    address: hub.address,
    from: seconds(0),
    until: seconds(START + 999 * DAY),
    epoch: 0,
    signedAt: seconds(0),
  });
  books = applyPayer(books, {
    type: 'lease',
    ...fields,
    signature: await hub.sign(signing.digest('Lease', fields)),
    signer: hub.address,
  });
  const context = { signing, self: key.address };
  const settings = {
    ...SITE,
    role: 'wearable',
    scheme: 'secp256k1',
    tapMax: amount(spendLimit),
    entropyCertified: true,
  } as const;
  const payer: Payer = new Device<PayerState, PayerEvent, PayerRecord>(
    payerAfterPowerUp(books),
    (state, event) => payerStep(context, settings, state, event, 0),
    key,
    signed,
  );
  await payer.on({ type: 'boot', realTime: START });
  return payer;
}

/** A terminal of a payee. */
export async function terminalOf(
  signing: Signing,
  key: SecureKey,
  payee: SecureKey,
  hub: SecureKey,
): Promise<Terminal> {
  const expiresAt = seconds(START + 365 * DAY);
  const certificate = {
    expiresAt,
    signature: await payee.sign(
      signing.digest('Terminal', { terminal: key.address, payee: payee.address, expiresAt }),
    ),
  };
  const books = applyTerminal(EMPTY_TERMINAL, {
    type: 'hubKey',
    address: hub.address,
    from: seconds(0),
    until: seconds(START + 999 * DAY),
    epoch: 0,
    signedAt: seconds(0),
  });
  const context = { signing, self: key.address };
  const settings = {
    ...SITE,
    role: 'pos',
    scheme: 'secp256k1',
    payee: payee.address,
    certificate,
    capTotal: amount(2 ** 40),
    wideMax: amount(2 ** 40),
    outboxMax: 64,
    lanesMax: 64,
    entropyCertified: true,
  } as const;
  const terminal: Terminal = new Device<TerminalState, TerminalEvent, TerminalRecord>(
    terminalAfterPowerUp(books),
    (state, event) => terminalStep(context, settings, state, event, 0),
    key,
    signed,
  );
  await terminal.on({ type: 'boot', realTime: START });
  return terminal;
}

/** Both on one link; `loses` decides about each message. `random` gives 32 fresh bytes for streams. */
export async function meet(
  payer: Payer,
  terminal: Terminal,
  loses: (message: Message) => boolean,
  random: () => Uint8Array,
): Promise<void> {
  payer.deliver = async (message) => {
    if (!loses(message)) await terminal.on({ type: 'message', message });
  };
  terminal.deliver = async (message) => {
    if (!loses(message)) await payer.on({ type: 'message', message, random: random() });
  };
  await terminal.on({ type: 'linkUp' });
  await payer.on({ type: 'linkUp' });
}

export async function part(payer: Payer, terminal: Terminal): Promise<void> {
  payer.deliver = undefined;
  terminal.deliver = undefined;
  await payer.on({ type: 'linkDown' });
  await terminal.on({ type: 'linkDown' });
}

export { nobleKey };
