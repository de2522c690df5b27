/** What commands print: one line a thing for people, one JSON object a line for programs. Errors go to stderr. */
import { namedForMachine } from './machine-errors.ts';
import { shown } from '../../../../protocol/shown.ts';

export type Line = Readonly<Record<string, unknown>>;

export interface Output {
  /** `words` for people; `line` for programs. */
  say(words: string, line: Line): void;
}

/** Bytes become hex, so that a line is plain JSON. */
export function plain(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString('hex')}` : value;
}

export function makeOutput(name: string, json: boolean): Output {
  const color = process.stdout.isTTY && !json;
  const label = name.padEnd(9);
  return {
    say(words, line) {
      if (json) process.stdout.write(`${JSON.stringify({ device: name, ...line, text: words }, plain)}\n`);
      else {
        const time = new Date().toISOString().slice(11, 23);
        const head = color ? `\x1b[2m${time}\x1b[0m \x1b[36m${label}\x1b[0m` : `${time} ${label}`;
        process.stdout.write(`${head} ${shown(words)}\n`);
      }
    },
  };
}

/** Does whoever started this command read JSON? Asked of the command line: options may be what is wrong. */
export const wantsJson = (): boolean => process.argv.includes('--json');

/** An error as a line for a program: its code, what was seen, and what to do. */
export const errorLine = (code: string, message: string, remedy: string): string =>
  `${JSON.stringify({ error: { code, message, remedy } })}\n`;

/** Prints an error on stderr, for people or with --json as one line of JSON, and ends the process with code 1. */
export function fail(error: unknown): never {
  const { code, message, remedy } = namedForMachine(error);
  const words = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
  process.stderr.write(
    wantsJson() ? errorLine(code, words, remedy) : shown(`${code}: ${words}\n  ${remedy}\n`),
  );
  process.exit(1);
}

/** A word that a shell takes as it is, so that a command which is printed can be copied. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
