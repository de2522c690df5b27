/** What the C of this board offers beyond the natives of every board. */
import { type Natives, natives } from '../../native/natives.ts';

/** Ports of uartRead and uartWrite. */
export const port = { console: 0, tap: 1, uplink: 2 } as const;

/** Results of the flash natives, as in nor.c. */
export const flashResult = ['ok', 'flash_range', 'flash_bit_set', 'flash_worn'] as const;

export interface BoardNatives extends Natives {
  /** Fills `out` with what the port has received; returns how many bytes there were. The first call opens the port. */
  uartRead(port: number, out: Uint8Array): number;
  /** Returns how many bytes went out: fewer when the far end took none for `patienceMs`. */
  uartWrite(port: number, bytes: Uint8Array, patienceMs: number): number;
  /** Starts since the board was made. */
  boots(): number;
  /** Unix seconds at this start, of a clock that ran while the power was off; 0 when there is none. */
  rtc(): number;
  flashRead(offset: number, out: Uint8Array): number;
  /** Whether `bytes` are read at `offset`. */
  flashHolds(offset: number, bytes: Uint8Array): boolean;
  flashWrite(offset: number, bytes: Uint8Array): number;
  flashErase(offset: number): number;
  keyAddress(out: Uint8Array): void;
  keySign(digest: Uint8Array, out: Uint8Array): boolean;
  /** Of 25 MHz; wraps after 171 s. */
  ticks(): number;
  /**
   * Bytes of RAM by use, at their highest: 0 C stack, 1 data, 2 malloc, 3 arena, of which 4 chunks, 5 slots, 6 value
   * stack; 7 chunks and 8 slots in use now.
   */
  memory(use: number): number;
  /** Ends this run under a name and restarts the board. */
  fault(name: string): never;
}

export const board = natives as BoardNatives;
