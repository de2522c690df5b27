/**
 * What a meter's register says of a session. Registers start anew, roll over, glitch to zero for one reading, and are told
 * late; energy never comes out negative and never twice.
 */

/** The register as it was last believed, and the energy of the session so far. Watt-hours; unix seconds. */
export interface Register {
  readonly wh: number;
  readonly at: number;
  readonly energy: number;
  /** Before the last reading, which was lower: should the next be above it again, the lower one was a glitch. */
  readonly before?: { readonly wh: number; readonly energy: number };
}

/** The register when a session begins. */
export const registerAt = (wh: number, at: number): Register => ({ wh, at, energy: 0 });

/** A register of n digits in kWh rolls over at 10^n kWh: close below one of these it did, anywhere else it started anew. */
const SIZES_WH = [1e8, 1e9, 1e10, 1e11];
const NEAR = 0.02;

const sizeRolledOver = (from: number, to: number): number | undefined =>
  SIZES_WH.find((size) => from < size && from > size * (1 - NEAR) && to < size * NEAR);

/**
 * The register after a reading of `wh` at `at`. A reading from before the last one changes nothing. After a fall the
 * energy goes on from zero, or from where the register rolled over; what flowed while nobody saw it is not billed.
 */
export function readRegister(last: Register, wh: number, at: number): Register {
  if (at < last.at) return last;
  if (wh >= last.wh) {
    const { before } = last;
    // Only the very next reading tells a glitch from a register that started anew.
    const from = before !== undefined && wh >= before.wh ? before : last;
    return { wh, at, energy: from.energy + wh - from.wh };
  }
  const size = sizeRolledOver(last.wh, wh);
  if (size !== undefined) return { wh, at, energy: last.energy + size - last.wh + wh };
  return { wh, at, energy: last.energy + wh, before: { wh: last.wh, energy: last.energy } };
}
