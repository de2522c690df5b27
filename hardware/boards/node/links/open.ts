/**
 * Opens a device's tap link, whatever kind its address names: by a table, each kind in a file of its own, which is loaded
 * with its driver (radio, reader, port) when a link of that kind is opened.
 */
import { ApduCard, type CardEnd } from '../../../../device/links/apdu.ts';
import { TAP_GATT } from '../../../../device/links/gatt.ts';
import { QrLink } from '../../../../device/links/qr.ts';
import { Intent, type IntentPolicy } from '../../../../device/links/intent.ts';
import type { Link } from '../../../interfaces/index.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import type { Notice } from '../../../../protocol/machines/effects.ts';
import { nodeClock, nodeEntropy } from '../host.ts';
import { listenForTaps, seekTerminal } from '../socket-link.ts';
import type { LinkAddress, LinkScheme } from './address.ts';

/** What a device is told of and tells its link. */
export interface TapOptions {
  readonly side: 'payer' | 'terminal';
  /** When a payer's radio may be found. */
  readonly intent: IntentPolicy;
  onLink(link: Link): void;
  /** For people: who came, why somebody was turned away. */
  say(text: string): void;
}

/** A tap link that is open for whoever comes. */
export interface OpenTap {
  close(): void;
  /** The wearer presses; absent where a touch is the intent. */
  press?(): void;
  /** What a scanner read; absent where there is none. */
  scan?(text: string): void;
  /** The code that the display shows now; undefined: it is dark. Absent where the link has no codes. */
  shown?(): string | undefined;
  /** Told of every notice of the device. */
  notice?(notice: Notice): void;
}

type Open<S extends LinkScheme> = (
  address: Extract<LinkAddress, { scheme: S }>,
  options: TapOptions,
) => Promise<OpenTap>;

const wrongSide = (text: string, remedy: string): SundialError =>
  new SundialError('wrong_link', text, { severity: 'call', remedy });

const openUnix: Open<'unix'> = async ({ path }, { side, onLink }) => {
  if (side === 'payer') return { close: seekTerminal(path, onLink) };
  const server = await listenForTaps(path, onLink);
  return { close: () => server.close() };
};

const openSerial: Open<'serial'> = async ({ path }, { onLink, say }) => {
  const { serialLinks } = await import('../serial-link.ts');
  return { close: serialLinks(path, onLink, say) };
};

const openBle: Open<'ble'> = async ({ adapter, address }, { side, intent: policy, onLink, say }) => {
  if (side === 'terminal') {
    const { bleCentral } = await import('./ble/central.ts');
    const close = await bleCentral({
      profile: TAP_GATT,
      adapter,
      address,
      linksMax: 1,
      onLink,
      onEnd: (why) => {
        if (why === 'not_pressed' || why === 'other_version') say(`turned away: ${why}`);
      },
    });
    return { close };
  }
  if (address !== undefined)
    throw wrongSide('a payer is found, it looks for nobody', 'Give ble: or ble:hci1 without an address.');
  const { blePeripheral } = await import('./ble/peripheral.ts');
  let link: Link | undefined;
  let signing = false;
  const intent = new Intent({
    policy,
    clock: nodeClock,
    onChange(wanted) {
      peripheral.advertise(wanted);
      say(wanted ? 'may be found now' : 'can no more be found');
      if (!wanted) link?.close();
    },
  });
  const peripheral = await blePeripheral({
    profile: TAP_GATT,
    adapter,
    refusal: () => (intent.wanted ? undefined : 'not_pressed'),
    onLink(next) {
      link = next;
      onLink(next);
    },
    onEnd: () => {
      link = undefined;
    },
  });
  if (intent.wanted) peripheral.advertise(true);
  return {
    close: () => peripheral.close(),
    press: () => intent.press(),
    notice({ type }) {
      if (type === 'signing') signing = true;
      // One payment a press: whoever holds the link could ask for another.
      if (type !== 'paid' || !signing) return;
      signing = false;
      intent.end();
    },
  };
};

const openReader: Open<'pcsc'> = async ({ reader }, { side, onLink, say }) => {
  if (side === 'payer')
    throw wrongSide(
      'a payer is a card and has no reader',
      'Give vpcd:35963, or hold a real card to the till.',
    );
  const onEnd = (why: CardEnd): void => {
    if (why !== 'closed' && why !== 'removed') say(`the card says: ${why}`);
  };
  const { cardReader } = await import('./nfc/reader.ts');
  return { close: await cardReader({ reader, onLink, onEnd, say }) };
};

/** A touch is the wearer's intent: a card is read from a few centimetres. */
const openCard: Open<'vpcd'> = async ({ port }, { side, onLink }) => {
  if (side === 'terminal')
    throw wrongSide('a terminal reads cards, it is none', 'Give pcsc:0 for its first reader.');
  const { virtualCard } = await import('./nfc/virtual-card.ts');
  const card = await virtualCard(port, new ApduCard({ refusal: () => undefined, onLink }));
  return { close: () => void card.close() };
};

/** How often the display is looked at, milliseconds: a sequence shows its next frame then. */
const FRAME_MS = 250;

/** Codes in the terminal's window; what a scanner types comes back by `scan`. */
const openQr: Open<'qr'> = async (_address, { side, onLink, say }) => {
  const { codeText } = await import('./qr/image.ts');
  const begin = (): QrLink =>
    new QrLink({ clock: nodeClock, first: side === 'payer', nonce: nodeEntropy.random(2), onLink });
  let display = begin();
  let shown: string | undefined;
  let frame = 0;
  const timer = setInterval(() => {
    const text = display.frame(frame++);
    if (text !== undefined && text !== shown) say(`${text}\n${codeText(text)}`);
    shown = text;
  }, FRAME_MS);
  return {
    close() {
      clearInterval(timer);
      display.end();
    },
    press() {
      display.end();
      display = begin();
    },
    scan: (text) => display.scan(text.trim()),
    shown: () => shown,
  };
};

const OPENERS: { readonly [S in LinkScheme]: Open<S> } = {
  unix: openUnix,
  serial: openSerial,
  ble: openBle,
  pcsc: openReader,
  vpcd: openCard,
  qr: openQr,
};

/** Opens the tap link. Rejects with `wrong_link`, `no_bluetooth`, `tap_in_use`, ... */
export const openTap = (address: LinkAddress, options: TapOptions): Promise<OpenTap> =>
  (OPENERS[address.scheme] as Open<LinkScheme>)(address as never, options);
