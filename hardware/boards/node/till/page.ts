/** The till's page: its files, as the server hands them out, and the policy that keeps anything else from running there. */

/** What a page is made of. */
export interface Page {
  readonly files: ReadonlyMap<string, { readonly type: string; readonly bytes: Buffer | string }>;
  readonly contentPolicy: string;
}

/** Scripts and styles of this server only, no inline ones, nobody's frame, no form that leaves. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Read once at the start. */
export function tillPage(): Page {
  return { files: new Map(), contentPolicy: POLICY };
}
