/** Answers about events that are short, empty, late or changed: no look that ends well may know less than the vault. */
import { encodeFunctionData, keccak256, toRlp } from 'viem';
import { vaultAbi } from '../../../hub/l2/abi.ts';
import { type L2Case, want } from './case.ts';
import { type Desk, onDesk } from './desk.ts';
import { type Ground, wrongIn } from './ground.ts';
import type { Answer, Lie } from './road.ts';

type Receipt = { logs: { address: string; data: string; topics: string[] }[]; transactionHash: string };
interface Header {
  readonly [field: string]: unknown;
  readonly transactions: readonly string[];
}

const NO_BLOOM = `0x${'00'.repeat(256)}`;
/** Root of a block without receipts. */
const NO_RECEIPTS = keccak256(toRlp('0x'));

/** Lies about the receipts of a block. */
const receipts =
  (change: (found: Receipt[]) => unknown): Lie =>
  async (method, _params, forward): Promise<Answer | undefined> => {
    if (method === 'eth_getLogs') return { result: [] };
    if (method !== 'eth_getBlockReceipts') return undefined;
    return { result: change((await forward()).result ?? []) };
  };

/** Lies about the header of every block that has transactions. */
const headers =
  (change: (block: Header) => unknown): Lie =>
  async (method, _params, forward): Promise<Answer | undefined> => {
    if (method === 'eth_getLogs') return { result: [] };
    if (method !== 'eth_getBlockByNumber') return undefined;
    const found = (await forward()).result as Header | undefined;
    return found == null || found.transactions.length === 0 ? undefined : { result: change(found) };
  };

const emptied = (block: Header): Header => ({ ...block, logsBloom: NO_BLOOM, receiptsRoot: NO_RECEIPTS });

/** The same header under the hash that its changed fields have: only its neighbours tell. */
function rehashed(block: Header): Header {
  const quantity = (hex: unknown): `0x${string}` => {
    const digits = String(hex).slice(2).replace(/^0+/, '');
    return `0x${digits.length % 2 === 0 ? digits : `0${digits}`}`;
  };
  const bytes = [
    'parentHash',
    'sha3Uncles',
    'miner',
    'stateRoot',
    'transactionsRoot',
    'receiptsRoot',
    'logsBloom',
  ];
  const numbers = ['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp'];
  const rest = ['extraData', 'mixHash', 'nonce'];
  const fields = [
    ...bytes.map((name) => block[name]),
    ...numbers.map((name) => quantity(block[name])),
    ...rest.map((name) => block[name]),
    quantity(block.baseFeePerGas),
    ...(block.withdrawalsRoot ? [block.withdrawalsRoot] : []),
    ...(block.blobGasUsed ? [quantity(block.blobGasUsed), quantity(block.excessBlobGas)] : []),
    ...(block.parentBeaconBlockRoot ? [block.parentBeaconBlockRoot] : []),
    ...(block.requestsHash ? [block.requestsHash] : []),
  ] as `0x${string}`[];
  return { ...block, hash: keccak256(toRlp(fields)) };
}

interface Told {
  readonly name: string;
  readonly lie: Lie;
  /** The watch finds its way in spite of it. */
  readonly isHarmless?: boolean;
}

const LIES: readonly Told[] = [
  {
    name: 'an empty list of logs',
    lie: (method) => (method === 'eth_getLogs' ? { result: [] } : undefined),
    isHarmless: true,
  },
  { name: 'no receipts in a block', lie: receipts(() => []) },
  { name: 'the last receipt of a block missing', lie: receipts((found) => found.slice(0, -1)) },
  {
    name: 'a receipt without its logs',
    lie: receipts((found) => found.map((receipt) => ({ ...receipt, logs: [] }))),
  },
  {
    name: 'a receipt that lacks one log',
    lie: receipts((found) => found.map((receipt) => ({ ...receipt, logs: receipt.logs.slice(1) }))),
  },
  {
    name: 'a log with other contents',
    lie: receipts((found) =>
      found.map((receipt) => ({
        ...receipt,
        logs: receipt.logs.map((log) => ({
          ...log,
          data: log.data.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
        })),
      })),
    ),
  },
  { name: 'receipts that are not there yet', lie: receipts(() => null) },
  { name: 'a header without its bloom', lie: headers((block) => ({ ...block, logsBloom: NO_BLOOM })) },
  { name: 'a header that names no receipts', lie: headers(emptied) },
  { name: 'a header made up, with a hash that fits it', lie: headers((block) => rehashed(emptied(block))) },
  { name: 'a block that is not there', lie: headers(() => null) },
  {
    name: 'no question for the receipts of a block',
    lie: (method) =>
      method === 'eth_getBlockReceipts'
        ? {
            error: {
              code: -32601,
              message: 'the method eth_getBlockReceipts does not exist/is not available',
            },
          }
        : undefined,
    isHarmless: true,
  },
];

/** What happens in the vault while the node lies. */
const HAPPENINGS: Readonly<
  Record<string, (ground: Ground, opened: Awaited<ReturnType<Ground['open']>>) => Promise<unknown>>
> = {
  'an opening': (ground) => ground.open(),
  'an exit': ({ site }, { channel }) => site.vault.startExit(site.owner, channel),
  'a settlement': (ground, opened) => ground.settle(opened, 700),
};

/** Looks while the node lies, then when it is honest again. */
async function look(ground: Ground, desk: Desk, told: Told, channels: readonly number[]): Promise<string[]> {
  const wrong: string[] = [];
  for (let again = 0; again < 2; again += 1) {
    const found = await desk.look();
    if (told.isHarmless) wrong.push(...want('a look at a harmless lie', found, 'well'));
    // Whatever it answered, what it stored must be what the vault holds at the height that it names.
    wrong.push(
      ...(await wrongIn(
        ground,
        desk.registry.state,
        channels.filter((channel) => isThere(desk, channel)),
      )),
    );
    if (found === 'well') wrong.push(...(await wrongIn(ground, desk.registry.state, channels)));
  }
  ground.road.tell(undefined);
  wrong.push(...want('a look afterwards', await desk.look(), 'well'));
  wrong.push(...(await wrongIn(ground, desk.registry.state, channels)));
  return wrong;
}

const isThere = (desk: Desk, channel: number): boolean =>
  desk.registry.state.heads[String(channel)] !== undefined;

const matrix = LIES.flatMap((told) =>
  Object.entries(HAPPENINGS).map(
    ([what, happen]): L2Case => ({
      name: `${told.name} hides ${what}`,
      run: (ground) =>
        onDesk(ground, {}, async (desk) => {
          const opened = await ground.open();
          const before = await desk.look();
          ground.road.tell(told.lie);
          await happen(ground, opened);
          // The last block stands alone: what a node makes of it shows in the next one only.
          await ground.mine(1);
          const newest = await ground.site.vault.readChannelCount();
          const channels = [...new Set([opened.channel, newest])];
          return [...want('a look before', before, 'well'), ...(await look(ground, desk, told, channels))];
        }),
    }),
  ),
);

/** Looks after which a provider is taken to give nothing. */
const LOOKS_MAX = 100;

/** Every so-many-th call is refused. */
const often = (every: number, answer: Answer): Lie => {
  let calls = 0;
  return () => {
    calls += 1;
    return calls % every === 0 ? answer : undefined;
  };
};

const RANGES: readonly {
  readonly name: string;
  readonly blocks: number;
  readonly lie?: Lie;
  readonly takesBatches?: boolean;
}[] = [
  { name: 'a provider that takes one call a request', blocks: 150, takesBatches: false },
  ...[10, 500].map((most) => ({
    name: `a provider that takes ${most} blocks of logs`,
    blocks: 600,
    lie: ((method, params: readonly { fromBlock: string; toBlock: string }[]) =>
      method === 'eth_getLogs' && Number(params[0]!.toBlock) - Number(params[0]!.fromBlock) >= most
        ? { error: { code: -32600, message: `eth_getLogs requests with up to a ${most} block range` } }
        : undefined) as Lie,
  })),
  { name: 'a provider that answers every second call with 429', blocks: 20, lie: often(2, { status: 429 }) },
  {
    name: 'a provider that has enough after 37 calls and recovers',
    blocks: 60,
    lie: often(37, {
      error: { code: -32005, message: 'daily request count exceeded, request rate limited' },
    }),
  },
];

const ranges = RANGES.map(
  ({ name, blocks, lie, takesBatches }): L2Case => ({
    name: `no progress with ${name}`,
    run: async (ground) => {
      const startBlock = Number(await ground.site.vault.client.getBlockNumber()) + 1;
      return onDesk(ground, { startBlock }, async (desk) => {
        const { channel } = await ground.open();
        await ground.mine(blocks);
        const newest = Number(await ground.site.vault.client.getBlockNumber());
        ground.road.tell(lie, takesBatches);
        let looks = 0;
        while (desk.watch.finalHeight < newest && looks < LOOKS_MAX) {
          looks += 1;
          await desk.look();
        }
        ground.road.tell(undefined);
        return [
          ...want('height', desk.watch.finalHeight, newest),
          ...(await wrongIn(ground, desk.registry.state, [channel])),
        ];
      });
    },
  }),
);

/** Transactions of a block whose receipts don't fit one node of a trie, nor an index into one byte. */
const CROWD = 200;

const crowds: readonly L2Case[] = [
  {
    name: 'a crowded block hides an exit',
    run: (ground) =>
      onDesk(ground, {}, async (desk) => {
        const { site, rpc } = ground;
        const { channel } = await ground.open();
        await desk.look();
        const accounts = (await rpc('eth_accounts')) as string[];
        const data = encodeFunctionData({
          abi: vaultAbi,
          functionName: 'startExit',
          args: [channel, `0x${'00'.repeat(20)}`],
        });
        await rpc('evm_setAutomine', false);
        try {
          const plain = { from: accounts[7], to: accounts[8], value: '0x1', gas: '0x5208' };
          for (let sent = 0; sent < CROWD; sent += 1) await rpc('eth_sendTransaction', plain);
          await rpc('eth_sendTransaction', {
            from: site.owner.address,
            to: site.deployment.vault,
            data,
            gas: '0x30d40',
          });
        } finally {
          await rpc('evm_setAutomine', true);
          await rpc('evm_mine');
        }
        const found = await desk.look();
        return [
          ...want('look', found, 'well'),
          ...want('exit', desk.registry.state.heads[channel]?.exiting, true),
          ...(await wrongIn(ground, desk.registry.state, [channel])),
        ];
      }),
  },
];

export const LOGS: readonly L2Case[] = [...matrix, ...crowds, ...ranges];
