/** Flags of the programs that `npm run` starts: a wrong one is named, with the right ones, and --help prints them. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { SundialError } from '../../protocol/errors.ts';

/** The values of `options` on the command line. Ends the process for --help, and with `bad_flag` for what is no flag of them. */
export function flagsOf<O extends NonNullable<ParseArgsConfig['options']>>(help: string, options: O) {
  try {
    const { values } = parseArgs({
      options: { ...options, help: { type: 'boolean', default: false } } as const,
    });
    if ((values as { readonly help?: boolean }).help !== true)
      return values as ReturnType<typeof parseArgs<{ options: O }>>['values'];
  } catch (error) {
    const [message] = (error as Error).message.split('\n');
    return fail(new SundialError('bad_flag', message!, { severity: 'call', remedy: help.trim() }));
  }
  process.stdout.write(help);
  process.exit(0);
}
