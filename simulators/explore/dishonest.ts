/**
 * The second walk: a payer that signs any voucher within small bounds, shows it at terminals that can't talk to each
 * other, invents closed requests, reveals ticks when it likes, and has an accomplice among the payees. Terminals and
 * the hub's intake are the real ones. Afterwards everything is handed in, credits are countersigned as rule 4 allows,
 * and L2 settles, the accomplice first.
 *
 * Must hold: what an honest payee loses is provable by E1, E2 or E3 from what terminals and hub hold; each terminal
 * gives away no more than rule 10 allows; and a credit never costs an honest payee anything.
 */
import { entryMessage } from '../../hub/intake/books.ts';
import type { Entry } from '../../hub/intake/state.ts';
import { type Amount, amount } from '../../protocol/integers.ts';
import { lossBound } from '../../protocol/limits.ts';
import { Court } from './court.ts';
import { Scene } from './scene.ts';
import { Interner } from './space.ts';
import { type Accomplice, type End, endsOf, type Theft } from './thief.ts';

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

function accomplices({ seqMax, funds }: Theft): (Accomplice | undefined)[] {
  const all: (Accomplice | undefined)[] = [undefined];
  for (let n = 1; n <= seqMax; n++)
    for (let spent = 1; spent <= funds; spent++)
      for (let paid = 1; paid <= spent; paid++) all.push({ seq: n, spent, paid });
  return all;
}

const told = (entry: Entry): string =>
  `seq ${entry.seq} at terminal ${entryMessage(entry).terminal[0]! - 0x40}: amount ${entry.amount}, spent ${entry.spent}, paid ${entry.paid}` +
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
