// Runs a program that must not outlive who started it: `node tied.mjs PROGRAM ARGS...` with a pipe as stdin. When that
// pipe ends, because its owner ended in whatever way, the program gets SIGTERM, and SIGKILL when it stays.
import { spawn } from 'node:child_process';

/** How long the program may take to end by itself, milliseconds. */
const PATIENCE_MS = 10_000;

const [program, ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ['ignore', 1, 2] });
const end = () => {
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS).unref();
};
child.once('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(127);
});
child.once('exit', (code) => process.exit(code ?? 1));
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, end);
// Ctrl-C goes to the whole group: the program has it already, or its owner says what is next.
process.on('SIGINT', () => undefined);
// Nobody reads these pipes any more, which is no reason to leave the program behind.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
process.stdin.on('end', end).on('error', end).resume();
