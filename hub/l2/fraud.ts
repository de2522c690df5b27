/**
 * The vault's fraud proofs, in TypeScript: what the chain will say about a set of messages of one payer, and which of
 * them to show. The chain and this file are held together over every pair and triple of a bounded world.
 *
 * E1: one seq, two messages. E2: a later message starts below where an earlier one ended, on the channel or on their
 * lane. E3: lanes paid above the highest `spent` of the messages that show them. An honest payer's messages give none.
 */
import { equalBytes } from '../../protocol/bytes.ts';

/** One message of a payer as far as proofs look at it. */
export interface Shown {
  /** EIP-712 digest. */
  readonly id: Uint8Array;
  readonly seq: number;
  /** Spent on the channel after it; of a stream, after the ticks that can be shown. */
  readonly spent: number;
  readonly payee: Uint8Array;
  /** Paid on the lane after it; of a stream, after the ticks that can be shown. */
  readonly paid: number;
  /** What it moved itself: the opened request's amount or the ticks' value; 0 when the request can't be opened. */
  readonly moved: number;
  /** Lanes that it lists, when the list is known. */
  readonly list?: readonly { readonly payee: Uint8Array; readonly paid: number }[];
}

/** Numbers as the vault's proveFraud takes them. */
export const RULES = { equivocation: 1, regression: 2, overspent: 3 } as const;
export type Rule = (typeof RULES)[keyof typeof RULES];

/** A rule and the vouchers that break it. */
export interface FraudProof {
  readonly rule: Rule;
  /** The messages to show, in the order given. */
  readonly evidence: readonly Shown[];
}

/** E1. Compares messages, not signatures. */
export const equivocates = (a: Shown, b: Shown): boolean => a.seq === b.seq && !equalBytes(a.id, b.id);

/** E2, in either order. */
export function regresses(a: Shown, b: Shown): boolean {
  if (a.seq === b.seq) return false;
  const [earlier, later] = a.seq < b.seq ? [a, b] : [b, a];
  if (Math.max(0, later.spent - later.moved) < earlier.spent) return true;
  return equalBytes(later.payee, earlier.payee) && Math.max(0, later.paid - later.moved) < earlier.paid;
}

const keyOf = (payee: Uint8Array): string => payee.join();

/** E3 over all messages given. Each lane counts once, at the most that is shown for it. */
export function overspends(messages: readonly Shown[]): boolean {
  const tops = new Map<string, number>();
  let spent = 0;
  for (const message of messages) {
    spent = Math.max(spent, message.spent);
    for (const { payee, paid } of [message, ...(message.list ?? [])]) {
      tops.set(keyOf(payee), Math.max(tops.get(keyOf(payee)) ?? 0, paid));
    }
  }
  let sum = 0;
  for (const top of tops.values()) sum += top;
  return sum > spent;
}

/** Whether these messages break the rule: two of them for E1 and E2. */
export function proves(rule: Rule, messages: readonly Shown[]): boolean {
  if (rule === RULES.overspent) return overspends(messages);
  const [a, b] = messages;
  if (a === undefined || b === undefined || messages.length > 2) return false;
  return rule === RULES.equivocation ? equivocates(a, b) : regresses(a, b);
}

/**
 * The messages that show lanes above the highest `spent` among them, or undefined. Tries, for each message in turn,
 * only messages that spent no more than it did: a higher `spent` never helps E3.
 */
function overspentAmong(messages: readonly Shown[]): Shown[] | undefined {
  for (const { spent } of messages) {
    const below = messages.filter((message) => message.spent <= spent);
    if (overspends(below)) return best(below);
  }
  return undefined;
}

/** For each lane the message that shows most of it: the vault's evidence should be short. */
function best(messages: readonly Shown[]): Shown[] {
  const tops = new Map<string, { paid: number; from: Shown }>();
  for (const message of messages) {
    for (const { payee, paid } of [message, ...(message.list ?? [])]) {
      const known = tops.get(keyOf(payee));
      if (known === undefined || paid > known.paid) tops.set(keyOf(payee), { paid, from: message });
    }
  }
  return [...new Set([...tops.values()].map(({ from }) => from))];
}

/** A proof that the messages contain, or undefined: E1 first, then E2, then E3. Quadratic in the messages. */
export function findProof(messages: readonly Shown[]): FraudProof | undefined {
  for (const [rule, proves] of [
    [RULES.equivocation, equivocates],
    [RULES.regression, regresses],
  ] as const) {
    for (let i = 0; i < messages.length; i++) {
      for (let j = i + 1; j < messages.length; j++) {
        const pair = [messages[i]!, messages[j]!] as const;
        if (proves(...pair)) return { rule, evidence: pair };
      }
    }
  }
  const evidence = overspentAmong(messages);
  return evidence && { rule: RULES.overspent, evidence };
}
