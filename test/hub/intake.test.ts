import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { creditViews } from '../../hub/api/views.ts';
import { channelBook, topOf } from '../../hub/intake/books.ts';
import { layersGet } from '../../hub/intake/layers.ts';
import type { IntakeEffect } from '../../hub/intake/state.ts';
import { bytesKey, trieGet } from '../../hub/intake/trie.ts';
import { pendingRecordsMax, terminalPayeesMax, waitersMax } from '../../hub/limits.ts';
import { decodeRecord, encodeRecord } from '../../hub/ledger/records.ts';
import { toHex, ZERO_ADDRESS } from '../../protocol/bytes.ts';
import { amount, channelId, height, seconds, seq } from '../../protocol/integers.ts';
import { creditEntry, SCOPE_ANY, tickEntry } from '../../protocol/vouchers.ts';
import {
  decodeMessage,
  encodeMessage,
  type Message,
  type MessageOf,
  ROLES,
} from '../../protocol/wire/messages.ts';
import {
  Bench,
  context,
  credit,
  key,
  NOW,
  otherPayee,
  otherTerminal,
  payee,
  payer,
  pin,
  signing,
  suite,
  tap,
  terminal,
  tick,
  query,
} from './fleet.ts';

const acknowledged = (effects: readonly IntakeEffect[]) =>
  effects.flatMap((effect) => (effect.type === 'acknowledge' ? [bytesKey(effect.entry)] : []));
const seed = suite.keccak256(Uint8Array.of(1));
const book = (bench: Bench) => channelBook(bench.state.books, channelId(7));

test('a voucher is acknowledged only after its record is durable', async () => {
  const bench = new Bench();
  const first = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  const before = bench.step({ type: 'message', device: 'd', bytes: first.bytes, now: NOW });
  assert.equal(
    before.map((effect) => effect.type),
    ['persist'],
  );
  const after = bench.write();
  assert.equal(after, [{ type: 'acknowledge', device: 'd', entry: first.id, position: 0, at: NOW }]);
});

test('the same voucher again is acknowledged with the same position and written once', async () => {
  const bench = new Bench();
  const first = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  const second = await tap({ seq: 2, amount: 50, spent: 150, paid: 150 });
  bench.send(first.bytes);
  bench.send(second.bytes);
  const [again] = bench.send(first.bytes, 'payer');
  assert.equal(again, { type: 'acknowledge', device: 'payer', entry: first.id, position: 0, at: NOW });
  assert.is(bench.records.length, 2);
});

test('a second copy that comes while the first is being written waits for the same fsync', async () => {
  const bench = new Bench();
  const first = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  bench.step({ type: 'message', device: 'terminal', bytes: first.bytes, now: NOW });
  for (let i = 0; i < waitersMax + 5; i += 1) {
    assert.equal(bench.step({ type: 'message', device: `d${i}`, bytes: first.bytes, now: NOW }), []);
  }
  const answered = bench.write();
  assert.is(answered.length, waitersMax);
  assert.is(bench.records.length, 1);
});

test('when the disk refuses, the books go back and the device is told to come again', async () => {
  const bench = new Bench();
  const first = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  const second = await tap({ seq: 2, amount: 100, spent: 200, paid: 200 });
  const before = bench.state.books;
  bench.step({ type: 'message', device: 'd', bytes: first.bytes, now: NOW });
  bench.step({ type: 'message', device: 'd', bytes: second.bytes, now: NOW });
  const { token } = bench.unwritten[0]!;
  const told = bench.step({ type: 'persistFailed', token, code: 'storage_failed' });
  assert.equal(
    told.map((effect) => effect.type === 'reject' && effect.code),
    ['storage_failed', 'storage_failed'],
  );
  assert.is(bench.state.books, before);
  assert.equal(bench.state.pending, []);
  bench.unwritten.length = 0;
  assert.is(bench.outcome(first.bytes), 'acknowledged');
  assert.is(bench.outcome(second.bytes), 'acknowledged');
});

test('whatever failed before it and whatever of that stands in the ledger, an entry keeps its position', async () => {
  const bench = new Bench();
  const taps = await Promise.all(
    Array.from({ length: 8 }, (_, n) => tap({ seq: n + 1, amount: 1, spent: n + 1, paid: n + 1 })),
  );
  const places = new Map<number, number>();
  const fail = (n: number): void => {
    bench.step({ type: 'message', device: 'd', bytes: taps[n]!.bytes, now: NOW });
    const { token } = bench.unwritten[0]!;
    bench.step({ type: 'persistFailed', token, code: 'storage_failed' });
    bench.unwritten.length = 0;
  };
  const place = (n: number): void => {
    places.set(n, bench.records.length);
    assert.is(bench.outcome(taps[n]!.bytes), 'acknowledged');
    for (const [known, position] of places) {
      const [answer] = bench.send(query(taps[known]!.id));
      assert.ok(answer?.type === 'acknowledge' && answer.position === position, `${known} after ${n}`);
    }
  };
  place(0);
  place(1);
  fail(2);
  fail(2);
  place(2);
  place(3);
  fail(4);
  // What failed turned up in the ledger all the same.
  bench.records.push(bench.records[0]!);
  place(5);
  bench.records.push(bench.records[0]!);
  fail(6);
  place(6);
  place(7);
  assert.ok(bench.state.shifts.length <= 5, 'one shift for each failure');
});

test('more than the hub can write is refused by name and changes nothing', async () => {
  const bench = new Bench();
  const all = await Promise.all([1, 2].map((n) => tap({ seq: n, amount: 1, spent: n, paid: n })));
  const full = Array.from({ length: pendingRecordsMax }, (_, token) => ({
    token,
    before: bench.state.books,
    answers: [],
  }));
  bench.state = { ...bench.state, pending: full, nextToken: pendingRecordsMax };
  const effects = bench.step({ type: 'message', device: 'd', bytes: all[0]!.bytes, now: NOW });
  assert.equal(
    effects.map((effect) => effect.type === 'reject' && effect.code),
    ['queue_full'],
  );
});

/** What contradicts a first voucher of 100: one seq twice, amounts that overlap, lanes above what was spent. */
const contradictions = {
  E1: () => tap({ seq: 1, amount: 90, spent: 90, paid: 90 }),
  E2: () => tap({ seq: 5, amount: 90, spent: 180, paid: 180 }),
  E3: () => tap({ seq: 5, amount: 50, spent: 150, paid: 51, payee: otherPayee, terminal: otherTerminal }),
};

for (const [rule, contradiction] of Object.entries(contradictions)) {
  for (const kept of [1, 2]) {
    test(`${rule}: of voucher, evidence and revocation only ${kept} became durable: a restart finds the rest`, async () => {
      const bench = new Bench();
      bench.send((await tap({ seq: 1, amount: 100, spent: 100, paid: 100 })).bytes);
      const { bytes } = await contradiction();
      bench.step({ type: 'message', device: 'd', bytes, now: NOW });
      assert.equal(
        bench.unwritten.map(({ record }) => record.type),
        ['entry', 'evidence', 'revocation'],
      );
      for (let n = 0; n < kept; n += 1) bench.writeOne();
      const again = bench.restart();
      again.step({ type: 'recheck' });
      again.write();
      const { proof } = book(again);
      assert.is(proof && `E${proof.proof}`, rule);
      assert.equal(again.state.books.revoked, [7]);
      assert.equal(again.step({ type: 'recheck' }), [], 'once');
    });
  }
}

test('evidence that the disk refused is found when the disk is well again', async () => {
  const bench = new Bench();
  bench.send((await tap({ seq: 1, amount: 100, spent: 100, paid: 100 })).bytes);
  const { bytes } = await contradictions.E1();
  bench.step({ type: 'message', device: 'd', bytes, now: NOW });
  bench.writeOne();
  const { token } = bench.unwritten[0]!;
  bench.unwritten.length = 0;
  bench.step({ type: 'persistFailed', token, code: 'storage_failed' });
  assert.is(book(bench).proof, undefined);
  bench.step({ type: 'recheck' });
  bench.write();
  assert.is(book(bench).proof?.proof, 1);
  assert.equal(bench.state.books.revoked, [7]);
});

test('an honest payer is not accused by a second look', async () => {
  const bench = new Bench();
  const elsewhere = { payee: otherPayee, terminal: otherTerminal };
  bench.send((await tap({ seq: 1, amount: 100, spent: 100, paid: 100 })).bytes);
  bench.send((await tap({ seq: 2, amount: 30, spent: 130, paid: 30, ...elsewhere })).bytes);
  const stream = { tickValue: 5, ticks: 4, seed };
  const charge = await tap({ seq: 3, amount: 0, spent: 130, paid: 100, stream });
  bench.send(charge.bytes);
  bench.send(tick(charge, seed, 4, 2));
  bench.send((await tap({ seq: 4, amount: 0, spent: 140, paid: 110 })).bytes);
  assert.equal(bench.restart().step({ type: 'recheck' }), []);
});

const sample = { seq: 1, amount: 100, spent: 100, paid: 100 };
const badOnes: [string, () => Promise<Uint8Array>][] = [
  ['malformed', async () => Uint8Array.of(1, 2, 3)],
  ['malformed', async () => (await tap(sample)).bytes.slice(0, -1)],
  ['too_large', async () => new Uint8Array(20_000)],
  [
    'version_unknown',
    async () => Uint8Array.from((await tap(sample)).bytes, (byte, i) => (i === 1 ? 3 : byte)),
  ],
  ['message_unknown', async () => Uint8Array.of(0x83, 2, 0x18, 0xfe, 0x80)],
  ['signature', async () => (await tap({ ...sample, payer: key(99) })).bytes],
  ['signature', async () => change(await tap(sample), { spent: amount(101) })],
  ['signature', async () => change(await tap(sample), { paid: amount(99), spent: amount(99) })],
  ['signature', async () => change(await tap(sample), { amount: amount(99) })],
  ['signature', async () => change(await tap(sample), { signature: new Uint8Array(64) })],
  ['signature', async () => highS(await tap(sample))],
  ['signature', async () => change(await tap(sample), { payee: otherPayee.address })],
  ['sum_wrong', async () => (await tap({ ...sample, paid: 99 })).bytes],
  ['sum_wrong', async () => (await tap({ ...sample, spent: 99 })).bytes],
  ['no_receipt', async () => (await tap({ ...sample, answer: 'nothing' })).bytes],
  ['no_receipt', async () => change(await tap(sample), { receipt: new Uint8Array(64) })],
  ['no_receipt', async () => change(await tap(sample), { receipt: await stolenReceipt() })],
  ['channel_unknown', async () => (await tap({ ...sample, channel: 8 })).bytes],
  ['payee_unknown', async () => (await tap({ ...sample, payee: key(98) })).bytes],
  ['terminal_unknown', async () => (await tap({ ...sample, terminal: key(97) })).bytes],
  ['terminal_unknown', async () => (await tap({ ...sample, terminal: otherTerminal })).bytes],
  [
    'stream_terms',
    async () => (await tap({ ...sample, amount: 0, stream: { tickValue: 0, ticks: 4, seed } })).bytes,
  ],
  [
    'stream_terms',
    async () => (await tap({ ...sample, amount: 0, stream: { tickValue: 1, ticks: 257, seed } })).bytes,
  ],
  [
    'stream_terms',
    async () =>
      (
        await tap({
          ...sample,
          amount: 0,
          spent: 2 ** 47,
          paid: 0,
          stream: { tickValue: 2 ** 40, ticks: 256, seed },
        })
      ).bytes,
  ],
  [
    'stream_unknown',
    async () =>
      encodeMessage({
        type: 'collectedTick',
        channel: channelId(7),
        seq: seq(1),
        stream: seed,
        k: 1,
        preimage: seed,
      }),
  ],
  [
    'voucher_unknown',
    async () =>
      encodeMessage(
        await credit(
          { ...(await tap({ seq: 1, amount: 5, spent: 5, paid: 5 })), id: seed },
          5,
          terminal,
          false,
        ),
      ),
  ],
  [
    'unexpected_message',
    async () => encodeMessage({ type: 'tick', channel: channelId(7), seq: 1 as never, k: 1, preimage: seed }),
  ],
  [
    'unexpected_message',
    async () => encodeMessage({ type: 'pack', entries: [encodeMessage({ type: 'pack', entries: [] })] }),
  ],
  ['channel_unknown', async () => encodeMessage(await leaseRequest({ channel: 9 }))],
  ['signature', async () => encodeMessage(await leaseRequest({ signer: key(99) }))],
  ['over_spend_limit', async () => encodeMessage(await leaseRequest({ spent: 80_000_001 }))],
  ['lease_scope', async () => encodeMessage(await leaseRequest({ scope: seed }))],
  ['certificate_invalid', async () => encodeMessage(await register({ signer: key(99) }))],
  // A certificate says who, for whom and until when, or is none.
  ['certificate_invalid', async () => encodeMessage(without(await register(), 'certificateExpiresAt'))],
  ['certificate_invalid', async () => encodeMessage(without(await register(), 'certificate'))],
  ['certificate_expired', async () => encodeMessage(await register({ expiresAt: NOW - 1 }))],
  ['payee_unknown', async () => encodeMessage(await register({ payee: key(98), signer: key(98) }))],
  ['entropy_uncertified', async () => encodeMessage(await register({ entropyCertified: 0 }))],
  ['field_range', async () => encodeMessage(await register({ role: 9 }))],
];

function change(signed: { message: Message }, fields: object): Uint8Array {
  return encodeMessage({ ...signed.message, ...fields } as Message);
}

/** The same signature with n - s: valid for a careless verifier, and another set of bytes for one voucher. */
function highS(signed: { message: Message }): Uint8Array {
  const { signature } = signed.message as MessageOf<'collectedVoucher'>;
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const text = Buffer.from(signature).toString('hex');
  const parity = signature[32]! >> 7;
  const s = BigInt(`0x${text.slice(64)}`) & ((1n << 255n) - 1n);
  const high = order - s;
  // A high s fills the top bit itself, so it survives only where the parity bit happens to say the same.
  const packed = high | (BigInt(1 - parity) << 255n);
  return change(signed, {
    signature: Buffer.from(text.slice(0, 64) + packed.toString(16).padStart(64, '0'), 'hex'),
  });
}

async function stolenReceipt(): Promise<Uint8Array> {
  const other = await tap({ seq: 9, amount: 1, spent: 1, paid: 1 });
  return (other.message as MessageOf<'collectedVoucher'>).receipt!;
}

async function leaseRequest(
  options: { channel?: number; seq?: number; spent?: number; scope?: Uint8Array; signer?: typeof payer } = {},
): Promise<Message> {
  const fields = {
    channel: channelId(options.channel ?? 7),
    seq: (options.seq ?? 0) as never,
    spent: amount(options.spent ?? 0),
    at: NOW,
    scope: options.scope ?? SCOPE_ANY,
  };
  const signature = await (options.signer ?? payer).sign(signing.digest('LeaseRequest', fields));
  return { type: 'leaseRequest', ...fields, signature };
}

function without(message: MessageOf<'register'>, field: keyof MessageOf<'register'>): Message {
  const { [field]: _, ...rest } = message;
  return rest as Message;
}

async function register(
  options: {
    device?: typeof terminal;
    payee?: typeof payee;
    signer?: typeof payee;
    expiresAt?: number;
    role?: number;
    entropyCertified?: number;
    counter?: number;
  } = {},
): Promise<MessageOf<'register'>> {
  const device = (options.device ?? terminal).address;
  const to = (options.payee ?? payee).address;
  const expiresAt = seconds(options.expiresAt ?? NOW + 1_000_000);
  const certificate = await (options.signer ?? payee).sign(
    signing.digest('Terminal', { terminal: device, payee: to, expiresAt }),
  );
  return {
    type: 'register',
    device,
    role: options.role ?? ROLES.pos,
    payee: to,
    certificate,
    certificateExpiresAt: expiresAt,
    entropyCertified: options.entropyCertified ?? 1,
    counter: options.counter ?? 1,
    signature: await (options.device ?? terminal).sign(
      signing.digest('Register', { hub: pin.id, device, payee: to, counter: options.counter ?? 1 }),
    ),
  };
}

for (const [code, make] of badOnes) {
  test(`bad input is refused as ${code} and changes no state`, async () => {
    const bench = new Bench();
    const before = bench.state;
    assert.is(bench.outcome(await make()), code);
    assert.equal(bench.state, before);
    assert.is(bench.outcome((await tap(sample)).bytes), 'acknowledged');
  });
}

test('an unknown odd message is skipped without a word', () => {
  assert.equal(new Bench().send(Uint8Array.of(0x83, 2, 0x18, 0xfd, 0x80)), []);
});

test('a pack is taken entry by entry: a bad one does not hold up the others', async () => {
  const bench = new Bench();
  const good = await tap(sample);
  const next = await tap({ seq: 2, amount: 1, spent: 101, paid: 101 });
  const entries = [good.bytes, Uint8Array.of(0), next.bytes];
  const effects = bench.send({ type: 'pack', entries });
  assert.equal(acknowledged(effects), [bytesKey(good.id), bytesKey(next.id)]);
  assert.equal(
    effects
      .filter((effect) => effect.type === 'reject')
      .map((effect) => effect.type === 'reject' && effect.code),
    ['malformed'],
  );
});

test('ticks are acknowledged each by itself, and only ticks of the chain are taken', async () => {
  const bench = new Bench();
  const ticks = 200;
  const stream = await tap({ ...sample, amount: 0, stream: { tickValue: 3, ticks, seed } });
  // In one pack: the stream is on its way to the disk when its tick comes.
  const pack = [stream.bytes, encodeMessage(tick(stream, seed, ticks, 10))];
  const tenth = tick(stream, seed, ticks, 10) as MessageOf<'collectedTick'>;
  assert.equal(acknowledged(bench.send({ type: 'pack', entries: pack })), [
    bytesKey(stream.id),
    bytesKey(tickEntry(suite, stream.id, 10, tenth.preimage)),
  ]);
  const eleventh = tick(stream, seed, ticks, 11) as MessageOf<'collectedTick'>;
  const id = tickEntry(suite, stream.id, 11, eleventh.preimage);
  const [word] = bench.send(query(id));
  assert.is(word?.type, 'unknown', 'ticks by themselves');
  assert.is(bench.outcome({ ...eleventh, preimage: seed }), 'tick_preimage');
  assert.is(bench.outcome({ ...eleventh, k: 12 }), 'tick_preimage');
  assert.is(bench.outcome({ ...eleventh, k: 201 }), 'tick_order');
  assert.is(bench.outcome({ ...eleventh, k: 0 }), 'tick_order');
  assert.is(bench.outcome(tick(stream, seed, ticks, 200)), 'acknowledged');
  // An earlier tick comes late: it is true, it is acknowledged, and it takes nothing back.
  assert.is(bench.outcome(eleventh), 'acknowledged');
  assert.is(topOf(layersGet(book(bench).claims, bytesKey(payee.address))!), 100 + 600);
});

test("a payer that asks for a voided voucher gets the terminal's credit, not an acknowledgement", async () => {
  const bench = new Bench();
  const voided = await tap({ ...sample, answer: 'credit' });
  bench.send(voided.bytes);
  const answers = bench.send(query(voided.id)).filter((effect) => effect.type !== 'count');
  assert.is(answers.length, 1);
  const [answer] = answers;
  assert.ok(answer?.type === 'credit' && bytesKey(answer.message.voucher) === bytesKey(voided.id));
  assert.is(answer?.type === 'credit' && answer.message.credited, sample.amount);
});

test('of what it does not hold the hub says so, and in how long a ledger: only what is durable counts', async () => {
  let bench = new Bench();
  const first = await tap({ ...sample, amount: 60, spent: 60, paid: 60 });
  const second = await tap({ seq: 2, amount: 50, spent: 110, paid: 110 });
  const ask = (entry: Uint8Array): IntakeEffect[] => bench.send(query(entry));
  const word = (size: number): object => ({
    type: 'unknown',
    device: 'd',
    entry: second.id,
    size,
    terminal: ZERO_ADDRESS,
    synced: 0,
  });
  assert.equal(ask(second.id), [word(0)]);
  bench.send(first.bytes);
  assert.equal(ask(second.id), [word(1)]);
  bench.step({ type: 'message', device: 'd', bytes: second.bytes, now: NOW });
  const asked = encodeMessage(query(second.id));
  assert.equal(
    bench.step({ type: 'message', device: 'd', bytes: asked, now: NOW }),
    [],
    'on its way to the disk it is neither known nor unknown',
  );
  const { token } = bench.unwritten[0]!;
  bench.step({ type: 'persistFailed', token, code: 'storage_failed' });
  bench.unwritten.length = 0;
  // What failed may stand in the ledger all the same, at the next position: never below the size that is stated.
  assert.equal(ask(second.id), [word(1)]);
  bench = bench.restart();
  assert.equal(ask(second.id), [word(1)], 'a restart counts what it read');
  bench.send(second.bytes);
  const [known] = ask(second.id);
  assert.ok(known?.type === 'acknowledge' && known.position === 1);
});

test('the credit of a voided voucher is passed on when it is durable, and not before', async () => {
  const bench = new Bench();
  bench.send((await tap({ ...sample, answer: 'receipt' })).bytes);
  const voided = await tap({ seq: 2, amount: 50, spent: 110, paid: 110, answer: 'credit' });
  bench.step({ type: 'message', device: 'd', bytes: voided.bytes, now: NOW });
  const asked = encodeMessage(query(voided.id));
  assert.equal(bench.step({ type: 'message', device: 'd', bytes: asked, now: NOW }), []);
  bench.write();
  const [credit] = bench.send(query(voided.id));
  assert.ok(credit?.type === 'credit' && credit.message.credited === 50);
});

test('a voided voucher is kept with its credit and never claimed', async () => {
  const bench = new Bench();
  const voided = await tap({ ...sample, answer: 'credit' });
  assert.is(bench.outcome(voided.bytes), 'acknowledged');
  assert.is(book(bench).claims, undefined);
  const next = await tap({ seq: 2, amount: 50, spent: 150, paid: 150 });
  assert.is(bench.outcome(next.bytes), 'acknowledged');
  assert.is(topOf(layersGet(book(bench).claims, bytesKey(payee.address))!), 150);
});

test('credits grow up to the amount; only the payee’s own counts for L2', async () => {
  const bench = new Bench();
  const bought = await tap(sample);
  bench.send(bought.bytes);
  assert.is(bench.outcome(await credit(bought, 40, terminal, false)), 'acknowledged');
  assert.is(bench.outcome(await credit(bought, 30, terminal, false)), 'credit_range');
  assert.is(bench.outcome(await credit(bought, 101, terminal, false)), 'credit_range');
  assert.is(bench.outcome(await credit(bought, 60, otherTerminal, false)), 'signature');
  assert.is(bench.outcome(await credit(bought, 60, terminal, true)), 'signature');
  assert.is(book(bench).entries.at(0)!.payeeCredit, undefined);
  const own = await credit(bought, 40, payee, true);
  // The same digest as the terminal's credit, and all the same something new.
  assert.is(bench.outcome(own), 'acknowledged');
  assert.is(book(bench).entries.at(0)!.payeeCredit?.credited, 40);
  assert.is(bench.records.length, 3);
  assert.is(bench.outcome(own), 'acknowledged');
  assert.is(bench.records.length, 3);
  assert.is(channelBook(bench.restart().state.books, channelId(7)).entries.at(0)!.payeeCredit?.credited, 40);
  assert.is(bench.outcome(await credit(bought, 60, payee, true)), 'acknowledged');
  assert.is(book(bench).entries.at(0)!.payeeCredit?.credited, 60);
  assert.is(book(bench).entries.at(0)!.credited, 60);
});

test('a credit above the ticks delivered is refused', async () => {
  const bench = new Bench();
  const stream = await tap({ ...sample, amount: 0, stream: { tickValue: 3, ticks: 20, seed } });
  bench.send(stream.bytes);
  bench.send(tick(stream, seed, 20, 5));
  assert.is(bench.outcome(await credit(stream, 16, terminal, false)), 'credit_range');
  assert.is(bench.outcome(await credit(stream, 15, terminal, false)), 'acknowledged');
});

const frauds: [string, object, object, number | undefined][] = [
  ['one seq, two vouchers', sample, { ...sample, paid: 90, amount: 90 }, 1],
  ['spent that overlaps', sample, { seq: 2, amount: 50, spent: 120, paid: 120 }, 2],
  [
    'spent that overlaps on another lane',
    sample,
    { seq: 2, amount: 50, spent: 120, paid: 50, payee: otherPayee, terminal: otherTerminal },
    2,
  ],
  ['a lane that went back', { ...sample, spent: 500 }, { seq: 2, amount: 50, spent: 600, paid: 60 }, 2],
  [
    'a lane that begins above what was ever spent',
    sample,
    { seq: 2, amount: 50, spent: 150, paid: 101, payee: otherPayee, terminal: otherTerminal },
    3,
  ],
  [
    'a lane that begins as high as what was spent elsewhere allows',
    sample,
    { seq: 2, amount: 50, spent: 250, paid: 150, payee: otherPayee, terminal: otherTerminal },
    undefined,
  ],
  ['an honest next voucher', sample, { seq: 2, amount: 50, spent: 150, paid: 150 }, undefined],
  [
    'an honest voucher elsewhere',
    sample,
    { seq: 5, amount: 50, spent: 160, paid: 50, payee: otherPayee, terminal: otherTerminal },
    undefined,
  ],
];
for (const [name, first, second, proof] of frauds) {
  for (const order of ['in order', 'the later one first']) {
    test(`${name}, ${order}: ${proof ? `proved by E${proof}` : 'no proof'}`, async () => {
      const bench = new Bench();
      const pair = [await tap(first as never), await tap(second as never)];
      if (order !== 'in order') pair.reverse();
      for (const { bytes } of pair) assert.is(bench.outcome(bytes), 'acknowledged');
      assert.is(book(bench).proof?.proof, proof);
      assert.equal(bench.state.books.revoked, proof ? [7] : []);
      assert.is(book(bench).entries.length, 2);
      assert.is(bench.outcome(await leaseRequest({ seq: 9, spent: 900 })), proof ? 'revoked' : 'nothing');
    });
  }
}

test('the operator takes a channel’s leases away and gives them back', async () => {
  const bench = new Bench();
  const word = (revoked: boolean) => {
    bench.step({ type: 'revoke', channel: channelId(7), revoked });
    bench.write();
  };
  const asked = await leaseRequest({ seq: 1, spent: 100 });
  word(true);
  assert.is(bench.outcome(asked), 'revoked');
  assert.is(bench.restart().outcome(asked), 'revoked', 'also after a restart');
  word(false);
  assert.is(bench.outcome(asked), 'nothing');
});

test('of two vouchers on a lane the higher one is claimed, in whatever order they come', async () => {
  const pair = [await tap(sample), await tap({ seq: 2, amount: 50, spent: 150, paid: 150 })];
  for (const order of [pair, [...pair].reverse()]) {
    const bench = new Bench();
    for (const { bytes } of order) bench.send(bytes);
    assert.is(layersGet(book(bench).claims, bytesKey(payee.address))?.seq, 2);
    assert.is(book(bench).claimed, 150);
  }
});

test('of two vouchers that claim the same the newer one stands, in whatever order they come', async () => {
  const pair = [await tap(sample), await tap({ seq: 2, amount: 0, spent: 100, paid: 100 })];
  for (const order of [pair, [...pair].reverse()]) {
    const bench = new Bench();
    for (const { bytes } of order) bench.send(bytes);
    assert.is(layersGet(book(bench).claims, bytesKey(payee.address))?.seq, 2);
    assert.is(book(bench).claimed, 100);
  }
});

test('a tick that overlaps a later voucher is fraud, and revokes the channel for everyone', async () => {
  const bench = new Bench();
  const stream = await tap({
    seq: 1,
    amount: 0,
    spent: 100,
    paid: 100,
    stream: { tickValue: 10, ticks: 20, seed },
  });
  bench.send(stream.bytes);
  bench.send((await tap({ seq: 2, amount: 5, spent: 135, paid: 135 })).bytes);
  bench.send(tick(stream, seed, 20, 3));
  assert.is(book(bench).proof, undefined);
  const effects = bench.send(tick(stream, seed, 20, 4));
  assert.is(book(bench).proof?.proof, 2);
  assert.equal(
    effects.filter((effect) => effect.type === 'revocations'),
    [{ type: 'revocations', channels: [7] }],
  );
});

test('a hub without room signs no lease first, then takes no entry; with more room it takes each once', async () => {
  const full = new Bench(undefined, { ...context, indexedMax: 8 });
  const taps = [];
  for (let seq = 1; seq <= 10; seq += 1)
    taps.push(await tap({ seq, amount: 10, spent: 10 * seq, paid: 10 * seq }));
  const asking = (spent: number) => leaseRequest({ seq: spent / 10, spent });
  for (const { bytes } of taps.slice(0, 6)) assert.is(full.outcome(bytes), 'acknowledged');
  assert.is(full.send(await asking(60))[0]?.type, 'lease');
  assert.is(full.outcome(taps[6]!.bytes), 'acknowledged');
  assert.is(
    full.outcome(await asking(70)),
    'index_full',
    'what is out already may still fill the last eighth',
  );
  assert.is(full.outcome(taps[7]!.bytes), 'acknowledged');
  const { books } = full.state;
  assert.is(books.indexed, 8);
  const refund = encodeMessage(await credit(taps[0]!, 5, terminal, false));
  for (const bytes of [taps[8]!.bytes, refund]) assert.is(full.outcome(bytes), 'index_full');
  assert.is(full.state.books, books, 'a refusal changes nothing');
  assert.is(full.outcome(taps[0]!.bytes), 'acknowledged', 'what it holds it goes on acknowledging');
  const again = full.restart();
  assert.is(again.state.books.indexed, 8, 'what the ledger holds is never left out');
  assert.is(again.outcome(taps[8]!.bytes), 'index_full');
  const larger = full.restart({ ...context, indexedMax: 100 });
  for (const { bytes } of taps) assert.is(larger.outcome(bytes), 'acknowledged');
  assert.is(larger.outcome(refund), 'acknowledged');
  assert.equal(
    [...book(larger).entries].map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.is(book(larger).claimed, 100);
});

test('ticks and credits take room as vouchers do, and what is known none', async () => {
  const bench = new Bench();
  const stream = await tap({
    seq: 1,
    amount: 0,
    spent: 0,
    paid: 0,
    stream: { tickValue: 3, ticks: 20, seed },
  });
  bench.send(stream.bytes);
  for (const k of [2, 5, 2]) bench.send(tick(stream, seed, 20, k));
  assert.is(bench.state.books.indexed, 3);
  bench.send(encodeMessage(await credit(stream, 6, terminal, false)));
  // The same credit by the payee is one entry with the terminal's.
  bench.send(encodeMessage(await credit(stream, 6, payee, true)));
  assert.is(bench.state.books.indexed, 4);
  assert.is(bench.restart().state.books.indexed, 4);
});

test('a lease promises what L2 holds, from where the payer stands, in L2 time', async () => {
  const bench = new Bench();
  const [given] = bench.send(await leaseRequest({ seq: 3, spent: 300 }), 'd', NOW + 60);
  assert.is(given?.type, 'lease');
  const { lease } = given as Extract<IntakeEffect, { type: 'lease' }>;
  assert.is(lease.spentFrom, 300);
  assert.is(lease.spendLimit, 80_000_000);
  assert.is(lease.tapLimit, 1_750_000);
  assert.is(lease.issuedAt, NOW);
  assert.is(lease.expiresAt, NOW + 72 * 3600);
  // Asked again at once it is the same lease, and no further record.
  assert.equal(bench.send(await leaseRequest({ seq: 3, spent: 300 })), [given]);
  assert.is(bench.records.length, 1);
});

test('no lease for a device behind the ledger, behind its own last lease, or while L2 is out of sight', async () => {
  const bench = new Bench();
  bench.send((await tap({ seq: 4, amount: 10, spent: 400, paid: 10 })).bytes);
  assert.is(bench.outcome(await leaseRequest({ seq: 3, spent: 400 })), 'behind_ledger');
  assert.is(bench.outcome(await leaseRequest({ seq: 4, spent: 399 })), 'behind_ledger');
  assert.is(bench.outcome(await leaseRequest({ seq: 6, spent: 600 })), 'nothing');
  assert.is(bench.outcome(await leaseRequest({ seq: 5, spent: 600 })), 'behind_ledger');
  const late = bench.send(await leaseRequest({ seq: 7, spent: 700 }), 'd', NOW + 3601);
  assert.is(late[0]?.type === 'reject' && late[0].code, 'chain_stale');
  assert.is(bench.restart().outcome(await leaseRequest({ seq: 5, spent: 600 })), 'behind_ledger');
});

test('no lease while the owner is leaving', async () => {
  const bench = new Bench();
  bench.step({
    type: 'channel',
    channel: channelId(7),
    facts: {
      payer: payer.address,
      deposited: amount(1000),
      spendable: amount(800),
      bond: amount(200),
      exiting: true,
      slashed: false,
    },
  });
  assert.is(bench.outcome(await leaseRequest()), 'exit_running');
});

test('a scope has at most five live terminals, also after a restart', async () => {
  const scope = suite.keccak256(Uint8Array.of(9));
  const own = { ...context, scopes: { [bytesKey(scope)]: [bytesKey(payee.address)] } };
  const bench = new Bench(undefined, own);
  const outcomes: string[] = [];
  for (let n = 40; n < 46; n += 1) {
    const effects = bench.send(await register({ device: key(n) }));
    outcomes.push(effects.map((effect) => (effect.type === 'reject' ? effect.code : effect.type)).join(' '));
  }
  assert.equal(outcomes, [...Array(5).fill('registered member'), 'registered scope_full']);
  const again = bench.restart();
  const last = again.send(await register({ device: key(45) }));
  assert.is(last[1]?.type === 'reject' && last[1].code, 'scope_full');
  assert.equal(
    again.send(await register({ device: key(40) })).map((effect) => effect.type),
    ['registered', 'member'],
  );
});

test('a place in a scope is free only when no lease of the one before is good any more, to the second', async () => {
  const scope = suite.keccak256(Uint8Array.of(9));
  const own = { ...context, scopes: { [bytesKey(scope)]: [bytesKey(payee.address)] } };
  const bench = new Bench(undefined, own);
  for (let n = 40; n < 45; n += 1) bench.send(await register({ device: key(n) }));
  const { payeeOfflineMax, leaseLifetime, clockError } = DEFAULT_TIMING;
  const joins = async (at: number, n: number): Promise<boolean> => {
    bench.step({ type: 'block', at: seconds(at), height: height(at) });
    const effects = bench.send(await register({ device: key(n), expiresAt: at + 86_400 }), 'd', at);
    return effects.some(({ type }) => type === 'member');
  };
  const end = NOW + payeeOfflineMax;
  assert.not(await joins(end + 1, 50), 'the membership is over, its leases are not');
  assert.ok(await joins(end + 2, 40), 'the terminal itself comes back to its own place');
  assert.not(await joins(end + leaseLifetime + clockError, 50));
  assert.ok(await joins(end + leaseLifetime + clockError + 1, 50));
});

test('a payer is registered when L2 knows it, and a stranger takes no place in the registry', async () => {
  const bench = new Bench();
  const message = { ...(await register({ device: payer, role: ROLES.wearable })), channel: channelId(7) };
  assert.equal(
    bench.send(message).map((effect) => effect.type),
    ['registered'],
  );
  const stranger = await register({ device: key(99), role: ROLES.wearable });
  assert.equal(bench.send({ ...stranger, channel: channelId(7) }), []);
  assert.equal(bench.send({ ...message, channel: channelId(8) }), []);
});

test('nobody registers another one’s device, and no recorded registration counts again', async () => {
  const bench = new Bench();
  const refused = (message: MessageOf<'register'>): unknown =>
    bench.send(message).flatMap((effect) => (effect.type === 'reject' ? [effect.code] : []));
  const second = await register({ counter: 2 });
  assert.equal(refused({ ...second, device: otherTerminal.address }), ['signature']);
  assert.equal(refused({ ...second, counter: 3 }), ['signature']);
  // A payee that certifies somebody else's terminal: the terminal did not sign for it.
  const taken = await register({ payee: otherPayee, signer: otherPayee, counter: 3 });
  assert.equal(refused({ ...taken, signature: second.signature }), ['signature']);
  const terminalsPayee = () => trieGet(bench.state.terminals, bytesKey(terminal.address));
  assert.equal(refused(second), []);
  assert.equal(terminalsPayee(), payee.address);
  assert.equal(refused(second), [], 'a message that came twice');
  assert.equal(refused(await register({ counter: 1 })), ['register_stale']);
  assert.equal(refused(taken), [], 'the terminal itself may change its payee');
  assert.equal(terminalsPayee(), otherPayee.address);
  assert.equal(refused(second), ['register_stale'], 'and nobody turns that back');
});

test('a terminal that moved to another payee hands in what it sold for the one before', async () => {
  const bench = new Bench();
  const elsewhere = { payee: otherPayee };
  bench.send(await register({ counter: 1 }));
  const third = await tap({ ...sample, seq: 3, spent: 300, paid: 100, ...elsewhere });
  assert.is(bench.outcome(third.bytes), 'terminal_unknown', 'not for whom it never sold');
  bench.send(await register({ payee: otherPayee, signer: otherPayee, counter: 2 }));
  assert.equal(trieGet(bench.state.terminals, bytesKey(terminal.address)), otherPayee.address);
  const before = await tap(sample);
  assert.is(bench.outcome(before.bytes), 'acknowledged');
  assert.is(bench.outcome(third.bytes), 'acknowledged');
  // Its payees of before still wait for its word on what they may countersign.
  const waitedFor = (by: typeof payee) =>
    creditViews(bench.state, bench.state.books, toHex(by.address)).terminals.length;
  assert.equal([waitedFor(payee), waitedFor(otherPayee)], [1, 2]);
});

test('a terminal may have had so many payees, and the first ones go first', async () => {
  const bench = new Bench();
  const device = terminal.address;
  for (let n = 1; n <= terminalPayeesMax; n++)
    bench.step({ type: 'device', device, counter: n, payee: key(200 + n).address });
  const known = () => trieGet(bench.state.payeesOf, bytesKey(device))!.map(toHex);
  assert.is(known().length, terminalPayeesMax);
  assert.not(known().includes(toHex(payee.address)), 'the first of all is gone');
  bench.step({ type: 'device', device, counter: 99, payee: key(202).address });
  assert.is(known().at(-1), toHex(key(202).address), 'who comes again is the newest');
  assert.is(known().length, terminalPayeesMax);
});

test('a device that asks for the time is told that of a block that is not old, or nothing', async () => {
  const bench = new Bench();
  const nonce = new Uint8Array(16).fill(7);
  const ask = encodeMessage({ type: 'timeQuestion', nonce });
  const { watchLag } = bench.context.timing;
  assert.equal(bench.send(ask, 'd', NOW + watchLag), [{ type: 'time', device: 'd', nonce }]);
  const [late] = bench.send(ask, 'd', NOW + watchLag + 1);
  assert.ok(late?.type === 'reject' && late.code === 'chain_stale');
});

test('with its word about an entry the hub says how far the terminal had handed everything in', async () => {
  const bench = new Bench();
  const { id } = await tap(sample);
  const asked = { ...query(id), terminal: terminal.address } as Message;
  const said = (): unknown =>
    bench
      .send(asked)
      .flatMap((effect) => (effect.type === 'unknown' ? [effect.terminal, effect.synced] : []));
  assert.equal(said(), [terminal.address, 0]);
  const fields = { terminal: terminal.address, at: seconds(NOW - 5) };
  const signature = await terminal.sign(signing.digest('Synced', fields));
  bench.send({ type: 'synced', ...fields, signature });
  assert.equal(said(), [terminal.address, NOW - 5]);
});

test('a statement is kept when its hash is the voucher’s, and only then', async () => {
  const bench = new Bench();
  const list = [{ payee: otherPayee.address, paid: amount(40) }];
  bench.send((await tap({ ...sample, spent: 140, list })).bytes);
  bench.send({
    type: 'statement',
    channel: channelId(7),
    seq: 1 as never,
    lanes: [{ ...list[0]!, paid: amount(39) }],
  });
  assert.is(book(bench).entries.at(0)!.list, undefined);
  bench.send({ type: 'statement', channel: channelId(7), seq: 1 as never, lanes: list });
  assert.equal(book(bench).entries.at(0)!.list, list);
  assert.equal(layersGet(book(bench).claims, bytesKey(payee.address))!.list, list);
});

test('after a restart the books and all positions are the same', async () => {
  const bench = new Bench();
  const stream = await tap({
    seq: 3,
    amount: 0,
    spent: 150,
    paid: 50,
    stream: { tickValue: 3, ticks: 20, seed },
    payee: otherPayee,
    terminal: otherTerminal,
  });
  const first = await tap(sample);
  const all = [
    first.bytes,
    encodeMessage(await credit(first, 40, terminal, false)),
    encodeMessage(await credit(first, 50, payee, true)),
    stream.bytes,
    encodeMessage(tick(stream, seed, 20, 5)),
    (await tap({ seq: 2, amount: 0, spent: 150, paid: 100 })).bytes,
    (await tap({ ...sample, paid: 90, amount: 90 })).bytes,
    encodeMessage(await leaseRequest({ seq: 3, spent: 165 })),
  ];
  for (const bytes of all) bench.send(bytes);
  const again = bench.restart();
  assert.equal(JSON.parse(JSON.stringify(again.state.books)), JSON.parse(JSON.stringify(bench.state.books)));
  const { shifts, nextToken, size } = again.state;
  assert.equal(
    [shifts, nextToken, size],
    [[{ token: 0, by: 0 }], bench.records.length, bench.records.length],
  );
  assert.is(again.outcome(first.bytes), 'acknowledged');
  for (const [position, record] of bench.records.entries()) {
    assert.equal(decodeRecord(encodeRecord(record), position), record);
  }
});

test('books that grew in place change no more once the ledger was read', async () => {
  const bench = new Bench();
  for (let seq = 1; seq <= 40; seq += 1)
    bench.send((await tap({ seq, amount: 1, spent: seq, paid: seq })).bytes);
  const again = bench.restart();
  const { books } = again.state;
  const text = JSON.stringify(books);
  for (let seq = 41; seq <= 80; seq += 1)
    again.send((await tap({ seq, amount: 1, spent: seq, paid: seq })).bytes);
  assert.is(book(again).entries.length, 80);
  assert.is(JSON.stringify(books), text);
});

test('a record that was reported as failed and turns up twice counts once', async () => {
  const bench = new Bench();
  const first = await tap(sample);
  bench.send(first.bytes);
  bench.records.push(bench.records[0]!);
  const again = bench.restart();
  assert.is(channelBook(again.state.books, channelId(7)).entries.length, 1);
  assert.is(again.state.books.vouchers, 1);
});

test('time that was signed is never taken back', () => {
  const bench = new Bench();
  bench.step({ type: 'block', at: seconds(NOW - 100), height: 20 as never });
  assert.is(bench.state.block?.at, NOW);
});

test('acknowledging a credit names the credit', async () => {
  const bench = new Bench();
  const first = await tap(sample);
  bench.send(first.bytes);
  const effects = bench.send(await credit(first, 40, terminal, false));
  assert.equal(acknowledged(effects), [bytesKey(creditEntry(signing, first.id, amount(40)))]);
  assert.ok(decodeMessage(first.bytes, 'sync').ok);
});

test.run();
