/** A day at one kind of link: purchase after purchase, now and then to the hub, and at the end the books are compared. */
import { reconcile } from './books.ts';
import type { LinksHub } from './hub.ts';
import { type Break, type Meeting, purchase, type Purchase } from './sale.ts';
import type { Shop } from './site.ts';

export interface Day<Cut> {
  /** The link, as its lines begin. */
  readonly name: string;
  readonly shop: Shop;
  readonly hub: LinksHub;
  readonly meeting: Meeting<Cut>;
  /** Purchases and cuts, of which there are at least so many. */
  readonly taps: number;
  readonly cuts: number;
  /** After so many purchases both devices hand in what they hold. */
  readonly handInEach: number;
  /** What breaks during the next purchase. */
  breaks(): readonly Break<Cut>[];
  handIn(): Promise<void>;
  /** What else a line of progress says. */
  also?(): string;
  say(text: string): void;
}

export type DayResult = {
  readonly taps: number;
  readonly cuts: number;
  readonly lost: number;
  readonly doubled: number;
};

/** Buys until both numbers are reached, hands everything in, stops the hub and compares: unpaid purchases are lost ones. */
export async function dayOf<Cut>(day: Day<Cut>): Promise<DayResult> {
  const { name, shop, hub, meeting } = day;
  const purchases: Purchase[] = [];
  let cuts = 0;
  while (purchases.length < day.taps || cuts < day.cuts) {
    const price = 10_000 + purchases.length;
    const done = await purchase(shop, meeting, price, day.breaks(), () => day.handIn());
    purchases.push(done);
    cuts += done.cuts;
    if (!done.paid) day.say(`${name}: a purchase of ${price} was never paid`);
    if (purchases.length % day.handInEach !== 0) continue;
    await day.handIn();
    day.say(`${name}: ${purchases.length} taps, ${cuts} cuts${day.also?.() ?? ''}`);
  }
  await day.handIn();
  await hub.stop();
  const { lost, doubled, strange } = await reconcile(shop, hub.ledgerFolder, purchases);
  for (const { price, story } of purchases.filter((one) => strange.includes(one.price)))
    day.say(`${name}: ${price}\n  ${story.join('\n  ')}`);
  const unpaid = purchases.filter(({ paid }) => !paid).length;
  return { taps: purchases.length - unpaid, cuts, lost: lost + unpaid, doubled };
}
