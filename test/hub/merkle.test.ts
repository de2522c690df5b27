import { createHash } from 'node:crypto';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isError } from '../../hub/errors.ts';
import { checkpoint, type Keccak256, MerkleTree, rootFromProof } from '../../hub/ledger/merkle.ts';
import { seededRandom } from './random.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const leaf = (index: number) => Buffer.from(`record ${index}`);

/** RFC 6962 section 2.1 word for word: slow, and so an independent judge. */
function rootByDefinition(hash: Keccak256, leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return hash(new Uint8Array(0));
  if (leaves.length === 1) return hash(Buffer.concat([Buffer.of(0), leaves[0]!]));
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return hash(
    Buffer.concat([
      Buffer.of(1),
      rootByDefinition(hash, leaves.slice(0, k)),
      rootByDefinition(hash, leaves.slice(k)),
    ]),
  );
}

test('the published roots of the certificate-transparency test tree come out with SHA-256', () => {
  const sha256: Keccak256 = (bytes) => createHash('sha256').update(bytes).digest();
  const inputs = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ];
  const roots = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];
  const tree = new MerkleTree(sha256);
  for (const [index, input] of inputs.entries()) {
    tree.append(Buffer.from(input, 'hex'));
    assert.is(hex(tree.root()), roots[index]);
  }
});

test('roots of every earlier size and all proofs agree with the definition', () => {
  const tree = new MerkleTree(keccak_256);
  const leaves: Uint8Array[] = [];
  for (let index = 0; index < 70; index += 1) {
    leaves.push(leaf(index));
    tree.append(leaf(index));
  }
  for (let size = 0; size <= leaves.length; size += 1) {
    const root = rootByDefinition(keccak_256, leaves.slice(0, size));
    assert.is(hex(tree.root(size)), hex(root));
    for (let index = 0; index < size; index += 1) {
      const path = tree.proof(index, size);
      assert.is(hex(rootFromProof(keccak_256, leaf(index), index, size, path)!), hex(root));
      const wrong = rootFromProof(keccak_256, leaf(index + 1), index, size, path)!;
      assert.is.not(hex(wrong), hex(root));
      if (path.length > 0)
        assert.is(rootFromProof(keccak_256, leaf(index), index, size, path.slice(1)), undefined);
    }
  }
});

test('a proof outside the tree is refused by name', () => {
  const tree = new MerkleTree(keccak_256);
  tree.append(leaf(0));
  for (const ask of [() => tree.proof(1), () => tree.proof(0, 2), () => tree.root(2), () => tree.proof(-1)]) {
    assert.throws(ask, (error: unknown) => isError(error, 'proof_range'));
  }
});

test('a checkpoint binds size and root', () => {
  const root = keccak_256(Buffer.from('root'));
  const expected = keccak_256(Buffer.concat([Buffer.from('000000010203', 'hex'), root]));
  assert.is(hex(checkpoint(keccak_256, 0x010203, root)), hex(expected));
});

test('a tree whose whole tiles stand elsewhere has the roots and proofs of one in memory, also when it is opened again', () => {
  const random = seededRandom(3);
  const stored = new Map<string, Uint8Array>();
  const tiles = { tile: (level: number, index: number) => stored.get(`${level}/${index}`) };
  const whole = new MerkleTree(keccak_256);
  let tree = new MerkleTree(keccak_256, tiles);
  let written = 0;
  for (let size = 0; size < 3_000; size += 1) {
    whole.append(leaf(size));
    tree.append(leaf(size));
    if (random.chance(0.01)) {
      for (const { level, index, bytes } of tree.tilesOf(written, tree.size))
        stored.set(`${level}/${index}`, bytes);
      written = tree.size;
      tree.stored(written);
      // A kill: what was appended since is appended again.
      if (random.chance(0.3)) tree = new MerkleTree(keccak_256, tiles, written);
    }
    if (!random.chance(0.02)) continue;
    const of = 1 + random.below(tree.size);
    const index = random.below(of);
    assert.is(hex(tree.root(of)), hex(whole.root(of)));
    assert.equal(tree.proof(index, of).map(hex), whole.proof(index, of).map(hex));
    assert.is(hex(tree.leaf(index)), hex(whole.leaf(index)));
  }
  assert.is(Math.max(...[...stored.values()].map(({ length }) => length)), 256 * 32);
});

test.run();
