/**
 * A drawn day at the tills of a merchant: real processes of hub, tills, customers and shops' software over a chain node,
 * killed at drawn moments. Whoever was killed is started again and goes on; an order whose sale failed is asked for anew
 * under another key, until it is paid. What came of it is judged by oracle.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { connectTill, type Sale, type TillClient } from 'sundial/pos';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { openHubFolder } from '../../hub/cli/hub-folder.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { DeviceChild } from '../demo/device-child.ts';
import { freePort } from '../../hub/node/free-port.ts';
import { type Json, Shop } from '../operator/shop.ts';
import { type DrawnSale, drawDay, EURO_RATE, type Kill, type Visit } from './draw.ts';
import {
  type CustomerBooks,
  type HubPayment,
  type Judgement,
  judge,
  type Told,
  type ZReport,
} from './oracle.ts';

const MERCHANT = 'Corner shop';
const DEPOSIT = '600';
/** What owners are given: the deposit and more. */
const MONEY = '700';
const TILLS = 3;
const CUSTOMERS = 6;
/** How long a sale may stay open before its cashier cancels it, milliseconds: a busy machine takes seconds. */
const PATIENCE_MS = 20_000;
/** How often an order is asked for, at most. */
const ATTEMPTS_MAX = 12;

/** What a day came to. */
export interface TillDay extends Omit<Judgement, 'troubles'> {
  readonly ok: boolean;
  readonly sales: number;
  readonly refunds: number;
  readonly cleared: number;
  readonly kills: number;
}

interface TillAt {
  readonly index: number;
  readonly device: DeviceChild;
  readonly client: TillClient;
  readonly url: string;
  readonly token: () => string;
}

interface Order {
  readonly drawn: DrawnSale;
  readonly till: number;
  sale: Sale;
}

/** The day. `close` ends all that it started. */
export class DayAtTheTills {
  private readonly shop: Shop;
  private readonly say: (text: string) => void;
  private readonly program: string;
  private hubProcess: ChildProcess | undefined;
  private mqttUrl = '';
  private kills = 0;
  private readonly told: Told[] = [];
  private readonly orders: Order[] = [];
  private tills: TillAt[] = [];
  private customers: string[] = [];
  private readonly channels: number[] = [];
  /** Hub restarts, one after the other. */
  private hubBack: Promise<void> = Promise.resolve();

  constructor(program: string, folder: string, say: (text: string) => void) {
    this.program = program;
    this.shop = new Shop(program, folder);
    this.say = say;
  }

  close(): Promise<void> {
    return this.shop.close();
  }

  // ---- before the doors open ----

  private async open(): Promise<void> {
    const { shop } = this;
    const anvil = await shop.chain();
    const roles = await shop.roles(anvil);
    await shop.deploy(anvil, roles);
    const [http, mqtt] = [await freePort(), await freePort()];
    this.mqttUrl = `mqtt://127.0.0.1:${mqtt}`;
    await shop.complete(anvil, '--http-port', String(http), '--mqtt-port', String(mqtt));
    await shop.money(anvil, roles, CUSTOMERS, MONEY);
    this.hubProcess = await shop.hub();
    await shop.run('payee', 'add', MERCHANT, ...shop.at);
    const quotes = await this.quoteEuros();
    for (let index = 0; index < TILLS; index++) {
      const { state } = await shop.till(index + 1, MERCHANT);
      const port = await freePort();
      const extra = ['--http', String(port), ...quotes];
      const url = `http://127.0.0.1:${port}`;
      const device = shop.device('pos', state, shop.tapOf(index + 1), extra);
      await device.start();
      await device.next('api');
      const token = (): string => readFileSync(join(state, 'till.token'), 'utf8');
      this.tills.push({ index, device, url, token, client: connectTill({ url, token: token() }) });
    }
    this.customers = await Promise.all(
      Array.from({ length: CUSTOMERS }, (_, index) => shop.customer(index + 1, DEPOSIT, anvil.url)),
    );
    for (const state of this.customers)
      this.channels.push(JSON.parse(readFileSync(join(state, 'device.json'), 'utf8')).channel);
    await shop.untilKnown(CUSTOMERS);
    for (const { device } of this.tills) await device.until((status) => status.scope !== undefined);
    // Every customer has a lease before the first visit.
    await Promise.all(
      this.customers.map(async (_, index) => {
        const customer = this.wearable(index, index % TILLS);
        await customer.start();
        await customer.next('lease');
        await customer.stop();
      }),
    );
  }

  /** The merchant's source says what a euro comes to; the flags with which tills believe it. */
  private async quoteEuros(): Promise<string[]> {
    const { shop } = this;
    const [key, into] = [join(shop.folder, 'source.key'), join(shop.folder, 'quotes.json')];
    await shop.run('hub-key', 'new', '--out', key);
    const { vault, chainId } = shop.place;
    const { signer } = await shop.run(
      ...['quote', 'sign', '--key', key, '--into', into, '--source', "the day's rate", '--hours', '168'],
      ...['--currency', 'EUR', '--rate', EURO_RATE, '--vault', vault, '--chain-id', String(chainId)],
    );
    return ['--quotes', into, '--quote-signer', String(signer)];
  }

  /** A customer's device, held to a till. Its person says yes to whatever is asked. */
  private wearable(customer: number, till: number): DeviceChild {
    const extra = ['--day-limit', '1000000', '--hub', this.mqttUrl];
    const device: DeviceChild = this.shop.device(
      'wearable',
      this.customers[customer]!,
      this.shop.tapOf(till + 1),
      extra,
      ({ event }) => {
        if (event === 'confirmWanted') device.command({ confirm: true });
      },
    );
    return device;
  }

  // ---- kills ----

  private async killed(device: DeviceChild): Promise<void> {
    await device.kill();
    this.kills += 1;
    await device.start();
  }

  /** Kills the hub and starts it again, while the tills go on. */
  private killHub(): void {
    this.hubBack = this.hubBack.then(async () => {
      const child = this.hubProcess!;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      this.kills += 1;
      this.hubProcess = await this.shop.hub();
    });
  }

  /** Does `act` while somebody is killed. */
  private async during<T>(
    { whom, at, ms }: Kill,
    act: () => Promise<T>,
    till: TillAt,
    customer: DeviceChild | undefined,
  ): Promise<T> {
    if (whom === 'hub') {
      this.killHub();
      return act();
    }
    const victim = whom === 'till' || customer === undefined ? till.device : customer;
    if (at === undefined) {
      const acting = act();
      await new Promise((resolve) => setTimeout(resolve, ms));
      await this.killed(victim);
      return acting;
    }
    victim.command({ haltAt: at });
    await victim.status();
    const { mark } = victim;
    let isOver = false;
    const acting = act().finally(() => {
      isOver = true;
    });
    // What is not reached on the way is killed when all is over.
    const halted = (): boolean => victim.has('halted', mark);
    while (!isOver && !halted()) await new Promise((resolve) => setTimeout(resolve, 20));
    await this.killed(victim);
    return acting;
  }

  // ---- a sale ----

  /** Sells once; a sale that nobody pays is cancelled after a while. */
  private async sellOnce(till: TillAt, drawn: DrawnSale, key: string): Promise<Sale> {
    const sale = await till.client.open(askOf(drawn), { key });
    if (sale.state !== 'open') return sale;
    const { id } = sale;
    const ended = till.client.ended(id);
    const late = Symbol('late');
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<typeof late>((resolve) => {
      timer = setTimeout(() => resolve(late), PATIENCE_MS);
    });
    const first = await Promise.race([ended, patience]);
    clearTimeout(timer);
    if (first !== late) return first as Sale;
    await till.client.cancel(id);
    return ended;
  }

  /** The same by a process that is killed and asks again. */
  private async sellInProcess(till: TillAt, drawn: DrawnSale, key: string, ms: number): Promise<Sale> {
    const wish = JSON.stringify({ url: till.url, token: till.token(), sale: askOf(drawn), key });
    const program = join(dirname(this.program), 'software.mjs');
    const begin = (): ChildProcess =>
      spawn(process.execPath, [program, wish], { stdio: ['ignore', 'pipe', 'inherit'] });
    const first = begin();
    this.shop.hold(first);
    await once(createInterface({ input: first.stdout! }), 'line');
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (first.exitCode === null && first.signalCode === null) {
      const gone = once(first, 'exit');
      first.kill('SIGKILL');
      await gone;
      this.kills += 1;
    }
    // Whoever crashed asks again with the same key; the driver waits as the process would.
    return this.sellOnce(till, drawn, key);
  }

  /** Waits until the till has the hub at hand, and nothing left to hand in. */
  private async online(till: TillAt): Promise<void> {
    const isOnline = ({ online, outbox }: Json): boolean => online === true && outbox === 0;
    if (!isOnline(await till.device.status())) till.device.command({ connect: this.mqttUrl });
    await till.device.until(isOnline);
  }

  private async sell(till: TillAt, customer: DeviceChild, drawn: DrawnSale, offline: boolean): Promise<void> {
    const order = String(drawn.number);
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const key = `order-${order}-${attempt}`;
      // What was refused with no network may be taken with one.
      if (attempt > 1 || !offline || drawn.clears) await this.online(till);
      const kill = attempt === 1 ? drawn.kill : undefined;
      const act = (): Promise<Sale> => this.sellOnce(till, drawn, key);
      const sale =
        kill === undefined
          ? await act()
          : kill.whom === 'client'
            ? await this.sellInProcess(till, drawn, key, kill.ms)
            : await this.during(kill, act, till, customer);
      const again = drawn.asksTwice ? await till.client.sell(askOf(drawn), { key }) : sale;
      if (again.id !== sale.id || again.state !== sale.state)
        throw new Error(`order ${order}: told ${sale.id} ${sale.state}, then ${again.id} ${again.state}`);
      if (sale.state === 'approved') {
        const done: Order = { drawn, till: till.index, sale };
        this.orders.push(done);
        if (drawn.captured !== undefined)
          done.sale = await till.client.capture(sale.id, drawn.cents?.captured ?? drawn.captured, {
            key: `${key}-capture`,
            ...(drawn.cents !== undefined && { currency: 'EUR' }),
          });
        return;
      }
      this.told.push({ order, key, till: till.index, state: 'failed', total: sale.total, back: 0 });
      this.say(`   order ${order}: ${sale.code ?? sale.reason}, asked for anew`);
    }
    throw new SundialError('story_waits', `order ${order} was never paid`, {
      severity: 'process',
      remedy: 'Run the same seed again; if it happens again, send the output.',
    });
  }

  private async visit(till: TillAt, { customer: index, offline, sales, training }: Visit): Promise<void> {
    if (training) await this.train(till);
    await this.online(till);
    const customer = this.wearable(index, till.index);
    await customer.start();
    if (offline) {
      const { mark } = till.device;
      till.device.command({ disconnect: true });
      await till.device.next('disconnected', () => true, mark);
    }
    for (const drawn of sales) await this.sell(till, customer, drawn, offline);
    await customer.stop();
  }

  /** Somebody learns: nothing of it may count. */
  private async train(till: TillAt): Promise<void> {
    await till.client.train(true);
    await till.client.sell({ amount: 1_000_000 }, { key: `training-${till.index}-${Date.now()}` });
    await till.client.train(false);
  }

  private async refund(order: Order): Promise<void> {
    const { drawn, till: index } = order;
    const till = this.tills[index]!;
    const left = order.sale.total - backOf(order.sale);
    if (left === 0) return;
    const part = drawn.refund!.part;
    const amount = part === undefined ? undefined : Math.min(part, left);
    const key = `order-${drawn.number}-refund`;
    const act = (): Promise<Sale> => till.client.refund(order.sale.id, amount, { key });
    const { kill } = drawn.refund!;
    order.sale = kill === undefined ? await act() : await this.during(kill, act, till, undefined);
    const again = await act();
    if (backOf(again) !== backOf(order.sale)) throw new Error(`order ${drawn.number} was given back twice`);
  }

  // ---- the day ----

  /** Lives the day that the seed draws. */
  async live(seed: number, sales: number, kills: number): Promise<TillDay> {
    const halves = drawDay(seed, { sales, kills, tills: TILLS, customers: CUSTOMERS });
    this.say(`a hub, ${TILLS} tills, ${CUSTOMERS} customers`);
    await this.open();
    for (const [half, byTill] of halves.entries()) {
      this.say(half === 0 ? 'the morning' : 'the afternoon; customers changed the till');
      await Promise.all(
        byTill.map(async (visits, index) => {
          for (const visit of visits) await this.visit(this.tills[index]!, visit);
        }),
      );
      this.say(`   ${this.orders.length} orders are paid, ${this.kills} processes were killed`);
      // Also what the day before sold.
      for (const order of this.orders)
        if (order.drawn.refund !== undefined && this.isDue(order, half)) await this.refund(order);
      await this.hubBack;
      for (const till of this.tills) {
        await this.online(till);
        await till.client.closeDay();
      }
    }
    // Kills that nothing drawn came to pass for: a refund of what was given back whole.
    while (this.kills < kills) await this.killed(this.tills[this.kills % TILLS]!.device);
    this.say('evening: everything is handed in');
    return this.judged();
  }

  /** Half of the refunds come at noon, the others in the evening, of whatever half the sale was. */
  private isDue({ drawn, sale }: Order, half: number): boolean {
    const isLate = drawn.number % 2 === 1;
    return half === 0 ? !isLate : isLate || !sale.credits.some(({ kind }) => kind === 'refund');
  }

  private async judged(): Promise<TillDay> {
    for (const till of this.tills) await this.online(till);
    const books = await Promise.all(this.customers.map((_, index) => this.decided(index)));
    for (const till of this.tills) await this.online(till);
    for (const { drawn, till, sale } of this.orders)
      this.told.push({
        order: String(drawn.number),
        key: sale.key,
        till,
        state: 'approved',
        total: sale.total,
        ...(drawn.cents !== undefined && { cents: drawn.cents.amount + drawn.cents.tip }),
        ...(sale.payment && { voucher: sale.payment.voucher, cleared: sale.payment.cleared }),
        back: backOf(sale),
      });
    const tills: { address: string; reports: ZReport[] }[] = [];
    const ends: { till: number; sale: string }[] = [];
    for (const { client, index } of this.tills) {
      const { address, lastEvent } = await client.status();
      tills.push({ address, reports: await client.days() });
      for await (const event of client.events({ after: 0 })) {
        if (event.type === 'sale.approved' || event.type === 'sale.failed')
          ends.push({ till: index, sale: event.sale });
        if (event.id >= lastEvent) break;
      }
    }
    const { troubles, ...judgement } = judge({
      told: this.told,
      payments: await this.payments(),
      customers: books,
      tills,
      ends,
    });
    for (const trouble of troubles) this.say(trouble);
    const cleared = this.orders.filter(({ sale }) => sale.payment?.cleared).length;
    const refunds = this.orders.reduce(
      (count, { sale }) =>
        count + sale.credits.filter(({ kind, state }) => kind === 'refund' && state === 'done').length,
      0,
    );
    const { lost, doubled, zReportEqualsHub } = judgement;
    return {
      ok: lost === 0 && doubled === 0 && zReportEqualsHub,
      sales: this.orders.length,
      refunds,
      cleared,
      kills: this.kills,
      lost,
      doubled,
      zReportEqualsHub,
    };
  }

  /** A customer's books, once nothing of them is undecided: what is, is decided at the till where it was. */
  private async decided(index: number): Promise<CustomerBooks> {
    const isDecided = ({ unconfirmed, outbox }: Json): boolean => unconfirmed === 0 && outbox === 0;
    let status: Json = {};
    for (let visit = 0; visit < TILLS; visit++) {
      const customer = this.wearable(index, (index + visit) % TILLS);
      await customer.start();
      const deadline = Date.now() + PATIENCE_MS;
      do {
        status = await customer.status();
        if (!isDecided(status)) await new Promise((resolve) => setTimeout(resolve, 200));
      } while (!isDecided(status) && Date.now() < deadline);
      await customer.stop();
      if (isDecided(status)) break;
    }
    const { spent, unconfirmed } = status;
    return { channel: this.channels[index]!, spent: Number(spent), unconfirmed: Number(unconfirmed) };
  }

  /** All payments that the hub has, page by page. */
  private async payments(): Promise<HubPayment[]> {
    const { hub } = openHubFolder(this.shop.site);
    const all: HubPayment[] = [];
    let after: string | undefined;
    do {
      const page = (await askHub(
        hub,
        `/v1/payments?limit=500${after === undefined ? '' : `&after=${after}`}`,
      )) as { payments: HubPayment[]; next?: string };
      all.push(...page.payments);
      after = page.next;
    } while (after !== undefined);
    return all;
  }
}

const askOf = ({ amount, tip, number, captured, cents }: DrawnSale) => ({
  ...(cents === undefined ? { amount, tip } : { amount: cents.amount, tip: cents.tip, currency: 'EUR' }),
  reference: `order ${number}`,
  hold: captured !== undefined,
});

/** What a shop was told went back on a sale. */
const backOf = ({ credits }: Sale): number =>
  credits.reduce((sum, { state, amount }) => (state === 'done' ? sum + amount : sum), 0);
