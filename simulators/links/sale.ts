/**
 * A purchase, however often it is interrupted: the cashier types an amount, the customer holds the wearable to the till,
 * something breaks, and both try again until the till has sold it and the wearable has its receipt. Each purchase has a price of its own, so that
 * whoever reads the ledger afterwards knows which voucher was for what.
 */
import type { Notice } from '../../protocol/machines/effects.ts';
import type { PowerPlan, Shop } from './site.ts';

/** How two devices meet on one kind of link. */
export interface Meeting<Cut> {
  /** The customer presses, or holds the card to the reader; a cut of this link is planned. */
  begin(cut: Cut | undefined): void;
  /** True when what was planned has happened. */
  cutHappened(): boolean;
  /** True while a link stands or may still come. */
  waits(): boolean;
  /**
   * The customer goes, or the power did: whatever stands is over. `stalled`: nothing happened any more. Resolves when both
   * ends know.
   */
  end(stalled: boolean): Promise<void>;
  /** How long the customer waits for something to happen, milliseconds; ten seconds where it is not said. */
  readonly patienceMs?: number;
  /** Tells when any of these may have changed. */
  onChange(wake: () => void): () => void;
}

/** What breaks during one attempt. */
export type Break<Cut> = { readonly power: PowerPlan } | { readonly link: Cut };

/** How long one attempt may take: a tap takes well below a second, a loaded machine is slow. */
const ATTEMPT_MS = 10_000;
/** How long a link may take to notice that it broke. */
const AFTER_CUT_MS = 8_000;
/** Attempts of one purchase, beyond those that are planned to break. */
const ATTEMPTS_MAX = 12;

/** Entries that may wait before a device goes to its hub. */
const OUTBOX_CALM = 24;

export interface Purchase {
  readonly price: number;
  /** The till sold it, and the wearable has a receipt for whatever it signed. */
  readonly paid: boolean;
  readonly cuts: number;
  /** One line an attempt, for whoever looks for what went wrong. */
  readonly story: readonly string[];
}

/**
 * Sells for `price`; breaks one attempt after the other as `breaks` says, then lets it go through. `relieve`: hands in what
 * waits for the hub; a till takes nothing new from a channel of which too many void vouchers wait.
 */
export async function purchase<Cut>(
  shop: Shop,
  meeting: Meeting<Cut>,
  price: number,
  breaks: readonly Break<Cut>[],
  relieve: () => Promise<void>,
): Promise<Purchase> {
  const { payer } = shop.actors;
  const from = payer.notices.length;
  const accepted = (): number => shop.till.state.books.counts.accepted;
  const before = accepted();
  // What a wearable showed may be gone with its power: the cashier looks at what the till has sold.
  const sold = (): boolean =>
    accepted() > before ||
    payer.notices.slice(from).some((notice: Notice) => notice.type === 'paid' && notice.amount === price);
  const settled = (): boolean =>
    shop.dead === undefined && sold() && shop.payer.state.books.unconfirmed.length === 0;
  const story: string[] = [];
  let cuts = 0;
  let typed = false;
  for (let attempt = 0; attempt < breaks.length + ATTEMPTS_MAX && !settled(); attempt++) {
    const broken = breaks[attempt];
    // A till that was off asks nothing: first an open voucher is answered, then the cashier types it again.
    if (!typed && shop.payer.state.books.unconfirmed.length === 0) {
      shop.sale(price);
      typed = true;
    }
    const nothingAsked = !typed;
    shop.plan(broken !== undefined && 'power' in broken ? broken.power : undefined);
    meeting.begin(broken !== undefined && 'link' in broken ? broken.link : undefined);
    const over = (): boolean =>
      settled() ||
      shop.dead !== undefined ||
      meeting.cutHappened() ||
      (nothingAsked && shop.payer.state.books.unconfirmed.length === 0);
    const patience = meeting.patienceMs ?? ATTEMPT_MS;
    const happened = await shop.until(over, patience, (wake) => meeting.onChange(wake));
    if (meeting.cutHappened()) {
      cuts += 1;
      await shop.until(
        () => !meeting.waits(),
        AFTER_CUT_MS,
        (wake) => meeting.onChange(wake),
      );
    }
    shop.plan(undefined);
    await meeting.end(!happened);
    const full = shop.dead === undefined && shop.till.state.books.outbox.length > OUTBOX_CALM;
    if (full || (!happened && shop.dead === undefined)) await relieve();
    // A till that refuses goes on asking until somebody gives up: a wearable that met the hub in between may have a lease
    // that begins behind the voucher which it still owes. Cancelled, the till voids that one and is asked anew.
    if (!happened && shop.dead === undefined && shop.actors.till.notices.at(-1)?.type === 'refused')
      await shop.till.dispatch({ type: 'cancel' });
    const { dead } = shop;
    story.push(tell(shop, broken, dead, meeting.cutHappened()));
    if (dead !== undefined) {
      cuts += 1;
      await shop.powerUp(dead);
      if (dead === 'till') typed = false;
    }
    // Voided: the till was asked anew in between, and the money came back.
    if (!settled() && shop.till.state.volatile.open === undefined) typed = false;
  }
  return { price, paid: settled(), cuts, story };
}

function tell<Cut>(
  shop: Shop,
  broken: Break<Cut> | undefined,
  dead: string | undefined,
  cut: boolean,
): string {
  const said = (side: 'payer' | 'till') =>
    shop.actors[side].notices
      .slice(-3)
      .map((notice) => (notice.type === 'refused' ? `refused ${notice.code} (${notice.by})` : notice.type))
      .join(' ');
  const what = dead !== undefined ? `${dead} lost its power` : cut ? 'the link broke' : 'nothing broke';
  return `planned ${JSON.stringify(broken ?? 'nothing')}; ${what}; payer: ${said('payer')}; till: ${said('till')}`;
}
