/** What this board's memory holds. */

/**
 * Banks of the journal: 8 of 32 KiB. A start reads a whole bank into RAM, and a snapshot of all that this board
 * keeps must leave room in one.
 */
export const journalBanks = 8;

/** Entries that wait for the hub: what 192 KiB of RAM hold beside the engine. */
export const outboxMax = 24;
/** Lanes, likewise. */
export const lanesMax = 48;
