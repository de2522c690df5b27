/**
 * What a charge session has used so far, as its tariff counts it: energy and charging time by band, idle time. A fold over
 * what the meter says; a session keeps its usage and the tariff that it began with.
 */
import { bandAt, type Tariff, type Usage } from './tariff.ts';

/** From one reading of the meter to the next. */
export interface Span {
  /** Unix seconds. */
  readonly from: number;
  readonly to: number;
  /** Watt-hours between the two; counted at the price of the earlier moment. */
  readonly wh: number;
  /** The vehicle takes no more; a pause that the charge point or the grid makes is not idling. */
  readonly idle: boolean;
  /** Seconds that local time is ahead of UTC. */
  readonly zone: number;
}

const DAY = 86_400;

/** Nothing used yet. */
export const unused = (tariff: Tariff): Usage => ({
  wh: tariff.bands.map(() => 0),
  seconds: tariff.bands.map(() => 0),
  idle: 0,
});

const minuteOf = (at: number, zone: number): number => Math.floor(((((at + zone) % DAY) + DAY) % DAY) / 60);

const added = (list: readonly number[], index: number, more: number): readonly number[] =>
  more === 0 ? list : list.map((value, i) => (i === index ? value + more : value));

/** The next moment after `at` at which another band may count: one of them begins or ends. */
function nextEdge(tariff: Tariff, at: number, zone: number): number {
  const second = (((at + zone) % DAY) + DAY) % DAY;
  const edges = tariff.bands.flatMap(({ from, to }) => [from * 60, to * 60]);
  const ahead = edges.map((edge) => (((edge - second) % DAY) + DAY) % DAY || DAY);
  return at + Math.min(...ahead);
}

/** The usage after a span. Spans that go back in time, or take energy back, add nothing of that. */
export function use(tariff: Tariff, usage: Usage, span: Span): Usage {
  const { from, to, zone } = span;
  let { seconds, idle } = usage;
  if (span.idle) idle += Math.max(0, to - from);
  else
    for (let at = from; at < to; ) {
      const until = Math.min(to, nextEdge(tariff, at, zone));
      seconds = added(seconds, bandAt(tariff, minuteOf(at, zone)), until - at);
      at = until;
    }
  const wh = added(usage.wh, bandAt(tariff, minuteOf(from, zone)), Math.max(0, span.wh));
  return { wh, seconds, idle };
}
