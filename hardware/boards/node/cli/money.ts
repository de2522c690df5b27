/** Money as people write it: TIME has 6 decimals. No floating point on the way. */
import { SundialError } from '../../../../protocol/errors.ts';
import { type Amount, amount } from '../../../../protocol/integers.ts';

export const DECIMALS = 6;

/** Units of a text such as `4.50`. Throws `bad_amount`. */
export function parseMoney(text: string): Amount {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (match === null) {
    throw new SundialError('bad_amount', `"${text}" is no amount`, {
      severity: 'call',
      remedy: 'Write digits, and after a dot at most six more: 4.50',
    });
  }
  const [, whole, fraction = ''] = match;
  return amount(Number(whole) * 10 ** DECIMALS + Number(fraction.padEnd(DECIMALS, '0')));
}

/** Text with at least two decimals: 4500000 is 4.50. */
export function formatMoney(units: number): string {
  const whole = Math.floor(units / 10 ** DECIMALS);
  const fraction = String(units % 10 ** DECIMALS).padStart(DECIMALS, '0');
  return `${whole}.${fraction.replace(/0{1,4}$/, '')}`;
}
