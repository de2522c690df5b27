/**
 * The till's books of business, beside the money journal: what was asked, how it ended, what was given back, and what each
 * day came to. They are the fold of the till's events. The money itself is in the device's journal; where the two differ
 * after a crash, the journal is right (till.ts).
 */
import { SundialError } from '../../../../protocol/errors.ts';
import type { Credit, Report, Sale, Standing, TillEvent } from './schema.ts';

/** Sales that a till remembers: of closed days the oldest go first. */
export const SALES_MAX = 10_000;
/** Closed days that it remembers. */
export const REPORTS_MAX = 400;
/** Refusals that are told of one sale: a device that asks again and again fills no file. */
export const REFUSALS_TOLD_MAX = 20;

const ZERO = { count: 0, sum: 0 } as const;

/** Of several things how many they are and what they come to. */
const sumOf = (amounts: readonly number[]): { count: number; sum: number } => ({
  count: amounts.length,
  sum: amounts.reduce((all, one) => all + one, 0),
});

/** What of the tip was paid: where a part was taken, what is left of it above the amount. */
export const tipOf = ({ amount, tip, total }: Sale): number => Math.min(tip, Math.max(0, total - amount));

/** What went back on a sale, or is on its way back. */
export const creditedOn = ({ credits }: Sale): number =>
  credits.reduce((all, { amount, state }) => (state === 'failed' ? all : all + amount), 0);

/** What sales with a price in another currency come to, by currency. One that was paid in part counts for that part. */
function pricedOf(sales: readonly Sale[]): Report['priced'] {
  const priced: Report['priced'] = {};
  for (const { price, amount, tip, total } of sales) {
    if (price === undefined) continue;
    const { currency, digits } = price.quote;
    const whole = price.amount + price.tip;
    const part =
      total === amount + tip ? whole : Number((BigInt(whole) * BigInt(total)) / BigInt(amount + tip));
    const before = priced[currency] ?? { count: 0, digits, sum: 0, units: 0 };
    priced[currency] = {
      count: before.count + 1,
      digits: before.digits,
      sum: before.sum + part,
      units: before.units + total,
    };
  }
  return priced;
}

/** The fold. One writer changes it, event by event; what it hands out is not to be changed. */
export class TillBooks {
  private readonly sales = new Map<string, Sale>();
  private readonly byKey = new Map<string, string>();
  private readonly byVoucher = new Map<string, string>();
  private state: Omit<Standing, 'sales'>;

  constructor(standing?: Standing, openedAt = 0) {
    const { sales = [], ...rest } = standing ?? {
      version: 1 as const,
      lastId: 0,
      day: 1,
      dayOpenedAt: openedAt,
      training: false,
      refusals: {},
      nextSale: 1,
      reports: [],
    };
    this.state = rest;
    for (const sale of sales) this.put(sale);
  }

  private put(sale: Sale): void {
    this.sales.set(sale.id, sale);
    this.byKey.set(sale.key, sale.id);
    for (const { key } of sale.credits) this.byKey.set(key, sale.id);
    if (sale.payment !== undefined) this.byVoucher.set(sale.payment.voucher, sale.id);
  }

  get lastId(): number {
    return this.state.lastId;
  }
  get day(): number {
    return this.state.day;
  }
  get training(): boolean {
    return this.state.training;
  }
  /** Number of the next sale. */
  get nextSale(): number {
    return this.state.nextSale;
  }
  get reports(): readonly Report[] {
    return this.state.reports;
  }
  /** The sale that is asked for now. */
  get open(): Sale | undefined {
    const last = this.sales.get(String(this.state.nextSale - 1));
    return last?.state === 'open' ? last : undefined;
  }
  /** Credits that were decided and not signed yet. */
  get openCredits(): readonly (readonly [Sale, Credit])[] {
    return [...this.sales.values()].flatMap((sale) =>
      sale.credits.filter(({ state }) => state === 'open').map((credit) => [sale, credit] as const),
    );
  }

  sale(id: string): Sale | undefined {
    return this.sales.get(id);
  }

  /** The sale that an idempotency key belongs to, its own or one of its credits'. */
  ofKey(key: string): Sale | undefined {
    const id = this.byKey.get(key);
    return id === undefined ? undefined : this.sales.get(id);
  }

  /** The sale that a voucher paid, by its digest. */
  ofVoucher(voucher: string): Sale | undefined {
    const id = this.byVoucher.get(voucher);
    return id === undefined ? undefined : this.sales.get(id);
  }

  /** Newest first. */
  *newest(): Generator<Sale, void> {
    for (const sale of [...this.sales.values()].reverse()) yield sale;
  }

  /** Is there room for one more? Throws `till_full` when every sale that it remembers is of the open day. */
  checkRoom(): void {
    if (this.sales.size < SALES_MAX || this.oldestClosed() !== undefined) return;
    throw new SundialError('till_full', `${SALES_MAX} sales in one day`, {
      severity: 'call',
      remedy: 'Close the day: then the oldest sales make room.',
    });
  }

  private oldestClosed(): Sale | undefined {
    for (const sale of this.sales.values()) if (sale.day < this.state.day) return sale;
    return undefined;
  }

  private change(id: string, change: Partial<Sale>): void {
    const sale = this.sales.get(id);
    if (sale !== undefined) this.put({ ...sale, ...change });
  }

  private changeCredit(id: string, credit: string, change: Partial<Credit>): void {
    const sale = this.sales.get(id);
    if (sale === undefined) return;
    const credits = sale.credits.map((one) => (one.id === credit ? { ...one, ...change } : one));
    this.change(id, { credits });
  }

  /** One more event. Total: one that no longer applies changes nothing but the count. */
  apply(event: TillEvent): void {
    this.state.lastId = event.id;
    const { at } = event;
    switch (event.type) {
      case 'sale.opened': {
        if (this.sales.size >= SALES_MAX) this.forget(this.oldestClosed());
        const {
          sale: id,
          key,
          reference,
          amount,
          tip,
          price,
          total,
          hold,
          training,
          challenge,
          requestId,
        } = event;
        this.put({
          ...{ id, key, ...(reference !== undefined && { reference }), amount, tip, total, hold, training },
          ...(price !== undefined && { price }),
          ...{
            state: 'open',
            requestId,
            openedAt: at,
            day: this.state.day,
            credits: [],
            challenge,
            refusals: 0,
          },
        });
        this.state.nextSale = Number(id) + 1;
        return;
      }
      case 'sale.refused': {
        const { refusals } = this.state;
        refusals[event.code] = (refusals[event.code] ?? 0) + 1;
        const { most } = event;
        return this.change(event.sale, {
          refusals: (this.sales.get(event.sale)?.refusals ?? 0) + 1,
          ...(most !== undefined && { most }),
        });
      }
      case 'sale.reduced':
        return this.change(event.sale, { total: event.total, challenge: event.challenge });
      case 'sale.approved': {
        const { payment } = event;
        return this.change(event.sale, { state: 'approved', endedAt: at, ...(payment && { payment }) });
      }
      case 'sale.acknowledged':
        return this.change(event.sale, { acknowledgement: event.acknowledgement });
      case 'sale.failed': {
        const { reason, code } = event;
        return this.change(event.sale, { state: 'failed', reason, endedAt: at, ...(code && { code }) });
      }
      case 'credit.opened': {
        const { credit: id, key, kind, amount } = event;
        const sale = this.sales.get(event.sale);
        if (sale === undefined) return;
        const one: Credit = { id, key, kind, amount, state: 'open', at, day: this.state.day };
        return this.change(event.sale, {
          credits: [...sale.credits, one],
          ...(kind === 'capture' && { captured: sale.total - amount }),
        });
      }
      case 'credit.done':
        return this.changeCredit(event.sale, event.credit, { state: 'done', day: this.state.day });
      case 'credit.failed': {
        this.changeCredit(event.sale, event.credit, { state: 'failed', code: event.code });
        const sale = this.sales.get(event.sale);
        const wasCapture = sale?.credits.find(({ id }) => id === event.credit)?.kind === 'capture';
        if (sale === undefined || !wasCapture) return;
        const { captured: _, ...rest } = sale;
        return this.put(rest);
      }
      case 'training':
        this.state.training = event.on;
        return;
      case 'day.closed':
        this.state.reports = [...this.state.reports, event.report].slice(-REPORTS_MAX);
        this.state.day += 1;
        this.state.dayOpenedAt = at;
        this.state.refusals = {};
        return;
    }
  }

  private forget(sale: Sale | undefined): void {
    if (sale === undefined) return;
    this.sales.delete(sale.id);
    this.byKey.delete(sale.key);
    if (sale.payment !== undefined) this.byVoucher.delete(sale.payment.voucher);
    for (const { key } of sale.credits) this.byKey.delete(key);
  }

  /** What the open day came to so far. `waiting`: what the hub has not acknowledged. */
  report(waiting: { readonly count: number; readonly sum: number }): Report {
    const { day, dayOpenedAt, refusals } = this.state;
    const all = [...this.sales.values()];
    const today = all.filter((sale) => sale.day === day);
    const approved = today.filter(({ state, training }) => state === 'approved' && !training);
    const credits = all
      .filter(({ training }) => !training)
      .flatMap((sale) => sale.credits)
      .filter(({ state, day: when }) => state === 'done' && when === day);
    const ofKind = (kind: Credit['kind']): number[] =>
      credits.filter((one) => one.kind === kind).map(({ amount }) => amount);
    const sales = sumOf(approved.map(({ total }) => total));
    const refunds = sumOf(ofKind('refund'));
    const released = sumOf(ofKind('capture').filter((amount) => amount > 0));
    const failed: Record<string, number> = {};
    for (const { state, reason, training } of today)
      if (state === 'failed' && !training) failed[reason!] = (failed[reason!] ?? 0) + 1;
    const held = all.filter(
      ({ hold, state, captured, training }) =>
        hold && state === 'approved' && captured === undefined && !training,
    );
    return {
      day,
      openedAt: dayOpenedAt,
      sales,
      tips: approved.reduce((sum, sale) => sum + tipOf(sale), 0),
      cleared: sumOf(approved.filter(({ payment }) => payment?.cleared).map(({ total }) => total)),
      refunds,
      released,
      net: sales.sum - refunds.sum - released.sum,
      priced: pricedOf(approved),
      held: held.length === 0 ? ZERO : sumOf(held.map(({ total }) => total)),
      failed,
      refusals: { ...refusals },
      training: sumOf(
        today.filter(({ state, training }) => state === 'approved' && training).map(({ total }) => total),
      ),
      waiting,
    };
  }

  /** Everything that it remembers. */
  standing(): Standing {
    return { ...this.state, sales: [...this.sales.values()] };
  }
}
