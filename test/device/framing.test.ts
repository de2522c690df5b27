/**
 * Frames on a byte link: what goes in comes out, and what was garbled never does. Not checked here: what a line does
 * with them (line.test.ts).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Deframer, decodeFrame, encodeFrame, frameOverhead } from '../../device/links/framing.ts';
import { numbersFrom } from '../../simulators/stage/flash/ram-flash.ts';

const SEED = 7;
const MESSAGE_MAX = 244;

function collect(max = MESSAGE_MAX) {
  const messages: Uint8Array[] = [];
  const garbage: string[] = [];
  const deframer = new Deframer(
    max,
    (message) => messages.push(message),
    (reason) => garbage.push(reason),
  );
  return { messages, garbage, deframer };
}

test('a frame carries any message and no zero but its last byte', () => {
  const next = numbersFrom(SEED);
  for (let length = 1; length <= 600; length++) {
    const message = Uint8Array.from({ length }, () => (next() % 3 === 0 ? 0 : next() & 255));
    const frame = encodeFrame(message);
    assert.is(frame.indexOf(0), frame.length - 1);
    assert.ok(frame.length <= length + frameOverhead(length) + 1);
    assert.equal(decodeFrame(frame.subarray(0, -1)), message);
  }
});

test('a known frame: COBS of the message and its CRC-32', () => {
  // CRC-32 of the text "123456789" is cbf43926, little-endian on the wire.
  const message = Uint8Array.from('123456789', (character) => character.charCodeAt(0));
  assert.equal([...encodeFrame(message)], [14, ...message, 0x26, 0x39, 0xf4, 0xcb, 0]);
});

test('a block of 254 bytes without a zero adds none', () => {
  for (let length = 240; length <= 1030; length++) {
    const message = Uint8Array.from({ length }, (_, at) => 1 + (at % 255));
    const frame = encodeFrame(message);
    assert.is(frame.indexOf(0), frame.length - 1);
    assert.equal(decodeFrame(frame.subarray(0, -1)), message, `${length} bytes`);
  }
  // 250 bytes and a CRC-32 that has no zero either: one full block, then an empty one.
  const message = Uint8Array.from({ length: 250 }, (_, at) => at + 1);
  const frame = encodeFrame(message);
  assert.equal([...frame.subarray(0, 3), ...frame.subarray(251, 255)].includes(0), false);
  assert.is(frame[0], 255);
  assert.equal([...frame.subarray(255)], [1, 0]);
});

test('after garbage, lost bytes and frames that are too long, the next frame is read', () => {
  const next = numbersFrom(SEED);
  const { messages, garbage, deframer } = collect();
  for (let round = 0; round < 500; round++) {
    const noise = Uint8Array.from({ length: next() % 700 }, () => next() & 255);
    deframer.push(noise);
    deframer.push(Uint8Array.of(0));
    const message = Uint8Array.from({ length: 1 + (next() % MESSAGE_MAX) }, () => next() & 255);
    const before = messages.length;
    const frame = encodeFrame(message);
    const split = next() % frame.length;
    deframer.push(frame.subarray(0, split));
    deframer.push(frame.subarray(split));
    assert.equal(messages.slice(before), [message]);
  }
  assert.ok(garbage.includes('too_large') && garbage.includes('malformed'));
});

test('zeros between frames are no frames, and no garbage', () => {
  const { deframer, messages, garbage } = collect();
  const frame = encodeFrame(Uint8Array.of(1, 2));
  deframer.push(Uint8Array.of(0));
  deframer.push(Uint8Array.of(0, 0));
  deframer.push(Uint8Array.of(0, ...frame, 0));
  assert.equal(messages, [Uint8Array.of(1, 2)]);
  assert.equal(garbage, []);
});

test('one flipped bit anywhere makes a frame garbage, never another message', () => {
  const message = Uint8Array.from({ length: 60 }, (_, i) => (i * 37) & 255);
  const frame = encodeFrame(message);
  for (let bit = 0; bit < 8 * (frame.length - 1); bit++) {
    const { messages, deframer } = collect();
    const flipped = frame.slice();
    flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
    deframer.push(flipped);
    assert.equal(messages, []);
  }
});

test('a half frame is forgotten when the link was cut', () => {
  const { messages, deframer } = collect();
  const frame = encodeFrame(Uint8Array.of(1, 2, 3));
  deframer.push(frame.subarray(0, 3));
  deframer.reset();
  deframer.push(frame);
  assert.equal(messages, [Uint8Array.of(1, 2, 3)]);
});

test.run();
