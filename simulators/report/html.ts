/** The report of a run as one HTML file: no script, no font, no picture from anywhere else; readable on a phone. */
import type { Simulation } from '../fleet/simulation.ts';
import type { Summary } from './summary.ts';
import { HOUR } from '../stage/world/world.ts';
import type { Sample } from './samples.ts';
import { SERVICE_LOW } from './service.ts';
import { DEVICE_HEAD, deviceRows, faultLine } from './timeline.ts';
import { grouped, percent } from './verdict.ts';

// Of a phone: a unit of the drawing is a pixel there, and more elsewhere.
const WIDTH = 360;
const HEIGHT = 170;
const LEFT = 70;
const BOTTOM = 26;

const escaped = (text: string): string =>
  text
    .replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]!)
    // A number and its unit stay on one line.
    .replace(/ %/g, '&nbsp;%');

/** Whole tokens with a thousands mark; below one it is said that there is something. */
const tokens = (units: number): string =>
  units > 0 && units < 1_000_000 ? 'less than 1' : grouped(Math.floor(units / 1_000_000));

/** In 1,000, over all samples. */
const mean = (samples: readonly Sample[], of: (sample: Sample) => number): number =>
  samples.length === 0 ? 0 : Math.floor(samples.reduce((sum, one) => sum + of(one), 0) / samples.length);

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
    return `<polyline points="${points}" fill="none" style="stroke:${line.color}" stroke-width="2"/>`;
  });
  const hours = Math.floor(last / HOUR);
  const legend = lines
    .map(({ name, color }) => `<span><i style="background:${color}"></i>${escaped(name)}</span>`)
    .join(' ');
  return `<section><h2>${escaped(title)}</h2>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">
<line x1="${LEFT}" y1="${HEIGHT - BOTTOM}" x2="${WIDTH}" y2="${HEIGHT - BOTTOM}"/>
<text x="${LEFT - 6}" y="18" text-anchor="end">${show(top)}</text>
<text x="${LEFT - 6}" y="${HEIGHT - BOTTOM}" text-anchor="end">0</text>
<text x="${LEFT}" y="${HEIGHT - 6}">0 h</text>
<text x="${WIDTH - 8}" y="${HEIGHT - 6}" text-anchor="end">${hours} h</text>
${paths.join('\n')}
</svg><p class="legend">${legend}</p></section>`;
}

export const STYLE = `:root{--ink:#1b1b1b;--paper:#fff;--line:#ddd;--soft:#fafafa;--quiet:#5c5c5c;--good:#1c6b2a;--bad:#a40000;--warn:#8a5200;--one:#1f6feb;--two:#8250df;--grey:#6a6a6a}
body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:60rem;color:var(--ink);background:var(--paper)}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.4rem 0 .3rem}
svg{width:100%;height:auto;background:var(--soft);border:1px solid var(--line)}svg text{font-size:13px;fill:var(--ink)}svg line{stroke:var(--quiet)}.faults{max-width:32rem}.faults rect{fill:var(--bad)}.faults text{font-size:12px}
body.red{border-top:.6rem solid var(--bad)}.command{font:14px/1.4 ui-monospace,monospace;overflow-wrap:anywhere;background:var(--soft);border:1px solid var(--line);padding:.5rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.3rem .4rem;text-align:left;overflow-wrap:anywhere}
td+td,th+th{text-align:right}.legend{margin:.2rem 0}.legend span{margin-right:1rem}.legend i{display:inline-block;width:.8rem;height:.8rem;margin-right:.3rem}
.verdict{border:1px solid;border-left-width:.5rem;padding:.6rem .8rem;margin:.8rem 0;font-weight:600;overflow-wrap:anywhere}
.verdict p{margin:.3rem 0 0;font-weight:400}.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;margin:.8rem 0}
.figures div{border:1px solid var(--line);background:var(--soft);padding:.5rem .7rem}.figures b{display:block;font-size:1.5rem;line-height:1.2}
.figures span{color:var(--quiet);font-size:.85rem}
@media (min-width:50rem){.charts{display:grid;grid-template-columns:1fr 1fr;gap:0 1.2rem}}
@media (max-width:40rem){.cards tr:first-child{display:none}.cards tr{display:block;border:1px solid var(--line);margin:.5rem 0;padding:.2rem .5rem}
.cards td{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.15rem 0}.cards td:first-child{font-weight:600}
.cards td:not(:first-child)::before{content:attr(data-name);color:var(--quiet)}.cards td:empty{display:none}}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#161616;--line:#444;--soft:#1f1f1f;--quiet:#a8a8a8;--good:#6fcf83;--bad:#ff8a80;--warn:#f0b45a;--one:#79b8ff;--two:#c9a7ff;--grey:#a8a8a8}}`;

/** A page. `red`: money was lost, or a promise was broken. */
export function page(title: string, body: string, red = false): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(title)}</title><style>${STYLE}</style></head><body${red ? ' class="red"' : ''}>
${body}
</body></html>
`;
}

const table = (rows: readonly (readonly string[])[]): string =>
  `<table>${rows.map((cells) => `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`).join('')}</table>`;

/** A table with a head, whose rows become cards on a phone: nothing of a row is out of sight. */
function cards(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map((cells) =>
    cells.map((cell, i) => `<td data-name="${escaped(head[i]!)}">${escaped(cell)}</td>`).join(''),
  );
  return `<table class="cards"><tr>${head.map((name) => `<th>${escaped(name)}</th>`).join('')}</tr>${body.map((cells) => `<tr>${cells}</tr>`).join('')}</table>`;
}

const GROUP_HEAD = ['group', 'devices', 'approved', 'service rate', 'refused', 'frozen'];

const figure = (value: string, words: string, kind = ''): string =>
  `<div><b class="${kind}">${escaped(value)}</b><span>${escaped(words)}</span></div>`;

/** What nobody may overlook: the service rate and what is wrong with it, every promise broken, every expectation missed. */
function verdict(simulation: Simulation, { headline, warnings, expected, lost }: Summary): string {
  const { violations } = simulation;
  const losses = Object.entries(lost);
  const lines = [
    ...violations.map(({ checker, words }) => `broken promise, ${checker}: ${words}`),
    ...losses.map(([culprit, units]) => `money was lost: ${tokens(units)} TIME, by ${culprit}`),
    ...(expected?.missed ?? []).map((words) => `expectation missed: ${words}`),
    ...warnings,
  ];
  const kind = headline.startsWith('OK') ? 'good' : headline.startsWith('WARNING') ? 'warn' : 'bad';
  // Within what was promised or not, and whoever pays for it: it is the first thing to read.
  const head = losses.length > 0 ? headline.replace(/^(OK|WARNING)/, 'MONEY LOST') : headline;
  return `<div class="verdict ${losses.length > 0 ? 'bad' : kind}">${escaped(head)}${lines.map((words) => `<p>${escaped(words)}</p>`).join('')}</div>`;
}

const rateOf = (rate: number | null): string => (rate === null ? 'none asked' : percent(rate));

/** How customers fared: in figures, by reason, and by group. */
function service(
  { sales, serviceRate, refusals, frozen, groups }: Summary,
  samples: readonly Sample[],
): string {
  const isLow = serviceRate !== null && serviceRate < SERVICE_LOW;
  const failed: [string, number][] = [
    ...Object.entries(refusals).map(([code, count]): [string, number] => [`refused: ${code}`, count]),
    ['customers who walked off', sales.walkedAway],
    ['terminal without power', sales.powerOff],
    ['no answer in time', sales.unanswered],
  ];
  const reasons = failed.filter(([, count]) => count > 0).map(([words, count]) => [words, grouped(count)]);
  const byGroup = (groups ?? []).map((group) => [
    group.name,
    String(group.devices),
    `${grouped(group.sales.approved)} of ${grouped(group.sales.asked)}`,
    rateOf(group.serviceRate),
    Object.entries(group.refusals)
      .map(([code, count]) => `${code}: ${grouped(count)}`)
      .join(', '),
    group.frozen.join(', '),
  ]);
  return `<div class="figures">
${figure(rateOf(serviceRate), 'service rate', isLow ? 'warn' : 'good')}
${figure(grouped(sales.asked), 'sales asked')}
${figure(grouped(sales.approved), 'sales approved')}
${figure(grouped(sales.refused), 'sales refused', sales.refused > 0 ? 'warn' : '')}
${figure(grouped(frozen.length), 'devices frozen', frozen.length > 0 ? 'bad' : '')}
${figure(percent(mean(samples, (s) => s.devicesUp)), 'devices up')}
${figure(percent(mean(samples, (s) => s.hubUp)), 'hub up')}
</div>
<h2>Sales that were not approved</h2>
${reasons.length === 0 ? '<p>none</p>' : table(reasons)}
<h2>Frozen devices</h2>
<p class="${frozen.length > 0 ? 'bad' : ''}">${frozen.length === 0 ? 'none' : escaped(frozen.join(', '))}</p>
${byGroup.length === 0 ? '' : `<h2>Groups</h2>${cards(GROUP_HEAD, byGroup)}`}`;
}

function charts(samples: readonly Sample[]): string {
  return `<div class="charts">${[
    chart(
      'Sales',
      samples,
      [
        { name: 'asked', color: 'var(--grey)', value: (s) => s.asked },
        { name: 'approved', color: 'var(--good)', value: (s) => s.approved },
      ],
      grouped,
    ),
    chart(
      'Up, of 100',
      samples,
      [
        { name: 'devices', color: 'var(--one)', value: (s) => s.devicesUp / 10 },
        { name: 'hub', color: 'var(--two)', value: (s) => s.hubUp / 10 },
      ],
      (value) => String(Math.floor(value)),
    ),
    chart(
      'Payments',
      samples,
      [{ name: 'taps and ticks', color: 'var(--one)', value: (s) => s.payments }],
      grouped,
    ),
    chart(
      'Waiting',
      samples,
      [
        { name: 'entries in outboxes', color: 'var(--warn)', value: (s) => s.outbox },
        { name: 'vouchers without an answer', color: 'var(--two)', value: (s) => s.unconfirmed },
      ],
      grouped,
    ),
    chart(
      'Money in flight, TIME',
      samples,
      [{ name: 'handed over, not settled', color: 'var(--good)', value: (s) => s.inFlight }],
      tokens,
    ),
    chart(
      'Offline exposure against bond, TIME',
      samples,
      [
        { name: 'delivered, not acknowledged', color: 'var(--bad)', value: (s) => s.exposure },
        { name: 'bonds', color: 'var(--grey)', value: (s) => s.bond },
      ],
      tokens,
    ),
  ].join('\n')}</div>`;
}

/** The whole page of one run; `command` shows it again. */
export function htmlReport(
  simulation: Simulation,
  summary: Summary,
  samples: readonly Sample[],
  command: string,
): string {
  const { scenario } = simulation.options;
  const lost = Object.entries(summary.lost);
  const devices = deviceRows(simulation);
  const perLane = summary.lanesSettled === 0 ? 0 : Math.floor(summary.gas / summary.lanesSettled);
  const body = `<h1>Sundial: ${escaped(summary.scenario)}</h1>
<p>${escaped(scenario.about)}</p>${verdict(simulation, summary)}
${service(summary, samples)}
<h2>Faults on the time line</h2>
${faultLine(simulation)}
${charts(samples)}
<h2>Losses by culprit, TIME</h2>
${lost.length === 0 ? '<p>none</p>' : table(lost.map(([culprit, units]) => [culprit, tokens(units)]))}
<h2>Settlement</h2>
${table([
  ['delivered, TIME', tokens(summary.delivered)],
  ['settled, net of credits, TIME', tokens(summary.settled)],
  ['transactions', grouped(summary.batches)],
  ['lanes', grouped(summary.lanesSettled)],
  ['gas a lane (estimated)', grouped(perLane)],
])}
<h2>Devices</h2>
${cards(DEVICE_HEAD, devices.rows)}
${devices.left === 0 ? '' : `<p>${grouped(devices.left)} more, with less to say</p>`}
<h2>The run</h2>
<p class="command">${escaped(command)}</p>
${table([
  ['devices', grouped(summary.devices)],
  ['hours of payments', grouped(scenario.hours)],
  ['taps', grouped(summary.taps)],
  ['ticks', grouped(summary.ticks)],
  ['faults', grouped(summary.faults)],
  ['power cuts', grouped(summary.cuts)],
  ['hub crashes', grouped(summary.hubCrashes)],
  ['seed', String(summary.seed)],
  ['trace', summary.traceHash],
])}`;
  return page(`Sundial: ${summary.scenario}`, body, lost.length > 0 || summary.violations > 0);
}
