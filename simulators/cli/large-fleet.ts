/** How a process runs that simulates a large fleet: for `sundial sim` and for its bench. */

/** A fleet makes much that dies young: with room for it, less is copied. */
const YOUNG_MB = 256;

/** Node's flags for a heap of `heapMb`, and the environment. */
export function largeFleet(heapMb: number): { readonly flags: string[]; readonly env: NodeJS.ProcessEnv } {
  return {
    flags: [
      `--max-old-space-size=${heapMb}`,
      `--max-semi-space-size=${YOUNG_MB}`,
      // Threads that collect the young heap together wait for one another: on two busy cores that costs more than it saves.
      '--no-parallel-scavenge',
    ],
    // Byte arrays lie outside V8's heap: without the C library's quick lists of freed ones there is less to sweep.
    env: { ...process.env, GLIBC_TUNABLES: 'glibc.malloc.mxfast=0' },
  };
}
