/** The report of a run as one HTML file: no script, no font, no picture from anywhere else; readable on a phone. */
import type { Simulation } from '../fleet/simulation.ts';
import type { Summary } from './summary.ts';
import { HOUR } from '../stage/world/world.ts';
import type { Sample } from './samples.ts';

const WIDTH = 640;
const HEIGHT = 180;
const LEFT = 64;
const BOTTOM = 24;

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]!);

/** Whole tokens with a thousands mark; units below one are not shown. */
const tokens = (units: number): string => grouped(Math.floor(units / 1_000_000));
const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ' ');

interface Line {
  readonly name: string;
  readonly color: string;
  value(sample: Sample): number;
}

/** A chart of some lines over virtual time. `show` writes the values of the axis. */
export function chart(
  title: string,
  samples: readonly Sample[],
  lines: readonly Line[],
  show: (value: number) => string,
): string {
  const last = samples.at(-1)?.atMs ?? 1;
  const top = Math.max(1, ...samples.flatMap((sample) => lines.map((line) => line.value(sample))));
  const x = (atMs: number): number => LEFT + Math.floor(((WIDTH - LEFT - 8) * atMs) / last);
  const y = (value: number): number =>
    HEIGHT - BOTTOM - Math.floor(((HEIGHT - BOTTOM - 12) * Math.max(0, value)) / top);
  const paths = lines.map((line) => {
    const points = samples.map((sample) => `${x(sample.atMs)},${y(line.value(sample))}`).join(' ');
    return `<polyline points="${points}" fill="none" stroke="${line.color}" stroke-width="2"/>`;
  });
  const hours = Math.floor(last / HOUR);
  const legend = lines
    .map(({ name, color }) => `<span><i style="background:${color}"></i>${escaped(name)}</span>`)
    .join(' ');
  return `<section><h2>${escaped(title)}</h2>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">
<line x1="${LEFT}" y1="${HEIGHT - BOTTOM}" x2="${WIDTH}" y2="${HEIGHT - BOTTOM}" stroke="#999"/>
<text x="${LEFT - 6}" y="18" text-anchor="end">${show(top)}</text>
<text x="${LEFT - 6}" y="${HEIGHT - BOTTOM}" text-anchor="end">0</text>
<text x="${LEFT}" y="${HEIGHT - 6}">0 h</text>
<text x="${WIDTH - 8}" y="${HEIGHT - 6}" text-anchor="end">${hours} h</text>
${paths.join('\n')}
</svg><p class="legend">${legend}</p></section>`;
}

export const STYLE = `body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:44rem;color:#1b1b1b}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.4rem 0 .3rem}
svg{width:100%;height:auto;background:#fafafa;border:1px solid #ddd}svg text{font-size:12px;fill:#555}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3rem .4rem;text-align:left;overflow-wrap:anywhere}
td+td{text-align:right}.legend span{margin-right:1rem}.legend i{display:inline-block;width:.8rem;height:.8rem;margin-right:.3rem}
.bad{color:#a40000;font-weight:600}.good{color:#1c6b2a;font-weight:600}
@media (prefers-color-scheme:dark){body{background:#161616;color:#e6e6e6}svg{background:#1f1f1f;border-color:#444}td,th{border-color:#444}}`;

export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(title)}</title><style>${STYLE}</style></head><body>
${body}
</body></html>
`;
}

const table = (rows: readonly (readonly [string, string])[]): string =>
  `<table>${rows.map(([name, value]) => `<tr><td>${escaped(name)}</td><td>${escaped(value)}</td></tr>`).join('')}</table>`;

export function htmlReport(simulation: Simulation, summary: Summary, samples: readonly Sample[]): string {
  const verdict = summary.ok
    ? '<p class="good">every promise held</p>'
    : simulation.violations
        .map(({ checker, words }) => `<p class="bad">${escaped(checker)}: ${escaped(words)}</p>`)
        .join('');
  const lost = Object.entries(summary.lost);
  const perLane = summary.lanesSettled === 0 ? 0 : Math.floor(summary.gas / summary.lanesSettled);
  const body = `<h1>Sundial: ${escaped(summary.scenario)}</h1>
<p>${escaped(simulation.options.scenario.about)}</p>${verdict}
${table([
  ['devices', grouped(summary.devices)],
  ['taps', grouped(summary.taps)],
  ['ticks', grouped(summary.ticks)],
  ['faults', grouped(summary.faults)],
  ['seed', String(summary.seed)],
  ['trace', summary.traceHash],
])}
${chart('Payments', samples, [{ name: 'taps and ticks', color: '#1f6feb', value: (s) => s.payments }], grouped)}
${chart(
  'Waiting',
  samples,
  [
    { name: 'entries in outboxes', color: '#b35900', value: (s) => s.outbox },
    { name: 'vouchers without an answer', color: '#8250df', value: (s) => s.unconfirmed },
  ],
  grouped,
)}
${chart('Money in flight, TIME', samples, [{ name: 'handed over, not settled', color: '#1c6b2a', value: (s) => s.inFlight }], tokens)}
${chart(
  'Offline exposure against bond, TIME',
  samples,
  [
    { name: 'delivered, not acknowledged', color: '#a40000', value: (s) => s.exposure },
    { name: 'bonds', color: '#888888', value: (s) => s.bond },
  ],
  tokens,
)}
<h2>Losses by culprit, TIME</h2>
${lost.length === 0 ? '<p>none</p>' : table(lost.map(([culprit, units]) => [culprit, tokens(units)]))}
<h2>Settlement</h2>
${table([
  ['delivered', tokens(summary.delivered)],
  ['settled, net of credits', tokens(summary.settled)],
  ['transactions', grouped(summary.batches)],
  ['lanes', grouped(summary.lanesSettled)],
  ['gas a lane (estimated)', grouped(perLane)],
])}`;
  return page(`Sundial: ${summary.scenario}`, body);
}
