/**
 * The card and the reader of a tap, command by command.
 * Not checked here: pcscd and a reader (test/links), a contactless field at all.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  AID,
  ApduCard,
  commandBytes,
  EXTENDED_MAX,
  parseCommand,
  readCard,
  STATUS,
} from '../../device/links/apdu.ts';
import { encodeFrame } from '../../device/links/framing.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { numbersFrom } from '../../simulators/stage/flash/ram-flash.ts';
import { TestClock } from './timers.ts';

const bytes = (length: number, seed = 1): Uint8Array => {
  const next = numbersFrom(seed);
  return Uint8Array.from({ length }, () => next() & 255);
};
const SELECT = commandBytes(0, 0xa4, AID, 256, false, 4);
const statusOf = (answer: Uint8Array): string => toHex(answer.slice(-2)).slice(2);

function card(refusal?: 'not_pressed' | 'frozen') {
  const heard: number[] = [];
  let link: Link | undefined;
  let closed = 0;
  const made = new ApduCard({
    refusal: () => refusal,
    onLink(next) {
      link = next;
      next.receive(
        (data) => heard.push(...data),
        () => {
          closed += 1;
        },
      );
    },
  });
  return { card: made, heard, link: () => link!, closed: () => closed };
}

test('SELECT, byte for byte', () => {
  assert.is(toHex(SELECT), '0x00a4040009f053554e4449414c0100');
  const { card: one } = card();
  assert.is(toHex(one.answer(SELECT)), '0x0110009000');
});

test('EXCHANGE, byte for byte: short, extended, chained, and an answer in parts', () => {
  const { card: one, heard, link } = card();
  one.answer(SELECT);
  assert.is(toHex(one.answer(fromHex('0x8010000003010203'))), '0x9000', 'no answer was wanted');
  assert.is(toHex(one.answer(fromHex('0x90100000020405'))), '0x9000');
  assert.is(toHex(one.answer(fromHex('0x80100000010600'))), '0x9000');
  assert.is(toHex(one.answer(fromHex('0x8010000000000207080000'))), '0x9000');
  assert.equal(heard, [1, 2, 3, 4, 5, 6, 7, 8]);
  link().send(bytes(300));
  assert.is(statusOf(one.answer(fromHex('0x8010000000'))), '612c');
  const rest = one.answer(fromHex('0x00c000002c'));
  assert.is(rest.length, 46);
  assert.is(statusOf(rest), '9000');
  link().send(bytes(600));
  assert.is(statusOf(one.answer(fromHex('0x8010000010'))), '6100', '256 and more');
  const all = one.answer(fromHex('0x80100000000000'));
  assert.is(all.length, 584 + 2, 'extended: everything');
});

test('each refusal has its status', () => {
  const pressed = card();
  const cases: readonly [string, string][] = [
    ['8010000000', '6986'],
    ['00c0000000', '6986'],
    ['00a4040009f053554e4449414c0200', '6a82'],
    ['00a4000009f053554e4449414c0100', '6a86'],
    ['10a4040009f053554e4449414c0100', '6883'],
    ['00b0000000', '6d00'],
    ['80200000', '6d00'],
    ['41100000', '6e00'],
    ['00a404', '6700'],
    ['00a4040009f053', '6700'],
    ['80100000000000ff', '6700'],
  ];
  for (const [command, status] of cases)
    assert.is(statusOf(pressed.card.answer(fromHex(`0x${command}`))), status, command);
  assert.is(statusOf(card('not_pressed').card.answer(SELECT)), '6985');
  assert.is(statusOf(card('frozen').card.answer(SELECT)), '6581');
  pressed.card.answer(SELECT);
  assert.is(statusOf(pressed.card.answer(fromHex('0x8010010000'))), '6a86');
  pressed.link().close();
  assert.is(statusOf(pressed.card.answer(fromHex('0x8010000000'))), '6986');
});

test('what nobody fetches has a bound, and ends the link by name', () => {
  const { card: one, link, closed } = card();
  one.answer(SELECT);
  for (let i = 0; i < 9; i++) link().send(bytes(4096));
  assert.is(statusOf(one.answer(fromHex('0x8010000000'))), '6a84');
  assert.is(closed(), 1);
});

test('another SELECT, and a card that is pulled, end the link once', () => {
  const { card: one, closed } = card();
  one.answer(SELECT);
  one.answer(SELECT);
  assert.is(closed(), 1);
  one.removed();
  one.removed();
  assert.is(closed(), 2);
});

test('commands are taken apart as they were put together', () => {
  for (const extended of [false, true])
    for (const length of [0, 1, 2, 254, 255, ...(extended ? [256, 1000, EXTENDED_MAX] : [])])
      for (const expected of [0, 1, 255, 256, ...(extended ? [4096, 65_535, 65_536] : [])]) {
        if (extended && length === 0 && expected === 0) continue;
        const data = bytes(length);
        const parsed = parseCommand(commandBytes(0x80, 0x10, data, expected, extended))!;
        assert.equal(parsed.data, data, `${extended} ${length} ${expected}`);
        assert.is(parsed.expected, expected, `${extended} ${length} ${expected}`);
      }
});

test('garbage is answered with a status and breaks nothing', () => {
  const next = numbersFrom(9);
  const { card: one, link, heard } = card();
  for (let i = 0; i < 20_000; i++) assert.ok(one.answer(bytes(next() % 20, i)).length >= 2);
  one.answer(SELECT);
  const before = heard.length;
  one.answer(fromHex('0x801000000107'));
  assert.equal(heard.slice(before), [7]);
  link().send(Uint8Array.of(9));
  assert.is(toHex(one.answer(fromHex('0x8010000000'))), '0x099000');
});

/** A reader over a card in memory; `pullAt`: the card is gone from that command on. */
function session(options: { extended: boolean; pullAt?: number; refusal?: 'not_pressed' | 'frozen' }) {
  const clock = new TestClock();
  const ends = card(options.refusal);
  const heard: number[] = [];
  let commands = 0;
  let closed = 0;
  let link: Link | undefined;
  const over = readCard({
    extended: options.extended,
    clock,
    transmit: async (apdu) => {
      commands += 1;
      if (commands === options.pullAt) ends.card.removed();
      if (options.pullAt !== undefined && commands >= options.pullAt) throw new Error('no card');
      return ends.card.answer(apdu);
    },
    onLink(next) {
      link = next;
      next.receive(
        (data) => heard.push(...data),
        () => {
          closed += 1;
        },
      );
    },
  });
  const pass = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      clock.pass(10);
    }
  };
  return { ends, heard, over, pass, link: () => link, closed: () => closed, commands: () => commands };
}

for (const extended of [false, true])
  test(`frames of any length cross both ways, ${extended ? 'extended' : 'short'}`, async () => {
    const { ends, heard, over, pass, link } = session({ extended });
    await pass();
    const sent: number[] = [];
    for (const length of [1, 99, 244, 255, 256, 1000, 5000]) {
      const frame = encodeFrame(bytes(length, length));
      sent.push(...frame);
      link()!.send(frame);
      ends.link().send(frame);
      await pass();
    }
    assert.equal(ends.heard, sent);
    assert.equal(heard, sent);
    link()!.close();
    await pass();
    assert.is(await over, 'closed');
  });

test('a card pulled at any command ends the link at both sides, once', async () => {
  for (let pullAt = 1; pullAt <= 8; pullAt++) {
    const { ends, over, pass, link, closed } = session({ extended: false, pullAt });
    await pass();
    link()?.send(bytes(600));
    await pass();
    assert.is(await over, 'removed');
    assert.is(closed(), pullAt > 1 ? 1 : 0);
    assert.is(ends.closed(), pullAt > 1 ? 1 : 0);
  }
});

test('a refusal comes to the reader by name', async () => {
  for (const refusal of ['not_pressed', 'frozen'] as const)
    assert.is(await session({ extended: false, refusal }).over, refusal);
  assert.is(Object.keys(STATUS).length, new Set(Object.values(STATUS)).size);
});

test('a reader that waits asks ever less often', async () => {
  const { pass, commands } = session({ extended: false });
  await pass();
  // Two seconds: 2, 4, 8, 16, 32 and then 40 milliseconds apart.
  assert.ok(commands() > 20 && commands() < 80, `${commands()}`);
});

test.run();
