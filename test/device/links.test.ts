/** A device meets one other at a time: a link that was replaced is closed, hears nothing more, and is not heard. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { payerDevice, terminalDevice } from '../../device/devices.ts';
import { openJournal } from '../../device/journal/journal.ts';
import { encodeFrame } from '../../device/links/framing.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import { RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import {
  CHANNEL,
  hubKey,
  keys,
  lease,
  payerSettings,
  signing,
  START,
  terminalSettings,
} from '../protocol/bench.ts';

const BANKS = { banks: 2 };
const hello: Message = { type: 'hello', channel: CHANNEL, payer: keys.payer.address };

/** The device's end of a link, and what was said over it. */
class End implements Link {
  readonly frameSizeMax = 244;
  sent = 0;
  closed = false;
  private onBytes: (bytes: Uint8Array) => void = () => undefined;
  private onClosed: () => void = () => undefined;

  send(): void {
    this.sent += 1;
  }

  receive(onBytes: (bytes: Uint8Array) => void, onClosed: () => void): void {
    this.onBytes = onBytes;
    this.onClosed = onClosed;
  }

  hear(message: Message): void {
    this.onBytes(encodeFrame(encodeMessage(message)));
  }

  close(): void {
    this.closed = true;
    this.onClosed();
  }
}

const hostOf = (key: typeof keys.payer) => ({
  key,
  clock: { monotonicMs: () => 0, realTimeSeconds: () => START, schedule: () => () => undefined },
  entropy: { certified: true, random: (length: number) => new Uint8Array(length).fill(7) },
});

async function till() {
  const flash = new RamFlash({ size: 64 * 1024, seed: 1 });
  openJournal(flash, BANKS).append(terminalRecords.encode({ type: 'hubKey', ...hubKey }), () => []);
  const settings = await terminalSettings();
  const device = terminalDevice(signing, settings, hostOf(keys.terminal), () => openJournal(flash, BANKS));
  await device.start();
  return device;
}

test('bytes of a link that was replaced are not taken, and it is closed', async () => {
  const device = await till();
  const [first, second] = [new End(), new End()];
  device.attachLink(first);
  device.attachLink(second);
  assert.ok(first.closed);
  first.hear(hello);
  assert.is(device.state.volatile.greeted, undefined);
  second.hear(hello);
  assert.is(device.state.volatile.greeted?.channel, CHANNEL);
  assert.ok(device.state.volatile.linkUp);
});

test('a closed link that closes once more takes nothing from the one that stands', async () => {
  const device = await till();
  const [first, second] = [new End(), new End()];
  device.attachLink(first);
  device.attachLink(second);
  first.close();
  assert.ok(device.state.volatile.linkUp);
  second.close();
  assert.not(device.state.volatile.linkUp);
});

test('what is signed for one link is not said on the next', async () => {
  const flash = new RamFlash({ size: 64 * 1024, seed: 1 });
  const journal = openJournal(flash, BANKS);
  for (const record of [
    { type: 'channelOpened', channel: CHANNEL },
    { type: 'hubKey', ...hubKey },
    { ...(await lease()), signer: keys.hub.address },
  ] as const)
    journal.append(payerRecords.encode(record), () => []);
  let sign: (() => void) | undefined;
  const slow = {
    ...keys.payer,
    sign: (digest: Uint8Array) =>
      new Promise<Uint8Array>((resolve) => {
        sign = () => resolve(keys.payer.sign(digest));
      }),
  };
  const device = payerDevice(signing, payerSettings, hostOf(slow), () => openJournal(flash, BANKS));
  await device.start();
  const [first, second] = [new End(), new End()];
  device.attachLink(first);
  // Without a hub the renewal goes over the link: its signature is slow.
  void device.dispatch({ type: 'renew' });
  const greeted = first.sent;
  device.attachLink(second);
  assert.is(second.sent, 0, 'the new link is greeted when the key has answered');
  sign!();
  await device.idle();
  assert.is(first.sent, greeted + 1, 'the request was made for the link that went');
  assert.is(second.sent, 1, 'the new link heard a greeting and nothing else');
});

test.run();
