/**
 * Damaged, swapped, repeated and reordered messages from several devices: the intake never throws, never changes its
 * books without a record, and a restart from the records finds the same books. The seed of a failing run is printed.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount, channelId } from '../../protocol/integers.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import {
  Bench,
  credit,
  otherPayee,
  otherTerminal,
  payee,
  payer,
  signing,
  suite,
  tap,
  terminal,
  tick,
  query,
} from './fleet.ts';
import { type Random, rounds, seededRandom } from './random.ts';

const seed = suite.keccak256(Uint8Array.of(5));

/** Honest messages and frauds of one channel, signed once. */
async function material(): Promise<Uint8Array[]> {
  const stream = await tap({
    seq: 3,
    amount: 0,
    spent: 150,
    paid: 50,
    payee: otherPayee,
    terminal: otherTerminal,
    stream: { tickValue: 2, ticks: 50, seed },
  });
  const first = await tap({ seq: 1, amount: 100, spent: 100, paid: 100 });
  const voided = await tap({
    seq: 2,
    amount: 50,
    spent: 150,
    paid: 50,
    payee: otherPayee,
    terminal: otherTerminal,
    answer: 'credit',
  });
  const list = [{ payee: otherPayee.address, paid: amount(60) }];
  const later = await tap({ seq: 4, amount: 10, spent: 200, paid: 110, list });
  const fork = await tap({ seq: 4, amount: 20, spent: 210, paid: 120 });
  const request = {
    channel: channelId(7),
    seq: 4 as never,
    spent: amount(200),
    at: 0 as never,
    scope: SCOPE_ANY,
  };
  const leaseRequest = encodeMessage({
    type: 'leaseRequest',
    ...request,
    signature: await payer.sign(signing.digest('LeaseRequest', request)),
  });
  return [
    first.bytes,
    voided.bytes,
    stream.bytes,
    later.bytes,
    fork.bytes,
    leaseRequest,
    encodeMessage(tick(stream, seed, 50, 5)),
    encodeMessage(tick(stream, seed, 50, 9)),
    encodeMessage(await credit(first, 30, terminal, false)),
    encodeMessage(await credit(first, 30, payee, true)),
    encodeMessage({ type: 'statement', channel: channelId(7), seq: 4 as never, lanes: list }),
    encodeMessage(query(first.id)),
    encodeMessage({
      type: 'pack',
      entries: [later.bytes, encodeMessage(tick(stream, seed, 50, 7)), first.bytes],
    }),
  ];
}

function damage(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  switch (random.below(4)) {
    case 0:
      copy[random.below(copy.length)] = random.below(256);
      return copy;
    case 1:
      return copy.slice(0, random.below(copy.length + 1));
    case 2:
      return Uint8Array.from([...copy, random.below(256)]);
    default: {
      const at = random.below(copy.length);
      const end = Math.min(copy.length, at + 1 + random.below(8));
      return Uint8Array.from([...copy.slice(0, at), ...random.bytes(random.below(8)), ...copy.slice(end)]);
    }
  }
}

const books = (bench: Bench) =>
  JSON.stringify(bench.state.books, (name, value) => (name === 'token' ? undefined : value));

test('no bytes break the intake, and its books are always those of its records', async () => {
  const messages = await material();
  let sent = 0;
  let refused = 0;
  for (const number of rounds(150, 5_000)) {
    const random = seededRandom(number);
    const bench = new Bench();
    try {
      for (let step = 0; step < 40; step += 1) {
        const original = messages[random.below(messages.length)]!;
        const bytes = random.chance(0.5) ? damage(random, original) : original;
        const before = bench.records.length + bench.unwritten.length;
        const known = bench.state.books;
        const effects = bench.step({
          type: 'message',
          device: `d${random.below(3)}`,
          bytes,
          now: 1_800_000_000 as never,
        });
        sent += 1;
        if (effects.some((effect) => effect.type === 'reject')) refused += 1;
        if (bench.records.length + bench.unwritten.length === before) assert.is(bench.state.books, known);
        const choice = random.next();
        if (choice < 0.4) bench.write();
        else if (choice < 0.5 && bench.unwritten.length > 0) {
          // The disk fails: this record and all after it are gone.
          const at = random.below(bench.unwritten.length);
          const { token } = bench.unwritten[at]!;
          const later = bench.unwritten.splice(at);
          for (const _ of bench.unwritten.slice()) bench.writeOne();
          bench.step({ type: 'persistFailed', token, code: 'storage_failed' });
          assert.ok(later.length > 0);
        }
      }
      bench.write();
      assert.is(books(bench.restart()), books(bench));
    } catch (error) {
      throw new Error(`seed ${number}: ${(error as Error).message}`, { cause: error });
    }
  }
  console.log(`${sent} messages, ${refused} refused`);
  assert.ok(refused > 0 && refused < sent);
});

test.run();
