import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  PACK_ENTRY_BYTES_MAX,
  SYNC_MESSAGE_BYTES_MAX,
  TAP_MESSAGE_BYTES_MAX,
  VOUCHER_BYTES_MAX,
} from '../../protocol/limits.ts';
import { type MessageName, MESSAGES, messageBytesMax } from '../../protocol/wire/messages.ts';

const names = Object.keys(MESSAGES) as MessageName[];
const onTap = names.filter((name) => !MESSAGES[name].direction.includes('hub'));

test('the largest form of every tap message fits one BLE packet of 244 bytes', () => {
  assert.ok(onTap.length >= 17);
  for (const name of onTap)
    assert.ok(messageBytesMax(name) <= TAP_MESSAGE_BYTES_MAX, `${name}: ${messageBytesMax(name)} bytes`);
});

test('what a terminal relays for a payer without a hub fits the tap link as well', () => {
  for (const name of ['lease', 'leaseRequest', 'acknowledgement'] as const)
    assert.ok(messageBytesMax(name) <= TAP_MESSAGE_BYTES_MAX, `${name}: ${messageBytesMax(name)} bytes`);
});

test('a voucher and a stream take at most 182 bytes', () => {
  for (const name of ['voucher', 'stream'] as const)
    assert.ok(messageBytesMax(name) <= VOUCHER_BYTES_MAX, `${name}: ${messageBytesMax(name)} bytes`);
});

test('every entry of a pack fits its place, and every message fits the link to the hub', () => {
  for (const name of ['collectedVoucher', 'collectedStream', 'collectedTick', 'collectedCredit'] as const)
    assert.ok(messageBytesMax(name) <= PACK_ENTRY_BYTES_MAX, `${name}: ${messageBytesMax(name)} bytes`);
  for (const name of names)
    assert.ok(messageBytesMax(name) <= SYNC_MESSAGE_BYTES_MAX, `${name}: ${messageBytesMax(name)} bytes`);
});

test('every message has a number of its own', () => {
  const numbers = names.map((name) => MESSAGES[name].number);
  assert.is(new Set(numbers).size, numbers.length);
});

test.run();
