/**
 * Displays that look at each other, and the fountain for what does not fit one code.
 * Not checked here: images (test/links), cameras, light.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FOUNTAIN_BYTES_MAX, FountainDecoder, fountainPart } from '../../device/links/fountain.ts';
import { encodeFrame } from '../../device/links/framing.ts';
import { base45, fromBase45, QrLink, TURN_BYTES_MAX } from '../../device/links/qr.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { VOUCHER_BYTES_MAX } from '../../protocol/limits.ts';
import { numbersFrom } from '../../simulators/stage/flash/ram-flash.ts';
import { TestClock } from './timers.ts';

const bytes = (length: number, seed = 1): Uint8Array => {
  const next = numbersFrom(seed);
  return Uint8Array.from({ length }, () => next() & 255);
};
const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

test('base45 as RFC 9285 has it, and back for every length', () => {
  assert.is(base45(ascii('AB')), 'BB8');
  assert.is(base45(ascii('Hello!!')), '%69 VD92EX0');
  assert.is(base45(ascii('base-45')), 'UJCLQE7W581');
  assert.equal(fromBase45('QED8WEX0'), ascii('ietf!'));
  for (let length = 0; length < 300; length++)
    assert.equal(fromBase45(base45(bytes(length, length + 1))), bytes(length, length + 1));
  for (const text of ['A', 'ab8', ':::', '::', 'AAAA', '€€€']) assert.is(fromBase45(text), undefined, text);
});

test('any parts that are a few more than the bytes have will do', () => {
  for (const length of [1, 159, 160, 161, 1000, 3000, 16_384, FOUNTAIN_BYTES_MAX]) {
    const sent = bytes(length, length);
    const count = Math.ceil(length / 160);
    for (let seed = 1; seed <= 5; seed++) {
      const next = numbersFrom(seed);
      const decoder = new FountainDecoder();
      let taken = 0;
      let got: Uint8Array | undefined;
      for (let number = 0; got === undefined; number++) {
        // One frame in three is missed.
        if (next() % 3 === 0) continue;
        taken += 1;
        got = decoder.push(fountainPart(sent, 160, number));
        assert.ok(taken <= count + 12, `${length} bytes, seed ${seed}: ${taken} parts`);
      }
      assert.equal(got, sent);
    }
  }
});

test('a misread part delays, and is never taken for bytes; garbage is nothing', () => {
  const sent = bytes(2000);
  const decoder = new FountainDecoder();
  const wrong = fountainPart(sent, 160, 3);
  wrong[50]! ^= 4;
  decoder.push(wrong);
  let got: Uint8Array | undefined;
  for (let number = 0; got === undefined && number < 100; number++)
    got = decoder.push(fountainPart(sent, 160, number));
  assert.equal(got, sent);
  for (let seed = 0; seed < 500; seed++) new FountainDecoder().push(bytes(seed % 60, seed));
  assert.throws(() => fountainPart(new Uint8Array(0), 160, 0), RangeError);
  assert.throws(() => fountainPart(new Uint8Array(FOUNTAIN_BYTES_MAX + 1), 160, 0), RangeError);
});

/** A payer's and a till's display, filmed frame by frame. */
function displays(loses: () => boolean) {
  const clock = new TestClock();
  const side = (first: boolean) => {
    const heard: number[] = [];
    const links: Link[] = [];
    let closed = 0;
    const display = new QrLink({
      clock,
      first,
      nonce: Uint8Array.of(4, 2),
      onLink(link) {
        links.push(link);
        link.receive(
          (data) => heard.push(...data),
          () => {
            closed += 1;
          },
        );
      },
    });
    return { display, heard, links, closed: () => closed };
  };
  const payer = side(true);
  const till = side(false);
  let frames = 0;
  const film = (count: number): void => {
    for (let i = 0; i < count; i++) {
      frames += 1;
      clock.pass(100);
      for (const [from, to] of [
        [payer, till],
        [till, payer],
      ] as const) {
        const text = from.display.frame(frames);
        if (text !== undefined && !loses()) to.display.scan(text);
      }
    }
  };
  return { payer, till, film };
}

test('turn by turn, both ways, whatever is missed; a long turn is a sequence', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const next = numbersFrom(seed);
    const { payer, till, film } = displays(() => next() % 3 === 0);
    const up: number[] = [];
    const down: number[] = [];
    payer.links[0]!.send(bytes(50));
    up.push(...bytes(50));
    film(30);
    for (const length of [99, 182, 5000, 244]) {
      const [a, b] = [encodeFrame(bytes(length, seed)), encodeFrame(bytes(length, seed + 1))];
      till.links[0]!.send(a);
      payer.links[0]!.send(b);
      down.push(...a);
      up.push(...b);
      film(150);
    }
    assert.equal(till.heard, up);
    assert.equal(payer.heard, down);
    assert.is(till.links.length, 1);
  }
});

test('a code that is seen again says nothing new, and one of another meeting begins anew', () => {
  const { payer, till, film } = displays(() => false);
  payer.links[0]!.send(Uint8Array.of(1, 0));
  film(1);
  const code = payer.display.frame(0)!;
  film(5);
  till.display.scan(code);
  till.display.scan(code);
  assert.equal(till.heard, [1, 0]);
  const other = new QrLink({
    clock: new TestClock(),
    first: true,
    nonce: Uint8Array.of(9, 9),
    onLink: () => undefined,
  });
  assert.is(other.frame(0), undefined, 'nothing to say yet');
  till.display.scan('SD1:garbage');
  till.display.scan('http://example.org');
  assert.is(till.links.length, 1);
  till.display.end();
  assert.is(till.closed(), 1);
});

test('the largest voucher is one code of version 9', () => {
  const { payer, film } = displays(() => true);
  payer.links[0]!.send(encodeFrame(bytes(VOUCHER_BYTES_MAX)));
  film(2);
  const text = payer.display.frame(0)!;
  assert.ok(text.startsWith('SD1:'), 'one code');
  assert.ok(text.length <= 335, `${text.length} characters`);
  const { payer: full, film: filmFull } = displays(() => true);
  full.links[0]!.send(bytes(TURN_BYTES_MAX));
  filmFull(2);
  assert.ok(full.display.frame(0)!.startsWith('SD1:'));
  assert.ok(full.display.frame(0)!.length <= 335);
});

test.run();
