/** A hub to which vouchers come all the time: one batch each time it is due, and what a cheater owes has its turn. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rounds } from '../../hub/rounds.ts';
import { createLogger } from '../../hub/log.ts';
import { systemTime } from '../../hub/node/time.ts';
import { until } from './temporary.ts';

/** A settle loop that never runs out of rows; `full`: batches after which rows were left over. */
function endless(full: number) {
  let open: object | undefined;
  return {
    batches: 0,
    more: false,
    get history() {
      return { open: open === undefined ? [] : [open] };
    },
    async step(mayPlan: boolean): Promise<'idle' | 'sent' | 'finished'> {
      if (open !== undefined) {
        open = undefined;
        return 'finished';
      }
      if (!mayPlan) return 'idle';
      this.batches += 1;
      this.more = this.batches <= full;
      open = {};
      return 'sent';
    },
  };
}

let running: Rounds | undefined;
test.after.each(() => running?.stop());

function start(full = 0, justiceFails = 0) {
  const settle = endless(full);
  const justice = {
    acts: 0,
    async step() {
      this.acts += 1;
      if (this.acts <= justiceFails) throw new Error('L2 is away');
    },
  };
  const rounds = new Rounds({
    time: systemTime,
    config: { chain: { pollMs: 1 }, batch: { everyMs: 0 }, beaconMs: 1000 } as never,
    watch: { look: async () => {} } as never,
    settle: settle as never,
    justice: justice as never,
    publish: async () => {},
    log: createLogger('silent'),
  });
  running = rounds;
  return { settle, justice, rounds };
}

test('what is due is settled once, and then the proofs are brought, however fast new vouchers come', async () => {
  const { settle, justice, rounds } = start();
  await rounds.settleNow();
  assert.is(settle.batches, 1);
  assert.is(justice.acts, 1);
  await rounds.settleNow();
  assert.is(settle.batches, 2);
  assert.is(justice.acts, 2);
});

test('rows that did not fit follow at once', async () => {
  const { settle, justice, rounds } = start(3);
  await rounds.settleNow();
  assert.is(settle.batches, 4);
  assert.is(justice.acts, 1);
});

test('what becomes due while a batch is under way is settled with the next', async () => {
  const { settle, rounds } = start();
  const { step } = settle;
  let told = false;
  settle.step = async function (mayPlan) {
    const state = await step.call(this, mayPlan);
    // An owner begins to leave: the batch was planned before.
    if (state === 'sent' && !told) {
      told = true;
      rounds.batchDue();
    }
    return state;
  };
  await rounds.settleNow();
  await until('the second batch', () => settle.batches === 2);
});

test('proofs that could not be brought are tried again', async () => {
  const { justice, rounds } = start(0, 2);
  await rounds.settleNow();
  await until('the third try', () => justice.acts >= 3);
});

test.run();
