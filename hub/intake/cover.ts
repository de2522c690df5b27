/**
 * Rule 20: what the hub may acknowledge while rows of a channel wait on L2. A payer that controls its key can announce payments
 * that the hub never saw, and L2 executes them when the slow lane's delay is over. What they would take, or took, is no longer
 * there for what comes into the ledger now: it is kept, and not acknowledged, and nothing is leased on it.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import type { ChannelId } from '../../protocol/integers.ts';
import type { AnnouncedLane } from '../l2/announced.ts';
import { channelBook } from './books.ts';
import { reservedOn } from './clearances.ts';
import { layersEntries, layersGet } from './layers.ts';
import type { ChannelFacts, IntakeContext, IntakeState } from './state.ts';
import { numberKey, trieGet } from './trie.ts';

/** Lanes that wait on L2 with the signature of their channel's payer. */
function announcedOn(
  { announced }: IntakeState,
  channel: ChannelId,
  { payer }: ChannelFacts,
): AnnouncedLane[] {
  const lanes = announced[channel];
  if (lanes === undefined) return [];
  return lanes.filter(({ signer }) => signer !== undefined && equalBytes(signer, payer));
}

/** Units that L2 settled, or will when what was announced is executed, above what the ledger shows of each lane. */
export function beyondLedger(state: IntakeState, channel: ChannelId): number {
  const facts = trieGet(state.channels, numberKey(channel));
  if (facts === undefined) return 0;
  const waiting = announcedOn(state, channel, facts);
  // As a ledger only grows, nothing stands above it any more where nothing did.
  if (waiting.length === 0 && (facts.beyond ?? 0) === 0) return 0;
  const tops = new Map(Object.entries(facts.settled ?? {}).map(([payee, { paid }]) => [payee, paid]));
  for (const { payee, top } of waiting) {
    const key = toHex(payee);
    tops.set(key, Math.max(tops.get(key) ?? 0, top));
  }
  return aboveLedger(state, channel, tops);
}

function aboveLedger({ books }: IntakeState, channel: ChannelId, tops: Iterable<[string, number]>): number {
  const { lanes } = channelBook(books, channel);
  let sum = 0;
  for (const [payee, top] of tops) sum += Math.max(0, top - (layersGet(lanes, payee.slice(2))?.top ?? 0));
  return sum;
}

/** What L2 says of a channel, with what of it stands above the ledger now. */
export function withBeyond(state: IntakeState, channel: ChannelId, facts: ChannelFacts): ChannelFacts {
  if (facts.settled === undefined) return facts;
  const tops = Object.entries(facts.settled).map(([payee, { paid }]): [string, number] => [payee, paid]);
  return { ...facts, beyond: aboveLedger(state, channel, tops) };
}

/**
 * May what the ledger shows of this channel be acknowledged? `waits`: not while announced rows would leave too little; what
 * was acknowledged before they were seen is settled by the time they are due. `overdrawn`: nothing waits, but L2 paid to others
 * what the ledger counts on: no terminal takes anything of such a payer any more, and what is short is a matter for the bond.
 */
export function standingOf(
  context: Pick<IntakeContext, 'timing'>,
  state: IntakeState,
  channel: ChannelId,
): 'good' | 'waits' | 'overdrawn' {
  const beyond = beyondLedger(state, channel);
  if (beyond === 0) return 'good';
  const facts = trieGet(state.channels, numberKey(channel))!;
  const { claimed } = channelBook(state.books, channel);
  const reserved = reservedOn(state.books, channel, state.block?.at ?? 0, context.timing);
  const cleared = reserved.reduce((sum, { amount }) => sum + amount, 0);
  if (claimed + cleared + beyond <= facts.spendable) return 'good';
  const waits = announcedOn(state, channel, facts).length > 0 && isOpen(state, channel, facts);
  return waits ? 'waits' : 'overdrawn';
}

/**
 * Can what waits still take what the ledger counts on? Not where L2 has paid all of that, nor where nothing is left: whoever
 * announced again and again would hold entries for ever.
 */
function isOpen(
  { books }: IntakeState,
  channel: ChannelId,
  { settled = {}, spendable }: ChannelFacts,
): boolean {
  const paid = Object.values(settled).reduce((sum, lane) => sum + lane.paid, 0);
  if (paid >= spendable) return false;
  for (const [payee, { top }] of layersEntries(channelBook(books, channel).lanes)) {
    const there = settled[`0x${payee}`]?.paid ?? 0;
    if (top > there) return true;
  }
  return false;
}

/** All lanes that wait, by channel. */
export function byChannel(
  lanes: readonly AnnouncedLane[],
): Readonly<Record<number, readonly AnnouncedLane[]>> {
  const all: Record<number, AnnouncedLane[]> = {};
  for (const lane of lanes) {
    const own = all[lane.channel];
    if (own === undefined) all[lane.channel] = [lane];
    else own.push(lane);
  }
  return all;
}
