/** Which revoked channels devices are told of: those that some terminal might still take. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { applyRecord } from '../../hub/intake/books.ts';
import { type Books, emptyBooks } from '../../hub/intake/state.ts';
import type { HubRecord } from '../../hub/ledger/records.ts';
import { listedRevocations } from '../../hub/revocations.ts';
import { seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING, REVOCATIONS_MAX } from '../../protocol/limits.ts';
import { NOW, payer } from './fleet.ts';

/** Books in which these channels are revoked, each with a lease up to then, or with none. */
function revoked(leases: readonly (readonly [channel: number, expiresAt?: number])[]): Books {
  const records = leases.flatMap(([channel, expiresAt]) => [
    ...(expiresAt === undefined ? [] : [{ type: 'lease', channel, payer: payer.address, expiresAt }]),
    { type: 'revocation', channel, revoked: 1 },
  ]);
  return records.reduce((books, record) => applyRecord(books, record as unknown as HubRecord), emptyBooks);
}

test('a channel whose last lease ran out leaves the list, when no clock can be so late any more', () => {
  const last = NOW - DEFAULT_TIMING.clockError;
  const books = revoked([[9, NOW + 1], [3], [5, last], [4, last - 1]]);
  assert.equal(listedRevocations(books, DEFAULT_TIMING, NOW), { channels: [3, 5, 9], left: 0 });
  assert.equal(listedRevocations(books, DEFAULT_TIMING, seconds(last)).channels, [3, 4, 5, 9]);
});

test('more than the list holds: those whose leases last longest, and how many are left', () => {
  const leases = Array.from({ length: REVOCATIONS_MAX + 2 }, (_, i) => [i + 1, NOW + i] as const);
  const { channels, left } = listedRevocations(revoked(leases), DEFAULT_TIMING, NOW);
  assert.is(left, 2);
  assert.is(channels.length, REVOCATIONS_MAX);
  assert.is(channels[0], 3);
  assert.equal(
    channels,
    [...channels].sort((a, b) => a - b),
  );
});

test.run();
