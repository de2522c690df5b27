/**
 * The executor itself: links that follow one another, and a flash that gives up under a device.
 * Not checked here: cuts at every effect and flash write (cuts.test.ts), keys that fail (key-fault.test.ts), the
 * machines.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Link } from '../../hardware/interfaces/index.ts';
import { Pair } from './pair.ts';

/** A link that goes nowhere. */
class DeadEnd implements Link {
  readonly frameSizeMax = 244;
  sent = 0;
  closed = false;
  onBytes: (bytes: Uint8Array) => void = () => undefined;
  onClosed: () => void = () => undefined;
  send = (): void => {
    this.sent += 1;
  };
  receive = (onBytes: (bytes: Uint8Array) => void, onClosed: () => void): void => {
    this.onBytes = onBytes;
    this.onClosed = onClosed;
  };
  close = (): void => {
    this.closed = true;
  };
}

test('an old link that closes late leaves the new one alone', async () => {
  const pair = await Pair.create(11);
  const [old, fresh] = [new DeadEnd(), new DeadEnd()];
  pair.terminal.attachLink(old);
  pair.terminal.attachLink(fresh);
  await pair.terminal.idle();
  old.onClosed();
  await pair.terminal.idle();
  assert.ok(pair.terminal.state.volatile.linkUp);
  const before = fresh.sent;
  await pair.sale(100);
  await pair.terminal.idle();
  assert.ok(fresh.sent > before, 'what it says goes to whoever is there now');
  fresh.onClosed();
  await pair.terminal.idle();
  assert.not(pair.terminal.state.volatile.linkUp);
});

test('a payment on a new link outlives the end of an old one', async () => {
  const pair = await Pair.create(12);
  const old = new DeadEnd();
  pair.payer.attachLink(old);
  pair.link();
  old.onClosed();
  await pair.sale(100);
  await pair.settle();
  assert.is(pair.said('terminal', 'approved'), 1);
  assert.is(pair.said('payer', 'paid'), 1);
});

for (const side of ['payer', 'terminal'] as const) {
  test(`a ${side} whose flash gives up is frozen, signs no more, and stays so`, async () => {
    const pair = await Pair.create(13);
    pair.link();
    await pair.sale(100);
    await pair.settle();
    assert.is(pair.payer.state.books.spent, 100);
    const flash = pair.flash[side];
    for (let word = 0; word < flash.size; word += flash.wordSize) flash.stuck.add(word);
    await pair.sale(50);
    await pair.settle();
    assert.equal(
      pair.faults.map(({ code, frozen }) => [code, frozen]),
      [['flash_worn', true]],
    );
    assert.ok(pair[side].frozen);
    assert.ok(pair[side].state.volatile.frozen);
    assert.is(pair.said('terminal', 'approved'), 1, 'nothing more was approved');
    const operations = flash.operations;
    await pair.pass(5000);
    await pair.sale(50);
    await pair.settle();
    assert.is(flash.operations, operations, 'it writes nothing more');
    assert.is(pair.said('terminal', 'approved'), 1);
    assert.is(pair.payer.state.books.spent, side === 'terminal' ? 150 : 100, 'a frozen payer signs nothing');
  });
}

test('a runtime that stops closes its links', async () => {
  const pair = await Pair.create(14);
  const link = new DeadEnd();
  pair.terminal.attachLink(link);
  pair.terminal.stop();
  assert.ok(link.closed);
});

test.run();
