/**
 * A till with customers by the hundred: the real machine, runtime and journal over a board's flash, and payers that are no
 * more than what they would send. What was approved is written down beside it. Signatures are the simulator's stand-in.
 */
import { type JournalPlace, type TerminalDevice, terminalDevice } from '../../device/devices.ts';
import { journalRoom } from '../../device/journal/capacity.ts';
import { openJournal, salvageJournal } from '../../device/journal/journal.ts';
import type { Fault } from '../../device/runtime.ts';
import type { Uplink } from '../../hardware/interfaces/index.ts';
import { concatBytes, equalBytes, toHex, uintBytes, ZERO_BYTES16 } from '../../protocol/bytes.ts';
import { addAmounts, amount, channelId, height, position, seconds, seq } from '../../protocol/integers.ts';
import { DEFAULT_TIMING, REVOCATIONS_MAX, SYNC_RETRY_MS } from '../../protocol/limits.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import type { TerminalLimits } from '../../protocol/machines/terminal/room.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { creditEntry, SCOPE_ANY, tickEntry, type Voucher, voucherDigest } from '../../protocol/vouchers.ts';
import { decodeMessage, encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { PowerCut, type RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import { type SimulatedKey, standInSuite } from '../../simulators/stage/world/suite.ts';

const START = seconds(1_790_000_000);
// Numbers that take as many bytes as any do: what fills a flash here fills it as much as anything can.
const PRICE = amount(2 ** 33 + 1);
const TICK = amount(2 ** 33 + 3);
const SPENT = amount(2 ** 40);
const MOST = amount(2 ** 47);
const FIRST_SEQ = seq(2 ** 31);
const NEXT_SEQ = seq(2 ** 31 + 1);
const LAST_CHANNEL = 2 ** 32 - 1;
export const TICKS = 8;

const suite = standInSuite();
const signing = makeSigning(suite, { chainId: 31_337, vault: new Uint8Array(20).fill(0x5d) });
const keyOf = (number: number): SimulatedKey => {
  const secret = new Uint8Array(32).fill(7);
  secret.set(uintBytes(number, 4));
  return suite.key(secret);
};
const hub = keyOf(1);
const payee = keyOf(2);
const terminalKey = keyOf(3);

/** Somebody who pays once, with a channel of its own. */
interface Customer {
  readonly channel: number;
  readonly key: SimulatedKey;
  readonly chain: readonly Uint8Array[];
}

/** What a till promised, by the digest of the voucher or the tick's entry. */
export interface Promised {
  /** Approved and not yet acknowledged by the hub, by the signature that came with it. */
  readonly open: Map<string, Uint8Array>;
  /** All that were ever approved. */
  approved: number;
  /** Those that came up to the hub and were acknowledged. */
  handedIn: number;
}

export class Till {
  device!: TerminalDevice;
  readonly flash: RamFlash;
  readonly promised: Promised = { open: new Map(), approved: 0, handedIn: 0 };
  readonly faults: Fault[] = [];
  /** Digests that its key signed. */
  signatures = 0;
  refused: string | undefined;
  private readonly banks: number;
  private readonly limits: { outboxMax: number; lanesMax: number };
  private readonly role: 'pos' | 'charger';
  private requested: Uint8Array | undefined;
  private approved = false;
  private customers = 0;
  private uploads: Message[] = [];
  private toDevice: ((bytes: Uint8Array) => void) | undefined;
  private dead = false;
  private nowMs = 0;

  constructor(flash: RamFlash, banks: number, limits: TerminalLimits, role: 'pos' | 'charger') {
    this.flash = flash;
    this.banks = banks;
    this.limits = { ...limits };
    this.role = role;
  }

  /** A till that has just left the factory, switched on. */
  static async create(
    flash: RamFlash,
    banks: number,
    limits: TerminalLimits,
    role: 'pos' | 'charger' = 'pos',
  ): Promise<Till> {
    const till = new Till(flash, banks, limits, role);
    const hubKey = {
      address: hub.address,
      from: seconds(0),
      until: seconds(START + 1e8),
      epoch: 0,
      signedAt: seconds(0),
    };
    openJournal(flash, { banks }).append(terminalRecords.encode({ type: 'hubKey', ...hubKey }), () => []);
    await till.switchOn();
    await till.revokeMany();
    return till;
  }

  /** Another till over a copy of the flash, off, which promised the same. */
  copied(): Till {
    const other = new Till(this.flash.copy(), this.banks, this.limits, this.role);
    for (const [name, digest] of this.promised.open) other.promised.open.set(name, digest);
    other.customers = this.customers;
    return other;
  }

  /** Starts the device from what its flash holds. */
  async switchOn(): Promise<void> {
    this.flash.cutAt = undefined;
    this.dead = false;
    this.toDevice = undefined;
    const { flash, banks, role, limits } = this;
    const expiresAt = seconds(START + 1e8);
    const named = { terminal: terminalKey.address, payee: payee.address, expiresAt };
    const place: JournalPlace = {
      room: journalRoom(flash, banks),
      open: () => openJournal(flash, { banks }),
      salvage: () => salvageJournal(flash, { banks }),
    };
    this.device = terminalDevice(
      signing,
      {
        hub: { id: new Uint8Array(32), root: hub.address },
        timing: DEFAULT_TIMING,
        role,
        scheme: 'secp256k1',
        payee: payee.address,
        certificate: { expiresAt, signature: payee.sign(signing.digest('Terminal', named)) },
        capTotal: MOST,
        wideMax: MOST,
        get outboxMax() {
          return limits.outboxMax;
        },
        get lanesMax() {
          return limits.lanesMax;
        },
        entropyCertified: true,
      },
      {
        key: {
          scheme: 'secp256k1',
          address: terminalKey.address,
          sign: async (digest) => {
            this.signatures += 1;
            return terminalKey.sign(digest);
          },
        },
        clock: {
          monotonicMs: () => this.nowMs,
          // Ahead of all that the hub of this bench ever signs.
          realTimeSeconds: () => START + 10_000 + Math.floor(this.nowMs / 1000),
          schedule: () => () => undefined,
        },
        entropy: { certified: true, random: (length) => new Uint8Array(length).fill(1) },
      },
      place,
      {
        onNotice: (notice) => this.onNotice(notice),
        onFault: (fault) => this.faults.push(fault),
        onCrash: (error) => {
          if (!(error instanceof PowerCut)) throw error;
          this.dead = true;
        },
      },
    );
    await this.device.start();
    await this.device.idle();
  }

  /** Other limits from now on, which no start has checked. */
  widen({ outboxMax, lanesMax }: TerminalLimits): void {
    Object.assign(this.limits, { outboxMax, lanesMax });
  }

  get isDead(): boolean {
    return this.dead;
  }

  private onNotice(notice: Notice): void {
    if (notice.type === 'requested') this.requested = notice.request;
    if (notice.type === 'refused' && notice.by === 'us') this.refused = notice.code;
    if (notice.type === 'approved' || notice.type === 'streamOpened') this.approved = true;
  }

  private async tell(message: Message): Promise<void> {
    void this.device.dispatch({ type: 'message', message });
    await this.device.idle();
  }

  private customer(): Customer {
    this.customers += 1;
    const key = keyOf(1000 + this.customers);
    const chain = [uintBytes(this.customers, 32)];
    for (let i = 0; i < TICKS; i++) chain.unshift(suite.keccak256(chain[0]!));
    return { channel: LAST_CHANNEL - this.customers, key, chain };
  }

  /** A link to somebody who greets and shows a lease. */
  private async meet({ channel, key }: Customer): Promise<void> {
    void this.device.dispatch({ type: 'linkUp' });
    await this.device.idle();
    await this.tell({ type: 'hello', channel: channelId(channel), payer: key.address });
    const terms = {
      channel: channelId(channel),
      payer: key.address,
      spentFrom: amount(0),
      spendLimit: MOST,
      tapLimit: SPENT,
      cap: MOST,
      guarantee: amount(0),
      issuedAt: seconds(START - 60),
      expiresAt: seconds(START + 1e6),
      scope: SCOPE_ANY,
    };
    await this.tell({ type: 'lease', ...terms, signature: hub.sign(signing.digest('Lease', terms)) });
  }

  /** Opens a request; false when the till refuses, and why stands in `refused`. */
  private async ask(event: Parameters<TerminalDevice['dispatch']>[0]): Promise<boolean> {
    this.requested = undefined;
    this.refused = undefined;
    void this.device.dispatch(event);
    await this.device.idle();
    return this.requested !== undefined;
  }

  private async pay(customer: Customer, voucher: Voucher): Promise<boolean> {
    const digest = voucherDigest(signing, voucher);
    const signature = customer.key.sign(digest);
    const { channel, seq: number, spent, paid } = voucher;
    const numbers = { channel, seq: number, spent, paid, signature };
    this.approved = false;
    await this.tell(
      voucher.kind === 'voucher'
        ? { type: 'voucher', ...numbers, lanes: voucher.lanes }
        : { type: 'stream', ...numbers, anchor: voucher.anchor },
    );
    if (!this.approved) return false;
    this.promised.approved += 1;
    this.promised.open.set(toHex(signature), digest);
    return true;
  }

  /** A new customer pays. False when nothing is sold any more. */
  async sell(): Promise<boolean> {
    const challenge = new Uint8Array(16).fill(this.customers & 255);
    if (!(await this.ask({ type: 'sale', amount: PRICE, currency: 'TIME', challenge }))) return false;
    const customer = this.customer();
    await this.meet(customer);
    return this.pay(customer, {
      kind: 'voucher',
      channel: channelId(customer.channel),
      seq: FIRST_SEQ,
      spent: SPENT,
      payee: payee.address,
      paid: PRICE,
      lanes: new Uint8Array(16),
      request: this.requested!,
    });
  }

  /**
   * A new car charges for one tick; undefined when nothing is offered any more. It may drive off, and bring its next
   * tick later, or pay the voucher that closes the session.
   */
  async charge(): Promise<
    { late(): Promise<void>; close(): Promise<boolean>; readonly channel: number } | undefined
  > {
    const challenge = new Uint8Array(16).fill(this.customers & 255);
    const offer = { type: 'streamSale', tickValue: TICK, ticks: TICKS, currency: 'TIME', challenge } as const;
    if (!(await this.ask(offer))) return undefined;
    const customer = this.customer();
    await this.meet(customer);
    const shared = { channel: channelId(customer.channel), payee: payee.address };
    const opened = await this.pay(customer, {
      kind: 'stream',
      ...shared,
      seq: FIRST_SEQ,
      spent: SPENT,
      paid: SPENT,
      request: this.requested!,
      anchor: customer.chain[0]!,
      tickValue: TICK,
      ticks: TICKS,
    });
    if (!opened) return undefined;
    await this.tick(customer, 1);
    void this.device.dispatch({ type: 'delivered', channel: shared.channel, k: 1, challenge });
    await this.device.idle();
    return {
      channel: customer.channel,
      late: async () => {
        await this.meet(customer);
        await this.tick(customer, 2);
      },
      close: async () => {
        if (!(await this.ask({ type: 'closeSession', challenge }))) return false;
        const top = addAmounts(SPENT, TICK);
        const numbers = { seq: NEXT_SEQ, spent: top, paid: top, lanes: new Uint8Array(16) };
        return this.pay(customer, { kind: 'voucher', ...shared, ...numbers, request: this.requested! });
      },
    };
  }

  private tick({ channel, chain }: Customer, k: number): Promise<void> {
    return this.tell({ type: 'tick', channel: channelId(channel), seq: FIRST_SEQ, k, preimage: chain[k]! });
  }

  // ---- the hub ----

  private revoked = 0;

  /** The hub's longest list of revoked channels, another one each time: the largest record of all. */
  async revokeMany(): Promise<void> {
    this.revoked += 1;
    const channels = Array.from({ length: REVOCATIONS_MAX }, (_, i) => channelId(2 ** 31 + i + this.revoked));
    const fields = {
      at: seconds(START + this.revoked),
      height: height(1),
      revocations: suite.keccak256(concatBytes(...channels.map((id) => uintBytes(id, 4)))),
      checkpoint: new Uint8Array(32),
      nonce: ZERO_BYTES16,
    };
    const signature = hub.sign(signing.digest('Beacon', fields));
    void this.device.dispatch({ type: 'hubMessage', message: { type: 'beacon', ...fields, signature } });
    void this.device.dispatch({ type: 'hubMessage', message: { type: 'revocations', channels } });
    await this.device.idle();
  }

  /** The hub is there: takes and acknowledges everything until nothing comes any more, or the power goes. */
  async drain(): Promise<void> {
    const uplink: Uplink = {
      send: (bytes) => {
        const decoded = decodeMessage(bytes, 'sync');
        if (decoded.ok && decoded.message) this.uploads.push(decoded.message);
      },
      receive: (onMessage, onConnected) => {
        this.toDevice = onMessage;
        onConnected(true);
      },
      close: () => undefined,
    };
    this.uploads = [];
    if (this.toDevice === undefined) this.device.attachUplink(uplink);
    else {
      // What was sold meanwhile goes up when the device looks at its clock.
      this.nowMs += 2 * SYNC_RETRY_MS;
      void this.device.dispatch({ type: 'clock' });
    }
    await this.device.idle();
    while (this.uploads.length > 0 && !this.dead) {
      const [message] = this.uploads.splice(0, 1);
      if (message?.type !== 'pack') continue;
      for (const bytes of message.entries) {
        if (this.dead) return;
        await this.takeIn(bytes);
      }
    }
  }

  private async takeIn(bytes: Uint8Array): Promise<void> {
    const decoded = decodeMessage(bytes, 'sync');
    if (!decoded.ok || decoded.message === undefined) throw new Error('a pack with what is no message');
    const { message } = decoded;
    let entry: Uint8Array;
    if (message.type === 'collectedVoucher' || message.type === 'collectedStream') {
      const name = toHex(message.signature);
      const digest = this.promised.open.get(name);
      if (digest !== undefined) this.taken.set(toHex(digest), name);
      entry = digest ?? this.known.get(name)!;
      if (entry === undefined) throw new Error('a voucher came up that nobody paid');
      this.known.set(name, entry);
    } else if (message.type === 'collectedTick')
      entry = tickEntry(suite, message.stream, message.k, message.preimage);
    else if (message.type === 'collectedCredit')
      entry = creditEntry(signing, message.voucher, message.credited);
    else throw new Error(`a pack with ${message.type}`);
    const fields = { entry, position: position(this.customers), at: START };
    const signature = hub.sign(signing.digest('Acknowledgement', fields));
    this.toDevice!(encodeMessage({ type: 'acknowledgement', ...fields, signature }));
    await this.device.idle();
    const name = this.taken.get(toHex(entry));
    // What was acknowledged may go; what the cut kept from being stored comes up again.
    if (name !== undefined && this.promised.open.delete(name)) this.promised.handedIn += 1;
  }

  private readonly taken = new Map<string, string>();
  private readonly known = new Map<string, Uint8Array>();

  /** Is the voucher of every promise that the hub has not got still in the books? */
  get keepsPromises(): boolean {
    const { outbox } = this.device.state.books;
    return [...this.promised.open.values()].every((digest) =>
      outbox.some((entry) => entry.kind === 'voucher' && equalBytes(entry.entry, digest)),
    );
  }
}
