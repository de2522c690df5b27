// Preloaded into the processes of `sundial lab` (node --import): their clock and timers run as everybody's, and jump ahead
// when the lab says so, as a computer's do that slept; each timer that came due meanwhile fires once. The process ends with
// the lab. SUNDIAL_LAB is the lab's socket, SUNDIAL_LAB_SKEW milliseconds that this clock is wrong by.
import FakeTimers from '@sinonjs/fake-timers';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const { setTimeout: later } = globalThis;
const skew = Number(process.env.SUNDIAL_LAB_SKEW ?? 0);
const socket = connect(process.env.SUNDIAL_LAB);
const gone = () => process.kill(process.pid, 'SIGKILL');
socket.on('error', gone).on('close', gone);

/** Milliseconds that the lab's clock is ahead of the machine's. */
let ahead;
let clock;
const lines = createInterface({ input: socket });
const first = new Promise((resolve) => {
  lines.on('line', (line) => {
    const now = Number(line);
    if (clock !== undefined) clock.jump(now - ahead);
    ahead = now;
    resolve();
    // What came due does its work first.
    later(() => socket.write(`${line}\n`), 0);
  });
});
await first;
clock = FakeTimers.install({
  now: Date.now() + ahead + skew,
  toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'],
  shouldAdvanceTime: true,
  advanceTimeDelta: 5,
  // A hub and its libraries have a few hundred timers.
  loopLimit: 100_000,
});
socket.unref();
