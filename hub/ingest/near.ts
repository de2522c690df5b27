/**
 * Devices that the hub meets itself, by a radio of its own machine, beside those at the broker. What they say goes to the
 * same events; what the hub says to a device goes both ways, because an address is a claim: who only claims it keeps
 * nothing from its owner.
 */
import type { Uplink } from '../../hardware/interfaces/index.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { nearInFlightMax } from '../limits.ts';
import type { Ingest, IngestEvents } from '../ports.ts';

type Receiver = (message: Uint8Array) => void;

/** A broker's devices, and those nearby. */
export class NearIngest implements Ingest {
  private readonly events: IngestEvents;
  private broker: Ingest | undefined;
  /** Who listens nearby, by device: several when somebody claims another one's address. */
  private readonly near = new Map<string, Set<Receiver>>();
  /** Devices that the broker says are there. */
  private readonly atBroker = new Set<string>();
  private readonly retained = new Map<string, Uint8Array>();
  private ownDropped = 0;

  constructor(events: IngestEvents) {
    this.events = events;
  }

  /** What the broker's port is given: a device that is nearby as well stays online when it leaves the broker. */
  get brokerEvents(): IngestEvents {
    return {
      ...this.events,
      presence: (device, online) => {
        if (online) this.atBroker.add(device);
        else this.atBroker.delete(device);
        this.events.presence(device, online || this.near.has(device));
      },
    };
  }

  /** The broker's port, once it is open. */
  over(broker: Ingest): this {
    this.broker = broker;
    return this;
  }

  /** The way to the hub of a device that named itself nearby (0x and 40 lower-case hex digits). */
  uplink(device: string): Uplink {
    let receiver: Receiver | undefined;
    let working = 0;
    return {
      send: (message) => {
        if (receiver === undefined) return;
        if (message.length > SYNC_MESSAGE_BYTES_MAX) return this.events.tooLarge(device, message.length);
        // The device sends again.
        if (working >= nearInFlightMax) {
          this.ownDropped += 1;
          return;
        }
        working += 1;
        void this.events
          .message(device, new Uint8Array(message))
          .catch(() => {
            this.ownDropped += 1;
          })
          .finally(() => {
            working -= 1;
          });
      },
      receive: (onMessage, onConnected) => {
        receiver = onMessage;
        this.add(device, onMessage);
        for (const message of this.retained.values()) onMessage(message);
        onConnected(true);
      },
      close: () => {
        if (receiver !== undefined) this.remove(device, receiver);
        receiver = undefined;
      },
    };
  }

  private add(device: string, receiver: Receiver): void {
    const known = this.near.get(device);
    if (known !== undefined) return void known.add(receiver);
    this.near.set(device, new Set([receiver]));
    this.events.presence(device, true);
  }

  private remove(device: string, receiver: Receiver): void {
    const known = this.near.get(device);
    known?.delete(receiver);
    if (known?.size !== 0) return;
    this.near.delete(device);
    this.events.presence(device, this.atBroker.has(device));
  }

  // ---- the hub's side ----

  get connected(): boolean {
    return this.broker?.connected ?? false;
  }

  get trouble(): string | undefined {
    return this.broker?.trouble;
  }

  get defect(): string | undefined {
    return this.broker?.defect;
  }

  get dropped(): number {
    return this.ownDropped + (this.broker?.dropped ?? 0);
  }

  send(device: string, message: Uint8Array): void {
    for (const receiver of this.near.get(device) ?? []) receiver(message);
    this.broker?.send(device, message);
  }

  retain(kind: 'beacon' | 'revocations', message: Uint8Array): void {
    this.retained.set(kind, message);
    for (const receivers of this.near.values()) for (const receiver of receivers) receiver(message);
    this.broker?.retain(kind, message);
  }

  async close(): Promise<void> {
    this.near.clear();
    await this.broker?.close();
  }
}
