/**
 * What goes wrong on boards that pay, on each of the four: every fault ends under its name and in a restart, or freezes
 * the board (rule 13). Nothing is signed on the way, what was approved before is still there afterwards, and the board
 * pays on. `--shard i/n` takes every n-th of these tests.
 */
import { existsSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { edgeOf } from '../../device/journal/layout.ts';
import { beatOf } from '../../device/links/line.ts';
import { addressOf, journalOf, storedBy } from '../../hardware/boards/mps2-an386/host/factory.ts';
import { BoardMemory, buildImage, type Emulator } from '../../hardware/boards/mps2-an386/host/emulator.ts';
import { journalBanks } from '../../hardware/boards/mps2-an386/limits.ts';
import { seconds } from '../../protocol/integers.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { decodeMessage, type MessageOf } from '../../protocol/wire/messages.ts';
import { Workbench } from './bench.ts';
import { HubLink } from './hub-link.ts';
import { fault, type Meeting, met, PAYER, type Side, TERMINAL } from './meeting.ts';
import { addShard, type Case } from './shard.ts';

const faults = suite('faults of boards that pay');
const bench = new Workbench();
faults.after(async () => {
  await HubLink.closeAll();
  await bench.close();
});

const cases: Case[] = [];
const BLOCKS = 64;
const BLOCK = 4096;

const ownFaults = [
  ['exhaustMemory', 'memory_full'],
  ['exhaustStack', 'stack_overflow'],
  ['throwLater', 'unhandled_exception'],
  ['loopForever', 'watchdog'],
] as const;

/** The board's own limits, one after the other: first at rest, then while a payment is under way. */
async function runsIntoItsLimits(
  meeting: Meeting,
  side: Side,
  some: readonly (readonly [string, string])[],
): Promise<void> {
  await meeting.open(side);
  for (const [i, [command, name]] of some.entries()) {
    await meeting.pay(100 + i);
    await fault(meeting.board(side), name, () => meeting.board(side).type(command));
    await meeting.check();
    // It is taken or not, by both alike.
    await meeting.begin(7);
    await fault(meeting.board(side), name, () => meeting.board(side).type(command));
  }
  await meeting.pay(1000);
  await meeting.check();
}

/** What a board that signs nothing may say to a hub. */
const UNSIGNED: ReadonlySet<string> = new Set(['pack', 'timeQuestion', 'query']);

/** A frozen board hands in what still checks, and nothing that it would have to sign. */
async function handsInFrozen(board: Emulator): Promise<void> {
  const link = new HubLink(await board.uplinkPath(), 1);
  await link.sent('pack', 1);
  const pack = link.messages.find((message) => message.type === 'pack') as MessageOf<'pack'>;
  const kinds = pack.entries.map((bytes) => {
    const decoded = decodeMessage(bytes, 'sync');
    return decoded.ok ? decoded.message?.type : undefined;
  });
  assert.ok(
    kinds.some((kind) => kind === 'collectedVoucher' || kind === 'collectedStream'),
    kinds.join(),
  );
  assert.equal(
    link.messages.filter(({ type }) => !UNSIGNED.has(type)),
    [],
  );
  await link.close();
}

/** A committed record is damaged: the board freezes, until somebody reads the flash out and repairs the byte. */
async function hasDamagedFlash(meeting: Meeting, side: Side): Promise<void> {
  await meeting.open(undefined, true);
  await meeting.pay(399);
  await meeting.pay(400);
  await meeting.check();
  const { spent } = meeting;
  await meeting.switchOff(side);
  const stored = storedBy(meeting.memory(side)).findLast((payload) => payload.length > 60)!;
  const flash = Buffer.from(meeting.memory(side).flash(0, BLOCKS * BLOCK));
  const at = flash.lastIndexOf(Buffer.from(stored)) + 40;
  meeting.memory(side).program(at, Uint8Array.of(flash[at]! ^ 0x10));
  const damaged = Buffer.from(meeting.memory(side).flash(0, BLOCKS * BLOCK));
  const other = meeting.board((1 - side) as Side);
  const from = other.lines.length;
  const frozen = meeting.switchOn(side);
  assert.is((await frozen.event('fault')).code, 'journal_corrupt');
  await frozen.event('ready');
  meeting.ask(401);
  await other.line(/"event":"refused","code":"frozen","by":"peer"/, { from, timeoutMs: 30_000 });
  frozen.type('status');
  assert.is((await frozen.event('status')).frozen, true);
  await handsInFrozen(frozen);
  assert.equal(Buffer.from(meeting.memory(side).flash(0, BLOCKS * BLOCK)).equals(damaged), true);
  assert.not(frozen.lines.some((line) => /"event":"(approved|requested|signing|deliver)"/.test(line)));
  meeting.board(TERMINAL).type('cancel');
  await meeting.switchOff(side);
  meeting.memory(side).program(at, Uint8Array.of(flash[at]!));
  assert.is(meeting.spent, spent, 'nobody paid meanwhile');
  await meeting.start(side);
  await meeting.check();
  await meeting.pay(402);
  await meeting.check();
}

/** A block of flash no longer erases: the board goes on in another bank. */
async function hasWornFlash(meeting: Meeting, side: Side): Promise<void> {
  await meeting.open();
  const memory = meeting.memory(side);
  await meeting.pay(500);
  await meeting.switchOff(side);
  // Fill the bank, so that the next payment has to start another, whose first block no longer erases.
  const journal = journalOf(memory);
  const { generation } = journal;
  const record = { type: 'time', at: seconds(1) } as const;
  const filler = side === PAYER ? payerRecords.encode(record) : terminalRecords.encode(record);
  while (journal.bytesFree > 300) journal.append(filler, () => []);
  assert.is(journal.generation, generation);
  const blocksOfBank = BLOCKS / journalBanks;
  const next = (generation % journalBanks) * blocksOfBank;
  memory.set('wornBlock', next + 1);
  await meeting.start(side);
  await meeting.pay(501);
  await meeting.pay(502);
  await meeting.check();
  assert.is(journalOf(memory).generation, generation + 1);
  // But for the marks at both ends, which say that it is not the newest.
  const edge = edgeOf(4);
  assert.ok(
    memory.flash(next * BLOCK + edge, blocksOfBank * BLOCK - 2 * edge).every((byte) => byte === 0xff),
    'no record was written to the bank with the worn block',
  );
  assert.equal(meeting.faults, []);
  await meeting.switchOff(side);
  await meeting.start(side);
  await meeting.pay(503);
  await meeting.check();
}

/** There is no entropy any more: what needs some ends by name, and nothing is signed. It comes back later. */
async function hasNoEntropy(meeting: Meeting, side: Side): Promise<void> {
  await meeting.open();
  await meeting.pay(600);
  await meeting.check();
  const { spent } = meeting;
  const approvals = meeting.approvals().size;
  // Restarted without it, the curve's secrets are not blinded either.
  await meeting.switchOff(side);
  meeting.memory(side).set('noEntropy', 1);
  await meeting.start(side);
  await fault(meeting.board(side), 'no_entropy', () => meeting.ask(601));
  assert.is(meeting.approvals().size, approvals);
  assert.not(meeting.board(PAYER).lines.some((line) => line.startsWith('{"event":"paid"') && side === PAYER));
  if (side === TERMINAL) assert.is(meeting.spent, spent);
  meeting.memory(side).set('noEntropy', 0);
  await meeting.switchOff(side);
  await meeting.start(side);
  await meeting.pay(602);
  await meeting.check();
}

/** Somebody who beats, and then sends noise, a frame without an end, and never an answer. */
async function attack(socket: Socket): Promise<void> {
  socket.on('error', () => undefined).on('data', () => undefined);
  socket.write(beatOf(77));
  socket.write(Uint8Array.from({ length: 20_000 }, (_, i) => (i * 31 + (i >> 8)) & 255));
  socket.write(new Uint8Array(5_000).fill(5));
  socket.write(Uint8Array.of(0));
}

async function meetsAnAttacker(meeting: Meeting, side: Side): Promise<void> {
  await meeting.open();
  await meeting.pay(700);
  await meeting.check();
  const approvals = meeting.approvals().size;
  const { spent } = meeting;
  const board = meeting.board(side);
  const other = (1 - side) as Side;
  await meeting.switchOff(other);
  const from = board.lines.length;
  const server = createServer();
  if (side === TERMINAL) {
    const silent = connect(meeting.path);
    await new Promise((resolve) => silent.once('connect', resolve));
    meeting.ask(701);
    await attack(silent);
    await board.line(/"event":"refused","code":"too_large"/, { from, timeoutMs: 60_000 });
    silent.destroy();
    board.type(meeting.occasion === 'tap' ? 'cancel' : 'end');
  } else {
    if (existsSync(meeting.path)) unlinkSync(meeting.path);
    const came = new Promise<Socket>((resolve) => server.once('connection', resolve));
    server.listen(meeting.path);
    const silent = await came;
    await attack(silent);
    await board.line(/"event":"refused","code":"too_large"/, { from, timeoutMs: 60_000 });
    silent.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
  assert.is(meeting.approvals().size, approvals);
  assert.is(meeting.spent, spent);
  await meeting.start(other);
  await meeting.pay(702);
  await meeting.check();
  assert.equal(meeting.faults, []);
}

for (const [occasion, side, who] of [
  ['tap', TERMINAL, 'a till'],
  ['tap', PAYER, 'a wearable'],
  ['charge', TERMINAL, 'a charge point'],
  ['charge', PAYER, 'a car'],
] as const) {
  const add = (what: string, run: (meeting: Meeting) => Promise<void>): void => {
    const channel = cases.length + 1;
    cases.push([`${who} ${what}`, () => met(bench, occasion, channel, run)]);
  };
  // Two at a time: the outbox of a board holds 20 entries, and a session leaves three.
  add('that runs out of memory or stack keeps what it took or owes', (meeting) =>
    runsIntoItsLimits(meeting, side, ownFaults.slice(0, 2)),
  );
  add('that runs into a defect or a loop keeps what it took or owes', (meeting) =>
    runsIntoItsLimits(meeting, side, ownFaults.slice(2)),
  );
  add(
    'with a damaged page of flash freezes: it signs nothing, hands in what checks, and loses nothing',
    (meeting) => hasDamagedFlash(meeting, side),
  );
  add('goes on in another bank when a block of its flash is worn out', (meeting) =>
    hasWornFlash(meeting, side),
  );
  add('without entropy stops by name, signs nothing, and pays on when it has some', (meeting) =>
    hasNoEntropy(meeting, side),
  );
  add('loses nothing to noise, an endless frame and a far end that never answers', (meeting) =>
    meetsAnAttacker(meeting, side),
  );
}

for (const role of ['pos', 'wearable', 'charger', 'car'])
  cases.push([
    `a new ${role} without entropy makes no key and halts by name`,
    async () => {
      const { image } = await buildImage(process.cwd(), role);
      const memory = new BoardMemory(`${bench.folder}/fresh-${role}`);
      memory.set('noEntropy', 1);
      const board = bench.start({ image, memory });
      await board.line(/^halted: no_entropy$/);
      assert.not(board.lines.some((line) => line.includes('"event":"board"')));
      await board.kill();
      memory.set('noEntropy', 0);
      assert.is((await addressOf(image, memory)).length, 20);
    },
  ]);

// A board that was told to hang waits eight seconds for its watchdog.
addShard(faults, cases, 2);
faults.run();
