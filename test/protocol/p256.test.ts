/** A payer whose key is a secure element: P-256, not recoverable, so that the key travels beside the voucher. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulatedSecureElement } from '../../hardware/keys/secure-element.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { TAP_MESSAGE_BYTES_MAX, VOUCHER_BYTES_MAX } from '../../protocol/limits.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  deliverTick,
  lease,
  link,
  makeTerminal,
  type Payer,
  provisioned,
  sale,
  secret,
  startPayer,
  streamSale,
  tap,
  type Terminal,
} from './bench.ts';
import { voucherFor } from './forge.ts';

const element = (n: number) => {
  let count = 0;
  const store = {
    read: () => count,
    write: (value: number) => {
      count = value;
    },
  };
  return simulatedSecureElement(secret(n), store);
};
const own = element(21);
const other = element(22);

async function wearable(): Promise<Payer> {
  return startPayer(await provisioned({ payer: own.address }), {
    key: own,
    settings: { scheme: 'p256', key: own.publicKey },
  });
}

/** Greets as the channel of `own`, with any bytes as its key, and sends its voucher. */
async function pays(terminal: Terminal, key: Uint8Array | undefined, signer = own): Promise<void> {
  await terminal.on(sale(1000));
  await terminal.on({ type: 'linkUp' });
  const hello = { type: 'hello', channel: CHANNEL, payer: own.address, ...(key && { key }) } as const;
  await terminal.on({ type: 'message', message: hello });
  await terminal.on({ type: 'message', message: await lease({ payer: own.address }) });
  await terminal.on({ type: 'message', message: await voucherFor(terminal, {}, signer) });
}

test('pays, is receipted, and its key goes to the hub with the voucher; every message fits one packet', async () => {
  const payer = await wearable();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 1000, 1);
  await tap(payer, terminal, 500, 2);
  assert.equal(
    terminal.said('approved').map(({ amount }) => amount),
    [1000, 500],
  );
  assert.is(payer.state.books.unconfirmed.length, 0);
  for (const { collected } of payer.state.books.outbox) assert.equal(collected.key, own.publicKey);
  for (const message of [...payer.sent, ...terminal.sent])
    assert.ok(encodeMessage(message).length <= TAP_MESSAGE_BYTES_MAX, message.type);
  for (const message of payer.sent.filter(({ type }) => type === 'voucher'))
    assert.ok(encodeMessage(message).length <= VOUCHER_BYTES_MAX);
});

test('a cut between signature and answer: the same voucher is resolved, with the key in the new greeting', async () => {
  const payer = await wearable();
  const terminal = await makeTerminal();
  await tap(payer, terminal, 1000, 1, (message) => message.type === 'receipt');
  assert.is(payer.state.books.unconfirmed.length, 1);
  const again = await startPayer(payer.state.books, {
    key: own,
    settings: { scheme: 'p256', key: own.publicKey },
  });
  await link(again, terminal);
  assert.is(again.state.books.unconfirmed.length, 0);
  assert.is(terminal.said('approved').length, 1);
  assert.is(own.counter > 0, true);
});

test('streams too: the key travels once, ticks are hashes, and the closing voucher is signed by the element', async () => {
  const payer = await wearable();
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await link(payer, terminal);
  for (const k of [1, 2, 3]) assert.is(await deliverTick(terminal), k);
  await payer.on({ type: 'stop' });
  assert.is(await deliverTick(terminal), 4, 'the tick that was revealed before the stop');
  await terminal.on(sale(0, 2));
  assert.is(terminal.state.books.lanes[0]?.base, 40);
  assert.is(payer.state.books.spent, 40);
  assert.is(payer.state.books.stream, undefined);
  assert.is(terminal.state.books.outbox.length > 0, true);
  for (const message of [...payer.sent, ...terminal.sent])
    assert.ok(encodeMessage(message).length <= TAP_MESSAGE_BYTES_MAX, message.type);
});

test('a key that did not sign, a key off the curve, and no key are refused as not signed', async () => {
  const offCurve = own.publicKey.slice();
  offCurve[63]! ^= 1;
  for (const [why, key, signer] of [
    ['the key of another element', other.publicKey, own],
    ['signed by another element, shown with its key', other.publicKey, other],
    ['signed by another element', own.publicKey, other],
    ['off the curve', offCurve, own],
    ['all zero', new Uint8Array(64), own],
    ['no key at all', undefined, own],
  ] as const) {
    const terminal = await makeTerminal();
    await pays(terminal, key, signer);
    assert.equal(terminal.refused, ['signature'], why);
    assert.is(terminal.said('approved').length, 0);
  }
  const terminal = await makeTerminal();
  await pays(terminal, own.publicKey);
  assert.is(terminal.said('approved').length, 1, 'and its own is taken');
});

test('a terminal that checks secp256k1 only refuses the greeting, so that the payer signs nothing', async () => {
  const payer = await wearable();
  const suite = { ...nobleSuite, p256: false };
  const terminal = await makeTerminal({
    signing: makeSigning(suite, { chainId: 31337, vault: new Uint8Array(20).fill(0xaa) }),
  });
  await tap(payer, terminal, 1000, 1);
  assert.equal(terminal.refused, ['scheme_unsupported']);
  assert.equal(
    payer.said('refused').map(({ code, by }) => [code, by]),
    [['scheme_unsupported', 'peer']],
  );
  assert.is(payer.state.books.seq, 0);
  assert.is(payer.state.books.unconfirmed.length, 0);
});

test.run();
