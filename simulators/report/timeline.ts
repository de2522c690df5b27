/** What went wrong in a run, and when: a row for each kind of fault, and each device with how it fared. */
import type { Simulation } from '../fleet/simulation.ts';
import type { Fault } from '../stage/faults/schedule.ts';
import { HOUR } from '../stage/world/world.ts';

/** Rows of the drawing, and marks in one of them: beyond that a row is a bar anyway. */
const KINDS_MAX = 16;
const MARKS_MAX = 300;
/** Devices that are listed: those with something wrong first. */
const DEVICES_MAX = 120;

const WIDTH = 360;
const LEFT = 118;
const ROW = 20;

/** The faults that happened, by kind, the most frequent first. */
export function faultsByKind({ faults, options, activeUntilMs }: Simulation): [string, Fault[]][] {
  const { keepFaults } = options;
  const kinds = new Map<string, Fault[]>();
  for (const fault of faults) {
    if (fault.atMs >= activeUntilMs || (keepFaults !== undefined && !keepFaults.has(fault.id))) continue;
    kinds.set(fault.kind, [...(kinds.get(fault.kind) ?? []), fault]);
  }
  return [...kinds].sort(([, a], [, b]) => b.length - a.length);
}

/** Faults on the run's time line: a mark where one began, as long as it lasted. Empty when there was none. */
export function faultLine(simulation: Simulation): string {
  const kinds = faultsByKind(simulation).slice(0, KINDS_MAX);
  if (kinds.length === 0) return '<p>none</p>';
  const x = (atMs: number): number => LEFT + ((WIDTH - LEFT - 4) * atMs) / simulation.endMs;
  const height = kinds.length * ROW + 24;
  const rows = kinds.map(([kind, faults], row) => {
    const marks = faults.slice(0, MARKS_MAX).map(({ atMs, forMs }) => {
      const width = Math.max(1.5, x(Math.min(atMs + forMs, simulation.endMs)) - x(atMs));
      return `<rect x="${x(atMs).toFixed(1)}" y="${row * ROW + 4}" width="${width.toFixed(1)}" height="${ROW - 8}"/>`;
    });
    return `<text x="${LEFT - 6}" y="${row * ROW + 15}" text-anchor="end">${kind} ${faults.length}</text>${marks.join('')}`;
  });
  const end = kinds.length * ROW;
  return `<svg class="faults" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Faults on the time line">
<line x1="${LEFT}" y1="${end}" x2="${WIDTH}" y2="${end}"/>
${rows.join('\n')}
<text x="${LEFT}" y="${height - 6}">0 h</text>
<text x="${WIDTH - 4}" y="${height - 6}" text-anchor="end">${Math.floor(simulation.endMs / HOUR)} h</text>
</svg>`;
}

export const DEVICE_HEAD = [
  'device',
  'approved',
  'refused',
  'waits for the hub',
  'no answer yet',
  'faults',
  'state',
];

/** A row for each device, those with something wrong first; how many are left out. */
export function deviceRows(simulation: Simulation): { readonly rows: string[][]; readonly left: number } {
  const { fleet } = simulation;
  const hits = new Map<number, number>();
  for (const [, faults] of faultsByKind(simulation))
    for (const { device, links } of faults)
      if (links === undefined) hits.set(device, (hits.get(device) ?? 0) + 1);
  const rows = [...fleet.terminals, ...fleet.payers].map((actor) => {
    const { device } = actor;
    const refused =
      actor.kind === 'terminal' ? [...actor.sales.refused.values()].reduce((a, b) => a + b, 0) : 0;
    const waits = device.storedBooks.outbox.length;
    const open = actor.kind === 'payer' ? actor.device.storedBooks.unconfirmed.length : 0;
    const state = device.frozen ? 'frozen' : device.isOn ? 'on' : 'off';
    const wrong = (device.frozen ? 1e9 : 0) + waits * 1e4 + open * 1e3 + refused;
    return {
      wrong,
      cells: [
        device.name,
        actor.kind === 'terminal' ? `${actor.sales.approved} of ${actor.sales.asked}` : '',
        actor.kind === 'terminal' ? String(refused) : '',
        String(waits),
        actor.kind === 'payer' ? String(open) : '',
        String(hits.get(device.index) ?? 0),
        state,
      ],
    };
  });
  rows.sort((a, b) => b.wrong - a.wrong);
  return {
    rows: rows.slice(0, DEVICES_MAX).map(({ cells }) => cells),
    left: Math.max(0, rows.length - DEVICES_MAX),
  };
}
