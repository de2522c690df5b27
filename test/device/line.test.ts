/**
 * Who is at the far end of a line, told by beats: links begin, end and begin anew with them.
 * Not checked here: frames (framing.test.ts), real serial ports (test/story).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeFrame } from '../../device/links/framing.ts';
import { BEAT_MS, beatOf, Line } from '../../device/links/line.ts';
import type { Link } from '../../hardware/interfaces/index.ts';
import { concatBytes } from '../../protocol/bytes.ts';
import { numbersFrom } from '../../simulators/stage/flash/ram-flash.ts';

/** One side of a line in a time of its own, and what it went through. */
function side(name: number, connected: boolean) {
  const seen: string[] = [];
  const sent: Uint8Array[] = [];
  let nowMs = 0;
  let timers: { atMs: number; call: () => void }[] = [];
  let link: Link | undefined;
  const line = new Line({
    name,
    connected,
    frameSizeMax: 244,
    clock: {
      monotonicMs: () => nowMs,
      schedule(delayMs, call) {
        const timer = { atMs: nowMs + delayMs, call };
        timers.push(timer);
        return () => {
          timers = timers.filter((one) => one !== timer);
        };
      },
    },
    write: (bytes) => sent.push(bytes),
    hangUp: () => seen.push('hung up'),
    onLink(next) {
      link = next;
      seen.push('link');
      next.receive(
        (bytes) => seen.push(`bytes ${bytes}`),
        () => seen.push('closed'),
      );
    },
  });
  return {
    line,
    seen,
    sent,
    link: () => link!,
    timers: () => timers.length,
    pass(ms: number): void {
      for (const endMs = nowMs + ms; ; ) {
        const [due] = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
        if (due === undefined) {
          nowMs = endMs;
          return;
        }
        nowMs = due.atMs;
        timers = timers.filter((one) => one !== due);
        due.call();
      }
    },
  };
}

test('a wire: it beats from the start, links when the far end answers, and again under another name', () => {
  const { line, seen, sent, pass } = side(7, false);
  assert.equal(sent, [beatOf(7)]);
  pass(3 * BEAT_MS);
  assert.is(sent.length, 4);
  line.push(Uint8Array.of(5, 5, 0));
  assert.equal(seen, [], 'noise is nobody');
  line.push(beatOf(9));
  line.push(Uint8Array.of(3, 1, 1, 0));
  assert.equal(seen, ['link', 'bytes 3,1,1,0']);
  line.push(beatOf(9));
  assert.is(seen.length, 2, 'the same far end');
  line.push(Uint8Array.of(3, 2, 2, 0, ...beatOf(10), 3, 3, 3, 0));
  assert.equal(seen.slice(2), ['bytes 3,2,2,0', 'closed', 'link', 'bytes 3,3,3,0']);
  assert.equal(sent.at(-1), beatOf(7), 'whoever has just come knows at once that somebody is here');
});

test('silence ends a link, and the far end may come back under its name', () => {
  const { line, seen, pass } = side(7, false);
  line.push(beatOf(9));
  for (let i = 0; i < 20; i++) {
    pass(BEAT_MS);
    line.push(beatOf(9));
  }
  assert.equal(seen, ['link']);
  pass(7 * BEAT_MS);
  assert.equal(seen, ['link', 'closed']);
  line.push(Uint8Array.of(3, 1, 1, 0));
  line.push(beatOf(9));
  assert.equal(seen, ['link', 'closed', 'link']);
});

test('a connection that says itself who is there: no beats are sent before one is heard', () => {
  const { line, seen, sent, pass } = side(7, true);
  assert.equal(seen, ['link']);
  pass(100 * BEAT_MS);
  line.push(Uint8Array.of(3, 1, 1, 0));
  assert.equal(sent, []);
  assert.equal(seen, ['link', 'bytes 3,1,1,0']);
  line.push(beatOf(1));
  assert.equal(seen.slice(2), ['closed', 'link'], 'a board greets and is greeted once it knows of us');
  pass(BEAT_MS);
  assert.equal(sent, [beatOf(7), beatOf(7)]);
});

test('beats are taken out wherever the stream is cut, and nothing else is', () => {
  const next = numbersFrom(11);
  for (let round = 0; round < 300; round++) {
    const { line, seen } = side(7, true);
    const stream: number[] = [];
    const rest: number[] = [];
    for (let part = 0; part < 12; part++) {
      const beat = next() % 3 === 0;
      // Frames as COBS makes them: no zero but the last. The shortest hold CRC and code byte.
      const bytes = beat
        ? [...beatOf(9)]
        : [...Array.from({ length: 5 + (next() % 30) }, () => 1 + (next() % 255)), 0];
      stream.push(...bytes);
      if (!beat) rest.push(...bytes);
    }
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + (next() % 9);
      line.push(Uint8Array.from(stream.slice(at, end)));
      at = end;
    }
    const heard = seen
      .filter((text) => text.startsWith('bytes '))
      .flatMap((text) => text.slice(6).split(','));
    assert.equal(heard.map(Number), rest);
  }
});

test('a far end whose beats wait behind what it sends is there, and gone when nothing comes any more', () => {
  const ours = side(1, false);
  ours.line.push(beatOf(7));
  for (let i = 0; i < 5; i++) {
    ours.pass(900);
    ours.line.push(Uint8Array.of(3, 1, 1, 0));
  }
  assert.not(ours.seen.includes('closed'));
  ours.pass(2000);
  assert.is(ours.seen.at(-1), 'closed');
});

test('a link that its device closes stays closed, and nothing beats any more', () => {
  const { line, seen, sent, link, timers, pass } = side(7, false);
  line.push(beatOf(9));
  link().close();
  assert.equal(seen, ['link', 'closed', 'hung up']);
  const before = sent.length;
  pass(10 * BEAT_MS);
  assert.is(sent.length, before);
  assert.is(timers(), 0);
});

test('a beat has a name and two checks: with another byte anywhere it is none', () => {
  for (let name = 1; name < 256; name++) {
    assert.is(beatOf(name).indexOf(0), 4, `a zero in the beat of ${name}`);
    for (let at = 0; at < 5; at++)
      for (let bit = 0; bit < 8; bit++) {
        const one = side(1, false);
        const beat = beatOf(name);
        beat[at]! ^= 1 << bit;
        one.line.push(beat);
        assert.not(one.seen.includes('link'), `${name}, byte ${at}, bit ${bit}`);
      }
  }
});

test('one flipped bit anywhere in beats and frames never fakes that the far end started anew', () => {
  const next = numbersFrom(3);
  let flips = 0;
  for (let round = 0; round < 40; round++) {
    const message = Uint8Array.from({ length: 4 + (next() % 60) }, () => next() & (round % 2 ? 255 : 3));
    const stream = concatBytes(
      beatOf(9),
      encodeFrame(message),
      beatOf(9),
      encodeFrame(message.slice(1)),
      beatOf(9),
    );
    for (let bit = 8 * 5; bit < 8 * stream.length; bit++) {
      const { line, seen } = side(7, false);
      const flipped = stream.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      line.push(flipped);
      assert.is(seen.filter((text) => text === 'link').length, 1, `round ${round}, bit ${bit}`);
      assert.not(seen.includes('closed'), `round ${round}, bit ${bit}`);
      flips += 1;
    }
  }
  assert.ok(flips > 10_000);
});

test.run();
