/** The hub's spans as a factory writes them beside a device's other settings. */
import { checkTiming, DEFAULT_TIMING, type Timing } from '../../../protocol/limits.ts';
import { SundialError } from '../../../protocol/errors.ts';

/** In the order in which they are written, each as 4 bytes big-endian, seconds. */
const SPANS = [
  'leaseLifetime',
  'payeeOfflineMax',
  'watchLag',
  'clockError',
  'claimMargin',
  'slowLane',
  'exitDelay',
] as const satisfies readonly (keyof Timing)[];

/** Absent: as by default, which is what a hub takes that is told nothing. Throws `timing` for any other length or sum. */
export function timingIn(bytes: ArrayBuffer | undefined): Timing {
  if (bytes === undefined) return DEFAULT_TIMING;
  if (bytes.byteLength !== 4 * SPANS.length)
    throw new SundialError('timing', `${bytes.byteLength} bytes are no ${SPANS.length} spans`, {
      severity: 'process',
      remedy: "Write the spans of this device's hub again, 4 bytes each.",
      facts: { bytes: bytes.byteLength },
    });
  const view = new DataView(bytes);
  const timing = Object.fromEntries(SPANS.map((name, index) => [name, view.getUint32(4 * index)]));
  return checkTiming(timing as unknown as Timing);
}
