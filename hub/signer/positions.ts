/** Positions and their entries in LMDB: 40 bytes each on disk, none in memory. */
import { type Database, open } from 'lmdb';
import { equalBytes } from '../../protocol/bytes.ts';
import type { Positions } from './limits.ts';

const POSITION_BYTES = 6;

/** Opens or makes the store in `folder`. Two processes over one folder see each other's positions. */
export function lmdbPositions(folder: string): Positions {
  // A transaction is over when the disk has it.
  const db: Database<Buffer, Buffer> = open({
    path: folder,
    keyEncoding: 'binary',
    encoding: 'binary',
    overlappingSync: false,
  });
  return {
    take: (entries) =>
      db.transaction(() =>
        entries.map(({ position, entry }) => {
          const key = Buffer.alloc(POSITION_BYTES);
          key.writeUIntBE(position, 0, POSITION_BYTES);
          const known = db.get(key);
          if (known !== undefined) return equalBytes(known, entry);
          db.putSync(key, Buffer.from(entry));
          return true;
        }),
      ),
    close: () => db.close(),
  };
}
