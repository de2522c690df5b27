/** Runs the collected tests on the XS host and makes uvu's result the exit code. */
import { exec } from 'uvu';
import { type Natives, natives } from './natives.ts';

const host = natives as Natives & { exit(code: number): void };
const scope = globalThis as unknown as { process: { exitCode: number | undefined } };

// A rejection of exec itself is left unhandled: the engine ends it as a named fault.
exec().then(() => {
  // Without the value stack, which is far larger here than on a chip.
  host.print(`arena ${host.memory(0) - host.memory(3)}\n`);
  host.exit(scope.process.exitCode ?? 1);
});
