/** What commands print: one line a thing for people, one JSON object a line for programs. Errors go to stderr. */
import { SundialError } from '../../../../protocol/errors.ts';

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
        process.stdout.write(`${head} ${words}\n`);
      }
    },
  };
}

/** Prints an error for people on stderr and ends the process with code 1. */
export function fail(error: unknown): never {
  if (error instanceof SundialError) process.stderr.write(`${error.message}\n  ${error.remedy}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}
