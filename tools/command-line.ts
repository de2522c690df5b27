/** The command line of `sundial`: which part of the program the first word needs, and how what is wrong is said. */
import { Command } from 'commander';
import { errorLine, wantsJson } from '../hardware/boards/node/cli/output.ts';
import { PARTS } from './commands.ts';

/** Carries out a command. `words`: what was typed behind `sundial`; errors of the command are the promise's. */
export async function commandLine(words: readonly string[], version: string): Promise<void> {
  const program = new Command('sundial')
    .description('Payments between devices that have no network.')
    .version(version, '--version', 'print the version')
    .showHelpAfterError(wantsJson() ? false : '(add --help for the options)')
    .configureOutput({
      outputError: (text, write) =>
        write(
          wantsJson()
            ? errorLine('usage', text.trim().replace(/^error: /, ''), 'See --help for the options.')
            : text,
        ),
    });
  /** The part that the first word needs; all of them for the help, and to say which words there are. */
  const [word] = words;
  const wanted = PARTS.filter(({ names }) => word !== undefined && names.includes(word));
  const parts = wanted.length > 0 || word === '--version' ? wanted : PARTS;
  for (const add of await Promise.all(parts.map(({ load }) => load()))) add(program);
  await program.parseAsync(words, { from: 'user' });
}
