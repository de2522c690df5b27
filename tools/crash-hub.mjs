// npm run crash:hub: a hub, workers and what they stand on, failing under load, and what became of the books.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'crash',
  entries: { crash: 'test/crash/main.ts' },
  contracts: true,
  help: `npm run crash:hub -- [options]
  --rounds N  blows (default 30)
  --seed S    draws what is hit and when (default 1)
  --json      {"rounds","acknowledged","missing","doubled","signedTwice","settledTwice","by"}
`,
});
