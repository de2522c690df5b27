// npm run links: taps over every link, cut wherever one can be, and the books compared.
import { runProgram } from './program.mjs';

await runProgram({ folder: 'links', entries: { links: 'simulators/links/main.ts' } });
