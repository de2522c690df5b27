/** Where in a device's flash a fault hits: heads and marks as often as records, and now and then what is erased. */
import { bankBytesOf, edgeOf, unitOf } from '../../../device/journal/layout.ts';
import type { RamFlash } from '../flash/ram-flash.ts';

const isUsed = ({ content }: RamFlash, at: number, unit: number): boolean => {
  for (let i = at; i < at + unit; i++) if (content[i] !== 0xff) return true;
  return false;
};

/** The byte that the number `draw` names in a flash whose journal has so many banks. */
export function aim(flash: RamFlash, banks: number, draw: number): number {
  const unit = unitOf(flash);
  const bank = bankBytesOf(flash, banks);
  const edge = edgeOf(unit);
  const kind = draw % 4;
  const rest = Math.floor(draw / 4);
  const start = (rest % banks) * bank;
  const within = Math.floor(rest / banks);
  if (kind === 0) return start + (within % 2 === 0 ? 0 : bank - edge) + (within % edge);
  let bytes = 0;
  if (kind === 1) {
    while (bytes < bank - 2 * edge && isUsed(flash, start + bank - edge - bytes - unit, unit)) bytes += unit;
    if (bytes > 0) return start + bank - edge - 1 - (within % bytes);
  }
  if (kind === 2) {
    while (bytes < bank - 2 * edge && isUsed(flash, start + edge + bytes, unit)) bytes += unit;
    if (bytes > 0) return start + edge + (within % bytes);
  }
  return draw % flash.size;
}
