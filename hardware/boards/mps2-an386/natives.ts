/** What the C of this board offers beyond the natives of every board. */
import { type Natives, natives } from '../../native/natives.ts';

/** Ports of uartRead and uartWrite. */
export const port = { console: 0, tap: 1, uplink: 2 } as const;

/**
 * Words of the control page: starts since the board was made; Unix seconds at this start, of a clock that ran while the
 * power was off, 0 when there is none.
 */
export const control = { boots: 4, rtc: 6 } as const;

/** Results of the flash natives, as in nor.c. */
export const flashResult = ['ok', 'flash_range', 'flash_bit_set', 'flash_worn'] as const;

export interface BoardNatives extends Natives {
  /** Fills `out` with what the port has received; returns how many bytes there were. The first call opens the port. */
  uartRead(port: number, out: Uint8Array): number;
  /** Returns how many bytes went out: fewer when the far end took none for `patienceMs`. */
  uartWrite(port: number, bytes: Uint8Array, patienceMs: number): number;
  /** A word of the control page, see board.h and `control`. */
  control(word: number): number;
  flashRead(offset: number, out: Uint8Array): number;
  /** Whether `bytes` are read at `offset`. */
  flashHolds(offset: number, bytes: Uint8Array): boolean;
  flashWrite(offset: number, bytes: Uint8Array): number;
  flashErase(offset: number): number;
  keyAddress(out: Uint8Array): void;
  keySign(digest: Uint8Array, out: Uint8Array): boolean;
  /** Of 25 MHz; wraps after 171 s. */
  ticks(): number;
  /** Bytes of RAM beside the arena: 0 C stack at its deepest, 1 data, 2 malloc. */
  ram(use: number): number;
  /** Ends this run under a name and restarts the board. */
  fault(name: string): never;
}

export const board = natives as BoardNatives;
