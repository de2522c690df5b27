/** Where a device can be stopped dead for a crash test: before any effect that its machine may ask for, by name. */
import { SundialError } from '../../../../protocol/errors.ts';
import type { Notice } from '../../../../protocol/machines/effects.ts';
import { payerRecords } from '../../../../protocol/machines/payer/books.ts';
import { terminalRecords } from '../../../../protocol/machines/terminal/books.ts';
import { MESSAGES } from '../../../../protocol/wire/messages.ts';
import { event as eventSchema } from '../till/schema.ts';

/** Every notice there is; the compiler misses none. */
const NOTICES: Readonly<Record<Notice['type'], true>> = {
  approved: true,
  streamOpened: true,
  deliver: true,
  voided: true,
  writtenOff: true,
  refused: true,
  confirmWanted: true,
  clearing: true,
  cleared: true,
  signing: true,
  paid: true,
  requested: true,
  sessionOver: true,
  endWanted: true,
  tickPaid: true,
  acknowledged: true,
  settled: true,
  lease: true,
  time: true,
};

/** The names that may follow each kind of effect. */
const POINTS: Readonly<Record<string, readonly string[]>> = {
  persist: [...new Set([...payerRecords.names, ...terminalRecords.names])],
  send: Object.keys(MESSAGES),
  upload: Object.keys(MESSAGES),
  notify: Object.keys(NOTICES),
  // The till's own books: before an event of theirs is stored.
  till: eventSchema.options.map(({ shape }) => shape.type.value),
};

/** Reads --halt-at: `sign`, `persist:intent`, `send:receipt`, ... Throws `bad_halt`, which lists what there is. */
export function haltPoint(text: string): string {
  const [kind = '', name] = text.split(':');
  const names = Object.hasOwn(POINTS, kind) ? POINTS[kind] : undefined;
  if (text === 'sign' || (name !== undefined && names?.includes(name))) return text;
  throw new SundialError('bad_halt', `no device ever does "${text}"`, {
    severity: 'call',
    remedy:
      names === undefined
        ? `Give sign, or one of ${Object.keys(POINTS).join(', ')} and a name, such as persist:intent or send:receipt.`
        : `After ${kind}: give one of ${names.join(', ')}.`,
  });
}
