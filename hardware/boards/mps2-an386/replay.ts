/**
 * What the images `replay-payer` and `replay-terminal` share: a device of the simulated fleet lives its day once more
 * on this board, with the board's flash, key and crypto, fed over the console. See hardware/replay.
 */
import { journalIn } from '../../../device/journal/capacity.ts';
import { onStart } from '../../native/prelude.ts';
import type { Kind } from '../../replay/kinds.ts';
import { serveReplay } from '../../replay/serve.ts';
import { crypto } from './crypto.ts';
import { boardFlash } from './flash.ts';
import { boardKey } from './key.ts';
import { journalBanks } from './limits.ts';
import { openPort } from './link.ts';
import { board, port } from './natives.ts';

export function replayOnBoard(kind: Kind): void {
  onStart(() => {
    const parts = kind(crypto, journalIn(boardFlash(), { banks: journalBanks }));
    openPort(port.console, serveReplay({ ...parts, print: (text) => board.print(text), key: boardKey }));
    board.print('ready\n');
  });
}
