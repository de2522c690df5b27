/** What a JSON file holds, or an error that says which file and what to do. */
import { readFileSync } from 'node:fs';
import { SundialError } from '../../../../protocol/errors.ts';

/** Where a parser stopped: JSON.parse says at which character, people look for a line. */
function placeOf(text: string, why: string): string {
  const at = Number(/position (\d+)/.exec(why)?.[1] ?? text.length);
  const before = text.slice(0, at).split('\n');
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

/** Throws `code`: the file is missing, can't be read, or is no JSON, and in which line. Its shape is the caller's to check. */
export function readJson(
  path: string,
  code: string,
  how: { readonly severity: 'call' | 'process'; readonly remedy: string },
): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const what = missing ? 'is not there' : `can't be read (${(cause as NodeJS.ErrnoException).code})`;
    throw new SundialError(code, `${path} ${what}`, { ...how, cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new SundialError(code, `${path} is no JSON, ${placeOf(text, why)}: ${why}`, {
      severity: how.severity,
      remedy: 'Correct that line, or restore the file as it was.',
      cause,
    });
  }
}
