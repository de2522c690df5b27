/** What a device on an ESP32 keeps its journal in: the partition `sundial` of the board's table. */
export const journalFlash = { size: 256 * 1024, blockSize: 4096, wordSize: 4 } as const;
/** Four of sixteen blocks. */
export const journalBanks = 4;
/** The button of most boards with this chip ("boot"): it pulls the pin down. */
export const buttonPin = 0;
