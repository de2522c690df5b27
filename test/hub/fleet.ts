/** Payers and terminals that sign real messages for tests of the hub, and an intake with everything known to it. */
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import {
  emptyIntake,
  type IntakeContext,
  type IntakeEffect,
  type IntakeEvent,
  type IntakeState,
} from '../../hub/intake/state.ts';
import { Edit } from '../../hub/intake/trie.ts';
import type { HubRecord } from '../../hub/ledger/records.ts';
import type { Bytes32 } from '../../protocol/bytes.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { amount, channelId, height, type Seconds, seconds, seq } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { hubPin } from '../../protocol/machines/hub-keys.ts';
import { collectedMessage } from '../../protocol/machines/collected.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import {
  hashChain,
  lanesHash,
  type ListedLane,
  requestHash,
  type Voucher,
  voucherDigest,
} from '../../protocol/vouchers.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';

export const suite = loadCrypto().suite;
export const vault = new Uint8Array(20).fill(0xaa);
export const signing = makeSigning(suite, { chainId: 31337, vault });
export const NOW: Seconds = seconds(1_800_000_000);

/** A key from a small number. */
export const key = (n: number) => nobleKey(suite.keccak256(Uint8Array.of(n >> 8, n & 255, 77)));

export const payee = key(1);
export const otherPayee = key(2);
export const terminal = key(3);
export const otherTerminal = key(4);
export const payer = key(10);
export const hub = key(20);
export const root = key(21);
export const pin = hubPin(suite, 'test', root.address);

export const context: IntakeContext = {
  signing,
  hub: pin,
  timing: DEFAULT_TIMING,
  scopes: {},
  leaseAnyScope: true,
  indexedMax: 1_000_000,
  development: false,
};

export interface Tap {
  readonly channel?: number;
  readonly payer?: typeof payer;
  readonly payee?: typeof payee;
  readonly terminal?: typeof terminal;
  readonly seq: number;
  readonly amount: number;
  readonly spent: number;
  readonly paid: number;
  readonly list?: readonly ListedLane[];
  readonly stream?: { readonly tickValue: number; readonly ticks: number; readonly seed: Bytes32 };
  /** What the terminal answered; a receipt by default. */
  readonly answer?: 'receipt' | 'credit' | 'nothing';
  /** Domain to sign in; that of the tests without a chain by default. */
  readonly on?: Signing;
}

export interface SignedTap {
  readonly message: Message;
  readonly bytes: Uint8Array;
  readonly id: Bytes32;
  readonly voucher: Voucher;
}

/** The message that a terminal uploads for a tap, all signatures real. */
export async function tap(fields: Tap): Promise<SignedTap> {
  const own = fields.on ?? signing;
  const at = fields.terminal ?? terminal;
  const to = fields.payee ?? payee;
  const request = {
    terminal: at.address,
    amount: amount(fields.amount),
    at: NOW,
    detail: suite.keccak256(Uint8Array.of(fields.seq)),
  };
  const shared = {
    channel: channelId(fields.channel ?? 7),
    seq: seq(fields.seq),
    spent: amount(fields.spent),
    payee: to.address,
    paid: amount(fields.paid),
    request: requestHash(own, request),
  };
  const voucher: Voucher = fields.stream
    ? {
        kind: 'stream',
        ...shared,
        anchor: hashChain(suite, fields.stream.seed, fields.stream.ticks),
        tickValue: amount(fields.stream.tickValue),
        ticks: fields.stream.ticks,
      }
    : { kind: 'voucher', ...shared, lanes: lanesHash(suite, fields.list ?? []) };
  const id = voucherDigest(own, voucher);
  const answer = fields.answer ?? 'receipt';
  const signer = fields.payer ?? payer;
  const message = collectedMessage({
    voucher,
    request,
    signature: await signer.sign(id),
    ...(signer.publicKey && { key: signer.publicKey }),
    ...(answer === 'receipt' && { receipt: await at.sign(own.digest('Receipt', { voucher: id })) }),
    ...(answer === 'credit' && {
      credit: await at.sign(own.digest('Credit', { voucher: id, credited: request.amount })),
    }),
  });
  return { message, bytes: encodeMessage(message), id, voucher };
}

/** Tick k of a stream. */
export function tick(stream: SignedTap, seed: Bytes32, ticks: number, k: number): Message {
  const { channel, seq } = stream.voucher;
  return {
    type: 'collectedTick',
    channel,
    seq,
    stream: stream.id,
    k,
    preimage: hashChain(suite, seed, ticks - k),
  };
}

/** Asks for an entry. The hub finds it by its digest. */
export const query = (entry: Bytes32): Message => ({
  type: 'query',
  channel: channelId(7),
  seq: seq(1),
  entry,
});

/** A credit by a terminal or the payee. */
export async function credit(
  { id: voucher, voucher: { channel, seq } }: Pick<SignedTap, 'id' | 'voucher'>,
  credited: number,
  signer: typeof payee,
  byPayee: boolean,
): Promise<Message> {
  const fields = { voucher, credited: amount(credited) };
  const signature = await signer.sign(signing.digest('Credit', fields));
  return { type: 'collectedCredit', channel, seq, ...fields, signature, byPayee: byPayee ? 1 : 0 };
}

/** Channel 7 as L2 tells of it. */
export const FACTS = {
  payer: payer.address,
  deposited: amount(100_000_000),
  spendable: amount(80_000_000),
  bond: amount(20_000_000),
  exiting: false,
  slashed: false,
};

/** A state that knows channel 7 of `payer` with 100 units deposited (80 spendable), both payees, both terminals. */
export function preparedState(): IntakeState {
  const events: IntakeEvent[] = [
    { type: 'block', at: NOW, height: height(10) },
    {
      type: 'channel',
      channel: channelId(7),
      facts: FACTS,
    },
    { type: 'payee', payee: payee.address },
    { type: 'payee', payee: otherPayee.address },
    { type: 'device', device: terminal.address, counter: 0, payee: payee.address },
    { type: 'device', device: otherTerminal.address, counter: 0, payee: otherPayee.address },
  ];
  return events.reduce((state, event) => intakeStep(context, state, event).state, emptyIntake);
}

/** An intake whose disk is a list: `send` runs a message through it, by default until it is durable. */
export class Bench {
  state: IntakeState;
  readonly records: HubRecord[] = [];
  readonly context: IntakeContext;
  /** Persist effects that nobody has answered. */
  readonly unwritten: { token: number; record: HubRecord }[] = [];

  constructor(state: IntakeState = preparedState(), own: IntakeContext = context) {
    this.state = state;
    this.context = own;
  }

  step(event: IntakeEvent): IntakeEffect[] {
    const { state, effects } = intakeStep(this.context, this.state, event);
    this.state = state;
    for (const effect of effects) {
      if (effect.type === 'persist') this.unwritten.push({ token: effect.token, record: effect.record });
    }
    return effects.filter((effect) => effect.type !== 'count');
  }

  /** Makes everything durable that waits. */
  write(): IntakeEffect[] {
    const effects: IntakeEffect[] = [];
    while (this.unwritten.length > 0) effects.push(...this.writeOne());
    return effects;
  }

  /** Makes the oldest record durable that waits. */
  writeOne(): IntakeEffect[] {
    const { token, record } = this.unwritten.shift()!;
    return this.step({ type: 'persisted', token, position: this.records.push(record) - 1 });
  }

  /** Sends bytes or a message and returns all effects but persist and count, in order. */
  send(message: Message | Uint8Array, device = 'd', now: number = NOW): IntakeEffect[] {
    const bytes = message instanceof Uint8Array ? message : encodeMessage(message);
    const effects = this.step({ type: 'message', device, bytes, now: seconds(now) });
    return [...effects, ...this.write()].filter((effect) => effect.type !== 'persist');
  }

  /** The refusal that `message` meets, or 'acknowledged', or 'nothing'. */
  outcome(message: Message | Uint8Array): string {
    const effects = this.send(message);
    const rejected = effects.find((effect) => effect.type === 'reject');
    if (rejected?.type === 'reject') return rejected.code;
    return effects.some((effect) => effect.type === 'acknowledge') ? 'acknowledged' : 'nothing';
  }

  /** The state after a restart: only records are left, and what L2 and the registry say. */
  restart(context = this.context): Bench {
    let state = preparedState();
    const edit = new Edit();
    for (const [position, record] of this.records.entries()) {
      state = intakeStep(context, state, { type: 'replayed', record, position, edit }).state;
    }
    const next = new Bench(state, context);
    next.records.push(...this.records);
    return next;
  }
}
