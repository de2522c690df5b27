/** What all devices of a walk share: keys, leases, the messages that were ever sent, the vouchers ever made. */
import { type Address, equalBytes, toHex, ZERO_ADDRESS } from '../../protocol/bytes.ts';
import { amount, channelId, type Position, seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING, terminalCapOf } from '../../protocol/limits.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { detailHash, type Request, requestHash, SCOPE_ANY, type Voucher } from '../../protocol/vouchers.ts';
import { encodeMessage, type Message, type MessageOf } from '../../protocol/wire/messages.ts';
import type { Config } from './config.ts';
import { canonical, Interner } from './space.ts';
import { addressNamed, signedDigest, standInSignature, standInSuite } from './suite.ts';

export const CHANNEL = channelId(1);
export const START = seconds(1_790_000_000);
/** Monotonic milliseconds after which every lease has run out and every request is stale. */
export const EXPIRED_MS = 100 * 3600 * 1000;
export const TAP_LIMIT = amount(8);

/** Digests of all walks. */
export const SIGNING: Signing = makeSigning(standInSuite, { chainId: 31337, vault: addressNamed(0xee) });

export interface Sent {
  readonly message: Message;
  readonly name: string;
  /** From the payer to every terminal, or from a terminal to the payer. */
  readonly byPayer: boolean;
  /** Of a request: its hash as text. */
  readonly request?: string;
  /** Of a voucher: its digest as text. */
  readonly voucher?: string;
  /** The same voucher with its request opened. */
  readonly resolving?: Message;
  /** Of a receipt or tick answer: the least that the payee must be able to claim from now on. */
  readonly promise?: { readonly payee: number; readonly top: number };
}

export interface Made {
  readonly name: string;
  readonly voucher: Voucher;
  readonly request: Request;
}

type VoucherMessage = Extract<Message, { type: 'voucher' | 'stream' | 'resolveVoucher' | 'resolveStream' }>;

const VOUCHERS: readonly string[] = ['voucher', 'stream', 'resolveVoucher', 'resolveStream'];
const isVoucher = (message: Message): message is VoucherMessage => VOUCHERS.includes(message.type);

export class Scene {
  readonly config: Config;
  readonly signing = SIGNING;
  readonly payer = addressNamed(0x10);
  readonly hub = addressNamed(0x20);
  readonly payees = [addressNamed(0x30), addressNamed(0x31)];
  readonly terminals: readonly Uint8Array[];
  readonly hubKey = {
    address: this.hub,
    from: seconds(0),
    until: seconds(START + 10 * 365 * 86_400),
    epoch: 0,
    signedAt: seconds(0),
  };
  /** What machines are told of the hub. No walk is about its keys: one stands. */
  readonly site = { hub: { id: new Uint8Array(32), root: addressNamed(0x21) }, timing: DEFAULT_TIMING };
  readonly lease: MessageOf<'lease'>;
  readonly sent = new Interner<Sent>();
  private readonly certificates: MessageOf<'certificate'>[] = [];
  private readonly made = new Map<string, Made>();

  constructor(config: Config) {
    this.config = config;
    this.terminals = config.terminals.map((_, index) => addressNamed(0x40 + index));
    const fields = {
      channel: CHANNEL,
      payer: this.payer,
      spentFrom: amount(0),
      spendLimit: amount(config.spendLimit ?? 6),
      tapLimit: TAP_LIMIT,
      cap: terminalCapOf(TAP_LIMIT),
      guarantee: amount(0),
      issuedAt: START,
      expiresAt: seconds(START + 72 * 3600),
      scope: SCOPE_ANY,
    };
    const signature = standInSignature(this.hub, this.signing.digest('Lease', fields));
    this.lease = { type: 'lease', ...fields, signature };
  }

  certificate(terminal: number): MessageOf<'certificate'> {
    this.certificates[terminal] ??= this.certify(terminal);
    return this.certificates[terminal]!;
  }

  private certify(terminal: number): MessageOf<'certificate'> {
    const fields = {
      terminal: this.terminals[terminal]!,
      payee: this.payees[this.config.terminals[terminal]!]!,
      expiresAt: seconds(START + 10 * 365 * 86_400),
    };
    const signature = standInSignature(fields.payee, this.signing.digest('Terminal', fields));
    return { type: 'certificate', ...fields, signature };
  }

  /** The hub's signed word. Where nobody looks at positions, all are 0, so that states are one. */
  acknowledgement(entry: Uint8Array, position: number, by: Address = this.hub): MessageOf<'acknowledgement'> {
    const fields = { entry, position: (this.config.evicts ? position : 0) as Position, at: START };
    const digest = this.signing.digest('Acknowledgement', fields);
    return { type: 'acknowledgement', ...fields, signature: standInSignature(by, digest) };
  }

  unknown(
    entry: Uint8Array,
    size: number,
    terminal = ZERO_ADDRESS,
    synced: number = 0,
  ): MessageOf<'unknown'> {
    const fields = { entry, size: size as Position, terminal, synced: seconds(synced) };
    const digest = this.signing.digest('Unknown', fields);
    return { type: 'unknown', ...fields, signature: standInSignature(this.hub, digest) };
  }

  /** Remembers a voucher that a payer was about to sign. */
  note(digest: Uint8Array, voucher: Voucher, request: Request): void {
    const key = toHex(digest);
    const at = this.terminals.findIndex((terminal) => equalBytes(terminal, request.terminal));
    const name = `${voucher.kind} ${voucher.seq} (${request.amount} to terminal ${at})`;
    if (!this.made.has(key)) this.made.set(key, { name, voucher, request });
  }

  voucher(digest: Uint8Array): Made | undefined {
    return this.made.get(toHex(digest));
  }

  vouchers(): IterableIterator<[string, Made]> {
    return this.made.entries();
  }

  payeeNumber(payee: Uint8Array): number {
    return this.payees.findIndex((known) => equalBytes(known, payee));
  }

  /** Number of a message that a device sent, through its real bytes. `stream`: digest that a tick's answer is for. */
  emit(message: Message, byPayer: boolean, stream?: Uint8Array): number {
    encodeMessage(message);
    const key = isVoucher(message) ? canonical(signedDigest(message.signature)) : canonical(message);
    const answered = message.type === 'tickAnswer' ? stream : undefined;
    return this.sent.number(`${byPayer}${key}${answered ? canonical(answered) : ''}`, () =>
      this.describe(message, byPayer, answered),
    );
  }

  /** A voucher as it is sent for the first time, for the terminal whose request is still open. */
  private short({ voucher }: Made, signature: Uint8Array): Message {
    const { channel, seq, spent, paid } = voucher;
    const tap = { channel, seq, spent, paid, signature };
    return voucher.kind === 'stream'
      ? { type: 'stream', ...tap, anchor: voucher.anchor }
      : { type: 'voucher', ...tap, lanes: voucher.lanes };
  }

  /** The same with its request opened. */
  private resolving(made: Made, signature: Uint8Array): Message {
    const { voucher, request } = made;
    const { terminal, at, detail, amount } = request;
    const { channel, seq, spent, paid } = voucher;
    const shared = { channel, seq, spent, paid, terminal, at, detail, signature };
    if (voucher.kind === 'voucher')
      return { type: 'resolveVoucher', ...shared, lanes: voucher.lanes, amount };
    const { anchor, tickValue, ticks } = voucher;
    return { type: 'resolveStream', ...shared, anchor, tickValue, ticks };
  }

  private describe(message: Message, byPayer: boolean, answered: Uint8Array | undefined): Sent {
    const base = { message, byPayer, name: message.type as string };
    switch (message.type) {
      case 'request':
      case 'streamRequest': {
        const amountAsked = message.type === 'request' ? message.amount : amount(0);
        const detail = detailHash(this.signing.suite, message);
        const { terminal, at } = message;
        const request = toHex(requestHash(this.signing, { terminal, amount: amountAsked, at, detail }));
        const from = this.terminals.findIndex((known) => equalBytes(known, terminal));
        return { ...base, request, name: `request for ${amountAsked || 'ticks'} of terminal ${from}` };
      }
      case 'voucher':
      case 'stream':
      case 'resolveVoucher':
      case 'resolveStream': {
        // Both forms are one message of the walk: whoever heard the request can open it.
        const digest = signedDigest(message.signature);
        const made = this.voucher(digest)!;
        return {
          byPayer,
          message: this.short(made, message.signature),
          resolving: this.resolving(made, message.signature),
          voucher: toHex(digest),
          name: made.name,
        };
      }
      case 'receipt': {
        const made = this.voucher(message.voucher);
        if (made === undefined) return base;
        const { voucher, name } = made;
        const promise = { payee: this.payeeNumber(voucher.payee), top: voucher.paid };
        return { ...base, promise, name: `receipt for ${name}` };
      }
      case 'credit':
        return { ...base, name: `credit of ${message.credited} for ${this.voucher(message.voucher)?.name}` };
      case 'unknown': {
        const made = this.voucher(message.entry);
        return { ...base, name: `the hub's word: no ${made?.name} in ${message.size} entries` };
      }
      case 'tick':
        return { ...base, name: `tick ${message.k} of ${message.seq}` };
      case 'tickAnswer': {
        const stream = answered && this.voucher(answered);
        if (stream === undefined) return base;
        const { voucher } = stream;
        // Ticks are worth 1 each in every configuration.
        const top = voucher.paid + message.k;
        return {
          ...base,
          promise: { payee: this.payeeNumber(voucher.payee), top },
          name: `answer to tick ${message.k} of ${message.seq}`,
        };
      }
      default:
        return base;
    }
  }
}
