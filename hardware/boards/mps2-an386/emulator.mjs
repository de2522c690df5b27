// How QEMU is started for this board: what every caller must say the same way.
export const emulator = {
  program: 'qemu-system-arm',
  apt: 'qemu-system-arm',
  /** Bytes of the file behind the board's flash: the machine wants exactly this much. */
  memoryBytes: 16 * 1024 * 1024,
  /** The part of nor.h, 65 blocks of 4 KiB, and the block of the board's key behind it. */
  flashBytes: 66 * 4096,
  /** The control page of board.h, at the end of the file. */
  controlOffset: 16 * 1024 * 1024 - 4096,
  /** @param {string} memory the file behind the board's flash */
  machine: (memory) => [
    '-machine',
    'mps2-an386,memory-backend=nv',
    '-object',
    `memory-backend-file,id=nv,size=16M,mem-path=${memory},share=on`,
    '-display',
    'none',
    '-monitor',
    'none',
  ],
};
