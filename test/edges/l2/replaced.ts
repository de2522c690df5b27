/** Chains that take back what was final, begin anew, or tell an impossible time. */
import { toHex } from '../../../protocol/bytes.ts';
import { Vault } from '../../../hub/l2/vault.ts';
import { payee, tap } from '../../hub/fleet.ts';
import { type L2Case, want } from './case.ts';
import { type Desk, onDesk } from './desk.ts';
import { freshKey, type Ground, wrongIn } from './ground.ts';
import type { Lie } from './road.ts';

/** Looks until one is well, or so often. */
async function lookUntilWell(desk: Desk, looks = 10): Promise<string> {
  let found = '';
  for (let again = 0; again < looks && found !== 'well'; again += 1) found = await desk.look();
  return found;
}

/** Takes so many blocks back and puts other ones in their place, and one more. */
async function replace({ rpc, mine }: Ground, blocks: number): Promise<void> {
  await rpc('anvil_rollback', blocks);
  // Another time makes another block.
  await rpc('evm_increaseTime', 7);
  await mine(blocks + 1);
}

/** Everything that a desk has settled is mined and final. */
async function finish(ground: Ground, desk: Desk): Promise<void> {
  for (let again = 0; again < 20; again += 1) {
    const found = await desk.step();
    await desk.look();
    if (found === 'idle') return;
    if (found !== 'finished') await ground.mine(1);
  }
}

const reorganisations: readonly L2Case[] = [
  {
    name: 'a lease on a deposit that was final and is gone',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        const { channel } = await ground.open();
        const before = await desk.look();
        await replace(ground, 2);
        const after = await lookUntilWell(desk);
        const { heads } = desk.registry.state;
        return [
          ...want('looks', [before, after], ['well', 'well']),
          ...want('told', desk.told.includes('doubt final_replaced') && desk.told.includes('replaced'), true),
          ...want('head', [heads[channel]?.deposit, heads[channel]?.exiting], [0, true]),
          ...(await wrongIn(ground, desk.registry.state, [channel])),
        ];
      }),
  },
  {
    name: 'the last final block alone replaced, and nobody sees it',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        const { channel } = await ground.open();
        await desk.look();
        await ground.rpc('anvil_rollback', 1);
        await ground.rpc('evm_increaseTime', 7);
        await ground.mine(1);
        const after = await lookUntilWell(desk);
        return [
          ...want('look', after, 'well'),
          ...want('told', desk.told.includes('replaced'), true),
          ...(await wrongIn(ground, desk.registry.state, [channel])),
        ];
      }),
  },
  {
    name: 'a settled lane that disappears stays unpaid',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        const { channel, payer } = await ground.open();
        await ground.mine(2);
        await desk.look();
        const fields = { on: ground.site.signing, channel, payer };
        desk.take(await tap({ ...fields, seq: 1, amount: 500, spent: 500, paid: 500 }));
        await finish(ground, desk);
        const first = await ground.site.vault.readLane(channel, payee.address);
        const mined = desk.loop.history.finished.at(-1)!.outcome.block;
        const newest = Number(await ground.site.vault.client.getBlockNumber());
        await replace(ground, newest - mined + 1);
        const between = await ground.site.vault.readLane(channel, payee.address);
        await lookUntilWell(desk);
        await finish(ground, desk);
        return [
          ...want('settled before', first, 500),
          ...want('settled after the reorganisation', between, 0),
          ...want('settled again', await ground.site.vault.readLane(channel, payee.address), 500),
          ...(await wrongIn(ground, desk.registry.state, [channel])),
        ];
      }),
  },
  {
    name: 'payees whose ids were given out anew are paid for each other',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        const { site } = ground;
        const [one, other] = [freshKey(), freshKey()];
        const { channel, payer } = await ground.open();
        await ground.mine(1);
        await site.vault.registerPayee(site.owner, one.address);
        await site.vault.registerPayee(site.owner, other.address);
        await desk.look();
        const before = { ...desk.registry.state.payees };
        await ground.rpc('anvil_rollback', 2);
        await ground.rpc('evm_increaseTime', 7);
        // The client of the site remembers ids of before.
        const fresh = await Vault.connect(site.anvil.url, site.deployment.vault);
        const register = (account: Uint8Array) => fresh.registerPayee(site.owner, account);
        const otherId = await register(other.address);
        const oneId = await register(one.address);
        await ground.mine(1);
        await lookUntilWell(desk);
        const { payees } = desk.registry.state;
        const fields = { on: site.signing, channel, payer, payee: one };
        desk.take(await tap({ ...fields, seq: 1, amount: 9, spent: 9, paid: 9 }));
        await finish(ground, desk);
        const settled = desk.registry.state.heads[channel]?.settled[toHex(one.address)]?.paid;
        return [
          ...want('ids before', [before[toHex(one.address)], before[toHex(other.address)]], [otherId, oneId]),
          ...want('ids', [payees[toHex(one.address)], payees[toHex(other.address)]], [oneId, otherId]),
          ...want('settled', settled, 9),
        ];
      }),
  },
  {
    name: 'a chain that began anew goes unnoticed',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        await desk.look();
        // What a new process, or one that had lost its node, compares.
        ground.road.tell(DEAD);
        const lost = await desk.look();
        ground.road.tell(otherGenesis);
        const changed = await desk.look();
        ground.road.tell(undefined);
        return [
          ...want('looks', [lost, changed, await desk.look()], ['l2_away', 'chain_changed', 'well']),
          ...want('doubted', desk.told.includes('doubt chain_changed'), true),
        ];
      }),
  },
  {
    name: 'a vault whose code changed goes unnoticed',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        await desk.look();
        ground.road.tell(DEAD);
        const lost = await desk.look();
        ground.road.tell((method) => (method === 'eth_getCode' ? { result: '0x60016001' } : undefined));
        const changed = await desk.look();
        ground.road.tell(undefined);
        return [
          ...want('looks', [lost, changed, await desk.look()], ['l2_away', 'vault_changed', 'well']),
          ...want('doubted', desk.told.includes('doubt vault_changed'), true),
        ];
      }),
  },
];

const DEAD: Lie = () => ({ status: 503 });
const otherGenesis: Lie = async (method, params: readonly string[], forward) => {
  if (method !== 'eth_getBlockByNumber' || Number(params[0]) !== 0) return undefined;
  const { result } = await forward();
  return { result: { ...(result as unknown as object), hash: `0x${'99'.repeat(32)}` } };
};

const CLOCK_ERROR = 7200;
const YEARS = 100 * 365 * 86_400;

/** The chain's own time is this machine's, as far as the case goes. */
async function clockOf({ site }: Ground, offset = 0) {
  const at = Number((await site.vault.client.getBlock()).timestamp);
  return { nowSeconds: () => at + offset, clockError: CLOCK_ERROR };
}

/** Blocks dated by so many seconds otherwise, with a hash that fits: a sequencer can do it. */
const times: readonly L2Case[] = [
  ...(
    [
      ['a block from the far future', -YEARS],
      ['a block a little further ahead than the clock may be wrong', -CLOCK_ERROR - 1],
      ['a block of long ago', CLOCK_ERROR + 1],
    ] as const
  ).map(
    ([what, offset]): L2Case => ({
      name: `${what} is signed`,
      run: async (ground) => {
        await ground.mine(1);
        let now = await clockOf(ground);
        const clock = { nowSeconds: () => now.nowSeconds(), clockError: CLOCK_ERROR };
        return onDesk(ground, { clock }, async (desk) => {
          const { channel } = await ground.open();
          // Against the newest block: opening takes as long as it likes.
          now = await clockOf(ground, offset);
          const wrong = await desk.look();
          const signed = desk.told.filter((told) => told.startsWith('block')).length;
          now = await clockOf(ground);
          return [
            ...want('look', wrong, 'clock_differs'),
            ...want('blocks that count', signed, 0),
            ...want('doubted', desk.told.includes('doubt clock_differs'), true),
            ...want(
              'events are known all the same',
              await wrongIn(ground, desk.registry.state, [channel]),
              [],
            ),
            ...want('heals', await desk.look(), 'well'),
          ];
        });
      },
    }),
  ),
  {
    name: 'a block exactly as far as the clock may be wrong is refused',
    run: async (ground) => {
      await ground.mine(1);
      return onDesk(ground, { clock: await clockOf(ground, CLOCK_ERROR) }, async (desk) =>
        want('look', await desk.look(), 'well'),
      );
    },
  },
  {
    name: 'one changed timestamp in an answer is signed',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        await desk.look();
        const before = desk.told.length;
        ground.road.tell(async (method, params: readonly string[], forward) => {
          if (method !== 'eth_getBlockByNumber' || params[0] !== 'latest') return undefined;
          const result = (await forward()).result as unknown as { timestamp: string };
          return { result: { ...result, timestamp: `0x${(Number(result.timestamp) + YEARS).toString(16)}` } };
        });
        const found = await desk.look();
        ground.road.tell(undefined);
        return [
          ...want('look', found, 'l2_unproved'),
          ...want('told', desk.told.length, before),
          ...want('heals', await desk.look(), 'well'),
        ];
      }),
  },
];

const finality: readonly L2Case[] = [
  {
    name: 'what the chain does not call finalized counts',
    run: (ground) =>
      onDesk(ground, { chain: { finalityBlocks: undefined } }, async (desk) => {
        await ground.mine(1);
        const newest = Number(await ground.site.vault.client.getBlockNumber());
        let told = newest - 3;
        ground.road.tell(async (method, params: readonly string[]) => {
          if (method !== 'eth_getBlockByNumber' || params[0] !== 'finalized') return undefined;
          return { result: await ground.rpc('eth_getBlockByNumber', `0x${told.toString(16)}`, false) };
        });
        const first = [await desk.look(), desk.watch.finalHeight];
        told = newest;
        const second = [await desk.look(), desk.watch.finalHeight];
        ground.road.tell((method, params: readonly string[]) =>
          method === 'eth_getBlockByNumber' && params[0] === 'finalized'
            ? { error: { code: -32602, message: 'finalized block not found' } }
            : undefined,
        );
        // A chain that once said what is final is not believed by depth afterwards.
        const third = await desk.look();
        return want(
          'heights',
          [first, second, third],
          [['well', newest - 3], ['well', newest], 'l2_refused'],
        );
      }),
  },
  {
    name: 'a chain that says nothing of finality counts its newest blocks',
    run: (ground) =>
      onDesk(ground, { chain: { finalityBlocks: undefined } }, async (desk) => {
        await ground.mine(70);
        const newest = Number(await ground.site.vault.client.getBlockNumber());
        ground.road.tell((method, params: readonly string[]) =>
          method === 'eth_getBlockByNumber' && params[0] === 'finalized'
            ? { error: { code: -32602, message: 'invalid block tag' } }
            : undefined,
        );
        return want('height', [await desk.look(), desk.watch.finalHeight], ['well', newest - 64]);
      }),
  },
];

export const REPLACED: readonly L2Case[] = [...reorganisations, ...times, ...finality];
