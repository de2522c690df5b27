/** Credits that terminals promised, what the payee needs to countersign them, and what happens when it doesn't. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { creditViews } from '../../hub/api/views.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { amount, height, seconds } from '../../protocol/integers.ts';
import { isPromised } from '../../protocol/machines/payee.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import {
  Bench,
  context,
  credit,
  key,
  NOW,
  otherPayee,
  otherTerminal,
  payee,
  payer,
  signing,
  tap,
  terminal,
} from './fleet.ts';

const SCOPE = new Uint8Array(32).fill(5);
const scoped = { ...context, scopes: { [toHex(SCOPE).slice(2)]: [toHex(payee.address).slice(2)] } };
const view = (bench: Bench) => creditViews(bench.state, bench.state.books, toHex(payee.address));

async function synced(at: number, signer = terminal, of = terminal): Promise<Message> {
  const fields = { terminal: of.address, at: seconds(at) };
  return { type: 'synced', ...fields, signature: await signer.sign(signing.digest('Synced', fields)) };
}

async function leaseRequest(signer = payer, channel = 7): Promise<Message> {
  const fields = { channel: channel as never, seq: 1 as never, spent: amount(100), at: NOW, scope: SCOPE };
  return {
    type: 'leaseRequest',
    ...fields,
    signature: await signer.sign(signing.digest('LeaseRequest', fields)),
  };
}

const voided = () => tap({ seq: 1, amount: 100, spent: 100, paid: 100, answer: 'credit' });

test('a voided voucher waits for the payee, until the payee signed for all of it', async () => {
  const bench = new Bench();
  const late = await voided();
  bench.send(late.bytes);
  const proof = view(bench).credits.map(({ collected, signature, ...rest }) => rest);
  assert.equal(proof, [
    {
      voucher: toHex(late.id),
      channel: 7,
      seq: 1,
      requestAt: NOW,
      promised: 100,
      countersigned: 0,
      proved: false,
    },
  ]);
  bench.send(await credit(late, 40, payee, true));
  assert.is(view(bench).credits[0]?.countersigned, 40);
  bench.send(await credit(late, 100, payee, true));
  assert.equal(view(bench).credits, []);
  assert.equal(view(bench.restart()).credits, [], 'and so it is after a restart');
});

test('a payee signs no credit that a hub made up: another time, amount, voucher or terminal than somebody signed', async () => {
  const bench = new Bench();
  const late = await voided();
  const sold = await tap({ seq: 2, amount: 50, spent: 150, paid: 150 });
  for (const one of [late, sold]) bench.send(one.bytes);
  bench.send(await credit(sold, 20, terminal, false));
  bench.send(await credit(sold, 30, terminal, false));
  bench.send(await credit(sold, 10, payee, true));
  const own = [terminal.address];
  const told = view(bench.restart()).credits.map(
    ({ voucher, requestAt, promised, collected, signature }) => ({
      voucher: fromHex(voucher, 32),
      requestAt: seconds(requestAt),
      promised: amount(promised),
      collected: fromHex(collected),
      signature: fromHex(signature, 64),
    }),
  );
  assert.equal(
    told.map(({ promised }) => promised),
    [100, 30],
  );
  for (const [i, one] of told.entries()) {
    const other = told[1 - i]!;
    const holds = (change: Partial<typeof one>, terminals = own, by = payee) =>
      isPromised(signing, by.address, terminals, { ...one, ...change });
    assert.ok(holds({}));
    assert.not(holds({ requestAt: seconds(one.requestAt - 1) }), 'dated before it was');
    assert.not(holds({ promised: amount(one.promised + 1) }), 'more than the terminal promised');
    assert.not(holds({ voucher: other.voucher }));
    assert.not(holds({ collected: other.collected }));
    assert.not(holds({ signature: other.signature }));
    assert.not(holds({ collected: new Uint8Array(3) }));
    assert.not(holds({}, [otherTerminal.address]), 'no terminal of its own');
    assert.not(holds({}, own, otherPayee), "another payee's");
  }
});

test('a countersignature that comes twice is acknowledged when it is durable, not by the place of the terminal’s credit', async () => {
  const bench = new Bench();
  const paid = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  bench.send(paid.bytes);
  bench.send(await credit(paid, 40, terminal, false));
  const bytes = encodeMessage(await credit(paid, 40, payee, true));
  const send = () => bench.step({ type: 'message', device: 'p', bytes, now: NOW });
  assert.equal(
    send().map(({ type }) => type),
    ['persist'],
  );
  assert.equal(send(), [], 'the disk has not answered');
  const acknowledged = bench.write();
  assert.equal(
    acknowledged.map((effect) => effect.type === 'acknowledge' && effect.position),
    [2, 2],
  );
  // The twin was refused with it: the payee is told to come again.
  const more = encodeMessage(await credit(paid, 50, payee, true));
  bench.send(await credit(paid, 50, terminal, false));
  for (const _ of [1, 2]) bench.step({ type: 'message', device: 'p', bytes: more, now: NOW });
  const { token } = bench.unwritten.shift()!;
  const told = bench.step({ type: 'persistFailed', token, code: 'storage_failed' });
  assert.equal(
    told.map((effect) => effect.type === 'reject' && effect.code),
    ['storage_failed', 'storage_failed'],
  );
});

test('nothing is given back to a payer whose lanes add up to more than it ever spent, though no two vouchers conflict', async () => {
  const bench = new Bench();
  const paid = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  // Its first voucher to this payee says that 50 were paid before.
  const elsewhere = { payee: otherPayee, terminal: otherTerminal };
  const above = await tap({ seq: 2, amount: 50, spent: 150, paid: 100, ...elsewhere });
  const late = await tap({ seq: 3, amount: 30, spent: 180, paid: 130, answer: 'credit' });
  bench.send(paid.bytes);
  bench.send(late.bytes);
  assert.is(view(bench).credits[0]?.proved, false, '100 are claimed, 180 were spent');
  bench.send(above.bytes);
  assert.is(view(bench).credits[0]?.proved, true, '200 are claimed, 180 were spent');
  assert.is(view(bench.restart()).credits[0]?.proved, true);
});

test('how far a terminal has synced is kept when it says so itself, and never goes back', async () => {
  const bench = new Bench();
  const at = () => view(bench).terminals.map((entry) => entry.syncedAt);
  assert.equal(at(), [0]);
  assert.is(bench.outcome(await synced(NOW - 5, otherTerminal, terminal)), 'signature');
  assert.is(bench.outcome(await synced(NOW - 5, key(77), key(77))), 'terminal_unknown');
  assert.equal(at(), [0]);
  bench.send(await synced(NOW - 5));
  bench.send(await synced(NOW - 9));
  assert.equal(at(), [NOW - 5]);
  assert.equal(
    view(bench.restart()).terminals.map((entry) => entry.syncedAt),
    [NOW - 5],
  );
});

test('a payee that owes its signature too long gets no new leases in its scope', async () => {
  const bench = new Bench(undefined, scoped);
  const late = await voided();
  bench.send(late.bytes);
  const { payeeOfflineMax, claimMargin } = context.timing;
  const due = NOW + payeeOfflineMax + claimMargin;
  const request = async (at: number): Promise<string> => {
    bench.step({ type: 'block', at: seconds(at), height: height(at) });
    const effects = bench.send(await leaseRequest(), 'd', at);
    return effects.map((effect) => (effect.type === 'reject' ? effect.code : effect.type)).join();
  };
  assert.is(await request(due), 'lease');
  assert.is(await request(due + 1), 'credits_overdue');
  bench.send(await credit(late, 100, payee, true), 'p', due + 1);
  assert.is(await request(due + 2), 'lease');
});

test('for a refund of an old sale the payee has the same time as for any other', async () => {
  const bench = new Bench(undefined, scoped);
  const sold = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  bench.send(sold.bytes);
  const given = NOW + 30 * 86_400;
  const request = async (at: number): Promise<string> => {
    bench.step({ type: 'block', at: seconds(at), height: height(at) });
    const effects = bench.send(await leaseRequest(), 'd', at);
    return effects.map((effect) => (effect.type === 'reject' ? effect.code : effect.type)).join();
  };
  assert.is(await request(given), 'lease');
  bench.send(await credit(sold, 40, terminal, false));
  const { payeeOfflineMax, claimMargin } = context.timing;
  const due = given + payeeOfflineMax + claimMargin;
  assert.is(await request(given + 100_000), 'lease');
  // More of it a day later gives no more time for the first part.
  bench.send(await credit(sold, 50, terminal, false));
  assert.is(await request(due), 'lease');
  assert.is(await request(due + 1), 'credits_overdue');
});

test('a credit that its payee rightly refuses, as the payer is proved dishonest, keeps nobody else from a lease', async () => {
  const bench = new Bench(undefined, scoped);
  bench.send((await voided()).bytes);
  bench.send((await tap({ seq: 1, amount: 90, spent: 90, paid: 90 })).bytes);
  assert.is(view(bench).credits[0]?.proved, true);
  const honest = key(88);
  const facts = {
    deposited: amount(100_000_000),
    spendable: amount(80_000_000),
    bond: amount(20_000_000),
    exiting: false,
    slashed: false,
  };
  bench.step({ type: 'channel', channel: 8 as never, facts: { ...facts, payer: honest.address } });
  const { payeeOfflineMax, claimMargin } = context.timing;
  const at = seconds(NOW + payeeOfflineMax + claimMargin + 1);
  bench.step({ type: 'block', at, height: height(at) });
  const effects = bench.send(await leaseRequest(honest, 8), 'd', at);
  assert.equal(
    effects.map((effect) => (effect.type === 'reject' ? effect.code : effect.type)),
    ['lease'],
  );
});

test.run();
