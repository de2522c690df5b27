/** Runs the collected tests on the XS host and makes uvu's result the exit code. */
import { exec } from 'uvu';
import { type Natives, natives } from './natives.ts';

const host = natives as Natives & { exit(code: number): void; memory(): number };
const scope = globalThis as unknown as { process: { exitCode: number | undefined } };

// A rejection of exec itself is left unhandled: the engine ends it as a named fault.
exec().then(() => {
  host.print(`arena ${host.memory()}\n`);
  host.exit(scope.process.exitCode ?? 1);
});
