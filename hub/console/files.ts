/** The console's files, as the server hands them out, and the policy that keeps anything else from running there. */

/** No file yet. */
export function consoleFiles() {
  return {
    files: new Map<string, { type: string; bytes: Buffer | string }>(),
    contentPolicy: "default-src 'none'",
  };
}
