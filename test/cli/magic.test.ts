/**
 * Wearables that do one thing wrong at a till that runs: what becomes of their links and clocks, and which there are. Not
 * checked here: what a till then says, which the lab's test holds (test/lab).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { magicOf } from '../../hardware/boards/node/cli/magic.ts';
import { nodeClock } from '../../hardware/boards/node/host.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import type { SundialError } from '../../protocol/errors.ts';

/** A link that keeps what is sent. */
function fake() {
  const sent: number[] = [];
  let closed = (): void => undefined;
  const link: Link = {
    frameSizeMax: 100,
    send: (bytes) => void sent.push(...bytes),
    receive: (_onBytes, onClosed) => {
      closed = onClosed;
    },
    close: () => closed(),
  };
  return { sent, link };
}
const listen = (link: Link): void =>
  link.receive(
    () => undefined,
    () => undefined,
  );

test('what was said at the first link is said again at every later one, and the device has no part in it', () => {
  const { link: wrap, paid } = magicOf('replayed-voucher');
  const first = fake();
  const given = wrap!(first.link)!;
  listen(given);
  given.send(Uint8Array.of(1, 2));
  given.send(Uint8Array.of(3));
  assert.equal(first.sent, [1, 2, 3], 'it pays as ever');
  paid!();
  for (const later of [fake(), fake()]) {
    assert.is(wrap!(later.link), undefined);
    assert.equal(later.sent, [1, 2, 3]);
  }
  // Another one has heard nothing.
  assert.ok(magicOf('replayed-voucher').link!(fake().link));
});

test('a slow link keeps the order and loses nothing', async () => {
  const { sent, link } = fake();
  const slow = magicOf('slow-link').link!(link)!;
  slow.send(Uint8Array.of(1));
  slow.send(Uint8Array.of(2));
  assert.equal(sent, []);
  await new Promise((resolve) => setTimeout(resolve, 4_200));
  assert.equal(sent, [1, 2]);
});

test('a clock of four days ahead, a halt, a cent', () => {
  const ahead = magicOf('skewed-clock').clock!.realTimeSeconds()! - nodeClock.realTimeSeconds()!;
  assert.ok(Math.abs(ahead - 4 * 86_400) <= 1);
  assert.is(magicOf('power-loss').haltAt, 'sign');
  assert.is(magicOf('declines').tapMax, '0.01');
  assert.equal(Object.keys(magicOf('good')), ['name', 'about']);
});

test('others are named, and those of the lab say their price', () => {
  const refused = (name: string): SundialError => {
    try {
      magicOf(name);
    } catch (error) {
      return error as SundialError;
    }
    throw new Error(`${name} was taken`);
  };
  assert.match(refused('toString').remedy, /Give one of good, declines, replayed-voucher/);
  for (const [name, price] of [
    ['over-limit', '66.00'],
    ['expired-lease', '1.22'],
    ['hub-refusal', '1.55'],
    ['duplicated', '1.77'],
  ] as const)
    assert.match(refused(name).remedy, `POST /v1/magic with the price ${price}`);
});

test.run();
