/**
 * A secure element beside its device: the counter is spent before a signature, the witness follows it before the
 * signature leaves, and a part that fails costs a count and no more. Not checked here: the counter's file
 * (counter-file.test.ts), the curve (test/vectors), the element on a chip (test/xs).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COUNTER_MAX, simulatedSecureElement, witnessed } from '../../hardware/keys/secure-element.ts';
import { KeyFault } from '../../hardware/keys/key-fault.ts';
import { codeOfLater } from '../errors.ts';

/** A counter in memory that notes the order in which it and others are written. */
function counter(name: string, order: string[], value = 0) {
  return {
    value,
    failing: false,
    read() {
      return this.value;
    },
    write(next: number) {
      if (this.failing) throw new KeyFault('key_refused', 'no write');
      order.push(`${name} ${next}`);
      this.value = next;
    },
  };
}

const digest = new Uint8Array(32).fill(3);
const secret = new Uint8Array(32).fill(7);
test('the counter is spent first, and the witness follows before the signature leaves', async () => {
  const order: string[] = [];
  const [store, witness] = [counter('counter', order), counter('witness', order)];
  const element = witnessed(simulatedSecureElement(secret, store), witness);
  assert.is((await element.sign(digest)).length, 64);
  await element.sign(digest);
  assert.equal(order, ['counter 1', 'witness 1', 'counter 2', 'witness 2']);
});

test('a copy of one signature ago is refused', async () => {
  const order: string[] = [];
  const [store, witness] = [counter('counter', order), counter('witness', order)];
  const element = witnessed(simulatedSecureElement(secret, store), witness);
  await element.sign(digest);
  store.value = 0;
  assert.is(await codeOfLater(() => element.sign(digest)), 'counter_went_back');
  assert.is(
    await codeOfLater(() => witnessed(simulatedSecureElement(secret, store), witness)),
    'counter_went_back',
  );
});

test('no signature leaves when the witness can not be stored, and the device opens again', async () => {
  const order: string[] = [];
  const [store, witness] = [counter('counter', order), counter('witness', order)];
  const element = witnessed(simulatedSecureElement(secret, store), witness);
  witness.failing = true;
  assert.is(await codeOfLater(() => element.sign(digest)), 'key_refused');
  witness.failing = false;
  const again = witnessed(simulatedSecureElement(secret, store), witness);
  await again.sign(digest);
  assert.is(witness.value, 2);
});

test('a part that fails to sign leaves the witness at what it counted', async () => {
  const order: string[] = [];
  const [store, witness] = [counter('counter', order), counter('witness', order)];
  const inner = simulatedSecureElement(secret, store);
  const element = witnessed(
    { ...inner, counter: 0, sign: () => Promise.reject(new KeyFault('key_refused', 'once')) },
    witness,
  );
  assert.is(await codeOfLater(() => element.sign(digest)), 'key_refused');
  assert.is(witness.value, 0, 'or the part would be taken for an earlier copy of itself');
  assert.is(await codeOfLater(() => witnessed(inner, witness).sign(digest)), 'done');
});

test('a key ends with its counter', async () => {
  const order: string[] = [];
  const store = counter('counter', order, COUNTER_MAX - 1);
  const element = simulatedSecureElement(secret, store);
  assert.is(await codeOfLater(() => element.sign(digest)), 'done');
  assert.is(await codeOfLater(() => element.sign(digest)), 'key_refused');
  assert.is(await codeOfLater(() => element.sign(new Uint8Array(31))), 'digest_invalid');
  assert.is(await codeOfLater(() => simulatedSecureElement(new Uint8Array(32), store)), 'key_invalid');
});

test.run();
