// npm run bench:gas: what everything costs on a real chain node, against the budget.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'bench',
  entries: { gas: 'test/bench/gas.ts' },
  contracts: true,
  flags: [],
  help: `npm run bench:gas -- [options]
  --quick  batches of 1, 10 and 100 only
  --json   one JSON object: gas, bytes and deflated bytes a lane, and single calls
`,
});
