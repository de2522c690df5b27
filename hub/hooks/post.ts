/** One attempt to tell a receiver something: bounded in time, follows nothing, and believes no more than a status. */
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { causeText, isError } from '../errors.ts';
import { hookTimeoutMs } from '../limits.ts';
import { type AddressRules, checkHookUrl, guardedLookup } from './address.ts';

/** What became of it. */
export type Posted =
  | { readonly ok: true; readonly status: number }
  | {
      readonly ok: false;
      /** Why, by name first. */
      readonly trouble: string;
      /** The receiver said that it wants no more (410). */
      readonly gone: boolean;
    };

/** Sends a body. Never rejects. `timeoutMs`: for all of it, from the lookup to the status. */
export function post(
  text: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  rules: AddressRules,
  timeoutMs = hookTimeoutMs,
): Promise<Posted> {
  return new Promise((resolve) => {
    const no = (trouble: string, gone = false): void => resolve({ ok: false, trouble, gone });
    let url: URL;
    try {
      url = checkHookUrl(text, rules);
    } catch (error) {
      return no(causeText(error));
    }
    const send = url.protocol === 'https:' ? secureRequest : plainRequest;
    const request = send(
      url,
      {
        method: 'POST',
        // A connection of its own: nothing of an earlier answer can be taken for this one's.
        agent: false,
        lookup: guardedLookup(url, rules),
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'sundial-webhooks/1',
        },
      },
      (response) => {
        const { statusCode: status = 0 } = response;
        clearTimeout(timer);
        // The status is all that counts: what else it says is not waited for.
        response.destroy();
        if (status >= 200 && status < 300) return resolve({ ok: true, status });
        const what = status >= 300 && status < 400 ? 'points elsewhere, which is not followed' : 'said no';
        return no(`hook_refused: the receiver ${what} (${status})`, status === 410);
      },
    );
    const timer = setTimeout(() => {
      no(`hook_silent: the receiver gave no answer within ${timeoutMs / 1000} s`);
      request.destroy();
    }, timeoutMs);
    request.on('error', (error) => {
      clearTimeout(timer);
      no(isError(error, 'hook_address') ? error.message : `hook_away: ${causeText(error)}`);
    });
    request.end(body);
  });
}
