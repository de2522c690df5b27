/**
 * Who is there, as the broker says. Names at a broker cost nothing, so of those that never registered only the newest are
 * remembered.
 */
import { strangersMax } from './limits.ts';

/** The devices that are there. */
export class Presence {
  readonly online = new Set<string>();
  /** Those that had not registered when they came, the oldest first. */
  private readonly strangers = new Set<string>();
  private readonly isRegistered: (device: string) => boolean;

  constructor(isRegistered: (device: string) => boolean) {
    this.isRegistered = isRegistered;
  }

  /** A device came or went. */
  set(device: string, isOnline: boolean): void {
    this.strangers.delete(device);
    if (!isOnline) return void this.online.delete(device);
    this.online.add(device);
    if (this.isRegistered(device)) return;
    this.strangers.add(device);
    if (this.strangers.size <= strangersMax) return;
    const [oldest] = this.strangers;
    this.strangers.delete(oldest!);
    if (!this.isRegistered(oldest!)) this.online.delete(oldest!);
  }
}
