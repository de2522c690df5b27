/** What a JSON file holds, or an error that says which file and what to do. */
import { readFileSync } from 'node:fs';
import { SundialError } from '../../../../protocol/errors.ts';

/** Throws `code` when the file is missing or no JSON; its shape is the caller's to check. */
export function readJson(
  path: string,
  code: string,
  how: { readonly severity: 'call' | 'process'; readonly remedy: string },
): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new SundialError(code, `${path} can't be read as JSON`, { ...how, cause });
  }
}
