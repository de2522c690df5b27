import { encodeFunctionData, RpcRequestError } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ChannelBook, emptyBooks, type Entry } from '../../hub/intake/state.ts';
import { applyRecord, channelBook } from '../../hub/intake/books.ts';
import { shownRowsMax } from '../../hub/limits.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { createLogger } from '../../hub/log.ts';
import { encodeRecord } from '../../hub/ledger/records.ts';
import { vaultAbi } from '../../hub/l2/abi.ts';
import { potsAbi } from '../../hub/l2/pots-abi.ts';
import { send } from '../../hub/l2/chain.ts';
import { Justice } from '../../hub/settle/justice.ts';
import { promisedLeases } from '../../hub/settle/promised.ts';
import { BATCH_BYTES_MAX, BATCH_GAS_MAX, encodeLeases } from '../../hub/l2/rows.ts';
import { RULES } from '../../hub/l2/fraud.ts';
import { l2Error } from '../../hub/l2/viem-l2.ts';
import { openedRowOf } from '../../hub/batch/batch.ts';
import { simulatedSecureElement } from '../../hardware/keys/secure-element.ts';
import { TICKS_MAX } from '../../protocol/limits.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { shortfallOf } from '../../hub/watch/shortfall.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { HubStatus } from '../../hub/cli/hub-status.ts';
import {
  amount,
  channelId,
  seconds,
  seconds as integerSeconds,
  seq as seqNumber,
} from '../../protocol/integers.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { key, otherPayee, otherTerminal, payee, root, type SignedTap, tap, tick } from './fleet.ts';
import { type Connected, hubKey, l2Of, type Site, startSite, startTerminal } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

const DEPOSIT = 10_000_000;
const WINDOW = 11 * 24 * 3600;

let site: Site;
test.before(async () => {
  site = await startSite();
  const operator = privateKeyToAccount(site.anvil.keys[0]!);
  for (const { address } of [payee, otherPayee]) await site.vault.accredit(operator, address, 10);
  await pass(3600);
});
test.after(async () => {
  await site.close();
});

/** The newest lease of a channel for any terminal, as the hub would have given it. */
async function leaseOf(channel: number) {
  const at = Number((await site.vault.client.getBlock()).timestamp);
  const { payer, deposited } = await site.vault.readChannel(channel);
  const cap = Math.floor(deposited / 25);
  const terms = { spentFrom: 0, spendLimit: deposited, tapLimit: cap, cap, guarantee: 0 };
  const lease = {
    channel: channelId(channel),
    payer: fromHex(payer, 20),
    ...terms,
    issuedAt: at,
    expiresAt: at + 72 * 3600,
  };
  return { lease: { type: 'lease', seq: 0, ...lease, scope: SCOPE_ANY } as unknown as ChannelBook['lease'] };
}

/** A payer asks for a lease through a terminal, and has it. */
async function askLease(through: Connected, channel: number, payer: ReturnType<typeof key>): Promise<void> {
  const fields = {
    channel: channelId(channel),
    seq: seqNumber(0),
    spent: amount(0),
    at: seconds(1),
    scope: SCOPE_ANY,
  };
  const signature = await payer.sign(site.signing.digest('LeaseRequest', fields));
  through.send({ type: 'leaseRequest', ...fields, signature } as never);
  await through.next('lease', (lease) => lease.channel === channel);
}

/** Time on the chain. */
async function pass(seconds: number): Promise<void> {
  const { client } = site.vault;
  await client.request({ method: 'evm_increaseTime' as never, params: [seconds] as never });
  await client.request({ method: 'evm_mine' as never, params: [] as never });
  // A hub key is certified for a month: the root's next word is carried to L2.
  const now = Number((await client.getBlock()).timestamp);
  const word = {
    address: hubKey.address,
    from: integerSeconds(now),
    epoch: 0,
    signedAt: integerSeconds(now),
  };
  const { from, until, epoch, signedAt, signature } = await certifyHubKey(site.signing, root, word);
  const key = toHex(hubKey.address);
  await site.vault.addHubKey(site.owner, { key, from, until, epoch, signedAt, signature });
}

const openFor = async (payer: ReturnType<typeof key>): Promise<number> =>
  (await site.vault.openChannel(site.owner, { payer: toHex(payer.address), amount: DEPOSIT })).channel;

async function upload(from: Connected, taps: readonly SignedTap[]): Promise<void> {
  for (const { message, id } of taps) {
    from.send(message);
    await from.next('acknowledgement', (found) => toHex(found.entry) === toHex(id));
  }
}

test('a copied payer is proved on L2 by the hub, and its bond makes good what two tills of one payee gave', () =>
  inTemporaryFolder(async (folder) => {
    const payer = key(61);
    const channel = await openFor(payer);
    const taps = { channel, payer, on: site.signing };
    const hub = await site.start(folder);
    const till = await startTerminal(site, hub);
    const second = await startTerminal(site, hub, otherTerminal);
    await askLease(till, channel, payer);
    // Both copies begin at nothing: the lane's top shows 900,000 of the 1,200,000 that the payee gave.
    await upload(till, [await tap({ ...taps, seq: 1, amount: 900_000, spent: 900_000, paid: 900_000 })]);
    await upload(second, [
      await tap({ ...taps, terminal: otherTerminal, seq: 1, amount: 300_000, spent: 300_000, paid: 300_000 }),
    ]);
    await hub.settleNow();
    assert.is(await site.vault.readLane(channel, payee.address), 900_000);
    assert.ok((await site.vault.readChannel(channel)).slashed);
    assert.is((await site.vault.readClaim(channel, payee.address)).counted, 300_000);
    till.close();
    second.close();
    await hub.stop();

    // Another run of the hub hands the bond out: it remembers nothing of the first and asks L2.
    const present = await rpc('evm_snapshot');
    await pass(WINDOW);
    const before = await site.vault.readPayeeBalance(payee.address);
    const again = await site.start(folder);
    await again.settleNow();
    await again.settleNow();
    assert.is(await site.vault.readPayeeBalance(payee.address), before + 300_000);
    assert.is(await site.vault.readLane(channel, payee.address), 900_000);
    assert.is((await site.vault.readPot(channel)).left, 0);
    await again.stop();
    // A hub signs nothing on a chain that is ahead of its machine.
    await rpc('evm_revert', present);
  }));

test('copies at tills of two payees: what the channel can’t pay comes from the bond', () =>
  inTemporaryFolder(async (folder) => {
    const payer = key(62);
    const channel = await openFor(payer);
    const taps = { channel, payer, on: site.signing };
    const most = DEPOSIT - (await site.vault.readChannel(channel)).bond;
    const hub = await site.start(folder);
    const till = await startTerminal(site, hub);
    const other = await startTerminal(site, hub, otherTerminal, otherPayee);
    await askLease(till, channel, payer);
    await upload(till, [await tap({ ...taps, seq: 1, amount: most, spent: most, paid: most })]);
    await upload(other, [
      await tap({
        ...taps,
        terminal: otherTerminal,
        payee: otherPayee,
        seq: 2,
        amount: 500_000,
        spent: 500_000,
        paid: 500_000,
      }),
    ]);
    await hub.settleNow();
    const lanes = [payee, otherPayee].map(({ address }) => site.vault.readLane(channel, address));
    const [first, second] = await Promise.all(lanes);
    assert.is(first! + second!, most);
    const present = await rpc('evm_snapshot');
    await pass(WINDOW);
    const balances = async () => [
      await site.vault.readPayeeBalance(payee.address),
      await site.vault.readPayeeBalance(otherPayee.address),
    ];
    const before = await balances();
    await hub.settleNow();
    const after = await balances();
    assert.is(after[0]! - before[0]! + (after[1]! - before[1]!), 500_000);
    till.close();
    other.close();
    await hub.stop();
    await rpc('evm_revert', present);
  }));

test('lanes above what was spent are proved on L2 by as few vouchers as show it', () =>
  inTemporaryFolder(async (folder) => {
    const payer = key(63);
    const channel = await openFor(payer);
    const taps = { channel, payer, on: site.signing };
    const elsewhere = { ...taps, terminal: otherTerminal, payee: otherPayee };
    const hub = await site.start(folder);
    const till = await startTerminal(site, hub);
    const other = await startTerminal(site, hub, otherTerminal, otherPayee);
    const honest = await tap({ ...taps, seq: 1, amount: 100_000, spent: 100_000, paid: 100_000 });
    // No two vouchers conflict: this lane begins where no voucher ever brought it.
    const above = await tap({ ...elsewhere, seq: 2, amount: 50_000, spent: 150_000, paid: 50_001 });
    await upload(till, [honest]);
    await upload(other, [above]);
    await hub.settleNow();
    assert.ok((await site.vault.readChannel(channel)).slashed);
    const channels = await new HubStatus({ url: hub.statusUrl }).channels();
    const view = channels.find((one) => one.channel === channel);
    assert.equal(view?.proof, { kind: 'E3', entries: [toHex(honest.id), toHex(above.id)] });
    till.close();
    other.close();
    await hub.stop();
  }));

test('vouchers that stand in the ledger without their evidence, as after a crash in between, are proved after the next start', () =>
  inTemporaryFolder(async (folder) => {
    const payer = key(68);
    const channel = await openFor(payer);
    const taps = { channel, payer, on: site.signing };
    const ledger = await openFileLedger(`${folder}/ledger`);
    for (const { id, bytes } of [
      await tap({ ...taps, seq: 1, amount: 900_000, spent: 900_000, paid: 900_000 }),
      await tap({ ...taps, seq: 1, amount: 300_000, spent: 300_000, paid: 300_000 }),
    ])
      await ledger.append(encodeRecord({ type: 'entry', id, at: seconds(1), message: bytes }));
    await ledger.close();
    const hub = await site.start(folder);
    try {
      await until('the channel is revoked', () => hub.status().revoked.includes(channelId(channel)));
      await hub.settleNow();
      assert.ok((await site.vault.readChannel(channel)).slashed);
    } finally {
      await hub.stop();
    }
  }));

/** Books that hold these taps. */
const booksOf = (taps: readonly SignedTap[], before = emptyBooks) =>
  taps.reduce(
    (books, { bytes, id }) => applyRecord(books, { type: 'entry', id, at: 0, message: bytes } as never),
    before,
  );

/** A payer of two copies that a till each gave 900,000 and 300,000 on one lane; what justice is done with no hub. */
async function copies(payer: ReturnType<typeof key>, finalityBlocks: number, before = emptyBooks) {
  const channel = await openFor(payer);
  const taps = { channel, payer, on: site.signing };
  const pair = [
    await tap({ ...taps, seq: 1, amount: 900_000, spent: 900_000, paid: 900_000 }),
    await tap({ ...taps, terminal: otherTerminal, seq: 1, amount: 300_000, spent: 300_000, paid: 300_000 }),
  ];
  const evidence = { type: 'evidence', proof: 1, channel, entries: pair.map(({ id }) => id) } as never;
  const books = applyRecord(booksOf(pair, before), evidence);
  const l2 = l2Of(site, { finalityBlocks }, 4);
  const log = createLogger('silent');
  // What is free is settled, as the hub's own rounds do: the rest is short.
  await site.vault.settleBatch(
    site.settler,
    [channelBook(books, channelId(channel)).entries.at(0)!].map((entry) => openedRowOf(site.signing, entry)),
  );
  const { lease } = await leaseOf(channel);
  const leases = () => promisedLeases(site.signing, hubKey, { lease } as ChannelBook);
  return {
    books,
    leases,
    channel,
    justice: new Justice({ signing: site.signing, l2, index: { books: () => books }, log, leases }),
    pot: () => site.vault.readPot(channel),
    short: async () => (await site.vault.readClaim(channel, payee.address)).counted,
  };
}

const rpc = (method: string, ...params: unknown[]) =>
  (site.vault.client as unknown as { request(call: object): Promise<unknown> }).request({ method, params });

test('a frozen vault takes proofs and claims, for both move no money of a payee', async () => {
  const { justice, short, pot } = await copies(key(64), 0);
  const guardian = privateKeyToAccount(site.anvil.keys[0]!);
  const { client, address } = site.vault;
  const data = encodeFunctionData({ abi: vaultAbi, functionName: 'freeze', args: [3600] });
  await send(client, guardian, { to: address, data });
  await justice.step();
  assert.is((await pot()).claims, 1, 'a claim moves nothing, so it is registered');
  await pass(3601);
  await justice.step();
  assert.is(await short(), 300_000);
  // Known on L2, so nothing is sent for it again.
  const sent = await site.vault.client.getBlockNumber();
  await justice.step();
  assert.is(await site.vault.client.getBlockNumber(), sent);
});

test('proof, claim and share come back after the blocks that held them were taken back', async () => {
  const { justice, short, pot } = await copies(key(65), 3);
  const before = await rpc('evm_snapshot');
  await justice.step();
  assert.is(await short(), 300_000);
  await rpc('evm_revert', before);
  assert.is((await pot()).closesAt, 0);
  await justice.step();
  assert.is(await short(), 300_000);

  await pass(WINDOW);
  const open = await rpc('evm_snapshot');
  const balance = await site.vault.readPayeeBalance(payee.address);
  await justice.step();
  await justice.step();
  assert.is((await pot()).left, 0);
  await rpc('evm_revert', open);
  assert.is(await site.vault.readPayeeBalance(payee.address), balance);
  await justice.step();
  assert.is((await pot()).left, 0);
  assert.is(await site.vault.readPayeeBalance(payee.address), balance + 300_000);
});

test('a node that refuses what is sent for one channel holds up no other', async () => {
  const first = await copies(key(66), 0);
  const second = await copies(key(67), 0, first.books);
  const l2 = l2Of(site, {}, 4);
  const { proveFraud } = l2;
  l2.proveFraud = (rule, rows) => {
    if (rows[0]!.voucher.channel === second.channel) return proveFraud.call(l2, rule, rows);
    const error = { code: -32000, message: 'oversized data' };
    return Promise.reject(l2Error(new RpcRequestError({ body: {}, error, url: site.anvil.url })));
  };
  const justice = new Justice({
    signing: site.signing,
    l2,
    index: { books: () => second.books },
    log: createLogger('silent'),
    leases: second.leases,
  });
  await justice.step();
  assert.is(await first.short(), 0);
  assert.is(await second.short(), 300_000);
});

/** Stretches of one lane, each a voucher of its own: [paid before, amount, answer]. */
async function lane(stretches: readonly (readonly [number, number, ('receipt' | 'credit')?])[]) {
  const taps = await Promise.all(
    stretches.map(([base, amount, answer], i) =>
      tap({ seq: i + 1, amount, spent: base + amount, paid: base + amount, answer: answer ?? 'receipt' }),
    ),
  );
  return channelBook(booksOf(taps), channelId(7));
}

test('evidence of a shortfall: what overlaps, and the top', async () => {
  const tops = (found: ReturnType<typeof shortfallOf>) => found?.entries.map(({ paid }) => Number(paid));
  const honest = shortfallOf(
    await lane([
      [0, 10],
      [10, 20],
      [30, 5],
    ]),
    payee.address,
    10,
  );
  assert.equal(tops(honest), [30, 35]);
  assert.is(honest!.overlap, 0);
  const copied = shortfallOf(
    await lane([
      [0, 10],
      [10, 20],
      [30, 5],
      [10, 5],
      [15, 30],
    ]),
    payee.address,
    45,
  );
  assert.equal(
    tops(copied)!.toSorted((a, b) => a - b),
    [15, 30, 35, 45],
  );
  // 60 units were given for 35 of the lane.
  assert.is(copied!.overlap, 60 - 35);
  const voided = shortfallOf(
    await lane([
      [0, 10],
      [0, 10, 'credit'],
    ]),
    payee.address,
    0,
  );
  assert.is(voided!.overlap, 0);
  assert.is(honest!.shown, 25);
  const settled = shortfallOf(await lane([[0, 10]]), payee.address, 10);
  assert.is(settled, undefined, 'all of it is settled');
  assert.is(shortfallOf(await lane([[0, 10]]), otherPayee.address, 0), undefined);
});

test('the most evidence that is shown at once fits a transaction, be it of streams and of a secure element', async () => {
  let signatures = 0;
  const count = {
    read: () => signatures,
    write: (value: number) => {
      signatures = value;
    },
  };
  const payer = simulatedSecureElement(new Uint8Array(32).fill(41), count);
  const { vault, signing, owner } = site;
  const { channel } = await vault.openChannel(owner, { payer: toHex(payer.address), amount: DEPOSIT });
  const seed = new Uint8Array(32).fill(9);
  const ticks = TICKS_MAX;
  const shared = { channel, payer: payer as typeof payee, on: signing, amount: 0, paid: 0 };
  let books = emptyBooks;
  // Each on its own seq and spent, so that all digests differ; all of them on the same stretch of the lane.
  for (let n = 1; n <= shownRowsMax + 5; n += 1) {
    const one = await tap({ ...shared, seq: n, spent: n, stream: { tickValue: 1, ticks, seed } });
    const last = encodeMessage(tick(one, seed, ticks, ticks));
    books = applyRecord(books, { type: 'entry', id: one.id, at: 0, message: one.bytes } as never);
    const id = one.id.map((byte) => byte ^ 1);
    books = applyRecord(books, { type: 'entry', id, at: 0, message: last } as never);
  }
  const book = channelBook(books, channelId(channel));
  const rows = (entries: readonly Entry[]) => entries.map((entry) => openedRowOf(signing, entry));
  await vault.proveFraud(owner, RULES.regression, rows([...book.entries].slice(0, 2)));
  const { entries } = shortfallOf(book, payee.address, 0)!;
  assert.is(entries.length, shownRowsMax);
  const evidence = await vault.encodeRows(rows(entries));
  const { lease } = await leaseOf(channel);
  const leases = toHex(encodeLeases(await promisedLeases(signing, hubKey, { lease } as ChannelBook)));
  const args = [evidence, leases] as const;
  const data = encodeFunctionData({ abi: potsAbi, functionName: 'registerShortfall', args });
  assert.ok(data.length / 2 <= BATCH_BYTES_MAX, `${data.length / 2} bytes`);
  const gas = await vault.client.estimateGas({ account: owner, to: vault.pots, data });
  assert.ok(gas <= BigInt(BATCH_GAS_MAX), `${gas} gas`);
});

test('evidence of a shortfall is in the order that the vault asks for, and fits a transaction', async () => {
  const many = await lane(Array.from({ length: shownRowsMax + 20 }, () => [0, 10] as const));
  const { entries, overlap } = shortfallOf(many, payee.address, 0)!;
  assert.is(entries.length, shownRowsMax);
  assert.is(overlap, 10 * (entries.length - 1));
  const keys = entries.map(({ key }) => key);
  assert.equal(keys, keys.toSorted());
});

test.run();
