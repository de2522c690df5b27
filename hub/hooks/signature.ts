/**
 * How a receiver knows that it was this hub: Standard Webhooks, an HMAC-SHA256 over `id.timestamp.body` with a secret that
 * both have. While a secret is being replaced, both sign.
 */
import { createHmac, randomBytes } from 'node:crypto';

/** Bytes of a secret. */
const SECRET_BYTES = 32;
const PREFIX = 'whsec_';

/** A fresh secret as it is shown, once. */
export const freshSecret = (): string => `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`;

/** The headers of one attempt, made at `at` (seconds). `secrets`: the present one first. */
export function signedHeaders(
  secrets: readonly string[],
  id: string,
  at: number,
  body: string,
): Record<string, string> {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': signatures.join(' '),
  };
}
