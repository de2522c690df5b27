/**
 * A payer asks for a lease when it meets the hub. A channel that was opened a moment ago is not known there yet, as the hub
 * reads L2 some blocks behind: the payer asks again, ever more rarely, instead of waiting for its next connection.
 */
import { ASK_PAUSE_MAX_MS, SYNC_RETRY_MS } from '../../../protocol/limits.ts';
import type { Notice } from '../../../protocol/machines/effects.ts';

/** Calls back once after so many milliseconds, unless the process has ended by then. */
const later = (delayMs: number, act: () => void): void => void setTimeout(act, delayMs).unref();

/** What has to be told of each notice; `renew` asks for a lease, and does nothing where nobody is met. */
export function leaseAgain(renew: () => void, schedule = later): (notice: Notice) => void {
  let pauseMs = SYNC_RETRY_MS;
  return (notice) => {
    if (notice.type === 'lease') pauseMs = SYNC_RETRY_MS;
    if (notice.type !== 'refused' || notice.by !== 'hub' || notice.code !== 'channel_unknown') return;
    schedule(pauseMs, renew);
    pauseMs = Math.min(2 * pauseMs, ASK_PAUSE_MAX_MS);
  };
}
