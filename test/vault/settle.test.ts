/** The typed client against a real node: every row kind, and the transactions that the settle loop depends on. */
import { hexToBytes, type Hex } from 'viem';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { receiptOf, submit } from '../../hub/settle/chain.ts';
import type { Listed, Row, SignedVoucher } from '../../hub/settle/rows.ts';
import {
  creditOf,
  lanesHash,
  named,
  p256Signer,
  requestOf,
  rowOf,
  type Signer,
  secpSigner,
  startWorld,
  structHashOf,
  type World,
  ZERO16,
  ZERO32,
} from './kit.ts';
import { keccak_256 } from '@noble/hashes/sha3.js';

const vaults = suite('vault client');
let world: World;
const merchant = secpSigner('merchant');
const charger = secpSigner('charge-point operator');
const kiosk = secpSigner('kiosk');
const bytes = (address: Hex) => hexToBytes(address);

vaults.before(async () => {
  world = await startWorld();
  for (const payee of [merchant, charger, kiosk]) {
    await world.vault.registerPayee(world.rich, bytes(payee.address));
  }
});
vaults.after(() => world.stop());

async function channelOf(payer: Signer, amount = 1_000_000): Promise<number> {
  return (await world.vault.openChannel(world.rich, { payer: payer.address, amount })).channel;
}

const voucher = (
  channel: number,
  seq: number,
  spent: number,
  payee: Signer,
  paid: number,
  more: Partial<SignedVoucher> = {},
): SignedVoucher =>
  ({
    kind: 'voucher',
    channel,
    seq,
    spent,
    payee: bytes(payee.address),
    paid,
    lanes: ZERO16,
    request: ZERO32,
    ...more,
  }) as SignedVoucher;

vaults('opens a channel with a permit and knows what may be spent', async () => {
  const payer = secpSigner('payer of the opening');
  const channel = await channelOf(payer);
  const state = await world.vault.readChannel(channel);
  assert.is(state.payer, payer.address);
  assert.is(state.owner, world.rich.address);
  assert.is(state.bond, 200_000);
  assert.is(state.free, 800_000);
  assert.is(state.spendable, 800_000);
  await world.vault.topUp(world.rich, channel, 500_000);
  assert.is((await world.vault.readChannel(channel)).spendable, 1_200_000);
});

vaults('settles each kind of row and says what became of it', async () => {
  const payer = secpSigner('payer of all kinds');
  const channel = await channelOf(payer);
  const list: Listed[] = [
    { payee: bytes(charger.address), paid: 300 },
    { payee: bytes(kiosk.address), paid: 50 },
  ];
  const seed = named('seed');
  let anchor = seed;
  for (let i = 0; i < 100; i++) anchor = keccak_256(anchor);
  let preimage = seed;
  for (let i = 0; i < 100 - 42; i++) preimage = keccak_256(preimage);
  const rows: Row[] = [
    await rowOf(world.domain, payer, voucher(channel, 1, 100, merchant, 100)),
    await rowOf(world.domain, payer, voucher(channel, 2, 400, merchant, 110, { lanes: lanesHash(list) })),
    await rowOf(world.domain, payer, voucher(channel, 3, 470, merchant, 120, { lanes: lanesHash(list) }), {
      list,
    }),
    await rowOf(
      world.domain,
      payer,
      {
        kind: 'stream',
        channel,
        seq: 4,
        spent: 470,
        payee: bytes(kiosk.address),
        paid: 50,
        request: ZERO32,
        anchor,
        tickValue: 7,
        ticks: 100,
      },
      { reveal: { k: 42, preimage } },
    ),
    await rowOf(world.domain, secpSigner('stranger'), voucher(channel, 5, 900, merchant, 900)),
    await rowOf(world.domain, payer, voucher(channel, 1, 100, merchant, 100)),
  ];
  const { outcomes } = await world.vault.settleBatch(world.rich, rows);
  assert.equal(
    outcomes.map(({ row, lane, reason, moved }) => [row, lane, reason, moved]),
    [
      [0, 0, 'applied', 100],
      [1, 0, 'applied', 10],
      [2, 0, 'applied', 10],
      [2, 1, 'applied', 300],
      [2, 2, 'applied', 50],
      [3, 0, 'applied', 294],
      [4, 0, 'unknown_signer', 0],
      [5, 0, 'stale', 0],
    ],
  );
  assert.is(await world.vault.readLane(channel, bytes(merchant.address)), 120);
  assert.is(await world.vault.readLane(channel, bytes(kiosk.address)), 344);
  assert.is((await world.vault.readChannel(channel)).free, 800_000 - 120 - 300 - 344);
});

vaults('settles a P-256 payer', async () => {
  const payer = p256Signer('secure element');
  const channel = await channelOf(payer);
  const good = await rowOf(world.domain, payer, voucher(channel, 1, 500, charger, 500));
  const bent = { ...good, voucher: { ...good.voucher, paid: 501 } };
  const { outcomes } = await world.vault.settleBatch(world.rich, [bent, good]);
  assert.equal(
    outcomes.map(({ reason, moved }) => [reason, moved]),
    [
      ['bad_signature', 0],
      ['applied', 500],
    ],
  );
});

vaults('credits a settled voucher once', async () => {
  const payer = secpSigner('payer with a refund');
  const channel = await channelOf(payer);
  const opened = requestOf(400);
  const request = structHashOf('Request', opened);
  const row = await rowOf(world.domain, payer, voucher(channel, 1, 400, merchant, 400, { request }), {
    opened,
  });
  const credit = await creditOf(world.domain, merchant, row, 150);
  const { outcomes } = await world.vault.settleBatch(world.rich, [credit, row, credit, credit]);
  assert.equal(
    outcomes.map(({ reason, moved, credit: back }) => [reason, moved, back]),
    [
      ['not_settled', 0, true],
      ['applied', 400, false],
      ['applied', 150, true],
      ['credit_stale', 0, true],
    ],
  );
  const state = await world.vault.readChannel(channel);
  assert.is(state.free, 800_000 - 250);
  assert.is(state.credited, 150);
});

vaults('knows the hash before sending, and sending twice changes nothing', async () => {
  const payer = secpSigner('payer of the crash');
  const channel = await channelOf(payer);
  const rows = [await rowOf(world.domain, payer, voucher(channel, 1, 10, kiosk, 10))];
  const prepared = await world.vault.prepareSettle(world.rich, rows);
  assert.is(await receiptOf(world.vault.client, prepared.hash), undefined);
  await submit(world.vault.client, prepared);
  await submit(world.vault.client, prepared);
  const receipt = await world.vault.client.waitForTransactionReceipt({ hash: prepared.hash });
  await submit(world.vault.client, prepared);
  assert.is(world.vault.settlement(rows, receipt).outcomes[0]!.moved, 10);
  assert.is(await world.vault.readLane(channel, bytes(kiosk.address)), 10);
});

vaults('lets the payee withdraw and the owner leave after the delay', async () => {
  const payer = secpSigner('payer who leaves');
  const channel = await channelOf(payer);
  const rows = [await rowOf(world.domain, payer, voucher(channel, 1, 70, kiosk, 70))];
  await world.vault.settleBatch(world.rich, rows);
  await world.vault.client.request({
    method: 'anvil_setBalance' as never,
    params: [kiosk.address, '0xde0b6b3a7640000'] as never,
  });
  await world.vault.withdraw(kiosk.account, 70);
  await world.vault.startExit(world.rich, channel);
  await world.warp(14 * 24 * 3600);
  const { returned } = await world.vault.finishExit(world.rich, channel);
  assert.is(returned, 1_000_000 - 70);
});

vaults.run();
