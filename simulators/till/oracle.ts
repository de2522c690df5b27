/**
 * Judges a day at the tills by what others say of it. It shares no code with till, devices or hub: it reads what shops'
 * software was told, what the hub's API says, what the customers' devices count, and the days' reports.
 *
 * Not judged here: signatures (the hub checks them), and what L2 makes of it (`npm run operator`, `npm run crash:hub`).
 */

/** What a shop's software was told of one attempt at an order. */
export interface Told {
  readonly order: string;
  readonly key: string;
  readonly till: number;
  readonly state: 'approved' | 'failed';
  readonly total: number;
  readonly voucher?: string;
  readonly cleared?: boolean;
  /** The price in euros that it asked for, in cents. */
  readonly cents?: number;
  /** What it was told went back in the end, refunds and what captures left. */
  readonly back: number;
}

/** A payment, as the hub's API tells it. */
export interface HubPayment {
  readonly id: string;
  readonly state: string;
  readonly amount: number;
  readonly credited: number;
  readonly terminal: string;
  readonly channel: number;
}

export interface CustomerBooks {
  readonly channel: number;
  readonly spent: number;
  readonly unconfirmed: number;
}

/** A report of a closed business day. */
export interface ZReport {
  readonly sales: { readonly count: number; readonly sum: number };
  readonly refunds: { readonly count: number; readonly sum: number };
  readonly released: { readonly sum: number };
  readonly cleared: { readonly count: number };
  readonly net: number;
  readonly priced: Readonly<Record<string, { readonly count: number; readonly sum: number }>>;
}

/** At the rate of the day, 1.0875 TIME for a euro: units of 10^-6 TIME. */
const UNITS_A_CENT = 10_875;

export interface Evidence {
  readonly told: readonly Told[];
  readonly payments: readonly HubPayment[];
  readonly customers: readonly CustomerBooks[];
  /** By till: its address, and the reports of its days. */
  readonly tills: readonly { readonly address: string; readonly reports: readonly ZReport[] }[];
  /** Of each till all events that it ever told. */
  readonly ends: readonly { readonly till: number; readonly sale: string }[];
}

export interface Judgement {
  readonly lost: number;
  readonly doubled: number;
  readonly zReportEqualsHub: boolean;
  readonly troubles: readonly string[];
}

const sum = (list: readonly number[]): number => list.reduce((all, one) => all + one, 0);

/** How many keys come more than once. */
const repeats = (list: readonly string[]): number => list.length - new Set(list).size;

/** What was lost, what was doubled, and whether the reports say what the hub says. */
export function judge({ told, payments, customers, tills, ends }: Evidence): Judgement {
  const troubles: string[] = [];
  let [lost, doubled] = [0, 0];
  const lose = (what: string): void => {
    lost += 1;
    troubles.push(`lost: ${what}`);
  };
  const double = (what: string, times = 1): void => {
    doubled += times;
    if (times > 0) troubles.push(`doubled: ${what}`);
  };
  const sold = payments.filter(({ state }) => state !== 'void');
  const byId = new Map(sold.map((payment) => [payment.id, payment]));
  const approved = told.filter(({ state }) => state === 'approved');

  // A price in euros came to what the day's rate says.
  for (const { order, cents, total } of approved) {
    const wanted = (cents ?? 0) * UNITS_A_CENT;
    if (cents !== undefined && total < wanted)
      lose(`order ${order}: ${cents} cents are ${wanted}, ${total} was paid`);
    if (cents !== undefined && total > wanted)
      double(`order ${order}: ${cents} cents are ${wanted}, ${total} was paid`);
  }
  // Everything that a shop was told is paid stands at the hub, for that much, and what went back as well.
  for (const { order, voucher, total, back } of approved) {
    const payment = byId.get(voucher ?? '');
    if (payment === undefined) lose(`order ${order} (${voucher}) is approved, and not at the hub`);
    else if (payment.amount !== total)
      lose(`order ${order}: ${total} approved, ${payment.amount} at the hub`);
    else if (payment.credited < back)
      lose(`order ${order}: ${back} given back, ${payment.credited} at the hub`);
    else if (payment.credited > back)
      double(`order ${order}: ${back} given back, ${payment.credited} at the hub`);
  }
  // Nothing else was paid: not for an order that failed, not twice for one.
  const known = new Set(approved.map(({ voucher }) => voucher));
  for (const { id, amount } of sold)
    if (!known.has(id)) double(`${id}, ${amount}, is paid, and no shop knows it`);
  double('one payment for two orders', repeats(approved.map(({ voucher }) => voucher ?? '')));
  double('an order that was approved twice', repeats(approved.map(({ order }) => order)));
  double('a sale that ended twice', repeats(ends.map(({ till, sale }) => `${till} ${sale}`)));

  // What customers' devices count is what the hub has of them; nothing of theirs is undecided.
  for (const { channel, spent, unconfirmed } of customers) {
    const own = payments.filter((payment) => payment.channel === channel);
    const paid = sum(own.map(({ amount }) => amount));
    if (spent > paid) lose(`channel ${channel} counts ${spent} spent, the hub has ${paid}`);
    if (spent < paid) double(`channel ${channel} counts ${spent} spent, the hub has ${paid}`);
    if (unconfirmed > 0) lose(`channel ${channel} has ${unconfirmed} without an answer`);
  }

  let zReportEqualsHub = true;
  for (const [index, { address, reports }] of tills.entries()) {
    const own = sold.filter(({ terminal }) => terminal === address);
    const said = {
      count: sum(reports.map(({ sales }) => sales.count)),
      sum: sum(reports.map(({ sales }) => sales.sum)),
      back: sum(reports.map(({ refunds, released }) => refunds.sum + released.sum)),
      net: sum(reports.map(({ net }) => net)),
      cleared: sum(reports.map(({ cleared }) => cleared.count)),
      euros: sum(reports.map(({ priced }) => priced.EUR?.count ?? 0)),
      cents: sum(reports.map(({ priced }) => priced.EUR?.sum ?? 0)),
    };
    const inEuros = approved.filter(({ till, cents }) => till === index && cents !== undefined);
    const has = {
      count: own.length,
      sum: sum(own.map(({ amount }) => amount)),
      back: sum(own.map(({ credited }) => credited)),
      net: sum(own.map(({ amount, credited }) => amount - credited)),
      cleared: approved.filter(({ till, cleared }) => till === index && cleared).length,
      euros: inEuros.length,
      cents: sum(inEuros.map(({ cents }) => cents!)),
    };
    if (JSON.stringify(said) === JSON.stringify(has)) continue;
    zReportEqualsHub = false;
    troubles.push(`till ${index}: reports ${JSON.stringify(said)}, hub ${JSON.stringify(has)}`);
  }
  return { lost, doubled, zReportEqualsHub, troubles };
}
