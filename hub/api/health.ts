/** Is the hub ready for devices, and if not, why. Asked afresh each time: what it says is never older than the question. */
import type { Parts } from './parts.ts';

/** `reasons` is empty when it is ready. */
export interface Health {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** Ready: the disk takes records, the broker is there, and the last look at L2 ended well and is not long ago. */
export function healthOf({ journal, ingest, rounds, watch, intake }: Parts): Health {
  const { phase } = journal.ledger;
  const chain =
    rounds.watchTrouble ?? (watch.newest === undefined ? 'l2_unseen: not looked at yet' : undefined);
  const reasons = [
    ...(phase === 'writing' ? [] : [`ledger: ${phase}`]),
    ...(ingest.connected ? [] : [`broker: ${ingest.trouble ?? 'not connected'}`]),
    ...(ingest.defect === undefined ? [] : [`broker: ${ingest.defect}`]),
    ...(chain === undefined ? [] : [`chain: ${chain}`]),
    ...(chain === undefined && intake.state.doubted ? ['chain: what it shows is doubted'] : []),
  ];
  return { ready: reasons.length === 0, reasons };
}
