/** The simulated secure element behind the same interface as the other keys. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  COUNTER_MAX,
  type CounterStore,
  simulatedSecureElement,
  witnessed,
} from '../../hardware/keys/secure-element.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { codeOfLater } from '../errors.ts';

const test = suite('simulated secure element');
const secret = new Uint8Array(32).fill(3);

/** A store that can lose the power: `failing` throws as a part without power would. */
function storeAt(value: number): CounterStore & { value: number; failing: boolean } {
  return {
    value,
    failing: false,
    read() {
      return this.value;
    },
    write(next) {
      if (this.failing) throw new Error('no power');
      this.value = next;
    },
  };
}

test('signs what the suite recovers to its address, with the key beside the signature', async () => {
  const element = simulatedSecureElement(secret, storeAt(0));
  const digest = new Uint8Array(32).fill(7);
  const signature = await element.sign(digest);
  assert.is(signature.length, 64);
  assert.equal(nobleSuite.recover(digest, signature, element.publicKey), element.address);
  assert.is(nobleSuite.recover(new Uint8Array(32).fill(8), signature, element.publicKey), undefined);
  assert.not('secret' in element);
});

test('the counter is spent before the signature leaves, and is not given back', async () => {
  const store = storeAt(41);
  const element = simulatedSecureElement(secret, store);
  await element.sign(new Uint8Array(32));
  assert.is(element.counter, 42);
  store.failing = true;
  let refused = '';
  await element.sign(new Uint8Array(32)).catch((error: Error) => {
    refused = error.message;
  });
  assert.is(refused, 'no power');
  assert.is(simulatedSecureElement(secret, store).counter, 42, 'the same after a restart');
});

test('at the end of its counter it signs nothing more', async () => {
  const element = simulatedSecureElement(secret, storeAt(COUNTER_MAX));
  let code = '';
  await element.sign(new Uint8Array(32)).catch((error: { code: string }) => {
    code = error.code;
  });
  assert.is(code, 'key_refused');
});

/** The code that a promise rejects with, or that a call throws. */
test('a counter that went back is refused at the start and before every signature', async () => {
  const [store, witness] = [storeAt(7), storeAt(0)];
  const key = witnessed(simulatedSecureElement(secret, store), witness);
  await key.sign(new Uint8Array(32));
  assert.is(witness.value, 8, 'the device has seen what the part counted');
  store.value = 7;
  assert.is(await codeOfLater(() => key.sign(new Uint8Array(32))), 'counter_went_back');
  assert.is(store.value, 7, 'nothing was signed');
  assert.is(
    await codeOfLater(() => witnessed(simulatedSecureElement(secret, store), witness)),
    'counter_went_back',
  );
  store.value = 9;
  assert.is(
    await codeOfLater(() => key.sign(new Uint8Array(32))),
    'done',
    'counts that a power cut lost are no harm',
  );
});

test('no signature leaves before the witness has its count', async () => {
  const [store, witness] = [storeAt(0), storeAt(0)];
  const key = witnessed(simulatedSecureElement(secret, store), witness);
  witness.failing = true;
  assert.is(await codeOfLater(() => key.sign(new Uint8Array(32))), 'no power');
  witness.failing = false;
  assert.is(await codeOfLater(() => key.sign(new Uint8Array(32))), 'done');
  assert.equal([store.value, witness.value], [2, 2]);
});

test.run();
