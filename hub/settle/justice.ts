/**
 * What the hub does on L2 about a payer that broke the rules: it brings the proof, registers what accredited payees are
 * short of while the pot's window is open, and hands out the shares when it is over. Anybody could; the hub has the
 * vouchers. L2 is asked before each act and remembers each, so nothing of this is kept here and a crash repeats at most
 * a question.
 */
import type { Signing } from '../../protocol/signing/digests.ts';
import { openedRowOf } from '../batch/batch.ts';
import { channelBook, namedEntry } from '../intake/books.ts';
import { layersEntries } from '../intake/layers.ts';
import type { ChannelBook, Entry } from '../intake/state.ts';
import type { Logger } from '../log.ts';
import type { Rule } from '../l2/fraud.ts';
import { shortfallOf } from '../watch/shortfall.ts';
import type { Row, ShownLease } from '../l2/rows.ts';
import { isError } from '../errors.ts';
import type { Hex, Index, L2 } from '../ports.ts';

/** What justice works on. */
export interface JusticeOptions {
  readonly signing: Signing;
  readonly l2: L2;
  /** Only what was fsynced is shown. */
  readonly index: Index;
  readonly log: Logger;
  /** The leases that stand behind a channel's vouchers, signed by a key of the hub, by scope. */
  leases(book: ChannelBook): Promise<readonly ShownLease[]>;
}

type Proved = ChannelBook & { readonly proof: NonNullable<ChannelBook['proof']> };

/** Proofs, shortfalls and shares of all channels whose payer was found to cheat. */
export class Justice {
  private readonly options: JusticeOptions;
  /** Channels with nothing left to do, at finality: the pot is shared out, or the owner had left before the proof. */
  private readonly closed = new Set<number>();
  /** What the vault last refused, by channel and act: said once, tried again with every look. */
  private readonly refused = new Map<string, string>();

  constructor(options: JusticeOptions) {
    this.options = options;
  }

  /** Final blocks were replaced: what was over may not be. */
  forget(): void {
    this.closed.clear();
    this.refused.clear();
  }

  /** Does all that can be done now, one transaction after the other. Throws what L2 throws. */
  async step(): Promise<void> {
    const books = this.options.index.books();
    for (const channel of books.proved) {
      if (this.closed.has(channel)) continue;
      await this.bring(channel, channelBook(books, channel) as Proved);
    }
  }

  private async bring(channel: number, book: Proved): Promise<void> {
    const { l2 } = this.options;
    const { bond } = await l2.channel(channel);
    if (bond > 0) await this.prove(channel, book);
    const pot = await l2.pot(channel);
    if (pot.closesAt === 0 || pot.left === 0) {
      if (await this.isOver(channel)) this.closed.add(channel);
      return;
    }
    const now = await l2.clock();
    if (now < pot.closesAt) return this.register(channel, book);
    // In between nothing is to be done: what settles meanwhile is taken off when the share is collected.
    if (now < pot.collectsAt) return;
    for (const [, { payee }] of layersEntries(book.claims)) {
      if ((await l2.claim(channel, payee)).top === 0) continue;
      await this.act('share of a bond collected', channel, () => l2.collectShare(channel, payee));
    }
    if (pot.claims === 0) await this.act('pot closed', channel, () => l2.closePot(channel));
  }

  /** Whether no block that can still be taken back leaves anything to prove, register or share out. */
  private async isOver(channel: number): Promise<boolean> {
    const { l2 } = this.options;
    const { final } = await l2.newest();
    const { bond } = await l2.channel(channel, final.height);
    const { closesAt, left } = await l2.pot(channel, final.height);
    return bond === 0 && (closesAt === 0 || left === 0);
  }

  private async prove(channel: number, { proof }: Proved): Promise<void> {
    const { l2, index } = this.options;
    const entries = proof.entries.map((id) => namedEntry(index.books(), id));
    await this.act('fraud proved on L2', channel, async () => {
      for (const { payee } of entries) await l2.registerPayee(payee);
      return l2.proveFraud(proof.proof as Rule, this.rows(entries));
    });
  }

  private async register(channel: number, book: Proved): Promise<void> {
    const { l2, leases } = this.options;
    for (const [, { payee }] of layersEntries(book.claims)) {
      if ((await l2.payeeId(payee)) === undefined) continue;
      const shortfall = shortfallOf(book, payee, await l2.lane(channel, payee));
      if (shortfall === undefined) continue;
      const { entries, top, overlap, shown } = shortfall;
      const known = await l2.claim(channel, payee);
      if (top <= known.top && overlap <= known.overlap && shown <= known.shown) continue;
      const promised = await leases(book);
      await this.act('shortfall registered', channel, () =>
        l2.registerShortfall(this.rows(entries), promised),
      );
    }
  }

  /**
   * One act. What the vault or the node refuses (it is frozen, a payee isn't accredited, it is too large) is said, tried
   * again, and holds up no other channel.
   */
  private async act(done: string, channel: number, act: () => Promise<Hex>): Promise<void> {
    const { log } = this.options;
    const key = `${channel}/${done}`;
    try {
      const transaction = await act();
      this.refused.delete(key);
      log.info({ channel, transaction }, done);
    } catch (error) {
      if (!isError(error, 'l2_reverted') && !isError(error, 'l2_refused')) throw error;
      const reason = error.message;
      if (this.refused.get(key) === reason) return;
      this.refused.set(key, reason);
      log.warn({ channel, error: reason }, `refused: ${done}`);
    }
  }

  private rows(entries: readonly Entry[]): Row[] {
    return entries.map((entry) => openedRowOf(this.options.signing, entry));
  }
}
