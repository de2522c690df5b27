/**
 * One round of a payee's office: takes the newest payments from its tills and from the hub, looks for announcements on L2, and
 * does what its money needs:
 * - somebody announced rows of a customer of its own: what it has on that channel is taken to L2 at once;
 * - nobody settled a payment for longer than the operator said: the same;
 * - a lease ended and all its terminals have handed everything in: it signs the lease away, so that the customer's bond is free.
 *
 * Neither needs the hub: what the hub acknowledged settles at once for everybody, and the rest after the slow lane's delay.
 */
import type { LocalAccount } from 'viem';
import { z } from 'zod';
import { claim, type Claim } from '../../../hardware/boards/node/till/claims.ts';
import { fromHex } from '../../../protocol/bytes.ts';
import { nobleKey } from '../../../protocol/crypto/noble.ts';
import { channelId, type Seconds, seconds } from '../../../protocol/integers.ts';
import { releasable, terminalsSynced } from '../../../protocol/machines/payee.ts';
import type { Signing } from '../../../protocol/signing/digests.ts';
import { askHub } from '../ask-hub.ts';
import { causeText } from '../../errors.ts';
import type { Vault } from '../../l2/vault.ts';
import { pageEntriesMax } from '../../limits.ts';
import type { Office } from '../payee-office.ts';
import type { OfficeBook } from './book.ts';
import { type Carried, carryClaims, openClaims } from './carry.ts';
import { lookAt } from './look.ts';

/** What a round works on. */
export interface OfficeRound {
  readonly office: Office;
  readonly payee: `0x${string}`;
  readonly signing: Signing;
  readonly vault: Vault;
  readonly book: OfficeBook;
  /** Pays the gas. */
  readonly account: LocalAccount;
  /** Payments that tills hold, as far as they can be read here; with what could not be. */
  tills(): { readonly claims: readonly Claim[]; readonly troubles: readonly string[] };
  /** Sends them to the hub until `isTaken` says that it has them; rejects when it doesn't take them in time. */
  send(words: readonly ReleasedWord[], isTaken: () => Promise<boolean>): Promise<void>;
  /** After so many seconds a payment that nobody settled is taken to L2 here. */
  readonly afterSeconds: number;
  nowSeconds(): number;
}

/** What a payee signs when none of its terminals holds a payment under leases that ended by `until`. */
export interface ReleasedWord {
  readonly channel: ReturnType<typeof channelId>;
  readonly payee: Uint8Array;
  readonly until: ReturnType<typeof seconds>;
  readonly signature: Uint8Array;
}

/** What a round came to. Amounts in units. */
export interface RoundResult extends Carried {
  /** Payments that are kept, of those that L2 has not settled, and how many of these were acknowledged. */
  readonly open: number;
  readonly acknowledged: number;
  /** Announcements of others that take from its customers' channels, and when the first may be executed. */
  readonly alarms: number;
  readonly dueAt?: number;
  /** Channels whose ended leases it signed away. */
  readonly released: readonly number[];
  /** What could not be reached: the hub, a till. The rest was done. */
  readonly troubles: readonly string[];
}

/** Channels whose leases are signed away in a round: what one connection carries at once. */
const releasedMax = 64;

const claimsPage = z.object({ claims: z.array(claim), after: z.string().optional() });
const leasesPage = z.object({
  leases: z.array(z.object({ channel: z.int(), until: z.int(), released: z.int() })),
});
const creditsPage = z.object({
  terminals: z.array(
    z.object({ terminal: z.string(), syncedAt: z.number(), signature: z.string().optional() }),
  ),
});

/** Payments that the hub has for the payee. */
async function hubClaims({ office, payee }: OfficeRound): Promise<readonly Claim[]> {
  const claims: Claim[] = [];
  for (let after = ''; ; ) {
    const page = claimsPage.parse(
      await askHub({ url: office.statusUrl }, `/claims?payee=${payee}&after=${after}`),
    );
    claims.push(...page.claims);
    // A hub that names the same page again would never come to an end.
    if (page.after === undefined || page.after === after || page.claims.length < pageEntriesMax)
      return claims;
    ({ after } = page);
  }
}

/** Runs one round. Throws what L2 throws; a hub or a till that is away is only said. */
export async function officeRound(round: OfficeRound): Promise<RoundResult> {
  const { payee, signing, vault, book, account, nowSeconds, afterSeconds } = round;
  const { claims: held, troubles: missing } = round.tills();
  const troubles = [...missing];
  const now = nowSeconds();
  book.take(held, now);
  let told: readonly Seconds[] | undefined;
  try {
    // Asked first: what its tills have handed in by then is among the payments that are asked for afterwards.
    told = await terminalsTold(round);
    book.take(await hubClaims(round), now);
  } catch (error) {
    told = undefined;
    troubles.push(`hub: ${causeText(error)}`);
  }

  const { alarms } = await lookAt(book, signing, vault);
  const endangered = new Set(alarms.flatMap(({ channels }) => channels));
  const account20 = fromHex(payee, 20);
  const open = await openClaims(vault, account20, book.claims);
  const wanted = (one: { readonly channel: number; readonly since?: number }): boolean =>
    endangered.has(one.channel) || (one.since ?? now) + afterSeconds <= now;
  const isBusy = open.some(wanted) || book.announced.length > 0;
  const carried: Carried = isBusy
    ? await carryClaims({
        vault,
        account,
        payee: account20,
        claims: book.claims,
        wanted,
        announced: book.announced,
        keep: (announced) => book.keepAnnounced(announced),
      })
    : { settled: 0, announced: 0, executed: 0, reasons: [] };
  const left = isBusy ? await openClaims(vault, account20, book.claims) : open;

  const released: number[] = [];
  if (told !== undefined) {
    try {
      for (const channel of await release(round, told, new Set(left.map(({ channel }) => channel))))
        released.push(channel);
    } catch (error) {
      troubles.push(`hub: ${causeText(error)}`);
    }
  }
  const waiting = alarms.filter(({ channels }) => left.some(({ channel }) => channels.includes(channel)));
  const dueAt = Math.min(...waiting.map(({ executableAt }) => executableAt));
  return {
    ...carried,
    open: left.length,
    acknowledged: left.filter(({ row }) => row.acknowledgement !== undefined).length,
    alarms: waiting.length,
    ...(waiting.length > 0 && { dueAt }),
    released,
    troubles,
  };
}

const endedLeases = async ({ office, payee }: OfficeRound) =>
  leasesPage.parse(await askHub({ url: office.statusUrl }, `/leases?payee=${payee}`)).leases;

/** How far the payee's terminals have handed in what they took, by their own signatures. */
async function terminalsTold({ office, payee, signing }: OfficeRound): Promise<Seconds[]> {
  const { terminals } = creditsPage.parse(await askHub({ url: office.statusUrl }, `/credits?payee=${payee}`));
  return terminalsSynced(
    signing,
    office.terminals.map((terminal) => fromHex(terminal as `0x${string}`, 20)),
    terminals.map(({ terminal, syncedAt: at, signature }) => ({
      terminal: fromHex(terminal as `0x${string}`, 20),
      at: seconds(at),
      signature: signature === undefined ? undefined : fromHex(signature as `0x${string}`, 64),
    })),
  );
}

/**
 * Signs ended leases away. `terminalsSyncedAt`: as it was told before the payments were; `unsettled`: channels on which money
 * of the payee's is not on L2 yet.
 */
async function release(
  round: OfficeRound,
  terminalsSyncedAt: readonly Seconds[],
  unsettled: ReadonlySet<number>,
): Promise<number[]> {
  const { signing, vault } = round;
  const leases = await endedLeases(round);
  if (leases.length === 0) return [];
  const { timestamp } = await vault.client.getBlock();
  const key = nobleKey(fromHex(round.office.secret));
  const words: ReleasedWord[] = [];
  for (const { channel, until } of leases) {
    // Those that must wait take no place of the others.
    if (words.length === releasedMax) break;
    const { slashed } = await vault.readChannel(channel);
    const facts = { until: seconds(until), terminalsSyncedAt, unsettled: unsettled.has(channel), slashed };
    if (!releasable(facts, seconds(Number(timestamp)))) continue;
    const word = { channel: channelId(channel), payee: key.address, until: seconds(until) };
    words.push({ ...word, signature: await key.sign(signing.digest('Released', word)) });
  }
  if (words.length === 0) return [];
  const isOpen = new Set<number>(words.map(({ channel }) => channel));
  await round.send(words, async () => !(await endedLeases(round)).some(({ channel }) => isOpen.has(channel)));
  return [...isOpen];
}
