/** What the C of this board offers beyond the natives of every board. */
import { type Natives, natives } from '../../native/natives.ts';

/** Ports of uartRead and uartWrite. */
export const port = { console: 0, tap: 1, uplink: 2 } as const;

/** Results of the flash natives, as in board.h. */
export const flashResult = ['ok', 'flash_range', 'flash_bit_set', 'flash_worn'] as const;

export interface BoardNatives extends Natives {
  /** Fills `out` from the port's ring; returns how many bytes there were. */
  uartRead(port: number, out: Uint8Array): number;
  /** Returns how many bytes the far end took. */
  uartWrite(port: number, bytes: Uint8Array): number;
  /** Bytes dropped since the start because nobody read them in time. */
  uartLost(port: number): number;
  /** Who is at the far end of the port: changes when it restarts; 0 when nobody is. */
  uartPeer(port: number): number;
  /** Fills `out` with what the factory wrote for this device; returns its bytes, 0 when there is none. */
  settings(out: Uint8Array): number;
  /** Unix seconds of a clock that ran while the power was off; 0 when there is none. */
  rtc(): number;
  flashRead(offset: number, out: Uint8Array): number;
  /** Whether `bytes` are read at `offset`. */
  flashHolds(offset: number, bytes: Uint8Array): boolean;
  flashWrite(offset: number, bytes: Uint8Array): number;
  flashErase(offset: number): number;
  keyAddress(out: Uint8Array): void;
  keySign(digest: Uint8Array, out: Uint8Array): boolean;
  /** 25 MHz since power-up. */
  ticks(): number;
  /** Bytes of RAM by use: 0 C stack, 1 data, 2 malloc, 3 arena, of which 4 chunks, 5 slots, 6 value stack. */
  memory(use: number): number;
  /** Ends this run under a name and restarts the board. */
  fault(name: string): never;
}

export const board = natives as BoardNatives;
