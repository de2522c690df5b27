/**
 * What headers prove, on blocks that a real node made (blocks.json): the least change of a header or of a receipt is
 * noticed, and no block with an event is taken for one without. Not checked here: what the hub asks a node for
 * (test/edges/l2), and chains whose headers have other fields than Ethereum's.
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { keccak256, toHex } from 'viem';
import {
  checkHeader,
  checkLink,
  checkReceipts,
  mayHold,
  type RawBlock,
  type RawReceipt,
} from '../../hub/l2/proof.ts';
import { seededRandom } from './random.ts';

interface Found {
  readonly block: RawBlock;
  readonly receipts: readonly RawReceipt[];
}
const text = readFileSync('test/hub/blocks.json', 'utf8').replaceAll('EMPTY', `0x${'0'.repeat(512)}`);
const { vault, blocks } = JSON.parse(text) as { vault: `0x${string}`; blocks: readonly Found[] };

const codeOf = async (check: () => unknown): Promise<string> => {
  try {
    await check();
    return 'well';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};

/** The value with one digit changed. */
const other = (hex: string): string => {
  if (hex === '0x') return '0x07';
  return `${hex.slice(0, -1)}${hex.endsWith('7') ? '8' : '7'}`;
};

test('headers hash to their hashes, and receipts to their roots', async () => {
  assert.ok(blocks.length >= 6 && blocks.some(({ receipts }) => receipts[0]?.logs.length === 4));
  for (const { block, receipts } of blocks) {
    assert.is(await codeOf(() => checkHeader(block)), 'well');
    assert.is(await codeOf(() => checkReceipts(block, receipts)), 'well');
  }
});

test('any changed field of a header is noticed', async () => {
  const { block } = blocks.at(-1)!;
  const hashed = Object.keys(block).filter(
    (field) => !['transactions', 'uncles', 'withdrawals', 'size', 'totalDifficulty'].includes(field),
  );
  assert.ok(hashed.length >= 20, `${hashed}`);
  for (const field of hashed) {
    const changed = { ...block, [field]: other(block[field] as string) };
    assert.is(await codeOf(() => checkHeader(changed)), 'l2_unproved', field);
  }
});

test('a block that does not name the one before it is noticed', async () => {
  const [first, second] = [blocks.at(-2)!.block, blocks.at(-1)!.block];
  assert.is(await codeOf(() => checkLink(first.hash, second)), 'well');
  assert.is(await codeOf(() => checkLink(other(first.hash) as `0x${string}`, second)), 'l2_unproved');
});

test('a receipt too few, too many, in another place or changed is noticed', async () => {
  for (const { block, receipts } of blocks) {
    const changes: (readonly RawReceipt[])[] = [[...receipts, blocks.at(-1)!.receipts[0]!]];
    if (receipts.length > 0) changes.push([], receipts.slice(1));
    for (const [i, receipt] of receipts.entries()) {
      const put = (change: Partial<RawReceipt>) =>
        changes.push(receipts.map((own, at) => (at === i ? { ...own, ...change } : own)));
      put({ status: receipt.status === '0x1' ? '0x0' : '0x1' });
      put({ type: '0x1' });
      put({ cumulativeGasUsed: other(receipt.cumulativeGasUsed) as `0x${string}` });
      put({ logsBloom: other(receipt.logsBloom) as `0x${string}` });
      for (const [l, log] of receipt.logs.entries()) {
        const changed = (fields: object) =>
          put({ logs: receipt.logs.map((own, at) => (at === l ? { ...own, ...fields } : own)) });
        put({ logs: receipt.logs.filter((_, at) => at !== l) });
        changed({ address: other(log.address) });
        changed({ data: other(`${log.data}00`) });
        changed({ topics: log.topics.slice(1) });
      }
    }
    for (const changed of changes)
      assert.is(await codeOf(() => checkReceipts(block, changed)), 'l2_unproved', JSON.stringify(changed));
  }
});

test('a trie of many receipts is right at its edges: an index of one byte, of two, and of none', async () => {
  // Roots that another implementation made: an empty list has the root of an empty trie.
  const { block } = blocks[0]!;
  assert.is(block.receiptsRoot, '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421');
  assert.is(await codeOf(() => checkReceipts(block, [])), 'well');
  const [receipt] = blocks.at(-1)!.receipts;
  for (const count of [127, 128, 129, 257])
    assert.is(
      await codeOf(() =>
        checkReceipts(
          block,
          Array.from({ length: count }, () => receipt!),
        ),
      ),
      'l2_unproved',
    );
});

test('a bloom never denies a log that is there', () => {
  let holding = 0;
  for (const { block, receipts } of blocks)
    for (const { logs } of receipts)
      for (const { address } of logs) {
        holding += 1;
        assert.ok(mayHold(block.logsBloom, address));
      }
  assert.ok(holding >= 8);
  // A bloom with the bits of one address, made as the yellow paper says, denies most others.
  const bloom = new Uint8Array(256);
  const hash = BigInt(keccak256(vault));
  for (const shift of [240n, 224n, 208n]) {
    const bit = Number((hash >> shift) & 2047n);
    bloom[255 - Math.floor(bit / 8)]! |= 1 << (bit % 8);
  }
  assert.ok(mayHold(toHex(bloom), vault));
  const random = seededRandom(5);
  const others = Array.from({ length: 200 }, () => toHex(random.bytes(20)));
  assert.ok(others.filter((address) => mayHold(toHex(bloom), address)).length < 5);
  for (let bit = 0; bit < 2048; bit += 1) {
    const less = bloom.slice();
    less[bit >> 3]! &= ~(1 << (bit & 7));
    const isPart = (bloom[bit >> 3]! & (1 << (bit & 7))) !== 0;
    assert.is(mayHold(toHex(less), vault), !isPart);
  }
});

test.run();
