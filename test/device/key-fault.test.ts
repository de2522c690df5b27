/** A key that fails once: the machine starts again from its journal, and the hub that is there is still there. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { payerDevice } from '../../device/devices.ts';
import { openJournal } from '../../device/journal/journal.ts';
import type { Fault } from '../../device/runtime.ts';
import type { SecureKey, Uplink } from '../../hardware/interfaces/index.ts';
import { KeyFault } from '../../hardware/keys/key-fault.ts';
import { seconds } from '../../protocol/integers.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { decodeMessage } from '../../protocol/wire/messages.ts';
import { RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import { CHANNEL, keys, payerSettings, signing, START } from '../protocol/bench.ts';

const hubKey = { address: keys.hub.address, from: seconds(0), until: seconds(START + 10 * 365 * 86_400) };
const BANKS = { banks: 2 };

/** A host whose key fails at its next signature when told to, and an uplink that is connected. */
function bench(key: SecureKey) {
  let failing = false;
  let nowMs = 0;
  let next: () => void = () => undefined;
  const faults: Fault[] = [];
  const uploads: string[] = [];
  const host = {
    key: {
      ...key,
      sign: (digest: Uint8Array) => {
        if (!failing) return key.sign(digest);
        failing = false;
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
    fail: () => {
      failing = true;
    },
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
  const asked = uploads.length;
  pass(600);
  assert.is(uploads.length, asked, 'once');
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

test.run();
