/**
 * Looking for announcements on L2 that take from channels in which a payee has money. A node is asked in ranges of blocks, from
 * the oldest announcement that can still be executed on; the last blocks are read twice, as a chain may replace them.
 */
import { getAbiItem } from 'viem';
import { equalBytes, fromHex } from '../../../protocol/bytes.ts';
import type { Signing } from '../../../protocol/signing/digests.ts';
import { watchBlocks } from '../../limits.ts';
import { vaultAbi } from '../../l2/abi.ts';
import { announcedLanes } from '../../l2/announced.ts';
import { payeeIdsIn } from '../../l2/read-batch.ts';
import { RowError } from '../../l2/rows.ts';
import type { Vault } from '../../l2/vault.ts';
import type { Alarm, OfficeBook } from './book.ts';

const ANNOUNCED = getAbiItem({ abi: vaultAbi, name: 'Announced' });
/** Blocks that are read again with the next look. */
const REPLACED_BLOCKS = 128n;

interface Found {
  readonly batch: `0x${string}`;
  readonly executableAt: number;
  readonly rows: Uint8Array;
}

/** The first block dated at or after a time, by halving. */
async function blockAtTime({ client }: Vault, time: number, newest: bigint): Promise<bigint> {
  let [low, high] = [0n, newest];
  while (low < high) {
    const middle = (low + high) / 2n;
    const { timestamp } = await client.getBlock({ blockNumber: middle });
    if (Number(timestamp) < time) low = middle + 1n;
    else high = middle;
  }
  return low;
}

async function announcementsIn(vault: Vault, from: bigint, to: bigint): Promise<Found[]> {
  const found: Found[] = [];
  for (let at = from; at <= to; at += BigInt(watchBlocks.most)) {
    const end = at + BigInt(watchBlocks.most) - 1n;
    const logs = await vault.client.getLogs({
      address: vault.address,
      event: ANNOUNCED,
      fromBlock: at,
      toBlock: end < to ? end : to,
      strict: true,
    });
    for (const { args } of logs) found.push({ ...args, rows: fromHex(args.rows) });
  }
  return found;
}

/**
 * The channels that an announcement may take from. Left out are those whose payer did not sign; who signed a row for a payee
 * that has no id yet can't be told, nor who pays on a channel that is not opened yet.
 */
async function channelsOf(signing: Signing, vault: Vault, rows: Uint8Array): Promise<readonly number[]> {
  let ids: readonly number[];
  try {
    ids = payeeIdsIn(rows);
  } catch (error) {
    if (error instanceof RowError) return [];
    throw error;
  }
  const accounts = new Map<number, Uint8Array>();
  for (const id of ids) {
    const account = await vault.payeeAccount(id);
    if (account !== undefined) accounts.set(id, account);
  }
  const channels = new Map<number, boolean>();
  for (const { channel, signer } of announcedLanes(signing, rows, accounts)) {
    if (channels.get(channel) === true) continue;
    const payer = await vault.readPayer(channel);
    channels.set(channel, payer === undefined || signer === undefined || equalBytes(payer, signer));
  }
  return [...channels].flatMap(([channel, counts]) => (counts ? channel : []));
}

/** What is waiting on L2, of announcements that touch this payee's customers. */
export interface Seen {
  readonly alarms: readonly Alarm[];
  /** Seconds of the vault's clock. */
  readonly clock: number;
}

/** Reads what was announced since the last look, keeps it, and returns what still waits. Throws viem's errors. */
export async function lookAt(book: OfficeBook, signing: Signing, vault: Vault): Promise<Seen> {
  const { client, address } = vault;
  const [newest, clock, slowLane, life] = await Promise.all([
    client.getBlock(),
    vault.readClock(),
    client.readContract({ address, abi: vaultAbi, functionName: 'slowLane' }),
    client.readContract({ address, abi: vaultAbi, functionName: 'ANNOUNCEMENT_LIFE' }),
  ]);
  let from: bigint;
  if (book.height === undefined) {
    // A freeze stops the vault's clock: what was announced before it may still be executed.
    const frozen = Number(newest.timestamp) - clock;
    from = await blockAtTime(vault, Number(newest.timestamp) - slowLane - life - frozen, newest.number);
  } else {
    const again = BigInt(book.height) - REPLACED_BLOCKS;
    from = again < 0n ? 0n : again;
  }
  const found = await announcementsIn(vault, from, newest.number);
  const customers = new Set(book.claims.map(({ channel }) => channel));
  const alarms = new Map(book.alarms.map((alarm) => [alarm.batch, alarm]));
  for (const { batch, executableAt, rows } of found) {
    if (executableAt + life < clock || alarms.has(batch)) continue;
    const channels = await channelsOf(signing, vault, rows);
    // Customers come later, too: all channels are kept, as this payee may have a payment there one day.
    if (channels.length > 0) alarms.set(batch, { batch, executableAt, channels: [...channels] });
  }
  const waiting = [...alarms.values()].filter(({ executableAt }) => executableAt + life >= clock);
  const touches = ({ channels }: Alarm): boolean => channels.some((channel) => customers.has(channel));
  // Those of others go first when there are too many.
  const own = waiting.filter(touches);
  book.keepSeen(Number(newest.number), [...own, ...waiting.filter((alarm) => !touches(alarm))]);
  return { alarms: own, clock };
}
