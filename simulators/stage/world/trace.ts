/**
 * The trace: every decision of the fleet as (time, actor, what, numbers), folded into one hash. It never holds
 * digests, addresses or signatures, so the same seed gives the same hash with stand-in and with real signatures.
 */

/** What can be noted. The index is what is hashed: append only. */
export const DECISIONS = [
  'approved',
  'streamOpened',
  'deliver',
  'voided',
  'refused',
  'paid',
  'requested',
  'sessionOver',
  'tickPaid',
  'acknowledged',
  'settled',
  'lease',
  'signing',
  'hubAccepted',
  'hubRefused',
  'hubEvidence',
  'batch',
  'cut',
  'boot',
  'frozen',
  'fault',
  'hubCrash',
  'hubStart',
  'exit',
  'slashed',
  'link',
  'credited',
] as const;
export type Decision = (typeof DECISIONS)[number];

/** One noted decision, for people. `payment` is the first bytes of the voucher's or request's digest. */
export interface TraceLine {
  readonly atMs: number;
  readonly actor: string;
  readonly decision: Decision;
  readonly a: number;
  readonly b: number;
  readonly payment?: string;
  readonly words?: string;
}

const NUMBERS = new Map<Decision, number>(DECISIONS.map((name, index) => [name, index]));

export class Trace {
  private h1 = 0x243f6a88;
  private h2 = 0x85a308d3;
  private h3 = 0x13198a2e;
  private h4 = 0x03707344;
  decisions = 0;
  /** Set to keep the decisions as lines: memory grows with them, so only for small runs. */
  lines: TraceLine[] | undefined;

  note(
    atMs: number,
    actor: { readonly index: number; readonly name: string },
    decision: Decision,
    a = 0,
    b = 0,
    payment?: string,
    words?: string,
  ): void {
    this.decisions += 1;
    this.mix(atMs);
    this.mix(Math.imul(actor.index, 64) + NUMBERS.get(decision)!);
    this.mix(a);
    this.mix(b);
    this.lines?.push({
      atMs,
      actor: actor.name,
      decision,
      a,
      b,
      ...(payment !== undefined && { payment }),
      ...(words !== undefined && { words }),
    });
  }

  /** Takes an integer below 2^53. */
  private mix(value: number): void {
    const low = value | 0;
    const high = Math.floor(value / 4294967296) | 0;
    this.h1 = Math.imul(this.h1 ^ low, 0x9e3779b1);
    this.h1 ^= this.h1 >>> 15;
    this.h2 = (Math.imul(this.h2 ^ high, 0x85ebca6b) + this.h1) | 0;
    this.h2 ^= this.h2 >>> 13;
    this.h3 = (Math.imul(this.h3, 0xc2b2ae35) ^ this.h2) | 0;
    this.h4 = (Math.imul(this.h4 ^ this.h3, 0x27d4eb2f) + this.h1) | 0;
    this.h4 ^= this.h4 >>> 16;
  }

  /** 32 hex digits. */
  hash(): string {
    return [this.h1, this.h2, this.h3, this.h4]
      .map((value) => (value >>> 0).toString(16).padStart(8, '0'))
      .join('');
  }
}
