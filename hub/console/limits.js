// What limits may cost when somebody copies a key: the worst case, and who bears it, as `sundial limits` prints it.
import uPlot from '/console/plot.js';
import { Table, Trouble, unitsOf, useAnswer } from '/console/parts.js';
import { html, useEffect, useRef, useState } from '/console/view.js';
import { languageNow, money, number, t } from '/console/words.js';

const TERMINALS_MAX = 1000;
const NETWORKS = { always: 'always', hourly: 'once in an hour', never: 'not that day' };
const COLOURS = ['good', 'waiting', 'bad'];
const LEASES = { scope: 'for a group, covered by the bond', any: 'for any terminal' };

/**
 * Lines over a number of something. `rows`: `x`, and a figure of units for each of `lines`, which have words and the name of
 * a colour.
 */
function Curve({ caption, lines, rows }) {
  const place = useRef();
  const key = JSON.stringify([rows, languageNow()]);
  useEffect(() => {
    const { color } = getComputedStyle(place.current);
    const style = getComputedStyle(document.documentElement);
    const axis = {
      stroke: color,
      grid: { stroke: 'rgba(128,128,128,0.2)', width: 1 },
      ticks: { show: false },
    };
    const series = lines.map(({ colour }) => ({
      stroke: style.getPropertyValue(`--${colour}`).trim(),
      width: 2,
      points: { show: false },
    }));
    const plot = new uPlot(
      {
        width: place.current.clientWidth,
        height: 220,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(1, most)] } },
        axes: [
          {
            ...axis,
            values: (_, at) => at.map(number),
            space: 60,
            incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500],
          },
          { ...axis, size: 64, values: (_, at) => at.map((units) => number(units)) },
        ],
        series: [{}, ...series],
      },
      [rows.map(({ x }) => x), ...lines.map((_, line) => rows.map(({ y }) => y[line] / 1_000_000))],
      place.current,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: place.current.clientWidth, height: 220 }));
    watch.observe(place.current);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [key]);
  const last = rows.at(-1);
  return html`<figure><figcaption>${caption}:
      ${lines.map(({ words, colour }) => html` <span class=${`line ${colour}`}>${words}</span>`)}</figcaption>
    <div class="plot" role="img" aria-label=${`${number(last.x)}: ${last.y.map(money).join(', ')}`} ref=${place}></div></figure>`;
}

/** What merchants lose after the bond, by terminals that are offline at once. */
const WorstCurve = ({ curve }) => html`<${Curve}
  caption=${t('Lost after the bond, by terminals that are offline at once')}
  lines=${[{ words: t(LEASES.scope), colour: 'good' }, { words: t(LEASES.any), colour: 'bad' }]}
  rows=${curve.map(({ terminals, scope, any }) => ({ x: terminals, y: [scope, any] }))}
/>`;

/** What attacks came to in the simulator, by how often terminals meet the hub. */
function Simulated({ attacks, rows }) {
  const networks = Object.keys(NETWORKS);
  const copies = [...new Set(rows.map((row) => row.copies))];
  const at = (network, count) => rows.find((row) => row.network === network && row.copies === count);
  const most = copies.at(-1);
  return html`<h2>${t('Simulated attacks')}</h2>
    <p>${t('Copies of one key, each at a terminal of another merchant, on leases for any terminal; taken above what could be paid.')}
      ${' '}${number(attacks)} ${t('attacks for each figure; here')} ${number(most)} ${t('copies')}.</p>
    <${Table}
      caption=${t('Simulated attacks')}
      rows=${networks.map((network) => ({ ...at(network, most), key: network }))}
      columns=${[
        { name: 'Terminals meet the hub', cell: ({ network }) => t(NETWORKS[network]) },
        { name: 'Taken on average', right: true, cell: ({ taken }) => money(taken) },
        { name: 'Taken at most', right: true, cell: ({ takenMost }) => money(takenMost) },
        { name: 'Lost on average, after the bond', right: true, cell: ({ lost }) => money(lost) },
      ]}
    />
    <${Curve}
      caption=${t('Taken on average, by copies')}
      lines=${networks.map((network, i) => ({ words: t(NETWORKS[network]), colour: COLOURS[i] }))}
      rows=${copies.map((count) => ({ x: count, y: networks.map((network) => at(network, count).taken) }))}
    />`;
}

export function Limits() {
  const [deposit, setDeposit] = useState('300');
  const [terminals, setTerminals] = useState('20');
  // The last that was right goes on being shown while somebody types.
  const asked = useRef('');
  const units = unitsOf(deposit);
  const isRight =
    units !== undefined && /^\d{1,4}$/.test(terminals) && terminals >= 1 && terminals <= TERMINALS_MAX;
  if (isRight) asked.current = new URLSearchParams({ deposit: units, terminals });
  const { answer, error } = useAnswer(`/v1/limits?${asked.current}`);
  return html`
    <p>${t('A copied key pays at every terminal that has no network. The bond of its channel pays for that first; what is above it, terminals that took the money lose.')}</p>
    <div class="find">
      <label>${t('Deposit of a channel')}<input name="deposit" inputmode="decimal" value=${deposit} onInput=${(event) => setDeposit(event.target.value)} /></label>
      <label>${t('Terminals offline at once')}<input name="terminals" inputmode="numeric" value=${terminals} onInput=${(event) => setTerminals(event.target.value)} /></label>
    </div>
    ${!isRight && html`<p class="trouble" role="alert">${t('Give an amount such as 300, and 1 to 1,000 terminals.')}</p>`}
    <${Trouble} error=${error} />
    ${
      answer !== undefined &&
      html`<p>${t('Bond')}: ${money(answer.bond)}</p>
        <${Table}
          caption=${t('Limits')}
          rows=${answer.cases.map((one) => ({ ...one, key: one.leases }))}
          columns=${[
            { name: 'Leases', cell: ({ leases }) => t(LEASES[leases]) },
            { name: 'A tap, at most', right: true, cell: ({ tapLimit }) => money(tapLimit) },
            { name: 'A terminal, at most', right: true, cell: ({ cap }) => money(cap) },
            { name: 'Terminals', right: true, cell: ({ terminals: reached }) => number(reached) },
            { name: 'Taken at most', right: true, cell: ({ taken }) => money(taken) },
            { name: 'Lost at most', right: true, cell: ({ worst }) => money(worst) },
            {
              name: 'Borne by',
              cell: ({ borneBy, each }) =>
                borneBy === 'nobody' ? t('nobody') : `${t('merchants, each terminal up to')} ${money(each)}`,
            },
          ]}
        />
        <${WorstCurve} curve=${answer.curve} />
        <${Simulated} ...${answer.simulated} />
        <p class="quiet">${t('Simulated anew, with your own figures:')} <code>npx sundial limits --deposit ${deposit} --terminals ${terminals} --sync 1h</code></p>`
    }
  `;
}
