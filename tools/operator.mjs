// npm run operator: an operator's first day through the commands, against a real chain node and broker.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'operator',
  entries: { operator: 'simulators/operator/main.ts', sundial: 'tools/sundial.ts' },
  contracts: true,
});
