// npm run edges: what devices do at their limits and with damaged parts, and what the hub does with an L2 that lies.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'edges',
  entries: { edges: 'test/edges/main.ts' },
  contracts: true,
  help: `npm run edges -- [options]
  --section NAME  journal, poison, keys, l2 or time; may be given several times (default: all)
  --deep          damages more places
  --json          one JSON object; the table of boards and the lines go to stderr otherwise
`,
});
