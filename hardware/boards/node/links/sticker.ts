/**
 * A printed sticker for a charge point or till that nobody attends: which terminal stands here, what this place is called,
 * and over which link it is met. It is an invitation and nothing else: no amount, no challenge, nothing that could be
 * signed for. What it leads to is a fresh request of that terminal. protocol/LINKS.md has the bytes.
 *
 * The terminal signs it as a request of 0 units whose detail is the place; the payee's certificate says whose terminal it
 * is. Who swaps a sticker for one of another terminal changes the place that the payer's display shows, and the payer's
 * device turns every other terminal away.
 */
import type { Link } from '../../../interfaces/index.ts';
import {
  type Address,
  concatBytes,
  equalBytes,
  type Signature,
  uintBytes,
  utf8,
} from '../../../../protocol/bytes.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { type Amount, type Seconds, seconds } from '../../../../protocol/integers.ts';
import { TAP_MESSAGE_BYTES_MAX } from '../../../../protocol/limits.ts';
import type { Signing } from '../../../../protocol/signing/digests.ts';
import { decodeMessage } from '../../../../protocol/wire/messages.ts';
import { crc32 } from '../../../../device/crc32.ts';
import { Deframer, encodeFrame } from '../../../../device/links/framing.ts';
import { base45, fromBase45 } from '../../../../device/links/qr.ts';

const PREFIX = 'SDP1:';
/** Bytes of a place's name, and of a link's address, in UTF-8. */
export const PLACE_BYTES_MAX = 60;
export const LINK_BYTES_MAX = 60;
/** Terminal, payee, certificate's end and signature, time of signing, signature. */
const FIXED = 20 + 20 + 5 + 64 + 5 + 64;
const SUM = 4;

export interface Sticker {
  /** What people call where it hangs: "Harbour car park, bay 7". */
  readonly place: string;
  /** Address of the link over which the terminal is met, see protocol/LINKS.md. */
  readonly link: string;
  readonly terminal: Address;
  readonly payee: Address;
  /** The payee's word for the terminal. */
  readonly certificate: { readonly expiresAt: Seconds; readonly signature: Signature };
  /** When the terminal signed it. */
  readonly at: Seconds;
  readonly signature: Signature;
}

const bad = (code: 'bad_sticker' | 'sticker_forged' | 'sticker_over', what: string, remedy: string) =>
  new SundialError(code, what, { severity: 'call', remedy });

const nameOf = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

function bounded(text: string, most: number, what: string): Uint8Array {
  const bytes = utf8(text);
  // A control character or a change of direction would show another place than the one that is signed.
  if (bytes.length <= most && /^[^\p{C}]*$/u.test(text)) return bytes;
  throw bad(
    'bad_sticker',
    `${what} is too long, or holds what no display shows`,
    `Give at most ${most} bytes of plain text.`,
  );
}

/** What the terminal signs: a request of nothing, whose detail is the place and the link. */
export function stickerRequest(
  { suite }: Pick<Signing, 'suite'>,
  { place, link, terminal, at }: Pick<Sticker, 'place' | 'link' | 'terminal' | 'at'>,
): { terminal: Address; amount: Amount; at: Seconds; detail: Uint8Array } {
  const detail = suite.keccak256(concatBytes(utf8(place), Uint8Array.of(0), utf8(link)));
  return { terminal, amount: 0 as Amount, at, detail };
}

/** The text of the code. Throws `bad_sticker` when place or link is too long or unprintable. */
export function stickerText(sticker: Sticker): string {
  const place = bounded(sticker.place, PLACE_BYTES_MAX, 'the place');
  const link = bounded(sticker.link, LINK_BYTES_MAX, 'the link');
  if (place.length === 0) throw bad('bad_sticker', 'a place without a name', 'Say what people call it.');
  const { terminal, payee, certificate, at, signature } = sticker;
  const body = concatBytes(
    Uint8Array.of(place.length),
    place,
    Uint8Array.of(link.length),
    link,
    terminal,
    payee,
    uintBytes(certificate.expiresAt, 5),
    certificate.signature,
    uintBytes(at, 5),
    signature,
  );
  return PREFIX + base45(concatBytes(body, uintBytes(crc32(body) >>> 0, SUM)));
}

const uintAt = (bytes: Uint8Array): number => bytes.reduce((value, byte) => value * 256 + byte, 0);

/** Reads the text of a code; nothing is checked but its form. Throws `bad_sticker`. */
export function readSticker(text: string): Sticker {
  const broken = bad(
    'bad_sticker',
    'this is no code of a sticker',
    'Scan it again; a damaged one is not used.',
  );
  const bytes = text.startsWith(PREFIX) ? fromBase45(text.slice(PREFIX.length)) : undefined;
  if (bytes === undefined || bytes.length < FIXED + 2 + SUM) throw broken;
  const body = bytes.subarray(0, -SUM);
  if (uintAt(bytes.subarray(-SUM)) !== crc32(body) >>> 0) throw broken;
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (at + length > body.length) throw broken;
    at += length;
    return body.slice(at - length, at);
  };
  try {
    const place = nameOf(take(take(1)[0]!));
    const link = nameOf(take(take(1)[0]!));
    const sticker: Sticker = {
      place,
      link,
      terminal: take(20),
      payee: take(20),
      certificate: { expiresAt: seconds(uintAt(take(5))), signature: take(64) },
      at: seconds(uintAt(take(5))),
      signature: take(64),
    };
    // Written again it is the same: there is one text for a sticker.
    if (at === body.length && stickerText(sticker) === text) return sticker;
  } catch {
    // Some length or text that no sticker has.
  }
  throw broken;
}

/**
 * Is the place signed by the terminal, and the terminal certified by its payee, in this vault's domain? Throws
 * `sticker_forged`, and `sticker_over` when the certificate has ended at `now`.
 */
export function checkSticker(signing: Signing, sticker: Sticker, now: Seconds): void {
  const { terminal, payee, certificate } = sticker;
  const certified = { terminal, payee, expiresAt: certificate.expiresAt };
  if (
    !signing.signedBy('Request', stickerRequest(signing, sticker), sticker.signature, terminal) ||
    !signing.signedBy('Terminal', certified, certificate.signature, payee)
  )
    throw bad(
      'sticker_forged',
      `the sticker says "${sticker.place}", and no terminal of this network signed that`,
      'Do not pay here; tell whoever runs the place.',
    );
  if (certificate.expiresAt < now)
    throw bad(
      'sticker_over',
      `the sticker of "${sticker.place}" has expired`,
      'Whoever runs the place prints a new one.',
    );
}

/**
 * The link, for the terminal of a sticker alone: as soon as another one says what it wants, the link is closed and
 * `onOther` is told. Of what comes from the right one nothing is changed.
 */
export function invitedLink(
  link: Link,
  { terminal, payee }: Pick<Sticker, 'terminal' | 'payee'>,
  onOther: (terminal: Address) => void,
): Link {
  return {
    frameSizeMax: link.frameSizeMax,
    send: (bytes) => link.send(bytes),
    close: () => link.close(),
    receive(onBytes, onClosed) {
      let turnedAway = false;
      const deframer = new Deframer(
        TAP_MESSAGE_BYTES_MAX,
        (bytes) => {
          if (turnedAway) return;
          const decoded = decodeMessage(bytes, 'tap');
          const { message } = decoded.ok ? decoded : { message: undefined };
          const names =
            message?.type === 'request' ||
            message?.type === 'streamRequest' ||
            message?.type === 'certificate';
          if (names && !(equalBytes(message.terminal, terminal) && equalBytes(message.payee, payee))) {
            turnedAway = true;
            onOther(message.terminal);
            link.close();
            onClosed();
            return;
          }
          onBytes(encodeFrame(bytes));
        },
        // As garbage it is the device's to judge.
        () => {
          if (!turnedAway) onBytes(Uint8Array.of(1, 0));
        },
      );
      link.receive(
        (bytes) => deframer.push(bytes),
        () => {
          if (!turnedAway) onClosed();
        },
      );
    },
  };
}
