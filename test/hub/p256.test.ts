/** Vouchers of secure elements at the hub: P-256 keys travel with them, and the signer is the key's hash. */
import { p256 } from '@noble/curves/nist.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulatedSecureElement } from '../../hardware/keys/secure-element.ts';
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import { rowOf } from '../../hub/batch/batch.ts';
import { channelBook } from '../../hub/intake/books.ts';
import { amount, channelId } from '../../protocol/integers.ts';
import { decodeMessage, encodeMessage, type MessageOf } from '../../protocol/wire/messages.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { Bench, NOW, signing, tap } from './fleet.ts';

const secret = new Uint8Array(32).fill(31);
const elementOf = (bytes: Uint8Array): SecureKey & { publicKey: Uint8Array } => {
  let count = 0;
  const write = (value: number): void => {
    count = value;
  };
  return simulatedSecureElement(bytes, { read: () => count, write });
};
const element = elementOf(secret);
const stranger = elementOf(new Uint8Array(32).fill(32));
const CHANNEL = channelId(9);
const sample = { channel: CHANNEL, seq: 1, amount: 100, spent: 100, paid: 100 };

/** An intake that knows the channel of the element. */
function bench(): Bench {
  const known = new Bench();
  const facts = {
    payer: element.address,
    deposited: amount(1000),
    spendable: amount(800),
    bond: amount(200),
    exiting: false,
    slashed: false,
  };
  known.step({ type: 'channel', channel: CHANNEL, facts });
  return known;
}

/** The sample's message with some fields changed. */
async function changed(change: Partial<MessageOf<'collectedVoucher'>>, payer: SecureKey = element) {
  const decoded = decodeMessage((await tap({ ...sample, payer })).bytes, 'sync');
  if (!decoded.ok || decoded.message?.type !== 'collectedVoucher') throw new Error('no voucher');
  return encodeMessage({ ...decoded.message, ...change });
}

test("its signer is the last 20 bytes of keccak256 over the key's x and y", () => {
  const [x, y] = [element.publicKey.slice(0, 32), element.publicKey.slice(32)];
  assert.equal(element.address, keccak_256(Uint8Array.from([...x, ...y])).slice(12));
});

test('is acknowledged with low S and with high S, once, and its key goes into the row for the vault', async () => {
  const { id, bytes } = await tap({ ...sample, payer: element });
  const hub = bench();
  assert.is(hub.outcome(bytes), 'acknowledged');
  const signature = p256.sign(id, secret, { prehash: false, lowS: true });
  const s = p256.Point.Fn.ORDER - BigInt(`0x${Buffer.from(signature.slice(32)).toString('hex')}`);
  const high = Uint8Array.from([
    ...signature.slice(0, 32),
    ...Buffer.from(s.toString(16).padStart(64, '0'), 'hex'),
  ]);
  for (const twin of [signature, high]) {
    assert.is(bench().outcome(await changed({ signature: twin })), 'acknowledged');
    assert.is(hub.outcome(await changed({ signature: twin })), 'acknowledged');
  }
  assert.is(hub.records.length, 1, 'a second signature makes no second voucher');
  const [entry] = channelBook(hub.state.books, CHANNEL).entries;
  assert.equal(rowOf(signing, entry!, { entry: id, k: 0, lanes: [] }).key, element.publicKey);
});

test('a wrong key, a key off the curve, no key and bent bytes are refused as not signed', async () => {
  const offCurve = element.publicKey.slice();
  offCurve[0]! ^= 1;
  const cases: [string, Uint8Array][] = [
    ['key of another', await changed({ key: stranger.publicKey })],
    ['signed by another', await changed({ key: element.publicKey }, stranger)],
    ['signed by another with its own key', await changed({}, stranger)],
    ['off the curve', await changed({ key: offCurve })],
    ['all zero', await changed({ key: new Uint8Array(64) })],
    ['bent', await changed({ spent: amount(101) })],
    ['signature of zeros', await changed({ signature: new Uint8Array(64) })],
  ];
  const decoded = decodeMessage(await changed({}), 'sync');
  if (!decoded.ok || decoded.message?.type !== 'collectedVoucher') throw new Error('no voucher');
  const { key: _, ...keyless } = decoded.message;
  cases.push(['no key', encodeMessage(keyless)]);
  for (const [why, bytes] of cases) assert.is(bench().outcome(bytes), 'signature', why);
});

test('asks for a lease with its key beside the request, and is refused without it or with another', async () => {
  const fields = { channel: CHANNEL, seq: 0 as never, spent: amount(0), at: NOW, scope: SCOPE_ANY };
  const signature = await element.sign(signing.digest('LeaseRequest', fields));
  const request = { type: 'leaseRequest', ...fields, signature } as const;
  assert.is(bench().outcome(request), 'signature', 'nobody can be recovered from it');
  assert.is(bench().outcome({ ...request, key: stranger.publicKey }), 'signature');
  const effects = bench().send({ ...request, key: element.publicKey });
  assert.equal(
    effects.map(({ type }) => type),
    ['lease'],
  );
});

test.run();
