// The page of an owner, the person with the wearable: who is signed in (by the wallet of an account on L2), which of its
// channels is looked at, and which page is shown.
import { ask, Trouble, useAnswer } from '/console/parts.js';
import { html, render, useCallback, useEffect, useState } from '/console/view.js';
import { languageNow, learn, setLanguage, t } from '/console/words.js';
import { Leave, Limits, Lost, NoWallet, Open, Said, TopUp, useAct } from '/owner/acts.js';
import { Home, Payment, Payments } from '/owner/pages.js';
import { deviceIn, findWallets, Wallet } from '/owner/wallet.js';
import { CHINESE } from '/owner/words.js';

learn(CHINESE);

/** Pages by their place in the address. */
const PAGES = [
  ['home', 'My money', Home],
  ['payments', 'Payments', Payments],
  ['limits', 'Limits', Limits],
  ['topup', 'Top up', TopUp],
  ['lost', 'Lost device', Lost],
  ['leave', 'Leave', Leave],
];
/** After an act the hub is asked until it has seen it on L2, milliseconds, and how often. */
const LOOK_MS = 3_000;
const LOOKS_MAX = 20;

const place = () => location.hash.replace(/^#\/?/, '').split('/');

function Language() {
  const choose = (event) => {
    setLanguage(event.target.value);
    // Every text is another one.
    dispatchEvent(new Event('language'));
  };
  return html`<label class="sr" for="language">${t('Language')}</label>
    <select id="language" value=${languageNow()} onChange=${choose}><option value="en">English</option><option value="zh">中文</option></select>`;
}

const Brand = () => html`<span class="brand"><span class="dial" aria-hidden="true"></span>Sundial</span>`;

/** Several wallets: which one. */
function Which({ wallets, chosen, choose }) {
  if (wallets.length < 2) return null;
  return html`<label class="which">${t('Wallet')} <select value=${chosen} onChange=${(event) => choose(Number(event.target.value))}>
    ${wallets.map(({ name }, at) => html`<option value=${at}>${name || t('Wallet')}</option>`)}</select></label>`;
}

/** Nobody is signed in: the wallet signs, or, for who owns nothing yet, opens. */
function SignIn({ wallet, which, onSignedIn }) {
  const act = useAct();
  const [stranger, setStranger] = useState();
  const [opened, setOpened] = useState();
  const [word, device] = place();
  const signIn = () =>
    act.run(async () => {
      const account = await wallet.account();
      const { nonce, text } = await ask('/v1/signin/challenge', { method: 'POST', body: { account } });
      const signature = await wallet.signText(account, text);
      try {
        await ask('/v1/signin', { method: 'POST', body: { nonce, signature } });
      } catch (error) {
        if (error.code !== 'no_channel') throw error;
        setStranger(account);
        return opened === undefined
          ? t('This account owns no channel yet: open one below.')
          : t('Your channel is not final on L2 yet. Sign in again in a while.');
      }
      onSignedIn();
      return undefined;
    });
  const wants = word === 'open' ? deviceIn(device ?? '') : undefined;
  return html`
    <header><${Brand} /><span class="who"><${Language} /></span></header>
    <main id="page" tabindex="-1" class="narrow">
      <h1>${t('Your wearable, your money')}</h1>
      <p class="lead">${t('See what is left, what was paid and to whom; set limits; top up; replace a lost device; leave.')}</p>
      ${
        wallet === undefined
          ? html`<${NoWallet} />`
          : html`${which}<p>${t('You sign in with the wallet that owns the deposit. Signing in moves no money.')}</p>
            <div class="buttons"><button class="main" disabled=${act.busy} onClick=${signIn}>${t('Sign in with your wallet')}</button></div>`
      }
      <${Said} act=${act} />
      ${
        (stranger !== undefined || wants !== undefined) &&
        html`<h2>${t('Open a channel')}</h2><${Open} wallet=${wallet} account=${stranger} device=${wants} onDone=${setOpened} />`
      }
    </main>`;
}

function Channels({ channels, chosen, choose }) {
  if (channels.length < 2) return null;
  return html`<p class="which"><label>${t('Channel')} <select id="channel" value=${chosen} onChange=${(event) => choose(Number(event.target.value))}>
    ${channels.map(({ channel, deviceName }) => html`<option value=${channel}>${deviceName === undefined ? channel : `${channel}: ${deviceName}`}</option>`)}
  </select></label></p>`;
}

function Owner({ me, wallet, which, facts }) {
  const [[page, id], setPlace] = useState(place);
  const { answer: account, error, load } = useAnswer('/v1/account');
  const [wanted, choose] = useState();
  const [looks, setLooks] = useState(0);
  useEffect(() => {
    const moved = () => {
      setPlace(place());
      document.getElementById('page')?.focus();
    };
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  useEffect(() => {
    if (looks === 0) return undefined;
    const timer = setTimeout(() => {
      load();
      setLooks(looks - 1);
    }, LOOK_MS);
    return () => clearTimeout(timer);
  }, [looks]);
  const acted = useCallback(() => {
    load();
    setLooks(LOOKS_MAX);
  }, [load]);
  const signOut = async () => {
    await ask('/signout', { method: 'POST', body: {} });
    location.reload();
  };
  if (account === undefined) return html`<main id="page"><${Trouble} error=${error} /></main>`;
  const { channels } = account;
  // The newest, unless another one was chosen.
  const channel = channels.find((one) => one.channel === wanted) ?? channels.at(-1);
  const [name, title, Page] = PAGES.find(([one]) => one === page) ?? PAGES[0];
  const isPayment = page === 'payment' && id !== undefined;
  const isOpening = page === 'open' || channel === undefined;
  const heading = isOpening ? 'Open a channel' : isPayment ? 'Payment' : title;
  document.title = `${t(heading)} · Sundial`;
  const body = () => {
    if (isOpening)
      return html`<${Open} wallet=${wallet} account=${me.account} device=${deviceIn(id ?? '')} onDone=${acted} />`;
    if (isPayment) return html`<${Payment} key=${id} id=${id} />`;
    return html`<${Page} key=${`${name} ${channel.channel}`} channel=${channel} wallet=${wallet} place=${facts} onDone=${acted} />`;
  };
  return html`
    <a class="skip" href="#page" onClick=${(event) => {
      event.preventDefault();
      document.getElementById('page').focus();
    }}>${t('Skip to the page')}</a>
    <header>
      <${Brand} />
      <nav aria-label="Sundial">
        ${PAGES.map(([one, words]) => html`<a href=${`#/${one}`} aria-current=${one === name && !isPayment && !isOpening ? 'page' : undefined}>${t(words)}</a>`)}
      </nav>
      <span class="who">
        <${Language} />
        <button class="small" onClick=${signOut} title=${me.account ?? me.name}>${t('Sign out')}</button>
      </span>
    </header>
    <main id="page" tabindex="-1">
      <${Trouble} error=${error} />
      <h1>${t(heading)}</h1>
      ${['topup', 'limits', 'lost', 'leave'].includes(name) && which}
      ${!isPayment && !isOpening && html`<${Channels} channels=${channels} chosen=${channel.channel} choose=${choose} />`}
      ${body()}
      ${!isOpening && name === 'home' && html`<p class="quiet"><a href="#/open">${t('Open another channel')}</a></p>`}
    </main>
  `;
}

function App() {
  const { answer: me, error, load } = useAnswer('/v1/me');
  const { answer: facts, error: away } = useAnswer('/v1/place');
  const [wallets, setWallets] = useState();
  const [chosen, setChosen] = useState(0);
  const [, setLanguageAgain] = useState(0);
  useEffect(() => {
    findWallets().then(setWallets);
    const again = () => setLanguageAgain((times) => times + 1);
    addEventListener('language', again);
    return () => removeEventListener('language', again);
  }, []);
  const [wallet, setWallet] = useState();
  useEffect(() => {
    const found = wallets?.[chosen];
    setWallet(found === undefined || facts === undefined ? undefined : new Wallet(found.provider, facts));
  }, [wallets, chosen, facts]);
  if (facts === undefined || wallets === undefined)
    return away === undefined ? null : html`<main class="signin"><${Trouble} error=${away} /></main>`;
  const which = html`<${Which} wallets=${wallets} chosen=${chosen} choose=${setChosen} />`;
  if (me === undefined) {
    if (error === undefined) return null;
    return error.status === 401
      ? html`<${SignIn} wallet=${wallet} which=${which} onSignedIn=${load} />`
      : html`<main class="signin"><${Trouble} error=${error} /></main>`;
  }
  if (me.role !== 'owner')
    return html`<main class="signin"><h1>Sundial</h1><p>${t('You are signed in for another page.')} <a href="/">${t('To the console')}</a></p>
      <button onClick=${() => ask('/signout', { method: 'POST', body: {} }).then(() => location.reload())}>${t('Sign out')}</button></main>`;
  return html`<${Owner} me=${me} wallet=${wallet} which=${which} facts=${facts} />`;
}

document.getElementById('app').replaceChildren();
render(html`<${App} />`, document.getElementById('app'));
