/** What all images share: the board as the runtime's host, its journal, and its start. */
import { journalIn, type Storage } from '../../../device/journal/capacity.ts';
import type { Host } from '../../../device/runtime.ts';
import { makeSigning, type Signing } from '../../../protocol/signing/digests.ts';
import { say } from './console.ts';
import { crypto } from './crypto.ts';
import { boardFlash } from './flash.ts';
import { journalBanks } from './limits.ts';
import { boardClock, boardEntropy, boardKey } from './key.ts';
import { board } from './natives.ts';
import { type BoardSettings, readSettings } from './settings.ts';

export interface Board {
  readonly settings: BoardSettings;
  readonly signing: Signing;
  readonly host: Host;
  readonly storage: Storage;
}

/** Undefined when the factory has not written settings for one of these roles: the board then only shows its key. */
export function startBoard(...roles: readonly BoardSettings['role'][]): Board | undefined {
  const key = boardKey();
  const settings = readSettings();
  say({
    event: 'board',
    role: settings?.role,
    address: key.address,
    entropyCertified: boardEntropy.certified,
  });
  if (settings === undefined || !roles.includes(settings.role)) {
    say({ event: 'not_provisioned' });
    return undefined;
  }
  return {
    settings,
    signing: makeSigning(crypto, { chainId: settings.chainId, vault: settings.vault }),
    host: { key, clock: boardClock, entropy: boardEntropy },
    // Whoever writes the settings writes the first records as well.
    storage: journalIn(boardFlash(), { banks: journalBanks, begun: true }),
  };
}

/** Ends with the line that says that the device serves. */
export function ready(): void {
  // Under -icount the timer counts every 40th instruction since power-up.
  say({ event: 'ready', instructions: board.ticks() * 40 });
}
