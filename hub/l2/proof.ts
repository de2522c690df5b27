/**
 * What a block proves by itself. A header hashes to the hash by which the next one names it; its bloom has no false
 * "not here", and its receipts root fits one list of receipts only. So a block whose bloom lacks the vault holds no
 * event of it, and of any other block the receipts are whole or they don't fit: nothing is left out by a node that lags,
 * prunes or loses an answer. Pure functions.
 *
 * What they can't see: a chain that a node made up from its first block on, with headers that fit each other, and which
 * transaction of the block a receipt belongs to.
 */
import { createMPT } from '@ethereumjs/mpt';
import { hexToBytes, keccak256, toHex, toRlp } from 'viem';
import { SundialError } from '../../protocol/errors.ts';
import type { Hex } from '../ports.ts';

/** A block as `eth_getBlockByNumber` gives it, without its transactions' contents. Quantities are hex. */
export type RawBlock = Readonly<Record<string, unknown>> & {
  readonly hash: Hex;
  readonly parentHash: Hex;
  readonly number: Hex;
  readonly timestamp: Hex;
  readonly logsBloom: Hex;
  readonly receiptsRoot: Hex;
  readonly baseFeePerGas?: Hex;
  readonly transactions: readonly Hex[];
};

/** A log within a receipt. */
export interface RawLog {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
}

/** A receipt as nodes give it; the fields of deposits are there on the chains that have them. */
export interface RawReceipt {
  readonly type?: Hex;
  readonly status?: Hex;
  readonly root?: Hex;
  readonly cumulativeGasUsed: Hex;
  readonly logsBloom: Hex;
  readonly logs: readonly RawLog[];
  readonly depositNonce?: Hex;
  readonly depositReceiptVersion?: Hex;
}

/** Fields of a header in the order that is hashed. Those behind `nonce` came one upgrade after the other. */
const HEADER: readonly [name: string, kind: 'bytes' | 'quantity'][] = [
  ['parentHash', 'bytes'],
  ['sha3Uncles', 'bytes'],
  ['miner', 'bytes'],
  ['stateRoot', 'bytes'],
  ['transactionsRoot', 'bytes'],
  ['receiptsRoot', 'bytes'],
  ['logsBloom', 'bytes'],
  ['difficulty', 'quantity'],
  ['number', 'quantity'],
  ['gasLimit', 'quantity'],
  ['gasUsed', 'quantity'],
  ['timestamp', 'quantity'],
  ['extraData', 'bytes'],
  ['mixHash', 'bytes'],
  ['nonce', 'bytes'],
  ['baseFeePerGas', 'quantity'],
  ['withdrawalsRoot', 'bytes'],
  ['blobGasUsed', 'quantity'],
  ['excessBlobGas', 'quantity'],
  ['parentBeaconBlockRoot', 'bytes'],
  ['requestsHash', 'bytes'],
];

/** A quantity as RLP has it: no leading zeros, and nothing at all for 0. */
function quantity(hex: string): Hex {
  const digits = hex.slice(2).replace(/^0+/, '');
  return `0x${digits.length % 2 === 0 ? digits : `0${digits}`}`;
}

const unproved = (message: string, facts: NonNullable<SundialError['facts']>): SundialError =>
  new SundialError('l2_unproved', message, {
    severity: 'call',
    remedy:
      'The node lags or loses answers: the hub believes nothing of it and asks again. Take another node in chain.rpcUrl if it stays so.',
    facts,
  });

/** Throws `l2_unproved` unless the block's fields hash to its hash. */
export function checkHeader(block: RawBlock): void {
  const fields: Hex[] = [];
  for (const [name, kind] of HEADER) {
    const value = block[name];
    if (typeof value !== 'string') break;
    fields.push(kind === 'bytes' ? (value as Hex) : quantity(value));
  }
  const hash = keccak256(toRlp(fields));
  if (hash !== block.hash)
    throw unproved(`block ${Number(block.number)} does not hash to what the node calls it`, {
      block: Number(block.number),
      told: block.hash,
      computed: hash,
    });
}

/** Throws `l2_unproved` unless `block` is the one after the block with this hash. */
export function checkLink(parent: Hex, block: RawBlock): void {
  if (block.parentHash !== parent)
    throw unproved(`block ${Number(block.number)} does not follow the one before it`, {
      block: Number(block.number),
      parent: block.parentHash,
      before: parent,
    });
}

/** Can a block with this bloom hold a log of the address? A false "yes" is possible, a false "no" is not. */
export function mayHold(bloom: Hex, address: Hex): boolean {
  const bits = hexToBytes(bloom);
  const hash = hexToBytes(keccak256(address));
  return [0, 2, 4].every((at) => {
    const bit = ((hash[at]! << 8) | hash[at + 1]!) & 2047;
    return (bits[255 - (bit >> 3)]! & (1 << (bit & 7))) !== 0;
  });
}

/** A receipt as the trie of its block holds it. */
function receiptBytes(receipt: RawReceipt): Uint8Array {
  const { type = '0x0', status, root, cumulativeGasUsed, logsBloom, logs } = receipt;
  const deposit = [receipt.depositNonce, receipt.depositReceiptVersion].filter((field) => field != null);
  const body = toRlp(
    [
      status === undefined ? root! : quantity(status),
      quantity(cumulativeGasUsed),
      logsBloom,
      logs.map(({ address, topics, data }) => [address, [...topics], data]),
      ...(Number(type) === DEPOSIT_TYPE ? deposit.map((field) => quantity(field!)) : []),
    ],
    'bytes',
  );
  return Number(type) === 0 ? body : new Uint8Array([Number(type), ...body]);
}

/** Transactions by which rollups of the OP stack bring in what their L1 says. */
const DEPOSIT_TYPE = 0x7e;

/** Throws `l2_unproved` unless these are all receipts of the block, in order and whole. */
export async function checkReceipts(block: RawBlock, receipts: readonly RawReceipt[]): Promise<void> {
  const trie = await createMPT();
  for (const [i, receipt] of receipts.entries())
    await trie.put(toRlp(quantity(toHex(i)), 'bytes'), receiptBytes(receipt));
  const root = toHex(trie.root());
  if (root !== block.receiptsRoot)
    throw unproved(`the receipts of block ${Number(block.number)} are not those that its header names`, {
      block: Number(block.number),
      receipts: receipts.length,
      told: block.receiptsRoot,
      computed: root,
    });
}
