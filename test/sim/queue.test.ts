import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Queue } from '../../simulators/stage/world/queue.ts';

const action = (): void => undefined;
/** A time to push, or undefined to pop. Few times, so that many are the same. */
const STEPS = fc.array(fc.option(fc.nat(20), { nil: undefined, freq: 2 }), { maxLength: 300, size: 'max' });

test('the earliest comes first, and of one time the one that was planned first', () => {
  fc.assert(
    fc.property(STEPS, (steps) => {
      const queue = new Queue();
      let model: { at: number; order: number }[] = [];
      const pop = (): void => {
        model.sort((a, b) => a.at - b.at || a.order - b.order);
        const [first, ...others] = model;
        assert.is(queue.firstAt, first!.at);
        assert.is((queue.pop() as unknown as typeof first)!.order, first!.order);
        model = others;
      };
      for (const [order, at] of steps.entries()) {
        if (at === undefined && model.length === 0) continue;
        if (at === undefined) pop();
        else {
          const planned = { at, order, action, cancelled: false };
          queue.push(order, planned);
          model.push(planned);
        }
        assert.is(queue.length, model.length);
      }
      while (model.length > 0) pop();
    }),
    { seed: 7, numRuns: 300 },
  );
});

test('it grows with what is planned', () => {
  const queue = new Queue();
  const plans = Array.from({ length: 5000 }, (_, order) => ({
    at: (order * 7919) % 500,
    order,
    action,
    cancelled: false,
  }));
  for (const planned of plans) queue.push(planned.order, planned);
  plans.sort((a, b) => a.at - b.at || a.order - b.order);
  for (const planned of plans) assert.is(queue.pop(), planned);
  assert.is(queue.length, 0);
});

test.run();
