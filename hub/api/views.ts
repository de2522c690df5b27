/** The books as people and tools read them: hex for bytes, plain numbers for money, nothing secret. */
import { toHex } from '../../protocol/bytes.ts';
import {
  baseOf,
  channelBook,
  channelsOf,
  emptyChannel,
  entryMessage,
  findEntry,
  highest,
  spentTopOf,
  topOf,
} from '../intake/books.ts';
import { unpack } from '../intake/packed.ts';
import { layersEntries } from '../intake/layers.ts';
import type { Books, ChannelBook, ChannelFacts, Entry, IntakeState } from '../intake/state.ts';
import { positionOf } from '../intake/positions.ts';
import { keyNumber, trieEntries, trieGet } from '../intake/trie.ts';
import type { RegistryState } from '../registry/registry.ts';

/** A lane as the pages show it. Amounts in units. */
export interface LaneView {
  readonly payee: string;
  /** Units that the newest voucher of the lane claims. */
  readonly top: number;
  /** Units that L2 has settled. */
  readonly settled: number;
  /** Units credited by terminals or the payee, over all vouchers of the lane. */
  readonly credited: number;
  readonly vouchers: number;
}

/** A channel as the pages show it. */
export interface ChannelView {
  readonly channel: number;
  readonly payer: string | undefined;
  readonly deposited: number | undefined;
  readonly spendable: number | undefined;
  readonly exiting: boolean | undefined;
  readonly revoked: boolean;
  /** The pair of vouchers that proves fraud of the payer: E1 one seq, E2 amounts that overlap. */
  /** The rule that was broken, and digests of the vouchers that show it. */
  readonly proof: { readonly kind: string; readonly entries: readonly string[] } | undefined;
  readonly seq: number;
  readonly spent: number;
  readonly vouchers: number;
  readonly ticks: number;
  readonly lanes: readonly LaneView[];
}

/** Every channel that L2 or the ledger knows, by number. */
export function channelViews(state: IntakeState, books: Books, registry: RegistryState): ChannelView[] {
  const numbers = new Set<number>();
  for (const [key] of trieEntries(state.channels)) numbers.add(keyNumber(key));
  const ledger = new Map<number, ChannelBook>();
  for (const [key, book] of channelsOf(books)) ledger.set(keyNumber(key), book);
  for (const channel of ledger.keys()) numbers.add(channel);
  const facts = new Map(trieEntries(state.channels).map(([key, value]) => [keyNumber(key), value]));
  return [...numbers]
    .sort((a, b) => a - b)
    .map((channel): ChannelView => {
      const l2: ChannelFacts | undefined = facts.get(channel);
      const book = ledger.get(channel) ?? emptyChannel;
      const { seq, spent } = highest(book);
      return {
        channel,
        payer: l2 && toHex(l2.payer),
        deposited: l2?.deposited,
        spendable: l2?.spendable,
        exiting: l2?.exiting,
        revoked: books.revoked.some((revoked) => revoked === channel),
        proof: book.proof && {
          kind: `E${book.proof.proof}`,
          entries: book.proof.entries.map(toHex),
        },
        seq,
        spent,
        vouchers: book.entries.length,
        ticks: book.ticks,
        lanes: laneViews(book, registry.heads[String(channel)]?.settled ?? {}),
      };
    });
}

function laneViews({ lanes }: ChannelBook, settled: Record<string, { paid: number }>): LaneView[] {
  const known = new Map([...layersEntries(lanes)].map(([key, lane]) => [`0x${key}`, lane]));
  const payees = new Set([...known.keys(), ...Object.keys(settled)]);
  return [...payees].sort().map((payee) => {
    const lane = known.get(payee);
    return {
      payee,
      top: lane?.top ?? 0,
      settled: settled[payee]?.paid ?? 0,
      credited: lane?.credited ?? 0,
      vouchers: lane?.vouchers ?? 0,
    };
  });
}

/** The vouchers of one channel, in the order of their seq. */
export function entryViews(state: IntakeState, entries: readonly Entry[]) {
  return entries.map((entry) => ({
    id: `0x${entry.key}`,
    position: positionOf(state, entry.token),
    seq: entry.seq,
    kind: entry.kind,
    payee: toHex(entry.payee),
    terminal: toHex(entryMessage(entry).terminal),
    at: entry.at,
    amount: entry.amount,
    base: baseOf(entry),
    top: topOf(entry),
    spent: spentTopOf(entry),
    ticks: entry.stream?.k ?? 0,
    voided: entry.voided,
    credited: entry.credited,
    payeeCredited: entry.payeeCredit?.credited ?? 0,
    listed: entry.list?.length ?? 0,
  }));
}

/** What a payee needs to decide about its credits: those it has not countersigned, and how far its terminals are. */
export function creditViews(state: IntakeState, books: Books, payee: string) {
  const terminals = trieEntries(state.payeesOf)
    .filter(([, payees]) => payees.some((own) => toHex(own) === payee))
    .map(([key]) => {
      const synced = trieGet(books.synced, key);
      return {
        terminal: `0x${key}`,
        syncedAt: synced?.at ?? 0,
        signature: synced && toHex(synced.signature),
      };
    });
  const credits = trieEntries(books.owed).flatMap(([, owed]) => {
    if (owed === undefined || toHex(owed.payee) !== payee) return [];
    const entry = findEntry(books, owed.voucher);
    if (entry === undefined) return [];
    const { key, channel, seq, at, credited, payeeCredit } = entry;
    const book = channelBook(books, channel);
    return {
      voucher: `0x${key}`,
      channel,
      seq,
      requestAt: at,
      promised: credited,
      countersigned: payeeCredit?.credited ?? 0,
      proved: book.proof !== undefined,
      // For a payee that believes none of this: the voucher with its opened request, and the terminal's word on the credit.
      collected: toHex(unpack(entry.message)),
      signature: toHex(owed.signature),
    };
  });
  return { now: state.block?.at ?? 0, terminals, credits };
}
