/**
 * The events of vault, pots and registry in a range of blocks, proved block by block (proof.ts). `eth_getLogs` is not asked: its answer may
 * be short or empty without saying so. Cost: one header a block, and of a block whose bloom matches the vault its
 * receipts; a few at a time, so that memory and the node's patience are bounded.
 */
import { type Address, decodeEventLog, numberToHex, type PublicClient } from 'viem';
import { SundialError } from '../../protocol/errors.ts';
import { isError } from '../errors.ts';
import { headersAtOnce, headersInBatch } from '../limits.ts';
import type { Block, Hex } from '../ports.ts';
import { vaultAbi } from './abi.ts';
import { potsAbi } from './pots-abi.ts';
import { registryAbi } from './registry-abi.ts';
import { isBusy } from './chain.ts';
import { checkHeader, checkLink, checkReceipts, mayHold, type RawBlock, type RawReceipt } from './proof.ts';

/** The vault, its pots and its registry: whose events are read. */
const eventsAbi = [...vaultAbi, ...potsAbi, ...registryAbi] as const;

/** An event of one of them, decoded. */
export type VaultEvent = ReturnType<typeof decodeEventLog<typeof eventsAbi>> & {
  readonly height: number;
  /** As the node says: receipts don't name it, so it is for people, and nothing is decided by it. */
  readonly transaction: Hex;
};

/** What a node proved of the blocks that it was asked for. */
export interface ProvedRange {
  readonly events: readonly VaultEvent[];
  /** Hash of the block before the first. */
  readonly parent: Hex;
  /** The last block that was read: the node may have had enough before the end. */
  readonly last: Block;
}

/** A raw call of the node. */
type Rpc = (call: { readonly method: string; readonly params: readonly unknown[] }) => Promise<unknown>;
const rpcOf = (client: PublicClient): Rpc => client.request as unknown as Rpc;

/** A block whose header hashes to its hash. Throws what the client throws, and `l2_away` when the node has none. */
export async function provedBlock(
  client: PublicClient,
  at: number | 'latest' | 'finalized',
): Promise<RawBlock> {
  const tag = typeof at === 'number' ? numberToHex(at) : at;
  const block = (await rpcOf(client)({
    method: 'eth_getBlockByNumber',
    params: [tag, false],
  })) as RawBlock | null;
  if (block === null) throw noBlock(at);
  checkHeader(block);
  if (typeof at === 'number' && Number(block.number) !== at) throw noBlock(at);
  return block;
}

/** What the port says of a block. */
export const blockOf = (block: RawBlock): Block => ({
  height: Number(block.number),
  at: Number(block.timestamp),
  hash: block.hash,
  baseFee: BigInt(block.baseFeePerGas ?? 0),
});

const noBlock = (at: number | string): SundialError =>
  new SundialError('l2_away', `the node has no block ${at}`, {
    severity: 'call',
    remedy: 'Nothing to do: the hub asks again. A node that stays behind has to be replaced.',
  });

/**
 * Headers of one node, many in a request as long as the node takes that, and each alone from then on. How many at once
 * follows what the node takes.
 */
export class Headers {
  private readonly single: PublicClient;
  private readonly batched: PublicClient;
  private takesBatches = true;
  private size: number = headersInBatch;

  /** Two clients of the same node; `batched` sends the calls of one turn together. */
  constructor(single: PublicClient, batched: PublicClient) {
    this.single = single;
    this.batched = batched;
  }

  /** How many are asked for at once. */
  get atOnce(): number {
    return Math.min(this.size, this.takesBatches ? headersInBatch : headersAtOnce);
  }

  /** These blocks, each found or not. Throws nothing. */
  async read(heights: readonly number[]): Promise<PromiseSettledResult<RawBlock>[]> {
    if (!this.takesBatches || heights.length === 1) return this.ask(this.single, heights);
    const found = await this.ask(this.batched, heights);
    const isLost = found.every(({ status }) => status === 'rejected');
    if (!isLost || isBusy((found[0] as PromiseRejectedResult).reason)) return found;
    // Nothing at all: does the node answer when it is asked for one?
    const [first] = await this.ask(this.single, heights.slice(0, 1));
    if (first!.status === 'rejected') return found;
    this.takesBatches = false;
    return this.ask(this.single, heights.slice(0, headersAtOnce));
  }

  private ask(client: PublicClient, heights: readonly number[]): Promise<PromiseSettledResult<RawBlock>[]> {
    return Promise.allSettled(heights.map((height) => provedBlock(client, height)));
  }

  /** The node gave all that it was asked for. */
  more(): void {
    this.size = Math.min(2 * this.size, headersInBatch);
  }

  /** It says that this is too much. False when it can't be less. */
  fewer(): boolean {
    const before = this.atOnce;
    this.size = Math.max(1, Math.floor(before / 4));
    return before > 1;
  }
}

/**
 * Reads blocks `from` to `to`, at least the first. A node that says it is asked too much is asked for fewer at once. When
 * it fails on the way, what was proved before counts. Throws what the client throws, and `l2_unproved`.
 */
export async function provedRange(
  client: PublicClient,
  headers: Headers,
  contracts: readonly Address[],
  from: number,
  to: number,
): Promise<ProvedRange> {
  const events: VaultEvent[] = [];
  let parent: Hex | undefined;
  let last: RawBlock | undefined;
  for (let at = from; at <= to; ) {
    const heights = Array.from({ length: Math.min(headers.atOnce, to - at + 1) }, (_, i) => at + i);
    try {
      for (const found of await headers.read(heights)) {
        if (found.status === 'rejected') throw found.reason;
        const block = found.value;
        if (last !== undefined) checkLink(last.hash, block);
        if (contracts.some((contract) => mayHold(block.logsBloom, contract)))
          events.push(...(await eventsOf(client, contracts, block)));
        parent ??= block.parentHash;
        last = block;
        at += 1;
      }
      headers.more();
    } catch (error) {
      if (isBusy(error) && headers.fewer()) continue;
      // What doesn't fit may not fit because of the block before.
      if (last === undefined || isError(error, 'l2_unproved')) throw error;
      break;
    }
  }
  return { events, parent: parent!, last: blockOf(last!) };
}

/** The vault's events in one block, from receipts that its header proves. */
async function eventsOf(
  client: PublicClient,
  contracts: readonly Address[],
  block: RawBlock,
): Promise<VaultEvent[]> {
  const receipts = await receiptsOf(rpcOf(client), block);
  await checkReceipts(block, receipts);
  const addresses = contracts.map((contract) => contract.toLowerCase());
  return receipts.flatMap(({ logs }, i) =>
    logs.flatMap((log): VaultEvent[] => {
      if (!addresses.includes(log.address.toLowerCase())) return [];
      const { topics, data } = log;
      const decoded = decodeEventLog({
        abi: eventsAbi,
        topics: topics as [Hex, ...Hex[]],
        data,
        strict: false,
      });
      const transaction = block.transactions[i] ?? block.hash;
      return [{ ...(decoded as VaultEvent), height: Number(block.number), transaction }];
    }),
  );
}

/** All receipts of a block: in one answer, or from a node that has no such question one by one. */
async function receiptsOf(rpc: Rpc, block: RawBlock): Promise<readonly RawReceipt[]> {
  try {
    const whole = await rpc({ method: 'eth_getBlockReceipts', params: [block.number] });
    if (whole !== null) return whole as readonly RawReceipt[];
  } catch (error) {
    if (!isUnknownMethod(error)) throw error;
  }
  const receipts: RawReceipt[] = [];
  for (let at = 0; at < block.transactions.length; at += headersAtOnce) {
    const hashes = block.transactions.slice(at, at + headersAtOnce);
    const found = await Promise.all(
      hashes.map((hash) => rpc({ method: 'eth_getTransactionReceipt', params: [hash] })),
    );
    for (const [i, receipt] of found.entries()) {
      if (receipt === null) throw noReceipt(hashes[i]!);
      receipts.push(receipt as RawReceipt);
    }
  }
  return receipts;
}

const noReceipt = (hash: Hex): SundialError =>
  new SundialError('l2_unproved', `the node has a block but no receipt of its transaction ${hash}`, {
    severity: 'call',
    remedy: 'Nothing to do: the hub asks again. A node that keeps no receipts has to be replaced.',
  });

/** Did the node say that it has no such question? */
const isUnknownMethod = (error: unknown): boolean =>
  /MethodNotFound|MethodNotSupported|UnsupportedProviderMethod/.test((error as Error).name ?? '') ||
  /method .*(not (found|available|supported|exist)|unsupported)|does not exist/i.test(
    (error as Error).message ?? '',
  );
