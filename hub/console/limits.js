// What limits may cost when somebody copies a key: the worst case, and who bears it, as `sundial limits` prints it.
import uPlot from '/console/plot.js';
import { Table, Trouble, unitsOf, useAnswer } from '/console/parts.js';
import { html, useEffect, useRef, useState } from '/console/view.js';
import { languageNow, money, number, t } from '/console/words.js';

const TERMINALS_MAX = 1000;
const LEASES = { scope: 'for a group, covered by the bond', any: 'for any terminal' };

/** What merchants lose after the bond, by terminals that are offline at once. */
function Curve({ curve }) {
  const place = useRef();
  const key = JSON.stringify([curve, languageNow()]);
  useEffect(() => {
    const { color } = getComputedStyle(place.current);
    const style = getComputedStyle(document.documentElement);
    const axis = {
      stroke: color,
      grid: { stroke: 'rgba(128,128,128,0.2)', width: 1 },
      ticks: { show: false },
    };
    const line = (name) => ({
      stroke: style.getPropertyValue(name).trim(),
      width: 2,
      points: { show: false },
    });
    const plot = new uPlot(
      {
        width: place.current.clientWidth,
        height: 220,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(1, most)] } },
        axes: [
          { ...axis, values: (_, at) => at.map(number), space: 60 },
          { ...axis, size: 64, values: (_, at) => at.map((units) => number(units)) },
        ],
        series: [{}, line('--good'), line('--bad')],
      },
      [
        curve.map(({ terminals }) => terminals),
        curve.map(({ scope }) => scope / 1_000_000),
        curve.map(({ any }) => any / 1_000_000),
      ],
      place.current,
    );
    const watch = new ResizeObserver(() => plot.setSize({ width: place.current.clientWidth, height: 220 }));
    watch.observe(place.current);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [key]);
  const last = curve.at(-1);
  return html`<figure><figcaption>${t('Lost after the bond, by terminals that are offline at once')}:${' '}
      <span class="line good">${t(LEASES.scope)}</span> <span class="line bad">${t(LEASES.any)}</span></figcaption>
    <div class="plot" role="img" aria-label=${`${number(last.terminals)}: ${money(last.scope)}, ${money(last.any)}`} ref=${place}></div></figure>`;
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
        <${Curve} curve=${answer.curve} />
        <p class="quiet">${t('What attacks come to on average is simulated:')} <code>npx sundial limits --deposit ${deposit} --terminals ${terminals} --sync 1h</code></p>`
    }
  `;
}
