/**
 * The link between two devices that touch: messages take some tens of milliseconds, in order, and may be lost,
 * doubled, overtaken or garbled while faults last. A device that loses its power is noticed after a while, as a radio
 * link's supervision does.
 */
import type { RefusalName } from '../../../protocol/refusals.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../protocol/wire/messages.ts';
import type { Random } from '../world/random.ts';
import type { World } from '../world/world.ts';
import type { Conditions } from './conditions.ts';

export interface TapEnd {
  linkUp(link: TapLink): void;
  linkDown(link: TapLink): void;
  tapMessage(message: Message): void;
  tapGarbage(code: RefusalName): void;
}

/** One BLE packet at a 30 ms connection interval. */
const PACKET_MS = { least: 8, most: 34 };
/** Supervision time-out of a link whose other end fell silent. */
const SUPERVISION_MS = 2000;

export class TapLink {
  private open = true;
  private readonly arrival = [0, 0];
  private readonly world: World;
  private readonly random: Random;
  private readonly conditions: Conditions;
  private readonly ends: readonly [TapEnd, TapEnd];
  private readonly wire: boolean;

  /** `wire`: every message goes through its bytes. */
  constructor(
    world: World,
    random: Random,
    conditions: Conditions,
    ends: readonly [TapEnd, TapEnd],
    wire: boolean,
  ) {
    this.world = world;
    this.random = random;
    this.conditions = conditions;
    this.ends = ends;
    this.wire = wire;
    ends[1].linkUp(this);
    ends[0].linkUp(this);
  }

  get isOpen(): boolean {
    return this.open;
  }

  send(from: TapEnd, message: Message): void {
    if (!this.open) return;
    const { random, conditions } = this;
    const side = from === this.ends[0] ? 1 : 0;
    if (conditions.tapLoss > 0 && random.chance(conditions.tapLoss)) return;
    let delivered: Message | undefined = message;
    if (this.wire) {
      const decoded = decodeMessage(encodeMessage(message), 'tap');
      if (!decoded.ok) throw new Error(`a device sent ${message.type} that does not decode: ${decoded.code}`);
      delivered = decoded.message;
    }
    if (delivered === undefined) return;
    this.deliver(side, delivered);
    if (conditions.tapDuplicate > 0 && random.chance(conditions.tapDuplicate)) this.deliver(side, delivered);
  }

  private deliver(side: 0 | 1, message: Message): void {
    const { world, random, conditions, ends } = this;
    const garbled = conditions.tapGarble > 0 && random.chance(conditions.tapGarble);
    const overtaken = conditions.tapReorder > 0 && random.chance(conditions.tapReorder);
    let at = world.nowMs + random.between(PACKET_MS.least, PACKET_MS.most) + conditions.tapSlowMs;
    if (overtaken) at += random.between(PACKET_MS.most, 10 * PACKET_MS.most);
    else {
      if (at <= this.arrival[side]!) at = this.arrival[side]! + 1;
      this.arrival[side] = at;
    }
    world.at(at, () => {
      if (!this.open) return;
      if (garbled) ends[side].tapGarbage('malformed');
      else ends[side].tapMessage(message);
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
