/** Nodes and pools that refuse, forget or never mine what the hub offers: a batch gets through, or it is said what to do. */
import { encodeFunctionData, keccak256, parseTransaction } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { vaultAbi } from '../../../hub/l2/abi.ts';
import { prepare, submit } from '../../../hub/l2/chain.ts';
import { creditRowsMax } from '../../../hub/limits.ts';
import { payee, tap } from '../../hub/fleet.ts';
import { type L2Case, want } from './case.ts';
import { type Desk, type DeskWish, onDesk } from './desk.ts';
import { freshKey, type Ground } from './ground.ts';
import type { Answer, Lie } from './road.ts';

const GWEI = 10n ** 9n;
const hex = (value: bigint): string => `0x${value.toString(16)}`;
const tipOf = (raw: string): bigint => parseTransaction(raw as `0x${string}`).maxPriorityFeePerGas ?? 0n;

/** A lie about transactions that are handed in. */
const sending =
  (
    answer: (
      raw: string,
      forward: () => Promise<unknown>,
    ) => Answer | undefined | Promise<Answer | undefined>,
  ): Lie =>
  (method, params: readonly string[], forward) =>
    method === 'eth_sendRawTransaction' ? answer(params[0]!, forward) : undefined;

/** Both lies at once, the first that answers. */
const both =
  (one: Lie, other: Lie): Lie =>
  async (method, params, forward) =>
    (await one(method, params, forward)) ?? other(method, params, forward);

const suggests =
  (tip: bigint): Lie =>
  (method) =>
    method === 'eth_maxPriorityFeePerGas' ? { result: hex(tip) } : undefined;

/** A desk that owes the payee 500 units on a channel of its own. */
async function owing<T>(
  ground: Ground,
  wish: DeskWish,
  work: (desk: Desk, channel: number) => Promise<T>,
): Promise<T> {
  return onDesk(ground, wish, async (desk) => {
    const { channel, payer } = await ground.open();
    await desk.look();
    const on = ground.site.signing;
    desk.take(await tap({ on, channel, payer, seq: 1, amount: 500, spent: 500, paid: 500 }));
    return work(desk, channel);
  });
}

/** Steps, with a block after each, until the lane is paid. Answers the steps' answers. */
async function settle(ground: Ground, desk: Desk, steps = 80): Promise<string[]> {
  const found: string[] = [];
  for (let again = 0; again < steps; again += 1) {
    found.push(await desk.step());
    await ground.mine(1);
    await desk.look();
    if (found.at(-1) === 'idle') break;
  }
  return found;
}

const paidOf = ({ site }: Ground, channel: number): Promise<number> =>
  site.vault.readLane(channel, payee.address);

const NEED = 25n * GWEI;
const tooLow = (tip: bigint): Answer => ({
  error: {
    code: -32000,
    message: `transaction gas price below minimum: gas tip cap ${tip}, minimum needed ${NEED}`,
  },
});

const offers: readonly L2Case[] = [
  {
    name: 'a pool that wants a higher tip than the node suggests stops settlement',
    run: (ground) =>
      owing(ground, {}, async (desk, channel) => {
        ground.road.tell(
          both(
            suggests(GWEI),
            sending((raw) => (tipOf(raw) < NEED ? tooLow(tipOf(raw)) : undefined)),
          ),
        );
        await settle(ground, desk);
        return [
          ...want('paid', await paidOf(ground, channel), 500),
          ...want('within few offers', desk.tips.length <= 7, true),
        ];
      }),
  },
  {
    name: 'a tip that nobody mines, with a suggestion that rose, stays what it was',
    run: (ground) =>
      owing(ground, {}, async (desk, channel) => {
        let tip = GWEI;
        ground.road.tell(
          both(
            (...call) => suggests(tip)(...call),
            sending((raw) => {
              tip = 30n * GWEI;
              return tipOf(raw) < NEED ? { result: keccak256(raw as `0x${string}`) } : undefined;
            }),
          ),
        );
        await settle(ground, desk);
        return [
          ...want('paid', await paidOf(ground, channel), 500),
          ...want('offers, gwei', desk.tips, [1, 30]),
        ];
      }),
  },
  {
    name: 'a tip that nobody mines, with a suggestion that stays low, is never raised',
    run: (ground) =>
      owing(ground, {}, async (desk, channel) => {
        const want3 = 3n * GWEI;
        ground.road.tell(
          both(
            suggests(GWEI),
            sending((raw) => (tipOf(raw) < want3 ? { result: keccak256(raw as `0x${string}`) } : undefined)),
          ),
        );
        await settle(ground, desk);
        return [...want('paid', await paidOf(ground, channel), 500), ...want('offers', desk.tips, [1, 2, 4])];
      }),
  },
  {
    name: 'a suggestion beyond all measure is paid',
    run: (ground) =>
      owing(ground, { feeMax: 50n * GWEI, chain: { feeMaxGwei: 50 } }, async (desk, channel) => {
        ground.road.tell(suggests(1_000_000n * GWEI));
        await settle(ground, desk);
        return [
          ...want('paid', await paidOf(ground, channel), 500),
          ...want(
            'tips, gwei, at most the bound',
            desk.tips.every((tip) => tip <= 50),
            true,
          ),
        ];
      }),
  },
  {
    name: 'a pool that wants more than the operator allows is not named',
    run: (ground) =>
      owing(ground, { feeMax: 10n * GWEI, chain: { feeMaxGwei: 10 } }, async (desk, channel) => {
        ground.road.tell(
          both(
            suggests(GWEI),
            sending((raw) => (tipOf(raw) < NEED ? tooLow(tipOf(raw)) : undefined)),
          ),
        );
        const found = await settle(ground, desk, 12);
        const offered = desk.tips.length;
        ground.road.tell(undefined);
        await settle(ground, desk);
        return [
          ...want('named', found.at(-1), 'fees_too_high'),
          ...want(
            'tips',
            desk.tips.slice(0, offered).every((tip) => tip <= 10),
            true,
          ),
          ...want('paid when the pool takes it', await paidOf(ground, channel), 500),
        ];
      }),
  },
  {
    name: 'an account without gas money is not named',
    run: (ground) =>
      owing(ground, {}, async (desk, channel) => {
        const { address } = ground.site.settler;
        await ground.rpc('anvil_setBalance', address, '0x0');
        const first = await desk.step();
        await ground.rpc('anvil_setBalance', address, hex(10n ** 22n));
        await settle(ground, desk);
        return [...want('named', first, 'l2_no_gas'), ...want('paid', await paidOf(ground, channel), 500)];
      }),
  },
  {
    name: 'a batch that is refused for ever is signed without end, and nobody hears of it',
    run: (ground) =>
      owing(ground, { feeMax: 10n ** 30n }, async (desk, channel) => {
        ground.road.tell(sending((raw) => tooLow(tipOf(raw))));
        const found = await settle(ground, desk, 40);
        const signed = desk.tips.length;
        ground.road.tell(undefined);
        // What was signed last offers more than anybody has.
        const { address } = privateKeyToAccount(ground.site.anvil.keys[1]!);
        await ground.rpc('anvil_setBalance', address, hex(10n ** 28n));
        await settle(ground, desk);
        return [
          ...want('named', found.at(-1), 'settlement_stuck'),
          ...want('signed', signed, 21),
          ...want('paid', await paidOf(ground, channel), 500),
        ];
      }),
  },
];

/** Words of other nodes for "I have it" and "offer more". */
const WORDS: readonly (readonly [words: string, isThere: boolean])[] = [
  ['AlreadyKnown, Transaction with hash was already known', true],
  ['Known transaction', true],
  ['OldNonce, Current nonce: 5, nonce of rejected tx: 4', true],
  ['already exists', true],
  ['FeeTooLowToCompete', false],
  ['ReplacementNotAllowed', false],
  ['max fee per gas less than block base fee', false],
  ['transaction underpriced', false],
];

const words = WORDS.map(
  ([message, isThere]): L2Case => ({
    name: `a node that says "${message}" stops settlement`,
    run: (ground) =>
      owing(ground, {}, async (desk, channel) => {
        let refusals = 0;
        ground.road.tell(
          sending(async (_raw, forward) => {
            if (isThere) await forward();
            else if (refusals >= 3) return undefined;
            refusals += 1;
            return { error: { code: -32010, message } };
          }),
        );
        const found = await settle(ground, desk);
        return [
          ...want('paid', await paidOf(ground, channel), 500),
          ...want(
            'steps that failed',
            found.filter((step) => !STEPS.includes(step)),
            [],
          ),
          ...want('once', desk.loop.history.finished.length, 1),
        ];
      }),
  }),
);
const STEPS = ['idle', 'sent', 'waiting', 'finished'];

const nonces: readonly L2Case[] = [
  {
    name: 'a nonce that another transaction took holds the lane for ever',
    run: (ground) =>
      owing(ground, {}, async (desk, channel) => {
        ground.road.tell(sending((raw) => ({ result: keccak256(raw as `0x${string}`) })));
        await desk.step();
        ground.road.tell(undefined);
        const account = privateKeyToAccount(ground.site.anvil.keys[1]!);
        await ground.site.vault.registerPayee(account, freshKey().address);
        await settle(ground, desk);
        return [
          ...want('paid', await paidOf(ground, channel), 500),
          ...want(
            'ends',
            desk.loop.history.finished.map(({ outcome }) => outcome.state),
            [3, 1],
          ),
        ];
      }),
  },
  {
    name: 'a node that forgets what it took never gets it again',
    run: (ground) =>
      owing(ground, {}, async (desk, channel) => {
        let sent = 0;
        ground.road.tell(
          sending((raw) => {
            sent += 1;
            return sent <= 2 ? { result: keccak256(raw as `0x${string}`) } : undefined;
          }),
        );
        await settle(ground, desk);
        return [...want('paid', await paidOf(ground, channel), 500), ...want('sent', sent >= 3, true)];
      }),
  },
];

const bounds: readonly L2Case[] = [
  {
    name: 'a plan while the vault is frozen asks without bound',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        const { site } = ground;
        const opened = [];
        for (let i = 0; i < 5; i += 1) opened.push(await ground.open());
        await desk.look();
        for (const { channel, payer } of opened)
          desk.take(await tap({ on: site.signing, channel, payer, seq: 1, amount: 5, spent: 5, paid: 5 }));
        const guardian = privateKeyToAccount(site.anvil.keys[0]!);
        const data = encodeFunctionData({ abi: vaultAbi, functionName: 'freeze', args: [3600] });
        const { client, address } = site.vault;
        await submit(client, await prepare(client, guardian, { to: address, data }));
        await ground.mine(1);
        const counts: number[] = [];
        const codes: string[] = [];
        for (let again = 0; again < 4; again += 1) {
          ground.road.tell(undefined);
          codes.push(await desk.step());
          counts.push([...ground.road.counts.values()].reduce((sum, count) => sum + count, 0));
        }
        await ground.rpc('evm_increaseTime', 3601);
        await ground.mine(1);
        await settle(ground, desk);
        return [
          ...want('named', [...new Set(codes)], ['vault_frozen']),
          ...want(
            'calls of a plan',
            counts.slice(1).every((count) => count <= 3),
            true,
          ),
          ...want('paid afterwards', await paidOf(ground, opened[4]!.channel), 5),
        ];
      }),
  },
  {
    name: 'a plan that the node refuses asks without bound',
    run: (ground) =>
      owing(ground, {}, async (desk, channel) => {
        const refuse: Lie = (method) =>
          method === 'eth_estimateGas' ? { error: { code: -32000, message: 'internal error' } } : undefined;
        const counts: number[] = [];
        for (let again = 0; again < 4; again += 1) {
          ground.road.tell(refuse);
          await desk.step();
          counts.push([...ground.road.counts.values()].reduce((sum, count) => sum + count, 0));
        }
        ground.road.tell(undefined);
        await settle(ground, desk);
        return [
          ...want(
            'calls of a plan',
            counts.slice(1).every((count) => count <= creditRowsMax),
            true,
          ),
          ...want('paid afterwards', await paidOf(ground, channel), 500),
        ];
      }),
  },
  {
    name: 'a lane of a unit costs more gas than it is worth, or is lost at an exit',
    run: (ground) =>
      owing(ground, { laneMin: 501 }, async (desk, channel) => {
        const quiet = await desk.step();
        const waiting = desk.loop.lanes.waiting();
        await ground.site.vault.startExit(ground.site.owner, channel);
        await desk.look();
        await settle(ground, desk);
        return [
          ...want('first', [quiet, waiting.lanes, waiting.small], ['idle', 0, 1]),
          ...want('paid before the exit', await paidOf(ground, channel), 500),
        ];
      }),
  },
  {
    name: 'a lane exactly at the smallest amount waits',
    run: (ground) =>
      owing(ground, { laneMin: 500 }, async (desk, channel) => {
        await settle(ground, desk);
        return want('paid', await paidOf(ground, channel), 500);
      }),
  },
  {
    name: 'a payee without an id is forgotten without a word',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        const { channel, payer } = await ground.open();
        const stranger = freshKey();
        await desk.look();
        const fields = { on: ground.site.signing, channel, payer, payee: stranger };
        desk.take(await tap({ ...fields, seq: 1, amount: 8, spent: 8, paid: 8 }));
        const first = await desk.step();
        const { unregistered } = desk.loop.lanes.waiting();
        await ground.site.vault.registerPayee(ground.site.owner, stranger.address);
        await ground.mine(1);
        await desk.look();
        await settle(ground, desk);
        return [
          ...want('first', first, 'idle'),
          ...want(
            'told',
            unregistered.map(({ lanes, units }) => [lanes, units]),
            [[1, 8]],
          ),
          ...want('paid', await ground.site.vault.readLane(channel, stranger.address), 8),
        ];
      }),
  },
];

export const FEES: readonly L2Case[] = [...offers, ...words, ...nonces, ...bounds];
