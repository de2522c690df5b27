/** A load curve as users bring it: JSON, or a table (CSV) as a spreadsheet or a charge point's log exports it. */
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { SundialError } from '../../../protocol/errors.ts';
import { readJson } from './storage/read-json.ts';

/** A week: nobody is plugged in longer, and the longest curve is 80 KiB of memory. */
export const CURVE_MINUTES_MAX = 10_080;
/** The strongest plugs there are (MCS) give below four megawatts. */
export const CURVE_WATTS_MAX = 4_000_000;
/** A register shows ten digits of watt-hours; the rest of a safe integer is never needed. */
const REGISTER_WH_MAX = 9_999_999_999;
/** Bytes of a file: a week, a minute a line, with room for words. */
const FILE_BYTES_MAX = 1 << 20;

export interface LoadCurve {
  /** Register at the start, watt-hours. */
  readonly registerWh: number;
  /** Average power of each minute, watts. The vehicle is full at the end. */
  readonly wattsByMinute: readonly number[];
}

const REMEDY =
  'Give JSON, {"registerWh":0,"wattsByMinute":[2300,7400,...]}, or a table with a line "minute,watts" (or "minute,kw") and rows such as 0,2300: minutes rise, a minute without a row goes on as the one before.';

const bad = (what: string, cause?: unknown): SundialError =>
  new SundialError('bad_curve', what, { severity: 'call', remedy: REMEDY, cause });

const watts = z
  .number('wants watts')
  .min(0, 'is below 0')
  .max(CURVE_WATTS_MAX, `is above ${CURVE_WATTS_MAX} watts`);
const schema = z.strictObject({
  source: z.string().optional(),
  registerWh: z.int('wants whole watt-hours').min(0).max(REGISTER_WH_MAX).default(0),
  wattsByMinute: z
    .array(watts)
    .min(1, 'holds no minute')
    .max(CURVE_MINUTES_MAX, `holds more than ${CURVE_MINUTES_MAX} minutes, a week`),
});

/** Reads a load curve. Throws `bad_curve` with the place in the file: before a session, never in it. */
export function readLoadCurve(path: string): LoadCurve {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw bad(`${path} is not there`);
  if (found.size > FILE_BYTES_MAX) throw bad(`${path} has ${found.size} bytes, above ${FILE_BYTES_MAX}`);
  const value = /\.csv$/i.test(path)
    ? { wattsByMinute: wattsOfTable(tableText(path), path) }
    : readJson(path, 'bad_curve', { severity: 'call', remedy: REMEDY });
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const { path: field, message } = parsed.error.issues[0]!;
    throw bad(`${path}: ${field.join('.') || 'the file'} ${message}`);
  }
  const { registerWh, wattsByMinute } = parsed.data;
  // Whoever plugs in would be told at once that the vehicle is full.
  if (wattsByMinute.every((power) => power === 0)) throw bad(`${path}: no minute has any power`);
  return { registerWh, wattsByMinute };
}

function tableText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw bad(`${path} can't be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
}

/** One value a minute of a table, separated by commas or semicolons. */
function wattsOfTable(text: string, path: string): number[] {
  const rows = text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .map((line, at) => ({ line: at + 1, cells: line.split(/[,;]/).map((cell) => cell.trim()) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''));
  const head = rows.shift()?.cells.map((cell) => cell.toLowerCase()) ?? [];
  const minuteAt = head.indexOf('minute');
  const powerAt = head.findIndex((name) => name === 'watts' || name === 'kw');
  if (minuteAt < 0 || powerAt < 0)
    throw bad(`${path}: the first line names no "minute" and "watts" (or "kw")`);
  const factor = head[powerAt] === 'kw' ? 1000 : 1;
  const byMinute: number[] = [];
  for (const { line, cells } of rows) {
    const minute = numberOf(cells[minuteAt]);
    const power = numberOf(cells[powerAt]);
    if (!Number.isInteger(minute) || minute < 0 || minute >= CURVE_MINUTES_MAX)
      throw bad(`${path}, line ${line}: "${cells[minuteAt] ?? ''}" is no minute below ${CURVE_MINUTES_MAX}`);
    if (minute < byMinute.length)
      throw bad(`${path}, line ${line}: minute ${minute} comes after a later one`);
    if (byMinute.length === 0 && minute > 0) throw bad(`${path}, line ${line}: the first minute is not 0`);
    if (Number.isNaN(power)) throw bad(`${path}, line ${line}: "${cells[powerAt] ?? ''}" is no power`);
    while (byMinute.length < minute) byMinute.push(byMinute.at(-1)!);
    byMinute.push(power * factor);
  }
  return byMinute;
}

/** A plain decimal number; NaN for anything else, for an empty cell too. */
const numberOf = (cell = ''): number => (/^\d+(\.\d+)?$/.test(cell) ? Number(cell) : Number.NaN);
