/**
 * What the hub's disk holds: records one behind the other in large blocks, as in the segments of the real ledger. A day
 * of a large fleet leaves millions of them, and an array of its own costs more memory than the record in it.
 */

const BLOCK_BYTES = 4 * 1024 * 1024;

export class HubDisk {
  /** Records that were written. */
  length = 0;
  private readonly blocks: Uint8Array[] = [];
  /** By position: the block's number, and where the record ends in it. Where it begins is where the one before ends. */
  private readonly blockOf: number[] = [];
  private readonly endOf: number[] = [];
  private used = BLOCK_BYTES;

  /** Writes a record of at most a block behind the others and returns its position. */
  append(bytes: Uint8Array): number {
    if (this.used + bytes.length > BLOCK_BYTES) {
      this.blocks.push(new Uint8Array(Math.max(BLOCK_BYTES, bytes.length)));
      this.used = 0;
    }
    this.blocks.at(-1)!.set(bytes, this.used);
    this.used += bytes.length;
    this.blockOf.push(this.blocks.length - 1);
    this.endOf.push(this.used);
    this.length += 1;
    return this.length - 1;
  }

  /** Every record with its position, in order. The bytes are the disk's own: nobody may change them. */
  *records(): Generator<[position: number, bytes: Uint8Array]> {
    for (let position = 0; position < this.length; position += 1) {
      const block = this.blockOf[position]!;
      const start = block === this.blockOf[position - 1] ? this.endOf[position - 1]! : 0;
      yield [position, this.blocks[block]!.subarray(start, this.endOf[position])];
    }
  }
}
