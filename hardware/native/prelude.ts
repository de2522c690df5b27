/**
 * What JavaScript expects of its host and XS leaves out: console, timers, and the random source that noble looks for
 * when it is imported (without it noble computes unblinded). Every bundle starts with this file.
 */
import { natives } from './natives.ts';

const scope = globalThis as unknown as Record<string, unknown>;

/** For the whole bundle: a variable of it is found sooner than a property of the global object. */
const Bytes = globalThis.Uint8Array;
export { Bytes as Uint8Array };

/** A device runs a handful of timers; far more means that something schedules without end. */
const timersMax = 256;

interface Timer {
  id: number;
  dueMs: number;
  callback: () => void;
}

// The clock of the natives counts from power-up and wraps every 49.7 days; this one does not. Nothing here asks for
// the time when the module is loaded: on a board that is when the image is built.
let lastMs = 0;
let elapsedMs = 0;
export function monotonicMs(): number {
  const nowMs = natives.milliseconds();
  elapsedMs += (nowMs - lastMs) >>> 0;
  lastMs = nowMs;
  return elapsedMs;
}

let timers: Timer[] = [];
let nextId = 1;

function arm(): void {
  const first = timers[0];
  if (first) natives.alarm(Math.min(Math.max(0, first.dueMs - monotonicMs()), 0x3fffffff));
}

export function setTimer(callback: () => void, delayMs: number): number {
  if (timers.length >= timersMax) throw new Error('timers_full');
  const timer = { id: nextId++, dueMs: monotonicMs() + Math.max(0, delayMs), callback };
  let at = timers.length;
  while (at > 0 && timers[at - 1]!.dueMs > timer.dueMs) at--;
  timers.splice(at, 0, timer);
  if (at === 0) arm();
  return timer.id;
}

export function clearTimer(id: number | undefined): void {
  timers = timers.filter((timer) => timer.id !== id);
  arm();
}

scope.onAlarm = (): void => {
  // One timer a call: the loop runs the promise jobs in between, as JavaScript's order demands.
  const first = timers[0];
  if (first && first.dueMs <= monotonicMs()) {
    timers.shift();
    try {
      first.callback();
    } finally {
      arm();
    }
  } else arm();
};
// Boards with links replace it.
scope.onInterrupt = (): void => {};

scope.setTimeout = (callback: () => void, delayMs = 0): number => setTimer(callback, delayMs);
scope.clearTimeout = clearTimer;

const print = (...values: unknown[]): void => natives.print(`${values.map(String).join(' ')}\n`);
scope.console = { log: print, info: print, warn: print, error: print, debug: print };

scope.crypto = {
  getRandomValues<T extends Uint8Array>(out: T): T {
    if (!natives.random(out)) throw new Error('no_entropy');
    return out;
  },
};

/** What a board's image does when the power comes on; until then its modules only define things. */
export function onStart(start: () => void): void {
  scope.start = start;
}
