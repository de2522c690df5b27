/**
 * The mandates on a real node, through the hub's own client: deposits on a signature, channels that change hands, signed
 * withdrawals and splits. Not checked here: what each of them refuses (contracts/test/Mandates.t.sol, Split.t.sol).
 */
import { readFileSync } from 'node:fs';
import { encodeFunctionData, type Hex, hexToBytes, parseEventLogs } from 'viem';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { namedForL2 } from '../../hub/cli/l2-errors.ts';
import { timeAbi, vaultAbi } from '../../hub/l2/abi.ts';
import { send } from '../../hub/l2/chain.ts';
import { mandatesAbi } from '../../hub/l2/mandates-abi.ts';
import { p256Signer, rowOf, secpSigner, startWorld, type World, ZERO16, ZERO32 } from './kit.ts';

const mandates = suite('mandates');
const DAY = 86_400;
let world: World;
const owner = secpSigner('an owner');
const heir = secpSigner('the next owner');
const notary = secpSigner('a recovery account');
const site = secpSigner('the site');
const bytes = (address: Hex) => hexToBytes(address);
const balanceOf = (account: Hex): Promise<bigint> =>
  world.vault.client.readContract({
    address: world.vault.token,
    abi: timeAbi,
    functionName: 'balanceOf',
    args: [account],
  });
const transfer = (to: Hex, amount: number) =>
  send(world.vault.client, world.rich, {
    to: world.vault.token,
    data: encodeFunctionData({ abi: timeAbi, functionName: 'transfer', args: [to, BigInt(amount)] }),
  });

mandates.before(async () => {
  world = await startWorld();
  for (const { address } of [owner, heir, notary, site])
    await world.vault.client.request({
      method: 'anvil_setBalance' as never,
      params: [address, '0xde0b6b3a7640000'] as never,
    });
  await transfer(owner.address, 10_000_000);
});
mandates.after(() => world.stop());

/** The vault, or its mandates, say no with this error. */
async function refuses(name: string, act: Promise<unknown>): Promise<void> {
  const error = await act.then(
    () => assert.unreachable(`expected ${name}`) as never,
    (cause: unknown) => namedForL2(cause) as Error,
  );
  assert.match(error.message, name);
}

let payers = 0;
async function openOne(): Promise<number> {
  payers += 1;
  const payer = secpSigner(`payer ${payers}`).address;
  return (await world.vault.openChannel(owner.account, { payer, amount: 1_000_000 })).channel;
}

mandates('an owner opens and tops up with one transaction each, on a permit', async () => {
  const channel = await openOne();
  await world.vault.topUp(owner.account, channel, 500_000);
  const state = await world.vault.readChannel(channel);
  assert.equal([state.owner, state.deposited, state.free], [owner.address, 1_500_000, 1_200_000]);
  assert.is(await balanceOf(world.vault.mandates.address), 0n);
});

mandates('a channel is given, recovered when its key is lost, and left to another account', async () => {
  const { vault } = world;
  const channel = await openOne();
  await vault.mandates.offer(owner.account, channel, heir.address);
  assert.is((await vault.mandates.offerOf(channel))?.next, heir.address);
  await vault.mandates.accept(heir.account, channel);
  assert.is(await vault.mandates.offerOf(channel), undefined);
  assert.is((await vault.readChannel(channel)).owner, heir.address);
  await vault.mandates.nameRecovery(heir.account, channel, notary.address);
  await vault.mandates.offer(notary.account, channel, owner.address);
  await refuses('OfferNotReady', vault.mandates.accept(owner.account, channel));
  await world.warp(30 * DAY);
  await vault.mandates.accept(owner.account, channel);
  await vault.mandates.startExitTo(owner.account, channel, site.address);
  await world.warp(15 * DAY);
  const { returned } = await vault.finishExit(heir.account, channel);
  assert.is(returned, 1_000_000);
  assert.is(await balanceOf(site.address), 1_000_000n);
});

mandates(
  'anybody carries what a funder signed for Permit2, with the account that recovers the channel',
  async () => {
    const { vault } = world;
    const permit2 = await vault.client.readContract({
      address: vault.mandates.address,
      abi: mandatesAbi,
      functionName: 'PERMIT2',
    });
    // The code that stands there on other chains.
    const code = readFileSync('test/vectors/permit2.hex', 'utf8').trim();
    await vault.client.request({ method: 'anvil_setCode' as never, params: [permit2, code] as never });
    const approve = { abi: timeAbi, functionName: 'approve', args: [permit2, 2n ** 48n] } as const;
    await send(vault.client, owner.account, { to: vault.token, data: encodeFunctionData(approve) });
    const payer = secpSigner('a payer of Permit2').address;
    const terms = { owner: owner.address, payer, amount: 1_000_000, bond: 200_000, recovery: notary.address };
    const deadline = (await vault.client.getBlock()).timestamp + 3600n;
    const signed = await vault.mandates.signOpening(owner.account, terms, { nonce: 1n, deadline });
    const robbed = { ...terms, owner: heir.address };
    await vault.mandates.carryOpening(heir.account, robbed, signed).then(
      () => assert.unreachable('another owner'),
      () => undefined,
    );
    const receipt = await vault.mandates.carryOpening(heir.account, terms, signed);
    const [opened] = parseEventLogs({ abi: vaultAbi, eventName: 'ChannelOpened', logs: receipt.logs });
    const { channel } = opened!.args;
    const more = { channel, amount: 500_000, bond: 100_000 };
    const again = await vault.mandates.signTopUp(owner.account, more, { nonce: 2n, deadline });
    await vault.mandates.carryTopUp(heir.account, more, again);
    const state = await vault.readChannel(channel);
    assert.equal([state.owner, state.payer, state.free], [owner.address, payer, 1_200_000]);
    await vault.mandates.offer(notary.account, channel, heir.address);
    assert.is((await vault.mandates.offerOf(channel))?.next, heir.address);
  },
);

mandates('a recovery account is named at the opening, on a permit and on an approval', async () => {
  const { vault } = world;
  const recovery = notary.address;
  const opening = (name: string) => ({ payer: secpSigner(name).address, amount: 1_000_000, recovery });
  const first = await vault.openChannel(owner.account, opening('one'));
  const approve = {
    abi: timeAbi,
    functionName: 'approve',
    args: [vault.mandates.address, 1_000_000n],
  } as const;
  await send(vault.client, owner.account, { to: vault.token, data: encodeFunctionData(approve) });
  const second = await vault.openChannel(owner.account, { ...opening('two'), approved: true });
  for (const { channel } of [first, second]) {
    const read = { abi: mandatesAbi, functionName: 'recoveryOf', args: [channel] } as const;
    assert.is(await vault.client.readContract({ address: vault.mandates.address, ...read }), recovery);
  }
});

mandates('who submits a batch is paid by the payee that agreed to it when it registered', async () => {
  const { vault } = world;
  const merchant = secpSigner('a merchant that pays for settling');
  await vault.client.request({
    method: 'anvil_setBalance' as never,
    params: [merchant.address, '0xde0b6b3a7640000'] as never,
  });
  await refuses('WrongRate', vault.mandates.registerWithFee(merchant.account, 101));
  await vault.mandates.registerWithFee(merchant.account, 25);
  await vault.registerPayee(world.rich, bytes(world.rich.address));
  const before = await vault.readPayeeBalance(bytes(world.rich.address));
  const { payee, id } = await earned('a merchant that pays for settling', 400_000);
  assert.is(await vault.mandates.feeRateOf(id), 25);
  assert.is(await vault.readPayeeBalance(bytes(payee.address)), 399_000);
  assert.is(await vault.readPayeeBalance(bytes(world.rich.address)), before + 1_000);
});

async function earned(name: string, amount: number) {
  const payee = secpSigner(name);
  const payer = secpSigner(`customer of ${name}`);
  const id = await world.vault.registerPayee(world.rich, bytes(payee.address));
  const { channel } = await world.vault.openChannel(owner.account, {
    payer: payer.address,
    amount: 1_000_000,
  });
  const voucher = {
    kind: 'voucher',
    channel,
    seq: 1,
    spent: amount,
    payee: bytes(payee.address),
    paid: amount,
    lanes: ZERO16,
    request: ZERO32,
  } as const;
  await world.vault.settleBatch(world.rich, [await rowOf(world.domain, payer, voucher)]);
  return { payee, id };
}

mandates('a payee without gas money signs, and somebody carries it for the fee, once', async () => {
  const { payee, id } = await earned('a merchant without gas', 7_000);
  const { timestamp } = await world.vault.client.getBlock();
  const terms = { payee: id, to: site.address, amount: 5_000, fee: 30, deadline: Number(timestamp) + 3_600 };
  const signed = await world.vault.mandates.signWithdrawal(payee.account, terms);
  const before = await Promise.all([site.address, notary.address].map(balanceOf));
  await world.vault.mandates.carry(notary.account, signed);
  const after = await Promise.all([site.address, notary.address].map(balanceOf));
  assert.equal([after[0]! - before[0]!, after[1]! - before[1]!], [4_970n, 30n]);
  assert.is(await world.vault.readPayeeBalance(bytes(payee.address)), 2_000);
  await refuses('NotThePayees', world.vault.mandates.carry(notary.account, signed));
  const second = await world.vault.mandates.signWithdrawal(payee.account, { ...terms, amount: 2_000 });
  assert.is(second.nonce, signed.nonce + 1);
  await world.vault.mandates.carry(notary.account, second);
});

mandates('a payout that is fixed to a split pays everybody with one call', async () => {
  const { payee, id } = await earned('a shared site', 9_001);
  const shares = [
    { account: owner.address, parts: 6_000 },
    { account: heir.address, parts: 4_000 },
  ];
  await world.vault.client.request({
    method: 'anvil_setBalance' as never,
    params: [payee.address, '0xde0b6b3a7640000'] as never,
  });
  const { splits } = world.deployment;
  const split = await world.vault.mandates.makeSplit(payee.account, splits, shares);
  assert.is(await world.vault.mandates.makeSplit(payee.account, splits, shares), split, 'the same one again');
  await world.vault.mandates.fixPayout(payee.account, id, split);
  assert.is(await world.vault.mandates.payoutOf(id), split);
  const sent = await world.vault.mandates.releaseAll(notary.account, split, id);
  assert.equal(sent, [
    { account: owner.address, amount: 5_400 },
    { account: heir.address, amount: 3_600 },
  ]);
  await refuses('PayoutIsSealed', world.vault.withdraw(payee.account, 1, payee.address));
});

const openP256 = async ({ vault, rich }: World) => {
  const { key, address } = p256Signer('a secure element');
  const { channel } = await vault.openChannel(rich, { payer: address, amount: 1_000, p256: key! });
  return { payer: (await vault.readChannel(channel)).payer.toLowerCase(), address };
};

mandates(
  'a payer with a P-256 key opens where the chain checks its signatures, and nowhere else',
  async () => {
    assert.is(await world.vault.mandates.hasP256(), true);
    const { payer, address } = await openP256(world);
    assert.is(payer, address);
    const old = await startWorld({}, { hardfork: 'prague', extra: ['--gas-limit', '30000000'] });
    try {
      assert.is(await old.vault.mandates.hasP256(), false);
      await refuses('P256Missing', openP256(old));
    } finally {
      await old.stop();
    }
  },
);

mandates.run();
