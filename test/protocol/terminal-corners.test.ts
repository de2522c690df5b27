/**
 * What a terminal keeps apart: a session that lasts, a tick whose energy has not flowed, whose membership it is told
 * of, and when it has handed everything in. Not checked here: the table of transitions (terminal-table), refusals one
 * by one (terminal-refusals), the hub's link (hub-link).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Address, Bytes32 } from '../../protocol/bytes.ts';
import { type Seconds, seconds } from '../../protocol/integers.ts';
import { SESSION_LOST_SECONDS } from '../../protocol/limits.ts';
import type { MessageOf } from '../../protocol/wire/messages.ts';
import {
  deliverTick,
  keys,
  link,
  makePayer,
  makeTerminal,
  sale,
  secret,
  signing,
  START,
  streamSale,
  type Terminal,
  tap,
  unlink,
} from './bench.ts';
import {
  acknowledgement,
  beacon,
  closedRequest,
  greet,
  later,
  message,
  resolveStreamFor,
  streamFor,
  tickMessage,
  voucherFor,
} from './forge.ts';

async function member(terminal: Address, scope: Bytes32, expiresAt: Seconds): Promise<MessageOf<'member'>> {
  const fields = { scope, terminal, expiresAt };
  return { type: 'member', ...fields, signature: await keys.hub.sign(signing.digest('Member', fields)) };
}

const saidSynced = (terminal: Terminal) => terminal.uploads.filter(({ type }) => type === 'synced');

test('a session lasts as long as its car is plugged in, however slowly the energy flows', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on(streamSale(5, 10));
  await link(payer, terminal);
  // A link that was lost once does not count once it is back.
  await unlink(payer, terminal);
  await link(payer, terminal);
  terminal.nowMs = 100 * SESSION_LOST_SECONDS * 1000;
  await terminal.on({ type: 'clock' });
  assert.is(terminal.said('sessionOver').length, 0);
  assert.is(await deliverTick(terminal), 1);
  assert.is(await deliverTick(terminal), 2);
});

test('a session whose car is gone ends after a while, and not before', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on(streamSale(5, 10));
  await link(payer, terminal);
  terminal.nowMs = 1_000_000;
  await unlink(payer, terminal);
  terminal.nowMs += SESSION_LOST_SECONDS * 1000 - 1;
  await terminal.on({ type: 'clock' });
  assert.is(terminal.said('sessionOver').length, 0);
  terminal.nowMs += 1;
  await terminal.on({ type: 'clock' });
  assert.equal(terminal.said('sessionOver'), [
    { type: 'sessionOver', channel: 7, ticks: 1, reason: 'link_lost' },
  ]);
});

test('a car that comes back again and again pays no tick before the last one has flowed', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await terminal.on(streamSale(5, 10));
  await link(payer, terminal);
  for (let again = 0; again < 4; again++) {
    await unlink(payer, terminal);
    await link(payer, terminal);
  }
  assert.is(terminal.said('deliver').length, 1);
  assert.is(terminal.state.books.lanes[0]?.stream?.k, 1);
  assert.is(payer.state.books.spent, 5);
  assert.is(await deliverTick(terminal), 1);
  assert.is(payer.said('tickPaid').length, 1);
});

test('what is delivered of a stream is not answered when a void one took its place on the lane', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  await terminal.on(message(tickMessage(1, 5, 1)));
  await terminal.on(message(await resolveStreamFor(closedRequest(), 10, 5, { seq: 2, spent: 10, paid: 10 })));
  assert.is(terminal.said('voided').length, 1);
  assert.is(terminal.state.books.lanes[0]?.stream, undefined);
  const sent = terminal.sent.length;
  assert.is(await deliverTick(terminal), 1);
  assert.equal(terminal.sent.slice(sent), []);
});

test("another terminal's membership is not taken", async () => {
  const terminal = await makeTerminal();
  const scope = secret(40);
  await terminal.on({ type: 'hubConnected' });
  await terminal.on({ type: 'hubMessage', message: await member(keys.terminal2.address, scope, later(1)) });
  assert.is(terminal.state.books.member, undefined);
  await terminal.on({ type: 'hubMessage', message: await member(keys.terminal.address, scope, later(1)) });
  assert.equal(terminal.state.books.member, { scope, expiresAt: later(1) });
});

test('a membership counts to its last second', async () => {
  const scope = secret(40);
  for (const [after, accepted] of [
    [3600, true],
    [3601, false],
  ] as const) {
    const terminal = await makeTerminal({ realTime: seconds(START + after) });
    await terminal.on({ type: 'hubConnected' });
    await terminal.on({ type: 'hubMessage', message: await member(keys.terminal.address, scope, later(1)) });
    await greet(terminal, { scope });
    await terminal.on(sale(1000));
    await terminal.on(message(await voucherFor(terminal)));
    assert.is(terminal.said('approved').length, accepted ? 1 : 0);
    assert.equal(terminal.refused, accepted ? [] : ['lease_scope']);
  }
});

test('a tick may cost a quarter of a tap, and no unit more', async () => {
  for (const [tickValue, code] of [
    [250, undefined],
    [251, 'stream_terms'],
  ] as const) {
    const terminal = await makeTerminal();
    await greet(terminal, { tapLimit: 1003 as never });
    await terminal.on(streamSale(tickValue, 4));
    await terminal.on(message(await streamFor(terminal)));
    assert.is(terminal.said('streamOpened').length, code === undefined ? 1 : 0);
    assert.equal(terminal.refused, code === undefined ? [] : [code]);
  }
});

test('a chain may lead up to the largest amount, and not beyond', async () => {
  const top = 2 ** 48 - 1;
  for (const [spent, code] of [
    [top - 8, undefined],
    [top - 7, 'terminal_over_spend_limit'],
  ] as const) {
    const terminal = await makeTerminal({ settings: { capChannel: top as never, capTotal: top as never } });
    await greet(terminal, { spendLimit: top as never, tapLimit: 100 as never });
    await terminal.on(streamSale(2, 4));
    await terminal.on(message(await streamFor(terminal, { spent, paid: 0 })));
    assert.is(terminal.said('streamOpened').length, code === undefined ? 1 : 0);
    assert.equal(terminal.refused, code === undefined ? [] : [code]);
  }
});

test('a terminal does not say that it has synced while anything waits', async () => {
  const payer = await makePayer();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 100, 1);
  await terminal.on({ type: 'hubConnected' });
  terminal.nowMs = 60_000;
  await terminal.on({ type: 'hubMessage', message: await beacon(seconds(START + 60)) });
  terminal.nowMs = 7_200_000;
  await terminal.on({ type: 'hubMessage', message: await beacon(later(2)) });
  assert.is(saidSynced(terminal).length, 0);
  const [waiting] = terminal.state.books.outbox;
  assert.ok(waiting?.kind === 'voucher');
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(waiting.entry) });
  assert.is(saidSynced(terminal).length, 1);
});

test.run();
