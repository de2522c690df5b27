import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import { openQuestions, prepareMessage, type Question, withSigners } from '../../hub/intake/prepare.ts';
import { makeKeccak256 } from '../../hub/crypto/keccak.ts';
import { RecoverPool } from '../../hub/crypto/recover-pool.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { context, key, NOW, preparedState, signing, suite, tap } from './fleet.ts';
import { rounds, seededRandom } from './random.ts';

test('the native library loads on this machine', () => {
  assert.is(loadCrypto().kind, 'native');
});

test('native and reference recovery agree on good, damaged and random signatures', async () => {
  for (const seed of rounds(300, 5_000)) {
    const random = seededRandom(seed);
    const digest = random.bytes(32);
    const signature = random.chance(0.2) ? random.bytes(64) : await key(random.below(50)).sign(digest);
    if (random.chance(0.6)) {
      const at = random.below(64);
      signature[at] = signature[at]! ^ (1 << random.below(8));
    }
    for (const [start, end, value] of [
      [0, 32, 0],
      [32, 64, 0],
      [0, 32, 255],
      [32, 64, 255],
    ] as const) {
      if (random.chance(0.03)) signature.fill(value, start, end);
    }
    assert.equal(suite.recover(digest, signature), nobleSuite.recover(digest, signature), `seed ${seed}`);
  }
});

test('the fast keccak256 agrees with the reference at every length around its blocks', () => {
  const random = seededRandom(9);
  const fast = makeKeccak256()!;
  for (let length = 0; length < 600; length += 1) {
    const bytes = random.bytes(length);
    assert.equal(fast(bytes), nobleSuite.keccak256(bytes), `${length} bytes`);
  }
  assert.equal(fast(new Uint8Array(100_000).fill(7)), nobleSuite.keccak256(new Uint8Array(100_000).fill(7)));
});

test('threads answer as the suite does, for good and bad signatures, in order', async () => {
  const pool = RecoverPool.start(loadCrypto())!;
  const random = seededRandom(4);
  const questions: Question[] = [];
  for (let i = 0; i < 200; i += 1) {
    const digest = random.bytes(32);
    const signature = await key(random.below(50)).sign(digest);
    if (random.chance(0.5)) signature[random.below(64)] = random.below(256);
    if (random.chance(0.1)) signature.fill(random.chance(0.5) ? 0 : 255);
    questions.push({ digest, signature });
  }
  const parts = [questions.slice(0, 7), questions.slice(7, 90), questions.slice(90)];
  const answers = await Promise.all(parts.map((part) => pool.ask(part)));
  assert.equal(
    answers.flatMap((part) => part!.map((address) => address && Uint8Array.from(address))),
    questions.map(({ digest, signature }) => suite.recover(digest, signature)),
  );
  await pool.close();
});

test('when the threads are gone, whoever asked is told that nobody knows', async () => {
  const pool = RecoverPool.start(loadCrypto())!;
  const digest = new Uint8Array(32);
  const asked = Array.from({ length: 50 }, () => pool.ask([{ digest, signature: new Uint8Array(64) }]));
  await pool.close();
  const answers = await Promise.all(asked);
  assert.ok(answers.every((answer) => answer === undefined || answer[0] === undefined));
  assert.is(await pool.ask([{ digest, signature: new Uint8Array(64) }]), undefined);
});

test('a message prepared with signers from threads is judged as without them', async () => {
  const pool = RecoverPool.start(loadCrypto())!;
  const good = await tap({ seq: 1, amount: 5, spent: 5, paid: 5 });
  const forged = await tap({ seq: 2, amount: 5, spent: 10, paid: 10, payer: key(99) });
  const unanswered = await tap({ seq: 2, amount: 5, spent: 10, paid: 10, answer: 'nothing' });
  const entries = [good.bytes, forged.bytes, Uint8Array.of(7), unanswered.bytes];
  const bytes = encodeMessage({ type: 'pack', entries });
  const prepared = prepareMessage(signing, bytes);
  const open = openQuestions(prepared);
  assert.is(open.length, 2);
  const answers = await pool.ask(
    open.flatMap(({ id, collected, answer }) => [{ digest: id, signature: collected.signature }, answer!()]),
  );
  const signers = open.map((_, i) => ({ payer: answers![2 * i], answer: answers![2 * i + 1] }));
  const plain = intakeStep(context, preparedState(), { type: 'message', device: 'd', bytes, now: NOW });
  const ahead = intakeStep(context, preparedState(), {
    type: 'message',
    device: 'd',
    bytes,
    now: NOW,
    prepared: withSigners(prepared, signers.values()),
  });
  assert.equal(ahead, plain);
  await pool.close();
});

test.run();
