// Power cuts on real images: at every single word that a tap or a tick writes, on both sides, and by kill -9. After
// each, the boards start again and pay on; then both journals are read and must tell the same, complete story.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BoardMemory, Emulator } from '../../hardware/boards/mps2-an386/host/emulator.ts';
import { storedBy } from '../../hardware/boards/mps2-an386/host/factory.ts';
import { applyRecord as applyPayer, EMPTY_PAYER, payerRecords } from '../../protocol/machines/payer/books.ts';
import {
  applyRecord as applyTerminal,
  EMPTY_TERMINAL,
  terminalRecords,
} from '../../protocol/machines/terminal/books.ts';
import { type BoardRole, Workbench } from './bench.ts';

const deep = process.env.SUNDIAL_DEEP === '1';
/** CI cuts at every tenth word, and meets all of them in ten runs of different offset. */
const stride = deep ? 1 : 12;
const kills = deep ? 20 : 3;
const journalBytes = 64 * 4096;

const payerBooks = (memory: BoardMemory) =>
  storedBy(memory).reduce((books, bytes) => applyPayer(books, payerRecords.decode(bytes)), EMPTY_PAYER);
const terminalBooks = (memory: BoardMemory) =>
  storedBy(memory).reduce(
    (books, bytes) => applyTerminal(books, terminalRecords.decode(bytes)),
    EMPTY_TERMINAL,
  );

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

  /** Both boards as they were at first, freshly started. */
  async reset(): Promise<void> {
    const marks = [this.terminal, this.payer].map((board) => board.lines.length);
    for (const [side, memory] of this.memories.entries()) {
      memory.set('cutAfter', 0);
      memory.program(0, this.before[side]!);
      memory.set('restart', 1);
    }
    await this.terminal.event('ready', { from: marks[0]! });
    await this.payer.event('ready', { from: marks[1]! });
  }

  /** Both journals tell the same story, and every approval or delivery stands in the terminal's. */
  check(what: string, marks: readonly number[]): void {
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
    const accepted = vouchers.filter(({ receipt }) => receipt !== undefined).length;
    const approvals = new Set(
      this.terminal.lines
        .slice(marks[0])
        .filter((line) => line.startsWith('{"event":"approved"'))
        .map((line) => (JSON.parse(line) as { voucher: string }).voucher),
    ).size;
    assert.ok(approvals <= accepted, `${what}: ${approvals} approvals, ${accepted} accepted vouchers stored`);
  }

  get marks(): number[] {
    return [this.terminal.lines.length, this.payer.lines.length];
  }
}

/** Until the board has started again after a cut, or the work went through without one. */
async function cutOrDone(board: Emulator, from: number, done: Promise<unknown>): Promise<'cut' | 'done'> {
  const cut = board.event('ready', { from, timeoutMs: 60_000 }).then(() => 'cut' as const);
  cut.catch(() => {});
  const through = done.then(() => 'done' as const);
  through.catch(() => {});
  return Promise.race([cut, through]);
}

const taps = suite('power cuts during a tap');
const tapBench = new Workbench();
const tapPair = new Pair(tapBench, ['pos', 'wearable']);
taps.before(() => tapPair.prepare());
taps.after(() => tapBench.close());

/**
 * One more payment always goes through, and settles whatever the cut left open. A frame that the cut tore may have
 * cost the request; then the merchant asks again, as at any till.
 */
async function payAgain(pair: Pair): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const from = pair.marks[1]!;
    pair.terminal.type(`sale ${attempt}`);
    const paid = new RegExp(`"event":"paid".*"amount":${attempt},`);
    try {
      await pair.payer.line(paid, { from, timeoutMs: attempt < 4 ? 6_000 : 30_000 });
      return;
    } catch (error) {
      if (attempt === 4) throw error;
    }
  }
}

for (const [side, name] of [
  [0, 'the till'],
  [1, 'the wearable'],
] as const)
  taps(`${name} is cut at every ${stride === 1 ? '' : `${stride}th `}word that it writes`, async () => {
    const { memory } = tapPair.board(side);
    const before = memory.read('cuts');
    let words = 0;
    // Deep, each word is also followed by a second cut while the first is being made good.
    for (const twice of deep ? [false, true] : [false])
      for (let word = 1; ; word += stride) {
        await tapPair.reset();
        const marks = tapPair.marks;
        memory.set('cutAfter', word);
        tapPair.terminal.type('sale 1000');
        const paid = tapPair.payer.event('paid', { from: marks[1]!, timeoutMs: 60_000 });
        const outcome = await cutOrDone(tapPair.board(side), marks[side]!, paid);
        if (twice) memory.set('cutAfter', 1 + ((word * 7) % 40));
        // After a cut the till has forgotten what it asked; the wearable has not forgotten what it owes.
        if (outcome === 'cut') await payAgain(tapPair);
        tapPair.check(`word ${word}`, marks);
        words = word;
        if (outcome === 'done') break;
      }
    const cuts = memory.read('cuts') - before;
    console.log(`  ${cuts} cuts on ${name}, a tap writes ${words} words there`);
    assert.ok(words > 60 && cuts * stride >= words - stride, `${cuts} cuts in ${words} words`);
  });

taps(`kill -9 at ${kills} moments of a tap, on either side`, async () => {
  for (let round = 0; round < kills; round++) {
    await tapPair.reset();
    const side = (round % 2) as 0 | 1;
    const marks = tapPair.marks;
    tapPair.terminal.type('sale 1000');
    // A moment that no clock of the test decides: after so many words of this side's flash.
    const memory = tapPair.board(side).memory;
    const until = memory.read('writes') + 1 + ((round * 37) % 60);
    while (memory.read('writes') < until) await new Promise((resolve) => setImmediate(resolve));
    await tapPair.board(side).kill();
    const again = tapPair.start(side);
    await again.event('ready');
    marks[side] = 0;
    await payAgain(tapPair);
    tapPair.check(`kill ${round}`, marks);
  }
});

taps.run();

const ticks = suite('power cuts during a tick');
const tickBench = new Workbench();
const tickPair = new Pair(tickBench, ['charger', 'car']);
ticks.before(() => tickPair.prepare());
ticks.after(() => tickBench.close());

for (const [side, name] of [
  [0, 'the charge point'],
  [1, 'the car'],
] as const)
  ticks(`${name} is cut at every ${stride === 1 ? '' : 'few '}word of a tick`, async () => {
    const perTick = await (async () => {
      await tickPair.reset();
      const from = tickPair.marks[0]!;
      tickPair.terminal.type('offer');
      await tickPair.terminal.line(/"event":"deliver".*"k":3,/, { from });
      const memory = tickPair.board(side).memory;
      const before = memory.read('writes');
      await tickPair.terminal.line(/"event":"deliver".*"k":13,/, { from });
      return Math.round((memory.read('writes') - before) / 10);
    })();
    let cuts = 0;
    for (let word = 1; word <= perTick; word += deep ? 1 : 9) {
      await tickPair.reset();
      const marks = tickPair.marks;
      tickPair.terminal.type('offer');
      await tickPair.terminal.line(/"event":"deliver".*"k":3,/, { from: marks[0]! });
      const mark = tickPair.marks[side]!;
      tickPair.board(side).memory.set('cutAfter', word);
      await tickPair.board(side).event('ready', { from: mark, timeoutMs: 60_000 });
      // A fresh session closes the broken one; its closing voucher settles the lane.
      const from = tickPair.marks;
      tickPair.terminal.type('offer');
      await tickPair.terminal.event('deliver', { from: from[0]!, timeoutMs: 60_000 });
      tickPair.terminal.type('end');
      await tickPair.payer.event('paid', { from: from[1]!, timeoutMs: 60_000 });
      tickPair.check(`word ${word}`, marks);
      const delivered = tickPair.terminal.lines
        .slice(marks[0])
        .filter((line) => line.startsWith('{"event":"deliver"')).length;
      const stored = terminalBooks(tickPair.board(0).memory).lanes[0]!.base / 20_000;
      assert.ok(delivered <= stored, `word ${word}: ${delivered} ticks delivered, ${stored} stored`);
      cuts += 1;
    }
    console.log(`  ${cuts} cuts on ${name}, ${perTick} words a tick`);
    assert.ok(cuts >= (deep ? perTick : 1));
  });

ticks.run();
