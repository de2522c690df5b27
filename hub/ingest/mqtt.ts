/**
 * Devices over MQTT, through the embedded broker or an existing one. The hub is an ordinary client, so both are the
 * same code. A PUBACK means nothing to a device (it waits for the signed acknowledgement), so it is given at once,
 * but only while the hub keeps up: that is how back pressure reaches the broker.
 */
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { deviceTopics, hubTopics, parseDeviceTopic } from '../../protocol/wire/topics.ts';
import { causeText, isError } from '../errors.ts';
import { downInFlightMax, ingestInFlightMax } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { Ingest, IngestEvents } from '../ports.ts';
import { hubClientId } from './broker.ts';
import { probeBroker } from './probe.ts';

/** Which broker, as whom, and who listens. */
export interface MqttIngestOptions {
  readonly hub: string;
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** The broker runs in this process: what it does is known. */
  readonly isOwn?: boolean | undefined;
  /** Certificate of a broker in this very process, whatever name it is for; absent: as the machine trusts. */
  readonly own?: Buffer | undefined;
  /** Of several workers at one broker, which hands each message to one of them: a name that no other has. */
  readonly worker?: string | undefined;
  readonly events: IngestEvents;
  readonly log: Logger;
}

/** Longest wait for one answer of the broker, milliseconds; it is tried again for ever. */
const CONNECT_TIMEOUT_MS = 5_000;
/** How long the start waits for the broker, milliseconds. */
const FIRST_MS = 3_000;
const RECONNECT_MS = 500;
const CLOSE_MS = 1_000;

const clientIdOf = ({ hub, worker }: MqttIngestOptions): string =>
  worker === undefined ? hubClientId(hub) : `${hubClientId(hub)}-${worker}`;

/** The port to devices over MQTT: one client, subscribed to what all devices of the hub say. */
export class MqttIngest implements Ingest {
  private readonly client: MqttClient;
  private readonly options: MqttIngestOptions;
  private working = 0;
  private outgoing = 0;
  private waiting: (() => void)[] = [];
  /** Last retained values, published again after a reconnect: a broker without a disk has lost them. */
  private readonly retained = new Map<string, Uint8Array>();
  /** Messages to devices that were dropped because the broker did not take them; devices ask again. */
  dropped = 0;
  /** Why it is not connected, as the broker or the system said last. */
  trouble: string | undefined;

  private constructor(client: MqttClient, options: MqttIngestOptions) {
    this.client = client;
    this.options = options;
    client.handleMessage = (packet, done) => {
      void this.take(packet.topic, packet.payload as Buffer, packet.retain === true).then(
        () => done(),
        (error: unknown) => {
          options.log.error({ err: causeText(error) }, 'message failed');
          done();
        },
      );
    };
    client.on('connect', () => this.subscribe());
    client.on('close', () => {
      this.isSubscribed = false;
    });
    client.on('offline', () => {
      this.trouble ??= 'out of reach';
      options.log.warn('the broker is out of reach; trying again');
    });
    client.on('error', (error) => {
      this.trouble = causeText(error);
      options.log.warn({ err: this.trouble }, 'broker connection');
    });
  }

  /**
   * Connects and subscribes. A broker that is away gets a moment, then the hub comes up without it, says so, and goes on
   * trying: after a power cut the two start in any order.
   */
  static async connect(options: MqttIngestOptions): Promise<MqttIngest> {
    const settings: IClientOptions = {
      clientId: clientIdOf(options),
      protocolVersion: 4,
      clean: true,
      keepalive: 30,
      reconnectPeriod: RECONNECT_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      queueQoSZero: false,
      resubscribe: false,
      ...(options.own && { ca: options.own, checkServerIdentity: () => undefined }),
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
    };
    const ingest = new MqttIngest(mqtt.connect(options.url, settings), options);
    if (options.isOwn !== true) void ingest.tryOut(settings);
    await ingest.firstSubscription();
    if (!ingest.connected)
      options.log.error(
        { url: options.url, err: ingest.trouble },
        'no MQTT broker: start it, or correct mqtt.url; without mqtt.url the hub runs its own',
      );
    return ingest;
  }

  /** The broker is there and has taken the subscription: without it the hub would hear nothing. */
  get connected(): boolean {
    return this.client.connected && this.isSubscribed;
  }

  /** What the broker was found to lack, with the way out; found out once, when it is first there. */
  defect: string | undefined;

  private async tryOut(settings: IClientOptions): Promise<void> {
    const { hub, url, worker, log } = this.options;
    while (!this.isClosed) {
      try {
        const defect = await probeBroker({ hub, url, settings, isShared: worker !== undefined });
        this.defect = defect?.text;
        if (defect !== undefined) log.error({ url, code: defect.code }, defect.text);
        return;
      } catch {
        // It is away, which the other connection tells.
        await new Promise((resolve) => setTimeout(resolve, CONNECT_TIMEOUT_MS).unref());
      }
    }
  }

  private isClosed = false;
  private isSubscribed = false;
  private subscribed: (() => void) | undefined;

  private firstSubscription(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, FIRST_MS);
      this.subscribed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private subscribe(): void {
    const { hub, worker } = this.options;
    const any = deviceTopics(hub, '+');
    // What devices say one worker hears; who is there, all do.
    const up = worker === undefined ? any.up : `$share/${hub}/${any.up}`;
    // First what an earlier life published: what devices say now is not looked at before.
    const { beacon } = hubTopics(this.options.hub);
    if (this.retained.size === 0) this.client.subscribe({ [beacon]: { qos: 1 } });
    this.client.subscribe({ [up]: { qos: 1 }, [any.state]: { qos: 1 } }, (error) => {
      if (error) {
        this.trouble = causeText(error);
        this.options.log.warn({ err: this.trouble }, 'subscription failed');
        // On a connection that stands nobody else would ask again, and the hub would hear nothing for good.
        setTimeout(() => this.subscribeAgain(), RECONNECT_MS).unref();
        return;
      }
      this.isSubscribed = true;
      this.trouble = undefined;
      this.subscribed?.();
    });
    for (const [topic, bytes] of this.retained) this.publish(topic, bytes, true);
  }

  private subscribeAgain(): void {
    if (this.client.connected) this.subscribe();
  }

  private async take(topic: string, payload: Buffer, retained: boolean): Promise<void> {
    if (topic === hubTopics(this.options.hub).beacon) {
      // What comes live is our own.
      if (retained && this.retained.size === 0) this.options.events.kept(new Uint8Array(payload));
      return;
    }
    const parsed = parseDeviceTopic(this.options.hub, topic);
    if (parsed === undefined || parsed.kind === 'down') return;
    const { device, kind } = parsed;
    if (kind === 'state') {
      this.options.events.presence(device, payload.toString() === 'online');
      return;
    }
    // Retained uploads are somebody's mistake: they would come again at every start.
    if (retained) return;
    if (payload.length > SYNC_MESSAGE_BYTES_MAX) {
      this.options.events.tooLarge(device, payload.length);
      return;
    }
    if (this.working >= ingestInFlightMax) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    this.working += 1;
    // Not awaited: the next message may come in while this one is on its way to the disk.
    void this.options.events
      // A plain array: slices of a Buffer would share its memory.
      .message(device, new Uint8Array(payload))
      .catch((error: unknown) => {
        this.options.log.error(
          { device, err: causeText(error), code: isError(error, 'unreachable') ? 'unreachable' : undefined },
          'message failed',
        );
      })
      .finally(() => {
        this.working -= 1;
        this.waiting.shift()?.();
      });
  }

  /** Sends one message down to a device that is listening; nothing is kept for one that is not. */
  send(device: string, message: Uint8Array): void {
    this.publish(deviceTopics(this.options.hub, device).down, message, false);
  }

  /** Replaces the retained beacon or revocation list. */
  retain(kind: 'beacon' | 'revocations', message: Uint8Array): void {
    const topic = hubTopics(this.options.hub)[kind];
    if (this.retained.size === 0) this.client.unsubscribe(hubTopics(this.options.hub).beacon);
    this.retained.set(topic, message);
    this.publish(topic, message, true);
  }

  private publish(topic: string, message: Uint8Array, retain: boolean): void {
    // The client would queue without bound while it is offline.
    if (!this.client.connected || (!retain && this.outgoing >= downInFlightMax)) {
      if (!retain) this.dropped += 1;
      return;
    }
    this.outgoing += 1;
    this.client.publish(topic, Buffer.from(message), { qos: 1, retain }, (error) => {
      this.outgoing -= 1;
      if (error) this.dropped += 1;
    });
  }

  async close(): Promise<void> {
    this.isClosed = true;
    // Answers on their way get a moment; a broker that is gone would hold a graceful end for ever.
    const end = Date.now() + CLOSE_MS;
    while (this.client.connected && this.outgoing > 0 && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await this.client.endAsync(true);
  }
}
