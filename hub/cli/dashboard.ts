/**
 * A Grafana dashboard over the hub's own metrics: first whether it does its work, then what it does, then what it needs.
 * Grafana asks for the Prometheus that it reads when the file is imported.
 */

type Unit = 'short' | 's' | 'bool_on_off' | 'percentunit' | 'ops';
type Query = readonly [expr: string, legend: string];

interface Panel {
  readonly title: string;
  readonly kind: 'stat' | 'timeseries';
  readonly unit: Unit;
  readonly queries: readonly Query[];
}

const stat = (title: string, unit: Unit, expr: string): Panel => ({
  title,
  kind: 'stat',
  unit,
  queries: [[expr, title]],
});
const graph = (title: string, unit: Unit, ...queries: readonly Query[]): Panel => ({
  title,
  kind: 'timeseries',
  unit,
  queries,
});
const rate = (metric: string, by = ''): string => `sum${by && ` by (${by}) `}(rate(${metric}[5m]))`;

const ROWS: readonly (readonly Panel[])[] = [
  [
    stat('Ready', 'bool_on_off', 'sundial_hub_ready'),
    stat('Ledger writes', 'bool_on_off', 'sundial_hub_ledger_writing'),
    stat('Age of the newest L2 block', 's', 'sundial_hub_chain_age_seconds'),
    stat('Signing key ends in', 's', 'sundial_hub_key_seconds_left'),
    stat('Devices online', 'short', 'sundial_hub_devices_online'),
    stat('Frauds proved', 'short', 'sum(sundial_hub_equivocations_total)'),
  ],
  [
    graph(
      'Taken and acknowledged a second',
      'ops',
      [rate('sundial_hub_accepted_total', 'kind'), '{{kind}}'],
      [rate('sundial_hub_acknowledged_total'), 'acknowledged'],
      [rate('sundial_hub_repeated_total'), 'came again'],
    ),
    graph('Refused a second, by code', 'ops', [rate('sundial_hub_refusals_total', 'code'), '{{code}}']),
  ],
  [
    graph(
      'From taking to the disk',
      's',
      ['histogram_quantile(0.5, sum by (le) (rate(sundial_hub_persist_seconds_bucket[5m])))', 'half'],
      ['histogram_quantile(0.99, sum by (le) (rate(sundial_hub_persist_seconds_bucket[5m])))', '99 of 100'],
    ),
    graph(
      'Settled on L2',
      'ops',
      [rate('sundial_hub_settled_lanes_total'), 'lanes a second'],
      [rate('sundial_hub_batches_total', 'outcome'), 'batches: {{outcome}}'],
    ),
  ],
  [
    graph('Messages a second, by kind', 'ops', [rate('sundial_hub_messages_total', 'type'), '{{type}}']),
    graph(
      'Lent a second',
      'ops',
      [rate('sundial_hub_leases_total'), 'leases'],
      [rate('sundial_hub_clearances_total'), 'clearances'],
    ),
  ],
  [
    graph('Records in the ledger', 'short', ['sundial_hub_ledger_records', 'records']),
    graph('Index behind the ledger', 'percentunit', [
      'sundial_hub_index_entries / sundial_hub_index_entries_max',
      'of what fits in memory',
    ]),
    graph('L2 height', 'short', ['sundial_hub_chain_height', 'newest block']),
  ],
  [
    graph(
      'Registry on L2',
      'short',
      ['sundial_hub_registry_waiting', 'still to be told'],
      [
        'sum by (act, outcome) (increase(sundial_hub_registry_acts_total[1h]))',
        '{{act}} {{outcome}}, last hour',
      ],
    ),
    graph('Since the log was anchored', 's', ['sundial_hub_anchor_age_seconds', 'on L2']),
  ],
];

const COLUMNS = 24;
const HEIGHT = { stat: 4, timeseries: 8 } as const;
/** The name under which Grafana fills in the Prometheus that was chosen. */
const INPUT = 'DS_PROMETHEUS';
const SOURCE = { type: 'prometheus', uid: `$\{${INPUT}}` };

/** Text of the file that `sundial init` writes. */
export function dashboard(): string {
  let y = 0;
  let id = 0;
  const panels = ROWS.flatMap((row) => {
    const w = COLUMNS / row.length;
    const h = HEIGHT[row[0]!.kind];
    const placed = row.map(({ title, kind, unit, queries }, column) => {
      id += 1;
      return {
        id,
        title,
        type: kind,
        datasource: SOURCE,
        gridPos: { x: column * w, y, w, h },
        fieldConfig: { defaults: { unit }, overrides: [] },
        targets: queries.map(([expr, legendFormat], i) => ({
          refId: String.fromCharCode(65 + i),
          datasource: SOURCE,
          expr,
          legendFormat,
        })),
      };
    });
    y += h;
    return placed;
  });
  const board = {
    __inputs: [{ name: INPUT, label: 'Prometheus', type: 'datasource', pluginId: 'prometheus' }],
    uid: 'sundial-hub',
    title: 'Sundial hub',
    tags: ['sundial'],
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    panels,
  };
  return `${JSON.stringify(board, undefined, 2)}\n`;
}
