// Selling: a keypad and a short basket, then one thing to look at until it is paid or not.
import { Codes } from '/till/camera.js';
import { html, useEffect, useRef, useState } from '/till/view.js';
import { moment, price, priceIn, t, why } from '/till/words.js';

const CENT = 10_000;
/** Digits of a price: 9,999,999.99 is more than any till takes. */
const DIGITS_MAX = 9;
const TIPS = [0, 5, 10, 15];

/** The sale that this page asked for last: a reload goes on with it. */
const remember = (wish) =>
  wish === undefined
    ? sessionStorage.removeItem('wish')
    : sessionStorage.setItem('wish', JSON.stringify(wish));

function Keypad({ onKey }) {
  const keys = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '00', '0', '⌫'];
  return html`<div class="keypad">
    ${keys.map(
      (key) =>
        html`<button type="button" class="key" aria-label=${key === '⌫' ? t('Delete digit') : key} onClick=${() => onKey(key)}>${key}</button>`,
    )}
  </div>`;
}

/** What is paid; of a price in another currency also what that is, and by whose word. */
function Sum({ sale }) {
  if (sale.price === undefined) return html`<p class="sum">${price(sale.total)}</p>`;
  const { amount, tip, quote } = sale.price;
  return html`<p class="sum">${price(sale.total)} <small>TIME</small></p>
    <p class="rate">${priceIn(quote, amount + tip)} · 1 ${quote.currency} = ${quote.rate} TIME<br /><span class="quiet">${quote.source}, ${t('rate good until')} ${moment(quote.until)}</span></p>`;
}

/** What is asked for: seen from an arm's length by two people. */
function Waiting({ sale, news, till, onCancel, onPart }) {
  const said = news?.type === 'sale.refused' && news.sale === sale.id ? news : undefined;
  const no = said?.code;
  return html`<section class="stage waiting" aria-live="polite">
    <${Sum} sale=${sale} />
    <div class="waves" aria-hidden="true"><span></span><span></span><span></span></div>
    <p class="call">${t('Hold your device here')}</p>
    <${Codes} till=${till} />
    ${no && html`<p class="no">${t('The last device said no')}: ${why(no)}</p>`}
    <div class="row">
      ${said?.most && html`<button type="button" class="big" onClick=${() => onPart(said.most)}>${t('Take only')} ${price(said.most)}</button>`}
      <button type="button" class="big plain" onClick=${onCancel}>${t('Cancel')}</button>
    </div>
  </section>`;
}

function Result({ sale, till, onNext }) {
  const [receipt, setReceipt] = useState();
  const paid = sale.state === 'approved';
  const next = useRef();
  useEffect(() => next.current?.focus(), []);
  return html`<section class=${`stage ${paid ? 'paid' : 'unpaid'}`} role="alert">
    <p class="sign" aria-hidden="true">${paid ? '✓' : '✗'}</p>
    <p class="call">${t(paid ? (sale.hold ? 'Held' : 'Paid') : 'Not paid')}</p>
    <${Sum} sale=${sale} />
    ${paid && sale.total < sale.amount + sale.tip && html`<p class="no">${t('Still to pay')}: ${price(sale.amount + sale.tip - sale.total)}</p>`}
    ${!paid && html`<p class="no">${sale.code ? why(sale.code) : t(sale.reason)}</p>`}
    ${paid && html`<${Codes} till=${till} />`}
    ${receipt && html`<pre class="receipt" tabindex="0">${receipt}</pre>`}
    <div class="row">
      ${paid && !receipt && html`<button type="button" class="big plain" onClick=${async () => setReceipt(await till.receipt(sale.id))}>${t('Receipt')}</button>`}
      <button type="button" class="big" ref=${next} onClick=${onNext}>${t('Next sale')}</button>
    </div>
  </section>`;
}

export function Sell({ till, status, news, look }) {
  const [digits, setDigits] = useState('');
  const [items, setItems] = useState([]);
  const [tip, setTip] = useState(0);
  const [reference, setReference] = useState('');
  const [hold, setHold] = useState(false);
  const [currency, setCurrency] = useState(sessionStorage.getItem('currency') ?? 'TIME');
  const [asked, setAsked] = useState();
  const [trouble, setTrouble] = useState();

  const quotes = status?.quotes ?? [];
  const quote = quotes.find((one) => one.currency === currency);
  // In TIME a price has two decimals; in another currency it is counted in that one's smallest unit.
  const step = quote === undefined ? CENT : 1;
  const shown = (value) => (quote === undefined ? price(value) : priceIn(quote, value));
  const typed = Number(digits || '0') * step;
  const amount = items.reduce((sum, one) => sum + one, typed);
  const tipUnits = Math.floor((amount * tip) / 100 / step) * step;

  /** Asks, and waits for the end, whoever goes away meanwhile. */
  const run = async (wish) => {
    remember(wish);
    setTrouble(undefined);
    // What a price in another currency comes to, the till says.
    if (wish.sale.currency === undefined)
      setAsked({ state: 'open', total: wish.sale.amount + wish.sale.tip });
    try {
      let sale = await till.open(wish.sale, { key: wish.key });
      setAsked(sale);
      if (sale.state === 'open') sale = await till.ended(sale.id);
      setAsked(sale);
    } catch (error) {
      setAsked(undefined);
      setTrouble(`${error.message}. ${error.remedy ?? ''}`);
    }
    remember(undefined);
    look();
  };

  // A page that was loaded anew goes on with what it asked for, and so does one beside it.
  useEffect(() => {
    const wish = sessionStorage.getItem('wish');
    if (wish !== null) run(JSON.parse(wish));
  }, []);
  useEffect(() => {
    if (asked === undefined && status?.open !== undefined) {
      const { id } = status.open;
      setAsked(status.open);
      till.ended(id).then(setAsked, () => setAsked(undefined));
    }
  }, [status?.open?.id]);

  /** The customer has less: that is taken, and the rest is another sale. */
  const part = (total) =>
    till.part(asked.id, total).then(
      (sale) => setAsked((before) => (before?.state === 'open' ? sale : before)),
      (error) => setTrouble(error.message),
    );

  const onKey = (key) => {
    if (key === '⌫') setDigits((before) => before.slice(0, -1));
    else setDigits((before) => `${before}${key}`.replace(/^0+/, '').slice(0, DIGITS_MAX));
  };
  const take = () => {
    if (amount === 0) return;
    const sale = {
      amount,
      tip: tipUnits,
      hold,
      ...(quote !== undefined && { currency }),
      ...(reference.trim() !== '' && { reference: reference.trim() }),
    };
    // Not every browser has randomUUID where there is no TLS.
    const random = crypto.getRandomValues(new Uint32Array(4));
    run({ sale, key: `page-${[...random].map((word) => word.toString(36)).join('')}` });
  };
  useEffect(() => {
    const pressed = (event) => {
      if (asked !== undefined || event.target.matches('input, select, button, a')) return;
      if (/^\d$/.test(event.key)) onKey(event.key);
      else if (event.key === 'Backspace') onKey('⌫');
      else if (event.key === 'Enter') take();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  });
  const clear = () => {
    setDigits('');
    setItems([]);
    setTip(0);
    setReference('');
    setHold(false);
  };
  /** What was typed stays typed; what stands in the basket was in another currency. */
  const choose = (next) => {
    setCurrency(next);
    setItems([]);
    sessionStorage.setItem('currency', next);
  };
  const next = () => {
    clear();
    setAsked(undefined);
  };

  if (asked?.state === 'open')
    return html`<${Waiting} sale=${asked} news=${news} till=${till} onCancel=${() => asked.id !== undefined && till.cancel(asked.id)} onPart=${part} />`;
  if (asked !== undefined) return html`<${Result} sale=${asked} till=${till} onNext=${next} />`;
  const busy = status !== undefined && !status.works;
  return html`<section class="sell">
    <div class="entry">
      <p class="label" id="amount">${t('Amount')}</p>
      <p class="sum" aria-labelledby="amount" role="status">${shown(typed)}</p>
      ${
        quotes.length > 0 &&
        html`<fieldset class="tips currencies"><legend>${t('Currency')}</legend>
          ${['TIME', ...new Set(quotes.map((one) => one.currency))].map(
            (one) =>
              html`<label class="chip"><input type="radio" name="currency" checked=${one === (quote?.currency ?? 'TIME')} onChange=${() => choose(one)} />${one}</label>`,
          )}
        </fieldset>`
      }
      ${status?.quoteTrouble && html`<p class="trouble" role="alert">${t('File of quotes')}: ${status.quoteTrouble}</p>`}
      ${
        items.length > 0 &&
        html`<ul class="basket">${items.map((one, index) => html`<li><button type="button" class="chip" aria-label=${`${t('Delete digit')} ${shown(one)}`} onClick=${() => setItems(items.filter((_, other) => other !== index))}>${shown(one)} ×</button></li>`)}</ul>`
      }
      ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
    </div>
    <${Keypad} onKey=${onKey} />
    <div class="more">
      <button type="button" class="big take" disabled=${amount === 0 || busy} onClick=${take}>${t('Take')} ${shown(amount + tipUnits)}</button>
      <div class="row">
        <button type="button" class="plain" disabled=${typed === 0} onClick=${() => {
          setItems([...items, typed]);
          setDigits('');
        }}>${t('Next item')}</button>
        <button type="button" class="plain" onClick=${clear}>${t('Clear')}</button>
      </div>
      <fieldset class="tips"><legend>${t('Tip')}</legend>
        ${TIPS.map(
          (percent) =>
            html`<label class="chip"><input type="radio" name="tip" checked=${tip === percent} onChange=${() => setTip(percent)} />${percent === 0 ? t('none') : `${percent} %`}</label>`,
        )}
      </fieldset>
      <label class="field">${t('Order')} <span class="quiet">(${t('optional')})</span>
        <input value=${reference} maxlength="64" autocomplete="off" onInput=${(event) => setReference(event.target.value.replace(/[^ -~]/g, ''))} /></label>
      <label class="check"><input type="checkbox" checked=${hold} onChange=${(event) => setHold(event.target.checked)} />${t('Hold')} <span class="quiet">(${t('take less later')})</span></label>
    </div>
  </section>`;
}
