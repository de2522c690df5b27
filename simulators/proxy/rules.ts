/**
 * What a proxy does to the messages of a tap, as rules: which messages, how often, and what happens to them. The fate of
 * a message follows from the seed, the rule, the tap and the message's number alone, so the same seed hits the same
 * messages, however fast the devices are.
 */
import { z } from 'zod';
import { SundialError } from '../../protocol/errors.ts';
import { MESSAGES } from '../../protocol/wire/messages.ts';
import { Random } from '../stage/world/random.ts';

/** Rules of one proxy, at most. */
const RULES_MAX = 64;
/** Longest delay, milliseconds: a minute is longer than anybody holds a wearable to a till. */
const DELAY_MS_MAX = 60_000;

export const ENDS = ['payer', 'terminal'] as const;
/** Who says a message. */
export type End = (typeof ENDS)[number];

const names = Object.keys(MESSAGES) as [string, ...string[]];
const delayMs = z.int().min(0).max(DELAY_MS_MAX);

/** One rule. All that it names must hold of a message; what it leaves out holds of any. */
export const ruleSchema = z.strictObject({
  /** cut: before the message arrives; cutAfter: as soon as it has. */
  do: z.enum(['drop', 'dup', 'garble', 'delay', 'cut', 'cutAfter']),
  /** For delay: milliseconds, or the least and the most. */
  ms: z.union([delayMs, z.tuple([delayMs, delayMs])]).optional(),
  message: z.enum(names).optional(),
  from: z.enum(ENDS).optional(),
  /** Only the n-th time that the devices meet. */
  tap: z.int().min(1).optional(),
  /** Only the n-th message of its end in a tap; where a message is named, the n-th of that name. */
  number: z.int().min(1).optional(),
  /** In how many of 100 cases; always where it is not said. */
  percent: z.number().min(0).max(100).optional(),
  /** How often in all. A cut that names no tap happens once: nobody would ever pay otherwise. */
  times: z.int().min(1).optional(),
});
export type Rule = z.infer<typeof ruleSchema>;

const delayed = ({ do: what, ms }: Rule): boolean => (what === 'delay') === (ms !== undefined);
export const rulesSchema = z
  .array(ruleSchema.refine(delayed, { message: 'delay, and nothing else, has ms' }))
  .max(RULES_MAX);

/** A file of rules, as `--script` takes it. */
const scriptSchema = z.strictObject({
  version: z.literal(1),
  seed: z.int().min(0).optional(),
  rules: rulesSchema,
});
export type Script = z.infer<typeof scriptSchema>;

/** Checks what a script's file holds. Throws `bad_script`, which names the field. */
export function readScript(value: unknown, file: string): Script {
  const parsed = scriptSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new SundialError('bad_script', `${file}: ${path.join('.') || 'the file'}: ${message}`, {
    severity: 'call',
    remedy:
      'Write {"version":1,"rules":[{"do":"drop","message":"receipt","percent":5}]}; do is one of ' +
      `${ruleSchema.shape.do.options.join(', ')}, message one of ${names.join(', ')}.`,
  });
}

/** Which message it is. `name` is absent where the bytes are no message of this version. */
export interface Passing {
  readonly tap: number;
  readonly from: End;
  /** Counted from 1 in each tap and for each end. */
  readonly number: number;
  readonly name?: string | undefined;
  /** The same, counted among those of its name. */
  readonly nth: number;
}

/** What happens to a message. */
export interface Fate {
  /** 0: it is lost. */
  readonly copies: number;
  /** A bit of the frame is flipped, so that whoever gets it throws it away. */
  readonly garbled: boolean;
  readonly delayMs: number;
  readonly cut?: 'before' | 'after' | undefined;
}

export const ARRIVES: Fate = { copies: 1, garbled: false, delayMs: 0 };

/** In words, for a record and for people. */
export const fateWords = ({ copies, garbled, delayMs, cut }: Fate): string =>
  [
    cut === 'before' ? 'cut before' : '',
    cut === 'after' ? 'cut after' : '',
    copies === 0 ? 'dropped' : '',
    copies > 1 ? 'doubled' : '',
    garbled ? 'garbled' : '',
    delayMs > 0 ? `${delayMs} ms late` : '',
  ]
    .filter((word) => word !== '')
    .join(', ') || 'passed';

/** Decides what happens to each message; counts how often each rule did. */
export class Faults {
  readonly seed: number;
  private readonly random: Random;
  private standing: { readonly rule: Rule; done: number }[] = [];

  constructor(seed: number, rules: readonly Rule[]) {
    this.seed = seed;
    this.random = new Random(seed).fork('proxy');
    this.rules = rules;
  }

  get rules(): readonly Rule[] {
    return this.standing.map(({ rule }) => rule);
  }

  /** Others from the next message on; how often they did something is counted anew. */
  set rules(rules: readonly Rule[]) {
    this.standing = rules.map((rule) => ({ rule, done: 0 }));
  }

  fateOf(passing: Passing): Fate {
    let fate = ARRIVES;
    for (const [index, one] of this.standing.entries()) {
      const { rule } = one;
      const random = this.random.fork(`${index} ${passing.tap} ${passing.from} ${passing.number}`);
      if (!holdsOf(rule, passing) || one.done >= timesOf(rule)) continue;
      if (rule.percent !== undefined && random.below(10_000) >= Math.round(rule.percent * 100)) continue;
      one.done += 1;
      fate = after(fate, rule, random);
    }
    return fate;
  }
}

const holdsOf = (rule: Rule, { tap, from, number, name, nth }: Passing): boolean =>
  (rule.message === undefined || rule.message === name) &&
  (rule.from === undefined || rule.from === from) &&
  (rule.tap === undefined || rule.tap === tap) &&
  (rule.number === undefined || rule.number === (rule.message === undefined ? number : nth));

const timesOf = ({ do: what, times, tap, percent }: Rule): number =>
  times ??
  ((what === 'cut' || what === 'cutAfter') && tap === undefined && percent === undefined ? 1 : Infinity);

function after(fate: Fate, { do: what, ms = 0 }: Rule, random: Random): Fate {
  switch (what) {
    case 'drop':
      return { ...fate, copies: 0 };
    case 'dup':
      return { ...fate, copies: fate.copies * 2 };
    case 'garble':
      return { ...fate, garbled: true };
    case 'cut':
      return { ...fate, cut: 'before' };
    case 'cutAfter':
      return { ...fate, cut: fate.cut ?? 'after' };
    case 'delay': {
      const [low, high] = typeof ms === 'number' ? [ms, ms] : ms;
      return { ...fate, delayMs: fate.delayMs + random.between(Math.min(low, high), Math.max(low, high)) };
    }
  }
}
