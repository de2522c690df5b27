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

/** A flag's whole number above 0. Ends the process with code 2 for anything else. */
export function positive(text: string, flag: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  process.stderr.write(`--${flag} ${text} is no whole number above 0\n`);
  process.exit(2);
}
