// The console: which page is shown, who is signed in, and in which language.
import { ask, Trouble, useAnswer } from '/console/parts.js';
import { Audit, Channels, Devices, Merchants, Now, Payment, Payments, Settlements } from '/console/pages.js';
import { Webhooks } from '/console/hooks.js';
import { Approvals, PasskeyButton, Passkeys } from '/console/people.js';
import { Limits } from '/console/limits.js';
import { html, render, useEffect, useState } from '/console/view.js';
import { languageNow, setLanguage, t } from '/console/words.js';

/** Pages by their place in the address, and who may see them. */
const PAGES = [
  ['now', 'Now', Now, ['operator', 'support', 'auditor']],
  ['payments', 'Payments', Payments, ['operator', 'support', 'auditor', 'merchant', 'owner']],
  ['devices', 'Devices', Devices, ['operator', 'support', 'auditor', 'merchant']],
  ['channels', 'Channels', Channels, ['operator', 'support', 'auditor', 'owner']],
  ['settlements', 'Settlements', Settlements, ['operator', 'support', 'auditor']],
  ['limits', 'Limits', Limits, ['operator', 'support', 'auditor']],
  ['merchants', 'Merchants', Merchants, ['operator', 'support', 'auditor', 'merchant']],
  ['webhooks', 'Webhooks', Webhooks, ['operator', 'auditor']],
  ['approvals', 'Approvals', Approvals, ['operator', 'auditor']],
  ['passkeys', 'Passkeys', Passkeys, ['operator', 'support', 'auditor', 'merchant']],
  ['audit', 'Audit', Audit, ['operator', 'auditor']],
];

const place = () => location.hash.replace(/^#\/?/, '').split('/');

function SignIn() {
  return html`<main class="signin"><h1>Sundial</h1><p>${t('Nobody is signed in.')}</p><${PasskeyButton} />
    <p>${t('In the folder of the hub, this prints a link that signs you in, once:')}</p><p class="code">npx sundial console</p>
    <p><a href="/owner">${t('You pay with a wearable or a car? This is your page.')}</a></p></main>`;
}

function App() {
  const [[page, id], setPlace] = useState(place);
  const [language, changeLanguage] = useState(languageNow());
  const { answer: me, error } = useAnswer('/v1/me');
  useEffect(() => {
    const moved = () => {
      setPlace(place());
      document.getElementById('page')?.focus();
    };
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  if (me === undefined) {
    if (error === undefined) return null;
    return error.status === 401
      ? html`<${SignIn} />`
      : html`<main class="signin"><${Trouble} error=${error} /></main>`;
  }
  const mine = PAGES.filter(([, , , roles]) => roles.includes(me.role));
  const [name, title, Page] = mine.find(([one]) => one === page) ?? mine[0];
  const isPayment = page === 'payment' && id !== undefined;
  const heading = isPayment ? 'Payment' : title;
  document.title = `${t(heading)} · Sundial`;
  const signOut = async () => {
    await ask('/signout', { method: 'POST', body: {} });
    location.reload();
  };
  const choose = (event) => {
    setLanguage(event.target.value);
    changeLanguage(event.target.value);
  };
  return html`
    <a class="skip" href="#page" onClick=${(event) => {
      event.preventDefault();
      document.getElementById('page').focus();
    }}>${t('Skip to the page')}</a>
    <header>
      <span class="brand"><span class="dial" aria-hidden="true"></span>Sundial</span>
      <nav aria-label="Sundial">
        ${mine.map(([one, words]) => html`<a href=${`#/${one}`} aria-current=${one === name && !isPayment ? 'page' : undefined}>${t(words)}</a>`)}
      </nav>
      <span class="who">
        <label class="sr" for="language">${t('Language')}</label>
        <select id="language" value=${language} onChange=${choose}><option value="en">English</option><option value="zh">中文</option></select>
        <button class="small" onClick=${signOut} title=${`${me.name} (${me.role})`}>${t('Sign out')}</button>
      </span>
    </header>
    <main id="page" tabindex="-1">
      <h1>${t(heading)}</h1>
      ${isPayment ? html`<${Payment} key=${id} id=${id} />` : html`<${Page} key=${name} me=${me} />`}
    </main>
  `;
}

// A link of an invitation ends here when somebody opens it in a browser: its code is for a device.
document.getElementById('app').replaceChildren();
render(html`<${App} />`, document.getElementById('app'));
