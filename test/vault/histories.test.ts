/**
 * Random histories of the protocol's own payer and terminals, settled on the vault in random portions and orders, with
 * losses, voids, streams, refunds and replays. After every settlement the vault must hold, to the unit, what the
 * devices' vouchers say; in the end it must equal the devices' own books.
 */
import { bytesToHex, type Hex, hexToBytes } from 'viem';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findProof, type Shown } from '../../hub/l2/fraud.ts';
import type { Row } from '../../hub/l2/rows.ts';
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import { amount } from '../../protocol/integers.ts';
import type { Collected } from '../../protocol/machines/collected.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import {
  lanesHash,
  type ListedLane,
  listedLanes,
  spentTop,
  topOf,
  voucherDigest,
} from '../../protocol/vouchers.ts';
import {
  meet,
  nobleKey,
  part,
  type Payer,
  payerOn,
  signingOf,
  START,
  type Terminal,
  terminalOf,
} from './devices.ts';
import { named, startWorld, type World } from './kit.ts';

const deep = process.env.SUNDIAL_DEEP === '1';
const [shard, shards] = (process.env.SUNDIAL_SHARD ?? '1/1').split('/').map(Number) as [number, number];
const HISTORIES = deep ? 2000 : 200;
const STEPS = 9;
const DEPOSIT = 1_000_000;
const FUNDS = 800_000;

/** A small generator that gives the same numbers for the same seed everywhere. */
function randomOf(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Credited {
  readonly collected: Collected;
  readonly credited: number;
}

/** One payer, three terminals of two payees, and a hub that knows what terminals handed in. */
class History {
  readonly rows = new Map<Hex, Collected>();
  readonly ticks = new Map<Hex, { k: number; preimage: Uint8Array }>();
  readonly credits = new Map<Hex, Credited>();
  readonly lists = new Map<Hex, ListedLane[]>();
  /** What the vault should say, from the rows that were sent. */
  readonly settled = new Map<Hex, number>();
  readonly given = new Map<Hex, number>();
  private taps = 0;

  constructor(
    readonly world: World,
    readonly signing: Signing,
    readonly random: (below: number) => number,
    readonly channel: number,
    readonly payer: Payer,
    readonly terminals: readonly { device: Terminal; payee: SecureKey }[],
    readonly before: Map<Hex, number>,
  ) {}

  private fresh(): Uint8Array {
    this.taps++;
    return named(`${this.channel} ${this.taps}`);
  }

  /** Remembers what lists the payer's next voucher may commit to. */
  private noteLists(): void {
    const { lanes } = this.payer.state.books;
    for (const { payee } of this.terminals) {
      const others = listedLanes(
        lanes.filter((lane) => bytesToHex(lane.payee) !== bytesToHex(payee.address)),
      );
      const list = others.map((lane) => ({ payee: lane.payee, paid: lane.confirmedPaid }));
      this.lists.set(bytesToHex(lanesHash(this.signing.suite, list)), list);
    }
  }

  private async tap(lossy: boolean): Promise<void> {
    this.noteLists();
    const { device } = this.terminals[this.random(this.terminals.length)]!;
    await device.on({
      type: 'sale',
      amount: amount(1 + this.random(9000)),
      currency: 'TIME',
      challenge: this.fresh().slice(0, 16),
    });
    // Each message may be lost: then the voucher stays unconfirmed and is resolved, or voided, at a later tap.
    const losses = lossy ? 3 : 0;
    await meet(
      this.payer,
      device,
      () => losses > 0 && this.random(losses * 3) === 0,
      () => this.fresh(),
    );
    await part(this.payer, device);
    // Sometimes the sale is dropped, so that a late voucher meets a closed request.
    if (lossy && this.random(2) === 0) await device.on({ type: 'cancel' });
  }

  private async stream(): Promise<void> {
    this.noteLists();
    const { device } = this.terminals[this.random(this.terminals.length)]!;
    const ticks = 1 + this.random(6);
    await device.on({
      type: 'streamSale',
      tickValue: amount(1 + this.random(500)),
      ticks,
      currency: 'TIME',
      challenge: this.fresh().slice(0, 16),
    });
    await meet(
      this.payer,
      device,
      () => false,
      () => this.fresh(),
    );
    for (let round = this.random(ticks + 1); round > 0; round--) {
      const { session } = device.state.volatile;
      if (session === undefined || session.delivering === 0) break;
      const { channel, delivering: k } = session;
      await device.on({ type: 'delivered', channel, k, challenge: this.fresh().slice(0, 16) });
    }
    if (this.random(2) === 0) await device.on({ type: 'closeSession', challenge: this.fresh().slice(0, 16) });
    await part(this.payer, device);
  }

  /** Terminals hand everything in. */
  private collect(): void {
    for (const { device } of this.terminals) {
      for (const entry of device.state.books.outbox) {
        if (entry.kind === 'voucher') {
          const { collected } = entry;
          this.rows.set(bytesToHex(voucherDigest(this.signing, collected.voucher)), collected);
          // A void is a credit for the full amount, which the payee then signs for L2.
          if (collected.credit !== undefined) this.noteCredit(collected, Number(collected.request.amount));
        } else if (entry.kind === 'tick') {
          const id = bytesToHex(entry.stream);
          if ((this.ticks.get(id)?.k ?? 0) < entry.k)
            this.ticks.set(id, { k: entry.k, preimage: entry.preimage });
        } else {
          const collected = this.rows.get(bytesToHex(entry.voucher));
          if (collected !== undefined) this.noteCredit(collected, Number(entry.credited));
        }
      }
    }
  }

  private noteCredit(collected: Collected, credited: number): void {
    const id = bytesToHex(voucherDigest(this.signing, collected.voucher));
    if ((this.credits.get(id)?.credited ?? 0) < credited) this.credits.set(id, { collected, credited });
  }

  private rowOf(id: Hex, collected: Collected): Row {
    const { voucher, signature } = collected;
    const reveal = this.ticks.get(id);
    const list = voucher.kind === 'voucher' ? this.lists.get(bytesToHex(voucher.lanes)) : undefined;
    return {
      voucher,
      signature,
      ...(voucher.kind === 'stream' && reveal && { reveal }),
      ...(list && list.length > 0 && this.random(2) === 0 && { list }),
    };
  }

  private async creditRow(id: Hex, { collected, credited }: Credited): Promise<Row> {
    const { voucher, request, signature } = collected;
    const reveal = this.ticks.get(id);
    const payee = this.terminals.find(
      (terminal) => bytesToHex(terminal.payee.address) === bytesToHex(voucher.payee),
    )!.payee;
    const digest = this.signing.digest('Credit', {
      voucher: hexToBytes(id),
      credited: amount(credited),
    });
    return {
      voucher,
      signature,
      opened: request,
      ...(voucher.kind === 'stream' && reveal && { reveal }),
      credit: { credited, signature: await payee.sign(digest) },
    };
  }

  private raise(payee: Uint8Array, paid: number): void {
    const key = bytesToHex(payee);
    if (paid > (this.settled.get(key) ?? 0)) this.settled.set(key, paid);
  }

  /** Sends some of what is known, in any order, or all of it. */
  private async settle(everything: boolean): Promise<void> {
    const rows: Row[] = [];
    for (const [id, collected] of this.rows)
      if (everything || this.random(2) === 0) rows.push(this.rowOf(id, collected));
    for (let i = rows.length - 1; i > 0; i--) {
      const j = this.random(i + 1);
      [rows[i], rows[j]] = [rows[j]!, rows[i]!];
    }
    for (const { voucher, reveal, list } of rows) {
      this.raise(voucher.payee, topOf(voucher as Collected['voucher'], reveal?.k ?? 0));
      for (const { payee, paid } of list ?? []) this.raise(payee, paid);
    }
    if (everything) for (const [id, credit] of this.credits) rows.push(await this.creditRow(id, credit));
    if (rows.length === 0) return;
    const { outcomes } = await this.world.vault.settleBatch(this.world.rich, rows);
    for (const outcome of outcomes) {
      assert.ok(
        ['applied', 'stale', 'credit_stale'].includes(outcome.reason),
        `a device's own voucher was skipped: ${outcome.reason}`,
      );
      if (!outcome.credit) continue;
      const key = bytesToHex(rows[outcome.row]!.voucher.payee);
      this.given.set(key, (this.given.get(key) ?? 0) + outcome.moved);
    }
    await this.compare();
  }

  private total(map: Map<Hex, number>): number {
    return [...map.values()].reduce((sum, value) => sum + value, 0);
  }

  /** The vault against what the rows say. */
  private async compare(): Promise<void> {
    const { vault } = this.world;
    const state = await vault.readChannel(this.channel);
    assert.is(state.free, FUNDS - this.total(this.settled) + this.total(this.given), 'free');
    assert.is(state.credited, this.total(this.given), 'credited');
    for (const [payee, before] of this.before) {
      const lane = this.settled.get(payee) ?? 0;
      assert.is(await vault.readLane(this.channel, hexToBytes(payee)), lane, 'lane');
      const balance = await vault.readPayeeBalance(hexToBytes(payee));
      assert.is(balance, before + lane - (this.given.get(payee) ?? 0), 'balance');
    }
  }

  /** The vault against the devices' own books, after everything was settled. */
  private async compareBooks(): Promise<void> {
    const { books } = this.payer.state;
    for (const lane of books.lanes) {
      const settled = await this.world.vault.readLane(this.channel, lane.payee);
      const waiting = books.unconfirmed.some(({ kind }) => kind === 'voucher' || kind === 'tick');
      assert.ok(settled <= lane.paid, 'never more than the payer promised');
      assert.ok(settled >= lane.confirmedPaid, 'never less than a terminal confirmed');
      if (!waiting) assert.is(settled, lane.paid, 'payer and vault agree');
      const bases = this.terminals
        .filter(({ payee }) => bytesToHex(payee.address) === bytesToHex(lane.payee))
        .flatMap(({ device }) => device.state.books.lanes)
        .filter(({ channel }) => channel === this.channel)
        .map(({ base }) => base as number);
      assert.is(settled, Math.max(0, ...bases), 'terminals and vault agree');
    }
  }

  /** Honest devices never leave a proof of fraud behind. */
  private checkHonest(): void {
    const shown: Shown[] = [...this.rows].map(([id, { voucher, request }]) => {
      const k = this.ticks.get(id)?.k ?? 0;
      const paid = topOf(voucher, k);
      return {
        id: hexToBytes(id),
        seq: voucher.seq,
        spent: spentTop(voucher, k),
        payee: voucher.payee,
        paid,
        moved: voucher.kind === 'stream' ? paid - voucher.paid : request.amount,
      };
    });
    assert.is(findProof(shown), undefined, 'a proof against an honest payer');
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      const what = this.random(10);
      if (what < 4) await this.tap(false);
      else if (what < 6) await this.tap(true);
      else if (what < 8) await this.stream();
      else if (what < 9) await this.refund();
      else {
        this.collect();
        await this.settle(false);
      }
    }
    // The end: a quiet tap at each terminal resolves what is still unconfirmed there.
    for (const { device } of this.terminals) {
      await meet(
        this.payer,
        device,
        () => false,
        () => this.fresh(),
      );
      await part(this.payer, device);
    }
    this.collect();
    await this.settle(true);
    await this.settle(true);
    await this.compareBooks();
    this.checkHonest();
  }

  private async refund(): Promise<void> {
    const { device } = this.terminals[this.random(this.terminals.length)]!;
    const lane = device.state.books.lanes.find(({ channel }) => channel === this.channel);
    if (lane === undefined || lane.answer === 'credit' || lane.stream !== undefined) return;
    await device.on({
      type: 'refund',
      channel: lane.channel,
      credited: amount(this.random(lane.amount + 1)),
    });
  }
}

const histories = suite('histories of devices and vault');

histories(`${HISTORIES} random histories end with equal books`, async () => {
  const world = await startWorld({}, { timestamp: START });
  const counts = { histories: 0, vouchers: 0, voids: 0, streams: 0, credits: 0 };
  try {
    const signing = signingOf(world);
    const hub = nobleKey(named('hub'));
    await world.vault.approve(world.rich, 2 ** 47);
    const payees = [nobleKey(named('payee a')), nobleKey(named('payee b'))] as const;
    for (const payee of payees) await world.vault.registerPayee(world.rich, payee.address);
    for (let seed = shard; seed <= HISTORIES; seed += shards) {
      const key = nobleKey(named(`payer ${seed}`));
      const { channel } = await world.vault.openChannel(world.rich, {
        payer: bytesToHex(key.address),
        amount: DEPOSIT,
      });
      const terminals = [];
      for (const [index, payee] of [payees[0], payees[0], payees[1]].entries()) {
        const device = await terminalOf(signing, nobleKey(named(`terminal ${seed} ${index}`)), payee, hub);
        terminals.push({ device, payee });
      }
      const before = new Map<Hex, number>();
      for (const { address } of payees)
        before.set(bytesToHex(address), await world.vault.readPayeeBalance(address));
      const payer = await payerOn(signing, key, hub, channel, FUNDS);
      const history = new History(world, signing, randomOf(seed), channel, payer, terminals, before);
      try {
        await history.run();
      } catch (error) {
        throw new Error(`history ${seed}: ${(error as Error).message}`, { cause: error });
      }
      counts.histories++;
      counts.vouchers += history.rows.size;
      counts.voids += [...history.rows.values()].filter(({ credit }) => credit !== undefined).length;
      counts.streams += history.ticks.size;
      counts.credits += history.credits.size;
    }
  } finally {
    await world.stop();
  }
  console.log(JSON.stringify(counts));
  // The histories must be about something.
  assert.ok(counts.vouchers > 3 * counts.histories);
  assert.ok(counts.streams > 0 && counts.voids > 0 && counts.credits > counts.voids);
});

histories.run();
