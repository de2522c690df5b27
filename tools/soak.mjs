// npm run soak: a hub under a steady load, and whether what it holds grows with what it has done.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'soak',
  entries: { soak: 'test/soak/main.ts' },
  contracts: true,
  help: `npm run soak -- [options]
  --minutes N  how long (default 20)
  --rate R     vouchers a second (default 20)
  --json       {"minutes","acknowledged","signedTwice","samples","bytesPerVoucher","files","handles","lastMB","bounds","ok"}
`,
});
