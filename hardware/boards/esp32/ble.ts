/**
 * One GATT service with one write and one notify characteristic, one message a packet, behind the Link interface. The
 * SDK takes the service itself from bleservices/sundial.json, which the manifest names.
 */
import BLEServer from 'bleserver';
import type { Characteristic } from 'gatt';
import type { Link } from '../../interfaces/index.ts';

/** Calls back with a link for each central that subscribes. */
export class TapServer extends BLEServer {
  private readonly onLink: (link: Link) => void;
  private readonly name: string;
  private onBytes: ((bytes: Uint8Array) => void) | undefined;
  private onClosed: (() => void) | undefined;

  constructor(name: string, onLink: (link: Link) => void) {
    super();
    this.name = name;
    this.onLink = onLink;
  }

  override onReady(): void {
    this.deviceName = this.name;
    this.advertise();
  }

  private advertise(): void {
    this.startAdvertising({ advertisingData: { flags: 6, completeName: this.name } });
  }

  override onConnected(): void {
    this.stopAdvertising();
  }

  override onCharacteristicNotifyEnabled(characteristic: Characteristic): void {
    this.onLink({
      frameSizeMax: 244,
      send: (bytes) => this.notifyValue(characteristic, bytes.slice().buffer),
      receive: (onBytes, onClosed) => {
        this.onBytes = onBytes;
        this.onClosed = onClosed;
      },
      close: () => this.close(),
    });
  }

  override onCharacteristicWritten(_characteristic: Characteristic, value: ArrayBuffer): void {
    this.onBytes?.(new Uint8Array(value));
  }

  override onDisconnected(): void {
    const closed = this.onClosed;
    this.onBytes = undefined;
    this.onClosed = undefined;
    closed?.();
    this.advertise();
  }
}
