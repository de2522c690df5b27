/** Money as people write it: TIME has 6 decimals. No floating point on the way. */
import { SundialError } from '../../../../protocol/errors.ts';
import { type Amount, amount, UINT48_MAX } from '../../../../protocol/integers.ts';

export const DECIMALS = 6;

/** Decimals of a price at a till, where people read and type it. A tick may be worth less than a hundredth. */
const PRICE_DECIMALS = 2;

const bad = (what: string, remedy: string): SundialError =>
  new SundialError('bad_amount', what, { severity: 'call', remedy });

/** Units of a text such as `4.50`. Throws `bad_amount`, which says what is wrong with it. */
export function parseMoney(text: string, decimals: number = DECIMALS): Amount {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(text.trim());
  const example = 'Write digits, and after a dot the rest: 4.50';
  if (match === null) throw bad(`"${text}" is no amount`, example);
  const [, whole = '', fraction = ''] = match;
  if (fraction.length > decimals)
    throw bad(
      `"${text}" has ${fraction.length} decimals, ${decimals} are the most here`,
      `Leave out what is beyond them: ${whole}.${fraction.slice(0, decimals)}`,
    );
  // No number is made of more digits than it holds exactly.
  const most = Math.floor(UINT48_MAX / 10 ** DECIMALS);
  if (whole.length > 15 || Number(whole) >= most)
    throw bad(`"${text}" is too large`, `Give less than ${most}: no amount of TIME is larger.`);
  return amount(Number(whole) * 10 ** DECIMALS + Number(fraction.padEnd(DECIMALS, '0')));
}

/** A price above 0 with at most two decimals. Throws `bad_amount`. */
export function parsePrice(text: string): Amount {
  const price = parseMoney(text, PRICE_DECIMALS);
  if (price === 0) throw bad('a sale of 0', 'Give a price above 0, for example 4.50');
  return price;
}

/** Text with at least two decimals: 4500000 is 4.50. */
export function formatMoney(units: number): string {
  const whole = Math.floor(units / 10 ** DECIMALS);
  const fraction = String(units % 10 ** DECIMALS).padStart(DECIMALS, '0');
  return `${whole}.${fraction.replace(/0{1,4}$/, '')}`;
}
