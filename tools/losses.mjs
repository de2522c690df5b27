// npm run sim:losses: what simulated attacks come to, for the console's page about limits.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'losses',
  entries: { losses: 'simulators/cli/losses-main.ts' },
  help: `npm run sim:losses [-- ATTACKS]
  Writes hub/desk/simulated-losses.json, from ATTACKS (8) simulated attacks for each figure.
`,
});
