// npm run crash:hub: a hub and its chain, killed under load, and what became of the books.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'crash',
  entries: { crash: 'test/crash/main.ts' },
  contracts: true,
  help: `npm run crash:hub -- [options]
  --rounds N  kills (default 30)
  --seed S    draws who is killed and when (default 1)
  --json      {"rounds","acknowledged","missing","doubled","signedTwice","settledTwice","by"}
`,
});
