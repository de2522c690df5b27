/**
 * A till as a business sees it: sales with an idempotency key, holds, refunds, days. It asks the device's machine and
 * writes down what came of it. Order of what is stored: the wish, before the machine hears of it; the machine's own
 * record, in which the money is; then the outcome, before the customer's device has its receipt. A process that dies
 * between the last two finds the record again in the outbox when it starts, before the hub can have acknowledged it.
 */
import type { TerminalDevice } from '../../../../device/devices.ts';
import type { Pos } from '../../../../device/roles/pos.ts';
import type { Clock, Entropy } from '../../../interfaces/index.ts';
import { type Bytes32, equalBytes, fromHex, toHex } from '../../../../protocol/bytes.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { addAmounts, amount, channelId, seq as seqOf } from '../../../../protocol/integers.ts';
import type { Notice } from '../../../../protocol/machines/effects.ts';
import { type Collected, collectedMessage } from '../../../../protocol/machines/collected.ts';
import { encodeMessage, type MessageOf } from '../../../../protocol/wire/messages.ts';
import type { TerminalRecord } from '../../../../protocol/machines/terminal/books.ts';
import type { TerminalSettings } from '../../../../protocol/machines/terminal/state.ts';
import { isBased, timeNow } from '../../../../protocol/machines/time.ts';
import type { Signing } from '../../../../protocol/signing/digests.ts';
import { REQUEST_OPEN_SECONDS } from '../../../../protocol/limits.ts';
import { detailHash } from '../../../../protocol/vouchers.ts';
import { creditedOn, REFUSALS_TOLD_MAX, type TillBooks } from './books.ts';
import type { TillFile } from './file.ts';
import { comesTo, quoteFor, quoteHash, stands, unitsOf } from './quotes.ts';
import type {
  Credit,
  Payment,
  Priced,
  Quote,
  Report,
  Sale,
  SaleAsk,
  Status,
  TillEvent,
  TillFact,
} from './schema.ts';

/** Currency of every request: the vault's token. */
const CURRENCY = 'TIME';
/** The least step of a price, in units. */
const CENT = 10_000;

/** What the till stands on. */
export interface TillParts {
  readonly name: string;
  readonly device: Pick<TerminalDevice, 'dispatch' | 'idle' | 'state' | 'storedBooks' | 'frozen'>;
  /** The device's own. */
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly pos: Pos;
  readonly settings: TerminalSettings;
  readonly address: Uint8Array;
  readonly file: Pick<TillFile, 'books' | 'events' | 'append'>;
  readonly entropy: Entropy;
  readonly chainId: number;
  readonly vault: string;
  /** First lines of every receipt. */
  readonly head: readonly string[];
  readonly signing: Signing;
  /** Quotes that its file holds, whether they count now or not; throws `bad_quote`. Absent: it sells in TIME alone. */
  readonly quotes?: () => readonly Quote[];
  /** Seconds since 1970, of the machine that it runs on: dates what is told, and decides nothing. */
  now(): number;
  /** Called before an event is stored: for crash tests. */
  before(event: TillEvent): void;
  /** What was written can't be: the process must end and begin again from what is stored. */
  broken(error: unknown): never;
}

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

/** Whoever asks: its request's name, and the key that makes the act happen once. */
export interface Wish {
  readonly requestId: string;
  readonly key: string;
}

/** The till's business. */
export class Till {
  private readonly parts: TillParts;
  private readonly listeners = new Set<(event: TillEvent) => void>();
  /** The newest refusal that nobody asked about yet, for a request that never opened. */
  private lastRefusal: string | undefined;
  /** The hub's newest acknowledgement, checked by the machine or not yet. */
  private lastWord: MessageOf<'acknowledgement'> | undefined;
  /** While the machine is being asked: it has not opened the request yet. */
  private asking = false;

  constructor(parts: TillParts) {
    this.parts = parts;
    this.recover();
  }

  get books(): TillBooks {
    return this.parts.file.books;
  }

  /** Events since `after`, oldest first; undefined when some of them are no longer there. */
  since(after: number): readonly TillEvent[] | undefined {
    const { events } = this.parts.file;
    if (after === this.books.lastId) return [];
    const at = events.findIndex(({ id }) => id === after + 1);
    return at < 0 ? undefined : events.slice(at);
  }

  /** Called with each event when it is durable. Returns what ends that. */
  listen(listener: (event: TillEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(fact: TillFact, requestId: string): TillEvent {
    const { file, now, before, broken } = this.parts;
    const event = { id: file.books.lastId + 1, at: now(), requestId, ...fact } as TillEvent;
    before(event);
    try {
      file.append(event);
    } catch (error) {
      broken(error);
    }
    for (const listener of this.listeners) listener(event);
    return event;
  }

  private tellOf(sale: Sale, fact: object): void {
    const { id, reference, total, requestId } = sale;
    const about = { sale: id, ...(reference !== undefined && { reference }), total };
    this.tell({ ...about, ...fact } as TillFact, requestId);
  }

  // ---- what the device did ----

  /** What the request holds of a price in another currency. */
  private hashOf(price: Priced | undefined): Bytes32 | undefined {
    return price === undefined ? undefined : quoteHash(this.parts.signing, price.quote);
  }

  /** Is this the payment of that sale? Its request carries the random part that was drawn for it. */
  private isOf(sale: Sale, { request }: Collected): boolean {
    const detail = detailHash(this.parts.signing.suite, {
      currency: CURRENCY,
      challenge: fromHex(sale.challenge, 16),
      quote: this.hashOf(sale.price),
    });
    return request.amount === sale.total && equalBytes(request.detail, detail);
  }

  /** What a process that died left undecided: the machine's books say how it ended. */
  private recover(): void {
    const { outbox } = this.parts.device.storedBooks;
    const { open } = this.books;
    if (open !== undefined) {
      for (const entry of outbox)
        if (
          entry.kind === 'voucher' &&
          entry.collected.receipt !== undefined &&
          this.isOf(open, entry.collected)
        )
          this.approve(open, entry.entry, entry.collected, entry.exposure === 0);
      if (this.books.open !== undefined) this.tellOf(open, { type: 'sale.failed', reason: 'interrupted' });
    }
    for (const [sale, credit] of this.books.openCredits) {
      const { voucher } = sale.payment!;
      const isStored = outbox.some(
        (entry) =>
          entry.kind === 'credit' &&
          (toHex(entry.voucher) as string) === voucher &&
          entry.credited >= this.creditedWith(sale, credit),
      );
      if (isStored) this.creditDone(sale, credit);
    }
  }

  private approve(sale: Sale, digest: Uint8Array, collected: Collected, cleared: boolean): void {
    const { voucher, request, receipt } = collected;
    if (voucher.kind !== 'voucher') return;
    const payment: Payment = {
      voucher: toHex(digest),
      channel: voucher.channel,
      seq: voucher.seq,
      spent: voucher.spent,
      paid: voucher.paid,
      lanes: toHex(voucher.lanes),
      at: request.at,
      receipt: toHex(receipt!),
      cleared,
      proof: Buffer.from(encodeMessage(collectedMessage(collected))).toString('base64url'),
    };
    this.tellOf(sale, { type: 'sale.approved', payment });
  }

  /** An event of the machine, before it is handled: of an acknowledgement the journal keeps less than a claim needs. */
  onEvent(event: { readonly type: string; readonly message?: { readonly type: string } }): void {
    if (event.type === 'hubMessage' && event.message?.type === 'acknowledgement')
      this.lastWord = event.message as MessageOf<'acknowledgement'>;
  }

  /** The machine found an acknowledgement good. */
  private acknowledge(entry: Uint8Array): void {
    const sale = this.books.ofVoucher(toHex(entry));
    const { lastWord } = this;
    if (sale === undefined || lastWord === undefined || !equalBytes(lastWord.entry, entry)) return;
    const { position, at, signature } = lastWord;
    this.tellOf(sale, {
      type: 'sale.acknowledged',
      acknowledgement: { position, at, signature: toHex(signature) },
    });
  }

  /** A record of the machine is durable. */
  onStored(record: TerminalRecord): void {
    if (record.type === 'acknowledged') this.acknowledge(record.entry);
    if (record.type === 'answered' || record.type === 'cleared') {
      const { open } = this.books;
      if (open === undefined || record.receipt === undefined || !this.isOf(open, record)) return;
      this.approve(open, record.digest, record, record.type === 'cleared');
    }
    if (record.type === 'credited' || record.type === 'waitingCredit')
      for (const [sale, credit] of this.books.openCredits)
        if (sale.payment!.voucher === toHex(record.voucher)) this.creditDone(sale, credit);
  }

  /** What the machine says of a request. */
  onNotice(notice: Notice): void {
    if (notice.type !== 'refused') return;
    this.lastRefusal = notice.code;
    const { open } = this.books;
    const isAsked = this.parts.device.state.volatile.open !== undefined;
    if (open === undefined || open.training || !isAsked || open.refusals >= REFUSALS_TOLD_MAX) return;
    // As prices are: with two decimals.
    const most = Math.floor((notice.bound ?? 0) / CENT) * CENT;
    this.tellOf(open, {
      type: 'sale.refused',
      code: notice.code,
      by: notice.by,
      ...(most > 0 && most < open.total && { most }),
    });
  }

  /** Looks whether the machine still asks for the open sale: it drops a request that nobody pays for two minutes. */
  tick(): void {
    const { open } = this.books;
    const { volatile } = this.parts.device.state;
    if (open === undefined || open.training || this.asking) return;
    if (volatile.open !== undefined || volatile.pending !== undefined) return;
    const isOld = this.parts.now() - open.openedAt >= REQUEST_OPEN_SECONDS - 2;
    this.tellOf(open, { type: 'sale.failed', reason: isOld ? 'expired' : 'interrupted' });
  }

  // ---- what the business wants ----

  /** The sale or credit that this key did before, if it did this very thing. Throws `key_reused`. */
  private known(key: string, isSame: (sale: Sale) => boolean): Sale | undefined {
    const sale = this.books.ofKey(key);
    if (sale === undefined || isSame(sale)) return sale;
    throw refused('key_reused', `the key ${key} did something else`, 'Give each act a key of its own.');
  }

  /** The till's own time, seconds: quotes end by it. Throws `no_time_basis`. */
  private time(): number {
    const { time } = this.parts.device.state.volatile;
    const ms = this.parts.clock.monotonicMs();
    if (isBased(time, ms)) return timeNow(time, ms);
    throw refused(
      'no_time_basis',
      'the till does not know what time it is, so that no quote counts',
      'Let it meet the hub once, or ask for TIME.',
    );
  }

  /** What a price in another currency comes to. Throws `quote_missing`, `quote_over`, `bad_quote`, `no_time_basis`. */
  private priceOf(currency: string, own: number, tip: number): Priced {
    const quotes = this.parts.quotes?.() ?? [];
    return { amount: own, tip, quote: quoteFor(quotes, currency, this.time()) };
  }

  /**
   * Units that an amount on a sale comes to: itself, or, in the currency of the sale, by the rate of the sale. All of a price
   * is all of the sale; parts are rounded down, so that they never come to more. Throws `wrong_currency`.
   */
  unitsOn(id: string, own: number, currency: string | undefined): number {
    if (currency === undefined) return own;
    const { price, total, amount: units, tip } = this.find(id);
    if (price?.quote.currency !== currency)
      throw refused(
        'wrong_currency',
        `sale ${id} was not in ${currency}`,
        `Give the amount in ${price?.quote.currency ?? 'TIME, with no currency'}.`,
      );
    if (own === 0) return 0;
    return own === price.amount + price.tip && total === units + tip
      ? total
      : unitsOf(price.quote, own, 'down');
  }

  /**
   * Asks a customer for money; with the same key the same sale. Throws `sale_open`, `key_reused`, `till_full`, and what
   * `priceOf` throws.
   */
  async sell(ask: SaleAsk, { requestId, key }: Wish): Promise<Sale> {
    const { device, pos, entropy } = this.parts;
    const known = this.known(key, (sale) => {
      const { amount: own, tip } = sale.price ?? sale;
      return (
        sale.key === key &&
        own === ask.amount &&
        tip === ask.tip &&
        sale.price?.quote.currency === ask.currency &&
        sale.hold === ask.hold &&
        sale.reference === ask.reference
      );
    });
    if (known !== undefined) return known;
    if (this.books.open !== undefined)
      throw refused(
        'sale_open',
        `sale ${this.books.open.id} is asked for now`,
        'Wait for its end, or cancel it.',
      );
    this.books.checkRoom();
    const { reference, currency, hold, ...asked } = ask;
    const price = currency === undefined ? undefined : this.priceOf(currency, asked.amount, asked.tip);
    const money = price === undefined ? asked : comesTo(price);
    const total = addAmounts(amount(money.amount), amount(money.tip));
    const { training } = this.books;
    const challenge = entropy.random(16);
    const id = String(this.books.nextSale);
    this.tell(
      {
        type: 'sale.opened',
        sale: id,
        ...(reference !== undefined && { reference }),
        ...money,
        ...(price !== undefined && { price }),
        hold,
        total,
        key,
        training,
        challenge: toHex(challenge),
      },
      requestId,
    );
    if (training) {
      this.tellOf(this.books.sale(id)!, { type: 'sale.approved' });
      return this.books.sale(id)!;
    }
    this.lastRefusal = undefined;
    this.asking = true;
    await pos.sale(total, challenge, this.hashOf(price));
    await device.idle();
    this.asking = false;
    const sale = this.books.sale(id)!;
    const { volatile } = device.state;
    if (sale.state === 'open' && volatile.open === undefined && volatile.pending === undefined)
      this.tellOf(sale, {
        type: 'sale.failed',
        reason: 'refused',
        code: this.lastRefusal ?? 'frozen',
      });
    return this.books.sale(id)!;
  }

  private find(id: string): Sale {
    const sale = this.books.sale(id);
    if (sale !== undefined) return sale;
    throw refused('sale_unknown', `this till remembers no sale ${id}`, 'See GET /v1/sales.');
  }

  /** Drops what is asked for; a sale that is over stays as it is. Throws `sale_unknown`. */
  async cancel(id: string): Promise<Sale> {
    const sale = this.find(id);
    if (sale.state !== 'open') return sale;
    await this.parts.pos.cancel();
    // A key that takes its time may have been signing the answer.
    await this.parts.device.idle();
    if (this.find(id).state === 'open') this.tellOf(sale, { type: 'sale.failed', reason: 'cancelled' });
    return this.find(id);
  }

  /**
   * Asks for a part of an open sale instead, such as what the customer has left; once it is paid, the rest is another sale's.
   * Throws `sale_unknown`, `sale_over`, `part_too_large`, `quote_over`, `busy`.
   */
  async part(id: string, total: number): Promise<Sale> {
    const sale = this.find(id);
    const { device, pos, entropy } = this.parts;
    if (sale.total === total) return sale;
    if (sale.state !== 'open' || sale.training)
      throw refused('sale_over', `sale ${id} is not asked for now`, 'Begin another one.');
    if (total > sale.total)
      throw refused('part_too_large', `${sale.total} units are asked for`, 'Ask for less than that.');
    if (sale.price !== undefined && !stands(sale.price.quote, this.time()))
      throw refused('quote_over', `the quote of sale ${id} is over`, 'Cancel it, and begin another one.');
    // The answer to what stood until now is being signed: it decides.
    if (device.state.volatile.pending !== undefined)
      throw refused('busy', 'a payment is being signed', 'Ask again in a moment.');
    const challenge = entropy.random(16);
    this.asking = true;
    this.tellOf({ ...sale, total }, { type: 'sale.reduced', challenge: toHex(challenge) });
    await pos.sale(amount(total), challenge, this.hashOf(sale.price));
    await device.idle();
    this.asking = false;
    return this.find(id);
  }

  private checkApproved(sale: Sale): void {
    if (this.books.training && !sale.training)
      throw refused(
        'training',
        `sale ${sale.id} is a real one`,
        'End the training: until then no money moves.',
      );
    if (sale.state === 'approved') return;
    throw refused(
      'sale_not_approved',
      `sale ${sale.id} is ${sale.state}`,
      'Only what was sold is given back.',
    );
  }

  /**
   * Gives money back: all that is left, or a part. With the same key once. Throws `sale_unknown`, `training`,
   * `sale_not_approved`, `capture_first`, `refund_too_large`, `key_reused`.
   */
  async refund(id: string, wanted: number | undefined, wish: Wish): Promise<Sale> {
    const sale = this.find(id);
    const known = this.known(wish.key, (one) =>
      one.credits.some(
        ({ key, kind, amount: back }) =>
          key === wish.key && kind === 'refund' && one.id === id && (wanted === undefined || back === wanted),
      ),
    );
    if (known !== undefined) return this.again(known, wish.key);
    this.checkApproved(sale);
    if (sale.hold && sale.captured === undefined)
      throw refused('capture_first', `sale ${id} is a hold`, 'Capture what it comes to; 0 gives all back.');
    const left = sale.total - creditedOn(sale);
    const back = wanted ?? left;
    if (back > left || left === 0)
      throw refused(
        'refund_too_large',
        `${left} units of sale ${id} are left`,
        'Give back at most what is left.',
      );
    return this.giveBack(sale, 'refund', back, wish);
  }

  /**
   * Says what a hold comes to; the rest goes back. Throws `sale_unknown`, `sale_not_approved`, `not_a_hold`,
   * `capture_too_large`, `key_reused`.
   */
  async capture(id: string, wanted: number, wish: Wish): Promise<Sale> {
    const sale = this.find(id);
    const known = this.known(wish.key, (one) => one.id === id && one.captured === wanted);
    if (known !== undefined) return this.again(known, wish.key);
    this.checkApproved(sale);
    if (!sale.hold || sale.captured !== undefined)
      throw refused('not_a_hold', `sale ${id} is no open hold`, 'Refund what is to go back.');
    if (wanted > sale.total)
      throw refused('capture_too_large', `${sale.total} units were held`, 'Capture at most what was held.');
    return this.giveBack(sale, 'capture', sale.total - wanted, wish);
  }

  /** What the voucher's credit comes to with this one: credits on a voucher only grow. */
  private creditedWith(sale: Sale, credit: Credit): number {
    const earlier = sale.credits.slice(0, sale.credits.indexOf(credit));
    return earlier.reduce((sum, one) => (one.state === 'done' ? sum + one.amount : sum), credit.amount);
  }

  private async giveBack(
    sale: Sale,
    kind: Credit['kind'],
    back: number,
    { key, requestId }: Wish,
  ): Promise<Sale> {
    if (this.books.openCredits.length > 0)
      throw refused('credit_open', 'another refund is being signed', 'Ask again in a moment.');
    const credit = `${sale.id}-${sale.credits.length + 1}`;
    const { id, reference, total } = sale;
    const about = { sale: id, ...(reference !== undefined && { reference }), total };
    this.tell({ type: 'credit.opened', ...about, credit, key, kind, amount: back }, requestId);
    return this.again(this.find(id), key);
  }

  /** Goes on with a credit that was decided, wherever it was cut. */
  private async again(sale: Sale, key: string): Promise<Sale> {
    const credit = sale.credits.find((one) => one.key === key);
    if (credit?.state !== 'open') return sale;
    if (sale.training || credit.amount === 0) {
      this.creditDone(sale, credit);
      return this.find(sale.id);
    }
    const { voucher, channel, seq } = sale.payment!;
    const credited = this.creditedWith(sale, credit);
    this.lastRefusal = undefined;
    await this.parts.device.dispatch({
      type: 'refund',
      channel: channelId(channel),
      credited: amount(credited),
      sold: {
        voucher: fromHex(voucher, 32),
        seq: seqOf(seq),
        amount: amount(sale.total),
        credited: amount(credited - credit.amount),
      },
    });
    await this.parts.device.idle();
    const after = this.find(sale.id);
    if (after.credits.find((one) => one.key === key)?.state === 'open')
      this.tellOf(sale, {
        type: 'credit.failed',
        credit: credit.id,
        amount: credit.amount,
        code: this.lastRefusal ?? 'frozen',
      });
    return this.find(sale.id);
  }

  /** Goes on with credits that a process which died had decided on. */
  async resume(): Promise<void> {
    for (const [sale, credit] of this.books.openCredits) await this.again(sale, credit.key);
  }

  private creditDone(sale: Sale, credit: Credit): void {
    this.tellOf(sale, { type: 'credit.done', credit: credit.id, amount: credit.amount });
  }

  /** Sales from now on are played, and no money moves. Throws `sale_open`. */
  train(on: boolean, requestId: string): Status {
    if (this.books.open !== undefined)
      throw refused('sale_open', 'a sale is asked for now', 'Wait for its end, or cancel it.');
    if (this.books.training !== on) this.tell({ type: 'training', on }, requestId);
    return this.status();
  }

  /** What the hub has not acknowledged: payments, and what they come to. */
  private waiting(): { count: number; sum: number } {
    let [count, sum] = [0, 0];
    for (const entry of this.parts.device.storedBooks.outbox) {
      if (entry.kind !== 'voucher' || entry.collected.receipt === undefined) continue;
      count += 1;
      sum += entry.collected.request.amount;
    }
    return { count, sum };
  }

  /** What the open day came to so far. */
  report(): Report {
    return this.books.report(this.waiting());
  }

  /** Ends the business day: its report is kept, and the next one begins. Throws `sale_open`, `credit_open`. */
  close(requestId: string): Report {
    if (this.books.open !== undefined)
      throw refused('sale_open', 'a sale is asked for now', 'Wait for its end, or cancel it.');
    if (this.books.openCredits.length > 0)
      throw refused('credit_open', 'a refund is being signed', 'Ask again in a moment.');
    const report = { ...this.report(), closedAt: this.parts.now() };
    this.tell({ type: 'day.closed', report }, requestId);
    return report;
  }

  /** Quotes that count now, or why there are none. */
  private quotesNow(timeKnown: boolean): Pick<Status, 'quotes' | 'quoteTrouble'> {
    const { quotes } = this.parts;
    if (quotes === undefined || !timeKnown) return { quotes: [] };
    try {
      return { quotes: quotes().filter((one) => stands(one, this.time())) };
    } catch (error) {
      return { quotes: [], quoteTrouble: (error as Error).message };
    }
  }

  /** What the till is doing. */
  status(): Status {
    const { device, clock, settings, name, address, chainId, vault, head } = this.parts;
    const { volatile, books } = device.state;
    const { open } = this.books;
    const timeKnown = isBased(volatile.time, clock.monotonicMs());
    return {
      name,
      address: toHex(address),
      payee: toHex(settings.payee),
      currency: CURRENCY,
      chainId,
      vault,
      head: [...head],
      works: !device.frozen,
      online: volatile.hubConnected,
      timeKnown,
      training: this.books.training,
      day: this.books.day,
      offlineLeft: Math.max(0, settings.capTotal - books.exposure),
      waiting: this.waiting(),
      ...this.quotesNow(timeKnown),
      ...(open !== undefined && { open }),
      lastEvent: this.books.lastId,
    };
  }
}
