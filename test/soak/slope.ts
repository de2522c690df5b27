/** Whether what a process holds grows with what it has done. */

/** What it held when so many vouchers were done. */
export interface Sample {
  readonly vouchers: number;
  /** Heap and buffers, bytes. */
  readonly bytes: number;
  /** Open files and sockets. */
  readonly files: number;
  /** Timers, sockets, requests under way. */
  readonly handles: number;
}

/** The verdict: slopes, and what they may be. */
export interface Flatness {
  readonly samples: number;
  /** Of the line through the samples; what its scatter can't exclude is taken off. */
  readonly bytesPerVoucher: number;
  /** How much higher the middle of the last third is than that of the first. */
  readonly files: number;
  readonly handles: number;
  readonly lastMB: number;
  readonly bounds: typeof BOUNDS;
  readonly ok: boolean;
}

/** Samples left out at the beginning: caches fill, code is compiled. */
const WARM_UP = 1 / 3;
/** Fewer say nothing. */
const SAMPLES_MIN = 9;
/**
 * A record that is kept for each voucher takes some 500 bytes and more; the widest that a hub may keep, position and
 * offset, some 30. Files and handles come and go with blocks and connections.
 */
const BOUNDS = { bytesPerVoucher: 128, more: 4 } as const;
/** Standard errors of the slope that are taken off. */
const DOUBT = 2;

/** Judges the samples, in their order. */
export function judge(all: readonly Sample[]): Flatness {
  const kept = all.slice(Math.floor(all.length * WARM_UP));
  const { slope, error } = line(kept.map(({ vouchers, bytes }) => [vouchers, bytes]));
  const bytesPerVoucher = Number(Math.max(0, slope - DOUBT * error).toFixed(1));
  const third = Math.ceil(kept.length / 3);
  const risen = (what: 'files' | 'handles'): number =>
    middle(kept.slice(-third).map((sample) => sample[what])) -
    middle(kept.slice(0, third).map((sample) => sample[what]));
  const [files, handles] = [risen('files'), risen('handles')];
  return {
    samples: kept.length,
    bytesPerVoucher,
    files,
    handles,
    lastMB: Number(((kept.at(-1)?.bytes ?? 0) / 1e6).toFixed(1)),
    bounds: BOUNDS,
    ok:
      kept.length >= SAMPLES_MIN &&
      bytesPerVoucher <= BOUNDS.bytesPerVoucher &&
      files <= BOUNDS.more &&
      handles <= BOUNDS.more,
  };
}

const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Least squares, with the standard error of the slope. */
function line(points: readonly (readonly [number, number])[]): { slope: number; error: number } {
  const n = points.length;
  const mean = (at: 0 | 1): number => points.reduce((sum, point) => sum + point[at], 0) / n;
  const [x0, y0] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
  if (n < 3 || spread === 0) return { slope: 0, error: 0 };
  const slope = points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0) / spread;
  const left = points.reduce((sum, [x, y]) => sum + (y - y0 - slope * (x - x0)) ** 2, 0);
  return { slope, error: Math.sqrt(left / (n - 2) / spread) };
}
