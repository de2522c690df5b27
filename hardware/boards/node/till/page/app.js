// The till's page: what is sold now, what was sold, and the day. It talks to the till with the same client as a shop's
// software does; whatever it was doing when the page or the till went away goes on when both are back.
import { connectTill, TillError, units } from '/till/client.js';
import { DayPage } from '/till/day.js';
import { Payments } from '/till/payments.js';
import { Sell } from '/till/sell.js';
import { html, render, useCallback, useEffect, useState } from '/till/view.js';
import { languageNow, price, setLanguage, t } from '/till/words.js';

const PAGES = [
  ['sell', 'Sell', Sell],
  ['payments', 'Payments', Payments],
  ['day', 'Day', DayPage],
];
/** How often the page looks how the till is, milliseconds. */
const LOOK_MS = 2000;

/** The token comes with the link, once; the address then shows it no more. */
function tokenOf() {
  const given = /^#([\w-]{20,})$/.exec(location.hash)?.[1];
  if (given !== undefined) {
    sessionStorage.setItem('token', given);
    history.replaceState(null, '', '/');
  }
  return given ?? sessionStorage.getItem('token') ?? undefined;
}

const place = () => location.hash.replace(/^#\/?/, '');

function Header({ status, away }) {
  const online = !away && status?.online;
  return html`<header>
    <span class="brand"><span class="dial" aria-hidden="true"></span>${status?.name ?? 'Sundial'}</span>
    <span class="badges" role="status">
      ${status?.training && html`<span class="badge training">${t('Training')}: ${t('no money moves')}</span>`}
      <span class=${`badge ${online ? 'good' : 'waiting'}`}>${t(online ? 'Online' : 'Offline')}</span>
      ${
        status &&
        html`<span class="quiet">${price(status.offlineLeft)} ${t('may still be taken offline')}${
          status.waiting.count > 0 && html` · ${status.waiting.count} ${t('wait for the hub')}`
        }</span>`
      }
    </span>
  </header>`;
}

function Troubles({ status, away }) {
  const words = away
    ? 'The till does not answer. It is asked again.'
    : status && !status.works
      ? 'This till is out of order: it signs nothing more. What it sold is kept.'
      : status && !status.timeKnown
        ? 'It does not know what time it is: let it meet the hub once.'
        : undefined;
  return words === undefined ? null : html`<p class="trouble" role="alert">${t(words)}</p>`;
}

function App({ till }) {
  const [page, setPage] = useState(place());
  const [status, setStatus] = useState();
  const [away, setAway] = useState(false);
  const [news, setNews] = useState();
  const [language, changeLanguage] = useState(languageNow());

  const look = useCallback(async () => {
    try {
      setStatus(await till.status({ signal: AbortSignal.timeout(LOOK_MS) }));
      setAway(false);
    } catch (error) {
      setAway(!(error instanceof TillError) || error.code === 'till_away');
    }
  }, [till]);

  useEffect(() => {
    look();
    const timer = setInterval(look, LOOK_MS);
    const moved = () => setPage(place());
    addEventListener('hashchange', moved);
    const over = new AbortController();
    (async () => {
      for await (const event of till.events({ signal: over.signal })) {
        setNews(event);
        look();
      }
    })().catch(() => undefined);
    return () => {
      clearInterval(timer);
      removeEventListener('hashchange', moved);
      over.abort();
    };
  }, [till, look]);

  const [name, , Page] = PAGES.find(([one]) => one === page) ?? PAGES[0];
  const choose = (event) => {
    setLanguage(event.target.value);
    changeLanguage(event.target.value);
  };
  return html`
    <${Header} status=${status} away=${away} />
    <${Troubles} status=${status} away=${away} />
    <main>
      <h1 class="sr">${t(PAGES.find(([one]) => one === name)[1])}</h1>
      <${Page} till=${till} status=${status} news=${news} look=${look} units=${units} />
    </main>
    <nav aria-label="Sundial">
      ${PAGES.map(([one, words]) => html`<a href=${`#/${one}`} aria-current=${one === name ? 'page' : undefined}>${t(words)}</a>`)}
      <label class="sr" for="language">${t('Language')}</label>
      <select id="language" value=${language} onChange=${choose}><option value="en">English</option><option value="zh">中文</option></select>
    </nav>
  `;
}

// The page opens while the till is away. Browsers allow that on this machine and over TLS.
navigator.serviceWorker?.register('/worker.js').catch(() => undefined);

const token = tokenOf();
const root = document.getElementById('app');
root.replaceChildren();
if (token === undefined)
  render(
    html`<main><h1>Sundial</h1><p>${t('This page is opened by the link that the till printed when it started.')}</p></main>`,
    root,
  );
else render(html`<${App} till=${connectTill({ url: location.origin, token })} />`, root);
