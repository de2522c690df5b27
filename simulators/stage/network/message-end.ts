/** An end of a tap link that is no device: it hears and says whole messages, as somebody with a radio can. */
import { Deframer, encodeFrame } from '../../../device/links/framing.ts';
import { TAP_MESSAGE_BYTES_MAX } from '../../../protocol/limits.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../protocol/wire/messages.ts';
import type { TapEnd, TapLink } from './tap-link.ts';

/** The frame of one message. */
export const frameOf = (message: Message): Uint8Array => encodeFrame(encodeMessage(message));

export abstract class MessageEnd implements TapEnd {
  protected link: TapLink | undefined;
  private readonly deframer = new Deframer(
    TAP_MESSAGE_BYTES_MAX,
    (bytes) => this.take(bytes),
    () => undefined,
  );

  /** A message that came over the link whole. */
  protected abstract heard(message: Message): void;

  linkUp(link: TapLink): void {
    this.link = link;
  }

  linkDown(): void {
    this.link = undefined;
  }

  tapBytes(frame: Uint8Array): void {
    this.deframer.push(frame);
  }

  private take(bytes: Uint8Array): void {
    const decoded = decodeMessage(bytes, 'tap');
    if (decoded.ok && decoded.message !== undefined) this.heard(decoded.message);
  }

  protected say(message: Message): void {
    this.link?.send(this, frameOf(message));
  }
}
