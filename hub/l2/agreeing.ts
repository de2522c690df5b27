/**
 * Several nodes asked as one (rule 18): all that answer about what is final must tell the same story. A disagreement is an error
 * with a name, so nothing is leased or settled on the word of one side. A node that is away, or whose answers are short,
 * is left out, and one that is behind holds up what counts as final for all.
 *
 * What it can't see: nodes that stand behind one provider and lie alike, and lies about what is not final yet; the
 * settle loop looks those up again at finality.
 */
import { SundialError } from '../../protocol/errors.ts';
import { isError } from '../errors.ts';
import type {
  Block,
  CertificateOfKey,
  ChainIdentity,
  ChannelState,
  EventRange,
  Fees,
  Heads,
  Hex,
  HubKeyTerm,
  L2,
  L2Receipt,
  ClaimState,
  NodeState,
  PotState,
  Prepared,
  RegistryL2,
  RevocationOfKey,
  Vouched,
} from '../ports.ts';
import type { Rule } from './fraud.ts';
import type { Row, ShownLease } from './rows.ts';

type Node = L2 & RegistryL2;

/** One or more nodes as one L2. What the nodes can't be asked, it can't either. */
export function agreeing(nodes: readonly Node[]): Node;
export function agreeing(nodes: readonly L2[]): L2;
export function agreeing(nodes: readonly L2[]): L2 {
  return nodes.length === 1 ? nodes[0]! : new AgreeingL2(nodes);
}

/** The same value has the same text; amounts in wei are bigint. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner));

/** Several nodes behind the port of one. Each method says which of them it believes; the port says the rest. */
export class AgreeingL2 implements L2, RegistryL2 {
  private readonly all: readonly Node[];
  /** The highest final block that was told: below it receipts must be the same, too. */
  private finalHeight = 0;

  /** At least one node, the one to be asked first in front. */
  constructor(nodes: readonly L2[]) {
    this.all = nodes as readonly Node[];
  }

  nodes(): readonly NodeState[] {
    return this.all.flatMap((node) => node.nodes());
  }

  forget(): void {
    for (const node of this.all) node.forget();
  }

  close(): void {
    for (const node of this.all) node.close();
  }

  /**
   * The answers of all nodes that know something: those that are away, or whose answers lack something, are left out.
   * Throws what the last of them threw when none is left, and what any of them refuses.
   */
  private async answers<T>(ask: (node: Node) => Promise<T>): Promise<T[]> {
    const answers = await Promise.allSettled(this.all.map(ask));
    const found: T[] = [];
    let silent: unknown;
    for (const answer of answers) {
      if (answer.status === 'fulfilled') found.push(answer.value);
      else if (knowsNothing(answer.reason)) silent = answer.reason;
      else throw answer.reason;
    }
    if (found.length === 0) throw silent;
    return found;
  }

  /** The one answer of all nodes that aren't away. Throws `l2_disagrees` when there are two. */
  private async same<T>(what: string, ask: (node: Node) => Promise<T>): Promise<T> {
    const [first, ...others] = await this.answers(ask);
    const told = textOf(first);
    for (const other of others) if (textOf(other) !== told) throw disagreement(what, told, textOf(other));
    return first!;
  }

  /** The answer of the first node that isn't away. */
  private async any<T>(ask: (node: Node) => Promise<T>): Promise<T> {
    let last: unknown;
    for (const node of this.all) {
      try {
        return await ask(node);
      } catch (error) {
        if (!knowsNothing(error)) throw error;
        last = error;
      }
    }
    throw last;
  }

  /** The lowest of the final blocks, which all must have, and the newest block of the node that is least ahead. */
  async newest(): Promise<Heads> {
    const heads = await this.answers((node) => node.newest());
    const [lowest] = heads.map(({ final }) => final).sort(byHeight);
    const final = await this.blockAt(lowest!.height);
    this.finalHeight = Math.max(this.finalHeight, final.height);
    const [newest] = heads.map((head) => head.newest).sort(byHeight);
    return { newest: newest!, final };
  }

  /** Only of heights that are final: above, nodes may differ for a while. */
  blockAt(height: number): Promise<Block> {
    return this.same(`block ${height}`, (node) => node.blockAt(height));
  }

  /** As far as the node came that came least far. */
  async events(from: number, to: number): Promise<EventRange> {
    const ranges = await this.answers((node) => node.events(from, to));
    const [last] = ranges.map((range) => range.last).sort(byHeight);
    const { height } = last!;
    const told = ranges.map(({ events, parent }) =>
      textOf({ events: events.filter((event) => event.height <= height), parent }),
    );
    const other = told.find((text) => text !== told[0]);
    if (other !== undefined) throw disagreement(`the events of blocks ${from} to ${height}`, told[0]!, other);
    // Who came farther has this block as well.
    const shortest = ranges.find((range) => range.last === last)!;
    return { ...shortest, last: await this.blockAt(height) };
  }

  identity(): Promise<ChainIdentity> {
    return this.same('which chain and vault it is', (node) => node.identity());
  }

  channel(channel: number, at?: number): Promise<ChannelState> {
    if (at === undefined) return this.any((node) => node.channel(channel));
    return this.same(`channel ${channel} at block ${at}`, (node) => node.channel(channel, at));
  }

  pot(channel: number, at?: number): Promise<PotState> {
    return this.any((node) => node.pot(channel, at));
  }

  claim(channel: number, payee: Uint8Array): Promise<ClaimState> {
    return this.any((node) => node.claim(channel, payee));
  }

  lane(channel: number, payee: Uint8Array, at?: number): Promise<number> {
    if (at === undefined) return this.any((node) => node.lane(channel, payee));
    return this.same(`a lane of channel ${channel} at block ${at}`, (node) => node.lane(channel, payee, at));
  }

  balance(payee: Uint8Array): Promise<number> {
    return this.any((node) => node.balance(payee));
  }

  credited(voucher: Uint8Array): Promise<number> {
    return this.any((node) => node.credited(voucher));
  }

  payeeId(payee: Uint8Array, at?: number): Promise<number | undefined> {
    if (at === undefined) return this.any((node) => node.payeeId(payee));
    return this.same(`a payee's id at block ${at}`, (node) => node.payeeId(payee, at));
  }

  clock(): Promise<number> {
    return this.any((node) => node.clock());
  }

  frozenUntil(at?: number): Promise<number | undefined> {
    return this.any((node) => node.frozenUntil(at));
  }

  nonceAt(height: number): Promise<number> {
    return this.same(`the nonce at block ${height}`, (node) => node.nonceAt(height));
  }

  /** Mined when any node has it. What is final must be told alike by all, and by none left out. */
  async receipt(transaction: Hex): Promise<L2Receipt | undefined> {
    const answers = await this.answers((node) => node.receipt(transaction));
    const found = answers.find((receipt) => receipt !== undefined);
    if (found === undefined || found.height > this.finalHeight) return found;
    const told = answers.map((receipt) => (receipt === undefined ? 'not mined' : textOf(receipt)));
    const other = told.find((text) => text !== told[0]);
    if (other !== undefined) throw disagreement(`transaction ${transaction}`, told[0]!, other);
    return found;
  }

  sentAs(transaction: Hex): Promise<number | undefined> {
    return this.any((node) => node.sentAs(transaction));
  }

  fitting(rows: readonly Row[]): Promise<readonly Row[]> {
    return this.any((node) => node.fitting(rows));
  }

  prepareSettle(rows: readonly Row[], options?: Parameters<L2['prepareSettle']>[1]): Promise<Prepared> {
    return this.any((node) => node.prepareSettle(rows, options));
  }

  /** Of the first: a pool that wants more says so when it is handed the transaction. */
  fees(): Promise<Fees> {
    return this.any((node) => node.fees());
  }

  feesOf(raw: Uint8Array): Fees {
    return this.all[0]!.feesOf(raw);
  }

  /** To all: a node that keeps a transaction for itself must not be the only one that has it. */
  async submit(raw: Uint8Array): Promise<void> {
    await this.answers((node) => node.submit(raw));
  }

  registerPayee(payee: Uint8Array): Promise<void> {
    return this.any((node) => node.registerPayee(payee));
  }

  proveFraud(rule: Rule, rows: readonly Row[]): Promise<Hex> {
    return this.any((node) => node.proveFraud(rule, rows));
  }

  registerShortfall(rows: readonly Row[], leases: readonly ShownLease[]): Promise<Hex> {
    return this.any((node) => node.registerShortfall(rows, leases));
  }

  collectShare(channel: number, payee: Uint8Array): Promise<Hex> {
    return this.any((node) => node.collectShare(channel, payee));
  }

  closePot(channel: number): Promise<Hex> {
    return this.any((node) => node.closePot(channel));
  }

  // ---- the registry: what is final must be told alike, as what stands there is not told again ----

  hubKeyTerm(key: Hex, at?: number): Promise<HubKeyTerm> {
    if (at === undefined) return this.any((node) => node.hubKeyTerm(key));
    return this.same(`a hub key at block ${at}`, (node) => node.hubKeyTerm(key, at));
  }

  vouched(payee: Uint8Array, at?: number): Promise<Vouched | undefined> {
    if (at === undefined) return this.any((node) => node.vouched(payee));
    return this.same(`an accreditation at block ${at}`, (node) => node.vouched(payee, at));
  }

  anchored(): Promise<{ size: number; at: number }> {
    return this.any((node) => node.anchored());
  }

  addHubKey(word: CertificateOfKey): Promise<Hex> {
    return this.any((node) => node.addHubKey(word));
  }

  revokeHubKey(word: RevocationOfKey): Promise<Hex> {
    return this.any((node) => node.revokeHubKey(word));
  }

  accredit(payee: Uint8Array, terminals: number): Promise<Hex> {
    return this.any((node) => node.accredit(payee, terminals));
  }

  endAccreditation(payee: Uint8Array): Promise<Hex> {
    return this.any((node) => node.endAccreditation(payee));
  }

  anchor(size: number, root: Uint8Array): Promise<Hex> {
    return this.any((node) => node.anchor(size, root));
  }
}

const knowsNothing = (error: unknown): boolean => isError(error, 'l2_away') || isError(error, 'l2_unproved');

const byHeight = (a: Block, b: Block): number => a.height - b.height;

/** Characters of each story in an error: the whole may be megabytes. */
const TOLD_MAX = 200;

const disagreement = (what: string, one: string, other: string): SundialError =>
  new SundialError('l2_disagrees', `two nodes disagree about ${what}`, {
    severity: 'call',
    remedy:
      'Find out which node is wrong and take it out of chain.rpcUrl; until they agree nothing is leased or settled.',
    facts: { one: one.slice(0, TOLD_MAX), other: other.slice(0, TOLD_MAX) },
  });
