// npm run till: a drawn day at the tills, with kills, judged by what others say of it.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'till',
  entries: {
    till: 'simulators/till/main.ts',
    software: 'simulators/till/software.ts',
    sundial: 'tools/sundial.ts',
  },
  contracts: true,
});
