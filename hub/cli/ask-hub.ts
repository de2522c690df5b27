/** Asking a running hub over HTTP, with the token of its operator where something is changed. */
import { existsSync, readFileSync } from 'node:fs';
import { SundialError } from '../../protocol/errors.ts';

/** Where a hub is, and who asks. */
export interface HubAddress {
  readonly url: string | undefined;
  /** File that holds a token: `operator.token` in the hub's folder. */
  readonly tokenFile?: string | undefined;
}

/** How long an answer may take, milliseconds: a settlement waits a minute for its blocks. */
const PATIENCE_MS = 120_000;

/**
 * Asks a page or a route. Throws `hub_away`, `second_person` where two have to agree, and what the hub refuses by its own code.
 * @param body sent as JSON; a GET has none
 */
export async function askHub(
  { url, tokenFile }: HubAddress,
  path: string,
  method: 'GET' | 'POST' | 'DELETE' = 'GET',
  body?: object,
): Promise<unknown> {
  const away = (cause?: unknown): SundialError =>
    new SundialError('hub_away', `the hub at ${url ?? 'this site'} does not answer`, {
      severity: 'call',
      remedy:
        'Start it (`sundial hub`; `npm start` keeps one running for trying out), or correct its address.',
      cause,
    });
  if (url === undefined) throw away();
  const headers: Record<string, string> = {};
  if (tokenFile !== undefined && existsSync(tokenFile))
    headers.authorization = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
  if (method === 'POST') headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(new URL(path, url), {
      method,
      headers,
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(method === 'POST' && { body: JSON.stringify(body ?? {}) }),
    });
  } catch (cause) {
    throw away(cause);
  }
  if (response.headers.get('content-type') === 'application/pdf')
    return new Uint8Array(await response.arrayBuffer());
  const text = await response.text();
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    if (response.ok) return text;
    throw away(cause);
  }
  if (response.status === 202) {
    const { id, words } = (answer as { approval: { id: string; words: string } }).approval;
    throw new SundialError('second_person', `"${words}" waits for a second operator (${id})`, {
      severity: 'call',
      remedy: 'Have another operator approve it within a day: Approvals in the console.',
    });
  }
  if (response.ok) return answer;
  const { code = 'hub', title = response.statusText, remedy } = answer as Record<string, string>;
  throw new SundialError(code, title, { severity: 'call', remedy: remedy ?? 'See the log of the hub.' });
}
