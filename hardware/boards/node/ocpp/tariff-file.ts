/** A tariff as an operator writes it: a JSON file with prices in tokens and times of day. */
import { z } from 'zod';
import { type Band, checkTariff, type Tariff } from '../../../../device/tariff/tariff.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { parseMoney } from '../cli/money.ts';
import { readJson } from '../storage/read-json.ts';

const money = z.string().transform((text) => parseMoney(text));
const clock = z
  .string()
  .regex(/^([01]?\d|2[0-4]):[0-5]\d$/, 'want a time of day such as 6:30')
  .transform((text) => Number(text.split(':')[0]) * 60 + Number(text.split(':')[1]));

const schema = z.strictObject({
  id: z.string().min(1).max(36),
  /** IANA name: bands are in its local time. */
  zone: z.string().default('UTC'),
  start: money.default(() => parseMoney('0')),
  bands: z.array(
    z.strictObject({
      from: clock.default(0),
      to: clock.default(1440),
      perKwh: money,
      perHour: money.default(() => parseMoney('0')),
    }),
  ),
  idlePerHour: money.default(() => parseMoney('0')),
  idleGraceMinutes: z.int().nonnegative().default(0),
  /** Per cent. */
  vat: z.number().nonnegative().default(0),
  least: money.default(() => parseMoney('0')),
  most: money.optional(),
});

/** A tariff, and how far its local time is ahead of UTC at a moment; seconds. */
export interface SiteTariff {
  readonly tariff: Tariff;
  readonly zone: (at: number) => number;
}

const bad = (what: string, cause?: unknown): SundialError =>
  new SundialError('bad_tariff', what, {
    severity: 'call',
    remedy: 'Correct the file; `sundial ocpp --help` shows one.',
    cause,
  });

/** How far local time is ahead of UTC. Throws `bad_tariff` when there is no such zone. */
function zoneOf(name: string): (at: number) => number {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  } catch (cause) {
    throw bad(`"${name}" is no time zone`, cause);
  }
  return (at) => {
    const text = format.formatToParts(at * 1000).find(({ type }) => type === 'timeZoneName')?.value ?? '';
    const [, sign, hours = '0', minutes = '0'] = /GMT([+-])(\d+):(\d+)/.exec(text) ?? [];
    return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
  };
}

/** Reads a tariff. Throws `bad_tariff` with the field and the fix. */
export function readTariff(path: string): SiteTariff {
  return tariffOf(
    readJson(path, 'bad_tariff', {
      severity: 'call',
      remedy: 'Name a tariff; `sundial ocpp --help` shows one.',
    }),
    path,
  );
}

/** The tariff in a value of such a file. Throws `bad_tariff`. */
export function tariffOf(value: unknown, name: string): SiteTariff {
  let parsed: z.ZodSafeParseResult<z.infer<typeof schema>>;
  try {
    parsed = schema.safeParse(value);
  } catch (cause) {
    throw bad(`${name}: ${(cause as Error).message}`, cause);
  }
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw bad(`${name}: ${issue.path.join('.')}: ${issue.message}`);
  }
  const { zone, idleGraceMinutes, vat, most, bands, ...rest } = parsed.data;
  const tariff = checkTariff({
    ...rest,
    bands: bands as readonly Band[],
    idleGrace: idleGraceMinutes * 60,
    vat: Math.round(vat * 100),
    ...(most !== undefined && { most }),
  });
  return { tariff, zone: zoneOf(zone) };
}
