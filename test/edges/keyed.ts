/**
 * A payer or a till on its real runtime and journal that waits for one acknowledgement, and everybody who may tell it
 * something: the hub, its root, and a thief who has one of the hub's keys. Signatures are real.
 */
import { payerDevice, type PayerDevice, terminalDevice, type TerminalDevice } from '../../device/devices.ts';
import { openJournal } from '../../device/journal/journal.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { amount, type Seconds, seconds, seq } from '../../protocol/integers.ts';
import { HUB_KEY_LIFE_MAX } from '../../protocol/limits.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { hubTime, isBased } from '../../protocol/machines/time.ts';
import { type Request, requestHash, type Voucher, voucherDigest } from '../../protocol/vouchers.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import { RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import { CHANNEL, keys, lease, payerSettings, signing, START, terminalSettings } from '../protocol/bench.ts';
import { beacon, certificate } from '../protocol/forge.ts';
import { PlayedHub } from './uplink.ts';

export type Key = typeof keys.hub;
export type Side = 'payer' | 'terminal';

const DAY = 86_400;
const NO_LIST = new Uint8Array(32);
const BANKS = { banks: 2 };

/** Days after START. */
export const day = (days: number): Seconds => seconds(START + days * DAY);

/** The honest key is good from day -5 to 25, the stolen one from day -2 to 28. */
export const HONEST = keys.hub;
export const THIEF = keys.nextHub as unknown as Key;
export const HONEST_FROM = -5;
export const THIEF_FROM = -2;
export const THIEF_UNTIL = THIEF_FROM + HUB_KEY_LIFE_MAX / DAY;
/** Keys that the root certifies later, as many as anybody needs. */
export const LATER: readonly Key[] = [keys.stranger, keys.payee2, keys.terminal2, keys.payee] as never;

const request: Request = {
  terminal: keys.terminal.address,
  amount: amount(1000),
  at: START,
  detail: new Uint8Array(32),
};
const voucher: Voucher = {
  kind: 'voucher',
  channel: CHANNEL,
  seq: seq(1),
  spent: amount(1000),
  payee: keys.payee.address,
  paid: amount(1000),
  lanes: new Uint8Array(16),
  request: requestHash(signing, request),
};
const digest = voucherDigest(signing, voucher);

export class Keyed {
  readonly side: Side;
  device!: PayerDevice | TerminalDevice;
  hub!: PlayedHub;
  nowMs = 0;
  private readonly flash: RamFlash;
  private boots = 0;
  private refused = 0;

  private constructor(side: Side) {
    this.side = side;
    this.flash = new RamFlash({ size: 32 * 1024, blockSize: 4096, kind: 'nor', seed: 3 });
  }

  /** From the factory, with the honest key and something that waits; told the certificate of the stolen one, and the time. */
  static async create(side: Side): Promise<Keyed> {
    const made = new Keyed(side);
    const key = {
      type: 'hubKey',
      address: HONEST.address,
      from: day(HONEST_FROM),
      until: seconds(day(HONEST_FROM) + HUB_KEY_LIFE_MAX),
      epoch: 0,
      signedAt: day(HONEST_FROM),
    } as const;
    const journal = openJournal(made.flash, BANKS);
    const none = (): never[] => [];
    if (side === 'payer') {
      journal.append(payerRecords.encode({ type: 'channelOpened', channel: CHANNEL }), none);
      journal.append(payerRecords.encode(key), none);
      journal.append(payerRecords.encode({ ...(await lease()), signer: HONEST.address }), none);
      journal.append(payerRecords.encode({ type: 'intent', digest, voucher, request }), none);
    } else {
      journal.append(terminalRecords.encode(key), none);
      const receipt = await keys.terminal.sign(signing.digest('Receipt', { voucher: digest }));
      const signature = await keys.payer.sign(digest);
      const collected = { voucher, request, signature, receipt };
      const answered = { type: 'answered', digest, payer: keys.payer.address, ...collected } as const;
      journal.append(terminalRecords.encode(answered), none);
    }
    await made.powerCut();
    await made.tell(await certificate(THIEF.address, day(THIEF_FROM), { signedAt: day(THIEF_FROM) }));
    await made.tell(await beacon(START, NO_LIST, HONEST));
    return made;
  }

  /** Power is gone, and comes back; the hub is there. */
  async powerCut(): Promise<void> {
    this.boots += 1;
    const host = {
      key: this.side === 'payer' ? keys.payer : keys.terminal,
      clock: {
        monotonicMs: () => this.nowMs,
        realTimeSeconds: () => undefined,
        schedule: () => () => undefined,
      },
      entropy: { certified: true, random: (length: number) => new Uint8Array(length).fill(this.boots) },
    };
    const open = () => openJournal(this.flash, BANKS);
    const observer = {
      onNotice: (notice: Notice): void => {
        if (notice.type === 'refused' && notice.by === 'us') this.refused += 1;
      },
    };
    this.device =
      this.side === 'payer'
        ? payerDevice(signing, payerSettings, host, open, observer)
        : terminalDevice(signing, await terminalSettings(), host, open, observer);
    await this.device.start();
    this.hub = await PlayedHub.connect(this.device);
  }

  tell(message: Message): Promise<void> {
    return this.hub.tell(message);
  }

  /** The time by which it judges the hub's keys. */
  get time(): Seconds {
    return hubTime(this.device.state.volatile.time, this.nowMs);
  }

  get isBased(): boolean {
    return isBased(this.device.state.volatile.time, this.nowMs);
  }

  knows({ address }: Key): boolean {
    const { books, volatile } = this.device.state;
    const all = [
      ...books.hub.certified,
      ...(volatile.trust.candidate === undefined ? [] : [volatile.trust.candidate]),
    ];
    return all.some((key) => equalBytes(key.address, address));
  }

  /** Does it still wait for the hub? */
  get waits(): boolean {
    const { books } = this.device.state;
    return 'unconfirmed' in books ? books.unconfirmed.length > 0 : books.outbox.length > 0;
  }

  /** Signed by this key: the hub has what it waits for. Returns whether it believed that. */
  async acknowledge(key: Key): Promise<boolean> {
    const fields = { entry: digest, position: 5 as never, at: START };
    const signature = await key.sign(signing.digest('Acknowledgement', fields));
    await this.tell({ type: 'acknowledgement', ...fields, signature });
    return !this.waits;
  }

  /** A beacon of any key and time. Returns whether it was believed, although it may have moved nothing. */
  async beacon(key: Key, at: Seconds, nonce?: Uint8Array): Promise<boolean> {
    return this.believes(await beacon(at, NO_LIST, key, nonce));
  }

  /** Says it, and returns whether the device had nothing against it. */
  async believes(message: Message): Promise<boolean> {
    const before = this.refused;
    await this.tell(message);
    return this.refused === before;
  }

  /** The lease that it holds was signed by this key. */
  holdsLeaseOf({ address }: Key): boolean {
    const { books, volatile } = this.device.state;
    if ('lease' in books) return books.lease !== undefined && equalBytes(books.lease.signer, address);
    return 'leases' in volatile && volatile.leases.some(({ signer }) => equalBytes(signer, address));
  }

  /** Somebody shows it a lease that this key signed: a payer gets its own, a till one of whoever taps. */
  async showLease(key: Key, issuedAt: Seconds): Promise<boolean> {
    const message = await lease({ issuedAt, expiresAt: seconds(issuedAt + 365 * DAY) }, key);
    if (this.side === 'payer') await this.tell(message);
    else {
      void this.device.dispatch({ type: 'linkUp' });
      const hello: Message = { type: 'hello', channel: CHANNEL, payer: keys.payer.address };
      for (const said of [hello, message]) {
        void this.device.dispatch({ type: 'message', message: said });
        await this.device.idle();
      }
    }
    return this.holdsLeaseOf(key);
  }
}
