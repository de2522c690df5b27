/**
 * What hub and L2 make of what terminals store, apart from the devices: the second half of a walk in which no device can
 * tell what they do. The first half (world.ts) hands in at once whatever is stored, and notes it here. This half takes
 * every set of entries that was noted and walks every way in which the hub comes to hold any part of it: in any order,
 * with power cuts, settled at any time, before the owner asks to leave or after. The README says why that is enough.
 */
import type { Handed, HubTable } from './actors/hub.ts';
import type { VaultTable } from './actors/vault.ts';
import type { Config } from './config.ts';

/** Numbers of entries, in rising order. */
type EntrySet = readonly number[];

interface Node {
  readonly hub: number;
  readonly vault: number;
  readonly written: EntrySet;
  readonly inRam: EntrySet;
  /** How it was come to; -1: the start. */
  readonly parent: number;
  readonly step: string;
}

export interface LedgerFault {
  readonly fault: string;
  readonly trace: readonly string[];
}

const NOTHING: EntrySet = [];
const keyOf = (set: EntrySet): string => set.join();
const union = (a: EntrySet, b: EntrySet): EntrySet => [...new Set([...a, ...b])].sort((x, y) => x - y);

/** All but the empty one. */
function subsets(set: EntrySet): EntrySet[] {
  const found: EntrySet[] = [];
  for (const one of set) found.push([one], ...found.map((other) => [...other, one]));
  return found;
}

export class Ledgers {
  /** States of hub and vault that were seen. */
  states = 0;
  private readonly config: Config;
  private readonly hub: HubTable;
  private readonly vault: VaultTable;
  private readonly entries = new Map<number, Handed>();
  /** Everything that was handed to a hub, by the hub's number. */
  private readonly sets = new Map<number, EntrySet>();
  private readonly steps = new Map<string, number>();

  constructor(config: Config, hub: HubTable, vault: VaultTable) {
    this.config = config;
    this.hub = hub;
    this.vault = vault;
    this.sets.set(hub.first(), NOTHING);
  }

  /** The hub once it has received and written these; what it has already is not handed in again. */
  handIn(number: number, uploads: readonly Handed[]): number {
    const key = `${number}:${uploads.map((upload) => upload.number).join()}`;
    let after = this.steps.get(key);
    if (after === undefined) {
      const { durable } = this.hub.local(number);
      const fresh = uploads.filter(({ id }) => !durable.has(id));
      for (const upload of fresh) this.entries.set(upload.number, upload);
      after = this.hub.fsync(fresh.reduce((hub, upload) => this.hub.receive(hub, upload), number));
      const more = fresh.map((upload) => upload.number);
      this.note(after, union(this.sets.get(number)!, more));
      this.steps.set(key, after);
    }
    return after;
  }

  private note(number: number, set: EntrySet): void {
    const known = this.sets.get(number);
    if (known !== undefined && keyOf(known) !== keyOf(set))
      throw new RangeError('what was handed in does not follow from what the hub has written');
    this.sets.set(number, set);
  }

  /** Walks them all; the first fault with its shortest trace, or undefined. */
  walk(): LedgerFault | undefined {
    const next = this.parts();
    const whole = new Map<string, number>();
    for (const [hub, set] of this.sets) if (!whole.has(this.core(set))) whole.set(this.core(set), hub);
    const nodes: Node[] = [];
    /** What each hub was given, by hub and vault. */
    const seen = new Map<number, string>();
    const visit = (node: Node): void => {
      const key = node.hub * 0x10_0000 + node.vault;
      const given = `${node.written}|${node.inRam}`;
      if (seen.get(key) === given) return;
      seen.set(key, given);
      nodes.push(node);
    };
    const start = { hub: this.hub.first(), vault: this.vault.first() };
    visit({ ...start, written: NOTHING, inRam: NOTHING, parent: -1, step: '' });
    for (let at = 0; at < nodes.length; at++) {
      const node = nodes[at]!;
      this.states = nodes.length;
      const fault =
        this.hubFault(node, whole) ??
        this.hubSteps(node, at, next, whole, visit) ??
        (this.config.exit ? this.vaultSteps(node, at, visit) : undefined);
      if (fault === undefined) continue;
      const trace: string[] = [];
      for (let back = at; back > 0; back = nodes[back]!.parent) trace.unshift(nodes[back]!.step);
      return { fault, trace };
    }
    return undefined;
  }

  /** Every part of every set that was noted, with the entries that may come next. */
  private parts(): Map<string, Set<number>> {
    const next = new Map<string, Set<number>>();
    const waiting: EntrySet[] = [];
    const nextOf = (part: EntrySet): Set<number> => {
      const key = keyOf(part);
      let found = next.get(key);
      if (found === undefined) {
        found = new Set();
        next.set(key, found);
        waiting.push(part);
      }
      return found;
    };
    for (const set of this.sets.values()) nextOf(set);
    for (const set of waiting)
      for (const entry of set) nextOf(set.filter((other) => other !== entry)).add(entry);
    return next;
  }

  /** True when some of them has taken the entry's place in its outbox, so that it can't come any more. */
  private isReplaced(entry: number, set: EntrySet): boolean {
    const { name, rank } = this.entries.get(entry)!.place;
    return set.some((other) => {
      const { place } = this.entries.get(other)!;
      return place.name === name && place.rank > rank;
    });
  }

  /** What a set comes to when everything was handed in only at the end, as a key. */
  private core(set: EntrySet): string {
    return keyOf(set.filter((entry) => !this.isReplaced(entry, set)));
  }

  // ---- hub ----

  private hubFault({ hub, vault, written, inRam }: Node, whole: Map<string, number>): string | undefined {
    const { evidence, durable, ram } = this.hub.local(hub);
    if (evidence) return 'P1b the hub holds evidence against an honest payer';
    if (durable.size !== written.length || ram.size !== inRam.length)
      return `P5 of ${written.length} entries written and ${inRam.length} received the hub holds ${durable.size} and ${ram.size}`;
    for (const number of union(written, inRam)) {
      const { payee, claim, id } = this.entries.get(number)!;
      if (!durable.has(id) && !ram.has(id))
        return `P5 the hub holds something else than an entry it was given`;
      const held = this.hub.claimable(hub, payee);
      if (held < claim) return `P2 payee ${payee} handed in a claim on ${claim}, the hub can claim ${held}`;
    }
    const all = inRam.length === 0 ? whole.get(this.core(written)) : undefined;
    if (all !== undefined && all !== hub && this.accounts(hub) !== this.accounts(all))
      return `P6 the hub's books come to ${this.accounts(hub)}, and to ${this.accounts(all)} when handed in at once`;
    return this.vault.local(vault).fault;
  }

  /** What the books come to, by payee: what they claim, what is left after credits, what L2 pays on them. */
  private accounts(hub: number): string {
    const { settled } = this.vault.local(this.vault.settle(this.vault.first(), this.hub.durableBooks(hub)));
    return settled
      .map((sum, payee) => `${this.hub.claimable(hub, payee)}/${this.hub.net(hub, payee)}/${sum}`)
      .join(' and ');
  }

  private hubSteps(
    node: Node,
    parent: number,
    next: Map<string, Set<number>>,
    whole: Map<string, number>,
    visit: (node: Node) => void,
  ): string | undefined {
    const { hub, written, inRam } = node;
    const held = union(written, inRam);
    const refused: number[] = [];
    for (const number of next.get(keyOf(held))!) {
      if (this.isReplaced(number, held)) continue;
      const received = this.hub.receive(hub, this.entries.get(number)!);
      const more = union(inRam, [number]);
      const step = `the hub receives entry ${number}`;
      if (received === hub) refused.push(number);
      else if (this.config.hubAtomic)
        visit({ ...node, hub: this.hub.fsync(received), written: union(written, more), parent, step });
      else visit({ ...node, hub: received, inRam: more, parent, step });
    }
    // A tick waits for its stream; but never may all that is left be refused.
    for (const rest of subsets(refused))
      if (whole.has(this.core(union(held, rest))))
        return `P5 the hub takes none of the ${rest.length} entries that are left`;
    if (inRam.length === 0) return undefined;
    const emptied = { ...node, inRam: NOTHING, parent };
    visit({ ...emptied, hub: this.hub.fsync(hub), written: held, step: 'hub writes' });
    visit({ ...emptied, hub: this.hub.cut(hub), step: 'POWER CUT of the hub' });
    return undefined;
  }

  // ---- L2 ----

  /** That other batches came before makes no difference to what a batch leaves settled, and none takes anything back. */
  private vaultSteps(node: Node, parent: number, visit: (node: Node) => void): string | undefined {
    const { vault } = node;
    const books = this.hub.durableBooks(node.hub);
    const start = this.vault.first();
    const { phase, settled } = this.vault.local(vault);
    if (phase === 'open')
      visit({ ...node, vault: this.vault.step(vault, 'exit'), parent, step: 'the owner asks to leave' });
    const next = this.vault.settle(vault, books);
    visit({ ...node, vault: next, parent, step: 'the vault settles' });
    const after = this.vault.local(next).settled;
    if (settled.some((sum, payee) => sum > after[payee]!))
      return `P3 a batch lowered what was settled from ${settled} to ${after}`;
    const atOnce = this.vault.settle(phase === 'open' ? start : this.vault.step(start, 'exit'), books);
    return atOnce === next
      ? undefined
      : `P4 L2 settled ${after} in several batches, and ${this.vault.local(atOnce).settled} in one`;
  }
}
