/** What went wrong, as one word to compare: shared by the suites, on Node and on XS. */

/** `done`: nothing went wrong. Otherwise the error's code, or its words when it has none. */
export const DONE = 'done';

function said(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return code ?? message ?? String(error);
}

/** Code of the error that `work` throws, or `done`. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return said(error);
  }
  return DONE;
}

/** The same of work that goes on after it was begun. */
export async function codeOfLater(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return said(error);
  }
  return DONE;
}
