/**
 * The doctor's findings, each from the facts that make it and from no others, and in the order of whom they hit. Not
 * checked here: how the facts are gathered (test/operator runs it against a hub that is well).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { diagnose, type DoctorDevice, type Facts, paymentWords } from '../../hub/cli/doctor.ts';

const NOW = 1_800_000_000;
const DAY = 86_400;
const till: DoctorDevice = {
  name: 'till 1',
  role: 'pos',
  address: `0x${'11'.repeat(20)}`,
  merchant: 'Shop',
  online: true,
  registered: true,
  certificateExpiresAt: NOW + 300 * DAY,
  syncedAt: NOW - 60,
};
const node = { url: 'http://a', chainId: 7, blockAt: NOW - 10 };
const well: Facts = {
  nowSeconds: NOW,
  hubUrl: 'http://hub',
  hubAway: undefined,
  reasons: [],
  nodes: [node],
  chainId: 7,
  brokerUrl: 'mqtt://b',
  brokerTrouble: undefined,
  diskFreeBytes: 1e12,
  openFiles: [],
  accounts: [{ name: 'settlement', address: '0xs', wei: 10n ** 18n }],
  keySecondsLeft: 20 * DAY,
  settleTrouble: undefined,
  oldestUnsettled: NOW - DAY,
  ledgerPhase: 'writing',
  devices: [till],
};
const codes = (change: Partial<Facts>): string[] =>
  diagnose({ ...well, ...change }).map(({ code, impact }) => `${code}:${impact}`);
const device = (change: Partial<DoctorDevice>): string[] => codes({ devices: [{ ...till, ...change }] });

test('nothing is found where nothing is wrong, up to each limit', () => {
  assert.equal(codes({}), []);
  assert.equal(codes({ keySecondsLeft: 5 * DAY, diskFreeBytes: 512 * 1024 * 1024 }), []);
  assert.equal(codes({ nodes: [{ ...node, blockAt: NOW - 300 }] }), []);
  assert.equal(codes({ accounts: [{ name: 'settlement', address: '0xs', wei: 10n ** 15n }] }), []);
  assert.equal(device({ online: false, syncedAt: NOW - DAY }), []);
  assert.equal(device({ certificateExpiresAt: NOW + 30 * DAY }), []);
});

test('each fault is found by its name, and whom it hits', () => {
  assert.equal(codes({ hubAway: 'refused' }), ['hub_away:all']);
  assert.equal(codes({ reasons: ['broker: gone'] }), ['not_ready:all']);
  assert.equal(codes({ nodes: [{ url: 'http://a', trouble: 'refused' }] }), ['chain_away:all']);
  assert.equal(codes({ nodes: [node, { url: 'http://b', trouble: 'refused' }] }), ['chain_away:none']);
  assert.equal(codes({ nodes: [{ ...node, chainId: 8 }] }), ['wrong_chain:all']);
  assert.equal(codes({ nodes: [{ ...node, blockAt: NOW - 301 }] }), ['clock_or_chain:all']);
  assert.equal(codes({ nodes: [{ ...node, blockAt: NOW + 301 }] }), ['clock_or_chain:all']);
  assert.equal(codes({ accounts: [{ name: 'settlement', address: '0xs', wei: 10n ** 15n - 1n }] }), [
    'no_gas:merchant',
  ]);
  assert.equal(codes({ accounts: [{ name: 'operator', address: '0xo', wei: 0n }] }), ['no_gas:none']);
  assert.equal(codes({ settleTrouble: 'fees_too_high' }), ['settlement:merchant']);
  assert.equal(codes({ oldestUnsettled: NOW - DAY - 1 }), ['settlement_late:merchant']);
  assert.equal(codes({ brokerTrouble: 'refused' }), ['broker_away:all']);
  assert.equal(codes({ ledgerPhase: 'waiting' }), ['ledger_waits:all']);
  assert.equal(codes({ diskFreeBytes: 512 * 1024 * 1024 - 1 }), ['disk_fills:all']);
  assert.equal(codes({ keySecondsLeft: 5 * DAY - 1 }), ['hub_key_ends:all']);
  assert.equal(codes({ openFiles: ['/k'] }), ['key_readable:none']);
  assert.equal(device({ certificateExpiresAt: NOW + 30 * DAY - 1 }), ['certificate_ends:device']);
  assert.equal(device({ registered: false }), ['never_came:device']);
  assert.equal(device({ online: false, syncedAt: NOW - DAY - 1 }), ['device_silent:device']);
  assert.equal(device({ online: false, syncedAt: NOW - DAY - 1, revokedAt: NOW }), []);
});

test('what hits everybody comes first', () => {
  const found = codes({
    devices: [{ ...till, registered: false }],
    settleTrouble: 'x',
    openFiles: ['/k'],
    brokerTrouble: 'gone',
  });
  assert.equal(found, ['broker_away:all', 'settlement:merchant', 'never_came:device', 'key_readable:none']);
});

test('a payment that somebody calls about', () => {
  const one = { id: '0x1', amount: 4_500_000, state: 'settled', at: NOW };
  assert.match(paymentWords([]), /If a till said approved, it still has it/);
  assert.match(paymentWords([one]), /One: 4\.50 of .*, settled/);
  assert.match(paymentWords([one, one]), /compare their channels/);
});

test.run();
