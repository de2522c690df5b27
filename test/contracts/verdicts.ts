/**
 * A bounded world of vouchers: three seqs, funds of 3, amounts up to 2, two terminals of one honest payee, one of
 * another, and an accomplice whose lane takes any numbers. Finds out that no set that harms an honest payee lacks a
 * proof and that no honest set has one, and writes what the twin says of each pair and triple for forge to compare.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { equivocates, findProof, overspends, regresses, type Shown } from '../../hub/l2/fraud.ts';

const FUNDS = 3;
const SEQS = 3;
/** Terminals 0 and 1 belong to payee 0, terminal 2 to payee 1; "terminal" 3 is the accomplice, payee 2. */
const PAYEE_OF = [0, 0, 1, 2] as const;

interface Voucher extends Shown {
  readonly terminal: number;
  readonly amount: number;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

function voucher(
  seq: number,
  terminal: number,
  amount: number,
  spent: number,
  paid: number,
  hidden: boolean,
) {
  return {
    id: bytes(seq, terminal, amount, spent, paid),
    seq,
    terminal,
    amount,
    spent,
    paid,
    payee: bytes(PAYEE_OF[terminal]!),
    moved: hidden ? 0 : amount,
  };
}

/** Order matters: the Solidity test counts in the same one. */
function everyVoucher(accompliceHides: boolean): Voucher[] {
  const all: Voucher[] = [];
  for (let seq = 1; seq <= SEQS; seq++)
    for (let terminal = 0; terminal < 4; terminal++)
      for (let amount = terminal < 3 ? 1 : 0; amount <= 2; amount++)
        for (let spent = amount; spent <= FUNDS; spent++)
          for (let paid = amount; paid <= spent; paid++)
            all.push(voucher(seq, terminal, amount, spent, paid, accompliceHides && terminal === 3));
  return all;
}

/** The accomplice settles first, then the honest payees: does one of them get less than it gave goods for? */
function harms(set: readonly Voucher[]): boolean {
  let taken = 0;
  let harm = false;
  for (const payee of [2, 0, 1]) {
    const lane = set.filter(({ terminal }) => PAYEE_OF[terminal] === payee);
    const top = Math.max(0, ...lane.map(({ paid }) => paid));
    const pay = Math.min(top, FUNDS - taken);
    taken += pay;
    const due = lane.reduce((sum, { amount }) => sum + amount, 0);
    if (payee !== 2 && pay < due) harm = true;
  }
  return harm;
}

const problems: string[] = [];
const name = (set: readonly Voucher[]) =>
  set
    .map(
      ({ seq, terminal, amount, spent, paid }) =>
        `seq${seq} t${terminal} amount${amount} spent${spent} paid${paid}`,
    )
    .join(' ; ');

for (const accompliceHides of [false, true]) {
  const all = everyVoucher(accompliceHides);
  const counts = { sets: 0, harmful: 0, unproved: 0 };
  const look = (set: readonly Voucher[]) => {
    counts.sets++;
    if (!harms(set)) return;
    counts.harmful++;
    if (findProof(set) !== undefined) return;
    counts.unproved++;
    if (problems.length < 5) problems.push(`harmful without proof: ${name(set)}`);
  };
  const clash = (a: Voucher, b: Voucher) => a.terminal === b.terminal && a.terminal < 3;
  for (let i = 0; i < all.length; i++) {
    for (let j = i + 1; j < all.length; j++) {
      // An honest terminal takes part in one tap.
      if (clash(all[i]!, all[j]!)) continue;
      look([all[i]!, all[j]!]);
      for (let k = j + 1; k < all.length; k++) {
        if (clash(all[i]!, all[k]!) || clash(all[j]!, all[k]!)) continue;
        look([all[i]!, all[j]!, all[k]!]);
      }
    }
  }
  process.stdout.write(
    `fraud sets, accomplice ${accompliceHides ? 'hides' : 'opens'} its requests: ${counts.sets} sets, ${counts.harmful} harmful, ${counts.unproved} harmful without proof\n`,
  );
}

/** Every honest history of up to three payments, and every choice of its vouchers, opened or not. */
function honest(): number {
  let sets = 0;
  const grow = (history: readonly Voucher[], spent: number, paid: readonly number[]) => {
    for (let chosen = 1; chosen < 1 << history.length; chosen++) {
      for (const opened of [true, false]) {
        sets++;
        const set = history
          .filter((_, index) => chosen & (1 << index))
          .map((message) => ({ ...message, moved: opened ? message.amount : 0 }));
        if (findProof(set) !== undefined) problems.push(`honest with a proof: ${name(set)}`);
      }
    }
    if (history.length === SEQS) return;
    for (let terminal = 0; terminal < 4; terminal++) {
      for (let amount = 0; amount <= 2 && spent + amount <= FUNDS; amount++) {
        const payee = PAYEE_OF[terminal]!;
        const next = paid.map((value, index) => (index === payee ? value + amount : value));
        const message = voucher(history.length + 1, terminal, amount, spent + amount, next[payee]!, false);
        grow([...history, message], spent + amount, next);
      }
    }
  };
  grow([], 0, [0, 0, 0]);
  return sets;
}
process.stdout.write(`honest sets: ${honest()}, none with a proof\n`);

const all = everyVoucher(true);
let pairs = '';
let triples = '';
for (let i = 0; i < all.length; i++) {
  for (let j = i + 1; j < all.length; j++) {
    const [a, b] = [all[i]!, all[j]!];
    const bits = (equivocates(a, b) ? 1 : 0) | (regresses(a, b) ? 2 : 0) | (overspends([a, b]) ? 4 : 0);
    pairs += bits;
    for (let k = j + 1; k < all.length; k++) triples += overspends([a, b, all[k]!]) ? 1 : 0;
  }
}
mkdirSync('build/fraud', { recursive: true });
writeFileSync('build/fraud/pairs.txt', pairs);
writeFileSync('build/fraud/triples.txt', triples);
process.stdout.write(`${all.length} vouchers, ${pairs.length} pairs, ${triples.length} triples\n`);
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.exit(problems.length === 0 ? 0 : 1);
