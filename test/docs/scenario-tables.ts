/** The tables of simulators/README.md, printed from the scenarios' schema and the kinds of faults. */
import { type Field, FIELDS, RATE_FIELDS } from '../../simulators/scenarios/fields.ts';
import { FAULT_KINDS, type Hits, shapeOf } from '../../simulators/stage/faults/kinds.ts';
import { row } from './markers.ts';

function fieldRow({ field, mayBe, isRequired, means }: Field): string {
  return row(`\`${field}\``, isRequired ? 'yes' : '', mayBe, means);
}

function fields(): string {
  return [
    row('field', 'needed', 'what it may be', 'what it means (without it)'),
    '|---|---|---|---|',
    ...FIELDS.map(fieldRow),
    ...RATE_FIELDS.map((field) => fieldRow({ ...field, field: `faults.<kind>.${field.field}` })),
  ].join('\n');
}

const HITS: Readonly<Record<Hits, string>> = {
  links: 'links',
  device: 'one device',
  flash: 'one device with storage `journal`',
  run: 'hub, broker or chain',
  nodes: "one of the chain's nodes",
};

const seconds = (ms: number): string => {
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${ms / 1000} s`;
};

function faults(): string {
  return [
    row('kind', 'hits', 'rare', 'frequent', 'lasts', 'size', 'unit of the size'),
    '|---|---|---|---|---|---|---|',
    ...FAULT_KINDS.map((kind) => {
      const { hits, rates, forMs, size, unit } = shapeOf(kind);
      const lasts = forMs[1] === 0 ? 'at once' : `${seconds(forMs[0])} to ${seconds(forMs[1])}`;
      const drawn = unit === undefined ? '' : `${size[0]} to ${size[1]}`;
      return row(`\`${kind}\``, HITS[hits], rates[0], rates[1], lasts, drawn, unit ?? '');
    }),
  ].join('\n');
}

export const SCENARIO_TABLES = { fields, faults } as const;
