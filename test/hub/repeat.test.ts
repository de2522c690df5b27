/**
 * Work that is done again and again, on a clock of the test's own. Not checked here: the work itself.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemTime } from '../../hub/node/time.ts';
import { Repeat } from '../../hub/repeat.ts';

interface Timer {
  readonly run: () => void;
  readonly ms: number;
}

/** Timers of the process, by hand, while `check` runs. */
async function onOwnTimers(check: (timers: Timer[]) => Promise<void>): Promise<void> {
  const { setTimeout: real, clearTimeout: realClear } = globalThis;
  const timers: Timer[] = [];
  globalThis.setTimeout = ((run: () => void, ms: number) => {
    const timer = { run, ms };
    timers.push(timer);
    return timer;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((timer: Timer) => {
    const at = timers.indexOf(timer);
    if (at >= 0) timers.splice(at, 1);
  }) as unknown as typeof clearTimeout;
  try {
    await check(timers);
  } finally {
    globalThis.setTimeout = real;
    globalThis.clearTimeout = realClear;
  }
}

/** Lets what is under way go on until it waits for a timer. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

test('it runs at its pace while all goes well, and ever more rarely while it fails', () =>
  onOwnTimers(async (timers) => {
    let failing = false;
    let runs = 0;
    const troubles: [unknown, number][] = [];
    const recovered: number[] = [];
    const repeat = new Repeat(
      async () => {
        runs += 1;
        if (failing) throw new Error('broken');
      },
      {
        time: systemTime,
        everyMs: 70,
        failureMsMax: 1000,
        onTrouble: (error, attempts) => troubles.push([(error as Error).message, attempts]),
        onRecovered: (attempts) => recovered.push(attempts),
      },
    );
    const next = async (): Promise<number> => {
      const [timer] = timers.splice(0);
      timer!.run();
      await settled();
      assert.is(timers.length, 1, 'one timer at a time');
      return timers[0]!.ms;
    };
    await repeat.now();
    assert.is(timers[0]!.ms, 70);
    assert.is(await next(), 70);
    assert.is(runs, 2);
    failing = true;
    const pauses: number[] = [];
    for (let n = 0; n < 7; n++) pauses.push(await next());
    assert.equal(pauses, [100, 200, 400, 800, 1000, 1000, 1000]);
    assert.is(repeat.lastError, 'broken');
    assert.equal(troubles, [['broken', 1]], 'told once');
    failing = false;
    assert.is(await next(), 70);
    assert.equal(recovered, [7]);
    assert.is(repeat.lastError, undefined);
    assert.is(await next(), 70);
    assert.equal(recovered, [7]);
    failing = true;
    assert.is(await next(), 100, 'counted anew');
    assert.is(troubles.length, 2);
    await repeat.stop();
  }));

test('never twice at once: whoever asks meanwhile gets one more run', () =>
  onOwnTimers(async (timers) => {
    let open: (() => void) | undefined;
    let runs = 0;
    let atOnce = 0;
    let most = 0;
    const repeat = new Repeat(
      async () => {
        runs += 1;
        atOnce += 1;
        most = Math.max(most, atOnce);
        await new Promise<void>((resolve) => {
          open = resolve;
        });
        atOnce -= 1;
      },
      { time: systemTime, everyMs: 50, failureMsMax: 100 },
    );
    const asked = [repeat.now(), repeat.now(), repeat.now()];
    assert.is(runs, 1);
    open!();
    await settled();
    assert.is(runs, 2, 'once more for all that asked');
    open!();
    await Promise.all(asked);
    assert.is(runs, 2);
    assert.is(timers.length, 1);
    // Asked between two runs: the timer that waits is not needed any more.
    const again = repeat.now();
    assert.is(timers.length, 0);
    assert.is(runs, 3);
    const stopped = repeat.stop();
    let isStopped = false;
    void stopped.then(() => {
      isStopped = true;
    });
    void repeat.now();
    await settled();
    assert.not(isStopped, 'the run that is under way is waited for');
    open!();
    await Promise.all([again, stopped]);
    assert.is(runs, 3);
    assert.is(most, 1);
    assert.is(timers.length, 0);
    await repeat.now();
    assert.is(runs, 3);
  }));

test('what waits when it is stopped never runs', () =>
  onOwnTimers(async (timers) => {
    let runs = 0;
    const repeat = new Repeat(
      async () => {
        runs += 1;
      },
      { time: systemTime, everyMs: 50, failureMsMax: 100 },
    );
    await repeat.now();
    assert.is(timers.length, 1);
    await repeat.stop();
    assert.is(timers.length, 0);
    assert.is(runs, 1);
  }));

test.run();
