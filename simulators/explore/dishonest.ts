/**
 * The second walk: a payer that signs any voucher within small bounds, shows it at terminals that can't talk to each
 * other, invents closed requests, reveals ticks when it likes, and has an accomplice among the payees. Terminals and
 * the hub's intake are the real ones. Afterwards everything is handed in, credits are countersigned as rule 4 allows,
 * and L2 settles, the accomplice first.
 *
 * Must hold: what an honest payee loses is provable by E1, E2 or E3 from what terminals and hub hold; each terminal
 * gives away no more than rule 10 allows; and a credit never costs an honest payee anything.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { type Amount, amount, seconds, seq } from '../../protocol/integers.ts';
import { DEFAULT_TIMING, lossBound } from '../../protocol/limits.ts';
import { countersign } from '../../protocol/machines/payee.ts';
import {
  hashChain,
  type Request,
  requestHash,
  type Voucher,
  voucherDigest,
} from '../../protocol/vouchers.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import type { Entry } from '../../hub/intake/state.ts';
import { HubTable } from './actors/hub.ts';
import { ownEvents, type TerminalTable, terminalTable, uploads } from './actors/terminal.ts';
import type { Config } from './config.ts';
import { NO_DROP } from './drops.ts';
import { CHANNEL, Scene, START } from './scene.ts';
import { canonical, Interner } from './space.ts';
import { standInSignature } from './suite.ts';

export interface Theft {
  readonly config: Config;
  /** Highest seq that the payer signs. */
  readonly seqMax: number;
  /** deposit - bond: what the channel can pay. */
  readonly funds: number;
  /** Most that one channel may owe a terminal. */
  readonly cap: number;
  /** Vouchers that one terminal answers. */
  readonly answersMax: number;
  /** Broken on purpose: credits are countersigned although something conflicts. */
  readonly countersignsConflicts?: boolean;
  /** Broken on purpose: these proofs are not looked at. */
  readonly without?: readonly ('E1' | 'E2' | 'E3')[];
}

export interface TheftResult {
  readonly ok: boolean;
  /** States of each terminal, and combinations of them with the accomplice's voucher. */
  readonly terminalStates: readonly number[];
  readonly combinations: number;
  /** Combinations in which an honest payee lost something. */
  readonly harmful: number;
  readonly lossMax: number;
  readonly seconds: number;
  readonly fault?: string;
  readonly example?: readonly string[];
}

/** What one terminal may end up with: its outbox, and what it gave away for it. */
interface End {
  readonly entries: readonly { readonly number: number; readonly bytes: Uint8Array; readonly id: string }[];
  readonly due: number;
}

/** What the accomplice brings: no request is opened, so its amount stays hidden. */
interface Accomplice {
  readonly seq: number;
  readonly spent: number;
  readonly paid: number;
}

const SEED = new Uint8Array(32).fill(0x77);

class Thief {
  private readonly theft: Theft;
  private readonly scene: Scene;
  private readonly keys = new Interner<Message>();

  constructor(theft: Theft, scene: Scene) {
    this.theft = theft;
    this.scene = scene;
  }

  /** Every plain voucher for a request that the bounds allow. */
  private forged(request: Request, open: boolean): Message[] {
    const { seqMax, funds } = this.theft;
    const messages: Message[] = [];
    for (let n = 1; n <= seqMax; n++)
      for (let spent = request.amount as number; spent <= funds; spent++)
        for (let paid = request.amount as number; paid <= spent; paid++)
          messages.push(this.plain(request, n, spent, paid, open));
    return messages;
  }

  private payeeOf(terminal: Uint8Array): Uint8Array {
    const index = this.scene.terminals.findIndex((known) => equalBytes(known, terminal));
    return this.scene.payees[this.theft.config.terminals[index]!]!;
  }

  private numbers(request: Request, n: number, spent: number, paid: number) {
    return {
      channel: CHANNEL,
      seq: seq(n),
      spent: amount(spent),
      payee: this.payeeOf(request.terminal),
      paid: amount(paid),
      request: requestHash(this.scene.signing, request),
    };
  }

  private sign(voucher: Voucher, request: Request): Uint8Array {
    const digest = voucherDigest(this.scene.signing, voucher);
    this.scene.note(digest, voucher, request);
    return standInSignature(this.scene.payer, digest);
  }

  private plain(request: Request, n: number, spent: number, paid: number, open: boolean): Message {
    const lanes = new Uint8Array(16);
    const voucher: Voucher = { kind: 'voucher', ...this.numbers(request, n, spent, paid), lanes };
    const signature = this.sign(voucher, request);
    const tap = {
      channel: CHANNEL,
      seq: voucher.seq,
      spent: voucher.spent,
      paid: voucher.paid,
      lanes,
      signature,
    };
    return open ? { type: 'voucher', ...tap } : { type: 'resolveVoucher', ...tap, ...request };
  }

  private streams(request: Request, ticks: number): Message[] {
    const { seqMax, funds } = this.theft;
    const anchor = hashChain(this.scene.signing.suite, SEED, ticks);
    const messages: Message[] = [];
    for (let n = 1; n <= seqMax; n++)
      for (let spent = 0; spent <= funds; spent++)
        for (let paid = 0; paid <= spent; paid++) {
          const numbers = this.numbers(request, n, spent, paid);
          const voucher: Voucher = { kind: 'stream', ...numbers, anchor, tickValue: amount(1), ticks };
          const { channel, seq: at, spent: s, paid: p } = voucher;
          const signature = this.sign(voucher, request);
          messages.push({ type: 'stream', channel, seq: at, spent: s, paid: p, anchor, signature });
        }
    return messages;
  }

  /** Everything that the thief can say to a terminal in this state, with a key for each. */
  words(index: number, table: TerminalTable, number: number): readonly { key: number; message: Message }[] {
    const { state } = table.local(number);
    const { open } = state.volatile;
    const answered = state.books.outbox.filter((entry) => entry.kind === 'voucher').length;
    const words: Message[] = [];
    const lane = state.books.lanes[0];
    if (lane?.stream !== undefined) {
      const { k, voucher } = lane.stream;
      const preimage = hashChain(this.scene.signing.suite, SEED, voucher.ticks - k - 1);
      if (k < voucher.ticks)
        words.push({ type: 'tick', channel: CHANNEL, seq: lane.seq, k: k + 1, preimage });
    }
    if (answered < this.theft.answersMax) {
      if (open?.message.type === 'request') words.push(...this.forged(open.request, true));
      if (open?.message.type === 'streamRequest')
        words.push(...this.streams(open.request, open.message.ticks));
      for (const value of [1, 2]) words.push(...this.forged(this.invented(index, value), false));
    }
    return words.map((message) => ({
      key: 10_000 + this.keys.number(canonical(message), () => message),
      message,
    }));
  }

  /** A request that the terminal never made; nobody can tell once it is closed. */
  private invented(index: number, value: number): Request {
    const detail = new Uint8Array(32).fill(0x80 + value);
    return { terminal: this.scene.terminals[index]!, amount: amount(value), at: START, detail };
  }
}

/** All ends that one terminal can come to, whatever the thief says in whatever order, with power cuts anywhere. */
function endsOf(
  theft: Theft,
  scene: Scene,
  index: number,
  bytes: Interner<Uint8Array>,
): { ends: End[]; states: number } {
  const { table, first } = terminalTable(scene, index, NO_DROP, { capChannel: amount(theft.cap) });
  const thief = new Thief(theft, scene);
  const seen = new Set([first]);
  const queue = [first];
  const ends = new Map<string, End>();
  for (const number of queue) {
    const { state, ghost } = table.local(number);
    const end = endOf(scene, index, table, number, bytes);
    ends.set(`${end.entries.map((entry) => entry.number).join()}|${end.due}`, end);
    const reached: number[] = [table.cut(number)];
    ownEvents(scene, index, state, ghost).forEach((event, at) => {
      reached.push(...table.outcomes(number, 1100 + at, () => event).map(({ next }) => next));
    });
    for (const { key, message } of thief.words(index, table, number))
      reached.push(
        ...table.outcomes(number, key, () => ({ type: 'message', message })).map(({ next }) => next),
      );
    for (const next of reached) {
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push(next);
    }
  }
  return { ends: [...ends.values()], states: seen.size };
}

function endOf(
  scene: Scene,
  index: number,
  table: TerminalTable,
  number: number,
  bytes: Interner<Uint8Array>,
): End {
  const { state, ghost } = table.local(number);
  const { entries, ids } = uploads(scene, index, state);
  const ticks = Object.values(ghost.streams).reduce((sum, { k, late }) => sum + k - late, 0);
  return {
    entries: entries.map((entry, at) => ({
      number: bytes.number(canonical(entry), () => entry),
      bytes: entry,
      id: ids[at]!,
    })),
    due: ghost.approved + ticks,
  };
}

// ---- what L2 and a judge make of it ----

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

/** Rows that don't fit are skipped whole, so the highest claim that fits is settled; a stream also with fewer ticks. */
function settleable(own: readonly Entry[], left: number): number {
  let best = 0;
  for (const entry of own) {
    if (entry.voided) continue;
    for (let k = 0; k <= ticksOf(entry); k++)
      if (entry.paid + k <= left) best = Math.max(best, entry.paid + k);
  }
  return best;
}

/** A credit needs its voucher's top settled, and the payee's own signature. */
function creditable(own: readonly Entry[], settled: number, signs: (entry: Entry) => boolean): number {
  const counted = own.filter((entry) => entry.paid + ticksOf(entry) <= settled && signs(entry));
  return counted.reduce((sum, entry) => sum + entry.credited, 0);
}

interface Verdict {
  readonly loss: number;
  readonly proved: boolean;
  readonly fault?: string;
}

class Court {
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
    for (const { entries } of ends)
      for (const entry of entries) number = this.hub.receive(number, entry.number, entry.bytes, entry.id);
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
    if (evidence !== provedByPair(entries))
      return { loss: 0, proved: false, fault: 'the hub and a comparison of all pairs disagree on a proof' };
    let left = theft.funds;
    let claimed = x?.paid ?? 0;
    left -= x !== undefined && x.paid <= left ? x.paid : 0;
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

function accomplices({ seqMax, funds }: Theft): (Accomplice | undefined)[] {
  const all: (Accomplice | undefined)[] = [undefined];
  for (let n = 1; n <= seqMax; n++)
    for (let spent = 1; spent <= funds; spent++)
      for (let paid = 1; paid <= spent; paid++) all.push({ seq: n, spent, paid });
  return all;
}

const told = (entry: Entry): string =>
  `seq ${entry.seq} at terminal ${entry.terminal[0]! - 0x40}: amount ${entry.amount}, spent ${entry.spent}, paid ${entry.paid}` +
  `${entry.voided ? ', voided' : ''}${entry.stream ? `, ${entry.stream.k} ticks` : ''}`;

/** Walks all thefts within the bounds. `now`: milliseconds of the host's clock. */
export function exploreTheft(theft: Theft, now: () => number = () => 0): TheftResult {
  const started = now();
  const scene = new Scene({ ...theft.config, spendLimit: theft.funds });
  const bytes = new Interner<Uint8Array>();
  const all = theft.config.terminals.map((_, index) => endsOf(theft, scene, index, bytes));
  const court = new Court(theft, scene);
  const others = accomplices(theft);
  const hasStream = theft.config.asks.some((ask) => 'ticks' in ask);
  const each = Math.min(theft.funds, theft.cap) + (hasStream ? 1 : 0);
  let combinations = 0;
  let harmful = 0;
  let lossMax = 0;
  const bond = amount(1);
  const bound = lossBound({
    terminals: theft.config.terminals.length,
    window: amount(theft.funds),
    cap: amount(theft.cap),
    tickValue: amount(hasStream ? 1 : 0),
    bond,
  });
  const result = (fault?: string, example?: readonly string[]): TheftResult => ({
    ok: fault === undefined,
    terminalStates: all.map(({ states }) => states),
    combinations,
    harmful,
    lossMax,
    seconds: (now() - started) / 1000,
    ...(fault !== undefined && { fault }),
    ...(example !== undefined && { example }),
  });
  for (const { ends } of all)
    for (const { due } of ends)
      if (due > each) return result(`a terminal gave away ${due}, rule 10 allows ${each}`);
  const choose = (index: number, chosen: readonly End[]): TheftResult | undefined => {
    if (index < all.length) {
      for (const end of all[index]!.ends) {
        const found = choose(index + 1, [...chosen, end]);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    const dues = [0, 0];
    chosen.forEach(({ due }, t) => {
      dues[theft.config.terminals[t]!]! += due;
    });
    const ledger = court.ledger(chosen);
    for (const x of others) {
      combinations += 1;
      const { loss, proved, fault } = court.judge(ledger, dues, x);
      const example = (): string[] => [
        ...court.entries(ledger).map(told),
        ...(x ? [`accomplice: seq ${x.seq}, spent ${x.spent}, paid ${x.paid}`] : []),
      ];
      if (fault !== undefined) return result(fault, example());
      if (loss === 0) continue;
      harmful += 1;
      lossMax = Math.max(lossMax, loss);
      if (!proved) return result(`${loss} was stolen and nothing proves it`, example());
      if (Math.max(0, loss - bond) > (bound as Amount))
        return result(`${loss} is above the loss bound`, example());
    }
    return undefined;
  };
  return choose(0, []) ?? result();
}
