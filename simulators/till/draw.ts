/** What a day at the tills will be, drawn from one seed: who comes, what is bought, and what is killed when. */
import { Random } from '../stage/world/random.ts';

/** Of TIME, in cents; the API takes units. */
const CENT = 10_000;

/** TIME for a euro, as the day's source says. */
export const EURO_RATE = '1.0875';
const inCents = (units: number): number => Math.floor(units / CENT / Number(EURO_RATE));

/** A visit above this is not made offline: with 600 deposited a till takes 23.64 until the hub acknowledges. */
const OFFLINE_MAX = 2300 * CENT;

/** Points at which a device or the till's books stop dead before they are killed. */
const TILL_POINTS = [
  'till:sale.opened',
  'notify:requested',
  'persist:answered',
  'till:sale.approved',
  'notify:approved',
  'send:receipt',
] as const;
const CUSTOMER_POINTS = ['persist:intent', 'send:voucher', 'persist:confirmed', 'notify:paid'] as const;
const REFUND_POINTS = [
  'till:credit.opened',
  'persist:credited',
  'persist:waitingCredit',
  'till:credit.done',
] as const;

/** What is killed with SIGKILL during a sale or a refund. `at`: before which effect; absent: after `ms`. */
export interface Kill {
  readonly whom: 'till' | 'customer' | 'client' | 'hub';
  readonly at?: string;
  readonly ms: number;
}

export interface DrawnSale {
  readonly number: number;
  readonly amount: number;
  readonly tip: number;
  /** A hold, and what it comes to. */
  readonly captured?: number;
  /** Above the offline limits. */
  readonly clears: boolean;
  readonly kill?: Kill;
  /** A refund later in the day: of how much, of all that is left when absent. */
  readonly refund?: { readonly part?: number; readonly kill?: Kill };
  /** Its price is in euros: these, in cents, are asked for, and captured, in place of the amounts in TIME. */
  readonly cents?: { readonly amount: number; readonly tip: number; readonly captured?: number };
  /** The same order is asked for twice. */
  readonly asksTwice: boolean;
}

export interface Visit {
  readonly till: number;
  readonly customer: number;
  readonly offline: boolean;
  readonly sales: readonly DrawnSale[];
  /** Before it somebody learns how to use the till. */
  readonly training: boolean;
}

/** A day of `sales` sales with `kills` kills: visits by till, in two halves between which a business day is closed. */
export function drawDay(
  seed: number,
  { sales, kills, tills, customers }: Readonly<Record<'sales' | 'kills' | 'tills' | 'customers', number>>,
): readonly (readonly (readonly Visit[])[])[] {
  const random = new Random(seed);
  const chance = (percent: number): boolean => random.below(100) < percent;
  const oneOf = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const price = (from: number, to: number): number => (from + random.below(to - from)) * CENT;

  // Which sales are cut: refunds of some of them instead, when they are refunded.
  const cut = new Set<number>();
  while (cut.size < Math.min(kills, sales)) cut.add(random.below(sales));
  const drawKill = (isRefund: boolean): Kill => {
    const ms = random.below(400);
    if (isRefund) return { whom: 'till', ms, ...(chance(70) && { at: oneOf(REFUND_POINTS) }) };
    const whom = oneOf(['till', 'till', 'till', 'customer', 'customer', 'client', 'hub'] as const);
    if (whom === 'till') return { whom, ms, ...(chance(75) && { at: oneOf(TILL_POINTS) }) };
    if (whom === 'customer') return { whom, ms, ...(chance(75) && { at: oneOf(CUSTOMER_POINTS) }) };
    return { whom, ms };
  };
  const clears = (number: number): boolean => number % 14 === 5;
  const drawSale = (number: number): DrawnSale => {
    const isCleared = clears(number);
    const amount = isCleared ? price(1300, 4000) : price(50, 600);
    const tip = chance(25) ? Math.floor(amount / 10 / CENT) * CENT : 0;
    const isHold = chance(12);
    const refund = chance(18)
      ? { ...(chance(60) && { part: Math.max(CENT, Math.floor(amount / 3 / CENT) * CENT) }) }
      : undefined;
    const onRefund = refund !== undefined && chance(40);
    const isCut = cut.has(number);
    const captured = isHold ? Math.floor((amount * random.below(101)) / 100 / CENT) * CENT : undefined;
    return {
      number,
      amount,
      tip,
      clears: isCleared,
      asksTwice: chance(10),
      ...(captured !== undefined && { captured }),
      ...(number % 5 === 2 && {
        cents: {
          amount: inCents(amount),
          tip: inCents(tip),
          ...(captured !== undefined && { captured: inCents(captured) }),
        },
      }),
      ...(refund && { refund: { ...refund, ...(isCut && onRefund && { kill: drawKill(true) }) } }),
      ...(isCut && !onRefund && { kill: drawKill(false) }),
    };
  };

  let next = 0;
  const halves = [0, 1].map((half) => {
    const byTill: Visit[][] = Array.from({ length: tills }, () => []);
    const until = half === 0 ? sales >> 1 : sales;
    while (next < until) {
      const count = Math.min(1 + random.below(4), until - next);
      const bought = Array.from({ length: count }, () => drawSale(next++));
      const till = random.below(tills);
      // Customers change the till at noon; at one time each belongs to one.
      const own = Array.from({ length: customers }, (_, index) => index).filter(
        (index) => (index + half) % tills === till,
      );
      // Within what a till takes from one customer with no network.
      const sum = bought.reduce((all, { amount, tip }) => all + amount + tip, 0);
      const offline = sum <= OFFLINE_MAX && chance(70);
      byTill[till]!.push({ till, customer: oneOf(own), offline, sales: bought, training: chance(8) });
    }
    return byTill;
  });
  return halves;
}
