/**
 * A tap as a readable file: one JSON object a line. The first names the seed and the rules, then each message with what
 * it said, what became of it and its bytes. Played back it does the same to the same messages, or says what one of the
 * two devices said.
 */
import { plain } from '../../hardware/boards/node/cli/output.ts';
import { z } from 'zod';
import { fromHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { Passed } from './pair.ts';
import { type End, ENDS, type Faults, fateWords, type Rule, rulesSchema } from './rules.ts';

/** Lines of a file, at most: a charge session of days. */
const LINES_MAX = 200_000;

const fateSchema = z.object({
  copies: z.int().min(0),
  garbled: z.boolean(),
  delayMs: z.int().min(0),
  cut: z.enum(['before', 'after']).optional(),
});
const headSchema = z.object({ sundialTap: z.literal(1), seed: z.int(), rules: rulesSchema });
const messageSchema = z.object({
  tap: z.int().min(1),
  at: z.number(),
  from: z.enum(ENDS),
  number: z.int().min(1),
  message: z.string(),
  fate: fateSchema,
  bytes: z.string().regex(/^0x([0-9a-f]{2})*$/),
});
const apartSchema = z.object({ tap: z.int(), apart: z.string() });

/** A message of a record. */
export interface Said {
  readonly tap: number;
  readonly from: End;
  readonly number: number;
  /** Its name, or "unknown". */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly fate: z.infer<typeof fateSchema>;
}

/** The first line. */
export const headLine = ({ seed, rules }: Faults): string =>
  JSON.stringify({ sundialTap: 1, seed, rules }, plain);

/** One message. */
export function messageLine({ tap, at, from, number, message, bytes, fate }: Passed): string {
  const { type: name = 'unknown', ...fields } = message ?? {};
  return JSON.stringify(
    { tap, at, from, number, message: name, what: fateWords(fate), fields, fate, bytes },
    plain,
  );
}

/** The end of a tap. */
export const apartLine = (tap: number, why: string): string => JSON.stringify({ tap, apart: why });

/** Reads a record. Throws `bad_record`, which names the line. */
export function readRecord(text: string, file: string): readonly Said[] {
  const bad = (line: number, why: string): SundialError =>
    new SundialError('bad_record', `${file}, line ${line}: ${why}`, {
      severity: 'call',
      remedy: 'Give a file that `sundial proxy --record` wrote.',
    });
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length > LINES_MAX) throw bad(LINES_MAX, 'more lines than a record has');
  const said: Said[] = [];
  for (const [index, line] of lines.entries()) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw bad(index + 1, 'is no JSON');
    }
    if (index === 0) {
      if (!headSchema.safeParse(value).success) throw bad(1, 'is not how a record begins');
      continue;
    }
    const parsed = messageSchema.safeParse(value);
    if (parsed.success) {
      const { message: name, bytes, ...rest } = parsed.data;
      said.push({ ...rest, name, bytes: fromHex(bytes as `0x${string}`) });
    } else if (!apartSchema.safeParse(value).success) throw bad(index + 1, 'is neither a message nor an end');
  }
  if (lines.length === 0) throw bad(1, 'is not how a record begins');
  return said;
}

/**
 * Rules that do to the same messages what was done to them: the n-th of its name, as a till that knows a lease by now asks
 * for less than it did then.
 */
export function rulesOf(said: readonly Said[]): Rule[] {
  const counts = new Map<string, number>();
  return said.flatMap(({ tap, from, number, name, fate }) => {
    const key = `${tap} ${from} ${name}`;
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    const which = { tap, from, ...(name === 'unknown' ? { number } : { message: name, number: nth }) };
    const rules: Rule[] = [];
    if (fate.copies === 0) rules.push({ do: 'drop', ...which });
    for (let copies = fate.copies; copies > 1; copies /= 2) rules.push({ do: 'dup', ...which });
    if (fate.garbled) rules.push({ do: 'garble', ...which });
    if (fate.delayMs > 0) rules.push({ do: 'delay', ms: fate.delayMs, ...which });
    if (fate.cut !== undefined) rules.push({ do: fate.cut === 'before' ? 'cut' : 'cutAfter', ...which });
    return rules;
  });
}
