/**
 * Who got what, read afterwards from the hub's ledger and the wearable's journal alone: each purchase had a price of its
 * own, so each must stand in the ledger as exactly one voucher with a receipt.
 *
 * What it can't see: a voucher that neither reached the ledger nor is in the wearable's journal.
 */
import { openJournal } from '../../device/journal/journal.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { decodeRecord } from '../../hub/ledger/records.ts';
import { toHex } from '../../protocol/bytes.ts';
import { payerRecords } from '../../protocol/machines/payer/books.ts';
import { decodeOwn } from '../../protocol/wire/messages.ts';
import type { Purchase } from './sale.ts';
import type { Shop } from './site.ts';

export interface Reconciled {
  /** Purchases that were paid, by what the wearable said, and stand nowhere in the ledger. */
  readonly lost: number;
  /** Purchases that stand in it more than once, and vouchers that no purchase explains. */
  readonly doubled: number;
  /** Prices of purchases that do not fit. */
  readonly strange: readonly number[];
}

/** How often each price stands in the ledger with a receipt, and what void vouchers add up to; each digest once. */
async function ledgerOf(folder: string): Promise<{ prices: Map<number, number>; voided: number }> {
  const ledger = await openFileLedger(folder);
  const seen = new Set<string>();
  const prices = new Map<number, number>();
  let voided = 0;
  for await (const { position, bytes } of ledger.replay()) {
    const record = decodeRecord(bytes, position);
    if (record.type !== 'entry' || seen.has(toHex(record.id))) continue;
    const message = decodeOwn(record.message);
    if (message.type !== 'collectedVoucher') continue;
    seen.add(toHex(record.id));
    if (message.receipt === undefined) voided += message.amount;
    else prices.set(message.amount, (prices.get(message.amount) ?? 0) + 1);
  }
  await ledger.close();
  return { prices, voided };
}

/** What the wearable's journal says that it signed away and did not get back, by digest, from its raw records. */
function signedAway(shop: Shop): Map<string, number> {
  const intents = new Map<string, number>();
  for (const payload of openJournal(shop.actors.payer.flash.copy(), { banks: 2 }).replayed) {
    const record = payerRecords.decode(payload);
    if (record.type === 'intent') intents.set(toHex(record.digest), record.request.amount);
    if (record.type === 'voided') intents.delete(toHex(record.digest));
  }
  return intents;
}

/** Compares purchases, ledger and journal. */
export async function reconcile(
  shop: Shop,
  ledgerFolder: string,
  purchases: readonly Purchase[],
): Promise<Reconciled> {
  const { prices, voided } = await ledgerOf(ledgerFolder);
  let lost = 0;
  let doubled = 0;
  const strange: number[] = [];
  for (const { price, paid } of purchases) {
    const times = prices.get(price) ?? 0;
    if (times !== 1) strange.push(price);
    if (times === 0 && paid) lost += 1;
    if (times > 1) doubled += times - 1;
    prices.delete(price);
  }
  for (const times of prices.values()) doubled += times;
  // A bank of the journal that was begun anew holds books, not history: what history there is must fit.
  const bought = new Set(purchases.map(({ price }) => price));
  const perPrice = new Map<number, number>();
  for (const price of signedAway(shop).values()) perPrice.set(price, (perPrice.get(price) ?? 0) + 1);
  for (const [price, times] of perPrice)
    if (!bought.has(price) || times > 1) {
      strange.push(price);
      doubled += 1;
    }
  const { spent } = shop.payer.state.books;
  const paidFor = purchases.reduce((sum, { price, paid }) => sum + (paid ? price : 0), 0);
  if (spent < paidFor + voided) lost += 1;
  if (spent > paidFor + voided) doubled += 1;
  return { lost, doubled, strange };
}
