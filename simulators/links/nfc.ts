/**
 * Taps over NFC: the wearable's application and the till's PC/SC reader with a real pcscd and a virtual reader between
 * them. Cuts: at any command the card is gone before it takes it or before it answers, and the power of either device goes
 * at any flash write and before any effect.
 *
 * What pcscd does when a card leaves the field is not tried here: vpcd 3.3 takes the daemon down when its card hangs up.
 */
import { ApduCard } from '../../device/links/apdu.ts';
import { virtualCard } from '../../hardware/boards/node/links/nfc/virtual-card.ts';
import { CARD_PORT, readersTurn, startPcscd } from '../stage/card/pcscd.ts';
import { Random } from '../stage/world/random.ts';
import { dayOf, type DayResult } from './day.ts';
import { handIn } from './hand-in.ts';
import { LinksHub } from './hub.ts';
import { Links } from './meeting.ts';
import { startReader } from './reader-process.ts';
import type { Break, Meeting } from './sale.ts';
import { Shop } from './site.ts';

export type NfcResult = DayResult;

export interface NfcOptions {
  readonly seed: number;
  readonly taps: number;
  readonly cuts: number;
  say(text: string): void;
}

/** The card is gone at the n-th command of the attempt; `after`: it took the command, and the answer is lost. */
export interface NfcCut {
  readonly at: number;
  readonly after: boolean;
}

/** A torn answer: no card says so little. */
const TORN = Uint8Array.of(0);
/** About what a tap takes of commands, of flash operations and of effects. */
const COMMANDS_MAX = 9;
const FLASH_MAX = { payer: 45, till: 50 };
const EFFECTS_MAX = { payer: 7, till: 7 };
const HAND_IN_EACH = 10;

class NfcMeeting extends Links implements Meeting<NfcCut> {
  readonly card: ApduCard;
  private readonly shop: Shop;
  private wanted = false;
  private cut: NfcCut | undefined;
  private commands = 0;
  private happened = false;

  constructor(shop: Shop) {
    super();
    this.shop = shop;
    this.card = new ApduCard({
      refusal: () => (this.wanted && !shop.actors.payer.dead ? undefined : 'not_pressed'),
      onLink: (link) => this.linked('payer', link, shop),
    });
  }

  /** What vpcd hands over, with what is planned. */
  answer(apdu: Uint8Array): Uint8Array {
    // A device without power answers nothing.
    if (this.shop.actors.payer.dead) return TORN;
    this.commands += 1;
    const { cut } = this;
    if (!this.wanted || cut === undefined || this.commands < cut.at) return this.card.answer(apdu);
    this.cut = undefined;
    this.happened = true;
    this.wanted = false;
    if (cut.after) this.card.answer(apdu);
    this.card.removed();
    this.wake();
    return TORN;
  }

  removed(): void {
    this.card.removed();
  }

  begin(cut: NfcCut | undefined): void {
    this.happened = false;
    this.commands = 0;
    this.cut = cut;
    this.wanted = true;
  }

  cutHappened(): boolean {
    return this.happened;
  }

  end(): Promise<void> {
    this.cut = undefined;
    this.wanted = false;
    return this.closeAll();
  }
}

const breaks = (random: Random): Break<NfcCut>[] =>
  Array.from({ length: random.below(5) }, () => {
    const side = random.chance(500) ? 'payer' : 'till';
    switch (random.below(6)) {
      case 0:
        return { power: { side, kind: 'flash', at: 1 + random.below(FLASH_MAX[side]) } };
      case 1:
        return { power: { side, kind: 'effect', at: 1 + random.below(EFFECTS_MAX[side]) } };
      default:
        return { link: { at: 1 + random.below(COMMANDS_MAX), after: random.chance(500) } };
    }
  });

/** Taps until both numbers are reached; compares the books. Rejects with `no_pcscd`. */
export async function runNfc(options: NfcOptions): Promise<NfcResult> {
  const closers: (() => unknown)[] = [];
  try {
    return await run(options, closers);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function run(options: NfcOptions, closers: (() => unknown)[]): Promise<NfcResult> {
  const random = new Random(options.seed).fork('nfc');
  const shop = await Shop.open(options.seed);
  const hub = await LinksHub.start();
  closers.push(
    () => hub.discard(),
    () => shop.close(),
  );
  const meeting = new NfcMeeting(shop);
  const idle = new ApduCard({ refusal: () => 'not_pressed', onLink: () => undefined });
  closers.push(await readersTurn((text) => options.say(`nfc: ${text}`)));
  const cards = [await virtualCard(CARD_PORT, meeting), await virtualCard(CARD_PORT + 1, idle)];
  for (const card of cards) closers.push(() => card.close());
  closers.push(await startPcscd());
  closers.push(
    await startReader(
      0,
      (link) => meeting.linked('till', link, shop),
      () => undefined,
    ),
  );
  return dayOf({
    name: 'nfc',
    shop,
    hub,
    meeting,
    taps: options.taps,
    cuts: options.cuts,
    handInEach: HAND_IN_EACH,
    breaks: () => breaks(random),
    handIn: () => handIn(shop, hub.url),
    say: (text) => options.say(text),
  });
}
