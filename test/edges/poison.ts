/**
 * Customers with firmware of their own bring late vouchers, to fill a till's outbox with what no hub ever takes. The till is
 * the real machine, the hub the real intake; between them go the real bytes.
 *
 * Not looked at here: flash (the boards' section), and what a voucher that was accepted may do to the hub.
 */
import { intakeStep } from '../../hub/intake/intake.ts';
import type { IntakeEffect, IntakeEvent, IntakeState } from '../../hub/intake/state.ts';
import { emptyIntake } from '../../hub/intake/state.ts';
import { amount, channelId, height, position, seconds, seq } from '../../protocol/integers.ts';
import { SYNC_RETRY_MS, TICKS_MAX, VOIDS_WAITING_MAX } from '../../protocol/limits.ts';
import { requestHash, type Voucher, voucherDigest } from '../../protocol/vouchers.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { keys, lease, makeTerminal, sale, signing, site, START, type Terminal } from '../protocol/bench.ts';
import { acknowledgement } from '../protocol/forge.ts';

const CUSTOMERS = 12;
const OUTBOX = 64;
const MANY = 2 ** 48 - 1;

export interface PoisonCounts {
  /** Late vouchers that the customers brought. */
  readonly sent: number;
  /** Of these the till took: each as a void with its credit. */
  readonly taken: number;
  /** Entries that were left in the outbox when the hub had answered everything. */
  readonly stuck: number;
  /** Honest sales that went through while it went on, and how many were tried. */
  readonly sold: number;
  readonly offered: number;
}

interface Customer {
  readonly channel: number;
  readonly key: ReturnType<typeof nobleKey>;
  seq: number;
}

type Numbers = Partial<{ spent: number; paid: number; amount: number; tickValue: number; ticks: number }>;

/** What such a customer may write into a voucher for a request that was closed long ago. */
const TRICKS: readonly (Numbers & { readonly stream: boolean })[] = [
  { stream: false },
  { stream: false, spent: 0, paid: 1 },
  { stream: false, spent: 5, paid: 4, amount: 5 },
  { stream: false, amount: 0, spent: 0, paid: 0 },
  { stream: false, spent: MANY, paid: MANY, amount: MANY },
  { stream: true },
  { stream: true, ticks: 0 },
  { stream: true, tickValue: 0 },
  { stream: true, ticks: TICKS_MAX + 1 },
  { stream: true, ticks: 65_535, tickValue: MANY },
  { stream: true, spent: MANY, paid: 0, tickValue: 1, ticks: 2 },
  { stream: true, spent: 0, paid: 7 },
];

class Hub {
  private state: IntakeState = emptyIntake;
  private readonly context = {
    signing,
    hub: site.hub,
    timing: site.timing,
    scopes: {},
    leaseAnyScope: true,
    indexedMax: 1e6,
    development: false,
  };
  private places = 0;

  constructor(customers: readonly Customer[]) {
    this.step({ type: 'block', at: START, height: height(1) });
    for (const { channel, key } of customers) {
      const money = {
        deposited: amount(100_000_000),
        spendable: amount(80_000_000),
        bond: amount(20_000_000),
      };
      const facts = { payer: key.address, ...money, exiting: false, slashed: false };
      this.step({ type: 'channel', channel: channelId(channel), facts });
    }
    this.step({ type: 'payee', payee: keys.payee.address });
    const device = keys.terminal.address;
    this.step({ type: 'device', device, counter: 0, payee: keys.payee.address });
  }

  private step(event: IntakeEvent): readonly IntakeEffect[] {
    const { state, effects } = intakeStep(this.context, this.state, event);
    this.state = state;
    return effects;
  }

  /** One message, to the disk and back: the digests that are acknowledged. */
  take(message: Message): Uint8Array[] {
    const answers: IntakeEffect[] = [];
    const bytes = encodeMessage(message);
    for (const effect of this.step({ type: 'message', device: 'till', bytes, now: START })) {
      answers.push(effect);
      if (effect.type !== 'persist') continue;
      const written = { type: 'persisted', token: effect.token, position: position(this.places++) } as const;
      answers.push(...this.step(written));
    }
    return answers.flatMap((effect) => (effect.type === 'acknowledge' ? [effect.entry] : []));
  }
}

async function lateVoucher(
  customer: Customer,
  trick: Numbers & { readonly stream: boolean },
  n: number,
): Promise<Message> {
  const request = {
    terminal: keys.terminal.address,
    amount: amount(trick.stream ? 0 : (trick.amount ?? 100)),
    at: seconds(START - 100),
    detail: new Uint8Array(32).fill(n & 255),
  };
  customer.seq += 1;
  const numbers = {
    channel: channelId(customer.channel),
    seq: seq(customer.seq),
    spent: amount(trick.spent ?? 100 * customer.seq),
    payee: keys.payee.address,
    paid: amount(trick.paid ?? 100 * customer.seq),
    request: requestHash(signing, request),
  };
  const chain = {
    anchor: new Uint8Array(32).fill(n & 255),
    tickValue: amount(trick.tickValue ?? 5),
    ticks: trick.ticks ?? 9,
  };
  const lanes = new Uint8Array(16);
  const voucher: Voucher = trick.stream
    ? { kind: 'stream', ...numbers, ...chain }
    : { kind: 'voucher', ...numbers, lanes };
  const signature = await customer.key.sign(voucherDigest(signing, voucher));
  const { channel, seq: of, spent, paid } = numbers;
  const { terminal, at, detail } = request;
  const shared = { channel, seq: of, spent, paid, terminal, at, detail, signature };
  return trick.stream
    ? { type: 'resolveStream', ...shared, ...chain }
    : { type: 'resolveVoucher', ...shared, lanes, amount: request.amount };
}

async function meet(till: Terminal, { channel, key }: Customer): Promise<void> {
  await till.on({ type: 'linkUp' });
  const say = (message: Message): Promise<void> => till.on({ type: 'message', message });
  await say({ type: 'hello', channel: channelId(channel), payer: key.address });
  await say(await lease({ channel: channelId(channel), payer: key.address }));
}

const voids = (till: Terminal, { channel }: Customer): number =>
  till.state.books.outbox.filter((entry) => entry.channel === channel).length;

/** Brings `count` late vouchers to a till that meets its hub now and then, and counts what becomes of them. */
export async function poison(count: number): Promise<PoisonCounts> {
  const customers = Array.from({ length: CUSTOMERS }, (_, i) => ({
    channel: 10 + i,
    key: nobleKey(new Uint8Array(32).fill(0x40 + i)),
    seq: 0,
  }));
  const till = await makeTerminal({ settings: { outboxMax: OUTBOX } });
  const hub = new Hub(customers);
  let taken = 0;
  let sold = 0;
  let offered = 0;

  const drain = async (): Promise<void> => {
    till.uplink = async (message) => {
      for (const entry of hub.take(message))
        await till.on({ type: 'hubMessage', message: await acknowledgement(entry) });
    };
    await till.on({ type: 'hubConnected' });
    for (let round = 0; round < OUTBOX && till.state.books.outbox.length > 0; round++) {
      till.nowMs += SYNC_RETRY_MS;
      await till.on({ type: 'clock', realTime: seconds(START + Math.floor(till.nowMs / 1000)) });
    }
    await till.on({ type: 'hubLost' });
    till.uplink = undefined;
  };

  for (let n = 0; n < count; n++) {
    const customer = customers[n % CUSTOMERS]!;
    await meet(till, customer);
    const before = till.state.books.outbox.length;
    await till.on({ type: 'message', message: await lateVoucher(customer, TRICKS[n % TRICKS.length]!, n) });
    if (till.state.books.outbox.length > before) taken += 1;
    if (voids(till, customer) > VOIDS_WAITING_MAX) throw new Error(`${voids(till, customer)} voids of one`);
    await till.on({ type: 'linkDown' });
    if (n % 50 !== 49) continue;
    offered += 1;
    till.notices.length = 0;
    await till.on(sale(1000, n & 127));
    if (till.said('requested').length > 0) sold += 1;
    await till.on({ type: 'cancel' });
    await drain();
  }
  await drain();
  return { sent: count, taken, stuck: till.state.books.outbox.length, sold, offered };
}
