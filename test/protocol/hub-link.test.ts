/** Devices and the hub: the outbox drains, whatever the hub answers; leases, keys, time and revocations come down. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Bytes32, concatBytes, equalBytes, uintBytes } from '../../protocol/bytes.ts';
import { amount, type ChannelId, seconds, UINT40_MAX } from '../../protocol/integers.ts';
import { DEFAULT_TIMING, PACK_ENTRIES_MAX, SYNC_RETRY_MS } from '../../protocol/limits.ts';
import { collectedFrom } from '../../protocol/machines/collected.ts';
import { refusalNumber } from '../../protocol/refusals.ts';
import { creditEntry, tickEntry, voucherDigest } from '../../protocol/vouchers.ts';
import { decodeMessage, type Message } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  deliverTick,
  keys,
  lease,
  link,
  makePayer,
  makeTerminal,
  type Payer,
  provisioned,
  sale,
  secret,
  signing,
  START,
  startPayer,
  streamSale,
  tap,
  type Terminal,
  unlink,
} from './bench.ts';
import {
  acknowledgement,
  beacon,
  closedRequest,
  greet,
  later,
  message,
  resolveFor,
  voucherFor,
} from './forge.ts';

/** The digest of what a device handed in, computed from the bytes alone. */
function entryOf(packed: Message): Bytes32 {
  if (packed.type === 'collectedVoucher' || packed.type === 'collectedStream')
    return voucherDigest(signing, collectedFrom(signing, packed).voucher);
  if (packed.type === 'collectedTick')
    return tickEntry(signing.suite, packed.stream, packed.k, packed.preimage);
  if (packed.type === 'collectedCredit') return creditEntry(signing, packed.voucher, packed.credited);
  throw new Error(`${packed.type} is no entry`);
}

/** A hub that acknowledges every entry but those that `rejects` names. */
function hubFor(device: Terminal | Payer, rejects: (entry: Message) => boolean = () => false) {
  const received: Message[] = [];
  device.uplink = async (sent) => {
    if (sent.type !== 'pack') return;
    for (const bytes of sent.entries) {
      const decoded = decodeMessage(bytes, 'sync');
      if (!decoded.ok || !decoded.message) throw new Error('a packed entry does not decode');
      const entry = decoded.message;
      received.push(entry);
      const answer: Message = rejects(entry)
        ? { type: 'rejection', entry: entryOf(entry), code: 72 }
        : await acknowledgement(entryOf(entry));
      await device.on({ type: 'hubMessage', message: answer });
    }
  };
  return received;
}

/** A terminal with `count` voids of as many channels in its outbox. */
async function terminalWith(count: number): Promise<Terminal> {
  const terminal = await makeTerminal({ settings: { outboxMax: 256, lanesMax: 256 } });
  for (let n = 1; n <= count; n++) {
    const channel = n as ChannelId;
    await terminal.on({ type: 'linkUp' });
    await terminal.on(message({ type: 'hello', channel, payer: keys.payer.address }));
    await terminal.on(message(await lease({ channel })));
    await terminal.on(message(await resolveFor(closedRequest(), { channel })));
  }
  assert.is(terminal.state.books.outbox.length, count);
  return terminal;
}

test('an outbox of 100 entries drains completely in packs of at most 32, each entry sent once', async () => {
  const terminal = await terminalWith(100);
  const received = hubFor(terminal);
  await terminal.on({ type: 'hubConnected' });
  assert.is(terminal.state.books.outbox.length, 0);
  assert.is(received.length, 100);
  const packs = terminal.uploads.filter((upload) => upload.type === 'pack');
  assert.equal(
    packs.map((pack) => (pack.type === 'pack' ? pack.entries.length : 0)),
    [PACK_ENTRIES_MAX, PACK_ENTRIES_MAX, PACK_ENTRIES_MAX, 4],
  );
});

test('forty entries that the hub refuses do not hold back those behind them', async () => {
  const terminal = await terminalWith(70);
  const bad = (entry: Message): boolean => entry.type === 'collectedVoucher' && entry.channel <= 40;
  hubFor(terminal, bad);
  await terminal.on({ type: 'hubConnected' });
  for (let i = 1; i <= 6; i++) {
    terminal.nowMs = i * 5000;
    await terminal.on({ type: 'clock' });
  }
  assert.is(terminal.state.books.outbox.length, 40, 'what was refused is kept, the rest is through');
  assert.ok(
    terminal.said('refused').some((notice) => notice.by === 'hub' && notice.code === 'payee_unknown'),
  );
});

test('a transport that confirms, and a hub that says nothing, clear nothing: all is sent again', async () => {
  const terminal = await terminalWith(3);
  await terminal.on({ type: 'hubConnected' });
  const packs = () => terminal.uploads.filter((upload) => upload.type === 'pack').length;
  assert.is(packs(), 1);
  terminal.nowMs = 4999;
  await terminal.on({ type: 'clock' });
  assert.is(packs(), 1);
  terminal.nowMs = 5000;
  await terminal.on({ type: 'clock' });
  assert.is(packs(), 2);
  assert.is(terminal.state.books.outbox.length, 3);
  await terminal.on({ type: 'hubLost' });
  terminal.nowMs = 20_000;
  await terminal.on({ type: 'clock' });
  assert.is(packs(), 2, 'nothing goes up without a hub');
});

test('a payer asks ever more rarely about a voucher that the hub does not know, and at once about a new one', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  const isReceipt = ({ type }: Message): boolean => type === 'receipt';
  await tap(payer, terminal, 100, 1, isReceipt);
  const asked: number[] = [];
  payer.uplink = async (sent) => {
    if (sent.type === 'query') asked.push(payer.nowMs / 1000);
  };
  const clockTo = async (untilSeconds: number): Promise<void> => {
    while (payer.nowMs < untilSeconds * 1000) {
      payer.nowMs += 1000;
      await payer.on({ type: 'clock' });
    }
  };
  await payer.on({ type: 'hubConnected' });
  await clockTo(2500);
  assert.equal(asked, [0, 5, 15, 35, 75, 155, 315, 635, 1235, 1835, 2435], 'every ten minutes in the end');
  asked.length = 0;
  await payer.on({ type: 'hubLost' });
  await clockTo(2600);
  await payer.on({ type: 'hubConnected' });
  await clockTo(2620);
  assert.equal(asked, [2600, 2605, 2615], 'a new connection starts over');
  await clockTo(4300);
  asked.length = 0;
  const other = await makeTerminal({ key: keys.terminal2 });
  await tap(payer, other, 100, 2, isReceipt);
  await clockTo(4301);
  assert.equal(asked, [4301, 4301], 'and so does a new voucher');
});

test('a payer hands in its second copies with their receipts, and keeps none that was acknowledged', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  for (let n = 1; n <= 3; n++) await tap(payer, terminal, 100, n);
  const received = hubFor(payer);
  await payer.on({ type: 'hubConnected' });
  assert.is(payer.state.books.outbox.length, 0);
  assert.ok(received.every((entry) => entry.type === 'collectedVoucher' && entry.receipt !== undefined));
});

test('acknowledging tick 2 does not clear tick 3', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await link(payer, terminal);
  await deliverTick(terminal);
  await deliverTick(terminal);
  await terminal.on({ type: 'hubConnected' });
  const [first] = terminal.state.books.outbox.filter((entry) => entry.kind === 'tick');
  assert.is(first?.k, 3, 'the newest tick stands for all');
  const held = terminal.uploads.find((upload) => upload.type === 'pack');
  assert.ok(held);
  await deliverTick(terminal);
  assert.is(terminal.state.books.outbox.find((entry) => entry.kind === 'tick')?.k, 4);
  const entry = terminal.state.volatile.uploadedTicks[0]!;
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry.entry) });
  const left = terminal.state.books.outbox.find((waiting) => waiting.kind === 'tick');
  assert.is(left?.k, 4);
  assert.is(left?.exposure, 10, 'three of four are off the cap');
});

test('the cap of a channel is given back by the acknowledgement, not by a new lease', async () => {
  const terminal = await makeTerminal({ settings: { capChannel: amount(1000) } });
  await terminal.on(sale(1000, 1));
  await greet(terminal);
  await terminal.on(message(await voucherFor(terminal)));
  const [entry] = terminal.state.books.outbox;
  await greet(terminal, { issuedAt: later(1), spentFrom: amount(1000) });
  await terminal.on(sale(1, 2));
  const next = await voucherFor(terminal, { seq: 2, spent: 1001, paid: 1001 });
  await terminal.on(message(next));
  assert.is(terminal.refused.at(-1), 'cap_channel');
  if (entry?.kind !== 'voucher') throw new Error('no voucher waits');
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry.entry) });
  await terminal.on(message(next));
  assert.is(terminal.said('approved').length, 2);
});

test('a payer without a hub renews its lease through a terminal that has one', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  terminal.uplink = async (sent) => {
    if (sent.type !== 'leaseRequest') return;
    assert.is(sent.channel, CHANNEL);
    assert.ok(signing.signedBy('LeaseRequest', sent, sent.signature, keys.payer.address));
    const renewed = await lease({ issuedAt: later(1), expiresAt: later(73), spendLimit: amount(90_000_000) });
    await terminal.on({ type: 'hubMessage', message: renewed });
  };
  await terminal.on({ type: 'hubConnected' });
  await link(payer, terminal);
  await payer.on({ type: 'renew' });
  assert.is(payer.state.books.lease?.spendLimit, 90_000_000);
  assert.is(payer.said('lease').length, 1);
});

/** When a payer asks the hub for a lease, seconds, while its clock ticks. */
async function leasesAsked(
  payer: Payer,
): Promise<{ asked: number[]; clockTo: (hours: number) => Promise<void> }> {
  const asked: number[] = [];
  payer.uplink = async (sent) => {
    if (sent.type === 'leaseRequest') asked.push(payer.nowMs / 1000);
  };
  const clockTo = async (until: number): Promise<void> => {
    while (payer.nowMs < until * 1000) {
      payer.nowMs += 1000;
      await payer.on({ type: 'clock' });
    }
  };
  return { asked, clockTo };
}
const HOUR = 3600;

test('a payer that stays connected asks for its lease again from half of its life on, ever more rarely until it has one', async () => {
  const payer = await makePayer({ issuedAt: START, expiresAt: seconds(START + 4 * HOUR) });
  const { asked, clockTo } = await leasesAsked(payer);
  await payer.on({ type: 'hubConnected' });
  await clockTo(2 * HOUR - 1);
  assert.equal(asked, [0], 'not while the hub would give it no other');
  await clockTo(2 * HOUR + 2500);
  assert.equal(
    asked.slice(1).map((at) => at - 2 * HOUR),
    [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430],
    'every ten minutes in the end',
  );
  const next = await lease({ issuedAt: seconds(START + 3 * HOUR), expiresAt: seconds(START + 7 * HOUR) });
  await payer.on({ type: 'hubMessage', message: next });
  asked.length = 0;
  await clockTo(5 * HOUR - 1);
  assert.equal(asked, []);
  await clockTo(5 * HOUR + 11);
  assert.equal(asked, [5 * HOUR, 5 * HOUR + 10], 'a new one begins anew');
  await payer.on({ type: 'hubLost' });
  await clockTo(5 * HOUR + 900);
  assert.is(asked.length, 2, 'nobody is asked where nobody is met');
});

test('a payer without a lease asks until it has one, whatever the hub answers', async () => {
  const { lease: _, ...books } = await provisioned();
  const payer = await startPayer({ ...books, lease: undefined });
  const { asked, clockTo } = await leasesAsked(payer);
  await payer.on({ type: 'hubConnected' });
  const entry = secret(1);
  await payer.on({
    type: 'hubMessage',
    message: { type: 'rejection', entry, code: refusalNumber('channel_unknown') },
  });
  await clockTo(160);
  assert.equal(asked, [0, 5, 15, 35, 75, 155]);
  await payer.on({ type: 'hubMessage', message: await lease() });
  await clockTo(2000);
  assert.is(asked.length, 6);
  assert.ok(payer.state.books.lease);
});

test('a lease for another channel than the one on the link is not passed on', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await link(payer, terminal);
  const sent = terminal.sent.length;
  await terminal.on({ type: 'hubMessage', message: await lease({ channel: 9 as ChannelId }) });
  assert.is(terminal.sent.length, sent);
});

const revocationList = (...channels: number[]): { list: Message; hash: Bytes32 } => ({
  list: { type: 'revocations', channels },
  hash: signing.suite.keccak256(concatBytes(...channels.map((id) => uintBytes(id, 4)))),
});

test('a revocation list counts only when the newest beacon names it', async () => {
  const terminal = await makeTerminal();
  const { list, hash } = revocationList(7, 9);
  await terminal.on({ type: 'hubMessage', message: list });
  assert.equal(terminal.state.books.revoked, []);
  await terminal.on({ type: 'hubMessage', message: await beacon(later(1), hash) });
  await terminal.on({ type: 'hubMessage', message: list });
  assert.equal(terminal.state.books.revoked, [7, 9]);
  await terminal.on({ type: 'hubMessage', message: revocationList(9).list });
  assert.equal(terminal.state.books.revoked, [7, 9]);
});

test('an old beacon that is played again does not bring back an old revocation list', async () => {
  const terminal = await makeTerminal();
  const before = revocationList(9);
  const after = revocationList(7, 9);
  await terminal.on({ type: 'hubMessage', message: await beacon(later(1), before.hash) });
  await terminal.on({ type: 'hubMessage', message: before.list });
  await terminal.on({ type: 'hubMessage', message: await beacon(later(2), after.hash) });
  await terminal.on({ type: 'hubMessage', message: after.list });
  await terminal.on({ type: 'hubMessage', message: await beacon(later(1), before.hash) });
  await terminal.on({ type: 'hubMessage', message: before.list });
  assert.equal(terminal.state.books.revoked, [7, 9]);
  const restarted = await makeTerminal({ books: terminal.state.books });
  await restarted.on({ type: 'hubMessage', message: await beacon(later(1), before.hash) });
  await restarted.on({ type: 'hubMessage', message: before.list });
  assert.equal(restarted.state.books.revoked, [7, 9], 'nor after a restart');
  await restarted.on({ type: 'hubMessage', message: await beacon(later(3), before.hash) });
  await restarted.on({ type: 'hubMessage', message: before.list });
  assert.equal(restarted.state.books.revoked, [9], 'a newer beacon may name it again');
});

test('a scope is joined by the hub, and left when its time is over', async () => {
  const terminal = await makeTerminal();
  const scope = secret(9);
  const fields = { scope, terminal: keys.terminal.address, expiresAt: later(10) };
  const signature = await keys.hub.sign(signing.digest('Member', fields));
  await terminal.on({ type: 'hubMessage', message: { type: 'member', ...fields, signature } });
  await terminal.on(sale(1000));
  await greet(terminal, { scope });
  await terminal.on(message(await voucherFor(terminal)));
  assert.is(terminal.said('approved').length, 1);
  terminal.nowMs = 10 * 3600 * 1000 + 1000;
  await terminal.on(sale(1000, 2));
  await terminal.on(message(await voucherFor(terminal, { seq: 2, spent: 2000, paid: 2000 })));
  assert.is(terminal.refused.at(-1), 'lease_scope');
});

test('a scope outlives the key that named it no longer than a lease, and not its end by the root', async () => {
  const terminal = await makeTerminal();
  const key = terminal.state.books.hub.certified.find(({ address }) =>
    equalBytes(address, keys.hub.address),
  )!;
  const fields = { scope: secret(9), terminal: keys.terminal.address, expiresAt: seconds(UINT40_MAX) };
  const signature = await keys.hub.sign(signing.digest('Member', fields));
  const member: Message = { type: 'member', ...fields, signature };
  await terminal.on({ type: 'hubConnected' });
  await terminal.on({ type: 'hubMessage', message: member });
  assert.is(terminal.state.books.member?.expiresAt, key.until + DEFAULT_TIMING.leaseLifetime);
  const registered = () => terminal.uploads.filter(({ type }) => type === 'register').length;
  const before = registered();
  const word = { key: keys.hub.address, at: START };
  const revoked = await keys.root.sign(signing.digest('HubKeyRevoked', word));
  await terminal.on({ type: 'hubMessage', message: { type: 'hubKeyRevoked', ...word, signature: revoked } });
  assert.is(terminal.state.books.member?.expiresAt, 0);
  assert.is(registered(), before + 1, 'it asks to be named anew');
  await terminal.on({ type: 'hubMessage', message: member });
  assert.is(terminal.state.books.member?.expiresAt, 0);
});

test('what L2 settled is kept with the lane and only grows', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 900, 1);
  const settled = (paid: number): Message => ({
    type: 'settled',
    channel: CHANNEL,
    payee: keys.payee.address,
    paid: amount(paid),
    transaction: secret(1),
  });
  await terminal.on({ type: 'hubMessage', message: settled(900) });
  await terminal.on({ type: 'hubMessage', message: settled(400) });
  assert.is(terminal.state.books.lanes[0]?.settled, 900);
  assert.is(terminal.said('settled').length, 1);
  await unlink(payer, terminal);
});

test("the hub's words that a device never receives are refused as such", async () => {
  for (const device of [await makeTerminal(), await makePayer()]) {
    const { books } = device.state;
    await device.on({
      type: 'hubMessage',
      message: { type: 'query', channel: CHANNEL, seq: 1 as never, entry: secret(1) },
    });
    assert.equal(device.refused, ['unexpected_message']);
    assert.ok(device.state.books === books);
  }
});

test('the stored time is written at most once an hour', async () => {
  const payer = await makePayer();
  for (const at of [START, START + 1800, START + 3599, START + 3600])
    await payer.on({ type: 'hubMessage', message: await beacon(seconds(at)) });
  assert.is(payer.records.filter((record) => record.type === 'time').length, 2);
});

test('a hub that forgot a terminal hears of it again with the next try, and not more often', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await link(payer, terminal);
  await tap(payer, terminal, 100, 1);
  await tap(payer, terminal, 100, 2);
  await unlink(payer, terminal);
  let known = false;
  let registered = 0;
  terminal.uplink = async (sent) => {
    if (sent.type === 'register') {
      registered += 1;
      // Its registration was not written when the hub went down; the broker stayed, and nobody saw a link go.
      known = registered > 1;
    }
    if (sent.type !== 'pack') return;
    for (const bytes of sent.entries) {
      const decoded = decodeMessage(bytes, 'sync');
      if (!decoded.ok || !decoded.message) throw new Error('a packed entry does not decode');
      const entry = entryOf(decoded.message);
      await terminal.on({
        type: 'hubMessage',
        message: known
          ? await acknowledgement(entry)
          : { type: 'rejection', entry, code: refusalNumber('terminal_unknown') },
      });
    }
  };
  await terminal.on({ type: 'hubConnected' });
  assert.is(registered, 1);
  assert.is(terminal.state.books.outbox.length, 2);
  terminal.nowMs += SYNC_RETRY_MS;
  await terminal.on({ type: 'clock' });
  assert.is(registered, 2);
  assert.is(terminal.state.books.outbox.length, 0);
  terminal.nowMs += SYNC_RETRY_MS;
  await terminal.on({ type: 'clock' });
  assert.is(registered, 2);
});

test.run();
