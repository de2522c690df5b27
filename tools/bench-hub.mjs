// npm run bench:hub: what the hub costs a voucher, from the first one to millions.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'bench',
  entries: { hub: 'test/bench/hub.ts', postgres: 'test/bench/postgres-worker.ts' },
  flags: ['--expose-gc'],
  help: `npm run bench:hub -- [options]
  --vouchers N  of the run against raw cryptography (default 12800)
  --json        one JSON object
Some 7 GB in the temporary folder, and some 20 minutes, for the histories.
`,
});
