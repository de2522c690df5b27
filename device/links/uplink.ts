/**
 * An uplink over a byte link, and the gateway at its far end. Frames as on a tap link; beside the hub's messages there are
 * two of the link's own: 01 and the device's address, which the device says first, and 02 with 01 or 00, by which the
 * gateway says whether the hub is in reach. No message begins with either byte.
 *
 * The address is a claim, as it is in an MQTT topic: what counts is who signed.
 */
import type { Link, Uplink } from '../../hardware/interfaces/index.ts';
import { concatBytes } from '../../protocol/bytes.ts';
import { SYNC_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { Deframer, encodeFrame } from './framing.ts';

const DEVICE = 0x01;
const HUB = 0x02;
const ADDRESS_BYTES = 20;
const ignore = (): void => undefined;

/** The device's end: links come and go, and it is connected while one of them says that the hub is there. */
export class LinkUplink implements Uplink {
  private readonly address: Uint8Array;
  private readonly onClose: () => void;
  private link: Link | undefined;
  private connected = false;
  private onMessage: (message: Uint8Array) => void = ignore;
  private onConnected: (connected: boolean) => void = ignore;

  /** `address`: 20 bytes, of the device. `onClose`: the device gives its uplink up; the host stops looking for links. */
  constructor(address: Uint8Array, onClose: () => void = ignore) {
    this.address = address;
    this.onClose = onClose;
  }

  /** A gateway is there; one that was there before is let go. */
  attach(link: Link): void {
    const before = this.link;
    this.link = undefined;
    before?.close();
    this.link = link;
    const deframer = new Deframer(SYNC_MESSAGE_BYTES_MAX, (frame) => this.take(link, frame), ignore);
    link.receive(
      (bytes) => deframer.push(bytes),
      () => {
        if (this.link !== link) return;
        this.link = undefined;
        this.say(false);
      },
    );
    link.send(encodeFrame(concatBytes(Uint8Array.of(DEVICE), this.address)));
  }

  private take(link: Link, frame: Uint8Array): void {
    if (this.link !== link) return;
    if (frame[0] !== HUB) return this.onMessage(frame);
    if (frame.length === 2) this.say(frame[1] === 1);
  }

  private say(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    this.onConnected(connected);
  }

  send(message: Uint8Array): void {
    if (this.connected) this.link?.send(encodeFrame(message));
  }

  receive(onMessage: (message: Uint8Array) => void, onConnected: (connected: boolean) => void): void {
    this.onMessage = onMessage;
    this.onConnected = onConnected;
    if (this.connected) onConnected(true);
  }

  close(): void {
    this.onMessage = ignore;
    this.onConnected = ignore;
    this.connected = false;
    const { link } = this;
    this.link = undefined;
    link?.close();
    this.onClose();
  }
}

/**
 * The gateway's end of one link: opens an uplink for the device that names itself, and carries whole messages both ways.
 * Nothing is kept for a device that is gone, nothing is confirmed: devices wait for the hub's signature.
 */
export function serveDevice(link: Link, open: (device: Uint8Array) => Uplink): void {
  let uplink: Uplink | undefined;
  const take = (frame: Uint8Array): void => {
    if (frame[0] !== DEVICE) return uplink?.send(frame);
    if (frame.length !== 1 + ADDRESS_BYTES || uplink !== undefined) return;
    uplink = open(frame.slice(1));
    uplink.receive(
      (message) => link.send(encodeFrame(message)),
      (connected) => link.send(encodeFrame(Uint8Array.of(HUB, connected ? 1 : 0))),
    );
  };
  const deframer = new Deframer(SYNC_MESSAGE_BYTES_MAX, take, ignore);
  link.receive(
    (bytes) => deframer.push(bytes),
    () => {
      uplink?.close();
      uplink = undefined;
    },
  );
}
