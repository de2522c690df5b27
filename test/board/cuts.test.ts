/**
 * Power cuts on real images: at every single word that a tap or a tick writes, on both sides, and by kill -9. After
 * each, the boards start again and pay on; then both journals are read and must tell the same, complete story.
 *
 * CI cuts at every tenth word, from the word SUNDIAL_CUT_OFFSET (0 to 9, 0 when it is not set): a run can be repeated,
 * and ten runs with different offsets meet them all. `npm run test:deep` meets all in one run, each also followed by
 * a second cut while the first is being made good; --shard i/n takes every n-th of them.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BoardMemory, Emulator } from '../../hardware/boards/mps2-an386/host/emulator.ts';
import { toHex } from '../../protocol/bytes.ts';
import { type BoardRole, Workbench } from './bench.ts';
import { payerBooks, terminalBooks, untilQuiet } from './books.ts';
import { takeShard } from './shard.ts';

const deep = process.env.SUNDIAL_DEEP === '1';
const stride = deep ? 1 : 10;
const offset = deep ? 0 : Number(process.env.SUNDIAL_CUT_OFFSET ?? 0) % stride;
const kills = deep ? 20 : 2;

/** The cases that this run takes: every tenth, or all of this shard. */
const mine = <T>(cases: readonly T[]): T[] => takeShard(cases.filter((_, i) => i % stride === offset));
/** 1 to `words`. */
const wordsOf = (words: number): number[] => Array.from({ length: words }, (_, i) => i + 1);
const journalBytes = 64 * 4096;

/** Two boards on one wire that can be set back to the state in which they first met. */
class Pair {
  terminal!: Emulator;
  payer!: Emulator;
  private readonly bench: Workbench;
  private readonly roles: readonly [BoardRole, BoardRole];
  private images: string[] = [];
  private memories: BoardMemory[] = [];
  private before: Uint8Array[] = [];

  constructor(bench: Workbench, roles: readonly [BoardRole, BoardRole]) {
    this.bench = bench;
    this.roles = roles;
  }

  async prepare(): Promise<void> {
    for (const role of this.roles) {
      const { image, memory } = await this.bench.provision(role, { speed: 60_000 });
      this.images.push(image);
      this.memories.push(memory);
    }
    this.start(0);
    this.start(1);
    await this.terminal.event('ready');
    await this.payer.event('ready');
    this.before = this.memories.map((memory) => memory.flash(0, journalBytes));
  }

  start(side: 0 | 1): Emulator {
    const path = this.bench.tapPath(this.roles[0]);
    const memory = this.memories[side]!;
    const board = this.bench.start({ image: this.images[side]!, memory, tap: { path, listen: side === 0 } });
    if (side === 0) this.terminal = board;
    else this.payer = board;
    return board;
  }

  board(side: 0 | 1): Emulator {
    return side === 0 ? this.terminal : this.payer;
  }

  /**
   * Both boards as they were at first, freshly started. They are off meanwhile: one that still runs would write its next
   * record into a flash that was put back, and find that flash damaged.
   */
  async reset(): Promise<void> {
    await this.terminal.kill();
    await this.payer.kill();
    for (const [side, memory] of this.memories.entries()) {
      memory.set('cutAfter', 0);
      memory.program(0, this.before[side]!);
    }
    this.start(0);
    this.start(1);
    await this.terminal.event('ready');
    await this.payer.event('ready');
  }

  /** Both journals tell the same story, and every approval or delivery stands in the terminal's. */
  async check(what: string, marks: readonly number[]): Promise<void> {
    await untilQuiet(this.memories[0]!, this.memories[1]!);
    const payer = payerBooks(this.memories[1]!);
    const terminal = terminalBooks(this.memories[0]!);
    const lane = terminal.lanes[0]!;
    assert.is(payer.lanes.length, 1, what);
    assert.is(payer.spent, payer.lanes[0]!.paid, `${what}: the payer's total is its one lane`);
    assert.is(lane.base, payer.lanes[0]!.paid, `${what}: both sides hold the same total`);
    assert.is(payer.unconfirmed.length, 0, `${what}: nothing is left open`);
    const vouchers = terminal.outbox.flatMap((entry) => (entry.kind === 'voucher' ? [entry.collected] : []));
    const seqs = vouchers.map(({ voucher }) => voucher.seq);
    assert.is(new Set(seqs).size, seqs.length, `${what}: one voucher a number`);
    for (const { receipt, credit } of vouchers)
      assert.is((receipt === undefined) !== (credit === undefined), true, `${what}: accepted or void`);
    const accepted = new Set(
      terminal.outbox.flatMap((entry) =>
        entry.kind === 'voucher' && entry.collected.receipt !== undefined ? [toHex(entry.entry)] : [],
      ),
    );
    for (const line of this.terminal.lines.slice(marks[0]))
      if (line.startsWith('{"event":"approved"')) {
        const { voucher } = JSON.parse(line) as { voucher: `0x${string}` };
        assert.ok(accepted.has(voucher), `${what}: ${voucher} was approved and is stored`);
      }
  }

  get marks(): number[] {
    return [this.terminal.lines.length, this.payer.lines.length];
  }
}

const taps = suite('power cuts during a tap');
const tapBench = new Workbench();
const tapPair = new Pair(tapBench, ['pos', 'wearable']);
taps.before(() => tapPair.prepare());
taps.after(() => tapBench.close());

/** Asks until it is answered. A frame that a restart tore may have cost the request; then the merchant asks again. */
async function asking<T>(
  terminal: Emulator,
  command: string,
  answered: (timeoutMs: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    terminal.type(command);
    try {
      return await answered(attempt < 4 ? 8_000 : 60_000);
    } catch (error) {
      if (attempt === 4) throw error;
    }
  }
}

/** One more payment always goes through, and settles whatever the cut left open. */
async function payAgain(pair: Pair): Promise<void> {
  const from = pair.marks[1]!;
  await asking(pair.terminal, 'sale 1', (timeoutMs) =>
    pair.payer.line(/"event":"paid".*"amount":1,/, { from, timeoutMs }),
  );
}

const sides = [
  [0, 'the till', 'the charge point'],
  [1, 'the wearable', 'the car'],
] as const;

/** Words that a whole tap writes on one side, with nothing cut. */
async function wordsOfTap(side: 0 | 1): Promise<number> {
  await tapPair.reset();
  const { memory } = tapPair.board(side);
  const before = memory.read('writes');
  const from = tapPair.marks;
  await asking(tapPair.terminal, 'sale 1000', (timeoutMs) =>
    tapPair.payer.event('paid', { from: from[1]!, timeoutMs }),
  );
  await tapPair.terminal.event('approved', { from: from[0]! });
  return memory.read('writes') - before;
}

for (const [side, name] of sides)
  taps(`${name} is cut at ${deep ? 'every' : 'every tenth'} word that a tap writes there`, async () => {
    const words = await wordsOfTap(side);
    assert.ok(words > 60, `${words} words`);
    const { memory } = tapPair.board(side);
    const before = memory.read('cuts');
    const cases = mine(
      wordsOf(words).flatMap((word) => (deep ? [false, true] : [false]).map((twice) => ({ word, twice }))),
    );
    for (const { word, twice } of cases) {
      await tapPair.reset();
      const marks = tapPair.marks;
      memory.set('cutAfter', word);
      await asking(tapPair.terminal, 'sale 1000', (timeoutMs) =>
        tapPair.board(side).event('ready', { from: marks[side]!, timeoutMs }),
      );
      if (twice) memory.set('cutAfter', 1 + ((word * 7) % 40));
      // After a cut the till has forgotten what it asked; the wearable has not forgotten what it owes.
      await payAgain(tapPair);
      await tapPair.check(`${name}, word ${word}${twice ? ', twice' : ''}`, marks);
    }
    const cuts = memory.read('cuts') - before;
    console.log(`  ${cuts} cuts on ${name}, which writes ${words} words a tap`);
    assert.ok(cuts >= cases.length, `${cuts} cuts for ${cases.length} words`);
  });

taps(`kill -9 at ${kills} moments of a tap, on either side`, async () => {
  const rounds = Array.from({ length: kills }, (_, round) => round);
  const mineOf = deep ? takeShard(rounds) : rounds;
  for (const round of mineOf) {
    await tapPair.reset();
    const side = (round % 2) as 0 | 1;
    const marks = tapPair.marks;
    // A moment that no clock of the test decides: after so many words of this side's flash.
    const memory = tapPair.board(side).memory;
    const until = memory.read('writes') + 1 + ((round * 37) % 60);
    await asking(tapPair.terminal, 'sale 1000', async (timeoutMs) => {
      const deadline = Date.now() + timeoutMs;
      while (memory.read('writes') < until) {
        if (Date.now() > deadline) throw new Error(`kill ${round}: the tap has not written so much`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    await tapPair.board(side).kill();
    const again = tapPair.start(side);
    await again.event('ready');
    marks[side] = 0;
    await payAgain(tapPair);
    await tapPair.check(`kill ${round}`, marks);
  }
  console.log(`  ${mineOf.length} times kill -9`);
});

taps.run();

const ticks = suite('power cuts during a tick');
const tickBench = new Workbench();
const tickPair = new Pair(tickBench, ['charger', 'car']);
ticks.before(() => tickPair.prepare());
ticks.after(() => tickBench.close());

/** A fresh session in which `k` ticks were delivered. */
async function charge(k: number): Promise<void> {
  const from = tickPair.marks[0]!;
  await asking(tickPair.terminal, 'offer', (timeoutMs) =>
    tickPair.terminal.line(new RegExp(`"event":"deliver".*"k":${k},`), { from, timeoutMs }),
  );
}

/** Words that one tick writes on one side, as the mean of ten. */
async function wordsOfTick(side: 0 | 1): Promise<number> {
  await tickPair.reset();
  const from = tickPair.marks[0]!;
  await charge(3);
  const { memory } = tickPair.board(side);
  const before = memory.read('writes');
  await tickPair.terminal.line(/"event":"deliver".*"k":13,/, { from, timeoutMs: 60_000 });
  return Math.round((memory.read('writes') - before) / 10);
}

for (const [side, , name] of sides)
  ticks(`${name} is cut at ${deep ? 'every' : 'every tenth'} word of a tick`, async () => {
    const words = await wordsOfTick(side);
    const cases = mine(
      (deep ? [1, 2, 3] : [3]).flatMap((after) => wordsOf(words).map((word) => ({ after, word }))),
    );
    for (const { after, word } of cases) {
      await tickPair.reset();
      const marks = tickPair.marks;
      await charge(after);
      const mark = tickPair.marks[side]!;
      tickPair.board(side).memory.set('cutAfter', word);
      await tickPair.board(side).event('ready', { from: mark, timeoutMs: 60_000 });
      // A fresh session closes the broken one; its closing voucher, not the one that opened it, settles the lane.
      await charge(1);
      const closing = tickPair.marks[1]!;
      tickPair.terminal.type('end');
      await tickPair.payer.event('paid', { from: closing, timeoutMs: 60_000 });
      const what = `${name}, word ${word} after tick ${after}`;
      await tickPair.check(what, marks);
      const delivered = tickPair.terminal.lines
        .slice(marks[0])
        .filter((line) => line.startsWith('{"event":"deliver"')).length;
      const stored = terminalBooks(tickPair.board(0).memory).lanes[0]!.base / 20_000;
      assert.ok(delivered <= stored, `${what}: ${delivered} ticks delivered, ${stored} stored`);
    }
    console.log(`  ${cases.length} cuts on ${name}, which writes ${words} words a tick`);
  });

ticks.run();
