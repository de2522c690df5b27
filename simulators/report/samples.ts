/** Looks at the fleet every few virtual minutes and keeps what the report draws. */
import type { Simulation } from '../fleet/simulation.ts';
import { MINUTE } from '../stage/world/world.ts';

export interface Sample {
  readonly atMs: number;
  readonly outbox: number;
  /** Units handed over and not settled yet. */
  readonly inFlight: number;
  /** Units delivered offline that no acknowledgement covers. */
  readonly exposure: number;
  readonly bond: number;
  readonly gas: number;
  readonly payments: number;
  readonly unconfirmed: number;
  /** Sales so far. */
  readonly asked: number;
  readonly approved: number;
  /** Devices of 1,000 that are on and not frozen; and whether the hub is up: 1,000 or 0. */
  readonly devicesUp: number;
  readonly hubUp: number;
}

/** Points that a drawing of a phone's width can show. */
const SAMPLES_MAX = 400;

export class Sampler {
  readonly samples: Sample[] = [];
  private readonly simulation: Simulation;
  private readonly everyMs: number;
  private nextMs = 0;

  constructor(simulation: Simulation) {
    this.simulation = simulation;
    this.everyMs = Math.max(10 * MINUTE, Math.ceil(simulation.endMs / SAMPLES_MAX / MINUTE) * MINUTE);
  }

  sample(): void {
    const { world, fleet, accounts, vault, hub } = this.simulation;
    if (world.nowMs < this.nextMs) return;
    this.nextMs = world.nowMs + this.everyMs;
    let outbox = 0;
    let exposure = 0;
    let [asked, approved] = [0, 0];
    for (const { device, sales } of fleet.terminals) {
      asked += sales.asked;
      approved += sales.approved;
      outbox += device.storedBooks.outbox.length;
      exposure += device.storedBooks.exposure;
    }
    let unconfirmed = 0;
    for (const { device } of fleet.payers) unconfirmed += device.storedBooks.unconfirmed.length;
    let settled = 0;
    let bond = 0;
    for (const channel of vault.channels.values()) {
      bond += channel.bond;
      for (const lane of channel.lanes.values()) settled += lane.settled - lane.credited;
    }
    const up = fleet.devices.filter((device) => device.isOn && !device.frozen).length;
    this.samples.push({
      atMs: world.nowMs,
      outbox,
      inFlight: accounts.total - settled,
      exposure,
      bond,
      gas: hub.gas,
      payments: accounts.taps + accounts.ticks,
      unconfirmed,
      asked,
      approved,
      devicesUp: Math.floor((1000 * up) / fleet.devices.length),
      hubUp: hub.isUp ? 1000 : 0,
    });
  }
}
