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
import { encodeMessage } from '../../protocol/wire/messages.ts';
import type { RecordTable } from '../../protocol/wire/records.ts';

const digits = '0123456789abcdef';
/** Bytes turned into text at once: pieces that are joined cost a chip less than a text that grows. */
const PIECE = 32;

/** Lower-case hex without 0x. */
export function hex(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) {
    let piece = '';
    const end = Math.min(at + PIECE, bytes.length);
    for (let i = at; i < end; i++) piece += digits[bytes[i]! >> 4]! + digits[bytes[i]! & 15]!;
    pieces.push(piece);
  }
  return pieces.join('');
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

/** An effect as a line. */
export function effectLine<R extends { readonly type: string }>(
  records: RecordTable<R>,
  effect: Effect<R>,
): string {
  switch (effect.type) {
    case 'persist':
      return `effect persist ${effect.record.type} ${hex(records.encode(effect.record))}`;
    case 'sign':
      return `effect sign ${hex(effect.digest)}`;
    case 'notify':
      return `effect notify ${noticeText(effect.notice)}`;
    default:
      return `effect ${effect.type} ${effect.message.type} ${hex(encodeMessage(effect.message))}`;
  }
}
