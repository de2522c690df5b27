/** `sundial`: one command line for devices, hub, channels and the demonstration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { errorLine, fail, wantsJson } from '../hardware/boards/node/cli/output.ts';
import { projectRoot } from '../hardware/boards/node/cli/paths.ts';
import { PARTS } from './commands.ts';

const { version } = JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8'));
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
const [word] = process.argv.slice(2);
const wanted = PARTS.filter(({ names }) => word !== undefined && names.includes(word));
const parts = wanted.length > 0 || word === '--version' ? wanted : PARTS;
for (const add of await Promise.all(parts.map(({ load }) => load()))) add(program);
await program.parseAsync().catch(fail);
