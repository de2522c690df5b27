// The console's pages.
import uPlot from '/console/plot.js';
import { ask, Badge, Id, STATE_KIND, Table, Trouble, unitsOf, useAnswer } from '/console/parts.js';
import { html, useEffect, useRef, useState } from '/console/view.js';
import { hour, languageNow, moment, money, number, t } from '/console/words.js';

const STATUS_MS = 2_000;
const DAY = 86_400;

// ---- now ----

/** Payments by hour as bars, drawn again when the figures or the width change. */
function Rate({ hours }) {
  const place = useRef();
  const key = JSON.stringify([hours, languageNow()]);
  useEffect(() => {
    const { color } = getComputedStyle(place.current);
    const accent = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();
    const axis = {
      stroke: color,
      grid: { stroke: 'rgba(128,128,128,0.2)', width: 1 },
      ticks: { show: false },
    };
    const make = () =>
      new uPlot(
        {
          width: place.current.clientWidth,
          height: 180,
          legend: { show: false },
          cursor: { show: false },
          scales: { y: { range: (_, __, most) => [0, Math.max(4, most)] } },
          axes: [
            { ...axis, values: (_, at) => at.map(hour), space: 70 },
            { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000] },
          ],
          series: [
            {},
            {
              stroke: accent,
              fill: accent,
              paths: uPlot.paths.bars({ size: [0.7] }),
              points: { show: false },
            },
          ],
        },
        [hours.map(({ at }) => at), hours.map(({ payments }) => payments)],
        place.current,
      );
    let plot = make();
    const watch = new ResizeObserver(() => {
      if (place.current.clientWidth === plot.width) return;
      plot.destroy();
      plot = make();
    });
    watch.observe(place.current);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [key]);
  const sum = hours.reduce((total, { payments }) => total + payments, 0);
  return html`<figure>
    <figcaption>${t('Payments by hour')} <span class="quiet">${t('last 24 hours')}: ${number(sum)}</span></figcaption>
    <div ref=${place} class="plot" role="img" aria-label=${`${t('Payments by hour')}: ${number(sum)}`}></div>
  </figure>`;
}

const Figure = ({ name, value, more }) =>
  html`<div class="figure"><dt>${name}</dt><dd>${value}</dd>${more !== undefined && html`<dd class="quiet">${more}</dd>`}</div>`;

/** Money on its way, the rate, and whether chain, broker, disk and keys are well. */
export function Now() {
  const { answer: status, error } = useAnswer('/v1/status', STATUS_MS);
  if (status === undefined) return html`<${Trouble} error=${error} />`;
  const { money: sums, chain, broker, ledger, devices } = status;
  const age = chain.at === undefined ? undefined : Math.max(0, Math.round(Date.now() / 1000 - chain.at));
  const days = Math.floor(status.keySecondsLeft / DAY);
  return html`
    <${Trouble} error=${error} />
    <p class=${`banner ${status.ready ? 'good' : 'bad'}`} role="status">
      <strong>${status.ready ? t('All is well') : t('Not ready')}</strong>${!status.ready && html` <span>${status.reasons.join('; ')}</span>`}
    </p>
    <dl class="figures">
      <${Figure} name=${t('in the ledger, not settled yet')} value=${money(sums.sums.acknowledged)}
        more=${`${number(sums.counts.acknowledged)} ${t('payments')}`} />
      <${Figure} name=${t('settled on L2')} value=${money(sums.sums.settled)}
        more=${`${number(sums.counts.settled)} ${t('payments')}`} />
      <${Figure} name=${t('oldest unsettled')} value=${sums.oldestUnsettled === undefined ? t('none') : moment(sums.oldestUnsettled)} />
      <${Figure} name=${t('devices online')} value=${number(devices.online)} />
      <${Figure} name=${t('deposits')} value=${money(sums.deposits)} more=${`${t('of them bonds')} ${money(sums.bonds)}`} />
    </dl>
    <${Rate} hours=${sums.hours} />
    <h2 class="sr">${t('State')}</h2>
    <dl class="health">
      <div><dt>${t('Chain')}</dt><dd>${chain.trouble ?? (chain.height === undefined ? '–' : `${t('block')} ${number(chain.height)}, ${number(age)} ${t('seconds ago')}`)}</dd></div>
      <div><dt>${t('Broker')}</dt><dd>${broker.connected ? t('connected') : t('not connected')}</dd></div>
      <div><dt>${t('Ledger')}</dt><dd>${number(ledger.size)} ${t('records')}, ${ledger.phase}</dd></div>
      <div><dt>${t('Keys')}</dt><dd>${number(days)} ${t('days left')}</dd></div>
    </dl>
    <${Newest} count=${status.vouchers} settled=${sums.counts.settled} />
  `;
}

/** The newest payments; asked again only when there is another, so that the audit log does not fill by itself. */
function Newest({ count, settled }) {
  const { answer, load } = useAnswer('/v1/payments?limit=8');
  useEffect(() => {
    load();
  }, [count, settled]);
  if (answer === undefined || answer.payments.length === 0) return null;
  return html`<h2>${t('Newest')}</h2><${PaymentTable} payments=${answer.payments} />`;
}

// ---- payments ----

const PaymentTable = ({ payments }) =>
  html`<${Table}
    caption=${t('Payments')}
    empty=${t('Nothing fits.')}
    rows=${payments.map((one) => ({ ...one, key: one.id }))}
    columns=${[
      { name: 'Time', cell: ({ at }) => moment(at) },
      {
        name: 'Amount',
        right: true,
        cell: ({ amount, id }) => html`<a href=${`#/payment/${id}`}>${money(amount)}</a>`,
      },
      { name: 'State', cell: ({ state }) => html`<${Badge} kind=${STATE_KIND[state]}>${t(state)}<//>` },
      { name: 'Till', cell: ({ terminal, terminalName }) => terminalName ?? html`<${Id} of=${terminal} />` },
      { name: 'Merchant', cell: ({ merchant, payee }) => merchant ?? html`<${Id} of=${payee} />` },
      { name: 'Channel', right: true, cell: ({ channel }) => channel },
      { name: 'Id', cell: ({ id }) => html`<${Id} of=${id} />` },
    ]}
  />`;

/** The search as the hub takes it: a day is the reader's own. */
function queryOf({ amount, day, till, merchant, id, state }) {
  const query = new URLSearchParams({ limit: '50' });
  const units = unitsOf(amount);
  if (units !== undefined) query.set('amount', units);
  if (day !== '') {
    const from = Math.floor(new Date(`${day}T00:00:00`).getTime() / 1000);
    query.set('from', from);
    query.set('to', from + DAY);
  }
  if (till.trim() !== '') query.set('terminal', till.trim());
  if (merchant.trim() !== '') query.set('payee', merchant.trim());
  if (/^(0x)?[0-9a-fA-F]+$/.test(id.trim())) query.set('id', id.trim());
  if (state !== '') query.set('state', state);
  return query;
}

const NOTHING = { amount: '', day: '', till: '', merchant: '', id: '', state: '' };

/** Finds payments by amount, day, till, merchant or any id. */
export function Payments() {
  const [wish, setWish] = useState(NOTHING);
  const [asked, setAsked] = useState(NOTHING);
  const [more, setMore] = useState([]);
  const query = queryOf(asked).toString();
  const { answer, error } = useAnswer(`/v1/payments?${query}`);
  useEffect(() => setMore([]), [query]);
  const last = more.at(-1) ?? answer;
  const field = (name, label, rest = {}) =>
    html`<label>${t(label)}<input name=${name} value=${wish[name]} onInput=${(event) => setWish({ ...wish, [name]: event.target.value })} ...${rest} /></label>`;
  const next = async () => setMore([...more, await ask(`/v1/payments?${query}&after=${last.next}`)]);
  return html`
    <form class="find" role="search" onSubmit=${(event) => {
      event.preventDefault();
      setAsked({ ...wish });
    }}>
      ${field('amount', 'Amount', { inputmode: 'decimal', placeholder: '4.50', pattern: '\\d+([.,]\\d{1,6})?' })}
      ${field('day', 'Day', { type: 'date' })} ${field('till', 'Till')} ${field('merchant', 'Merchant')}
      ${field('id', 'Id', { placeholder: '0x…', pattern: '(0x)?[0-9a-fA-F]*' })}
      <label>${t('State')}
        <select name="state" value=${wish.state} onChange=${(event) => setWish({ ...wish, state: event.target.value })}>
          <option value="">${t('any')}</option>
          ${['acknowledged', 'settled', 'void'].map((one) => html`<option value=${one}>${t(one)}</option>`)}
        </select>
      </label>
      <button>${t('Find')}</button>
    </form>
    <${Trouble} error=${error} />
    ${
      answer !== undefined &&
      html`
        <p class="quiet" role="status">${answer.complete ? '' : `${t('of the newest')}: `}${number(answer.total)} ${t('payments')}, ${money(answer.sum)} ${t('in all')}</p>
        <${PaymentTable} payments=${[answer, ...more].flatMap(({ payments }) => payments)} />
        ${last.next !== undefined && html`<button onClick=${next}>${t('More')}</button>`}
        <p class="quiet"><strong>${t('Something is missing?')}</strong> ${t('What a till has not handed in yet is only there: look at Devices when it was last in contact.')}</p>
      `
    }
  `;
}

/** One payment's life. */
export function Payment({ id }) {
  const { answer, error } = useAnswer(`/v1/payments/${id}`);
  if (answer === undefined) return html`<${Trouble} error=${error} />`;
  const { payment, steps, sentence } = answer;
  return html`
    <p><a href="#/payments">← ${t('Back')}</a></p>
    <p class="amount">${money(payment.amount)} <${Badge} kind=${STATE_KIND[payment.state]}>${t(payment.state)}<//></p>
    <p class="sentence">${sentence}</p>
    <h2>${t('Its life')}</h2>
    <ol class="life">
      ${steps.map(({ step, at, words }) => html`<li><strong>${t(step)}</strong> ${at !== undefined && html`<span class="quiet">${moment(at)}</span>`}<br />${words}</li>`)}
    </ol>
    <h2>${t('Proofs')}</h2>
    <dl class="facts">
      ${[
        ['Id', payment.id],
        ['Till', payment.terminal],
        ['Merchant', payment.payee],
        ['Channel', `${payment.channel} · ${payment.seq}`],
        ['Transaction', payment.transaction],
      ].map(
        ([name, value]) =>
          value !== undefined && html`<div><dt>${t(name)}</dt><dd><code>${value}</code></dd></div>`,
      )}
    </dl>
  `;
}

// ---- devices ----

function Enrol({ onDone, me }) {
  const merchants = useAnswer('/v1/payees').answer?.payees ?? [];
  const [code, setCode] = useState();
  const [error, setError] = useState();
  const [role, setRole] = useState('pos');
  if (!['operator', 'merchant'].includes(me.role)) return null;
  const isTerminal = role === 'pos' || role === 'charger';
  const make = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    try {
      const body = { name: form.get('name'), role, ...(isTerminal && { payee: form.get('payee') }) };
      setCode(await ask('/v1/enrolments', { method: 'POST', body }));
      setError(undefined);
      event.target.reset();
      onDone();
    } catch (refused) {
      setError(refused);
    }
  };
  return html`<details class="card">
    <summary>${t('Enrol a device')}</summary>
    <form class="find" onSubmit=${make}>
      <label>${t('Name')}<input name="name" required maxlength="39" /></label>
      <label>${t('Role')}
        <select name="role" value=${role} onChange=${(event) => setRole(event.target.value)}>
          ${['pos', 'charger', 'wearable', 'car'].map((one) => html`<option value=${one}>${t(one)}</option>`)}
        </select>
      </label>
      ${
        isTerminal &&
        html`<label>${t('Merchant')}<select name="payee">${merchants.map(({ name }) => html`<option value=${name}>${name}</option>`)}</select></label>`
      }
      <button>${t('Make a code')}</button>
    </form>
    <${Trouble} error=${error} />
    ${
      code !== undefined &&
      html`<div role="status">
        <p>${t('This code is good once, until')} ${moment(code.expiresAt)}:</p>
        <p class="code">${code.code}</p>
        <p class="quiet">${t('On the device:')} <code>npx sundial device provision '${location.origin}/#${code.code}' --into FOLDER</code></p>
      </div>`
    }
  </details>`;
}

/** Devices: whose, whether they are there, how far they handed in; enrol and revoke. */
export function Devices({ me }) {
  const { answer, error, load } = useAnswer('/v1/devices');
  const [trouble, setTrouble] = useState();
  const [said, setSaid] = useState();
  const revoke = async ({ address, name }) => {
    if (!confirm(`${name}: ${t('Revoke it? It is registered no more; what it sold is taken as ever.')}`))
      return;
    try {
      const { acceptsUntil } = await ask(`/v1/devices/${address}/revoke`, { method: 'POST', body: {} });
      setSaid(
        acceptsUntil === undefined
          ? undefined
          : `${name}: ${t('It may accept with no network until')} ${moment(acceptsUntil)}`,
      );
      load();
    } catch (refused) {
      setTrouble(refused);
    }
  };
  const stateOf = ({ revokedAt, online, registered }) =>
    revokedAt !== undefined
      ? html`<${Badge} kind="bad">${t('Revoked')}<//>`
      : online
        ? html`<${Badge} kind="good">${t('Online')}<//>`
        : html`<${Badge} kind="waiting">${registered ? t('Offline') : t('never registered')}<//>`;
  const may = ['operator', 'support'].includes(me.role);
  return html`
    <${Enrol} me=${me} onDone=${load} />
    <${Trouble} error=${error ?? trouble} />
    ${said !== undefined && html`<p class="banner" role="status">${said}</p>`}
    ${
      answer !== undefined &&
      html`<${Table}
        caption=${t('Devices')}
        empty=${t('No device yet.')}
        rows=${answer.devices.map((one) => ({ ...one, key: one.address }))}
        columns=${[
          { name: 'Name', cell: ({ name }) => html`<strong>${name}</strong>` },
          { name: 'Role', cell: ({ role }) => t(role) },
          { name: 'State', cell: stateOf },
          { name: 'Merchant', cell: ({ merchant, payee }) => merchant ?? html`<${Id} of=${payee} />` },
          { name: 'handed in', cell: ({ syncedAt }) => moment(syncedAt) },
          { name: 'Id', cell: ({ address }) => html`<${Id} of=${address} />` },
          {
            name: 'Revoke',
            cell: (one) =>
              may && one.revokedAt === undefined
                ? html`<button class="small" onClick=${() => revoke(one)} aria-label=${`${t('Revoke')} ${one.name}`}>${t('Revoke')}</button>`
                : '',
          },
        ]}
      />`
    }
  `;
}

// ---- channels, settlements, merchants, audit ----

/** Channels of customers. */
export function Channels({ me }) {
  const { answer, error, load } = useAnswer('/v1/channels');
  const [trouble, setTrouble] = useState();
  const tell = async (channel, word) => {
    if (word === 'revoke' && !confirm(t('Revoke this channel? Terminals that hear of it refuse it.'))) return;
    try {
      await ask(`/v1/channels/${channel}/${word}`, { method: 'POST', body: {} });
      load();
    } catch (refused) {
      setTrouble(refused);
    }
  };
  const stateOf = ({ proof, revoked, exiting }) =>
    proof !== undefined
      ? html`<${Badge} kind="bad">${t('Proved dishonest')}<//>`
      : revoked
        ? html`<${Badge} kind="bad">${t('revoked')}<//>`
        : exiting
          ? html`<${Badge} kind="waiting">${t('leaving')}<//>`
          : html`<${Badge} kind="good">${t('open')}<//>`;
  const wordFor = ({ revoked }) => (revoked ? 'allow' : 'revoke');
  return html`
    <${Trouble} error=${error ?? trouble} />
    ${
      answer !== undefined &&
      html`<${Table}
        caption=${t('Channels')}
        empty=${t('No channel yet.')}
        rows=${answer.channels.map((one) => ({ ...one, key: one.channel }))}
        columns=${[
          { name: 'Channel', cell: ({ channel }) => html`<strong>${channel}</strong>` },
          { name: 'State', cell: stateOf },
          {
            name: 'Deposit',
            right: true,
            cell: ({ deposited }) => (deposited === undefined ? '–' : money(deposited)),
          },
          { name: 'Spent', right: true, cell: ({ spent }) => money(spent) },
          { name: 'Payments', right: true, cell: ({ vouchers }) => number(vouchers) },
          { name: 'Lanes', right: true, cell: ({ lanes }) => lanes.length },
          { name: 'Payer', cell: ({ payer }) => html`<${Id} of=${payer} />` },
          {
            name: 'Revoke',
            cell: (one) =>
              ['operator', 'support'].includes(me.role) && one.proof === undefined
                ? html`<button class="small" onClick=${() => tell(one.channel, wordFor(one))} aria-label=${`${t(one.revoked ? 'Allow' : 'Revoke')} ${one.channel}`}>${t(one.revoked ? 'Allow' : 'Revoke')}</button>`
                : '',
          },
        ]}
      />`
    }
  `;
}

/** Batches, with what each cost. */
export function Settlements({ me }) {
  const { answer, error, load } = useAnswer('/v1/settlements');
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState();
  const settle = async () => {
    setBusy(true);
    try {
      await ask('/v1/settlements', { method: 'POST', body: {} });
      setTrouble(undefined);
    } catch (refused) {
      setTrouble(refused);
    }
    setBusy(false);
    load();
  };
  return html`
    <${Trouble} error=${error ?? trouble} />
    ${me.role === 'operator' && html`<p><button disabled=${busy} onClick=${settle}>${busy ? t('Settling…') : t('Settle now')}</button></p>`}
    ${
      answer !== undefined &&
      html`<${Table}
        caption=${t('Settlements')}
        empty=${t('No settlement yet.')}
        rows=${answer.finished.map((one) => ({ ...one, key: one.transaction }))}
        columns=${[
          {
            name: 'State',
            cell: ({ state }) => html`<${Badge} kind=${state === 'mined' ? 'good' : 'bad'}>${state}<//>`,
          },
          { name: 'Lines', right: true, cell: ({ rows }) => number(rows) },
          { name: 'Gas', right: true, cell: ({ gas }) => number(gas) },
          {
            name: 'Gas a payment line',
            right: true,
            cell: ({ gas, rows }) => (rows === 0 ? '–' : number(Math.round(gas / rows))),
          },
          { name: 'Transaction', cell: ({ transaction }) => html`<${Id} of=${transaction} />` },
        ]}
      />`
    }
  `;
}

function StatementOf({ payee }) {
  const [period, setPeriod] = useState({ from: '', to: '' });
  const query = new URLSearchParams({ payee });
  const seconds = (day, plus) => Math.floor(new Date(`${day}T00:00:00`).getTime() / 1000) + plus;
  if (period.from !== '') query.set('from', seconds(period.from, 0));
  if (period.to !== '') query.set('to', seconds(period.to, DAY));
  const { answer, error } = useAnswer(`/v1/statements?${query}`);
  const day = (name, label) =>
    html`<label>${t(label)}<input type="date" name=${name} value=${period[name]} onChange=${(event) => setPeriod({ ...period, [name]: event.target.value })} /></label>`;
  return html`
    <div class="find">${day('from', 'From')} ${day('to', 'To')} <a class="button" href=${`/v1/statements?${query}&format=csv`} download=${`statement-${payee.slice(2, 8)}.csv`}>${t('as CSV')}</a> <a class="button" href=${`/v1/statements?${query}&format=pdf`} download=${`statement-${payee.slice(2, 8)}.pdf`}>${t('as PDF')}</a></div>
    <${Trouble} error=${error} />
    ${
      answer !== undefined &&
      html`<dl class="facts sums">
        ${['opening', 'sales', 'refunds', 'fees', 'closing', 'settled', 'inFlight'].map(
          (name) =>
            html`<div class=${name === 'closing' ? 'total' : ''}><dt>${t(name === 'inFlight' ? 'in flight' : name)}</dt><dd>${money(answer[name])}</dd></div>`,
        )}
      </dl>`
    }
  `;
}

/** Merchants and their statements. */
export function Merchants() {
  const { answer, error } = useAnswer('/v1/payees');
  return html`
    <${Trouble} error=${error} />
    ${answer?.payees.length === 0 && html`<p class="quiet">${t('No merchant yet.')} <code>npx sundial payee add NAME</code></p>`}
    ${(answer?.payees ?? []).map(
      ({ name, address }) =>
        html`<section class="card" key=${address}><h2>${name}</h2><p><${Id} of=${address} /></p><${StatementOf} payee=${address} /></section>`,
    )}
  `;
}

/** Who did and who read what. */
export function Audit() {
  const { answer, error } = useAnswer('/v1/audit?limit=100');
  return html`
    <${Trouble} error=${error} />
    ${
      answer !== undefined &&
      html`<${Table}
        caption=${t('Audit')}
        empty=""
        rows=${answer.lines.map((one, at) => ({ ...one, key: at }))}
        columns=${[
          { name: 'Time', cell: ({ at }) => moment(at) },
          { name: 'Who', cell: ({ who }) => who },
          { name: 'What', cell: ({ what }) => html`<code>${what}</code>` },
          { name: 'About', cell: ({ about }) => html`<span class="wrap">${about ?? ''}</span>` },
          {
            name: 'Answer',
            right: true,
            cell: ({ status }) => html`<${Badge} kind=${status < 400 ? 'good' : 'bad'}>${status}<//>`,
          },
        ]}
      />`
    }
  `;
}
