/**
 * What the hub does on L2 about a payer that broke the rules: it brings the proof, registers what accredited payees are
 * short of while the pot's window is open, and hands out the shares when it is over. Anybody could; the hub has the
 * vouchers. L2 is asked before each act and remembers each, so nothing of this is kept here and a crash repeats at most
 * a question.
 */
import type { LocalAccount } from 'viem';
import type { Signing } from '../../protocol/signing/digests.ts';
import { openedRowOf } from '../batch/batch.ts';
import { namedEntry } from '../intake/books.ts';
import type { Books, ChannelBook, Entry } from '../intake/state.ts';
import { keyNumber, trieEntries } from '../intake/trie.ts';
import type { Logger } from '../log.ts';
import type { Rule } from '../l2/fraud.ts';
import { shortfallOf } from '../watch/shortfall.ts';
import type { ChainLink } from '../l2/chain-link.ts';
import { finalBlock, isRefused } from '../l2/chain.ts';
import type { Row } from '../l2/rows.ts';
import type { Vault } from '../l2/vault.ts';

export interface JusticeOptions {
  readonly signing: Signing;
  readonly link: ChainLink;
  /** Pays the gas; gains nothing. */
  readonly account: LocalAccount;
  /** The durable books: only what was fsynced is shown. */
  books(): Books;
  readonly log: Logger;
}

type Proved = ChannelBook & { readonly proof: NonNullable<ChannelBook['proof']> };

export class Justice {
  private readonly options: JusticeOptions;
  /** Channels with nothing left to do, at finality: the pot is shared out, or the owner had left before the proof. */
  private readonly closed = new Set<number>();
  /** What the vault last refused, by channel and act: said once, tried again with every look. */
  private readonly refused = new Map<string, string>();

  constructor(options: JusticeOptions) {
    this.options = options;
  }

  /** Does all that can be done now, one transaction after the other. Throws viem's errors while L2 is out of reach. */
  async step(): Promise<void> {
    for (const [key, book] of trieEntries(this.options.books().channels)) {
      const channel = keyNumber(key);
      if (book.proof === undefined || this.closed.has(channel)) continue;
      await this.bring(await this.options.link.vault(), channel, book as Proved);
    }
  }

  private async bring(vault: Vault, channel: number, book: Proved): Promise<void> {
    const { bond, deposited, credited } = await vault.readChannel(channel);
    if (bond > 0) await this.prove(vault, channel, book);
    const pot = await vault.readPot(channel);
    if (pot.closesAt === 0 || pot.left === 0) {
      if (await this.isOver(vault, channel)) this.closed.add(channel);
      return;
    }
    if ((await vault.readClock()) < pot.closesAt)
      return this.register(vault, channel, book, deposited + credited - pot.amount, pot.amount);
    for (const [, { payee }] of trieEntries(book.claims)) {
      if ((await vault.readClaim(channel, payee)).shortfall === 0) continue;
      await this.act('share of a bond collected', channel, (account) =>
        vault.collectShare(account, channel, payee),
      );
    }
    if (pot.claims === 0)
      await this.act('pot closed', channel, (account) => vault.closePot(account, channel));
  }

  /** Whether no block that can still be taken back leaves anything to prove, register or share out. */
  private async isOver(vault: Vault, channel: number): Promise<boolean> {
    const newest = await vault.client.getBlockNumber();
    const at = { blockNumber: finalBlock(newest, this.options.link.finalityBlocks) };
    const { bond } = await vault.readChannel(channel, at);
    const { closesAt, left } = await vault.readPot(channel, at);
    return bond === 0 && (closesAt === 0 || left === 0);
  }

  private async prove(vault: Vault, channel: number, { proof }: Proved): Promise<void> {
    const entries = proof.entries.map((id) => namedEntry(this.options.books(), id));
    await this.act('fraud proved on L2', channel, async (account) => {
      for (const { payee } of entries) await vault.registerPayee(account, payee);
      return vault.proveFraud(account, proof.proof as Rule, this.rows(entries));
    });
  }

  private async register(
    vault: Vault,
    channel: number,
    book: Proved,
    leasable: number,
    bond: number,
  ): Promise<void> {
    for (const [, { payee }] of trieEntries(book.claims)) {
      const shortfall = shortfallOf(book, payee, leasable);
      if (shortfall === undefined || (await vault.payeeId(payee)) === undefined) continue;
      const { entries, top, overlap } = shortfall;
      const short = Math.max(0, top - (await vault.readLane(channel, payee))) + Math.min(overlap, bond);
      if (short <= (await vault.readClaim(channel, payee)).shortfall) continue;
      await this.act('shortfall registered', channel, (account) =>
        vault.registerShortfall(account, this.rows(entries)),
      );
    }
  }

  /**
   * One act. What the vault or the node refuses (it is frozen, a payee isn't accredited, it is too large) is said, tried
   * again, and holds up no other channel.
   */
  private async act(
    done: string,
    channel: number,
    act: (account: LocalAccount) => Promise<{ transactionHash: string }>,
  ): Promise<void> {
    const { account, log } = this.options;
    const key = `${channel}/${done}`;
    try {
      const { transactionHash } = await act(account);
      this.refused.delete(key);
      log.info({ channel, transaction: transactionHash }, done);
    } catch (error) {
      if (!isRefused(error)) throw error;
      const reason = (error as Error).message.split('\n', 1)[0]!;
      if (this.refused.get(key) === reason) return;
      this.refused.set(key, reason);
      log.warn({ channel, error: reason }, `refused: ${done}`);
    }
  }

  private rows(entries: readonly Entry[]): Row[] {
    return entries.map((entry) => openedRowOf(this.options.signing, entry));
  }
}
