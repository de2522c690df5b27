/**
 * Root and hot keys of a hub, row by row: what a device believes of whom, and how far a thief of a hot key comes. Both
 * machines hold the same table.
 *
 * Not checked here: what the hub itself does with its keys (`test/hub/hub-keys.test.ts`), and interleavings (`sim explore`
 * in its configurations of keys).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { equalBytes } from '../../protocol/bytes.ts';
import { type Seconds, seconds } from '../../protocol/integers.ts';
import {
  HUB_KEY_AHEAD_MAX,
  HUB_KEY_LIFE_MAX,
  HUB_KEYS_MAX,
  REVOKED_KEYS_MAX,
} from '../../protocol/limits.ts';
import { hubTime } from '../../protocol/machines/time.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  keys,
  lease,
  link,
  makePayer,
  makeTerminal,
  type Payer,
  sale,
  secret,
  signing,
  START,
  type Terminal,
} from './bench.ts';
import { beacon, certificate, later } from './forge.ts';

const DAY = 86_400;
type Device = Payer | Terminal;

/** Runs the same story with a payer and with a terminal that were provisioned with the hub's first key. */
function both(name: string, story: (device: Device) => Promise<void>): void {
  test(`payer: ${name}`, async () => story(await makePayer()));
  test(`terminal: ${name}`, async () => story(await makeTerminal()));
}

const tell = (device: Device, message: Message): Promise<void> => device.on({ type: 'hubMessage', message });
const knows = (device: Device, address: Uint8Array): boolean =>
  device.state.books.hub.certified.some((key) => equalBytes(key.address, address));
const next = keys.nextHub.address;

async function revocation(address: Uint8Array, at: Seconds, by = keys.root): Promise<Message> {
  const fields = { key: address, at };
  return {
    type: 'hubKeyRevoked',
    ...fields,
    signature: await by.sign(signing.digest('HubKeyRevoked', fields)),
  };
}

both('a next key is certified by the root alone: no hub key names its successor', async (device) => {
  await tell(device, await certificate(next, START, {}, keys.hub as never));
  await tell(device, await certificate(next, START, {}, keys.stranger as never));
  assert.is(knows(device, next), false);
  await tell(device, await beacon(START));
  await tell(device, await certificate(next, START));
  assert.is(knows(device, next), true);
});

both('a certificate is good for 30 days at most and made 10 days ahead at most', async (device) => {
  await tell(device, await beacon(later(1)));
  const { books } = device.state;
  const until = seconds(START + HUB_KEY_LIFE_MAX + 1);
  await tell(device, await certificate(next, START, { until }));
  const signedAt = seconds(START - HUB_KEY_AHEAD_MAX - 1);
  await tell(device, await certificate(next, START, { signedAt }));
  await tell(device, await certificate(next, START, { until: seconds(START - 1) }));
  assert.equal(device.state.books.hub, books.hub);
  await tell(device, await certificate(next, START, { signedAt: seconds(START - HUB_KEY_AHEAD_MAX) }));
  assert.is(knows(device, next), true, 'at both bounds it is one');
});

both('a key whose time has not come is kept in RAM, and stored with its first beacon', async (device) => {
  await tell(device, await beacon(START));
  const from = later(24 * 5);
  await tell(device, await certificate(next, from, { signedAt: START }));
  assert.is(knows(device, next), false);
  assert.ok(equalBytes(device.state.volatile.trust.candidate!.address, next));
  await tell(device, await beacon(from, secret(0), keys.nextHub as never));
  assert.is(knows(device, next), true);
  assert.is(device.state.volatile.trust.candidate, undefined);
  assert.is(device.state.books.time, from);
});

both('a beacon counts only within the window of the key that signed it', async (device) => {
  await tell(device, await beacon(START));
  const from = later(24);
  await tell(device, await certificate(next, from, { signedAt: START, until: later(48) }));
  await tell(device, await beacon(seconds(from - 1), secret(0), keys.nextHub as never));
  await tell(device, await beacon(later(49), secret(0), keys.nextHub as never));
  assert.is(device.state.books.time, START);
  await tell(device, await beacon(later(48), secret(0), keys.nextHub as never));
  assert.is(device.state.books.time, later(48));
});

both('a certificate moves time to its signing and no further', async (device) => {
  await tell(device, await certificate(next, later(24 * 9), { signedAt: later(24) }));
  assert.is(hubTime(device.state.volatile.time, 0), later(24));
  assert.is(device.state.volatile.time.basedUntilMs > 0, true, 'the basis of its own clock stays');
});

both('what a key signs after its end, by the hub’s time, moves nothing', async (device) => {
  const thief = keys.nextHub;
  await tell(device, await beacon(START));
  await tell(device, await certificate(next, START, { until: later(24) }));
  await tell(device, await beacon(later(25)));
  const { books } = device.state;
  await tell(device, await beacon(later(24), secret(0), thief as never));
  await tell(device, await beacon(later(26), secret(0), thief as never));
  assert.is(device.state.books, books);
});

both('a revoked key is gone at once and no certificate brings it back', async (device) => {
  await tell(device, await beacon(START));
  const word = await certificate(next, START);
  await tell(device, word);
  await tell(device, await revocation(next, later(0), keys.hub as never));
  assert.is(knows(device, next), true, 'a hub key revokes nothing');
  await tell(device, await revocation(next, later(0)));
  assert.is(knows(device, next), false);
  await tell(device, word);
  await tell(device, await certificate(next, later(1), { signedAt: START }));
  assert.is(knows(device, next), false);
  assert.is(device.state.volatile.trust.candidate, undefined);
  await tell(device, await beacon(later(1), secret(0), keys.nextHub as never));
  assert.ok(device.state.books.time < later(1));
});

both('a revocation reaches a key that is known from RAM only', async (device) => {
  await tell(device, await beacon(START));
  await tell(device, await certificate(next, later(24), { signedAt: START }));
  await tell(device, await revocation(next, START));
  assert.is(device.state.volatile.trust.candidate, undefined);
});

both('a full table drops what has ended first, then what is farthest ahead', async (device) => {
  const named = (n: number): Uint8Array => new Uint8Array(20).fill(n);
  await tell(device, await beacon(later(24 * 40)));
  for (let n = 1; n < HUB_KEYS_MAX; n++)
    await tell(device, await certificate(named(n), later(24 * (40 - n))));
  assert.is(device.state.books.hub.certified.length, HUB_KEYS_MAX);
  // The factory's key of the bench never ends; of the others the one that ends last would be the newest.
  await tell(device, await certificate(named(9), later(24 * 40), { until: later(24 * 41) }));
  assert.is(device.state.books.hub.certified.length, HUB_KEYS_MAX);
  assert.is(knows(device, named(9)), true, 'it ends before all others');
  assert.is(knows(device, keys.hub.address), false, 'the one that ends last went');
  await tell(device, await beacon(later(24 * 42), secret(0), { ...keys.stranger } as never));
  const { hub, time } = device.state.books;
  assert.is(time, later(24 * 40));
  assert.is(hub.certified.length, HUB_KEYS_MAX);
});

both('a higher epoch sets time to its signing, also back, ends all keys, and counts once', async (device) => {
  const far = later(24 * 365 * 5);
  await tell(device, await beacon(far));
  assert.is(device.state.books.time, far, 'a defect of the hub: years ahead');
  const word = await certificate(next, later(1), { epoch: 1, signedAt: later(0) });
  await tell(device, word);
  assert.is(device.state.books.time, later(0));
  assert.is(device.state.books.hub.epoch, 1);
  assert.is(knows(device, keys.hub.address), false);
  assert.ok(device.state.volatile.time.basedUntilMs < 0, 'the basis is lost with it');
  await tell(device, await beacon(later(2), secret(0), keys.nextHub as never));
  assert.is(device.state.books.time, later(2));
  await tell(device, word);
  assert.is(device.state.books.time, later(2), 'played again it sets nothing back');
  await tell(device, await certificate(keys.hub.address, later(3)));
  assert.is(knows(device, keys.hub.address), false, 'nor does a certificate of the epoch before count');
});

both(
  'what a certificate says of time outlives a power cut, before its key’s time has come',
  async (device) => {
    await tell(device, await beacon(START));
    const signedAt = later(24 * 12);
    await tell(device, await certificate(next, later(24 * 20), { signedAt }));
    assert.is(knows(device, next), false);
    assert.is(device.state.books.time, signedAt);
    const books = device.state.books.time;
    await tell(device, await certificate(keys.stranger.address, START, { until: later(24 * 11) }));
    assert.is(knows(device, keys.stranger.address), false, 'it has ended');
    assert.is(device.state.books.time, books);
  },
);

both('a new epoch forgets no revocation of a key that may still be shown', async (device) => {
  const stolen = keys.stranger.address;
  const word = await certificate(stolen, later(1), { epoch: 1, signedAt: START });
  await tell(device, await revocation(stolen, later(2)));
  await tell(device, await certificate(next, later(3), { epoch: 1, signedAt: later(3) }));
  await tell(device, word);
  assert.is(knows(device, stolen), false);
  // One that no certificate can outlive is not carried along.
  const far = seconds(later(2) + HUB_KEY_AHEAD_MAX + HUB_KEY_LIFE_MAX);
  for (const [epoch, signedAt, kept] of [
    [2, far, 1],
    [3, seconds(far + 1), 0],
  ] as const) {
    const named = new Uint8Array(20).fill(epoch);
    await tell(device, await certificate(named, signedAt, { epoch, signedAt }));
    assert.is(device.state.books.hub.revoked.length, kept);
  }
});

both('a device that was off for 90 days recovers with what the hub says to everybody', async (device) => {
  await tell(device, await beacon(START));
  const from = later(24 * 88);
  await tell(device, await certificate(next, from, { signedAt: seconds(from - 5 * DAY) }));
  await tell(device, await beacon(later(24 * 90), secret(0), keys.nextHub as never));
  assert.is(device.state.books.time, later(24 * 90));
  assert.is(knows(device, next), true);
});

both('at most so many revocations are remembered, the oldest goes', async (device) => {
  for (let n = 1; n <= REVOKED_KEYS_MAX + 1; n++)
    await tell(device, await revocation(new Uint8Array(20).fill(n), later(n)));
  const { revoked } = device.state.books.hub;
  assert.is(revoked.length, REVOKED_KEYS_MAX);
  assert.is(revoked[0]!.address[0], 2);
  // What went may be shown again, by the certificate that it had: it is older than the oldest that is remembered.
  const known = device.state.books.hub.certified.length;
  await tell(device, await certificate(new Uint8Array(20).fill(1), later(1)));
  await tell(device, await certificate(new Uint8Array(20).fill(99), later(2)));
  assert.is(device.state.books.hub.certified.length, known, 'nobody can tell the two apart');
  await tell(device, await certificate(new Uint8Array(20).fill(98), seconds(later(2) + 1)));
  assert.ok(
    device.state.books.hub.certified.some(({ address }) => address[0] === 98),
    'a newer one counts',
  );
});

test('a revoked key’s leases end at once, at the terminal and at the payer', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await link(payer, terminal);
  assert.is(terminal.state.volatile.leases.length, 1);
  const word = await revocation(keys.hub.address, START);
  await tell(terminal, word);
  assert.is(terminal.state.volatile.leases.length, 0);
  await tell(payer, word);
  assert.is(payer.state.books.lease, undefined);
});

test('a lease counts when it was issued in its key’s window, and no longer than its life after it', async () => {
  const terminal = await makeTerminal();
  await tell(terminal, await beacon(START));
  await tell(terminal, await certificate(next, START, { until: later(10) }));
  await terminal.on({ type: 'linkUp' });
  const say = (message: Message): Promise<void> => terminal.on({ type: 'message', message });
  await say({ type: 'hello', channel: CHANNEL, payer: keys.payer.address });
  await say(await lease({ issuedAt: later(11) }, keys.nextHub as never));
  assert.equal(terminal.refused.slice(-1), ['hub_key_unknown']);
  const long = await lease({ issuedAt: later(10), expiresAt: later(24 * 365) }, keys.nextHub as never);
  await say(long);
  assert.is(terminal.state.volatile.leases[0]!.until, later(10 + 72));
  await terminal.on(sale(1000));
});

test.run();
