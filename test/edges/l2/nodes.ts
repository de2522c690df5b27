/** Several nodes of which one lies, lags or is away: two stories are named, and nothing is leased or settled on one. */
import { toHex } from '../../../protocol/bytes.ts';
import { payee, tap } from '../../hub/fleet.ts';
import { type L2Case, want } from './case.ts';
import { type Desk, onDesk } from './desk.ts';
import { type Ground, wrongIn } from './ground.ts';
import type { Lie } from './road.ts';

const urlsOf = ({ road, others }: Ground): string[] => [road.url, ...others.map(({ url }) => url)];

/** A word of an `eth_call`'s answer is another one. */
const changedCall: Lie = async (method, params: readonly { data: string }[], forward) => {
  if (method !== 'eth_call') return undefined;
  const result = (await forward()).result as unknown as string | undefined;
  // Only answers of several words: those are the vault's structs.
  if (result === undefined || result.length < 2 + 64 * 4 || params[0] === undefined) return undefined;
  const at = 2 + 64 * 3 - 1;
  return { result: `${result.slice(0, at)}${result[at] === '1' ? '2' : '1'}${result.slice(at + 1)}` };
};

/** Headers of its own, under the hashes of others. */
const otherHeaders: Lie = async (method, params: readonly string[], forward) => {
  if (method !== 'eth_getBlockByNumber' || !params[0]!.startsWith('0x')) return undefined;
  const result = (await forward()).result as object | undefined;
  return result == null ? undefined : { result: { ...result, extraData: '0x66' } };
};

/** Runs with three nodes, the first of which tells the lie after a channel is known. */
const withLiar = (
  name: string,
  lie: (ground: Ground) => Lie,
  check: (ground: Ground, desk: Desk, channel: number) => Promise<readonly string[]>,
): L2Case => ({
  name,
  run: (ground) =>
    onDesk(ground, { urls: urlsOf(ground) }, async (desk) => {
      const { channel } = await ground.open();
      const before = await desk.look();
      ground.road.tell(lie(ground));
      const wrong = await check(ground, desk, channel);
      ground.road.tell(undefined);
      const after = await desk.look();
      return [
        ...want('a look before', before, 'well'),
        ...wrong,
        ...want('a look afterwards', after, 'well'),
        ...(await wrongIn(ground, desk.registry.state, [channel])),
      ];
    }),
});

/** The hub goes on, names the node for what nothing proves, and has missed nothing. */
const isNamedUnproved = async (ground: Ground, desk: Desk, channel: number): Promise<readonly string[]> => {
  await ground.site.vault.startExit(ground.site.owner, channel);
  const found = await desk.look();
  return [
    ...want('look', found, 'well'),
    ...want('named', desk.l2.nodes()[0]!.trouble?.includes('l2_unproved'), true),
    ...(await wrongIn(ground, desk.registry.state, [channel])),
  ];
};

export const NODES: readonly L2Case[] = [
  withLiar(
    'one node of three shows another deposit, and it is believed',
    () => changedCall,
    async (ground, desk, channel) => {
      const height = desk.watch.finalHeight;
      await ground.site.vault.startExit(ground.site.owner, channel);
      const found = await desk.look();
      return [
        ...want('look', found, 'l2_disagrees'),
        ...want('doubted', desk.told.includes('doubt l2_disagrees'), true),
        ...want('height', desk.watch.finalHeight, height),
      ];
    },
  ),
  withLiar(
    'one node of three is away, and the hub stands still',
    () => () => ({ status: 503 }),
    async (ground, desk, channel) => {
      await ground.site.vault.startExit(ground.site.owner, channel);
      const found = await desk.look();
      const { name, trouble } = desk.l2.nodes()[0]!;
      return [
        ...want('look', found, 'well'),
        ...want('named', [`http://${name}`, trouble !== undefined], [ground.road.url, true]),
        ...(await wrongIn(ground, desk.registry.state, [channel])),
      ];
    },
  ),
  withLiar(
    'one node of three has no receipts, and the hub stands still or misses them',
    () => (method) => (method === 'eth_getBlockReceipts' ? { result: [] } : undefined),
    isNamedUnproved,
  ),
  withLiar('one node of three makes up headers, and is heard', () => otherHeaders, isNamedUnproved),
  withLiar(
    'one node of three says that a batch is mined which is not, and its rows count as settled',
    () => async (method) =>
      method === 'eth_getTransactionReceipt'
        ? {
            result: {
              status: '0x1',
              blockNumber: '0x5',
              blockHash: `0x${'11'.repeat(32)}`,
              transactionHash: `0x${'22'.repeat(32)}`,
              transactionIndex: '0x0',
              from: `0x${'33'.repeat(20)}`,
              to: `0x${'44'.repeat(20)}`,
              cumulativeGasUsed: '0x1',
              gasUsed: '0x1',
              effectiveGasPrice: '0x1',
              logs: [],
              logsBloom: `0x${'00'.repeat(256)}`,
              contractAddress: null,
              type: '0x2',
            },
          }
        : undefined,
    async (ground, desk) => {
      const { channel, payer } = await ground.open();
      await desk.look();
      const on = ground.site.signing;
      desk.take(await tap({ on, channel, payer, seq: 1, amount: 500, spent: 500, paid: 500 }));
      const first = await desk.step();
      await ground.mine(1);
      await desk.look();
      const second = await desk.step();
      const finished = desk.loop.history.finished.length;
      ground.road.tell(undefined);
      for (let again = 0; again < 5; again += 1) {
        await desk.step();
        await desk.look();
      }
      return [
        ...want('steps', [first, second], ['sent', 'l2_disagrees']),
        ...want('finished on its word', finished, 0),
        ...want('finished', desk.loop.history.finished.length, 1),
        ...want('paid', await ground.site.vault.readLane(channel, payee.address), 500),
      ];
    },
  ),
  {
    name: 'a node that is behind hides an exit from two',
    run: (ground) =>
      onDesk(ground, { urls: urlsOf(ground) }, async (desk) => {
        const { channel } = await ground.open();
        await desk.look();
        const old = Number(await ground.site.vault.client.getBlockNumber());
        ground.road.tell(async (method, params: readonly string[]) =>
          method === 'eth_getBlockByNumber' && (params[0] === 'latest' || Number(params[0]) > old)
            ? { result: await ground.rpc('eth_getBlockByNumber', `0x${old.toString(16)}`, false) }
            : undefined,
        );
        await ground.site.vault.startExit(ground.site.owner, channel);
        const found = await desk.look();
        const held = desk.watch.finalHeight;
        ground.road.tell(undefined);
        await desk.look();
        return [
          ...want('while it is behind', [found, held], ['well', old]),
          ...want('payer', desk.registry.state.heads[channel]?.exiting, true),
          ...(await wrongIn(ground, desk.registry.state, [channel])),
        ];
      }),
  },
  {
    name: 'two nodes of two chains are taken for one',
    run: (ground) =>
      onDesk(ground, { urls: urlsOf(ground) }, async (desk) => {
        ground.road.tell(async (method, params: readonly string[], forward) => {
          if (method !== 'eth_getBlockByNumber' || Number(params[0]) !== 0) return undefined;
          const { result } = await forward();
          return { result: { ...(result as unknown as object), hash: `0x${'99'.repeat(32)}` } };
        });
        const found = await desk.look();
        ground.road.tell(undefined);
        return [
          ...want('look', found, 'l2_disagrees'),
          ...want('pinned', desk.registry.state.chain, undefined),
          ...want('afterwards', await desk.look(), 'well'),
        ];
      }),
  },
  {
    name: 'no node of three is there, and something is known',
    run: (ground) =>
      onDesk(ground, { urls: urlsOf(ground) }, async (desk) => {
        for (const road of [ground.road, ...ground.others]) road.tell(() => ({ status: 503 }));
        const found = await desk.look();
        for (const road of [ground.road, ...ground.others]) road.tell(undefined);
        return [
          ...want('look', found, 'l2_away'),
          ...want('told', desk.told, []),
          ...want('named', desk.l2.nodes().filter(({ trouble }) => trouble !== undefined).length, 3),
          ...want('afterwards', await desk.look(), 'well'),
          ...want('payee', desk.registry.state.payees[toHex(payee.address)] !== undefined, true),
        ];
      }),
  },
];
