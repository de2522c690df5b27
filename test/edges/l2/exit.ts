/**
 * Money that a real hub acknowledged, in front of a real vault, when its payer or its owner takes the rest: an exit while no
 * transaction is mined for the price that the hub offers, invented payments that the payer announces, and a stranger's batch in
 * the hands of a payee. Each on a chain of its own, as weeks pass on it.
 */
import { parseTransaction } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { Hub } from '../../../hub/hub.ts';
import type { Row } from '../../../hub/l2/rows.ts';
import { equalBytes, fromHex, toHex } from '../../../protocol/bytes.ts';
import { otherPayee, payee, suite, tap } from '../../hub/fleet.ts';
import { startTerminal } from '../../hub/site.ts';
import { inTemporaryFolder, until } from '../../hub/temporary.ts';
import { type L2Case, want } from './case.ts';
import { DEPOSIT, type freshKey, type Ground, rowsOf, startGround } from './ground.ts';

interface Scene {
  readonly ground: Ground;
  readonly hub: Hub;
  readonly channel: number;
  readonly payer: ReturnType<typeof freshKey>;
}

/** A hub on a chain of its own, whose terminal has had a sale of so many units acknowledged, and nothing settled yet. */
function acknowledged(units: number, work: (scene: Scene) => Promise<readonly string[]>) {
  return async (): Promise<readonly string[]> => {
    const ground = await startGround();
    let found: readonly string[] = [];
    try {
      await inTemporaryFolder(async (folder) => {
        const { site } = ground;
        const chain = { ...site.config(folder).chain, rpcUrl: ground.road.url };
        const { channel, payer } = await ground.open();
        const hub = await site.start(folder, { chain });
        const pos = await startTerminal(site, hub);
        try {
          const sale = await tap({
            on: site.signing,
            channel,
            payer,
            seq: 1,
            amount: units,
            spent: units,
            paid: units,
          });
          await until('the channel is known', () => hub.health().ready);
          pos.send({ type: 'pack', entries: [sale.bytes] });
          await pos.next('acknowledgement', ({ entry }) => equalBytes(entry, sale.id));
          found = await work({ ground, hub, channel, payer });
        } finally {
          pos.close();
          await hub.stop();
        }
      });
    } finally {
      await ground.close();
    }
    return found;
  };
}

const laneOf = ({ ground, channel }: Scene, of = payee): Promise<number> =>
  ground.site.vault.readLane(channel, of.address);

async function pass({ rpc }: Ground, seconds: number): Promise<void> {
  await rpc('evm_increaseTime', Math.max(1, seconds));
  await rpc('evm_mine');
}

const chainTime = async ({ site }: Ground): Promise<number> =>
  Number((await site.vault.client.getBlock()).timestamp);

const UNITS = 5000;
const NEED = 25n * 10n ** 9n;

export const EXITS: readonly L2Case[] = [
  {
    name: 'an owner leaves with what was acknowledged, as no transaction goes through for the tip that the hub offers',
    run: acknowledged(UNITS, async (scene) => {
      const { ground, hub, channel } = scene;
      const { site } = ground;
      const tips: bigint[] = [];
      ground.road.tell((method, params: readonly string[]) => {
        if (method !== 'eth_sendRawTransaction') return undefined;
        const tip = parseTransaction(params[0] as `0x${string}`).maxPriorityFeePerGas ?? 0n;
        tips.push(tip);
        const message = `transaction gas price below minimum: gas tip cap ${tip}, minimum needed ${NEED}`;
        return tip < NEED ? { error: { code: -32000, message } } : undefined;
      });
      // The hub hears of the exit from L2 and settles by itself; nobody asks it to.
      await site.vault.startExit(site.owner, channel);
      let paid = 0;
      await until('it is settled', async () => {
        await hub.settleNow().catch(() => {});
        paid = await laneOf(scene);
        return paid === UNITS;
      });
      const { exitReady } = await site.vault.readChannel(channel);
      const inTime = (await chainTime(ground)) < exitReady;
      await pass(ground, exitReady - (await chainTime(ground)) + 10);
      await site.vault.finishExit(site.owner, channel);
      return [
        ...want('paid, before the owner may leave', [paid, inTime], [UNITS, true]),
        ...want('offers', [tips.length <= 7, tips.at(-1)! >= NEED], [true, true]),
        ...want('after the exit', await laneOf(scene), UNITS),
        ...want('balance', await site.vault.readPayeeBalance(payee.address), UNITS),
      ];
    }),
  },
  {
    name: 'what was acknowledged is taken by an invented payment that its payer announces',
    run: acknowledged(UNITS, async (scene) => {
      const { ground, channel, payer } = scene;
      const { site } = ground;
      const all = DEPOSIT - DEPOSIT / 5;
      // To a friend, for a sale that never was, of all that the channel may spend.
      const invented = await tap({
        on: site.signing,
        channel,
        payer,
        payee: otherPayee,
        seq: 2,
        amount: all,
        spent: all,
        paid: all,
      });
      const rows = rowsOf(site, [invented]);
      const friend = privateKeyToAccount(site.anvil.keys[3]! as `0x${string}`);
      await site.vault.announce(friend, rows);
      // The hub sees it and settles at once, unasked.
      await until('it is settled', async () => (await laneOf(scene)) === UNITS);
      const due = (await site.vault.executableAt(rows))!;
      const inTime = (await chainTime(ground)) < due;
      await pass(ground, due - (await chainTime(ground)) + 10);
      await site.vault.execute(friend, rows);
      return [
        ...want('paid before it is due', inTime, true),
        ...want('paid', await laneOf(scene), UNITS),
        ...want('what is left', await laneOf(scene, otherPayee), all - UNITS),
      ];
    }),
  },
  {
    name: 'a payee that carries a batch which a stranger handed it gives back what it never signed',
    run: acknowledged(UNITS, async (scene) => {
      const { ground, hub, channel, payer } = scene;
      const { site } = ground;
      await hub.settleNow();
      await until('it is settled', async () => (await laneOf(scene)) === UNITS);
      // The sale's own row with a credit over all of it, unsigned; and one that the payer signed in the payee's name.
      const sale = await tap({
        on: site.signing,
        channel,
        payer,
        seq: 1,
        amount: UNITS,
        spent: UNITS,
        paid: UNITS,
      });
      const [plain] = rowsOf(site, [sale]);
      if (sale.message.type !== 'collectedVoucher') throw new Error('a sale is a plain voucher');
      const { terminal, at, detail } = sale.message;
      const opened = { terminal, amount: UNITS, at, detail };
      const digest = site.signing.digest('Credit', { voucher: sale.id, credited: UNITS as never });
      const handed = [new Uint8Array(64), await payer.sign(digest)].map(
        (signature): Row => ({ ...plain!, opened, credit: { credited: UNITS, signature } }),
      );
      const carrier = privateKeyToAccount(toHex(suite.keccak256(Uint8Array.of(0, 1, 77))) as `0x${string}`);
      await ground.rpc('anvil_setBalance', carrier.address, '0xde0b6b3a7640000');
      const outcomes: string[] = [];
      for (const row of handed) {
        const settlement = await site.vault.settleBatch(carrier, [row]);
        outcomes.push(...settlement.outcomes.map(({ reason }) => String(reason)));
      }
      await hub.settleNow();
      return [
        ...want('it is the payee', equalBytes(fromHex(carrier.address, 20), payee.address), true),
        ...want('outcomes', outcomes, ['bad_payee_signature', 'bad_payee_signature']),
        ...want('balance', await site.vault.readPayeeBalance(payee.address), UNITS),
        ...want('the hub waits for nothing', hub.status().settlement.waitingLanes, 0),
      ];
    }),
  },
];
