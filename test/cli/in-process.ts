/**
 * `sundial` without a process of its own: hundreds of commands cost what they do, and not what loading them costs. For
 * commands that end by themselves. What only a process shows (signals, locks that die with it, the bundle) is tested
 * with processes.
 */
import { fail } from '../../hardware/boards/node/cli/output.ts';
import type { Ended } from '../../simulators/operator/shop.ts';
import { commandLine } from '../../tools/command-line.ts';

/** The process's end, where a command asks for it. */
class Exit {
  readonly code: number;
  constructor(code: number) {
    this.code = code;
  }
}

/** Commands of one process, one after the other: they share its command line and its output. */
let last: Promise<unknown> = Promise.resolve();

/** Carries out a command. */
export function sundialHere(words: readonly string[]): Promise<Ended> {
  const next = last.then(() => run(words));
  // One that breaks down holds up none behind it.
  last = next.catch(() => undefined);
  return next;
}

async function run(words: readonly string[]): Promise<Ended> {
  const said = { stdout: '', stderr: '' };
  const { argv, exit } = process;
  const writes = { stdout: process.stdout.write, stderr: process.stderr.write };
  const listeners = new Map(process.eventNames().map((name) => [name, process.listeners(name as 'exit')]));
  let code: number | undefined;
  process.argv = [...argv.slice(0, 2), ...words];
  process.exitCode = 0;
  process.exit = ((asked: number = Number(process.exitCode)) => {
    code ??= asked;
    throw new Exit(asked);
  }) as typeof exit;
  for (const name of ['stdout', 'stderr'] as const)
    process[name].write = ((text: string | Uint8Array, ...rest: unknown[]) => {
      // What is said after the end, as of an error that the end itself is here, no process would say.
      if (code === undefined) said[name] += typeof text === 'string' ? text : Buffer.from(text).toString();
      const done = rest.at(-1);
      if (typeof done === 'function') done();
      return true;
    }) as typeof process.stdout.write;
  try {
    await commandLine(words, '0.0.0').catch((error: unknown) => {
      if (!(error instanceof Exit)) fail(error);
    });
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
  } finally {
    code ??= Number(process.exitCode ?? 0);
    Object.assign(process, { argv, exit });
    process.exitCode = 0;
    process.stdout.write = writes.stdout;
    process.stderr.write = writes.stderr;
    // What a command wants to hear of the process is over with it.
    for (const name of process.eventNames())
      for (const listener of process.listeners(name as 'exit'))
        if (!listeners.get(name)?.includes(listener)) process.removeListener(name, listener);
  }
  return { code, ...said };
}
