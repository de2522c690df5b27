/**
 * The executor itself: links that follow one another, and a flash that gives up under a device.
 * Not checked here: cuts at every effect and flash write (cuts.test.ts), keys that fail (key-fault.test.ts), the
 * machines.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { terminalDevice } from '../../device/devices.ts';
import { openJournal } from '../../device/journal/journal.ts';
import { encodeFrame } from '../../device/links/framing.ts';
import type { Fault } from '../../device/runtime.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { SundialError } from '../../protocol/errors.ts';
import { amount } from '../../protocol/integers.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { encodeMessage, type Message, WIRE_VERSION } from '../../protocol/wire/messages.ts';
import { RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import {
  CHANNEL,
  challenge,
  hubKey,
  keys,
  lease,
  signing,
  START,
  terminalSettings,
} from '../protocol/bench.ts';
import { forge } from '../protocol/forge.ts';
import { Pair } from './pair.ts';

/** A link that goes nowhere. */
class DeadEnd implements Link {
  readonly frameSizeMax = 244;
  sent = 0;
  closed = false;
  onBytes: (bytes: Uint8Array) => void = () => undefined;
  onClosed: () => void = () => undefined;
  send = (): void => {
    this.sent += 1;
  };
  receive = (onBytes: (bytes: Uint8Array) => void, onClosed: () => void): void => {
    this.onBytes = onBytes;
    this.onClosed = onClosed;
  };
  close = (): void => {
    this.closed = true;
  };
}

test('an old link that closes late leaves the new one alone', async () => {
  const pair = await Pair.create(11);
  const [old, fresh] = [new DeadEnd(), new DeadEnd()];
  pair.terminal.attachLink(old);
  pair.terminal.attachLink(fresh);
  await pair.terminal.idle();
  old.onClosed();
  await pair.terminal.idle();
  assert.ok(pair.terminal.state.volatile.linkUp);
  const before = fresh.sent;
  await pair.sale(100);
  await pair.terminal.idle();
  assert.ok(fresh.sent > before, 'what it says goes to whoever is there now');
  fresh.onClosed();
  await pair.terminal.idle();
  assert.not(pair.terminal.state.volatile.linkUp);
});

test('a payment on a new link outlives the end of an old one', async () => {
  const pair = await Pair.create(12);
  const old = new DeadEnd();
  pair.payer.attachLink(old);
  pair.link();
  old.onClosed();
  await pair.sale(100);
  await pair.settle();
  assert.is(pair.said('terminal', 'approved'), 1);
  assert.is(pair.said('payer', 'paid'), 1);
});

for (const side of ['payer', 'terminal'] as const) {
  test(`a ${side} whose flash gives up is frozen, signs no more, and stays so`, async () => {
    const pair = await Pair.create(13);
    pair.link();
    await pair.sale(100);
    await pair.settle();
    assert.is(pair.payer.state.books.spent, 100);
    const flash = pair.flash[side];
    for (let word = 0; word < flash.size; word += flash.wordSize) flash.stuck.add(word);
    await pair.sale(50);
    await pair.settle();
    assert.equal(
      pair.faults.map(({ code, frozen }) => [code, frozen]),
      [['flash_worn', true]],
    );
    assert.ok(pair[side].frozen);
    assert.ok(pair[side].state.volatile.frozen);
    assert.is(pair.said('terminal', 'approved'), 1, 'nothing more was approved');
    const operations = flash.operations;
    await pair.pass(5000);
    await pair.sale(50);
    await pair.settle();
    assert.is(flash.operations, operations, 'it writes nothing more');
    assert.is(pair.said('terminal', 'approved'), 1);
    assert.is(pair.payer.state.books.spent, side === 'terminal' ? 150 : 100, 'a frozen payer signs nothing');
  });
}

test('a runtime that stops closes its links', async () => {
  const pair = await Pair.create(14);
  const link = new DeadEnd();
  pair.terminal.attachLink(link);
  pair.terminal.stop();
  assert.ok(link.closed);
});

/** A terminal on a link that goes nowhere, whose key signs only when it is told to. */
async function slowTerminal() {
  const faults: Fault[] = [];
  const notices: Notice[] = [];
  const waiting: (() => void)[] = [];
  const flash = new RamFlash({ size: 16 * 1024, blockSize: 4096, seed: 3 });
  const journal = openJournal(flash, { banks: 2 });
  const key = { ...hubKey, type: 'hubKey' as const };
  journal.append(terminalRecords.encode(key), () => []);
  const device = terminalDevice(
    signing,
    await terminalSettings(),
    {
      key: {
        ...keys.terminal,
        sign: (digest: Uint8Array) =>
          new Promise<Uint8Array>((resolve) => {
            waiting.push(() => resolve(keys.terminal.sign(digest)));
          }),
      },
      clock: {
        monotonicMs: () => 0,
        realTimeSeconds: () => START,
        schedule: () => () => undefined,
      },
      entropy: { certified: true, random: (length: number) => new Uint8Array(length).fill(7) },
    },
    () => openJournal(flash, { banks: 2 }),
    { onFault: (fault) => faults.push(fault), onNotice: (notice) => notices.push(notice) },
  );
  await device.start();
  const link = new DeadEnd();
  device.attachLink(link);
  const say = (message: Message): void => link.onBytes(encodeFrame(encodeMessage(message)));
  return { device, link, faults, notices, waiting, say };
}

test('a journal that can not be trusted freezes the device at its start, and its fault says why', async () => {
  for (const code of ['journal_corrupt', 'flash_failed']) {
    const faults: Fault[] = [];
    const device = terminalDevice(
      signing,
      await terminalSettings(),
      {
        key: keys.terminal,
        clock: {
          monotonicMs: () => 0,
          realTimeSeconds: () => START,
          schedule: () => () => undefined,
        },
        entropy: { certified: true, random: (length: number) => new Uint8Array(length).fill(7) },
      },
      () => {
        throw new SundialError(code, 'not to be trusted', { severity: 'device', remedy: 'Look at it.' });
      },
      { onFault: (fault) => faults.push(fault) },
    );
    assert.equal(faults, [{ code, message: `${code}: not to be trusted`, frozen: true }]);
    assert.ok(device.frozen);
    await device.start();
    await device.dispatch({ type: 'sale', amount: amount(100), currency: 'TIME', challenge: challenge(1) });
    assert.not.ok(device.state.volatile.open, 'nothing is opened');
    device.stop();
  }
});

test('what comes while a key signs waits in order, up to a bound, and the rest is dropped by name', async () => {
  const { device, faults, notices, waiting, say } = await slowTerminal();
  const lent = await lease();
  say({ type: 'hello', channel: CHANNEL, payer: keys.payer.address });
  say(lent);
  void device.dispatch({ type: 'sale', amount: amount(100), currency: 'TIME', challenge: challenge(1) });
  const { request } = device.state.volatile.open!;
  const { voucher, signature } = await forge(request);
  const { channel, seq, spent, paid } = voucher;
  say({ type: 'voucher', channel, seq, spent, paid, lanes: new Uint8Array(16), signature });
  assert.is(waiting.length, 1, 'the receipt is being signed');
  notices.length = 0;
  // Each event shows itself by what is opened; the last that fits is the one that stands open in the end.
  for (let n = 1; n <= 260; n++)
    void device.dispatch({
      type: 'sale',
      amount: amount(n),
      currency: 'TIME',
      challenge: challenge(n & 255),
    });
  assert.equal(
    faults.map(({ code, frozen }) => [code, frozen]),
    Array(4).fill(['queue_full', false]),
  );
  assert.equal(notices, [], 'nothing is handled meanwhile');
  waiting[0]!();
  await device.idle();
  assert.is(notices[0]?.type, 'approved');
  const asked = notices.flatMap((notice) => (notice.type === 'requested' ? [notice.amount as number] : []));
  assert.equal(
    asked,
    Array.from({ length: 256 }, (_, at) => at + 1),
  );
  void device.dispatch({ type: 'sale', amount: amount(500), currency: 'TIME', challenge: challenge(1) });
  assert.is(notices.at(-1)?.type, 'requested', 'and the next is handled at once');
});

test('bytes that are no message are named: too long, garbled, or unknown', async () => {
  const { link, notices } = await slowTerminal();
  const codes = (): unknown[] =>
    notices.splice(0).flatMap((notice) => (notice.type === 'refused' ? [notice.code, notice.by] : []));
  link.onBytes(Uint8Array.of(1, 2, 3, 0));
  assert.equal(codes(), ['malformed', 'us']);
  link.onBytes(new Uint8Array(400).fill(1));
  link.onBytes(Uint8Array.of(0));
  assert.equal(codes(), ['too_large', 'us']);
  link.onBytes(encodeFrame(Uint8Array.of(0x83, WIRE_VERSION, 0x18, 0xfe, 0x80)));
  assert.equal(codes(), ['message_unknown', 'us']);
  link.onBytes(encodeFrame(Uint8Array.of(0x83, WIRE_VERSION, 0x18, 0xfd, 0x80)));
  assert.equal(codes(), [], 'an odd number may be skipped');
});

test.run();
