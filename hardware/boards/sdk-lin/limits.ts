/** What a device on Linux keeps its journal in: a flash file as those of Node devices, since one may run a folder after the other. */
export const journalFlash = { size: 4 * 1024 * 1024, blockSize: 4096, wordSize: 4 } as const;
export const journalBanks = 4;
