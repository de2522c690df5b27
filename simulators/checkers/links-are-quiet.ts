/**
 * Two devices that talk come to rest: no link carries an echo that feeds itself, and doubled answers bring no ticks back.
 *
 * Not checked here: bytes, messages of terminals, uplinks, floods of less than that many messages a minute, and the few ticks
 * that go out twice as their terminal asks for something else.
 */
import type { MessageOf } from '../../protocol/wire/messages.ts';
import type { MakeChecker } from './checker.ts';

/** A tick takes seconds and four messages, a tap some twenty; doubled and repeated they stay far below this. */
const SENT_A_MINUTE_MAX = 1500;
/** A payer says a tick again after half a second at the earliest, or on a new link; this is less on any clock. */
const AT_ONCE_MS = 400;
/** Ticks of one stream that go out twice at once. */
const TWICE_MAX = 5;

/** The newest tick of a payer, and how many of its stream went out twice at once. */
interface Ticks {
  readonly seq: number;
  readonly k: number;
  readonly atMs: number;
  readonly isTwice: boolean;
  readonly twice: number;
}

/** After this tick was sent; `before` undefined: it is the first. */
function afterTick(before: Ticks | undefined, { seq, k }: MessageOf<'tick'>, atMs: number): Ticks {
  const stream = before?.seq === seq ? before : undefined;
  if (stream?.k !== k) return { seq, k, atMs, isTwice: false, twice: stream?.twice ?? 0 };
  const isTwice = stream.isTwice || atMs - stream.atMs < AT_ONCE_MS;
  return { seq, k, atMs, isTwice, twice: stream.twice + (isTwice && !stream.isTwice ? 1 : 0) };
}

export const linksAreQuiet: MakeChecker = (simulation, report) => {
  let minute = 0;
  let sent = new Map<number, number>();
  const ticks = new Map<number, Ticks>();
  return {
    name: 'links are quiet',
    payerSent({ device: { index, name } }, message) {
      const { nowMs } = simulation.world;
      const now = Math.floor(nowMs / 60_000);
      if (now !== minute) {
        minute = now;
        sent = new Map();
      }
      const count = (sent.get(index) ?? 0) + 1;
      sent.set(index, count);
      if (count === SENT_A_MINUTE_MAX) report(`${name} sent ${count} messages within a minute`);
      const before = ticks.get(index);
      // It greets on a new link, where it may say again at once what it said on the old one.
      if (message.type === 'hello' && before !== undefined)
        ticks.set(index, { ...before, atMs: Number.NEGATIVE_INFINITY });
      if (message.type !== 'tick') return;
      const after = afterTick(before, message, nowMs);
      ticks.set(index, after);
      if (after.twice === TWICE_MAX && before?.twice !== TWICE_MAX)
        report(`${name} sent ${TWICE_MAX} ticks of a stream twice within ${AT_ONCE_MS} ms`);
    },
  };
};
