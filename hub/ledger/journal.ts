/** The ledger as the hub uses it: records in, positions out, and the Merkle tree over everything durable beside it. */
import type { CryptoSuite } from '../../hardware/interfaces/index.ts';
import type { Ledger } from './ledger.ts';
import { checkpoint, MerkleTree, type Tiles } from './merkle.ts';
import { decodeRecord, encodeRecord, type HubRecord } from './records.ts';

/** Records of the hub over a ledger of bytes, with the Merkle tree of all that is durable. */
export class Journal {
  readonly ledger: Ledger;
  readonly tree: MerkleTree;
  private readonly suite: CryptoSuite;
  private readonly stored: ((record: HubRecord, position: number) => void) | undefined;

  /**
   * `stored` is told of every durable record, also of those that are read at the start; `indexed`: where the tree of the
   * first `applied` records stands.
   */
  constructor(
    ledger: Ledger,
    suite: CryptoSuite,
    stored?: (record: HubRecord, position: number) => void,
    indexed?: Tiles & { readonly applied: number },
  ) {
    this.ledger = ledger;
    this.suite = suite;
    this.stored = stored;
    this.tree = new MerkleTree(suite.keccak256, indexed, indexed?.applied);
  }

  /**
   * Reads the ledger once, at the start: what the tree doesn't have yet. Throws `ledger_corrupt`, `record_newer` or
   * `record_damaged`.
   */
  async replay(take: (record: HubRecord, position: number) => void | Promise<void>): Promise<void> {
    for await (const { position, bytes } of this.ledger.replay(this.tree.size)) {
      const record = decodeRecord(bytes, position);
      this.took(record, bytes, position);
      const taken = take(record, position);
      if (taken !== undefined) await taken;
    }
  }

  /** Durable records from this position on, in order. Throws as `replay` does. */
  async *read(from: number): AsyncGenerator<{ readonly position: number; readonly record: HubRecord }> {
    for await (const { position, bytes } of this.ledger.replay(from))
      yield { position, record: decodeRecord(bytes, position) };
  }

  /** Resolves with the position when the record is durable. Rejects as Ledger.append does. */
  async append(record: HubRecord): Promise<number> {
    const bytes = encodeRecord(record);
    const position = await this.ledger.append(bytes);
    // Appends resolve in order, so leaves stand at their positions.
    this.took(record, bytes, position);
    return position;
  }

  /** Takes a record that is durable at the next position, whoever appended it. */
  took(record: HubRecord, bytes: Uint8Array, position: number): void {
    this.tree.append(bytes);
    this.stored?.(record, position);
  }

  /** What a beacon says about the log: keccak256 over the size and the root of the first `size` durable records. */
  checkpoint(size = this.tree.size): { readonly size: number; readonly hash: Uint8Array } {
    return { size, hash: checkpoint(this.suite.keccak256, size, this.tree.root(size)) };
  }
}
