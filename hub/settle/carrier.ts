/**
 * What the registry on L2 is told of the hub, by the hub: the root's words about its keys, the payees that its desk vouches
 * for, and the root of its log. Every look asks L2 what it knows and tells it what it lacks, so nothing of this is kept
 * here, a crash repeats at most a question, and what somebody else brought is not brought again.
 *
 * What it costs is bounded: a word of the root, a change at the desk and an anchor are one transaction each, anchors come at
 * their pace, and a day has a number of transactions that it never exceeds. What L2 refuses is found out before
 * it costs gas.
 */
import { toHex } from '../../protocol/bytes.ts';
import type { Certificate, Revocation } from '../crypto/hub-keys.ts';
import { isError } from '../errors.ts';
import { carriedAtOnceMax, carriedDayMax } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { Hex, L2, RegistryL2, Vouched } from '../ports.ts';

/** A payee that the hub vouches for with so many terminals; 0: no longer. */
export interface PayeeWish {
  readonly payee: Uint8Array;
  readonly terminals: number;
}

/** What the carrier works on. */
export interface CarrierOptions {
  readonly l2: L2;
  readonly registry: RegistryL2;
  /** Words of the root, as they stand. */
  words(): readonly (Certificate | Revocation)[];
  /** Payees of the desk, and those that it let go. */
  payees(): readonly PayeeWish[];
  /** Records of the log that are durable, and its root. */
  ledger(): { readonly size: number; root(): Uint8Array };
  /** Seconds between two anchors of the log; 0: it is never anchored. */
  readonly anchorEvery: number;
  /** A transaction was mined, or refused. */
  onAct(act: CarriedAct, outcome: 'done' | 'refused'): void;
  readonly log: Logger;
}

export type CarriedAct = 'certificate' | 'revocation' | 'accreditation' | 'removal' | 'anchor';

/** What L2 still lacks, for people. */
export interface Waiting {
  readonly act: CarriedAct;
  /** A key, or a payee; absent of an anchor. */
  readonly subject?: Hex;
  /** Why it was refused, when it was. */
  readonly reason?: string;
}

interface Task {
  readonly act: CarriedAct;
  /** What it is about to the last figure: another number of terminals is another task. */
  readonly key: string;
  readonly subject?: Hex;
  /** Does L2 know it as it is to be, at a height or now? `over`: it never will, and needn't. */
  isThere(at?: number): Promise<boolean | 'over'>;
  tell(): Promise<Hex>;
}

const HOUR = 3_600;
const DAY = 86_400;

/** Tells L2 what the hub's registry lacks. One call of `step` at a time. */
export class Carrier {
  private readonly options: CarrierOptions;
  /** Tasks that final blocks show done, by what they are. */
  private readonly done = new Set<string>();
  private readonly refused = new Map<string, string>();
  private day = { at: 0, acts: 0 };
  /** What the last look found missing. */
  waiting: readonly Waiting[] = [];
  /** The newest anchor that was seen. */
  anchored: { readonly size: number; readonly at: number } | undefined;

  constructor(options: CarrierOptions) {
    this.options = options;
  }

  /** Transactions of the present day, by L2's time. */
  get actsToday(): number {
    return this.day.acts;
  }

  /** Final blocks were replaced: what was done may not be. */
  forget(): void {
    this.done.clear();
    this.refused.clear();
  }

  /** Asks what is missing and tells some of it, revocations first. True: there is more. Throws what L2 throws. */
  async step(): Promise<boolean> {
    const { newest, final } = await this.options.l2.newest();
    const day = Math.floor(newest.at / DAY);
    if (day !== this.day.at) this.day = { at: day, acts: 0 };
    const waiting: Waiting[] = [];
    let told = 0;
    const tasks = await this.tasks(newest.at);
    // What is wished no longer may be wished again later.
    const keys = new Set(tasks.map(({ key }) => key));
    for (const key of this.done) if (!keys.has(key)) this.done.delete(key);
    for (const task of tasks) {
      const { key } = task;
      if (this.done.has(key)) continue;
      const now = await task.isThere();
      if (now === 'over') continue;
      if (now) {
        this.refused.delete(key);
        if ((await task.isThere(final.height)) === true) this.done.add(key);
        continue;
      }
      const isOutOfBounds = told >= carriedAtOnceMax || this.day.acts >= carriedDayMax;
      if (isOutOfBounds || !(await this.act(key, task))) {
        const reason = this.refused.get(key);
        const { act, subject } = task;
        waiting.push({
          act,
          ...(subject !== undefined && { subject }),
          ...(reason !== undefined && { reason }),
        });
      }
      if (!isOutOfBounds) told += 1;
    }
    if (this.day.acts >= carriedDayMax && waiting.length > 0)
      this.options.log.error({ waiting: waiting.length }, 'as many transactions as a day has room for');
    this.waiting = waiting;
    return told >= carriedAtOnceMax && this.day.acts < carriedDayMax;
  }

  /** All that L2 should know, the most urgent first. */
  private async tasks(now: number): Promise<Task[]> {
    const { registry, words, payees } = this.options;
    const all = words();
    const tasks: Task[] = [];
    for (const word of all)
      if (word.type === 'hubKeyRevoked')
        tasks.push({
          act: 'revocation',
          key: `revocation ${toHex(word.key)}`,
          subject: toHex(word.key),
          isThere: async (at) => (await registry.hubKeyTerm(toHex(word.key), at)).revokedAt !== 0,
          tell: () => registry.revokeHubKey(word),
        });
    for (const word of all) if (word.type === 'hubKey') tasks.push(this.certificate(word, now));
    for (const { payee, terminals } of payees())
      tasks.push(terminals === 0 ? this.removal(payee) : this.accreditation(payee, terminals));
    const anchor = await this.anchor(now);
    return anchor === undefined ? tasks : [...tasks, anchor];
  }

  private certificate(word: Certificate, now: number): Task {
    const { registry } = this.options;
    const subject = toHex(word.key);
    return {
      act: 'certificate',
      key: `certificate ${subject} ${word.epoch} ${word.until}`,
      subject,
      isThere: async (at) => {
        const { until, epoch, revokedAt, isCarried } = await registry.hubKeyTerm(subject, at);
        // A certificate of tomorrow's date waits for its time.
        if (revokedAt !== 0 || word.until < now || word.signedAt > now) return 'over';
        return isCarried && (epoch > word.epoch || (epoch === word.epoch && until >= word.until));
      },
      tell: () => registry.addHubKey(word),
    };
  }

  private accreditation(payee: Uint8Array, terminals: number): Task {
    const { registry } = this.options;
    return {
      act: 'accreditation',
      key: `accreditation ${toHex(payee)} ${terminals}`,
      subject: toHex(payee),
      isThere: async (at) => {
        const vouched = await registry.vouched(payee, at);
        return (
          vouched !== undefined &&
          (await this.stands(vouched)) &&
          vouched.until === 0 &&
          (vouched.nextFrom === 0 ? vouched.terminals : vouched.next) === terminals
        );
      },
      tell: () => registry.accredit(payee, terminals),
    };
  }

  private removal(payee: Uint8Array): Task {
    const { registry } = this.options;
    return {
      act: 'removal',
      key: `removal ${toHex(payee)}`,
      subject: toHex(payee),
      isThere: async (at) => {
        const vouched = await registry.vouched(payee, at);
        return vouched === undefined || vouched.since === 0 || vouched.until !== 0;
      },
      tell: () => registry.endAccreditation(payee),
    };
  }

  private async stands({ since, until }: Vouched): Promise<boolean> {
    return since !== 0 && (until === 0 || until > Math.floor((await this.options.l2.clock()) / HOUR));
  }

  private async anchor(now: number): Promise<Task | undefined> {
    const { registry, ledger, anchorEvery } = this.options;
    if (anchorEvery === 0) return undefined;
    this.anchored = await registry.anchored();
    const { size, root } = ledger();
    if (size <= this.anchored.size || now < this.anchored.at + anchorEvery) return undefined;
    return {
      act: 'anchor',
      key: `anchor ${size}`,
      isThere: async () => (await registry.anchored()).size >= size,
      tell: () => registry.anchor(size, root()),
    };
  }

  /** One transaction; false when L2 refuses it, which is said once and tried again with every look. */
  private async act(key: string, { act, subject, tell }: Task): Promise<boolean> {
    const { log, onAct } = this.options;
    try {
      const transaction = await tell();
      this.day.acts += 1;
      this.refused.delete(key);
      onAct(act, 'done');
      log.info({ act, subject, transaction }, 'the registry on L2 was told');
      return true;
    } catch (error) {
      const isSaid =
        isError(error, 'l2_reverted') || isError(error, 'l2_refused') || isError(error, 'l2_no_gas');
      if (!isSaid) throw error;
      const reason = error.message;
      if (this.refused.get(key) === reason) return false;
      this.refused.set(key, reason);
      onAct(act, 'refused');
      log.warn({ act, subject, error: reason }, 'the registry on L2 refuses it');
      return false;
    }
  }
}
