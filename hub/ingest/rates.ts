/**
 * How much somebody may say: a bucket for each name, which fills at a steady rate up to its size. Names cost a bounded
 * memory: the one that was heard longest ago is forgotten first, and by then its bucket is the fullest. So a flood of names
 * gains nobody more than a full bucket a name, and takes nothing from those that are known.
 */

/** Bytes that a bucket holds, and by which it fills a second. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** Buckets by name. `nowMs`, milliseconds, is of a clock that never goes back. */
export class Rates {
  private readonly rate: Rate;
  private readonly namesMax: number;
  private readonly buckets = new Map<string, Bucket>();

  constructor(rate: Rate, namesMax: number) {
    this.rate = rate;
    this.namesMax = namesMax;
  }

  /** Names that are remembered. */
  get names(): number {
    return this.buckets.size;
  }

  /** Takes `cost` of the name's bucket, if that much is in it. False: nothing was taken. */
  take(name: string, cost: number, nowMs: number): boolean {
    const bucket = this.bucket(name, nowMs);
    if (bucket.left < cost) return false;
    bucket.left -= cost;
    return true;
  }

  /** Takes `cost` in any case: milliseconds to wait until the bucket has made up for it. */
  owe(name: string, cost: number, nowMs: number): number {
    const bucket = this.bucket(name, nowMs);
    bucket.left -= cost;
    return bucket.left >= 0 ? 0 : Math.ceil((-bucket.left * 1000) / this.rate.perSecond);
  }

  private bucket(name: string, nowMs: number): Bucket {
    const { perSecond, burst } = this.rate;
    const known = this.buckets.get(name);
    const bucket = known ?? { left: burst, atMs: nowMs };
    bucket.left = Math.min(burst, bucket.left + (Math.max(0, nowMs - bucket.atMs) * perSecond) / 1000);
    bucket.atMs = nowMs;
    // Behind all others: the first of the map is the one that was heard longest ago.
    this.buckets.delete(name);
    this.buckets.set(name, bucket);
    if (this.buckets.size > this.namesMax) this.buckets.delete(this.buckets.keys().next().value!);
    return bucket;
  }
}
