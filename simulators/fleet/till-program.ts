/**
 * A till's program in virtual time: the business that `sundial pos` runs (hardware/boards/node/till/till.ts), on a device of
 * the fleet. What it writes down is durable at once; its process dies with the power, also right before something is written
 * down, and begins anew over what stands there.
 *
 * Not played here: the file itself (test/till), prices in other currencies and training (`npm run till`), and who asks over
 * HTTP.
 */
import { Pos } from '../../device/roles/pos.ts';
import { creditedOn, TillBooks } from '../../hardware/boards/node/till/books.ts';
import type { Sale, TillEvent } from '../../hardware/boards/node/till/schema.ts';
import { Till } from '../../hardware/boards/node/till/till.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import type { TerminalRecord } from '../../protocol/machines/terminal/books.ts';
import type { TerminalSettings } from '../../protocol/machines/terminal/state.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND, type World } from '../stage/world/world.ts';
import type { Program } from './device.ts';
import type { TerminalDevice } from './devices.ts';
import { endProgram, Gone } from './program-end.ts';

/** What a customer is asked for; a hold asks for the most that it may come to. */
export interface Basket {
  readonly amount: number;
  readonly tip?: number;
  readonly hold?: boolean;
}

/** How often a till looks whether its request still stands. */
const TICK_MS = 5 * SECOND;
/** How often a clerk tries to give something back, and how long one waits before the next try. */
const TRIES = 40;
const AGAIN_MS = 5 * MINUTE;
/** In 1,000: on how many sales more goes back afterwards. */
const ONCE_MORE = 400;

export class TillProgram implements Program {
  /** What stands in its file. */
  books: TillBooks;
  /** Every basket that was asked for, by the key of its sale: for who checks the books. */
  readonly asked = new Map<string, Basket>();
  /** What the till said no to, by code. */
  readonly refused = new Map<string, number>();
  private readonly device: TerminalDevice;
  private readonly settings: TerminalSettings;
  private readonly signing: Signing;
  private readonly world: World;
  private readonly random: Random;
  private till: Till | undefined;
  /** Which process it is. */
  private run = 0;
  private wishes = 0;

  constructor(
    device: TerminalDevice,
    settings: TerminalSettings,
    signing: Signing,
    world: World,
    random: Random,
  ) {
    this.device = device;
    this.settings = settings;
    this.signing = signing;
    this.world = world;
    this.random = random;
    this.books = new TillBooks(undefined, world.nowSeconds);
  }

  // ---- its process ----

  powerUp(): void {
    const { device, world } = this;
    this.run += 1;
    const { run } = this;
    // What a file holds is all that a process knows of the one before.
    this.books = new TillBooks(structuredClone(this.books.standing()));
    const entropy = { certified: true, random: (length: number) => this.random.bytes(length) };
    this.till = new Till({
      name: device.name,
      device,
      clock: device,
      pos: new Pos(device, entropy),
      settings: this.settings,
      address: device.key.made.address,
      file: { books: this.books, events: [], append: (event: TillEvent) => this.books.apply(event) },
      entropy,
      chainId: 0,
      vault: '',
      head: [],
      signing: this.signing,
      now: () => world.nowSeconds,
      before: ({ type }) => {
        if (this.run !== run) throw new Gone();
        device.step(`till:${type}`);
      },
      broken: (error) => {
        throw error;
      },
    });
  }

  started(): void {
    this.act((till) => till.resume());
  }

  event(event: { readonly type: string }): void {
    this.till?.onEvent(event);
  }

  stored(record: { readonly type: string }): void {
    this.till?.onStored(record as TerminalRecord);
  }

  notice(notice: Notice): void {
    this.till?.onNotice(notice);
  }

  powerOff(): void {
    this.run += 1;
    this.till = undefined;
  }

  /** Somebody wants something of the till. */
  private act(what: (till: Till) => Promise<unknown> | undefined): void {
    const { till, world, device } = this;
    if (till === undefined) return;
    world.touched = true;
    // A refusal that it throws at once is one like any other.
    const done = (async () => what(till))();
    done.catch((error: unknown) => {
      if (!(error instanceof SundialError)) return endProgram(error, device, world);
      this.refused.set(error.code, (this.refused.get(error.code) ?? 0) + 1);
    });
  }

  // ---- who stands at it ----

  private wish(key: string): { readonly requestId: string; readonly key: string } {
    this.wishes += 1;
    return { requestId: `r${this.wishes}`, key };
  }

  /** Asks for a basket; returns the key of the sale. `twice`: whoever asked did not hear of it, and asks again. */
  sell(basket: Basket, twice: boolean): string {
    const key = `order-${this.asked.size + 1}`;
    this.asked.set(key, basket);
    const ask = (): void => this.act((till) => till.sell({ tip: 0, hold: false, ...basket }, this.wish(key)));
    ask();
    if (twice) for (const ms of [SECOND, MINUTE]) this.world.after(ms, ask);
    this.watch();
    return key;
  }

  /** The sale of that key, if it is in the books. */
  sale(key: string): Sale | undefined {
    return this.books.ofKey(key);
  }

  /** The customer has less than what is asked for: asks for that instead. */
  takePart(key: string): boolean {
    const sale = this.sale(key);
    if (sale?.state !== 'open' || sale.most === undefined || sale.most >= sale.total) return false;
    const { id, most } = sale;
    this.act((till) => till.part(id, most));
    return true;
  }

  cancel(): void {
    const { open } = this.books;
    if (open !== undefined) this.act((till) => till.cancel(open.id));
  }

  /** Says what a hold comes to, or gives money back: all that is left, or a part. Tried until it is done. */
  giveBack(random: Random, key: string): void {
    const sale = this.sale(key);
    if (sale?.state !== 'approved') return;
    const { id, total } = sale;
    const isCapture = sale.hold && sale.captured === undefined;
    // Of what is left, where something went back already.
    const left = total - creditedOn(sale);
    if (left === 0) return;
    const part = random.below(left + 1);
    const isWhole = random.chance(300);
    const wanted = `back-${id}-${sale.credits.length + 1}`;
    const attempt = (tries: number): void => {
      const credit = this.sale(wanted)?.credits.find((one) => one.key === wanted);
      if (credit?.state === 'done' && random.chance(ONCE_MORE)) return this.giveBack(random, key);
      if (credit?.state === 'done' || credit?.state === 'failed' || tries === 0) return;
      this.act((till) =>
        isCapture
          ? till.capture(id, part, this.wish(wanted))
          : till.refund(id, isWhole ? undefined : Math.max(1, part), this.wish(wanted)),
      );
      this.world.after(AGAIN_MS, () => attempt(tries - 1));
    };
    attempt(TRIES);
  }

  /** Ends the business day, unless somebody pays now. */
  closeDay(): void {
    this.act(async (till) => till.close('close'));
  }

  /** Looks after the sale that is asked for. */
  private watch(): void {
    this.world.after(TICK_MS, () => {
      this.act(async (till) => till.tick());
      if (this.books.open !== undefined) this.watch();
    });
  }
}
