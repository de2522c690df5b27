// What was sold: newest first, with receipts, refunds, and captures of holds.
import { units } from '/till/client.js';
import { html, useEffect, useState } from '/till/view.js';
import { moment, price, priceIn, t, why } from '/till/words.js';

const backOf = ({ credits }) =>
  credits.reduce((sum, { state, amount }) => (state === 'failed' ? sum : sum + amount), 0);

const stateOf = (sale) =>
  sale.state === 'approved' && sale.hold && sale.captured === undefined ? 'held' : sale.state;

/** An amount that goes back, or that a hold comes to. */
function Form({ words, most, onSend }) {
  const [text, setText] = useState((most / 1_000_000).toFixed(2));
  const [trouble, setTrouble] = useState();
  const [busy, setBusy] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    setTrouble(undefined);
    try {
      await onSend(units(text));
    } catch (error) {
      setTrouble(error.remedy === undefined ? error.message : `${error.message}. ${error.remedy}`);
    }
    setBusy(false);
  };
  return html`<form onSubmit=${send}>
    <label class="field">${t(words)} <span class="quiet">(${t('of at most')} ${price(most)})</span>
      <input inputmode="decimal" value=${text} autocomplete="off" onInput=${(event) => setText(event.target.value)} /></label>
    <button type="submit" disabled=${busy}>${t(words === 'Capture' ? 'Capture' : 'Give back')}</button>
    ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
  </form>`;
}

function Sale({ sale, till, onChange }) {
  const [receipt, setReceipt] = useState();
  const left = sale.total - backOf(sale);
  const state = stateOf(sale);
  // One key for each thing that is done: whoever taps twice does it once.
  const key = `page-${sale.id}-${sale.credits.length + 1}`;
  const act = (doing) => async (amount) => {
    await doing(amount);
    onChange();
  };
  return html`<details class="sale">
    <summary>
      <span class="when">${moment(sale.endedAt ?? sale.openedAt)}<span class="quiet"> · ${sale.reference ?? `#${sale.id}`}</span></span>
      <span class=${`badge ${state === 'approved' ? 'good' : state === 'failed' ? 'bad' : 'waiting'}`}>${t(state)}</span>
      <span class="money">${price(sale.total)}</span>
    </summary>
    <div class="inside">
      ${sale.training && html`<p class="badge training">${t('Training')}</p>`}
      ${sale.state === 'failed' && html`<p>${sale.code ? why(sale.code) : t(sale.reason)}</p>`}
      ${sale.price && html`<p>${priceIn(sale.price.quote, sale.price.amount + sale.price.tip)} <span class="quiet">1 ${sale.price.quote.currency} = ${sale.price.quote.rate} TIME</span></p>`}
      ${backOf(sale) > 0 && html`<p>${t('given back')}: ${price(backOf(sale))}</p>`}
      ${state === 'held' && html`<${Form} words="Capture" most=${sale.total} onSend=${act((amount) => till.capture(sale.id, amount, { key }))} />`}
      ${state === 'approved' && left > 0 && html`<${Form} key=${left} words="Refund" most=${left} onSend=${act((amount) => till.refund(sale.id, amount, { key }))} />`}
      ${
        receipt === undefined
          ? html`<button type="button" class="plain" onClick=${async () => setReceipt(await till.receipt(sale.id))}>${t('Receipt')}</button>`
          : html`<pre class="receipt" tabindex="0">${receipt}</pre>`
      }
    </div>
  </details>`;
}

export function Payments({ till, news }) {
  const [sales, setSales] = useState();
  const load = () => till.sales().then(setSales, () => undefined);
  useEffect(() => {
    load();
  }, [news?.id]);
  if (sales === undefined) return null;
  if (sales.length === 0) return html`<p class="quiet">${t('Nothing was sold yet.')}</p>`;
  return html`<div class="sales">${sales.map((sale) => html`<${Sale} key=${sale.id} sale=${sale} till=${till} onChange=${load} />`)}</div>`;
}
