/** The hub's figures for Prometheus. One registry a hub, so that two hubs in one process don't mix. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** A figure that is counted up; labels take values from closed sets only (codes, kinds), never device names. */
export interface Counted {
  /** Counts one more. */
  inc(labels?: Readonly<Record<string, string>>): void;
}

/** A figure that goes up and down. */
export interface Level {
  /** The figure as it is now. */
  set(value: number): void;
}

const COUNTED = [
  'messages',
  'refusals',
  'accepted',
  'acknowledged',
  'repeated',
  'equivocations',
  'leases',
  'clearances',
  'batches',
  'settledLanes',
  'carried',
] as const;
const LEVELS = [
  'ledgerSize',
  'indexed',
  'indexedMax',
  'ledgerWriting',
  'devicesOnline',
  'chainHeight',
  'chainAge',
  'keySecondsLeft',
  'registryWaiting',
  'anchorAge',
  'ready',
] as const;

/** What a hub counts. */
export type HubMetrics = Readonly<Record<(typeof COUNTED)[number], Counted>> &
  Readonly<Record<(typeof LEVELS)[number], Level>> & {
    /** Time from taking an entry to its fsync; the answer ends it. */
    readonly persistSeconds: { startTimer(): () => unknown };
  };

const nothing = (): void => undefined;
/** Counts nothing: for a hub that nobody asks. */
export const NO_METRICS: HubMetrics = {
  ...(Object.fromEntries(COUNTED.map((name) => [name, { inc: nothing }])) as Record<
    (typeof COUNTED)[number],
    Counted
  >),
  ...(Object.fromEntries(LEVELS.map((name) => [name, { set: nothing }])) as unknown as Record<
    (typeof LEVELS)[number],
    Level
  >),
  persistSeconds: { startTimer: () => nothing },
};

/** Counters and gauges of one hub for Prometheus, and their registry. */
export function createMetrics(): HubMetrics & { readonly registry: Registry } {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: readonly string[] = []): Counted =>
    new Counter({ name, help, labelNames, registers }) as Counted;
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  return {
    registry,
    messages: counter('sundial_hub_messages_total', 'Messages received from devices', ['type']),
    refusals: counter('sundial_hub_refusals_total', 'Messages and entries refused, by code', ['code']),
    accepted: counter('sundial_hub_accepted_total', 'Entries verified and handed to the ledger', ['kind']),
    acknowledged: counter('sundial_hub_acknowledged_total', 'Acknowledgements sent, repeats included'),
    repeated: counter('sundial_hub_repeated_total', 'Entries received again'),
    equivocations: counter('sundial_hub_equivocations_total', 'Pairs of messages that prove fraud', [
      'proof',
    ]),
    leases: counter('sundial_hub_leases_total', 'Leases signed'),
    clearances: counter('sundial_hub_clearances_total', 'Requests above the offline limits cleared'),
    ledgerSize: gauge('sundial_hub_ledger_records', 'Durable records in the ledger'),
    indexed: gauge(
      'sundial_hub_index_entries',
      'Vouchers, ticks and credits in memory: the index does not have them yet',
    ),
    indexedMax: gauge('sundial_hub_index_entries_max', 'Beyond how many of them new ones are refused'),
    ledgerWriting: gauge(
      'sundial_hub_ledger_writing',
      '1 while the ledger takes records, 0 while the disk fails',
    ),
    devicesOnline: gauge('sundial_hub_devices_online', 'Devices connected to the broker'),
    chainHeight: gauge('sundial_hub_chain_height', 'Newest L2 block seen; NaN before the first'),
    chainAge: gauge(
      'sundial_hub_chain_age_seconds',
      'Age of the newest L2 block by the hub clock; +Inf before the first',
    ),
    ready: gauge('sundial_hub_ready', '1 while the hub is ready for devices: disk, broker and L2 are well'),
    keySecondsLeft: gauge(
      'sundial_hub_key_seconds_left',
      'Seconds until no certified key is left to sign with; below 0 there is none',
    ),
    batches: counter('sundial_hub_batches_total', 'Batches by outcome', ['outcome']),
    carried: counter('sundial_hub_registry_acts_total', 'What the registry on L2 was told by this hub', [
      'act',
      'outcome',
    ]),
    registryWaiting: gauge(
      'sundial_hub_registry_waiting',
      'What the registry on L2 still lacks: words of the root, payees, an anchor',
    ),
    anchorAge: gauge(
      'sundial_hub_anchor_age_seconds',
      'Time since the log was anchored on L2; NaN where the hub does not anchor it',
    ),
    settledLanes: counter('sundial_hub_settled_lanes_total', 'Lanes settled on L2 by this hub'),
    persistSeconds: new Histogram({
      name: 'sundial_hub_persist_seconds',
      help: 'Time from taking an entry to its fsync',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
      registers,
    }),
  };
}
