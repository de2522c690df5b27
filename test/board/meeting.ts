/**
 * Two boards on one wire that pay each other through faults: a till and a wearable, or a charge point and a car. Every
 * approval and every delivered tick is remembered, and looked for after each fault.
 */
import * as assert from 'uvu/assert';
import type { BoardMemory, Emulator } from '../../hardware/boards/mps2-an386/host/emulator.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { BoardRole, Workbench } from './bench.ts';
import { payerBooks, terminalBooks, untilQuiet } from './books.ts';

export const TERMINAL = 0;
export const PAYER = 1;
export type Side = typeof TERMINAL | typeof PAYER;

/** What the two do: one tap after the other, or one charge session after the other. */
export type Occasion = 'tap' | 'charge';
const ROLES: Readonly<Record<Occasion, readonly [BoardRole, BoardRole]>> = {
  tap: ['pos', 'wearable'],
  charge: ['charger', 'car'],
};

/** Price of a tick on the workbench. */
const TICK_UNITS = 20_000;
/** Ticks of a session before it is ended. */
const TICKS = 3;
/** A tick flows in some 20 ms, so that a battery is not full before a test has looked. */
const SPEED = 600;

export class Meeting {
  readonly occasion: Occasion;
  readonly memories: BoardMemory[] = [];
  private readonly boards: (Emulator | undefined)[] = [];
  private readonly images: string[] = [];
  /** Console lines of each side before it was last switched on. */
  private readonly past: [string[], string[]] = [[], []];
  private readonly bench: Workbench;
  private readonly channel: number;
  /** Units that were paid by taps. */
  private paid = 0;

  constructor(bench: Workbench, occasion: Occasion, channel: number) {
    this.bench = bench;
    this.occasion = occasion;
    this.channel = channel;
  }

  /** Where the two meet. */
  get path(): string {
    return this.bench.tapPath(`${this.occasion}-${this.channel}`);
  }

  /** Provisions both and switches them on; `testSide` runs an image that takes the commands of crash tests. */
  async open(testSide?: Side, uplinks = false): Promise<this> {
    this.uplinks = uplinks;
    for (const [side, role] of ROLES[this.occasion].entries()) {
      const options = { channel: this.channel, speed: SPEED, tests: side === testSide };
      const { memory, image } = await this.bench.provision(role, options);
      this.memories.push(memory);
      this.images.push(image);
    }
    await this.start(TERMINAL);
    await this.start(PAYER);
    return this;
  }
  private uplinks = false;

  board(side: Side): Emulator {
    return this.boards[side]!;
  }

  memory(side: Side): BoardMemory {
    return this.memories[side]!;
  }

  /** Switches a side on, and returns without waiting for what it says. */
  switchOn(side: Side): Emulator {
    this.past[side].push(...(this.boards[side]?.lines ?? []));
    const board = this.bench.start({
      image: this.images[side]!,
      memory: this.memory(side),
      tap: { path: this.path, listen: side === TERMINAL },
      uplink: this.uplinks,
    });
    this.boards[side] = board;
    return board;
  }

  async start(side: Side): Promise<void> {
    await this.switchOn(side).event('ready');
  }

  async switchOff(side: Side): Promise<void> {
    await this.board(side).kill();
  }

  /** What one case switched on is switched off: emulators that idle cost a machine, too. */
  async close(): Promise<void> {
    for (const board of this.boards) await board?.kill();
  }

  /** All that a side said since it was made. */
  said(side: Side): string[] {
    return [...this.past[side], ...this.board(side).lines];
  }

  get faults(): string[] {
    return [TERMINAL, PAYER].flatMap((side) =>
      this.said(side as Side).filter((line) => line.startsWith('fault:') || line.includes('"event":"fault"')),
    );
  }

  get spent(): number {
    return payerBooks(this.memory(PAYER)).spent;
  }

  /** The terminal asks for money: for a payment of so many units, or for a session. */
  ask(units: number): void {
    this.board(TERMINAL).type(this.occasion === 'tap' ? `sale ${units}` : 'offer');
  }

  /** Resolves when a payment is under way: a session that has delivered. A tap is as soon as it is asked for. */
  async begin(units: number): Promise<void> {
    const from = this.board(TERMINAL).lines.length;
    if (this.occasion === 'tap') return this.ask(units);
    await this.asking(units, (timeoutMs) =>
      this.board(TERMINAL).line(new RegExp(`"event":"deliver".*"k":${TICKS},`), { from, timeoutMs }),
    );
  }

  /** One more payment, to its end. */
  async pay(units: number): Promise<void> {
    const from = this.board(PAYER).lines.length;
    if (this.occasion === 'tap') {
      await this.asking(units, (timeoutMs) =>
        this.board(PAYER).line(new RegExp(`"event":"paid".*"amount":${units},`), { from, timeoutMs }),
      );
      this.paid += units;
      return;
    }
    await this.begin(units);
    // The stream was paid for when it was opened; now comes its closing voucher.
    const closing = this.board(PAYER).lines.length;
    this.board(TERMINAL).type('end');
    await this.board(PAYER).event('paid', { from: closing, timeoutMs: 60_000 });
  }

  /** After a fault the merchant may have to ask again, as at any till. */
  private async asking(units: number, answered: (timeoutMs: number) => Promise<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.ask(units);
      try {
        await answered(attempt < 4 ? 8_000 : 40_000);
        return;
      } catch (error) {
        if (attempt === 4) throw error;
      }
    }
  }

  /** Digests of every voucher that the terminal approved. */
  approvals(): Set<string> {
    const lines = this.said(TERMINAL).filter((line) => line.startsWith('{"event":"approved"'));
    return new Set(lines.map((line) => (JSON.parse(line) as { voucher: string }).voucher));
  }

  /** Everything approved or delivered is stored, and both sides hold the same total, which covers what was paid. */
  async check(): Promise<void> {
    await untilQuiet(this.memory(TERMINAL), this.memory(PAYER));
    const terminal = terminalBooks(this.memory(TERMINAL));
    const payer = payerBooks(this.memory(PAYER));
    const collected = terminal.outbox.flatMap((entry) => (entry.kind === 'voucher' ? [entry] : []));
    const accepted = collected
      .filter((entry) => entry.collected.receipt !== undefined)
      .map((entry) => toHex(entry.entry));
    for (const voucher of this.approvals())
      assert.ok(accepted.includes(voucher as `0x${string}`), `${voucher} was approved and is stored`);
    assert.is(new Set(accepted).size, accepted.length);
    assert.is(payer.unconfirmed.length, 0);
    const { base } = terminal.lanes[0]!;
    assert.is(base, payer.spent, 'both sides hold the same total');
    if (this.occasion === 'charge') {
      const delivered = this.said(TERMINAL).filter((line) => line.startsWith('{"event":"deliver"')).length;
      assert.ok(delivered <= base / TICK_UNITS, `${delivered} ticks delivered, ${base / TICK_UNITS} stored`);
      return;
    }
    // More only when the merchant asked twice, because the first answer was slow.
    const taken = terminal.outbox.reduce((sum, entry) => sum + entry.exposure, 0);
    assert.ok(taken >= this.paid, `${taken} accepted, ${this.paid} paid`);
    const voided = collected
      .filter((entry) => entry.collected.receipt === undefined)
      .reduce((sum, entry) => sum + entry.collected.request.amount, 0);
    assert.is(payer.spent, taken + voided);
  }
}

/** Runs a board into a fault, and waits until it serves again under the name of that fault. */
export async function fault(board: Emulator, name: string, provoke: () => void): Promise<void> {
  const from = board.lines.length;
  provoke();
  await board.line(new RegExp(`^restarted after fault: ${name}$`), { from, timeoutMs: 60_000 });
  await board.event('ready', { from, timeoutMs: 60_000 });
}

/** One case: two boards of this occasion that are switched off at its end, however it ends. */
export async function met(
  bench: Workbench,
  occasion: Occasion,
  channel: number,
  run: (meeting: Meeting) => Promise<void>,
): Promise<void> {
  const meeting = new Meeting(bench, occasion, channel);
  await run(meeting).finally(() => meeting.close());
}
