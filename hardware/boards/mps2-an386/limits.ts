/** What this board's memory holds. */

/** The part's blocks that journals have. */
export const journalFlash = { size: 64 * 4096, blockSize: 4096, wordSize: 4 } as const;
/** Banks of the journal: 4 of 64 KiB. All that this board keeps must leave room in one: a start checks it. */
export const journalBanks = 4;

/** Entries that wait for the hub: what 192 KiB of RAM hold beside the engine. */
export const outboxMax = 20;
/** Lanes, likewise. */
export const lanesMax = 32;
/** A payer's lanes: what the RAM holds beside everything else that a payer keeps. */
export const payerLanesMax = 40;
