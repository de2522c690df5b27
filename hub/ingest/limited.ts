/**
 * What one device may say to the hub, whichever way it comes: so many bytes a second, and so many messages at once. What is
 * beyond is dropped by name, unread and unanswered: an answer would cost more than what it answers. A device that lost
 * something to it sends again, as after any other loss; the others don't notice.
 */
import {
  deviceInFlightMax,
  deviceRate,
  ratedNamesMax,
  ratedLineEveryMs,
  spokenOverheadBytes,
} from '../limits.ts';
import type { Logger } from '../log.ts';
import type { HubMetrics } from '../metrics.ts';
import type { IngestEvents } from '../ports.ts';
import { Rates } from './rates.ts';

/** Where refusals are counted and told, and a clock that never goes back, milliseconds. */
export interface LimitedHost {
  readonly metrics: Pick<HubMetrics, 'refusals'>;
  readonly log: Logger;
  nowMs(): number;
}

/** The same events, of each device as many as it may cause. */
export function limited(events: IngestEvents, { metrics, log, nowMs }: LimitedHost): IngestEvents {
  const rates = new Rates(deviceRate, ratedNamesMax);
  const underWay = new Map<string, number>();
  let toldAt = -Infinity;
  const refuse = (code: 'device_rate' | 'device_busy', device: string): void => {
    metrics.refusals.inc({ code });
    // One line for all: whoever floods the hub does not flood its log.
    if (nowMs() - toldAt < ratedLineEveryMs) return;
    toldAt = nowMs();
    log.warn({ code, device }, 'a device says more than it may; what is beyond is dropped');
  };
  return {
    ...events,
    async message(device, bytes) {
      if (!rates.take(device, bytes.length + spokenOverheadBytes, nowMs()))
        return refuse('device_rate', device);
      const count = underWay.get(device) ?? 0;
      if (count >= deviceInFlightMax) return refuse('device_busy', device);
      underWay.set(device, count + 1);
      try {
        await events.message(device, bytes);
      } finally {
        const left = underWay.get(device)! - 1;
        if (left === 0) underWay.delete(device);
        else underWay.set(device, left);
      }
    },
    presence(device, online) {
      if (rates.take(device, spokenOverheadBytes, nowMs())) events.presence(device, online);
      else refuse('device_rate', device);
    },
  };
}
