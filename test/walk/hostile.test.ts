/**
 * Anything at all, in any order: well-formed messages with arbitrary numbers, from a peer that knows every key but the
 * device's own. No step throws, no honest number goes wrong, and the device serves the next honest peer. The decoder's
 * fuzz covers bytes that are no messages. Not checked here: which answer each message gets.
 */
import { env } from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount, seconds } from '../../protocol/integers.ts';
import type { Effect } from '../../protocol/machines/effects.ts';
import {
  applyRecord as applyPayer,
  EMPTY_PAYER,
  type PayerBooks,
  type PayerRecord,
  payerRecords,
  snapshot as snapshotPayer,
} from '../../protocol/machines/payer/books.ts';
import { payerAfterPowerUp, type PayerEvent, payerStep } from '../../protocol/machines/payer/payer.ts';
import type { PayerState } from '../../protocol/machines/payer/state.ts';
import {
  applyRecord as applyTerminal,
  EMPTY_TERMINAL,
  snapshot as snapshotTerminal,
  type TerminalRecord,
  terminalRecords,
} from '../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../protocol/machines/terminal/state.ts';
import {
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../../protocol/machines/terminal/terminal.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { STRUCTS, type StructName } from '../../protocol/signing/structs.ts';
import { detailHash, hashChain, requestHash, SCOPE_ANY, voucherDigest } from '../../protocol/vouchers.ts';
import { encodeMessage, type Message, MESSAGES } from '../../protocol/wire/messages.ts';
import { carryOut, readBack } from '../../simulators/explore/actors/device.ts';
import { addressNamed, standInSignature, standInSuite } from '../../simulators/explore/suite.ts';
import { type Random, randomFrom } from '../protocol/random.ts';
import { fieldsOf } from '../vectors/spec.ts';

const deep = env.SUNDIAL_DEEP === '1';
const LIVES = deep ? 2000 : 100;
const STEPS = 150;
const SEED = 414_000;

const signing = makeSigning(standInSuite, { chainId: 1, vault: addressNamed(1) });
const START = 1_790_000_000;
const PAYER = addressNamed(0x10);
const TERMINALS = [addressNamed(0x40), addressNamed(0x41)];
const PAYEE = addressNamed(0x30);
const HUB = addressNamed(0x20);
const ROOT = addressNamed(0x21);
const NAMES = [PAYER, ...TERMINALS, PAYEE, HUB, addressNamed(0x50)];
const LIMIT = 1_000_000;

/** Numbers where sums and comparisons break: small ones, limits, and the ends of every width. */
function number(random: Random, bits: number): number {
  const max = 2 ** bits - 1;
  const near = [0, 1, 2, 3, 5, 8, 255, 256, 257, LIMIT, START, START + 5, max - 1, max, 2 ** 32, 2 ** 40 - 1];
  return Math.min(max, near[random.below(near.length)]!);
}

function value(random: Random, type: string): unknown {
  if (type.startsWith('u')) return number(random, Number(type.slice(1)));
  if (type.startsWith('text')) return ['TIME', '', 'EUR'][random.below(3)];
  if (type === 'list<u32>') return Array.from({ length: random.below(4) }, () => random.below(3));
  if (type.startsWith('list')) return [];
  const length = Number(type);
  if (length === 20) return NAMES[random.below(NAMES.length)];
  return new Uint8Array(length).fill(random.below(3));
}

/** Which struct a message's signature is over, and who signs it when nobody lies. */
const SIGNED: Readonly<Record<string, readonly [StructName, Uint8Array]>> = {
  certificate: ['Terminal', PAYEE],
  lease: ['Lease', HUB],
  receipt: ['Receipt', TERMINALS[0]!],
  credit: ['Credit', TERMINALS[0]!],
  acknowledgement: ['Acknowledgement', HUB],
  beacon: ['Beacon', HUB],
  hubKey: ['HubKey', ROOT],
  hubKeyRevoked: ['HubKeyRevoked', ROOT],
  member: ['Member', HUB],
  unknown: ['Unknown', HUB],
};

/** A message with fields from `known` (what was seen before) or arbitrary ones, often rightly signed. */
function hostile(random: Random, known: readonly Record<string, unknown>[]): Message {
  const names = Object.keys(MESSAGES);
  const name = names[random.below(names.length)]!;
  const message: Record<string, unknown> = { type: name };
  const source = known.length > 0 && random.below(3) > 0 ? known[random.below(known.length)]! : {};
  for (const { name: field, type, optional } of fieldsOf(name)) {
    if (optional && random.below(2) === 0) continue;
    const copied = random.below(4) > 0 ? source[field] : undefined;
    message[field] = fits(copied, type) ? copied : value(random, type);
  }
  const signed = SIGNED[name];
  if (signed !== undefined && random.below(4) > 0) {
    const [struct, signer] = signed;
    const fields = Object.keys(STRUCTS[struct]).every((field) => message[field] !== undefined);
    if (fields) message.signature = standInSignature(signer, signing.digest(struct, message as never));
  }
  return message as unknown as Message;
}

function fits(item: unknown, type: string): boolean {
  if (type.startsWith('u')) return typeof item === 'number' && item < 2 ** Number(type.slice(1));
  if (type.startsWith('text')) return typeof item === 'string';
  return item instanceof Uint8Array && item.length === Number(type);
}

/** A request that an honest terminal could make, now and then with one number that it could not. */
function plausibleRequest(random: Random): Message {
  const shared = {
    terminal: TERMINALS[random.below(2)]!,
    payee: random.below(8) === 0 ? HUB : PAYEE,
    at: seconds(START + random.below(100)),
    currency: 'TIME',
    challenge: random.bytes(16),
  };
  const odd = random.below(6) === 0;
  if (random.below(2) === 0)
    return { type: 'request', ...shared, amount: amount(odd ? number(random, 48) : random.below(5000)) };
  const tickValue = amount(odd ? number(random, 48) : 1 + random.below(20));
  return {
    type: 'streamRequest',
    ...shared,
    tickValue,
    ticks: odd ? number(random, 16) : 1 + random.below(5),
  };
}

/** A voucher whose numbers follow the lane, or nearly. */
function plausibleVoucher(random: Random, state: TerminalState): Message {
  const lane = state.books.lanes.find((one) => one.channel === 1);
  const { open } = state.volatile;
  const late = open === undefined || random.below(3) === 0;
  const asked = late ? random.below(500) : open.request.amount;
  const off = (): number => (random.below(5) === 0 ? random.below(3) - 1 : 0);
  const clamp = (item: number, bits: number): number => Math.max(0, Math.min(2 ** bits - 1, item));
  const paid = amount(clamp((lane?.base ?? 0) + asked + off(), 48));
  const spent = amount(clamp(paid + off() + random.below(2) * random.below(1000), 48));
  const channel = 1 as never;
  const seq = clamp((lane?.seq ?? 0) + 1 + off(), 32) as never;
  const signature = new Uint8Array(64);
  if (!late && open.message.type === 'streamRequest')
    return { type: 'stream', channel, seq, spent, paid, anchor: new Uint8Array(32), signature };
  const lanes = new Uint8Array(16);
  if (!late) return { type: 'voucher', channel, seq, spent, paid, lanes, signature };
  const at = seconds(random.below(4) === 0 ? number(random, 40) : START + random.below(50));
  const request = { terminal: TERMINALS[0]!, amount: amount(asked), at, detail: random.bytes(32) };
  return { type: 'resolveVoucher', channel, seq, spent, paid, lanes, ...request, signature };
}

/** Vouchers that the payer's own key signed, so that the terminal looks past the signature. */
function signVoucher(message: Message, state: TerminalState): Message {
  const { open } = state.volatile;
  if (message.type === 'voucher' && open !== undefined) {
    const { channel, seq, spent, paid, lanes } = message;
    const voucher = {
      kind: 'voucher' as const,
      channel,
      seq,
      spent,
      paid,
      lanes,
      payee: PAYEE,
      request: open.hash,
    };
    return { ...message, signature: standInSignature(PAYER, voucherDigest(signing, voucher)) };
  }
  if (message.type === 'stream' && open?.message.type === 'streamRequest') {
    const { channel, seq, spent, paid } = message;
    const { tickValue, ticks } = open.message;
    const anchor = hashChain(standInSuite, new Uint8Array(32), ticks);
    const shared = { channel, seq, spent, paid, anchor };
    const voucher = {
      kind: 'stream' as const,
      ...shared,
      tickValue,
      ticks,
      payee: PAYEE,
      request: open.hash,
    };
    return { ...message, anchor, signature: standInSignature(PAYER, voucherDigest(signing, voucher)) };
  }
  if (message.type === 'resolveVoucher') {
    const { channel, seq, spent, paid, lanes } = message;
    const request = requestHash(signing, message);
    const voucher = { kind: 'voucher' as const, channel, seq, spent, paid, lanes, payee: PAYEE, request };
    return { ...message, signature: standInSignature(PAYER, voucherDigest(signing, voucher)) };
  }
  return message;
}

const PAYER_BOOKS = { empty: EMPTY_PAYER, snapshot: snapshotPayer, apply: applyPayer };
const TERMINAL_BOOKS = { empty: EMPTY_TERMINAL, snapshot: snapshotTerminal, apply: applyTerminal };

const hubKey = {
  type: 'hubKey' as const,
  address: HUB,
  from: seconds(0),
  until: seconds(2 ** 40 - 1),
  epoch: 0,
  signedAt: seconds(0),
};
const SITE = { hub: { id: new Uint8Array(32), root: ROOT }, timing: DEFAULT_TIMING };

function leaseOf(random: Random): Message & { type: 'lease' } {
  const fields = {
    channel: 1 as never,
    payer: PAYER,
    spentFrom: amount(0),
    spendLimit: amount(random.below(3) === 0 ? 2 ** 48 - 1 : LIMIT),
    tapLimit: amount(random.below(3) === 0 ? 2 ** 48 - 1 : LIMIT),
    cap: amount(2 ** 48 - 1),
    guarantee: amount(0),
    issuedAt: seconds(START),
    expiresAt: seconds(START + 3600),
    scope: SCOPE_ANY,
  };
  return { type: 'lease', ...fields, signature: standInSignature(HUB, signing.digest('Lease', fields)) };
}

/** Everything that is sent or stored goes through its bytes: what can't be written is a fault too. */
function throughBytes<R>(effects: readonly Effect<R>[], encode: (record: R) => Uint8Array): void {
  for (const effect of effects) {
    if (effect.type === 'persist') encode(effect.record);
    if (effect.type === 'send' || effect.type === 'upload') encodeMessage(effect.message);
  }
}

function payerFault(books: PayerBooks): string | undefined {
  const sum = books.lanes.reduce((total, lane) => total + lane.paid, 0);
  if (sum !== books.spent) return `lanes hold ${sum}, spent is ${books.spent}`;
  if (books.lanes.some((lane) => lane.confirmedPaid > lane.paid))
    return 'a lane is confirmed above its promises';
  if (books.unconfirmed.length > 8) return 'more than eight unconfirmed';
  return undefined;
}

function hostilePayerLife(seed: number): number {
  const random = randomFrom(seed);
  const context = { signing, self: PAYER };
  const settings = {
    ...SITE,
    role: 'car',
    scheme: 'secp256k1',
    tapMax: amount(2 ** 48 - 1),
    entropyCertified: true,
  } as const;
  let books = applyPayer(EMPTY_PAYER, { type: 'channelOpened', channel: 1 as never });
  books = applyPayer(applyPayer(books, hubKey), { ...leaseOf(random), signer: HUB });
  for (const terminal of TERMINALS)
    books = applyPayer(books, {
      type: 'certificate',
      terminal,
      payee: PAYEE,
      expiresAt: seconds(START + 9999),
    });
  let state = payerAfterPowerUp(books);
  let nowMs = 0;
  const known: Record<string, unknown>[] = [];
  const step = (current: PayerState, event: PayerEvent) => {
    const result = payerStep(context, settings, current, event, nowMs);
    throughBytes(result.effects, (record: PayerRecord) => payerRecords.encode(record));
    for (const effect of result.effects) if (effect.type === 'send') known.push({ ...effect.message });
    return result;
  };
  const signed = (digest: Uint8Array): PayerEvent => ({
    type: 'signed',
    digest,
    signature: standInSignature(PAYER, digest),
  });
  const run = (event: PayerEvent): void => {
    state = carryOut(step, signed, state, event).state;
  };
  run({ type: 'boot', realTime: seconds(START) });
  run({ type: 'linkUp' });
  for (let i = 0; i < STEPS; i++) {
    const kind = random.below(20);
    if (kind === 0) run({ type: 'clock' });
    else if (kind === 1) {
      state = payerAfterPowerUp(readBack(PAYER_BOOKS, state.books));
      run({ type: 'boot', realTime: seconds(START) });
      run({ type: 'linkUp' });
    } else if (kind === 2) run({ type: 'hubConnected' });
    else if (kind === 3) run({ type: 'hubMessage', message: hostile(random, known) });
    else if (kind === 4) run({ type: 'stop' });
    else {
      let message = random.below(3) === 0 ? plausibleRequest(random) : hostile(random, known);
      const [entry] = state.books.unconfirmed;
      if (entry?.kind === 'voucher' && random.below(2) === 0) {
        const { digest, request } = entry;
        const signature = standInSignature(request.terminal, signing.digest('Receipt', { voucher: digest }));
        message = { type: 'receipt', voucher: digest, signature };
      }
      const { stream } = state.books;
      if (stream && random.below(4) === 0) {
        const { channel, seq } = stream.voucher;
        message = { type: 'tickAnswer', channel, seq, k: Math.max(0, stream.revealed - random.below(2)) };
      }
      run({ type: 'message', message, random: random.bytes(32) });
    }
    nowMs += random.below(5000);
    const fault = payerFault(state.books);
    if (fault !== undefined) assert.unreachable(`seed ${seed}, step ${i}: ${fault}`);
  }
  return state.books.seq;
}

function hostileTerminalLife(seed: number): number {
  const random = randomFrom(seed);
  const context = { signing, self: TERMINALS[0]! };
  const settings = {
    ...SITE,
    role: 'charger',
    scheme: 'secp256k1',
    payee: PAYEE,
    certificate: { expiresAt: seconds(START + 9999), signature: new Uint8Array(64) },
    capTotal: amount(random.below(2) === 0 ? 5000 : 2 ** 48 - 1),
    wideMax: amount(2 ** 48 - 1),
    outboxMax: 8,
    lanesMax: 8,
    entropyCertified: true,
  } as const;
  let state = terminalAfterPowerUp(applyTerminal(EMPTY_TERMINAL, hubKey));
  let nowMs = 0;
  const known: Record<string, unknown>[] = [];
  const step = (current: TerminalState, event: TerminalEvent) => {
    const result = terminalStep(context, settings, current, event, nowMs);
    throughBytes(result.effects, (record: TerminalRecord) => terminalRecords.encode(record));
    for (const effect of result.effects) if (effect.type === 'send') known.push({ ...effect.message });
    return result;
  };
  const signed = (digest: Uint8Array): TerminalEvent => ({
    type: 'signed',
    digest,
    signature: standInSignature(TERMINALS[0]!, digest),
  });
  const run = (event: TerminalEvent): void => {
    state = carryOut(step, signed, state, event).state;
  };
  const say = (message: Message): void => run({ type: 'message', message });
  const greet = (): void => {
    run({ type: 'linkUp' });
    say({ type: 'hello', channel: 1 as never, payer: PAYER });
    say(leaseOf(random));
  };
  run({ type: 'boot', realTime: seconds(START) });
  greet();
  let base = 0;
  for (let i = 0; i < STEPS; i++) {
    const kind = random.below(20);
    const challenge = random.bytes(16);
    if (kind === 0) {
      const asked = random.below(3) === 0 ? number(random, 48) : random.below(500);
      run({ type: 'sale', amount: amount(asked), currency: 'TIME', challenge });
    } else if (kind === 1)
      run({
        type: 'streamSale',
        tickValue: amount(random.below(3) === 0 ? number(random, 48) : 1 + random.below(9)),
        ticks: random.below(3) === 0 ? number(random, 16) : 1 + random.below(5),
        currency: 'TIME',
        challenge,
      });
    else if (kind === 2) run({ type: 'clock' });
    else if (kind === 3) run({ type: 'hubConnected' });
    else if (kind === 4) run({ type: 'hubMessage', message: hostile(random, known) });
    else if (kind === 5) run({ type: 'refund', channel: 1 as never, credited: amount(number(random, 48)) });
    else if (kind === 6) run({ type: 'closeSession', challenge });
    else if (kind === 7) {
      state = terminalAfterPowerUp(readBack(TERMINAL_BOOKS, state.books));
      run({ type: 'boot', realTime: seconds(START) });
      greet();
    } else if (kind === 8) greet();
    else if (kind === 9 && state.volatile.session)
      run({ type: 'delivered', channel: 1 as never, k: state.volatile.session.delivering, challenge });
    else if (kind < 13 && state.books.lanes[0]?.stream) {
      const [lane] = state.books.lanes;
      const { k, voucher } = lane!.stream!;
      const steps = voucher.ticks - k - 1;
      if (steps < 0) continue;
      const preimage = hashChain(standInSuite, new Uint8Array(32), steps);
      say({ type: 'tick', channel: 1 as never, seq: lane!.seq, k: k + 1, preimage });
    } else
      say(
        signVoucher(random.below(2) === 0 ? plausibleVoucher(random, state) : hostile(random, known), state),
      );
    nowMs += random.below(5000);
    const lane = state.books.lanes.find((one) => one.channel === 1);
    if (lane !== undefined) {
      if (lane.base < base) assert.unreachable(`seed ${seed}, step ${i}: the lane went down`);
      if (lane.credited > lane.owed)
        assert.unreachable(`seed ${seed}, step ${i}: more was given back than is owed`);
      base = lane.base;
    }
  }
  const { accepted, voided } = state.books.counts;
  return accepted + voided;
}

test(`${LIVES} hostile lives of ${STEPS} steps: no payer throws, and its sums hold`, () => {
  console.log(`seeds ${SEED} to ${SEED + LIVES - 1}`);
  let vouchers = 0;
  for (let life = 0; life < LIVES; life++) vouchers += hostilePayerLife(SEED + life);
  console.log(`${vouchers} vouchers were signed`);
  assert.ok(vouchers > LIVES);
});

test(`${LIVES} hostile lives of ${STEPS} steps: no terminal throws, and no lane goes down`, () => {
  let answered = 0;
  for (let life = 0; life < LIVES; life++) answered += hostileTerminalLife(SEED + life);
  console.log(`${answered} vouchers were answered`);
  assert.ok(answered > LIVES / 2);
  assert.is(detailHash(standInSuite, { currency: '', challenge: new Uint8Array(16) }).length, 32);
});

test.run();
