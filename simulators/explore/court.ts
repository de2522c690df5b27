/** What L2 pays and a judge can prove once everything was handed in: rules 4, 8 and 9. */
import type { Entry } from '../../hub/intake/state.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { amount, seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { countersign } from '../../protocol/machines/payee.ts';
import { HubTable } from './actors/hub.ts';
import type { Scene } from './scene.ts';
import type { Accomplice, End, Theft } from './thief.ts';

const ticksOf = (entry: Entry): number => entry.stream?.k ?? 0;
const spentTop = (entry: Entry): number => entry.spent + ticksOf(entry);

/** E1 or E2 between any two vouchers in the ledger, by comparing all pairs. */
function provedByPair(entries: readonly Entry[], without: Theft['without'] = []): boolean {
  for (const a of entries)
    for (const b of entries) {
      if (a === b || a.seq > b.seq) continue;
      if (a.seq === b.seq) {
        if (!without.includes('E1')) return true;
        continue;
      }
      if (without.includes('E2')) continue;
      if (b.spent - b.amount < spentTop(a)) return true;
      if (equalBytes(a.payee, b.payee) && b.paid - b.amount < a.paid + ticksOf(a)) return true;
    }
  return false;
}

/** What all lanes claim by those of these entries up to which no more than `shown` was spent. */
function claimedUpTo(entries: readonly Entry[], shown: number): number {
  const tops = new Map<string, number>();
  for (const entry of entries) {
    if (entry.voided || spentTop(entry) > shown) continue;
    const payee = toHex(entry.payee);
    tops.set(payee, Math.max(entry.paid + ticksOf(entry), tops.get(payee) ?? 0));
  }
  return [...tops.values()].reduce((sum, top) => sum + top, 0);
}

/**
 * What is wrong with the hub's having or not having evidence, by comparing everything in its ledger. It looks for E3 when
 * an entry comes, so the order decides whether it sees one that a later voucher makes good.
 */
function evidenceFault(entries: readonly Entry[], evidence: boolean): string | undefined {
  const spents = entries.map(spentTop);
  const highest = Math.max(0, ...spents);
  const proves = provedByPair(entries) || claimedUpTo(entries, highest) > highest;
  const mayProve = proves || spents.some((shown) => claimedUpTo(entries, shown) > shown);
  if (proves && !evidence) return 'the hub found no proof, a comparison of all entries does';
  return evidence && !mayProve ? 'the hub found a proof, a comparison of all entries does not' : undefined;
}

/** E1 or E2 against the accomplice's voucher, whose amount nobody knows. */
function provedByAccomplice(
  entries: readonly Entry[],
  x: Accomplice,
  without: Theft['without'] = [],
): boolean {
  return entries.some((entry) => {
    if (entry.seq === x.seq) return !without.includes('E1');
    if (without.includes('E2')) return false;
    return x.seq > entry.seq ? x.spent < spentTop(entry) : entry.spent - entry.amount < x.spent;
  });
}

/** The lane's highest claim; of one that doesn't fit L2 pays what is left. */
function settleable(own: readonly Entry[], left: number): number {
  const claims = own.filter(({ voided }) => !voided).map((entry) => entry.paid + ticksOf(entry));
  return Math.min(left, Math.max(0, ...claims));
}

/** A credit needs its voucher's top settled, and the payee's own signature. */
function creditable(own: readonly Entry[], settled: number, signs: (entry: Entry) => boolean): number {
  const counted = own.filter((entry) => entry.paid + ticksOf(entry) <= settled && signs(entry));
  return counted.reduce((sum, entry) => sum + entry.credited, 0);
}

export interface Verdict {
  readonly loss: number;
  readonly proved: boolean;
  readonly fault?: string;
}

export class Court {
  private readonly theft: Theft;
  private readonly hub: HubTable;
  private readonly scene: Scene;
  private readonly payees: number;

  constructor(theft: Theft, scene: Scene) {
    this.theft = theft;
    this.scene = scene;
    this.hub = new HubTable(scene, false);
    this.payees = Math.max(...theft.config.terminals) + 1;
  }

  /** The hub after all ends were handed in. */
  ledger(ends: readonly End[]): number {
    let number = this.hub.first();
    for (const { entries } of ends) for (const entry of entries) number = this.hub.receive(number, entry);
    return this.hub.fsync(number);
  }

  /** The payee's own decision, when all its terminals have handed everything in. */
  private countersigns(entry: Entry, evidence: boolean): boolean {
    if (this.theft.countersignsConflicts) return true;
    const synced = seconds(entry.at + 1);
    const credit = {
      requestAt: entry.at,
      promised: entry.credited,
      countersigned: amount(0),
      proved: evidence,
      terminalsSyncedAt: this.theft.config.terminals.map(() => synced),
    };
    return countersign(credit, synced, DEFAULT_TIMING) === 'sign';
  }

  entries(ledger: number): readonly Entry[] {
    return this.hub.entries(ledger);
  }

  judge(ledger: number, dues: readonly number[], x: Accomplice | undefined): Verdict {
    const { theft, hub } = this;
    const entries = hub.entries(ledger);
    const { evidence } = hub.local(ledger);
    const fault = evidenceFault(entries, evidence);
    if (fault !== undefined) return { loss: 0, proved: false, fault };
    let left = theft.funds;
    let claimed = x?.paid ?? 0;
    left -= Math.min(left, claimed);
    let loss = 0;
    let cost: string | undefined;
    for (let payee = 0; payee < this.payees; payee++) {
      const own = entries.filter((entry) => equalBytes(entry.payee, this.scene.payees[payee]!));
      const settled = settleable(own, left);
      left -= settled;
      claimed += hub.claimable(ledger, payee);
      const credits = creditable(own, settled, (entry) => this.countersigns(entry, evidence));
      const due = dues[payee]!;
      if (credits > Math.max(0, settled - due))
        cost = `a credit of ${credits} costs payee ${payee}, which got ${settled} and is due ${due}`;
      loss += Math.max(0, due - settled + credits);
    }
    const shown = Math.max(0, x?.spent ?? 0, ...entries.map(spentTop));
    const proved =
      provedByPair(entries, theft.without) ||
      (x !== undefined && provedByAccomplice(entries, x, theft.without)) ||
      (!theft.without?.includes('E3') && claimed > shown);
    // Where the ledger shows the fraud, or nothing ever will, no payee may have been made to give anything back.
    if (cost !== undefined && (evidence || !proved)) return { loss, proved, fault: cost };
    return { loss, proved };
  }
}
