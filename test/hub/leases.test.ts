/**
 * Leases, number by number: what one says, to which edge it is given, when the old one is given again, and what a hub
 * knows of the devices that ask. Not checked here: credits that are overdue (credits.test.ts), P-256 (p256.test.ts),
 * room in the index (intake.test.ts).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Devices } from '../../hub/devices.ts';
import { channelBook } from '../../hub/intake/books.ts';
import { endedLeases } from '../../hub/intake/leases.ts';
import type { ChannelFacts } from '../../hub/intake/state.ts';
import { bytesKey } from '../../hub/intake/trie.ts';
import { createLogger } from '../../hub/log.ts';
import { toHex } from '../../protocol/bytes.ts';
import { amount, channelId, height, seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { decodeOwn, type Message, ROLES } from '../../protocol/wire/messages.ts';
import {
  Bench,
  context,
  key,
  NOW,
  otherPayee,
  payee,
  payer,
  pin,
  preparedState,
  signing,
  suite,
  tap,
} from './fleet.ts';

const CHANNEL = channelId(7);
const SPENDABLE = 80_000_000;
const SCOPE = suite.keccak256(Uint8Array.of(9));
const FACTS: ChannelFacts = {
  payer: payer.address,
  deposited: amount(100_000_000),
  spendable: amount(SPENDABLE),
  bond: amount(20_000_000),
  exiting: false,
  slashed: false,
};

async function request(
  change: { seq?: number; spent?: number; scope?: Uint8Array; signer?: typeof payer } = {},
) {
  const fields = {
    channel: CHANNEL,
    seq: (change.seq ?? 0) as never,
    spent: amount(change.spent ?? 0),
    at: NOW,
    scope: change.scope ?? SCOPE_ANY,
  };
  const signature = await (change.signer ?? payer).sign(signing.digest('LeaseRequest', fields));
  return { type: 'leaseRequest' as const, ...fields, signature };
}

/** The lease that is given, or the refusal. */
async function answer(bench: Bench, change: Parameters<typeof request>[0] = {}, now: number = NOW) {
  const effects = bench.send(await request(change), 'd', now);
  const lease = effects.find((effect) => effect.type === 'lease');
  const refused = effects.find((effect) => effect.type === 'reject');
  return lease?.type === 'lease' ? lease.lease : refused?.type === 'reject' ? refused.code : 'nothing';
}

const bench = (facts: Partial<ChannelFacts> = {}, own: Partial<typeof context> = {}): Bench => {
  const made = new Bench(preparedState(), { ...context, ...own });
  made.step({ type: 'channel', channel: CHANNEL, facts: { ...FACTS, ...facts } });
  return made;
};

test('a lease says what L2 showed, from where the payer stands', async () => {
  assert.equal(await answer(bench(), { seq: 4, spent: 1000 }), {
    type: 'lease',
    channel: CHANNEL,
    seq: 4,
    payer: payer.address,
    spentFrom: 1000,
    spendLimit: SPENDABLE,
    tapLimit: 1_750_000,
    cap: 3_937_500,
    guarantee: 0,
    issuedAt: NOW,
    expiresAt: NOW + DEFAULT_TIMING.leaseLifetime,
    scope: SCOPE_ANY,
  });
  const late = bench();
  late.step({ type: 'block', at: seconds(2 ** 40 - 5), height: height(11) });
  const last = await answer(late, {}, 2 ** 40 - 5);
  assert.is(typeof last === 'object' && last.expiresAt, 2 ** 40 - 1);
});

test('all that can be spent may be spent, and no unit more', async () => {
  assert.is(typeof (await answer(bench(), { spent: SPENDABLE })), 'object');
  assert.is(await answer(bench(), { spent: SPENDABLE + 1 }), 'over_spend_limit');
});

test('a device at the newest voucher gets one, a device behind it none', async () => {
  const made = bench();
  made.send((await tap({ seq: 3, amount: 10, spent: 50, paid: 10 })).bytes);
  for (const [seq, spent, wanted] of [
    [3, 50, 'object'],
    [4, 60, 'object'],
    [2, 50, 'behind_ledger'],
    [3, 49, 'behind_ledger'],
  ] as const) {
    const found = await answer(made, { seq, spent });
    assert.is(typeof found === 'object' ? 'object' : found, wanted, `${seq}, ${spent}`);
  }
  // The last lease itself was asked for from further on.
  assert.is(await answer(made, { seq: 3, spent: 50 }), 'behind_ledger');
});

test('the newest block may be so old, and no second older', async () => {
  const { watchLag } = DEFAULT_TIMING;
  assert.is(typeof (await answer(bench(), {}, NOW + watchLag)), 'object');
  assert.is(await answer(bench(), {}, NOW + watchLag + 1), 'chain_stale');
});

test('an owner who leaves, a proved channel, and a foreign key get none', async () => {
  assert.is(await answer(bench({ exiting: true })), 'exit_running');
  assert.is(await answer(bench({ slashed: true })), 'revoked');
  assert.is(await answer(bench(), { signer: otherPayee }), 'signature');
});

test('scopes: any when the hub says so, and those that it knows', async () => {
  const known = { scopes: { [bytesKey(SCOPE)]: [bytesKey(payee.address)] } };
  assert.is(typeof (await answer(bench({}, known), { scope: SCOPE })), 'object');
  assert.is(await answer(bench(), { scope: SCOPE }), 'lease_scope');
  assert.is(await answer(bench({}, { leaseAnyScope: false })), 'lease_scope');
  const narrow = bench({}, { ...known, leaseAnyScope: false });
  assert.is(typeof (await answer(narrow, { scope: SCOPE })), 'object');
});

const SCOPES = [1, 2, 3].map((n) => suite.keccak256(Uint8Array.of(40 + n)));
const inScopes = {
  leaseAnyScope: false,
  scopes: Object.fromEntries(
    SCOPES.map((scope, i) => [
      bytesKey(scope),
      i === 0 ? [bytesKey(payee.address), bytesKey(otherPayee.address)] : [bytesKey(otherPayee.address)],
    ]),
  ),
};
const [first, second] = SCOPES as [Uint8Array, Uint8Array];
const END = NOW + DEFAULT_TIMING.leaseLifetime;

async function released(signer: typeof payee, until: number, named = signer.address) {
  const fields = { channel: CHANNEL, payee: named, until: seconds(until) };
  return {
    type: 'released' as const,
    ...fields,
    signature: await signer.sign(signing.digest('Released', fields)),
  };
}

/** What the hub tells a payee's office of leases that ended. */
const listed = ({ state, context: own }: Bench, of: Uint8Array) => endedLeases(own, state, bytesKey(of), 100);

test('leases of one channel in several scopes stay within its bond together', async () => {
  const made = bench({}, inScopes);
  assert.is(typeof (await answer(made, { scope: first })), 'object');
  assert.is(await answer(made, { scope: second }), 'not_covered');
  assert.is(
    typeof (await answer(made, { scope: first })),
    'object',
    'the same scope again lends nothing more',
  );
  assert.is(await answer(made.restart(), { scope: second }), 'not_covered', 'nor is it forgotten');
  const rich = bench({ bond: amount(40_000_000) }, inScopes);
  assert.is(typeof (await answer(rich, { scope: first })), 'object');
  assert.is(typeof (await answer(rich, { scope: second })), 'object');
  assert.is(await answer(rich, { scope: SCOPES[2]! }), 'not_covered');
});

test('a lease is booked until nobody can claim under it any more, to the second', async () => {
  const made = bench({}, inScopes);
  await answer(made, { scope: first });
  const { payeeOfflineMax, claimMargin } = DEFAULT_TIMING;
  const last = END + payeeOfflineMax + claimMargin;
  made.step({ type: 'block', at: seconds(last), height: height(11) });
  assert.is(await answer(made, { scope: second }, last), 'not_covered');
  made.step({ type: 'block', at: seconds(last + 1), height: height(12) });
  assert.is(typeof (await answer(made, { scope: second }, last + 1)), 'object');
});

test('or until all payees of its scope said that none of their terminals holds a voucher under it', async () => {
  const made = bench({}, inScopes);
  await answer(made, { scope: first });
  const [early] = made.send(await released(payee, END));
  assert.ok(early?.type === 'reject' && early.code === 'field_range', 'it has not ended');
  made.step({ type: 'block', at: seconds(END), height: height(11) });
  const asks = (scope: Uint8Array) => answer(made, { scope }, END);
  made.send(await released(otherPayee, END));
  assert.is(await asks(second), 'not_covered', 'one payee is left');
  made.send(await released(payee, END - 1));
  assert.is(await asks(second), 'not_covered', 'of a moment too early');
  made.send(await released(otherPayee, END, payee.address));
  assert.is(await asks(second), 'not_covered', 'signed by another');
  made.send(await released(payee, END));
  assert.is(typeof (await asks(second)), 'object');
  assert.is(await asks(first), 'not_covered', 'now the second is booked');
});

test('a merchant that was taken out of its scope frees nothing by that, as long as its terminals were members', async () => {
  const scopes: Record<string, string[]> = Object.fromEntries(
    Object.entries(inScopes.scopes).map(([scope, payees]) => [scope, [...payees]]),
  );
  const made = bench({}, { ...inScopes, scopes });
  const own = key(60);
  const certificateExpiresAt = seconds(NOW + 100 * 86_400);
  const certified = { terminal: own.address, payee: payee.address, expiresAt: certificateExpiresAt };
  const signed = { hub: pin.id, device: own.address, payee: payee.address, counter: 1 };
  const registered = made.send({
    type: 'register',
    device: own.address,
    role: ROLES.pos,
    payee: payee.address,
    certificateExpiresAt,
    certificate: await payee.sign(signing.digest('Terminal', certified)),
    entropyCertified: 1,
    counter: 1,
    signature: await own.sign(signing.digest('Register', signed)),
  });
  assert.ok(registered.some(({ type }) => type === 'member'));
  await answer(made, { scope: first });
  made.step({ type: 'block', at: seconds(END), height: height(11) });
  made.send(await released(otherPayee, END));
  // As the operator does with a running hub.
  scopes[bytesKey(first)] = [bytesKey(otherPayee.address)];
  assert.is(await answer(made, { scope: second }, END), 'not_covered');
  scopes[bytesKey(first)] = [];
  assert.is(await answer(made, { scope: second }, END), 'not_covered', 'nor with the last one');
  assert.equal(
    listed(made, payee.address).map(({ until }) => until),
    [END],
    'it is still asked for its word',
  );
  made.send(await released(payee, END));
  assert.equal(listed(made, payee.address), []);
  assert.is(typeof (await answer(made, { scope: second }, END)), 'object', 'its own word frees it');
});

test('nobody is asked to sign away leases of a payer that the ledger or L2 proves dishonest', async () => {
  const lent = async () => {
    const made = bench({}, inScopes);
    await answer(made, { scope: first });
    made.step({ type: 'block', at: seconds(END), height: height(11) });
    assert.is(listed(made, payee.address).length, 1);
    return made;
  };
  const made = await lent();
  made.send((await tap({ seq: 1, amount: 10, spent: 10, paid: 10 })).bytes);
  assert.is(listed(made, payee.address).length, 1);
  made.send((await tap({ seq: 1, amount: 9, spent: 9, paid: 9 })).bytes);
  assert.ok(channelBook(made.state.books, CHANNEL).proof, 'two vouchers of one number');
  assert.equal(listed(made, payee.address), []);
  const onL2 = await lent();
  onL2.step({ type: 'channel', channel: CHANNEL, facts: { ...FACTS, slashed: true } });
  assert.equal(listed(onL2, payee.address), []);
});

test('a payee that no scope names frees nothing and takes no place in the ledger', async () => {
  const made = bench({}, inScopes);
  const before = made.records.length;
  const [answerTo] = made.send(await released(key(77), END));
  assert.ok(answerTo?.type === 'reject' && answerTo.code === 'payee_unknown');
  assert.is(made.records.length, before);
});

test('a smaller bond makes smaller taps, so that a whole scope stays covered', async () => {
  for (const bond of [0, 1, 20, 5_000_000, 19_687_500, 20_000_000, 50_000_000]) {
    const lease = await answer(bench({ bond: amount(bond) }, inScopes), { scope: first });
    assert.ok(typeof lease === 'object');
    assert.ok(5 * lease.cap <= bond, `${bond}: ${lease.cap}`);
    assert.is(lease.cap, 2 * lease.tapLimit + Math.floor(lease.tapLimit / 4));
    if (bond >= 19_687_500) assert.is(lease.tapLimit, 1_750_000, 'never above the share of the deposit');
    else assert.ok(5 * (2.25 * (lease.tapLimit + 2)) > bond, `${bond}: as much as is covered`);
  }
});

test('the same lease is given again in the first half of its life, and nothing new is written', async () => {
  const half = DEFAULT_TIMING.leaseLifetime / 2;
  const known = { scopes: { [bytesKey(SCOPE)]: [] } };
  const made = bench({}, known);
  const first = await answer(made);
  const at = (block: number) => made.step({ type: 'block', at: seconds(block), height: height(12) });
  const leases = () => made.records.filter(({ type }) => type === 'lease').length;
  at(NOW + half - 1);
  assert.equal(await answer(made, {}, NOW + half), first);
  assert.is(leases(), 1);
  at(NOW + half);
  const second = await answer(made, {}, NOW + half);
  assert.is(typeof second === 'object' && second.issuedAt, NOW + half);
  assert.is(leases(), 2);
  let wanted = 3;
  for (const change of [{ scope: SCOPE }, { seq: 1, scope: SCOPE }, { seq: 1, spent: 1, scope: SCOPE }]) {
    assert.is(typeof (await answer(made, change, NOW + half)), 'object');
    assert.is(leases(), wanted, JSON.stringify(Object.keys(change)));
    wanted += 1;
  }
  const same = { seq: 1, spent: 1, scope: SCOPE };
  for (const facts of [{ spendable: amount(SPENDABLE + 1) }, { deposited: amount(200_000_000) }]) {
    made.step({ type: 'channel', channel: CHANNEL, facts: { ...FACTS, ...facts } });
    await answer(made, same, NOW + half);
    assert.is(leases(), wanted);
    wanted += 1;
  }
  assert.ok(channelBook(made.state.books, CHANNEL).lease);
});

/** Devices over a registry that keeps what it is told. */
function registry(devices: Record<string, object> = {}, heads: object = {}) {
  const registered: [string, object][] = [];
  const sent: [string, Message][] = [];
  const state = { devices: { ...devices }, heads };
  const named = (payee: string) => (of: unknown) => JSON.stringify(of).includes(payee);
  const store = {
    state,
    terminalsOf: (payee: string) =>
      Object.keys(state.devices).filter((id) => named(payee)(state.devices[id])),
    settledFor: (payee: string) =>
      Object.entries(heads)
        .filter(([, head]) => named(payee)(head))
        .map(([channel]) => channel),
    register: async (id: string, entry: object) => {
      registered.push([id, entry]);
      state.devices[id] = entry;
    },
  };
  const made = new Devices(
    store as never,
    (device, bytes) => sent.push([device, decodeOwn(bytes)]),
    createLogger('silent'),
  );
  return { devices: made, registered, sent };
}

const terminalAddress = new Uint8Array(20).fill(3);
const payerAddress = new Uint8Array(20).fill(4);
const registration = {
  type: 'register' as const,
  device: terminalAddress,
  role: ROLES.pos,
  payee: payee.address,
  certificateExpiresAt: seconds(99),
  certificate: new Uint8Array(64),
  entropyCertified: 1,
  counter: 5,
  signature: new Uint8Array(64),
};

test('a device is stored once, with what its role may say', () => {
  const { devices, registered } = registry();
  devices.registered('d', registration);
  assert.equal(registered, [
    [
      toHex(terminalAddress),
      {
        role: 'pos',
        payee: toHex(payee.address),
        certificateExpiresAt: 99,
        entropyCertified: true,
        counter: 5,
      },
    ],
  ]);
  devices.registered('d', registration);
  assert.is(registered.length, 1);
  devices.registered('d', { ...registration, entropyCertified: 0 });
  assert.is(registered.length, 2);
  // A payer that names a payee has no certificate that anybody checked.
  const own = { ...registration, device: payerAddress, role: ROLES.wearable, channel: CHANNEL };
  devices.registered('e', own);
  assert.equal(registered[2], [
    toHex(payerAddress),
    { role: 'wearable', channel: 7, entropyCertified: true, counter: 5 },
  ]);
});

test('a terminal hears what L2 settled for its payee, when it comes and when it happens', () => {
  const paid = { paid: 40, transaction: `0x${'ab'.repeat(32)}` };
  const heads = {
    7: { settled: { [toHex(payee.address)]: paid, [toHex(otherPayee.address)]: { ...paid, paid: 9 } } },
    8: { settled: {} },
  };
  const { devices, sent } = registry({}, heads);
  devices.registered('till', registration);
  const transaction = new Uint8Array(32).fill(0xab);
  const told = { type: 'settled', channel: 7, payee: payee.address, paid: 40, transaction };
  assert.equal(sent, [['till', told]]);
  devices.settled({ channel: CHANNEL, payee: payee.address, paid: amount(50), transaction } as never);
  assert.equal(sent[1], [toHex(terminalAddress), { ...told, paid: 50 }]);
  devices.settled({ channel: CHANNEL, payee: otherPayee.address, paid: amount(50), transaction } as never);
  assert.is(sent.length, 2);
  devices.registered('car', { ...registration, device: payerAddress, role: ROLES.car });
  assert.is(sent.length, 2);
});

test.run();
