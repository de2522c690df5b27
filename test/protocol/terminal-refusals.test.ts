/** Everything a terminal refuses: the named code, no change of its books, and the next customer is served. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount, seconds } from '../../protocol/integers.ts';
import { refundEarlier } from '../../protocol/machines/terminal/earlier.ts';
import type { RefusalName } from '../../protocol/refusals.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { requestHash } from '../../protocol/vouchers.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  challenge,
  deliverTick,
  keys,
  lease,
  link,
  makePayer,
  makeTerminal,
  sale,
  secret,
  signing,
  START,
  streamSale,
  TAP_LIMIT,
  tap,
  type Terminal,
} from './bench.ts';
import {
  closedRequest,
  greet,
  later,
  message,
  preimage,
  resolveFor,
  streamFor,
  tickMessage,
  voucherFor,
} from './forge.ts';
import { fillOutbox, goesOn, refuses, situation } from './situations.ts';

test('a terminal without a time basis opens no request', async () => {
  const terminal = await makeTerminal({ realTime: undefined });
  const { books } = terminal.state;
  await terminal.on(sale(1000));
  assert.equal(terminal.refused, ['no_time_basis']);
  assert.is(terminal.state.volatile.open, undefined);
  assert.ok(terminal.state.books === books, 'the books are the same');
});

test('a terminal with a full outbox opens no request', async () => {
  const terminal = await makeTerminal({ settings: { outboxMax: 2 } });
  await greet(terminal);
  await fillOutbox(terminal);
  await terminal.on(sale(1000));
  assert.equal(terminal.refused, ['outbox_full']);
  assert.is(terminal.state.volatile.open, undefined);
});

test('a terminal that may not take the amount in all says so at the sale', async () => {
  const terminal = await makeTerminal({ settings: { capTotal: amount(999) } });
  await terminal.on(sale(1000));
  assert.equal(terminal.refused, ['cap_total']);
  assert.is(terminal.state.volatile.open, undefined);
  await terminal.on(sale(999));
  assert.ok(terminal.state.volatile.open);
});

test('a stream of no tick, of too many, or of worthless ticks is not offered', async () => {
  const terminal = await makeTerminal();
  for (const [value, ticks] of [[1, 0] as const, [1, 257] as const, [0, 10] as const])
    await terminal.on(streamSale(value, ticks));
  assert.equal(terminal.refused, ['stream_terms', 'stream_terms', 'stream_terms']);
  await terminal.on(streamSale(1, 256));
  assert.ok(terminal.state.volatile.open);
});

test('wrong domain: a voucher for another vault or chain is not signed for this one', async () => {
  for (const domain of [
    { chainId: 31337, vault: secret(0xab).slice(0, 20) },
    { chainId: 1, vault: signing.domain.vault },
  ]) {
    const { terminal } = await situation([]);
    const foreign = makeSigning(signing.suite, domain);
    await refuses(terminal, await voucherFor(terminal, {}, keys.payer, foreign), 'signature');
    await goesOn(terminal);
  }
});

test('wrong lane: a voucher for another payee is not signed for this one', async () => {
  const { terminal } = await situation([]);
  await refuses(terminal, await voucherFor(terminal, { payee: keys.stranger.address }), 'signature');
  await goesOn(terminal);
});

test('a changed number, a flipped bit, a zero and a high-S signature all fail as signature', async () => {
  const { terminal, voucher } = await situation([]);
  await refuses(terminal, { ...voucher, spent: amount(voucher.spent + 1) }, 'signature');
  await refuses(terminal, { ...voucher, paid: amount(voucher.paid + 1), spent: amount(1001) }, 'signature');
  const flipped = voucher.signature.slice();
  flipped[5] = flipped[5]! ^ 1;
  await refuses(terminal, { ...voucher, signature: flipped }, 'signature');
  await refuses(terminal, { ...voucher, signature: new Uint8Array(64) }, 'signature');
  await refuses(terminal, { ...voucher, signature: new Uint8Array(64).fill(0xff) }, 'signature');
  await refuses(terminal, { ...voucher, signature: highS(voucher.signature) }, 'signature');
  await terminal.on(message(voucher));
  assert.is(terminal.said('approved').length, 1, 'the right one is approved after all');
});

/** The same signature with n - s: valid for many libraries, never for us. */
function highS(signature: Uint8Array): Uint8Array {
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  let s = 0n;
  const bytes = signature.slice();
  const parity = bytes[32]! >> 7;
  bytes[32] = bytes[32]! & 0x7f;
  for (const byte of bytes.slice(32)) s = (s << 8n) | BigInt(byte);
  let rest = n - s;
  for (let i = 63; i >= 32; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  // A high s has its top bit set already, so there is no place for the parity: both readings must fail.
  bytes[32] = bytes[32]! | ((1 - parity) << 7);
  return bytes;
}

test('a voucher for no open request says so', async () => {
  const terminal = await makeTerminal();
  await terminal.on(sale(1000));
  await greet(terminal);
  const voucher = await voucherFor(terminal);
  await terminal.on({ type: 'cancel' });
  await refuses(terminal, voucher, 'no_open_request');
  await goesOn(terminal);
});

test('a stream for a sale, or a voucher for a stream sale, finds no open request', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 10));
  await greet(terminal);
  const stream = await streamFor(terminal);
  const voucher = await voucherFor(terminal);
  await refuses(terminal, voucher, 'no_open_request');
  await terminal.on(sale(1000, 2));
  await refuses(terminal, stream, 'no_open_request');
});

test("another terminal's request is not this terminal's to judge", async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  const other = closedRequest({ terminal: keys.terminal2.address });
  await refuses(terminal, await resolveFor(other), 'not_mine');
  await goesOn(terminal);
});

test('a request from its own future was never issued by this terminal', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  await refuses(terminal, await resolveFor(closedRequest({ at: later(3) })), 'not_mine');
  await goesOn(terminal);
});

test('a terminal without a time basis judges no request that is newer than all it knows', async () => {
  const terminal = await makeTerminal({ realTime: undefined });
  await greet(terminal);
  await refuses(terminal, await resolveFor(closedRequest()), 'no_time_basis');
});

test('a voucher on another channel than the one that greeted is refused', async () => {
  const { terminal, voucher } = await situation([]);
  await refuses(terminal, { ...voucher, channel: 9 as never }, 'channel_mismatch');
  await goesOn(terminal);
});

test('while an answer is being signed the terminal is busy', async () => {
  const { terminal, voucher } = await situation([]);
  const { pending } = await withPending(terminal, voucher);
  terminal.state = { ...terminal.state, volatile: { ...terminal.state.volatile, pending } };
  await refuses(terminal, voucher, 'busy');
});

/** The pending answer as it stands between the verification and the key's answer. */
async function withPending(terminal: Terminal, voucher: MessageOf<'voucher'>) {
  const request = terminal.state.volatile.open!.request;
  const { lanes, signature, ...numbers } = voucher;
  return {
    pending: {
      digest: secret(1),
      signing: secret(2),
      answer: 'receipt' as const,
      cleared: false,
      payer: keys.payer.address,
      collected: {
        voucher: {
          kind: 'voucher' as const,
          channel: numbers.channel,
          seq: numbers.seq,
          spent: numbers.spent,
          paid: numbers.paid,
          payee: keys.payee.address,
          lanes,
          request: requestHash(signing, request),
        },
        request,
        signature,
      },
    },
  };
}

test("a lease of an unknown hub key, or from outside the key's time, is no lease", async () => {
  const terminal = await makeTerminal();
  await terminal.on({ type: 'linkUp' });
  await terminal.on(message({ type: 'hello', channel: CHANNEL, payer: keys.payer.address }));
  await refuses(terminal, await lease({}, keys.stranger), 'hub_key_unknown');
  const tooLate = seconds(START + 11 * 365 * 86400);
  await refuses(terminal, await lease({ issuedAt: tooLate }), 'hub_key_unknown');
  await refuses(terminal, { ...(await lease()), spendLimit: amount(1) }, 'hub_key_unknown');
  await goesOn(terminal);
});

test('a lease of another channel or payer than the one that greeted does not fit', async () => {
  const terminal = await makeTerminal();
  await terminal.on({ type: 'linkUp' });
  await terminal.on(message({ type: 'hello', channel: CHANNEL, payer: keys.payer.address }));
  await refuses(terminal, await lease({ channel: 9 as never }), 'lease_mismatch');
  await refuses(terminal, await lease({ payer: keys.stranger.address }), 'lease_mismatch');
  await goesOn(terminal);
});

test('messages that a terminal never receives are refused as such', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  await refuses(
    terminal,
    { type: 'receipt', voucher: secret(1), signature: new Uint8Array(64) },
    'unexpected_message',
  );
  await refuses(
    terminal,
    { type: 'tickAnswer', channel: CHANNEL, seq: 1 as never, k: 1 },
    'unexpected_message',
  );
  await goesOn(terminal);
});

test('bytes that are no message are refused by the name of their fault', async () => {
  const terminal = await makeTerminal();
  const { books } = terminal.state;
  for (const code of [
    'too_large',
    'malformed',
    'not_canonical',
    'version_unknown',
    'message_unknown',
    'field_range',
  ] as const)
    await terminal.on({ type: 'garbage', code });
  assert.equal(terminal.refused, [
    'too_large',
    'malformed',
    'not_canonical',
    'version_unknown',
    'message_unknown',
    'field_range',
  ]);
  assert.ok(terminal.state.books === books, 'the books are the same');
  await goesOn(terminal);
});

test('a lease request finds no hub at a terminal that is offline', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  const request: Message = {
    type: 'leaseRequest',
    channel: CHANNEL,
    seq: 0 as never,
    spent: amount(0),
    at: START,
    scope: secret(0),
    signature: new Uint8Array(64),
  };
  await refuses(terminal, request, 'lease_missing');
  await goesOn(terminal);
});

async function inStream(): Promise<Terminal> {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  await greet(terminal);
  await terminal.on(message(await streamFor(terminal)));
  assert.is(terminal.said('streamOpened').length, 1);
  return terminal;
}

test('ticks out of order, beyond the last, of a wrong preimage or of no stream are refused', async () => {
  const terminal = await inStream();
  await refuses(terminal, tickMessage(1, 5, 2), 'tick_order');
  await refuses(terminal, { ...tickMessage(1, 5, 1), k: 0 }, 'tick_order');
  await refuses(terminal, { ...tickMessage(1, 5, 1), preimage: preimage(5, 2) }, 'tick_preimage');
  await refuses(terminal, { ...tickMessage(1, 5, 1), preimage: secret(0) }, 'tick_preimage');
  await refuses(terminal, tickMessage(2, 5, 1), 'no_session');
  await refuses(terminal, { ...tickMessage(1, 5, 1), channel: 9 as never }, 'no_session');
  await terminal.on(message(tickMessage(1, 5, 1)));
  assert.is(terminal.said('deliver').length, 1, 'the right one is taken after all');
  await goesOn(terminal);
});

test('a stream whose tick is worth more than a quarter of the tap limit is refused by the terminal too', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(250, 5));
  await greet(terminal, { tapLimit: amount(999) });
  const stream = await streamFor(terminal);
  await refuses(terminal, stream, 'stream_terms');
  await greet(terminal, { tapLimit: amount(1000), issuedAt: seconds(START + 1) });
  await terminal.on(message(stream));
  assert.is(terminal.said('streamOpened').length, 1);
});

test('a refund above the voucher, below an earlier one, or on a void is out of range', async () => {
  const terminal = await makeTerminal();
  const payer = await makePayer();
  await tap(payer, terminal, 1000, 1);
  const refund = async (credited: number, code?: RefusalName): Promise<void> => {
    const { books } = terminal.state;
    const before = terminal.refused.length;
    await terminal.on({ type: 'refund', channel: CHANNEL, credited: amount(credited) });
    assert.equal(terminal.refused.slice(before), code === undefined ? [] : [code]);
    assert.is(terminal.state.books === books, code !== undefined);
  };
  await refund(1001, 'credit_range');
  await refund(0, 'credit_range');
  await refund(400);
  await refund(400, 'credit_range');
  await refund(300, 'credit_range');
  await refund(1000);
  await goesOn(terminal);
});

test('a sale that no longer stands last on its lane is refunded on the word of its host, within its amount', async () => {
  const terminal = await makeTerminal({ settings: { refundEarlier } });
  const payer = await makePayer();
  await tap(payer, terminal, 1000, 1);
  const { digest: voucher, seq } = terminal.state.books.lanes[0]!;
  await tap(payer, terminal, 50, 2);
  const refund = async (credited: number, before: number, code?: RefusalName): Promise<void> => {
    const { books } = terminal.state;
    const said = terminal.refused.length;
    const sold = { voucher, seq, amount: amount(1000), credited: amount(before) };
    await terminal.on({ type: 'refund', channel: CHANNEL, credited: amount(credited), sold });
    assert.equal(terminal.refused.slice(said), code === undefined ? [] : [code]);
    assert.is(terminal.state.books === books, code !== undefined);
  };
  await refund(1001, 0, 'credit_range');
  await refund(0, 0, 'credit_range');
  await refund(400, 0);
  // A host that forgot is told so while the hub does not have it.
  await refund(400, 0, 'credit_range');
  await refund(700, 400);
  const credits = terminal.state.books.outbox.filter(({ kind }) => kind === 'credit');
  assert.equal(
    credits.map((entry) => entry.kind === 'credit' && [entry.voucher, entry.seq, entry.credited]),
    [[voucher, seq, 700]],
  );
  // The newest one is untouched, and judged by what the machine knows of it.
  assert.is(terminal.state.books.lanes[0]!.credited, 0);
  const newest = terminal.state.books.lanes[0]!;
  const sold = { voucher: newest.digest, seq: newest.seq, amount: amount(9999), credited: amount(0) };
  const said = terminal.refused.length;
  await terminal.on({ type: 'refund', channel: CHANNEL, credited: amount(51), sold });
  assert.equal(terminal.refused.slice(said), ['credit_range']);
  await goesOn(terminal);
});

test('a frozen terminal says so, signs and writes nothing, and asks the hub for no more than the time', async () => {
  const terminal = await makeTerminal();
  await terminal.on(sale(1000));
  await greet(terminal);
  const voucher = await voucherFor(terminal);
  const { state } = terminal;
  terminal.state = { ...state, volatile: { ...state.volatile, frozen: true } };
  const before = terminal.order.length;
  await refuses(terminal, voucher, 'frozen');
  for (const event of [
    // Two frozen devices must not tell each other for ever.
    { type: 'message', message: { type: 'refusal', code: 10 } },
    { type: 'clock' },
    { type: 'hubConnected' },
    sale(5),
    { type: 'refund', channel: CHANNEL, credited: amount(1) },
    { type: 'signed', digest: secret(1), signature: new Uint8Array(64) },
  ] as const)
    await terminal.on(event);
  assert.equal(terminal.order.slice(before), ['send', 'notify', 'upload']);
});

test('a limit as high as amounts go does not stop the machine', async () => {
  const terminal = await makeTerminal();
  await terminal.on(streamSale(10, 5));
  const top = amount(2 ** 48 - 1);
  await greet(terminal, { tapLimit: top, spendLimit: top });
  await refuses(
    terminal,
    await streamFor(terminal, { spent: top - 49, paid: top - 49 }),
    'terminal_over_spend_limit',
  );
  await terminal.on(message(await streamFor(terminal, { spent: top - 50, paid: top - 50 })));
  assert.is(terminal.said('streamOpened').length, 1);
  for (let k = 1; k <= 5; k++) {
    await terminal.on(message(tickMessage(1, 5, k)));
    assert.is(await deliverTick(terminal), k);
  }
  assert.is(terminal.state.books.lanes[0]?.base, top);
});

test('what the other side refused is shown by its name', async () => {
  const terminal = await makeTerminal();
  await greet(terminal);
  await terminal.on(message({ type: 'refusal', code: 24 }));
  const [notice] = terminal.said('refused');
  assert.equal([notice?.code, notice?.by], ['unconfirmed_here', 'peer']);
});

test('a replayed voucher gets the same receipt and changes nothing', async () => {
  const { terminal, voucher } = await situation([]);
  await terminal.on(message(voucher));
  const receipt = terminal.sent.at(-1)!;
  const { books } = terminal.state;
  const { request } = { request: terminal.state.books.outbox[0]! };
  assert.is(request.kind, 'voucher');
  if (request.kind !== 'voucher') return;
  await terminal.on(message({ ...voucher, type: 'resolveVoucher', ...request.collected.request }));
  assert.equal(terminal.sent.at(-1), receipt);
  assert.ok(terminal.state.books === books, 'the books are the same');
  // Short form: no request is open, so the terminal can't know which one is meant.
  await refuses(terminal, voucher, 'no_open_request');
});

test('a payer that never greeted is asked to', async () => {
  const terminal = await makeTerminal();
  await terminal.on(sale(1000));
  await terminal.on({ type: 'linkUp' });
  const voucher = await voucherFor(terminal);
  const { books } = terminal.state;
  await terminal.on(message(voucher));
  assert.equal(terminal.sent.at(-1), { type: 'need', what: 1 });
  await terminal.on(message(await lease()));
  assert.equal(terminal.sent.at(-1), { type: 'need', what: 1 });
  assert.ok(terminal.state.books === books, 'the books are the same');
});

test('a voucher that comes before its lease waits for it', async () => {
  const terminal = await makeTerminal();
  await terminal.on(sale(1000));
  await terminal.on({ type: 'linkUp' });
  await terminal.on(message({ type: 'hello', channel: CHANNEL, payer: keys.payer.address }));
  await terminal.on(message(await voucherFor(terminal)));
  assert.equal(terminal.sent.at(-1), { type: 'need', what: 3 });
  assert.is(terminal.said('approved').length, 0);
  await terminal.on(message(await lease()));
  assert.is(terminal.said('approved').length, 1);
});

test('in a wearable tap the second time costs one signature check: the lease is remembered', async () => {
  const terminal = await makeTerminal();
  const payer = await makePayer();
  await tap(payer, terminal, 1000, 1);
  const before = terminal.sent.filter((sent) => sent.type === 'need').length;
  await terminal.on(sale(1000, 2));
  await link(payer, terminal);
  assert.is(terminal.said('approved').length, 2);
  assert.is(terminal.sent.filter((sent) => sent.type === 'need').length, before);
  assert.is(TAP_LIMIT, 1_750_000);
  assert.is(challenge(1).length, 16);
});

test.run();
