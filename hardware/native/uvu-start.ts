/** The few parts of Node that uvu looks at, so that it prints and reports as it does there. */
import { monotonicMs } from './prelude.ts';
import { natives } from './natives.ts';

const scope = globalThis as unknown as Record<string, unknown>;
scope.process = {
  argv: [],
  env: {},
  exitCode: undefined,
  on: () => {},
  hrtime: (since: [number, number] = [0, 0]): [number, number] => {
    const ms = monotonicMs() - since[0] * 1000 - since[1] / 1e6;
    return [Math.floor(ms / 1000), (ms % 1000) * 1e6];
  },
  stdout: { write: (text: string) => natives.print(text) },
};
// Tests are collected and wait for uvu-run.ts.
scope.UVU_DEFER = 1;
scope.UVU_INDEX = 0;
scope.UVU_QUEUE = [[null]];
