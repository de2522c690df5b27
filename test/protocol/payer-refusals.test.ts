/** Everything a payer refuses: the named code, no change of its books, and the next terminal is paid. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount, seconds } from '../../protocol/integers.ts';
import { LANES_MAX, TICKS_MAX, UNCONFIRMED_MAX } from '../../protocol/limits.ts';
import { applyRecord, type PayerBooks } from '../../protocol/machines/payer/books.ts';
import { REFUSALS, type RefusalName, refusalName } from '../../protocol/refusals.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  challenge,
  keys,
  lease,
  makePayer,
  makeTerminal,
  type Payer,
  provisioned,
  secret,
  signing,
  START,
  startPayer,
  tap,
} from './bench.ts';
import { later } from './forge.ts';

type RequestFields = Partial<MessageOf<'request'>>;

const request = (change: RequestFields = {}): MessageOf<'request'> => ({
  type: 'request',
  terminal: keys.terminal.address,
  payee: keys.payee.address,
  amount: amount(1000),
  at: START,
  currency: 'TIME',
  challenge: challenge(1),
  ...change,
});

const streamRequest = (tickValue: number, ticks: number): MessageOf<'streamRequest'> => {
  const { amount: _, ...fields } = request();
  return { ...fields, type: 'streamRequest', tickValue: amount(tickValue), ticks };
};

/** The terminal's certificate, signed by its payee; fields may be set otherwise. */
async function certificate(
  change: Partial<MessageOf<'certificate'>> = {},
  payee: typeof keys.payee = keys.payee,
): Promise<MessageOf<'certificate'>> {
  const fields = {
    terminal: keys.terminal.address,
    payee: payee.address,
    expiresAt: later(24 * 365),
    ...change,
  };
  const signature = await payee.sign(signing.digest('Terminal', fields));
  return { type: 'certificate', ...fields, signature };
}

/** A payer on a link with a terminal whose certificate it knows. */
async function metPayer(
  change: { books?: (books: PayerBooks) => PayerBooks; lease?: Partial<MessageOf<'lease'>> } = {},
): Promise<Payer> {
  const books = await provisioned(change.lease);
  const payer = await startPayer(change.books?.(books) ?? books);
  await payer.on({ type: 'linkUp' });
  await payer.on({ type: 'message', message: await certificate() });
  return payer;
}

/** Refused by this name, said to the terminal and to the person; nothing stored, nothing signed. */
async function refuses(payer: Payer, message: Message, code: RefusalName): Promise<void> {
  const { books } = payer.state;
  const from = payer.order.length;
  const before = payer.refused.length;
  await payer.on({ type: 'message', message, random: secret(42) });
  assert.equal(payer.refused.slice(before), [code]);
  const told = payer.sent.at(-1)!;
  assert.ok(told.type === 'refusal' && refusalName(told.code) === code, `sent ${told.type}`);
  assert.ok(payer.state.books === books, 'the books are the same');
  assert.not.ok(payer.order.slice(from).includes('sign'));
  assert.is(payer.state.volatile.pending, undefined);
}

/** Only shown, not sent: nothing was asked. */
async function ignores(payer: Payer, message: Message, code: RefusalName): Promise<void> {
  const { books } = payer.state;
  const sent = payer.sent.length;
  const before = payer.refused.length;
  await payer.on({ type: 'message', message });
  assert.equal(payer.refused.slice(before), [code]);
  assert.is(payer.sent.length, sent);
  assert.ok(payer.state.books === books, 'the books are the same');
}

async function goesOn(payer: Payer): Promise<void> {
  await payer.on({ type: 'linkDown' });
  const terminal = await makeTerminal();
  await tap(payer, terminal, 5, 99);
  assert.is(terminal.said('approved').length, 1, 'the next tap works');
}

const full = (books: PayerBooks): PayerBooks => {
  let next = books;
  for (let i = 1; i <= UNCONFIRMED_MAX; i++)
    next = applyRecord(next, {
      type: 'unconfirmedTick',
      stream: secret(i),
      terminal: keys.stranger.address,
      seq: i as never,
      k: 1,
      preimage: secret(i),
      payee: keys.stranger.address,
      top: amount(0),
    });
  return next;
};

const manyLanes = (books: PayerBooks): PayerBooks => {
  const lanes = Array.from({ length: LANES_MAX }, (_, i) => {
    const payee = new Uint8Array(20);
    payee[0] = i & 255;
    payee[1] = 1 + (i >> 8);
    return { payee, paid: amount(0), confirmedPaid: amount(0), confirmedSeq: 0 as never };
  });
  return { ...books, lanes };
};

/** One thing wrong at a time, in the order of the refusal table. */
const FAULTS: readonly (readonly [RefusalName, string, Parameters<typeof metPayer>[0]])[] = [
  ['unconfirmed_full', 'eight vouchers and ticks wait for an answer', { books: full }],
  ['lanes_full', 'the journal holds no further payee', { books: manyLanes }],
  ['over_tap_limit', 'the amount is above the tap limit', { lease: { tapLimit: amount(999) } }],
  ['over_spend_limit', 'the amount is above what the lease leaves', { lease: { spendLimit: amount(999) } }],
];

for (const [code, sentence, change] of FAULTS) {
  test(`${code}: ${sentence}`, async () => {
    const payer = await metPayer(change);
    await refuses(payer, request(), code);
  });
}

test('above its limits it says what it would pay instead, the least of lease, owner and what is left', async () => {
  const bound = async (change: Parameters<typeof metPayer>[0], asked: Message = request()) => {
    const payer = await metPayer(change);
    const before = payer.sent.length;
    await payer.on({ type: 'message', message: asked });
    const said = payer.sent.slice(before).find(({ type }) => type === 'refusal');
    return (said as MessageOf<'refusal'>).bound;
  };
  assert.is(await bound({ lease: { tapLimit: amount(999) } }), 999);
  assert.is(await bound({ lease: { spendLimit: amount(400) } }), 400);
  assert.is(await bound({ lease: { tapLimit: amount(999), spendLimit: amount(400) } }), 400);
  assert.is(await bound({ lease: { spendLimit: amount(0) } }), undefined, 'nothing is left');
  assert.is(await bound({ books: full }), undefined, 'less would not help');
  assert.is(await bound({ lease: { tapLimit: amount(999) } }, streamRequest(500, 5)), undefined);
});

test('where two faults meet, the one that stands first in the refusal table is named', async () => {
  const place = new Map(REFUSALS.map(([name], index) => [name as string, index]));
  let pairs = 0;
  for (let i = 0; i < FAULTS.length; i++)
    for (let j = i + 1; j < FAULTS.length; j++) {
      const [first, , a] = FAULTS[i]!;
      const [second, , b] = FAULTS[j]!;
      assert.ok(place.get(first)! < place.get(second)!);
      const payer = await metPayer({
        lease: { ...a?.lease, ...b?.lease },
        books: (books) => (b?.books ?? ((same) => same))((a?.books ?? ((same) => same))(books)),
      });
      await refuses(payer, request(), first);
      pairs += 1;
    }
  assert.is(pairs, 6);
});

test('without a lease, or after it ran out, nothing is paid', async () => {
  const none = await metPayer({ books: (books) => ({ ...books, lease: undefined }) });
  await refuses(none, request(), 'lease_missing');
  const old = await metPayer({ lease: { expiresAt: seconds(START - 1) } });
  await refuses(old, request(), 'lease_missing');
  const other = await metPayer({ lease: { channel: 9 as never } });
  await refuses(other, request(), 'lease_missing');
});

test('what the person allows for one tap is kept even when the lease allows more', async () => {
  const payer = await metPayer({ lease: { tapLimit: amount(70_000_000) } });
  await refuses(payer, request({ amount: amount(50_000_001) }), 'declined');
  await goesOn(payer);
});

test('a stream outside the bounds is refused, whatever its numbers', async () => {
  const payer = await metPayer();
  await refuses(payer, streamRequest(1, 0), 'stream_terms');
  await refuses(payer, streamRequest(1, TICKS_MAX + 1), 'stream_terms');
  await refuses(payer, streamRequest(0, 10), 'stream_terms');
  await refuses(payer, streamRequest(437_501, 10), 'stream_terms');
  await refuses(payer, streamRequest(437_500, 183), 'over_spend_limit');
  await goesOn(payer);
});

test('a terminal that asks for ticks worth more than any amount does not stop the payer', async () => {
  const payer = await metPayer();
  await refuses(payer, streamRequest(2 ** 48 - 1, TICKS_MAX), 'over_spend_limit');
  await refuses(payer, request({ amount: amount(2 ** 48 - 1) }), 'over_tap_limit');
  await goesOn(payer);
});

test('a stream request that comes without fresh randomness changes nothing', async () => {
  const payer = await metPayer();
  await payer.on({ type: 'message', message: streamRequest(10, 5), random: secret(1) });
  assert.ok(payer.state.books.stream);
  const open = payer.state.books.stream!;
  await payer.on({
    type: 'message',
    message: {
      type: 'receipt',
      voucher: open.digest,
      signature: await keys.terminal.sign(signing.digest('Receipt', { voucher: open.digest })),
    },
  });
  await payer.on({
    type: 'message',
    message: { type: 'tickAnswer', channel: CHANNEL, seq: open.voucher.seq, k: 1 },
  });
  await payer.on({ type: 'stop' });
  await payer.on({
    type: 'message',
    message: { type: 'tickAnswer', channel: CHANNEL, seq: open.voucher.seq, k: 2 },
  });
  const { books } = payer.state;
  assert.ok(books.stream);
  const { challenge: _, ...fields } = streamRequest(10, 5);
  await payer.on({ type: 'message', message: { ...fields, challenge: challenge(9) } });
  assert.equal(payer.refused, ['stream_terms']);
  assert.ok(payer.state.books === books, 'the books are the same');
});

test('a terminal whose certificate its payee did not sign is not paid', async () => {
  const payer = await startPayer(await provisioned());
  await payer.on({ type: 'linkUp' });
  await payer.on({ type: 'message', message: request() });
  assert.equal(payer.sent.at(-1), { type: 'need', what: 2 });
  const shown = await certificate();
  await refuses(payer, { ...shown, expiresAt: later(24 * 366) }, 'certificate_invalid');
  await refuses(payer, { ...shown, terminal: keys.terminal2.address }, 'certificate_invalid');
  await refuses(payer, { ...shown, signature: new Uint8Array(64) }, 'certificate_invalid');
  await refuses(payer, await certificate({ expiresAt: seconds(START - 1) }), 'certificate_expired');
  await goesOn(payer);
});

test("a certificate of another payee than the request's is not taken for it", async () => {
  const payer = await startPayer(await provisioned());
  await payer.on({ type: 'linkUp' });
  await payer.on({ type: 'message', message: request() });
  const { books } = payer.state;
  await payer.on({ type: 'message', message: await certificate({}, keys.payee2) });
  assert.equal(payer.refused, ['payee_mismatch']);
  assert.is(payer.state.books.seq, books.seq);
  assert.is(payer.state.books.spent, books.spent);
  await goesOn(payer);
});

test('a certificate that another payee made for the terminal does not lock its own payee out', async () => {
  const payer = await metPayer();
  await payer.on({
    type: 'message',
    message: await certificate({ expiresAt: later(24 * 3650) }, keys.payee2),
  });
  await goesOn(payer);
});

test('an expired certificate is asked for again', async () => {
  const payer = await startPayer(await provisioned());
  await payer.on({ type: 'linkUp' });
  await payer.on({ type: 'message', message: await certificate({ expiresAt: seconds(START + 10) }) });
  payer.nowMs = 11_000;
  await payer.on({ type: 'message', message: request() });
  assert.equal(payer.sent.at(-1), { type: 'need', what: 2 });
  assert.is(payer.state.books.seq, 0);
  await payer.on({ type: 'message', message: await certificate({ expiresAt: seconds(START + 10) }) });
  assert.is(payer.refused.at(-1), 'certificate_expired', 'and asked for once');
  assert.is(payer.sent.at(-1)?.type, 'refusal');
});

test("another terminal's request that is played here is asked about once, and forgotten", async () => {
  const payer = await startPayer(await provisioned());
  await payer.on({ type: 'linkUp' });
  await payer.on({ type: 'message', message: { ...request(), terminal: keys.terminal2.address } });
  assert.equal(payer.sent.at(-1), { type: 'need', what: 2 });
  const sent = payer.sent.length;
  await payer.on({ type: 'message', message: await certificate() });
  assert.is(payer.sent.length, sent, 'the two would echo one another for ever');
  await goesOn(payer);
});

test('a receipt or credit that the terminal did not sign confirms nothing', async () => {
  const payer = await metPayer();
  await payer.on({ type: 'message', message: request() });
  const [entry] = payer.state.books.unconfirmed;
  assert.is(entry?.kind, 'voucher');
  if (entry?.kind !== 'voucher') return;
  const voucher = entry.digest;
  const zero = new Uint8Array(64);
  await ignores(payer, { type: 'receipt', voucher, signature: zero }, 'signature');
  const byStranger = await keys.stranger.sign(signing.digest('Receipt', { voucher }));
  await ignores(payer, { type: 'receipt', voucher, signature: byStranger }, 'signature');
  const credited = amount(1000);
  await ignores(payer, { type: 'credit', voucher, credited, signature: zero }, 'signature');
  const byPayer = await keys.payer.sign(signing.digest('Credit', { voucher, credited }));
  await ignores(payer, { type: 'credit', voucher, credited, signature: byPayer }, 'signature');
});

test('messages that a payer never receives are refused as such', async () => {
  const payer = await metPayer();
  await ignores(payer, { type: 'end', channel: CHANNEL, seq: 1 as never }, 'unexpected_message');
  await ignores(
    payer,
    { type: 'query', channel: CHANNEL, seq: 1 as never, entry: secret(1) },
    'unexpected_message',
  );
  await payer.on({ type: 'hubMessage', message: { type: 'end', channel: CHANNEL, seq: 1 as never } });
  assert.is(payer.refused.at(-1), 'unexpected_message');
  await goesOn(payer);
});

test('bytes that are no message are shown by the name of their fault, and the payer goes on', async () => {
  const payer = await metPayer();
  const { books } = payer.state;
  await payer.on({ type: 'garbage', code: 'malformed' });
  assert.equal(payer.refused, ['malformed']);
  assert.ok(payer.state.books === books, 'the books are the same');
  await goesOn(payer);
});

test('a lease of another channel or payer, or of an unknown hub key, is not taken', async () => {
  const payer = await metPayer();
  const { books } = payer.state;
  for (const [message, code] of [
    [await lease({ channel: 9 as never, issuedAt: later(1) }), 'lease_mismatch'],
    [await lease({ payer: keys.stranger.address, issuedAt: later(1) }), 'lease_mismatch'],
    [await lease({ issuedAt: later(1) }, keys.stranger), 'hub_key_unknown'],
    [{ ...(await lease({ issuedAt: later(1) })), spendLimit: amount(90_000_000) }, 'hub_key_unknown'],
  ] as const) {
    const before = payer.refused.length;
    await payer.on({ type: 'hubMessage', message });
    await payer.on({ type: 'message', message });
    assert.equal(payer.refused.slice(before), [code, code]);
    assert.ok(payer.state.books === books, 'the books are the same');
  }
  await goesOn(payer);
});

test('an older lease, or the same again, is not stored', async () => {
  const payer = await metPayer();
  const { books } = payer.state;
  await payer.on({ type: 'hubMessage', message: await lease({ issuedAt: seconds(START - 1) }) });
  await payer.on({ type: 'hubMessage', message: await lease() });
  assert.ok(payer.state.books === books, 'the books are the same');
  await payer.on({ type: 'hubMessage', message: await lease({ issuedAt: later(1) }) });
  assert.is(payer.state.books.lease?.issuedAt, later(1));
});

test('a device that has no channel yet says so instead of greeting', async () => {
  const payer = await startPayer({ ...(await provisioned()), channel: undefined });
  await payer.on({ type: 'linkUp' });
  assert.equal(payer.refused, ['lease_missing']);
});

test('a need for a lease that is not there is refused', async () => {
  const payer = await startPayer({ ...(await provisioned()), lease: undefined });
  await payer.on({ type: 'linkUp' });
  await payer.on({ type: 'message', message: { type: 'need', what: 3 } });
  await payer.on({ type: 'message', message: { type: 'need', what: 9 } });
  assert.equal(payer.refused, ['lease_missing', 'unexpected_message']);
});

test('a frozen payer says so, signs and writes nothing, and asks the hub for no more than the time', async () => {
  const payer = await makePayer();
  payer.state = { ...payer.state, volatile: { ...payer.state.volatile, frozen: true } };
  const from = payer.order.length;
  await payer.on({ type: 'linkUp' });
  await payer.on({ type: 'message', message: request() });
  // Two frozen devices must not tell each other for ever.
  await payer.on({ type: 'message', message: { type: 'refusal', code: 10 } });
  await payer.on({ type: 'clock' });
  await payer.on({ type: 'hubConnected' });
  await payer.on({ type: 'renew' });
  assert.equal(payer.refused, ['frozen', 'frozen']);
  assert.equal(payer.order.slice(from), ['send', 'notify', 'send', 'notify', 'upload']);
});

test.run();
