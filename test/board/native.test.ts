/** The chip computes what noble computes, from flash that it can't write. */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytes, hex, SelfTest } from './selftest-client.ts';

const test = suite('native crypto on the chip');
let self: SelfTest;
test.before(async () => {
  self = await new SelfTest().start();
});
test.after(() => self.stop());

const sample = (size: number, salt: number): Uint8Array =>
  sha256(Uint8Array.of(salt, size)).slice(0, Math.min(size, 32));
const long = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 0xff);
const compact = (digest: Uint8Array, secret: Uint8Array): string => {
  const made = secp256k1.sign(digest, secret, { prehash: false, format: 'recovered' });
  const out = made.slice(1);
  out[32]! |= made[0]! << 7;
  return hex(out);
};
const addressOf = (secret: Uint8Array): string =>
  hex(keccak_256(secp256k1.getPublicKey(secret, false).slice(1)).slice(12));

test('keccak256 and sha256 agree with noble around every block edge', async () => {
  for (const size of [1, 55, 56, 64, 135, 136, 137, 272, 500]) {
    assert.is(await self.ask('keccak256', long(size)), `ok ${hex(keccak_256(long(size)))}`);
    assert.is(await self.ask('sha256', long(size)), `ok ${hex(sha256(long(size)))}`);
  }
});

test('signatures are byte-identical to noble, and recover to the signer', async () => {
  for (let i = 1; i <= 12; i++) {
    const secret = sample(32, i);
    const digest = sample(32, 100 + i);
    const signature = compact(digest, secret);
    assert.is(await self.ask('sign', digest, secret), `ok ${signature}`);
    assert.is(await self.ask('recover', digest, bytes(signature)), `ok ${addressOf(secret)}`);
  }
});

test('what nobody signed is nobody', async () => {
  const digest = sample(32, 1);
  assert.is(await self.ask('recover', digest, new Uint8Array(64)), 'ok none');
  assert.is(await self.ask('recover', digest, new Uint8Array(64).fill(0xff)), 'ok none');
  assert.is(await self.ask('recover', digest, new Uint8Array(63).fill(1)), 'ok none');
});

test("the board's own key signs without JavaScript seeing it, and stays the same after kill -9", async () => {
  const digest = sample(32, 3);
  const address = await self.ask('address');
  const signature = await self.ask('keySign', digest);
  assert.is(await self.ask('recover', digest, bytes(signature.slice(3))), address);
  await self.board.kill();
  await self.start({ seed: new Uint8Array(32).fill(2) });
  assert.is(await self.ask('address'), address);
});

test.run();
