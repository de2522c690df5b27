/** A key that fails once: the machine starts again from its journal, and the hub that is there is still there. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { payerDevice, terminalDevice } from '../../device/devices.ts';
import { openJournal } from '../../device/journal/journal.ts';
import type { Fault } from '../../device/runtime.ts';
import type { SecureKey, Uplink } from '../../hardware/interfaces/index.ts';
import { KeyFault } from '../../hardware/keys/key-fault.ts';
import { seconds } from '../../protocol/integers.ts';
import { applyRecord, snapshot, terminalRecords } from '../../protocol/machines/terminal/books.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { decodeMessage } from '../../protocol/wire/messages.ts';
import { RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import {
  CHANNEL,
  deliverTick,
  keys,
  link,
  makePayer,
  makeTerminal,
  payerSettings,
  signing,
  START,
  streamSale,
  terminalSettings,
} from '../protocol/bench.ts';

const hubKey = {
  address: keys.hub.address,
  from: seconds(0),
  until: seconds(START + 10 * 365 * 86_400),
  epoch: 0,
  signedAt: seconds(0),
};
const BANKS = { banks: 2 };

/** A host whose key fails at its next signatures when told to, and an uplink that is connected. */
function bench(key: SecureKey) {
  let failing = 0;
  let asked = 0;
  let nowMs = 0;
  let next: () => void = () => undefined;
  const faults: Fault[] = [];
  const uploads: string[] = [];
  const host = {
    key: {
      ...key,
      sign: (digest: Uint8Array) => {
        asked += 1;
        if (failing === 0) return key.sign(digest);
        failing -= 1;
        return Promise.reject(new KeyFault('key_refused', 'once'));
      },
    },
    clock: {
      monotonicMs: () => nowMs,
      realTimeSeconds: () => START,
      schedule: (_: number, callback: () => void) => {
        next = callback;
        return () => undefined;
      },
    },
    entropy: { certified: true, random: (length: number) => new Uint8Array(length).fill(7) },
  };
  let onConnected: (connected: boolean) => void = () => undefined;
  const uplink: Uplink = {
    send: (bytes) => {
      const decoded = decodeMessage(bytes, 'sync');
      if (decoded.ok && decoded.message) uploads.push(decoded.message.type);
    },
    receive: (_, connected) => {
      onConnected = connected;
    },
    close: () => undefined,
  };
  return {
    host,
    uplink,
    faults,
    uploads,
    observer: { onFault: (fault: Fault) => faults.push(fault) },
    fail: (times = 1) => {
      failing = times;
    },
    /** How often the key was asked. */
    asked: () => asked,
    connect: (connected: boolean) => onConnected(connected),
    /** Seconds go by. */
    pass: (count: number) => {
      for (let second = 0; second < count; second += 1) {
        nowMs += 1000;
        next();
      }
    },
  };
}

async function payer() {
  const made = bench(keys.payer);
  const flash = new RamFlash({ size: 16 * 1024, blockSize: 4096, seed: 1 });
  const journal = openJournal(flash, BANKS);
  const none = (): never[] => [];
  journal.append(payerRecords.encode({ type: 'channelOpened', channel: CHANNEL }), none);
  journal.append(payerRecords.encode({ type: 'hubKey', ...hubKey }), none);
  const device = payerDevice(
    signing,
    payerSettings,
    made.host,
    () => openJournal(flash, BANKS),
    made.observer,
  );
  await device.start();
  device.attachUplink(made.uplink);
  return { ...made, device };
}

test('a payer whose key failed once asks the hub again, without a new connection', async () => {
  const { device, faults, uploads, fail, connect, pass } = await payer();
  fail();
  connect(true);
  await device.idle();
  assert.equal(
    faults.map(({ code }) => code),
    ['key_refused'],
  );
  assert.not(device.state.volatile.hubConnected, 'the machine began anew');
  pass(59);
  assert.not(uploads.includes('leaseRequest'), 'a key that fails for good is not asked all the time');
  pass(2);
  await device.idle();
  assert.ok(device.state.volatile.hubConnected);
  assert.ok(uploads.includes('leaseRequest'), 'the request whose signature failed is made again');
  const asked = (): number => uploads.filter((type) => type === 'leaseRequest').length;
  const before = asked();
  pass(600);
  assert.is(asked(), before, 'once');
});

test('a hub that went meanwhile is not taken for there', async () => {
  const { device, fail, connect, pass } = await payer();
  fail();
  connect(true);
  await device.idle();
  device.detachUplink();
  pass(61);
  await device.idle();
  assert.not(device.state.volatile.hubConnected);
});

/** A charger that owes the credit of a late tick, which it signs at every start. */
async function charger() {
  const sold = await makeTerminal();
  await sold.on(streamSale(100_000, 10));
  await link(await makePayer(), sold);
  await deliverTick(sold);
  const [open] = sold.state.books.lanes;
  const { channel, stream } = open!;
  const books = applyRecord(sold.state.books, {
    type: 'tick',
    channel,
    k: stream!.k + 1,
    preimage: new Uint8Array(32),
    late: true,
  });
  const flash = new RamFlash({ size: 64 * 1024, blockSize: 4096, seed: 1 });
  const journal = openJournal(flash, BANKS);
  for (const record of snapshot(books)) journal.append(terminalRecords.encode(record), () => []);
  const made = bench(keys.terminal);
  const settings = await terminalSettings();
  const device = terminalDevice(signing, settings, made.host, () => openJournal(flash, BANKS), made.observer);
  return { ...made, device };
}

test('a key that fails for good ends in a device that rests, and is asked a few times a minute', async () => {
  const { device, faults, fail, asked, pass } = await charger();
  fail(Number.POSITIVE_INFINITY);
  await device.start();
  assert.ok(asked() <= 2, `asked ${asked()} times without time passing`);
  assert.not(device.frozen, 'its storage is whole');
  assert.ok(device.state.volatile.frozen, 'it says that it signs nothing');
  for (let minute = 1; minute <= 10; minute += 1) {
    pass(60);
    await device.idle();
  }
  assert.ok(asked() > 5 && asked() < 40, `asked ${asked()} times in ten minutes`);
  assert.ok(faults.every(({ code, frozen }) => code === 'key_refused' && !frozen));
});

test('a key that works again is asked again after the rest, and what was owed is signed', async () => {
  const { device, fail, pass } = await charger();
  fail(3);
  await device.start();
  assert.ok(device.state.volatile.frozen);
  const before = device.state.books.outbox.length;
  for (let minute = 1; minute <= 3; minute += 1) {
    pass(60);
    await device.idle();
  }
  assert.not(device.state.volatile.frozen);
  assert.ok(device.state.books.outbox.length > before, 'the credit waits for the hub');
});

test('a key that answers at once needs no promise', async () => {
  let signatures = 0;
  const signed = await keys.payer.sign(new Uint8Array(32));
  const atOnce = bench({
    ...keys.payer,
    sign: () => {
      signatures += 1;
      return signed;
    },
  });
  const flash = new RamFlash({ size: 16 * 1024, blockSize: 4096, seed: 1 });
  openJournal(flash, BANKS).append(
    payerRecords.encode({ type: 'channelOpened', channel: CHANNEL }),
    () => [],
  );
  const prompt = payerDevice(signing, payerSettings, atOnce.host, () => openJournal(flash, BANKS));
  void prompt.start();
  prompt.attachUplink(atOnce.uplink);
  assert.is(prompt.dispatch({ type: 'hubConnected' }), undefined, 'there is nothing to wait for');
  assert.is(signatures, 2, 'its registration and the request for a lease');
  assert.ok(atOnce.uploads.includes('leaseRequest'));
});

test.run();
