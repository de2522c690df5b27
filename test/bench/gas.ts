/**
 * What settlement costs, measured on a real node with real transactions: all gas of a transaction, its 21,000 and its
 * calldata included, divided by the lanes it settles. Options: --json, --quick (only n = 1, 10, 100).
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, encodeFunctionData, type Hex, hexToBytes, maxUint256 } from 'viem';
import { deflateRawSync } from 'node:zlib';
import { timeAbi, vaultAbi } from '../../hub/l2/abi.ts';
import { prepare, send, submit } from '../../hub/l2/chain.ts';
import { mandatesAbi, splitAbi, splitsAbi } from '../../hub/l2/mandates-abi.ts';
import { potsAbi, reserveAbi } from '../../hub/l2/pots-abi.ts';
import { registryAbi } from '../../hub/l2/registry-abi.ts';
import { encodeLeases, encodeMembers, type Listed, type Row, type SignedVoucher } from '../../hub/l2/rows.ts';
import {
  creditOf,
  digestOf,
  lanesHash,
  named,
  p256Signer,
  requestOf,
  rowOf,
  secpSigner,
  type Signer,
  signWith,
  startWorld,
  structHashOf,
  type World,
  ZERO16,
} from '../vault/kit.ts';

const SETTLE_GAS = 16_700_000n;
const PAYEES = 100;
const DEPOSIT = 10_000_000;
const json = process.argv.includes('--json');
const sizes = process.argv.includes('--quick') ? [1, 10, 100] : [1, 10, 100, 1000];

interface Cost {
  gasPerLane: number;
  bytesPerLane: number;
  /** Of the calldata as a rollup compresses it: what its fees follow. */
  deflatedPerLane: number;
}
interface Once {
  gas: number;
  bytes: number;
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/** A payer that signs fast. The digest is computed by viem as everywhere in these tests. */
function payerOf(name: string): Signer {
  const secret = named(name);
  const key = secp256k1.getPublicKey(secret, false).slice(1);
  return {
    address: bytesToHex(keccak_256(key).slice(12)),
    async sign(digest) {
      const recovered = secp256k1.sign(digest, secret, { prehash: false, format: 'recovered' });
      const signature = recovered.slice(1);
      if (recovered[0] === 1) signature[32]! |= 0x80;
      return signature;
    },
  };
}

interface Channel {
  readonly payer: Signer;
  readonly id: number;
  seq: number;
  readonly paid: Map<Hex, number>;
}

class Bench {
  private nonce = 0;
  readonly payees: Uint8Array[] = [];

  constructor(readonly world: World) {}

  static async start(network?: 'optimism'): Promise<Bench> {
    const world = await startWorld({}, { extra: ['--gas-limit', '60000000'], ...(network && { network }) });
    const bench = new Bench(world);
    // Approved once and for all, as wallets do: an allowance that shrinks costs 3,000 more at each deposit.
    await world.vault.approve(world.rich, maxUint256);
    bench.nonce = await world.vault.client.getTransactionCount({ address: world.rich.address });
    for (let i = 0; i < PAYEES; i++) bench.payees.push(named(`payee ${i}`).slice(0, 20));
    await bench.many(
      bench.payees.map((payee) => ({ functionName: 'registerPayee', args: [bytesToHex(payee)] }) as const),
    );
    return bench;
  }

  /** Sends calls one behind the other without waiting for each. */
  async many(
    calls: readonly (
      | { functionName: 'registerPayee'; args: readonly [Hex] }
      | { functionName: 'open'; args: readonly [Hex, Hex, number, number] }
    )[],
  ): Promise<void> {
    const { vault, rich } = this.world;
    let last: Hex | undefined;
    for (const call of calls) {
      const data = encodeFunctionData({ abi: vaultAbi, ...call } as Parameters<typeof encodeFunctionData>[0]);
      const prepared = await prepare(
        vault.client,
        rich,
        { to: vault.address, data },
        { nonce: this.nonce++, gas: 300_000n },
      );
      await submit(vault.client, prepared);
      last = prepared.hash;
    }
    if (last !== undefined) await vault.client.waitForTransactionReceipt({ hash: last });
  }

  async open(count: number, name: string): Promise<Channel[]> {
    const { vault, rich } = this.world;
    const before = await vault.client.readContract({
      address: vault.address,
      abi: vaultAbi,
      functionName: 'channelCount',
    });
    const payers = Array.from({ length: count }, (_, i) => payerOf(`${name} ${i}`));
    await this.many(
      payers.map(
        ({ address }) =>
          ({ functionName: 'open', args: [rich.address, address, DEPOSIT, DEPOSIT / 5] }) as const,
      ),
    );
    return payers.map((payer, i) => ({ payer, id: before + 1 + i, seq: 0, paid: new Map() }));
  }

  /** The next voucher of a channel: `amount` more to a payee; with others it lists their lanes as they stand. */
  async pay(
    channel: Channel,
    payee: Uint8Array,
    amount: number,
    how: 'plain' | 'statement' | 'lanes' = 'plain',
  ): Promise<Row> {
    const own = bytesToHex(payee);
    const list: Listed[] = [...channel.paid]
      .filter(([other]) => other !== own)
      .map(([other, paid]) => ({ payee: hexToBytes(other), paid }));
    channel.paid.set(own, (channel.paid.get(own) ?? 0) + amount);
    channel.seq++;
    const spent = [...channel.paid.values()].reduce((sum, paid) => sum + paid, 0);
    const voucher: SignedVoucher = {
      kind: 'voucher',
      channel: channel.id,
      seq: channel.seq,
      spent,
      payee,
      paid: channel.paid.get(own)!,
      lanes: how === 'plain' ? ZERO16 : lanesHash(list),
      request: named(`request ${channel.id} ${channel.seq}`),
    };
    return rowOf(this.world.domain, channel.payer, voucher, how === 'statement' ? { list } : {});
  }

  /** Settles rows in one transaction; every lane must move money unless `lanes` says how many do. */
  async settle(rows: readonly Row[]): Promise<Settled> {
    const { vault, rich } = this.world;
    const data = await vault.settleCalldata(rows);
    const prepared = await prepare(
      vault.client,
      rich,
      { to: vault.address, data },
      { nonce: this.nonce++, gas: SETTLE_GAS },
    );
    await submit(vault.client, prepared);
    const receipt = await vault.client.waitForTransactionReceipt({ hash: prepared.hash });
    const { outcomes, gas } = vault.settlement(rows, receipt);
    const bad = outcomes.find(({ reason }) => reason !== 'applied');
    if (bad !== undefined) throw new Error(`row ${bad.row} lane ${bad.lane}: ${bad.reason}`);
    const deflated = deflateRawSync(hexToBytes(data), { level: 9 }).length;
    return { gas, bytes: (data.length - 2) / 2, deflated, lanes: outcomes.length };
  }

  /** Calls the vault, or another of its contracts. */
  async call(
    functionName: string,
    args: readonly unknown[],
    of: 'vault' | 'pots' | 'registry' | 'mandates' = 'vault',
  ) {
    const { vault, rich } = this.world;
    const to = { ...vault, vault: vault.address, mandates: vault.mandates.address }[of];
    const abi = { vault: vaultAbi, pots: potsAbi, registry: registryAbi, mandates: mandatesAbi }[of];
    const data = encodeFunctionData({ abi, functionName, args } as Parameters<typeof encodeFunctionData>[0]);
    const receipt = await send(vault.client, rich, { to, data }, { nonce: this.nonce++, gas: 8_000_000n });
    return { gas: Number(receipt.gasUsed), bytes: (data.length - 2) / 2 };
  }

  /** Any other call. */
  async send(to: Hex, data: Hex): Promise<Once> {
    const { vault, rich } = this.world;
    const receipt = await send(vault.client, rich, { to, data }, { nonce: this.nonce++, gas: 8_000_000n });
    return { gas: Number(receipt.gasUsed), bytes: (data.length - 2) / 2 };
  }

  payee(index: number): Uint8Array {
    return this.payees[index % PAYEES]!;
  }
}

interface Settled {
  readonly gas: number;
  readonly bytes: number;
  readonly deflated: number;
  readonly lanes: number;
}

const tenths = (value: number): number => Math.round(value * 10) / 10;

const perLane = ({ gas, bytes, deflated, lanes }: Settled): Cost => ({
  gasPerLane: Math.round(gas / lanes),
  bytesPerLane: tenths(bytes / lanes),
  deflatedPerLane: tenths(deflated / lanes),
});

/** n lanes in groups of at most `width`, as [group, lanes of it]. */
const groups = (lanes: number, width: number): number[] =>
  Array.from({ length: Math.ceil(lanes / width) }, (_, i) => Math.min(width, lanes - i * width));

/**
 * Channels with `width` lanes each.
 * @param how statement: one signature a channel; plain: a voucher a lane
 * @returns cost of the first time and of the second
 */
async function lanesRun(bench: Bench, name: string, n: number, width: number, how: 'plain' | 'statement') {
  const sizesOf = groups(n, width);
  const channels = await bench.open(sizesOf.length, `${name} ${n}`);
  const round = async (): Promise<Row[]> => {
    const rows: Row[] = [];
    for (const [index, channel] of channels.entries()) {
      const lanes = sizesOf[index]!;
      for (let lane = 0; lane < lanes; lane++) {
        const last = lane === lanes - 1;
        const row = await bench.pay(
          channel,
          bench.payee(index * 7 + lane),
          100 + lane,
          how === 'statement' && last ? 'statement' : 'plain',
        );
        if (how === 'plain' || last) rows.push(row);
      }
    }
    return rows;
  };
  // Balances of the payees are not new in a running system: a voucher each of a channel of its own.
  return {
    first: perLane(await bench.settle(await round())),
    seen: perLane(await bench.settle(await round())),
  };
}

/** Makes every payee's balance non-zero, as it is in a running system. */
async function warmPayees(bench: Bench): Promise<void> {
  const channels = await bench.open(PAYEES, 'warm');
  const rows: Row[] = [];
  for (const [index, channel] of channels.entries())
    rows.push(await bench.pay(channel, bench.payee(index), 1));
  await bench.settle(rows);
}

async function peers(bench: Bench, n: number): Promise<Cost> {
  const channels = await bench.open(n, `peers ${n}`);
  const round = async () => {
    const rows: Row[] = [];
    for (const channel of channels) rows.push(await bench.pay(channel, bench.payee(0), 100));
    return rows;
  };
  await bench.settle(await round());
  return perLane(await bench.settle(await round()));
}

async function streamRow(bench: Bench, channel: Channel, k: number): Promise<Row> {
  const payee = bench.payee(3);
  const seed = named(`seed ${channel.id} ${channel.seq}`);
  let anchor = seed;
  let preimage = seed;
  for (let i = 0; i < 256; i++) anchor = keccak_256(anchor);
  for (let i = 0; i < 256 - k; i++) preimage = keccak_256(preimage);
  const own = bytesToHex(payee);
  const paid = channel.paid.get(own) ?? 0;
  const spent = [...channel.paid.values()].reduce((sum, value) => sum + value, 0);
  channel.seq++;
  channel.paid.set(own, paid + k * 5);
  const voucher: SignedVoucher = {
    kind: 'stream',
    channel: channel.id,
    seq: channel.seq,
    spent,
    payee,
    paid,
    request: named('stream request'),
    anchor,
    tickValue: 5,
    ticks: 256,
  };
  return rowOf(bench.world.domain, channel.payer, voucher, { reveal: { k, preimage } });
}

const once = ({ gas, bytes }: Settled): Once => ({ gas, bytes });

async function operations(bench: Bench): Promise<Record<string, Once>> {
  const { world } = bench;
  const { rich, domain } = world;
  const result: Record<string, Once> = {};
  const payer = payerOf('operations');
  result.open = await bench.call('open', [rich.address, payer.address, DEPOSIT, DEPOSIT / 5]);
  const id = await world.vault.client.readContract({
    address: world.vault.address,
    abi: vaultAbi,
    functionName: 'channelCount',
  });
  const channel: Channel = { payer, id, seq: 0, paid: new Map() };
  result.topUp = await bench.call('topUp', [id, 1000, 200]);
  result.settleFirst = once(await bench.settle([await bench.pay(channel, bench.payee(1), 100)]));
  result.settleSeen = once(await bench.settle([await bench.pay(channel, bench.payee(1), 100)]));
  await bench.settle([await bench.pay(channel, bench.payee(3), 1)]);
  result.stream1 = once(await bench.settle([await streamRow(bench, channel, 1)]));
  result.stream100 = once(await bench.settle([await streamRow(bench, channel, 100)]));
  result.stream256 = once(await bench.settle([await streamRow(bench, channel, 256)]));

  // A credit by a payee with a key.
  const merchant = payerOf('merchant with a key');
  await bench.call('registerPayee', [merchant.address]);
  const opened = requestOf(500);
  const bought = await bench.pay(channel, hexToBytes(merchant.address), 500);
  const voucher = { ...bought.voucher, request: structHashOf('Request', opened) } as SignedVoucher;
  const row = await rowOf(domain, payer, voucher, { opened });
  await bench.settle([row]);
  result.credit = once(await bench.settle([await creditOf(domain, merchant, row, 200)]));

  Object.assign(result, await payouts(bench, channel));

  const secure = p256Signer('secure element');
  await bench.call('open', [rich.address, secure.address, DEPOSIT, DEPOSIT / 5]);
  const second: Channel = { payer: secure, id: id + 1, seq: 0, paid: new Map() };
  await bench.settle([await bench.pay(second, bench.payee(1), 100)]);
  result.p256 = once(await bench.settle([await bench.pay(second, bench.payee(1), 100)]));

  result.anchor = await bench.call('anchor', [1000, bytesToHex(named('root'))], 'registry');
  await world.warp(60);
  result.anchorNext = await bench.call('anchor', [2000, bytesToHex(named('next root'))], 'registry');

  // One channel for each proof: a bond is lost only once.
  const cheaters = await bench.open(3, 'cheater');
  const ids = async (rows: readonly Row[]): Promise<Hex> => {
    const data = await world.vault.settleCalldata(rows);
    return `0x${data.slice(2 + 8 + 128, 2 + 8 + 128 + 2 * Number.parseInt(data.slice(74, 138), 16))}`;
  };
  const [one, two, three] = cheaters as [Channel, Channel, Channel];
  const a = await bench.pay(one, bench.payee(1), 100);
  one.seq--;
  const b = await bench.pay(one, bench.payee(2), 100);
  result.proveE1 = await bench.call('proveFraud', [1, await ids([a, b])], 'pots');
  const c = await bench.pay(two, bench.payee(1), 100);
  two.paid.clear();
  const d = await bench.pay(two, bench.payee(2), 50);
  result.proveE2 = await bench.call('proveFraud', [2, await ids([c, d])], 'pots');
  const e = await bench.pay(three, bench.payee(1), 100);
  three.paid.clear();
  const f = await bench.pay(three, bench.payee(2), 100);
  result.proveE3 = await bench.call('proveFraud', [3, await ids([e, f])], 'pots');

  const announced = await ids([await bench.pay(channel, bench.payee(1), 100)]);
  result.announce = await bench.call('announce', [announced]);
  await world.warp(2 * 24 * 3600);
  result.execute = await bench.call('execute', [announced]);
  Object.assign(result, await claims(bench, ids));

  result.startExit = await bench.call('startExit', [id, '0x0000000000000000000000000000000000000000']);
  await world.warp(15 * 24 * 3600);
  result.finishExit = await bench.call('finishExit', [id]);
  return result;
}

/** A claim under one lease of two payees, and its share, the last part of which comes from the reserve. */
async function claims(
  bench: Bench,
  ids: (rows: readonly Row[]) => Promise<Hex>,
): Promise<Record<string, Once>> {
  const { world } = bench;
  const { vault, domain } = world;
  const { client, token } = vault;
  const result: Record<string, Once> = {};
  const reserve = await client.readContract({ address: vault.pots, abi: potsAbi, functionName: 'reserve' });
  const funds = 2n ** 40n;
  await bench.send(
    token,
    encodeFunctionData({ abi: timeAbi, functionName: 'approve', args: [reserve, funds] }),
  );
  const deposit = { abi: reserveAbi, functionName: 'deposit', args: [funds, world.rich.address] } as const;
  await bench.send(reserve, encodeFunctionData(deposit));
  // One whom the hub has long vouched for: the reserve lends to nobody else.
  await bench.call('accredit', [1, 10], 'registry');
  await world.warp(400 * 24 * 3600);
  const root = world.anvil.keys[0]!;
  const now = Number((await client.getBlock()).timestamp);
  const hub = { key: secpSigner('hub of the bench').address, from: now, until: now + 30 * 86_400 };
  const certificate = { ...hub, epoch: 0, signedAt: now };
  const signed = bytesToHex(await signWith(root, digestOf(domain, 'HubKey', certificate)));
  const [r, vs] = [signed.slice(0, 66), `0x${signed.slice(66)}`];
  result.addHubKey = await bench.call('addHubKey', [hub.key, hub.from, hub.until, 0, now, r, vs], 'registry');
  const [cheater] = (await bench.open(1, 'cheater of the pot')) as [Channel];
  const opened = requestOf(DEPOSIT);
  const taken = await bench.pay(cheater, bench.payee(5), (DEPOSIT * 4) / 5);
  await bench.settle([taken]);
  cheater.seq = 10;
  cheater.paid.clear();
  const shown = await bench.pay(cheater, bench.payee(0), (DEPOSIT * 3) / 10);
  const voucher = {
    ...shown.voucher,
    request: structHashOf('Request', { ...opened, amount: (DEPOSIT * 3) / 10 }),
  } as SignedVoucher;
  const evidence = await rowOf(domain, cheater.payer, voucher, {
    opened: { ...opened, amount: (DEPOSIT * 3) / 10 },
  });
  cheater.seq = 9;
  const twin = await bench.pay(cheater, bench.payee(6), 50);
  const before = await bench.pay({ ...cheater, seq: 9, paid: new Map() }, bench.payee(7), 50);
  await bench.call('proveFraud', [1, await ids([{ ...twin }, before])], 'pots');
  const members = [
    { payee: 1, terminals: 6 },
    { payee: 2, terminals: 1 },
  ];
  const terms = { spentFrom: 0, spendLimit: DEPOSIT, tapLimit: 1, cap: DEPOSIT / 20, guarantee: DEPOSIT / 5 };
  const at = Number((await client.getBlock()).timestamp);
  const times = { issuedAt: at, expiresAt: at + 86_400 };
  const scope = keccak_256(encodeMembers(members));
  const fields = { channel: cheater.id, payer: cheater.payer.address, ...terms, ...times, scope };
  const signature = await secpSigner('hub of the bench').sign(digestOf(domain, 'Lease', fields));
  const leases = bytesToHex(encodeLeases([{ ...terms, ...times, signature, members }]));
  result.registerShortfall = await bench.call('registerShortfall', [await ids([evidence]), leases], 'pots');
  await world.warp(11 * 24 * 3600);
  result.reserveDraw = await bench.call('collectShare', [cheater.id, 1], 'pots');
  return result;
}

/** Money that leaves: carried for a payee that signed, and divided by a split. */
async function payouts(bench: Bench, channel: Channel): Promise<Record<string, Once>> {
  const { vault, rich } = bench.world;
  const { client, mandates } = vault;
  const result: Record<string, Once> = {};
  const merchant = secpSigner('a merchant without gas');
  await bench.call('registerPayee', [merchant.address]);
  await bench.settle([await bench.pay(channel, hexToBytes(merchant.address), 500)]);
  const payee = (await vault.payeeId(hexToBytes(merchant.address)))!;
  const { timestamp } = await client.getBlock();
  const terms = { payee, to: rich.address, amount: 100, fee: 10, deadline: Number(timestamp) + 3600 };
  for (const name of ['withdrawForFirst', 'withdrawFor']) {
    const { nonce: _nonce, signature, ...signed } = await mandates.signWithdrawal(merchant.account, terms);
    const args = [signed.payee, signed.to, signed.amount, signed.fee, signed.deadline, signature];
    result[name] = await bench.call('withdrawFor', args, 'mandates');
  }
  // A site's share and its operator's, of a payee whose payout is fixed.
  await bench.call('registerPayee', [rich.address]);
  const own = (await vault.payeeId(hexToBytes(rich.address)))!;
  const shares = ['site', 'operator'].map((name) => ({ account: secpSigner(name).address, parts: 5_000 }));
  const { splits } = bench.world.deployment;
  const at = { address: splits, abi: splitsAbi } as const;
  const args = [vault.token, shares, `0x${'00'.repeat(32)}`] as const;
  const split = await client.readContract({ ...at, functionName: 'addressOf', args });
  await bench.send(splits, encodeFunctionData({ abi: splitsAbi, functionName: 'make', args }));
  result.fixPayout = await bench.call('fixPayout', [own, split], 'mandates');
  for (const name of ['splitFirst', 'split']) {
    await bench.settle([await bench.pay(channel, hexToBytes(rich.address), 100)]);
    const release = { abi: splitAbi, functionName: 'releaseAll', args: [mandates.address, own] } as const;
    result[name] = await bench.send(split, encodeFunctionData(release));
  }
  return result;
}

async function run(network?: 'optimism') {
  const bench = await Bench.start(network);
  try {
    say(`# ${network ?? 'osaka'}`);
    await warmPayees(bench);
    const result: Record<string, Record<string, Cost>> = {
      A: {},
      A_first: {},
      B: {},
      C: {},
      D: {},
      B_single: {},
      C_single: {},
      S8_seen: {},
      S8_first: {},
    };
    for (const n of sizes) {
      const a = await lanesRun(bench, 'a', n, 1, 'plain');
      result.A![n] = a.seen;
      result.A_first![n] = a.first;
      const four = await lanesRun(bench, 'b', n, 4, 'statement');
      result.B![n] = four.seen;
      result.C![n] = four.first;
      const single = await lanesRun(bench, 'bs', n, 4, 'plain');
      result.B_single![n] = single.seen;
      // First-time single vouchers of 1000 lanes need more gas than one transaction may take.
      result.C_single![n] = single.first;
      const eight = await lanesRun(bench, 'e', n, 8, 'statement');
      result.S8_seen![n] = eight.seen;
      result.S8_first![n] = eight.first;
      result.D![n] = await peers(bench, n);
      say(`  n = ${n} done`);
    }
    return { ...result, operations: await operations(bench) };
  } finally {
    await bench.world.stop();
  }
}

/**
 * What no implementation that checks one signature a row can go below, in gas a lane at n rows: recovery 3,000 and
 * its call, one cold storage word read and written, and the calldata of the row.
 */
function floor(bytesPerRow: number, wordsRead: number, wordsNew: number, lanesPerRow: number): number {
  const calldata = bytesPerRow * 16;
  return Math.round((3100 + wordsRead * 5000 + wordsNew * 22_100 + calldata) / lanesPerRow);
}

/** Same bars as the budget of the project. */
const BARS: Record<string, { n: number; gas: number; bytes?: number }> = {
  A: { n: 1000, gas: 11_500 },
  B: { n: 1000, gas: 6_400, bytes: 36.5 },
  C: { n: 1000, gas: 10_700, bytes: 36.5 },
  D: { n: 100, gas: 11_300 },
};

const osaka = await run();
const optimism = await run('optimism');
const floors = {
  A: floor(119, 1, 0, 1),
  B: floor(144, 2, 0, 4),
  C: floor(144, 1, 1, 4),
  D: floor(119, 1, 0, 1),
};
let met = true;
for (const [name, bar] of Object.entries(BARS)) {
  const cost = (osaka as unknown as Record<string, Record<string, Cost>>)[name]![bar.n];
  if (cost === undefined) continue;
  const ok = cost.gasPerLane <= bar.gas && cost.bytesPerLane <= (bar.bytes ?? Number.POSITIVE_INFINITY);
  met &&= ok;
  say(
    `${name} n=${bar.n}: ${cost.gasPerLane} gas (bar ${bar.gas}, floor ${floors[name as 'A']}), ${cost.bytesPerLane} bytes${bar.bytes ? ` (bar ${bar.bytes})` : ''} ${ok ? 'ok' : 'ABOVE THE BAR'}`,
  );
}
/** Bytes a lane as a rollup posts them, at the size of each bar. */
const deflated = Object.fromEntries(
  Object.entries(BARS).map(([name, { n }]) => [
    name,
    (osaka as unknown as Record<string, Record<string, Cost>>)[name]![n]?.deflatedPerLane,
  ]),
);
const { reserveDraw, split, withdrawFor } = osaka.operations;
if (json) {
  const more = { deflated, reserveDraw, split, withdrawFor };
  process.stdout.write(`${JSON.stringify({ ...osaka, floors, ...more, optimism })}\n`);
} else {
  for (const [name, result] of Object.entries({ osaka, optimism })) {
    process.stdout.write(`\n${name}\n`);
    for (const [key, value] of Object.entries(result)) {
      for (const [n, cost] of Object.entries(value as Record<string, object>)) {
        process.stdout.write(
          `  ${key.padEnd(12)} ${n.padEnd(12)} ${Object.values(cost).join(' gas, ')} bytes\n`,
        );
      }
    }
  }
  process.stdout.write(`\nArithmetic floors, gas a lane: ${JSON.stringify(floors)}\n`);
}
process.exit(met ? 0 : 1);
