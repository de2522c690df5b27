/** A device's end of a tap link, as its runtime sees it. */
import type { Link } from '../../hardware/interfaces/index.ts';
import { TAP_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import type { TapLink } from '../stage/network/tap-link.ts';

export class TapPort implements Link {
  readonly frameSizeMax = TAP_MESSAGE_BYTES_MAX;
  readonly link: TapLink;
  onBytes: (bytes: Uint8Array) => void = () => undefined;
  onClosed: () => void = () => undefined;
  private readonly say: (frame: Uint8Array) => void;

  /** `say` is given each frame that goes out. */
  constructor(link: TapLink, say: (frame: Uint8Array) => void) {
    this.link = link;
    this.say = say;
  }

  send(bytes: Uint8Array): void {
    this.say(bytes);
  }

  receive(onBytes: (bytes: Uint8Array) => void, onClosed: () => void): void {
    this.onBytes = onBytes;
    this.onClosed = onClosed;
  }

  close(): void {
    this.link.close();
  }
}
