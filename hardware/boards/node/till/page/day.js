// The day: what it came to so far, its close, and the days before.
import { html, useEffect, useState } from '/till/view.js';
import { moment, price, priceIn, t, why } from '/till/words.js';

function Report({ report }) {
  const rows = [
    ['sales', price(report.sales.sum), report.sales.count],
    ['tips', price(report.tips)],
    ['refunds', price(report.refunds.sum), report.refunds.count],
    ['released', price(report.released.sum), report.released.count],
    ['net', price(report.net)],
    ...Object.entries(report.priced ?? {}).map(([currency, { count, digits, sum }]) => [
      currency,
      priceIn({ currency, digits }, sum),
      count,
    ]),
    ['cleared by the hub', price(report.cleared.sum), report.cleared.count],
    ['still held', price(report.held.sum), report.held.count],
    ['waiting for the hub', price(report.waiting.sum), report.waiting.count],
    ['played in training', price(report.training.sum), report.training.count],
  ];
  const said = Object.entries(report.refusals);
  return html`<table class="report"><tbody>
    ${rows.map(([name, value, count]) => html`<tr class=${name === 'net' ? 'net' : ''}><th scope="row">${t(name)}${count !== undefined && html` <span class="quiet">(${count})</span>`}</th><td>${value}</td></tr>`)}
    ${Object.entries(report.failed).map(([reason, count]) => html`<tr><th scope="row">${t('Not paid')}: ${t(reason)}</th><td>${count}</td></tr>`)}
    ${said.map(([code, count]) => html`<tr><th scope="row">${t('said no')}: ${why(code)}</th><td>${count}</td></tr>`)}
  </tbody></table>`;
}

export function DayPage({ till, status, news, look }) {
  const [report, setReport] = useState();
  const [days, setDays] = useState([]);
  const [asking, setAsking] = useState(false);
  const [syncing, setSyncing] = useState(false);
  const [trouble, setTrouble] = useState();
  const load = () =>
    Promise.all([till.report().then(setReport), till.days().then(setDays)]).catch(() => undefined);
  useEffect(() => {
    load();
  }, [news?.id, status?.waiting.count]);
  const act = async (doing) => {
    setTrouble(undefined);
    try {
      await doing();
    } catch (error) {
      setTrouble(error.remedy === undefined ? error.message : `${error.message}. ${error.remedy}`);
    }
    setAsking(false);
    setSyncing(false);
    look();
    load();
  };
  if (report === undefined) return null;
  return html`<section class="day">
    <h2>${t('Day so far')} <span class="quiet">#${report.day}, ${moment(report.openedAt)}</span></h2>
    <${Report} report=${report} />
    ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
    <div class="row">
      <button type="button" class="plain" disabled=${syncing} onClick=${() => {
        setSyncing(true);
        act(() => till.sync());
      }}>${t(syncing ? 'Handing in…' : 'Hand in now')}</button>
      <button type="button" class="plain" onClick=${() => act(() => till.train(!status?.training))}>${t(status?.training ? 'End training' : 'Begin training')}</button>
    </div>
    ${
      asking
        ? html`<div class="ask" role="alertdialog" aria-label=${t('Close the day')}>
            <p>${t('Close the day now? Its report is kept, and the next day begins.')}</p>
            <div class="row"><button type="button" onClick=${() => act(() => till.closeDay())}>${t('Yes, close it')}</button>
            <button type="button" class="plain" onClick=${() => setAsking(false)}>${t('Cancel')}</button></div>
          </div>`
        : html`<button type="button" class="big" onClick=${() => setAsking(true)}>${t('Close the day')}</button>`
    }
    ${
      days.length > 0 &&
      html`<h2>${t('Closed days')}</h2>
      ${days.map((one) => html`<details class="sale"><summary><span class="when">#${one.day}<span class="quiet"> · ${moment(one.closedAt)}</span></span><span class="money">${price(one.net)}</span></summary><div class="inside"><${Report} report=${one} /></div></details>`)}`
    }
  </section>`;
}
