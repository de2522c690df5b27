/**
 * Acts that want two people: one asks, another one who might have done it alone lets it happen or refuses. What waits is kept
 * in memory only, since it may hold a merchant's key: a hub that starts again has forgotten it, and it is asked for anew.
 */
import { randomBytes } from 'node:crypto';
import { SundialError } from '../../protocol/errors.ts';
import { approvalsMax, approvalSeconds } from '../limits.ts';
import type { Caller, Role } from './tokens.ts';

/** What waits for a second person. */
export interface Wish {
  readonly id: string;
  /** Who asked, by name. */
  readonly by: string;
  /** What it is, in words that have nothing secret. */
  readonly words: string;
  readonly askedAt: number;
  readonly until: number;
}

interface Kept extends Wish {
  readonly may: readonly Role[];
  readonly act: () => Promise<unknown>;
}

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

/** What waits, newest last. */
export class Approvals {
  private readonly waiting = new Map<string, Kept>();
  private readonly nowSeconds: () => number;

  constructor(nowSeconds: () => number) {
    this.nowSeconds = nowSeconds;
  }

  /** Keeps an act until a second person looks at it. Throws `approvals_full`. */
  ask(by: Caller, may: readonly Role[], words: string, act: () => Promise<unknown>): Wish {
    this.forgetOld();
    if (this.waiting.size >= approvalsMax)
      throw refused('approvals_full', `${approvalsMax} acts wait already`, 'Decide on those first.');
    const now = this.nowSeconds();
    const id = randomBytes(8).toString('hex');
    const kept: Kept = { id, by: by.name, words, askedAt: now, until: now + approvalSeconds, may, act };
    this.waiting.set(id, kept);
    return viewOf(kept);
  }

  list(): Wish[] {
    this.forgetOld();
    return [...this.waiting.values()].map(viewOf);
  }

  /** Does it, once. Throws `approval_unknown`, `same_person`, `not_allowed`; rejects as the act does. */
  async approve(id: string, by: Caller): Promise<{ readonly wish: Wish; readonly answer: unknown }> {
    const kept = this.find(id);
    if (kept.by === by.name)
      throw refused('same_person', `${by.name} asked for it`, 'Somebody else has to approve it.');
    if (!kept.may.includes(by.role))
      throw refused('not_allowed', `${by.role} may not`, `Ask one who is ${kept.may.join(' or ')}.`);
    // Before it is done: two who approve at once do it once.
    this.waiting.delete(id);
    return { wish: viewOf(kept), answer: await kept.act() };
  }

  /** Takes it away, whoever asked for it. Throws `approval_unknown`. */
  refuse(id: string): Wish {
    const kept = this.find(id);
    this.waiting.delete(id);
    return viewOf(kept);
  }

  private find(id: string): Kept {
    this.forgetOld();
    const found = this.waiting.get(id);
    if (found !== undefined) return found;
    throw refused(
      'approval_unknown',
      'nothing with this number waits',
      'Look at what waits: it may be over.',
    );
  }

  private forgetOld(): void {
    const now = this.nowSeconds();
    for (const [id, { until }] of this.waiting) if (until <= now) this.waiting.delete(id);
  }
}

const viewOf = ({ id, by, words, askedAt, until }: Kept): Wish => ({ id, by, words, askedAt, until });
