/** Vouchers as a dishonest or foreign payer would make them: every number may be set, any key may sign. */
import { type Address, ZERO_ADDRESS, ZERO_BYTES16 } from '../../protocol/bytes.ts';
import { type Amount, amount, type Seconds, seconds, seq } from '../../protocol/integers.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import type { TerminalEvent } from '../../protocol/machines/terminal/terminal.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import {
  hashChain,
  type Request,
  requestHash,
  type Voucher,
  voucherDigest,
} from '../../protocol/vouchers.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import { CHANNEL, keys, lease, type Payer, START, secret, signing, type Terminal } from './bench.ts';

export interface Numbers {
  seq?: number;
  spent?: number;
  paid?: number;
  channel?: number;
  lanes?: Uint8Array;
  payee?: Address;
}

/** A request of the terminal that is open nowhere any more. */
export function closedRequest(change: Partial<Request> = {}): Request {
  return {
    terminal: keys.terminal.address,
    amount: amount(1000),
    at: START,
    detail: secret(77),
    ...change,
  };
}

function numbersOf(request: Request, numbers: Numbers) {
  return {
    channel: (numbers.channel ?? CHANNEL) as never,
    seq: seq(numbers.seq ?? 1),
    spent: amount(numbers.spent ?? request.amount),
    payee: numbers.payee ?? keys.payee.address,
    paid: amount(numbers.paid ?? request.amount),
    request: requestHash(signing, request),
  };
}

export interface Forged {
  readonly voucher: Voucher;
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}

/** A plain voucher for a request, signed. */
export async function forge(
  request: Request,
  numbers: Numbers = {},
  key: typeof keys.payer = keys.payer,
  domain: Signing = signing,
): Promise<Forged> {
  const lanes = numbers.lanes ?? new Uint8Array(16);
  const voucher: Voucher = { kind: 'voucher', ...numbersOf(request, numbers), lanes };
  const digest = voucherDigest(domain, voucher);
  return { voucher, digest, signature: await key.sign(digest) };
}

/** A plain voucher for the terminal's open request, as it goes over the tap link. */
export async function voucherFor(
  terminal: Terminal,
  numbers: Numbers = {},
  key: typeof keys.payer = keys.payer,
  domain: Signing = signing,
): Promise<MessageOf<'voucher'>> {
  const { request } = terminal.state.volatile.open!;
  const { voucher, signature } = await forge(request, numbers, key, domain);
  const { channel, seq, spent, paid } = voucher;
  const lanes = voucher.kind === 'voucher' ? voucher.lanes : new Uint8Array(16);
  return { type: 'voucher', channel, seq, spent, paid, lanes, signature };
}

/** A plain voucher with its request opened: late, or invented. */
export async function resolveFor(
  request: Request,
  numbers: Numbers = {},
  key: typeof keys.payer = keys.payer,
): Promise<MessageOf<'resolveVoucher'>> {
  const { voucher, signature } = await forge(request, numbers, key);
  const { channel, seq, spent, paid } = voucher;
  const lanes = voucher.kind === 'voucher' ? voucher.lanes : new Uint8Array(16);
  return { type: 'resolveVoucher', channel, seq, spent, paid, lanes, ...request, signature };
}

export const CHAIN_SEED = secret(200);

/** Preimage of tick k of a forged stream of `ticks`. */
export const preimage = (ticks: number, k: number): Uint8Array =>
  hashChain(signing.suite, CHAIN_SEED, ticks - k);

/** A stream for the terminal's open stream request. */
export async function streamFor(terminal: Terminal, numbers: Numbers = {}): Promise<MessageOf<'stream'>> {
  const { request, message } = terminal.state.volatile.open!;
  if (message.type !== 'streamRequest') throw new Error('the open request is no stream');
  const anchor = hashChain(signing.suite, CHAIN_SEED, message.ticks);
  const { tickValue, ticks } = message;
  const fields = numbersOf(request, { spent: 0, paid: 0, ...numbers });
  const voucher: Voucher = { kind: 'stream', ...fields, anchor, tickValue, ticks };
  const signature = await keys.payer.sign(voucherDigest(signing, voucher));
  const { channel, seq, spent, paid } = voucher;
  return { type: 'stream', channel, seq, spent, paid, anchor, signature };
}

/** A stream of `ticks` at `tickValue` for a closed request, with the request opened. */
export async function resolveStreamFor(
  { terminal, at, detail }: Request,
  tickValue: number,
  ticks: number,
  numbers: Numbers = {},
): Promise<MessageOf<'resolveStream'>> {
  const request: Request = { terminal, amount: amount(0), at, detail };
  const anchor = hashChain(signing.suite, CHAIN_SEED, ticks);
  const fields = { ...numbersOf(request, { spent: 0, paid: 0, ...numbers }), anchor, ticks };
  const voucher: Voucher = { kind: 'stream', ...fields, tickValue: amount(tickValue) };
  const { channel, seq, spent, paid } = voucher;
  const signature = await keys.payer.sign(voucherDigest(signing, voucher));
  const terms = { anchor, tickValue: voucher.tickValue, ticks };
  return { type: 'resolveStream', channel, seq, spent, paid, ...terms, terminal, at, detail, signature };
}

export const tickMessage = (seqNumber: number, ticks: number, k: number): MessageOf<'tick'> => ({
  type: 'tick',
  channel: CHANNEL,
  seq: seq(seqNumber),
  k,
  preimage: preimage(ticks, k),
});

export const message = (sent: Message): TerminalEvent => ({ type: 'message', message: sent });

/** A forged payer walks up and shows its lease. */
export async function greet(terminal: Terminal, change: Partial<MessageOf<'lease'>> = {}): Promise<void> {
  const shown = await lease(change);
  await terminal.on({ type: 'linkUp' });
  await terminal.on(message({ type: 'hello', channel: CHANNEL, payer: keys.payer.address }));
  await terminal.on(message(shown));
}

/** An acknowledgement of the hub. */
export async function acknowledgement(
  entry: Uint8Array,
  key: typeof keys.hub = keys.hub,
  position = 5,
): Promise<MessageOf<'acknowledgement'>> {
  const fields = { entry, position: position as never, at: START };
  return {
    type: 'acknowledgement',
    ...fields,
    signature: await key.sign(signing.digest('Acknowledgement', fields)),
  };
}

/** The hub's word that a ledger of `size` entries holds no such entry. */
export async function unknown(
  entry: Uint8Array,
  size: number,
  key: typeof keys.hub = keys.hub,
  synced: { terminal: Uint8Array; at: Seconds } = { terminal: ZERO_ADDRESS, at: seconds(0) },
): Promise<MessageOf<'unknown'>> {
  const fields = { entry, size: size as never, terminal: synced.terminal, synced: synced.at };
  return { type: 'unknown', ...fields, signature: await key.sign(signing.digest('Unknown', fields)) };
}

/** A beacon of the hub. */
export async function beacon(
  at: Seconds,
  revocations: Uint8Array = new Uint8Array(32),
  key: typeof keys.hub = keys.hub,
  nonce: Uint8Array = ZERO_BYTES16,
): Promise<MessageOf<'beacon'>> {
  const fields = { at, height: 1 as never, revocations, checkpoint: new Uint8Array(32), nonce };
  return { type: 'beacon', ...fields, signature: await key.sign(signing.digest('Beacon', fields)) };
}

/** The hub answers the device's newest question for the time: that is a basis. */
export async function answerTime(device: Payer | Terminal, at: Seconds): Promise<void> {
  const asked = device.uploads.findLast((message) => message.type === 'timeQuestion');
  if (asked?.type !== 'timeQuestion') throw new Error('the device did not ask for the time');
  const message = await beacon(at, new Uint8Array(32), keys.hub, asked.nonce);
  await device.on({ type: 'hubMessage', message });
}

/** A certificate of the hub's root. */
export function certificate(
  address: Uint8Array,
  from: Seconds,
  change: { until?: Seconds; epoch?: number; signedAt?: Seconds } = {},
  root: typeof keys.root = keys.root,
): Promise<MessageOf<'hubKey'>> {
  return certifyHubKey(signing, root, { address, from, epoch: 0, signedAt: from, ...change });
}

export const later = (hours: number): Seconds => seconds(START + hours * 3600);
export const most = (value: number): Amount => amount(value);
