/**
 * What goes between a computer with a recording and the device that plays it: lines of text, because every host can
 * print one. Written without what images leave out (regular expressions, most methods of strings).
 *
 *     to the device:  {"domain":...,"settings":...}      once after power-up
 *                     {"type":"linkBytes","nowMs":...}   an event, see Told; bytes are hex with 0x
 *     from it:        effect ..., link ..., uplink ..., fault ...    in the order in which it happens
 *                     done                               the event is handled
 */
import type { Effect, Notice } from '../../protocol/machines/effects.ts';
import { unreachable } from '../../protocol/errors.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import type { RecordTable } from '../../protocol/wire/records.ts';

/** Is given a line, word by word, and the bytes at its end if it has any. */
export type Say = (words: string, bytes?: Uint8Array) => void;

const digits = '0123456789abcdef';
/** Bytes that become text at once: the text of a whole message of the hub would be half of a chip's memory. */
const PIECE = 32;

/** Says a line as text, piece by piece; bytes are lower-case hex. */
export function sayText(print: (text: string) => void, words: string, bytes?: Uint8Array): void {
  print(words);
  if (bytes !== undefined) print(' ');
  for (let at = 0; bytes !== undefined && at < bytes.length; at += PIECE)
    print(hex(bytes.subarray(at, at + PIECE)));
  print('\n');
}

/** A line with its end. */
export const lineText = (words: string, bytes?: Uint8Array): string =>
  bytes === undefined ? words : `${words} ${hex(bytes)}`;

/** Lower-case hex without 0x. */
function hex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += digits[bytes[i]! >> 4]! + digits[bytes[i]! & 15]!;
  return text;
}

/** Bytes of a text that starts with 0x. */
function unhex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2 - 1);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = digits.indexOf(text[2 * i + 2]!) * 16 + digits.indexOf(text[2 * i + 3]!);
  return bytes;
}

/** A line to the device: JSON with bytes as hex. */
export const toldLine = (told: object): string =>
  JSON.stringify(told, (_, value) => (value instanceof Uint8Array ? `0x${hex(value)}` : value));

function revive(value: unknown): unknown {
  if (typeof value === 'string') return value[0] === '0' && value[1] === 'x' ? unhex(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  const revived: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(value)) revived[name] = revive(part);
  return revived;
}

/** What `toldLine` wrote; it holds no lists. */
export const readTold = (line: string): unknown => revive(JSON.parse(line));

function noticeText(notice: Notice): string {
  const parts = Object.entries(notice).map(
    ([name, value]) => `${name}=${value instanceof Uint8Array ? hex(value) : value}`,
  );
  return parts.join(' ');
}

/** Says an effect. An upload's bytes follow when they go out; a message may also be sent where no link is. */
export function sayEffect<R extends { readonly type: string }>(
  say: Say,
  records: RecordTable<R>,
  effect: Effect<R>,
): void {
  switch (effect.type) {
    case 'persist':
      return say(`effect persist ${effect.record.type}`, records.encode(effect.record));
    case 'sign':
      return say('effect sign', effect.digest);
    case 'notify':
      return say(`effect notify ${noticeText(effect.notice)}`);
    case 'send':
      return say(`effect send ${effect.message.type}`, encodeMessage(effect.message));
    case 'upload':
      return say(`effect upload ${effect.message.type}`);
    default:
      return unreachable(effect);
  }
}
