/** Tariffs of charge points: each site has its own, from plain energy to all that a tariff may have. */
import { checkTariff, type Tariff } from '../../device/tariff/tariff.ts';
import { amount } from '../../protocol/integers.ts';
import type { Random } from '../stage/world/random.ts';

const CENT = 10_000;
/** Units of a tick: what may be open at a charger. */
const TICK_VALUES = [12_000, 20_000, 50_000] as const;

/** What a gateway charges, drawn; `random`: also what its connector draws. */
export function plugOf(random: Random): {
  readonly tariff: Tariff;
  readonly tickValue: number;
  readonly random: Random;
} {
  const price = (least: number, most: number) => amount(random.between(least, most) * CENT);
  const rarely = (least: number, most: number) => (random.chance(500) ? price(least, most) : amount(0));
  const always = { from: 0, to: 1440, perKwh: price(20, 90), perHour: rarely(1, 200) };
  // The simulated day begins at eight: edges that sessions meet.
  const peak = {
    from: 9 * 60 + random.between(0, 59),
    to: 17 * 60,
    perKwh: price(50, 120),
    perHour: amount(0),
  };
  const least = random.chance(300) ? price(5, 60) : amount(0);
  const tariff = checkTariff({
    id: 'drawn',
    start: rarely(1, 80),
    bands: random.chance(500) ? [peak, always] : [always],
    idlePerHour: rarely(100, 1200),
    idleGrace: random.pick([0, 60, 300, 900]),
    vat: random.pick([0, 700, 1900, 2000]),
    least,
    ...(random.chance(200) && { most: amount(least + price(50, 300)) }),
  });
  return { tariff, tickValue: random.pick([...TICK_VALUES]), random };
}
