/**
 * What the programs that play a device's recorded day share: the crypto of boards in C, flash in a file with the
 * geometry and the NOR rules of the emulated board's, events on stdin and what the device does on stdout. See
 * hardware/replay.
 */
import { journalIn } from '../../../device/journal/capacity.ts';
import { nativeCrypto, nativeKey } from '../../native/index.ts';
import { type Natives, natives } from '../../native/natives.ts';
import type { Kind } from '../../replay/kinds.ts';
import { serveReplay } from '../../replay/serve.ts';
import { boardFlash } from '../mps2-an386/flash.ts';
import { journalBanks } from '../mps2-an386/limits.ts';

/** What main.c offers beyond the natives of every board. */
const host = natives as Natives & {
  /** Fills `out` with what waits on stdin; returns how many bytes there were. */
  stdin(out: Uint8Array): number;
};

const CHUNK_BYTES = 1024;

export function replayOnHost(kind: Kind): void {
  const parts = kind(nativeCrypto(), journalIn(boardFlash(), { banks: journalBanks }));
  const print = (text: string): void => natives.print(text);
  const take = serveReplay({ ...parts, print, key: ({ secret }) => nativeKey(secret!) });
  const chunk = new Uint8Array(CHUNK_BYTES);
  (globalThis as unknown as { onInterrupt: () => void }).onInterrupt = () =>
    take(chunk.slice(0, host.stdin(chunk)));
  print('ready\n');
}
