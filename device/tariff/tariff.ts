/**
 * What a charge session costs: prices for energy, time, start and idling, by time of day, with VAT, a least and a most.
 * A pure function of what was used (usage.ts). The same price says when a tick is used up, what the display and the
 * receipt show, and what OCPP 2.1 calls cost details. Integers only: the sum is kept exactly, as whole units and a rest in
 * 1/18000, and rounded once, half up, to a unit of the token after VAT.
 */
import { SundialError } from '../../protocol/errors.ts';
import { type Amount, amount } from '../../protocol/integers.ts';

/** Prices that hold for a part of the day. */
export interface Band {
  /** Minute of the local day from which it holds, 0 to 1439, and the minute before which it ends; past midnight when smaller. Equal: always. */
  readonly from: number;
  readonly to: number;
  /** Units for a kilowatt-hour. */
  readonly perKwh: Amount;
  /** Units for an hour of charging. */
  readonly perHour: Amount;
}

/** Amounts are net; VAT comes on top of the whole. */
export interface Tariff {
  /** Name under which receipts show it. */
  readonly id: string;
  /** Once for each session. */
  readonly start: Amount;
  /** The first that holds the moment counts; together they hold the whole day. */
  readonly bands: readonly Band[];
  /** Units for an hour in which the vehicle is plugged in and takes no more, and seconds of that which are free. */
  readonly idlePerHour: Amount;
  readonly idleGrace: number;
  /** VAT in 1/10000. */
  readonly vat: number;
  /** The least and the most that a session costs. */
  readonly least: Amount;
  readonly most?: Amount;
}

/** What a session has used. */
export interface Usage {
  /** Watt-hours by band. */
  readonly wh: readonly number[];
  /** Seconds of charging by band. */
  readonly seconds: readonly number[];
  /** Seconds in which the vehicle took no more. */
  readonly idle: number;
}

/** What a session costs, in parts that add up to the total. */
export interface Price {
  readonly start: Amount;
  readonly energy: Amount;
  readonly time: Amount;
  readonly idle: Amount;
  /** What the least or the most adds or takes away; may be negative. */
  readonly adjustment: number;
  readonly vat: Amount;
  readonly total: Amount;
}

/** Bands of a tariff: an hour each. */
export const BANDS_MAX = 24;
/** Largest price of a kilowatt-hour or an hour, units: a million tokens of six decimals. No product below leaves the integers. */
export const RATE_MAX = 1_000_000_000_000;
const DAY_MINUTES = 1440;
/** Rests are counted in these parts of a unit: a watt-hour is 1/1000 of a price, a second 1/3600. */
const PARTS = 18_000;
const WHOLE = 10_000;

const bad = (what: string, remedy: string): SundialError =>
  new SundialError('bad_tariff', what, { severity: 'call', remedy });

/** Does the band hold this minute of the day? */
export const holds = ({ from, to }: Band, minute: number): boolean =>
  from < to ? minute >= from && minute < to : minute >= from || minute < to || from === to;

/** Index of the band that counts in a minute of the local day. */
export const bandAt = (tariff: Tariff, minute: number): number =>
  tariff.bands.findIndex((band) => holds(band, minute));

function checkNumber(value: number, most: number, name: string): void {
  if (!(Number.isSafeInteger(value) && value >= 0 && value <= most))
    throw bad(`${name} is ${value}`, `Give ${name} as a whole number from 0 to ${most}.`);
}

/** Returns the tariff when it can price every session. Throws `bad_tariff`. */
export function checkTariff(tariff: Tariff): Tariff {
  const { bands, start, idlePerHour, idleGrace, vat, least, most } = tariff;
  if (bands.length < 1 || bands.length > BANDS_MAX)
    throw bad(`${bands.length} bands`, `Give 1 to ${BANDS_MAX} bands.`);
  for (const { from, to, perKwh, perHour } of bands) {
    checkNumber(from, DAY_MINUTES - 1, 'from');
    checkNumber(to, DAY_MINUTES, 'to');
    checkNumber(perKwh, RATE_MAX, 'perKwh');
    checkNumber(perHour, RATE_MAX, 'perHour');
  }
  checkNumber(start, RATE_MAX, 'start');
  checkNumber(idlePerHour, RATE_MAX, 'idlePerHour');
  checkNumber(idleGrace, 86_400, 'idleGrace');
  checkNumber(vat, WHOLE, 'vat');
  checkNumber(least, RATE_MAX, 'least');
  if (most !== undefined) {
    checkNumber(most, RATE_MAX, 'most');
    if (most < least) throw bad('the most is below the least', 'Give most as least or more.');
  }
  for (let minute = 0; minute < DAY_MINUTES; minute++) {
    if (bandAt(tariff, minute) >= 0) continue;
    const clock = `${Math.floor(minute / 60)}:${String(minute % 60).padStart(2, '0')}`;
    throw bad(`no band holds ${clock}`, 'Let the last band hold the whole day: from 0:00 to 24:00.');
  }
  return tariff;
}

/** An exact sum: units, and parts of a unit below PARTS. */
interface Sum {
  readonly units: number;
  readonly parts: number;
}

const sumOf = (units: number, parts: number): Sum => ({
  units: units + Math.floor(parts / PARTS),
  parts: parts % PARTS,
});

/** Adds `count` times `rate`, where `each` of them make the whole that the rate is for. */
function add(sum: Sum, rate: number, count: number, each: 1000 | 3600): Sum {
  const rest = (count % each) * rate;
  const units = sum.units + Math.floor(count / each) * rate + Math.floor(rest / each);
  return sumOf(units, sum.parts + (rest % each) * (PARTS / each));
}

const isBelow = (sum: Sum, units: number): boolean => sum.units < units;
const isAbove = (sum: Sum, units: number): boolean =>
  sum.units > units || (sum.units === units && sum.parts > 0);

/** Half up. */
const rounded = ({ units, parts }: Sum): number => units + (parts >= PARTS / 2 ? 1 : 0);

/** The sum with VAT, rounded half up: the only rounding of a total. */
function withVat({ units, parts }: Sum, vat: number): number {
  // In parts of 1/(PARTS * WHOLE), everything below 2^53: units are split before they are multiplied.
  const ofUnits = (units % WHOLE) * vat;
  const whole = units + Math.floor(units / WHOLE) * vat + Math.floor(ofUnits / WHOLE);
  const rest = (ofUnits % WHOLE) * PARTS + parts * (WHOLE + vat);
  return whole + Math.floor((rest + (PARTS * WHOLE) / 2) / (PARTS * WHOLE));
}

/**
 * What the usage costs. The total is rounded once; the parts are differences of the running sum, each rounded half up, so
 * that they add up to it. Never falls when the usage grows. Throws `out_of_range` above what an amount holds.
 */
export function priceOf(tariff: Tariff, usage: Usage): Price {
  const { bands, least, most, vat } = tariff;
  const start: Sum = { units: tariff.start, parts: 0 };
  const energy = bands.reduce((sum, { perKwh }, i) => add(sum, perKwh, usage.wh[i]!, 1000), start);
  const time = bands.reduce((sum, { perHour }, i) => add(sum, perHour, usage.seconds[i]!, 3600), energy);
  const idled = Math.max(0, usage.idle - tariff.idleGrace);
  const idle = add(time, tariff.idlePerHour, idled, 3600);
  const above = most !== undefined && isAbove(idle, most);
  const net = above ? { units: most, parts: 0 } : isBelow(idle, least) ? { units: least, parts: 0 } : idle;
  const total = amount(withVat(net, vat));
  return {
    start: amount(start.units),
    energy: amount(rounded(energy) - start.units),
    time: amount(rounded(time) - rounded(energy)),
    idle: amount(rounded(idle) - rounded(time)),
    adjustment: rounded(net) - rounded(idle),
    vat: amount(total - rounded(net)),
    total,
  };
}
