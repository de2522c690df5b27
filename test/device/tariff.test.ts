/**
 * Tariffs against an oracle of another make: rational numbers in BigInt, the day walked second by second. Not checked
 * here: which spans a charge point gives (test/ocpp), summer time (the host says how far local time is ahead).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BANDS_MAX,
  type Band,
  checkTariff,
  priceOf,
  RATE_MAX,
  type Tariff,
  type Usage,
} from '../../device/tariff/tariff.ts';
import { type Span, unused, use } from '../../device/tariff/usage.ts';
import { amount } from '../../protocol/integers.ts';
import { numbersFrom } from '../../simulators/stage/flash/ram-flash.ts';
import { codeOf } from '../errors.ts';

const next = numbersFrom(17);
const below = (limit: number): number => next() % limit;
const DAY: Band = { from: 0, to: 1440, perKwh: amount(490_000), perHour: amount(0) };
const PLAIN: Tariff = {
  id: 'plain',
  start: amount(0),
  bands: [DAY],
  idlePerHour: amount(0),
  idleGrace: 0,
  vat: 0,
  least: amount(0),
};

/** Numerator over a common denominator: exact whatever is added. */
const SCALE = 1000n * 3600n * 10_000n;

function oracle(tariff: Tariff, usage: Usage): bigint {
  let net = BigInt(tariff.start) * SCALE;
  tariff.bands.forEach((band, i) => {
    net += (BigInt(band.perKwh) * BigInt(usage.wh[i]!) * SCALE) / 1000n;
    net += (BigInt(band.perHour) * BigInt(usage.seconds[i]!) * SCALE) / 3600n;
  });
  const idled = usage.idle > tariff.idleGrace ? usage.idle - tariff.idleGrace : 0;
  net += (BigInt(tariff.idlePerHour) * BigInt(idled) * SCALE) / 3600n;
  const least = BigInt(tariff.least) * SCALE;
  if (net < least) net = least;
  if (tariff.most !== undefined && net > BigInt(tariff.most) * SCALE) net = BigInt(tariff.most) * SCALE;
  const gross = (net * BigInt(10_000 + tariff.vat)) / 10_000n;
  return (2n * gross + SCALE) / (2n * SCALE);
}

/** Every minute of a day belongs to the first band that lists it; the lists are written out by walking a clock. */
function minutesOf({ bands }: Tariff): number[] {
  const day = Array.from({ length: 1440 }, () => -1);
  bands.forEach(({ from, to }, i) => {
    let minute = from;
    do {
      if (day[minute] === -1) day[minute] = i;
      minute = (minute + 1) % 1440;
    } while (minute !== to % 1440);
  });
  return day;
}

function bandOracle(day: readonly number[], at: number, zone: number): number {
  const clock = new Date((at + zone) * 1000);
  return day[clock.getUTCHours() * 60 + clock.getUTCMinutes()]!;
}

const rate = (): number => [0, 1, below(999_999) + 1, below(1_000_000_000)][below(4)]!;

function drawnTariff(): Tariff {
  const bands: Band[] = Array.from({ length: below(4) }, () => ({
    from: below(1440),
    to: below(1441),
    perKwh: amount(rate()),
    perHour: amount(rate()),
  }));
  bands.push({ ...DAY, perKwh: amount(rate()), perHour: amount(rate()) });
  const least = amount(below(2) * below(5_000_000));
  return checkTariff({
    id: 'drawn',
    start: amount(rate()),
    bands,
    idlePerHour: amount(rate()),
    idleGrace: below(2) * below(900),
    vat: [0, 700, 1900, 10_000, below(10_001)][below(5)]!,
    least,
    ...(below(3) === 0 && { most: amount(least + below(90_000_000)) }),
  });
}

test('the total is the exact sum rounded once, and its parts add up to it', () => {
  for (let i = 0; i < 1000; i++) {
    const tariff = drawnTariff();
    const usage = {
      wh: tariff.bands.map(() => below(3) * below(400_000)),
      seconds: tariff.bands.map(() => below(3) * below(90_000)),
      idle: below(3) * below(90_000),
    };
    const price = priceOf(tariff, usage);
    assert.is(BigInt(price.total), oracle(tariff, usage), JSON.stringify({ tariff, usage }));
    const { start, energy, time, idle, adjustment, vat, total } = price;
    assert.is(start + energy + time + idle + adjustment + vat, total);
    assert.ok(Math.min(start, energy, time, idle, vat) >= 0);
    const more = { ...usage, wh: usage.wh.map((wh) => wh + below(3)) };
    assert.ok(priceOf(tariff, more).total >= total, 'more energy, and cheaper');
  }
});

test('prices at their largest', () => {
  const most = amount(RATE_MAX);
  const tariff = checkTariff({
    ...PLAIN,
    start: most,
    bands: [{ ...DAY, perKwh: most, perHour: most }],
    idlePerHour: most,
    vat: 10_000,
  });
  const usage = { wh: [99_999], seconds: [35_999], idle: 35_999 };
  assert.is(BigInt(priceOf(tariff, usage).total), oracle(tariff, usage));
  assert.is(
    codeOf(() => priceOf(tariff, { ...usage, wh: [281_000_000] })),
    'out_of_range',
  );
});

test('seconds and energy fall to the band of their moment, over midnight and for days', () => {
  for (let i = 0; i < 12; i++) {
    const tariff = drawnTariff();
    const zone = (below(27) - 12) * 3600;
    let at = 1_790_000_000 + below(200_000);
    let usage = unused(tariff);
    const day = minutesOf(tariff);
    const wanted = { wh: tariff.bands.map(() => 0), seconds: tariff.bands.map(() => 0), idle: 0 };
    for (let spans = below(5) + 1; spans > 0; spans--) {
      const span: Span = { from: at, to: at + below(4000), wh: below(5000), idle: below(4) === 0, zone };
      usage = use(tariff, usage, span);
      wanted.wh[bandOracle(day, at, zone)]! += span.wh;
      for (; at < span.to; at++) {
        if (span.idle) wanted.idle += 1;
        else wanted.seconds[bandOracle(day, at, zone)]! += 1;
      }
    }
    assert.equal(usage, wanted, JSON.stringify(tariff));
  }
});

test('cutting a span in two changes nothing but the moment that its energy is priced at', () => {
  for (let i = 0; i < 100; i++) {
    const tariff = drawnTariff();
    const from = 1_790_000_000 + below(200_000);
    const to = from + below(90_000);
    const middle = from + below(to - from + 1);
    const whole = use(tariff, unused(tariff), { from, to, wh: 0, idle: false, zone: 0 });
    const first = use(tariff, unused(tariff), { from, to: middle, wh: 0, idle: false, zone: 0 });
    assert.equal(use(tariff, first, { from: middle, to, wh: 0, idle: false, zone: 0 }), whole);
  }
});

test('time and energy that go back add nothing', () => {
  const tariff = checkTariff({ ...PLAIN, bands: [{ ...DAY, perHour: amount(1_000_000) }] });
  for (const idle of [true, false])
    assert.equal(use(tariff, unused(tariff), { from: 1000, to: 900, wh: -5, idle, zone: 0 }), unused(tariff));
});

test('a kilowatt-hour at 0.49 with 19 % VAT', () => {
  const price = priceOf({ ...PLAIN, vat: 1900 }, { wh: [1000], seconds: [0], idle: 0 });
  assert.equal([price.energy, price.vat, price.total], [490_000, 93_100, 583_100]);
});

test('what a tariff may not be', () => {
  const wrong: Partial<Tariff>[] = [
    { bands: [] },
    { bands: Array.from({ length: BANDS_MAX + 1 }, () => DAY) },
    { bands: [{ ...DAY, from: 1440 }] },
    { bands: [{ ...DAY, to: 1441 }] },
    { bands: [{ ...DAY, from: 60 }] },
    { bands: [{ ...DAY, perKwh: (RATE_MAX + 1) as never }] },
    { bands: [{ ...DAY, perHour: 0.5 as never }] },
    { start: -1 as never },
    { idlePerHour: Number.NaN as never },
    { idleGrace: 86_401 },
    { vat: 10_001 },
    { least: amount(2), most: amount(1) },
  ];
  for (const change of wrong)
    assert.is(
      codeOf(() => checkTariff({ ...PLAIN, ...change })),
      'bad_tariff',
      JSON.stringify(change),
    );
  const largest = Array.from({ length: BANDS_MAX }, () => DAY);
  assert.is(checkTariff({ ...PLAIN, bands: largest }).bands.length, BANDS_MAX);
});

test.run();
