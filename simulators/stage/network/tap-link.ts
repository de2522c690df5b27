/**
 * The link between two devices that touch: frames take some tens of milliseconds, in order, and may be lost, doubled,
 * overtaken or garbled while faults last. A device that loses its power is noticed after a while, as a radio link's
 * supervision does.
 */
import type { Random } from '../world/random.ts';
import type { World } from '../world/world.ts';
import type { Conditions } from './conditions.ts';

export interface TapEnd {
  linkUp(link: TapLink): void;
  linkDown(link: TapLink): void;
  tapBytes(frame: Uint8Array, link: TapLink): void;
}

/** One BLE packet at a 30 ms connection interval. */
const PACKET_MS = { least: 8, most: 34 };
/** Supervision time-out of a link whose other end fell silent. */
const SUPERVISION_MS = 2000;

/**
 * Share of frames, in 1,000, that a link doubles at most, however many faults meet. Every answer to a doubled message is
 * doubled again: above, a few answers deep, two devices flood each other.
 */
const DOUBLED_MAX = 600;

export class TapLink {
  private open = true;
  private readonly arrival = [0, 0];
  private readonly world: World;
  private readonly random: Random;
  private readonly conditions: Conditions;
  private readonly ends: readonly [TapEnd, TapEnd];

  constructor(world: World, random: Random, conditions: Conditions, ends: readonly [TapEnd, TapEnd]) {
    this.world = world;
    this.random = random;
    this.conditions = conditions;
    this.ends = ends;
    ends[1].linkUp(this);
    ends[0].linkUp(this);
  }

  get isOpen(): boolean {
    return this.open;
  }

  /** One frame, which nobody changes any more. */
  send(from: TapEnd, frame: Uint8Array): void {
    if (!this.open) return;
    const { random, conditions } = this;
    const side = from === this.ends[0] ? 1 : 0;
    if (conditions.tapLoss > 0 && random.chance(conditions.tapLoss)) return;
    this.deliver(side, frame);
    const doubled = Math.min(conditions.tapDuplicate, DOUBLED_MAX);
    if (doubled > 0 && random.chance(doubled)) this.deliver(side, frame);
  }

  private deliver(side: 0 | 1, frame: Uint8Array): void {
    const { world, random, conditions, ends } = this;
    const garbled = conditions.tapGarble > 0 && random.chance(conditions.tapGarble);
    const overtaken = conditions.tapReorder > 0 && random.chance(conditions.tapReorder);
    let at = world.nowMs + random.between(PACKET_MS.least, PACKET_MS.most) + conditions.tapSlowMs;
    if (overtaken) at += random.between(PACKET_MS.most, 10 * PACKET_MS.most);
    else {
      if (at <= this.arrival[side]!) at = this.arrival[side]! + 1;
      this.arrival[side] = at;
    }
    const arrived = garbled ? withOneBitFlipped(frame, random.below(8 * frame.length)) : frame;
    world.at(at, () => {
      if (this.open) ends[side].tapBytes(arrived, this);
    });
  }

  /** Someone walks away: both notice at once. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.ends[0].linkDown(this);
    this.ends[1].linkDown(this);
  }

  /** One end lost its power. */
  silence(dead: TapEnd): void {
    if (!this.open) return;
    this.open = false;
    const other = dead === this.ends[0] ? this.ends[1] : this.ends[0];
    this.world.after(SUPERVISION_MS, () => other.linkDown(this));
  }
}

function withOneBitFlipped(frame: Uint8Array, bit: number): Uint8Array {
  const garbled = frame.slice();
  garbled[bit >> 3]! ^= 1 << (bit & 7);
  return garbled;
}
