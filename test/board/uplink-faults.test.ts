/**
 * A hub that never answers, answers garbage, or half a frame and then nothing, to each of the four boards. Payments go
 * on meanwhile, nothing leaves an outbox, and when a hub answers in the end everything is cleared, once.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeFrame } from '../../device/links/framing.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { outboxMax } from '../../hardware/boards/mps2-an386/limits.ts';
import { position, seconds } from '../../protocol/integers.ts';
import { SYNC_RETRY_MS } from '../../protocol/limits.ts';
import { tickEntry } from '../../protocol/vouchers.ts';
import { encodeMessage, type MessageOf } from '../../protocol/wire/messages.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { hub, now, signing, Workbench } from './bench.ts';
import { payerBooks, terminalBooks, untilQuiet } from './books.ts';
import { HubLink } from './hub-link.ts';
import { type Meeting, met, PAYER, type Side, TERMINAL } from './meeting.ts';
import { addShard, type Case } from './shard.ts';

const uplinks = suite('boards with a broken uplink');
const bench = new Workbench();
uplinks.after(async () => {
  await HubLink.closeAll();
  await bench.close();
});

/** What waits for the hub: digests of vouchers, credits and ticks. */
function waiting(meeting: Meeting, side: Side): Uint8Array[] {
  if (side === PAYER) return payerBooks(meeting.memory(PAYER)).outbox.map(({ digest }) => digest);
  return terminalBooks(meeting.memory(TERMINAL)).outbox.map((entry) =>
    entry.kind === 'tick' ? tickEntry(nobleSuite, entry.stream, entry.k, entry.preimage) : entry.entry,
  );
}

async function acknowledgement(entry: Uint8Array, key = hub): Promise<MessageOf<'acknowledgement'>> {
  const fields = { entry, position: position(0), at: seconds(now) };
  const signature = await key.sign(signing.digest('Acknowledgement', fields));
  return { type: 'acknowledgement', ...fields, signature };
}

/** Answers whatever is sent up until nothing waits any more. */
async function answerAll(meeting: Meeting, side: Side, link: HubLink): Promise<void> {
  for (const deadline = Date.now() + 90_000; waiting(meeting, side).length > 0; ) {
    assert.ok(Date.now() < deadline, `${waiting(meeting, side).length} entries still wait`);
    const entries = waiting(meeting, side);
    for (const entry of entries) link.say(await acknowledgement(entry));
    // The acknowledgements are stored one by one; a tick is only taken after it was sent up.
    const patience = Date.now() + SYNC_RETRY_MS + 1000;
    while (waiting(meeting, side).length === entries.length && Date.now() < patience)
      await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What the merchant asked for twice, as on a slow machine, is answered too: nothing more comes into an outbox. */
const quiet = (meeting: Meeting): Promise<void> =>
  untilQuiet(meeting.memory(TERMINAL), meeting.memory(PAYER));

const noise = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255);

async function isBroken(meeting: Meeting, side: Side): Promise<void> {
  await meeting.open(undefined, true);
  await meeting.pay(100);
  const board = meeting.board(side);
  const path = await board.uplinkPath();
  const before = waiting(meeting, side).length;
  assert.ok(before > 0, 'something waits for the hub');

  // It is there, and never answers: the board sends again, not faster than its pause allows, and payments go on.
  let link = new HubLink(path, 1);
  const since = Date.now();
  await link.sent('pack', 2);
  await meeting.pay(101);
  await link.sent('pack', 3);
  const packs = link.messages.filter(({ type }) => type === 'pack').length;
  const most = 2 + (Date.now() - since) / (SYNC_RETRY_MS / 2);
  assert.ok(packs <= most, `${packs} packs, want at most ${most}`);
  assert.ok(waiting(meeting, side).length > before);
  await link.close();

  // It takes no byte: what is sent up is lost, the payment at the tap link is not.
  link = new HubLink(path, 2, true);
  await meeting.pay(102);
  await link.close();

  // It answers garbage: noise, frames that hold none, frames without end, and what somebody else signed.
  link = new HubLink(path, 3);
  await link.sent('pack', 1);
  await quiet(meeting);
  const entries = waiting(meeting, side);
  link.write(noise(20_000));
  link.write(new Uint8Array(30_000).fill(5));
  link.write(Uint8Array.of(0));
  for (let size = 1; size < 40; size++) link.write(encodeFrame(noise(size)));
  const from = board.lines.length;
  const stranger = nobleKey(new Uint8Array(32).fill(0x33));
  const forged = await acknowledgement(entries[0]!, stranger);
  // Again and again: behind so much garbage a beat may come late, and the board then begins anew in mid-frame.
  const forging = setInterval(() => link.say(forged), 1000);
  try {
    await board.line(/"event":"refused","code":"hub_key_unknown","by":"us"/, { from, timeoutMs: 60_000 });
  } finally {
    clearInterval(forging);
  }
  assert.equal(waiting(meeting, side), entries);
  await meeting.pay(103);

  // Half an answer and then nothing; the other half from the next hub is no answer either.
  const frame = encodeFrame(encodeMessage(await acknowledgement(entries[0]!)));
  await quiet(meeting);
  const count = waiting(meeting, side).length;
  link.write(frame.slice(0, 40));
  await link.close();
  link = new HubLink(path, 4);
  await link.sent('pack', 1);
  link.write(frame.slice(40));
  await link.sent('pack', 2);
  assert.is(waiting(meeting, side).length, count);

  await answerAll(meeting, side, link);
  await meeting.pay(104);
  await answerAll(meeting, side, link);
  await link.close();
  const payer = payerBooks(meeting.memory(PAYER));
  const [lane] = terminalBooks(meeting.memory(TERMINAL)).lanes;
  assert.is(payer.unconfirmed.length, 0);
  assert.is(lane!.base, payer.spent, 'both sides hold the same total');
  assert.equal(meeting.faults, []);
}

/** A till that was offline for long: everything goes up in one message, out of a chip's memory. */
async function hasFullOutbox(meeting: Meeting): Promise<void> {
  await meeting.open(undefined, true);
  // On a slow machine a merchant asks twice, and both are paid.
  for (let sale = 0; waiting(meeting, TERMINAL).length < outboxMax; sale++) {
    await meeting.pay(200 + sale);
    await quiet(meeting);
  }
  const till = meeting.board(TERMINAL);
  meeting.ask(1000);
  await till.line(/"event":"refused","code":"outbox_full"/);
  const link = new HubLink(await till.uplinkPath(), 1);
  await link.sent('pack', 1);
  const pack = link.messages.find((message) => message.type === 'pack') as MessageOf<'pack'>;
  assert.is(pack.entries.length, outboxMax);
  await answerAll(meeting, TERMINAL, link);
  await meeting.pay(1001);
  assert.equal(meeting.faults, []);
  await link.close();
}

const goesOn = 'goes on, and keeps everything until a hub answers';
const cases: Case[] = [
  [`a till ${goesOn}`, () => met(bench, 'tap', 1, (meeting) => isBroken(meeting, TERMINAL))],
  [`a wearable ${goesOn}`, () => met(bench, 'tap', 2, (meeting) => isBroken(meeting, PAYER))],
  [`a charge point ${goesOn}`, () => met(bench, 'charge', 3, (meeting) => isBroken(meeting, TERMINAL))],
  [`a car ${goesOn}`, () => met(bench, 'charge', 4, (meeting) => isBroken(meeting, PAYER))],
  ['a till sends all of a full outbox up at once', () => met(bench, 'tap', 5, hasFullOutbox)],
];
// Most of it is waiting for the pause between two uploads.
addShard(uplinks, cases, 3);
uplinks.run();
