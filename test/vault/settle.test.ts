/** The typed client against a real node: every row kind, and the transactions that the settle loop depends on. */
import { concat, type Hex, hexToBytes, parseSignature, signatureToCompactSignature } from 'viem';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { receiptOf, submit } from '../../hub/l2/chain.ts';
import { type Listed, type Row, readOutcomes, type SignedVoucher } from '../../hub/l2/rows.ts';
import { RULES } from '../../hub/l2/fraud.ts';
import {
  creditOf,
  digestOf,
  lanesHash,
  named,
  p256Signer,
  requestOf,
  rowOf,
  type Signer,
  secpSigner,
  signWith,
  startWorld,
  structHashOf,
  typesOf,
  wideLease,
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

vaults('opens for another owner with an approval', async () => {
  const payer = secpSigner('payer of another owner');
  await world.vault.approve(world.rich, 5000);
  const { channel } = await world.vault.openChannel(world.rich, {
    payer: payer.address,
    amount: 5000,
    bond: 2000,
    owner: merchant.address,
    approved: true,
  });
  const state = await world.vault.readChannel(channel);
  assert.is(state.owner, merchant.address);
  assert.is(state.free, 3000);
});

vaults('settles what a phone wallet signed as typed data', async () => {
  const payer = secpSigner('phone');
  const channel = await channelOf(payer);
  const signed = voucher(channel, 1, 25, merchant, 25);
  const message = {
    ...signed,
    payee: merchant.address,
    lanes: `0x${'00'.repeat(16)}`,
    request: `0x${'00'.repeat(32)}`,
  };
  const wallet = await payer.account.signTypedData({
    domain: world.domain,
    types: typesOf('Voucher'),
    primaryType: 'Voucher',
    message: message as never,
  });
  const { r, yParityAndS } = signatureToCompactSignature(parseSignature(wallet));
  const { outcomes } = await world.vault.settleBatch(world.rich, [
    { voucher: signed, signature: hexToBytes(concat([r, yParityAndS])) },
  ]);
  assert.equal(
    outcomes.map(({ reason, moved }) => [reason, moved]),
    [['applied', 25]],
  );
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

vaults(
  'pays a stream above what is free as far as it goes, not tick by tick, and the rest when more is deposited',
  async () => {
    const payer = secpSigner('payer of a stream above its deposit');
    const channel = await channelOf(payer);
    const preimage = named('above the deposit');
    const stream = {
      kind: 'stream',
      channel,
      seq: 1,
      spent: 0,
      payee: bytes(kiosk.address),
      paid: 0,
      request: ZERO32,
      anchor: keccak_256(keccak_256(preimage)),
      tickValue: 450_001,
      ticks: 2,
    } as const;
    const row = await rowOf(world.domain, payer, stream, { reveal: { k: 2, preimage } });
    const settled = async () => {
      const { outcomes } = await world.vault.settleBatch(world.rich, [row]);
      return outcomes.map(({ reason, moved }) => [reason, moved]);
    };
    assert.equal(await settled(), [['partly', 800_000]]);
    assert.equal(await settled(), [['no_funds', 0]]);
    await world.vault.topUp(world.rich, channel, 500_000);
    assert.equal(await settled(), [['applied', 100_002]]);
  },
);

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
  await world.warp(15 * 24 * 3600);
  const { returned } = await world.vault.finishExit(world.rich, channel);
  assert.is(returned, 1_000_000 - 70);
});

vaults('brings a proof, and the harmed payee gets its share of the bond', async () => {
  const payer = secpSigner('payer with a twin');
  const channel = await channelOf(payer);
  await world.vault.accredit(world.rich, bytes(charger.address), 3);
  await world.warp(3600);
  const first = await rowOf(world.domain, payer, voucher(channel, 1, 800_000, kiosk, 800_000));
  const opened = requestOf(50_000);
  const request = structHashOf('Request', opened);
  const twin = await rowOf(world.domain, payer, voucher(channel, 1, 50_000, charger, 50_000, { request }), {
    opened,
  });
  await world.vault.settleBatch(world.rich, [first]);
  await world.vault.proveFraud(world.rich, RULES.equivocation, [first, twin]);
  assert.ok((await world.vault.readChannel(channel)).slashed);
  const before = await world.vault.readPayeeBalance(bytes(charger.address));
  const { timestamp } = await world.vault.client.getBlock();
  const lease = await wideLease(world, channel, 40_000, Number(timestamp));
  await world.vault.registerShortfall(world.rich, [twin], [lease]);
  await world.warp(11 * 24 * 3600);
  await world.vault.collectShare(world.rich, channel, bytes(charger.address));
  assert.is(await world.vault.readPayeeBalance(bytes(charger.address)), before + 50_000);
  assert.is((await world.vault.readPot(channel)).left, 0);
});

vaults('anchors the log, and carries what the root says of hub keys', async () => {
  await world.vault.anchor(world.rich, 10, named('root'));
  const hub = secpSigner('next hub key');
  const now = await world.vault.readClock();
  const { timestamp } = await world.vault.client.getBlock();
  assert.is(now, Number(timestamp));
  const at = Number(timestamp);
  const terms = { key: hub.address, from: at + 3600, until: at + 30 * 86_400, epoch: 0, signedAt: at };
  const byRoot = (name: 'HubKey' | 'HubKeyRevoked', message: object) =>
    signWith(world.anvil.keys[0]!, digestOf(world.domain, name, message));
  await world.vault.addHubKey(kiosk.account, { ...terms, signature: await byRoot('HubKey', terms) });
  const revoked = { key: hub.address, at };
  await world.vault.revokeHubKey(kiosk.account, {
    ...revoked,
    signature: await byRoot('HubKeyRevoked', revoked),
  });
  const events = await world.vault.events(0n);
  for (const name of ['HubKeyAdded', 'HubKeyRevoked'] as const)
    assert.ok(
      events.some((event) => event.eventName === name && event.args.key === hub.address),
      name,
    );
  assert.ok(events.some((event) => event.eventName === 'Anchored' && event.args.size === 10));
});

vaults('settles for anybody what the hub acknowledged, and the rest after the slow lane', async () => {
  const payer = secpSigner('payer without a hub');
  const channel = await channelOf(payer);
  const [one, two] = [
    await rowOf(world.domain, payer, voucher(channel, 1, 300, kiosk, 300)),
    await rowOf(world.domain, payer, voucher(channel, 2, 700, kiosk, 700)),
  ];
  const { timestamp } = await world.vault.client.getBlock();
  const entry = digestOf(world.domain, 'Voucher', one.voucher);
  const said = { entry, position: 5, at: Number(timestamp) };
  const signature = await signWith(world.anvil.keys[0]!, digestOf(world.domain, 'Acknowledgement', said));
  const acknowledged = { ...one, acknowledgement: { position: said.position, at: said.at, signature } };
  const first = await world.vault.settleBatch(kiosk.account, [acknowledged, two]);
  assert.equal(
    first.outcomes.map(({ reason, moved }) => [reason, moved]),
    [
      ['applied', 300],
      ['slow_lane', 0],
    ],
  );
  await world.vault.announce(kiosk.account, [two]);
  await world.warp(48 * 3600);
  const { outcomes } = await world.vault.execute(world.rich, [two]);
  assert.equal(
    outcomes.map(({ reason, moved }) => [reason, moved]),
    [['applied', 400]],
  );
});

vaults('splits what one transaction cannot carry', async () => {
  const payer = secpSigner('payer with much to settle');
  const channel = await channelOf(payer);
  const row = await rowOf(world.domain, payer, voucher(channel, 1, 10, kiosk, 10));
  const many = Array.from({ length: 600 }, () => row);
  const batches = await world.vault.planBatches(world.rich, many, 2_000_000);
  assert.is(batches.flat().length, many.length);
  assert.ok(batches.length > 2);
});

/**
 * Every balance of the vault from its events alone: what an indexer would keep. Runs last, over everything that the
 * tests above did.
 */
vaults('an indexer rebuilds every balance from the events', async () => {
  const free = new Map<number, number>();
  const bonds = new Map<number, number>();
  const pots = new Map<number, number>();
  const balances = new Map<number, number>();
  const add = (map: Map<number, number>, key: number, amount: number) =>
    map.set(key, (map.get(key) ?? 0) + amount);
  for (const event of await world.vault.events(0n)) {
    if (event.eventName === 'ChannelOpened' || event.eventName === 'ChannelToppedUp') {
      add(free, event.args.channel, event.args.amount - event.args.bond);
      add(bonds, event.args.channel, event.args.bond);
    } else if (event.eventName === 'ExitFinished') {
      add(free, event.args.channel, event.args.bond - event.args.returned);
      add(bonds, event.args.channel, -event.args.bond);
    } else if (event.eventName === 'BatchSettled') {
      for (const { channel, payee, moved, credit } of readOutcomes(hexToBytes(event.args.outcomes))) {
        add(free, channel, credit ? moved : -moved);
        add(balances, payee, credit ? -moved : moved);
      }
    } else if (event.eventName === 'Withdrawn') add(balances, event.args.payee, -event.args.amount);
    else if (event.eventName === 'FraudProved') {
      add(bonds, event.args.channel, -event.args.bond);
      add(pots, event.args.channel, event.args.bond);
    } else if (event.eventName === 'ShareCollected') {
      add(pots, event.args.channel, event.args.drawn - event.args.share);
      add(balances, event.args.payee, event.args.share);
    } else if (event.eventName === 'PotClosed') add(pots, event.args.channel, -event.args.rest);
  }
  let owed = 0;
  for (const [channel, amount] of free) {
    const state = await world.vault.readChannel(channel);
    assert.is(state.free, amount, `free of ${channel}`);
    assert.is(state.bond, bonds.get(channel), `bond of ${channel}`);
    assert.is((await world.vault.readPot(channel)).left, pots.get(channel) ?? 0, `pot of ${channel}`);
    owed += state.free + state.bond;
  }
  for (const payee of [merchant, charger, kiosk]) {
    const state = (await world.vault.readPayee(bytes(payee.address)))!;
    assert.is(state.balance, balances.get(state.id) ?? 0, `balance of ${state.id}`);
    owed += state.balance;
  }
  assert.is(await world.vault.readHeld(), owed, 'held');
});

vaults.run();
