/**
 * A charge point: it asks for a stream, lets a tick's worth of energy flow for each tick that was paid, asks for the
 * next by answering, and ends the session with a closing voucher. Energy is paid before it flows, tick by tick.
 */
import type { Entropy, Meter } from '../../hardware/interfaces/index.ts';
import { utf8 } from '../../protocol/bytes.ts';
import type { Amount, ChannelId } from '../../protocol/integers.ts';
import { TICKS_MAX } from '../../protocol/limits.ts';
import type { Notice } from '../../protocol/machines/effects.ts';
import type { TerminalDevice } from '../devices.ts';

export interface Tariff {
  /** Price of one tick, token units. */
  readonly tickValue: Amount;
  /** Energy of one tick, watt-hours. */
  readonly tickEnergyWh: number;
}

/** A charge point: meter and tariff in front of a terminal's machine. Delivers one tick's energy at a time. */
export class Charger {
  private readonly device: TerminalDevice;
  private readonly entropy: Entropy;
  private readonly meter: Meter;
  private readonly tariff: Tariff;
  private readonly keccak256: (bytes: Uint8Array) => Uint8Array;
  /** Energy that was paid for in this session. */
  private paidWh = 0;

  constructor(
    device: TerminalDevice,
    entropy: Entropy,
    meter: Meter,
    tariff: Tariff,
    keccak256: (bytes: Uint8Array) => Uint8Array,
  ) {
    this.device = device;
    this.entropy = entropy;
    this.meter = meter;
    this.tariff = tariff;
    this.keccak256 = keccak256;
  }

  /** Offers a session to the car that is plugged in. */
  offer(): Promise<void> | undefined {
    this.paidWh = 0;
    this.meter.start();
    return this.ask();
  }

  private ask(): Promise<void> | undefined {
    return this.device.dispatch({
      type: 'streamSale',
      tickValue: this.tariff.tickValue,
      ticks: TICKS_MAX,
      currency: 'TIME',
      challenge: this.entropy.random(16),
      // The register at the start is bound into what the car signs.
      meter: this.keccak256(utf8(`${this.meter.readingWh()}`)),
    });
  }

  /** To be called with every notice of the device. */
  onNotice(notice: Notice): void {
    switch (notice.type) {
      case 'deliver':
        this.deliver(notice.channel, notice.k);
        return;
      case 'endWanted':
        this.end();
        return;
      case 'sessionOver':
        // A chain has at most TICKS_MAX ticks; a longer session goes on with a fresh one.
        if (notice.reason === 'used_up') void this.ask();
        else this.meter.stop();
        return;
      default:
    }
  }

  private deliver(channel: ChannelId, k: number): void {
    this.paidWh += this.tariff.tickEnergyWh;
    this.meter.deliverUpTo(this.paidWh, (full) => {
      if (full) this.end();
      else void this.device.dispatch({ type: 'delivered', channel, k, challenge: this.entropy.random(16) });
    });
  }

  /** Stops the flow and asks for the closing voucher. */
  end(): void {
    this.meter.stop();
    void this.device.dispatch({ type: 'closeSession', challenge: this.entropy.random(16) });
  }
}
