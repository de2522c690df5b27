/**
 * The promise to payees and payers: on every lane of an honest payer the vault has settled, net of credits, exactly
 * what was delivered. On the lanes of a dishonest one the loss is proved against its channel and stays within rule
 * 10. What a hub or a payee costs an honest payer's payees, or the payer, stays within what it signed itself. What stands
 * only in a device that is frozen, since its flash was damaged, is that device's loss, and counted as such; a damaged one
 * that goes on owes everything.
 *
 * Not checked here: when it is paid, lanes of a frozen device or a dead key, what a withdrawn balance becomes, and losses
 * below what its culprit may cost: those are counted, not refused.
 */
import { channelBook, findEntry, topOf } from '../../hub/intake/books.ts';
import { layersEntries } from '../../hub/intake/layers.ts';
import { bytesKey, trieEntries } from '../../hub/intake/trie.ts';
import type { Merchant, PayerActor } from '../fleet/actors.ts';
import type { AnyDevice } from '../fleet/device.ts';
import type { Loss, Run } from '../fleet/run.ts';
import type { MakeChecker } from './checker.ts';

export const paidOrAttributed: MakeChecker = (simulation, report) => {
  /** The highest spend limit that the hub signed, by channel. */
  const lent = new Map<number, number>();
  /** Channels on which a thief of one of the hub's keys lent. */
  const stolen = new Set<number>();
  const overlentOn = ({ channel }: PayerActor): number => {
    const { deposited, credited, bond, potOpened } = simulation.vault.channel(channel);
    return Math.max(0, (lent.get(channel) ?? 0) - (deposited + credited - bond - potOpened));
  };
  /**
   * What came back to a channel too late to be settled once more: where a thief lent, payees wait for more than there is, and
   * miss that as well.
   */
  const leftOn = ({ channel }: PayerActor): number =>
    stolen.has(channel) ? simulation.vault.channel(channel).free : 0;
  const note = ({ channel, spendLimit }: { readonly channel: number; readonly spendLimit: number }): void => {
    lent.set(channel, Math.max(spendLimit, lent.get(channel) ?? 0));
  };
  return {
    name: 'paid or attributed',
    leased: note,
    // A key of the hub's that is stolen is the hub's.
    lentByThief(lease) {
      note(lease);
      stolen.add(lease.channel);
    },
    finished() {
      const refunds = refundsOf(simulation);
      for (const payer of simulation.fleet.payers) {
        let short = 0;
        const refunded = refunds.get(payer.channel);
        for (const merchant of merchantsOf(simulation, payer, refunded?.keys() ?? [])) {
          const difference = netOf(simulation, payer, merchant) + (refunded?.get(merchant.id) ?? 0);
          if (difference === 0) continue;
          if (isFrozen(payer, merchant)) blame(simulation, payer, 'damage', Math.abs(difference));
          else if (difference < 0) short -= difference;
          else if (payer.honest) {
            const own = stolen.has(payer.channel) ? unansweredAt(payer, merchant) : 0;
            const fault = charged(simulation, payer, merchant, difference, overlentOn(payer), own);
            if (fault !== undefined) report(fault);
          }
        }
        if (short === 0) continue;
        const fault = payer.honest
          ? shortOfHonest(simulation, payer, short, overlentOn(payer) + leftOn(payer))
          : shortOfCheat(simulation, payer, short, overlentOn(payer));
        if (fault !== undefined) report(fault);
      }
    },
  };
};

function blame(simulation: Run, { channel }: PayerActor, culprit: Loss['culprit'], lost: number): void {
  simulation.losses.push({ channel, culprit, lost });
}

/** Merchants that a channel has anything to do with: they gave something, L2 settled, or their terminals refunded. */
function merchantsOf(
  { vault, accounts, fleet }: Run,
  { channel }: PayerActor,
  refunding: Iterable<string>,
): Set<Merchant> {
  const merchants = new Set(accounts.merchantsOf(channel));
  for (const ids of [vault.channel(channel).lanes.keys(), refunding])
    for (const id of ids) {
      const merchant = fleet.merchantOf(id);
      if (merchant !== undefined) merchants.add(merchant);
    }
  return merchants;
}

/** What L2 has settled on a lane, net of credits, above what was handed over there. */
function netOf({ vault, accounts }: Run, { channel }: PayerActor, merchant: Merchant): number {
  const lane = vault.channel(channel).lanes.get(merchant.id);
  return (lane?.settled ?? 0) - (lane?.credited ?? 0) - accounts.delivered(channel, merchant);
}

/** Who signs nothing any more can settle nothing: what only it could still answer for is its owner's loss. */
const isSilent = ({ frozen, key }: AnyDevice): boolean => frozen || key.dead;

const isFrozen = (payer: PayerActor, merchant: Merchant): boolean =>
  isSilent(payer.device) || merchant.terminals.some(({ device }) => isSilent(device));

/**
 * An honest payer was charged more than it got. Its own doing is a tick that it gave up. A payee that gives nothing back
 * keeps at most what its own terminals signed that it would, and so does a hub that brings credits nowhere, or that lent
 * so much that nothing is left to settle what they stand on. `own`: what a payer that took a thief's lease signed for the
 * payee and has no answer to: without a lease it can't go back for one.
 */
function charged(
  simulation: Run,
  payer: PayerActor,
  merchant: Merchant,
  over: number,
  overlent: number,
  own: number,
): string | undefined {
  const kept = over - writtenOffTo(simulation, payer.channel, merchant.id);
  if (kept <= 0) return undefined;
  const words = `${payer.device.name} was charged ${over} by merchant ${merchant.index} for nothing`;
  const byHub = simulation.hub.l2.buries || overlent > 0;
  if (merchant.givesCredits && !byHub) return words;
  blame(simulation, payer, merchant.givesCredits ? 'hub' : 'payee', kept);
  const promised = promisedBy(simulation, payer.channel, merchant.id);
  return kept > promised + own ? `${words}; its terminals signed for ${promised}` : undefined;
}

/**
 * Payees are short of what an honest payer got. Only the hub can do that: a lease above the deposit is its signed promise
 * of money that is not there, and an acknowledgement that of an entry which it brings to L2.
 */
function shortOfHonest(
  simulation: Run,
  payer: PayerActor,
  short: number,
  overlent: number,
): string | undefined {
  const buried = buriedOn(simulation, payer.channel);
  if (overlent + buried === 0) return `${payer.device.name} got goods for ${short} that nobody was paid for`;
  blame(simulation, payer, 'hub', short);
  if (short <= overlent + buried) return undefined;
  return `the hub cost ${short} on ${payer.device.name}, lent ${overlent} too much and buried ${buried}`;
}

/**
 * Payees are short of what a dishonest payer got. A hub that lent too much or buries what it acknowledged answers for
 * that; the rest is proved, and within rule 10.
 */
function shortOfCheat(simulation: Run, payer: PayerActor, all: number, overlent: number): string | undefined {
  const byHub = Math.min(all, overlent + buriedOn(simulation, payer.channel));
  if (byHub > 0) blame(simulation, payer, 'hub', byHub);
  const short = all - byHub;
  if (short === 0) return undefined;
  blame(simulation, payer, 'payer', short);
  const { name } = payer.device;
  // What was announced is signed, and shown on L2 to everybody.
  const { slowly } = simulation.vault.channel(payer.channel);
  const isProved = simulation.hub.proofs().has(payer.channel) || short <= slowly;
  if (!isProved) return `${name} cost ${short} and nothing proves it`;
  const { beforeBond } = simulation.lossBoundOf(payer.channel);
  return short > beforeBond ? `${name} cost ${short}, above the bound of ${beforeBond} (rule 10)` : undefined;
}

/** What the ledger of a hub that brings nothing to L2, or was away when it was needed, claims of a channel, and L2 never saw. */
function buriedOn({ hub, vault }: Run, channel: number): number {
  if (!hub.l2.buries && !hub.vanished) return 0;
  let sum = 0;
  for (const [payee, claim] of layersEntries(channelBook(hub.books, channel as never).claims))
    sum += Math.max(0, topOf(claim) - vault.settledOf(channel, payee));
  return sum;
}

/** Units of vouchers for a merchant that a payer has no answer to. */
function unansweredAt({ device }: PayerActor, merchant: Merchant): number {
  const { unconfirmed, writtenOff } = device.books;
  return [...unconfirmed, ...writtenOff].reduce(
    (sum, open) =>
      open.kind === 'voucher' && bytesKey(open.voucher.payee) === merchant.id
        ? sum + open.request.amount
        : sum,
    0,
  );
}

/** What a merchant's terminals signed that it would give back on a channel, and L2 never saw. */
function promisedBy({ hub, vault }: Run, channel: number, merchant: string): number {
  let sum = 0;
  for (const { key, payee, credited } of channelBook(hub.books, channel as never).entries)
    if (bytesKey(payee) === merchant) sum += credited - vault.creditedOn(key);
  return sum;
}

/** Worth of the ticks that a payer gave up at a merchant and that no charger had stored: decision 12 bounds them so. */
function writtenOffTo({ accounts, hub }: Run, channel: number, merchant: string): number {
  let sum = 0;
  for (const tick of accounts.writtenOff) {
    const entry = tick.channel === channel ? findEntry(hub.books, tick.stream) : undefined;
    if (entry?.stream === undefined || bytesKey(entry.payee) !== merchant) continue;
    if (entry.stream.k < tick.k) sum += entry.stream.tickValue;
  }
  return sum;
}

/**
 * What terminals gave back on goods that were delivered, by channel and merchant, as they signed it. Voided vouchers
 * and late ticks never counted as delivered.
 */
function refundsOf(simulation: Run): Map<number, Map<string, number>> {
  const refunds = new Map<number, Map<string, number>>();
  for (const [, book] of trieEntries(simulation.hub.books.channels)) {
    for (const { voided, kind, key, stream, credited: signed, channel, payee } of book.entries) {
      const late = kind === 'stream' ? (simulation.accounts.late.get(key) ?? 0) : 0;
      const credited = signed - late * (stream?.tickValue ?? 0);
      if (voided || credited <= 0) continue;
      const byMerchant = refunds.get(channel) ?? new Map<string, number>();
      refunds.set(channel, byMerchant);
      const id = bytesKey(payee);
      byMerchant.set(id, (byMerchant.get(id) ?? 0) + credited);
    }
  }
  return refunds;
}
