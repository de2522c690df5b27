// What an owner does: open, top up, limit, replace a lost device, leave. Money moves only by the wallet's own word; limits
// and refusing a device are told to the hub.
import { Camera } from '/console/look.js';
import { ask, Trouble, unitsOf } from '/console/parts.js';
import { html, useEffect, useRef, useState } from '/console/view.js';
import { moment, money, t } from '/console/words.js';
import { deviceIn, NO_LIMIT, WalletError } from '/owner/wallet.js';

/** What an act says while it runs and when it is over. */
export function useAct() {
  const [state, setState] = useState({});
  const say = (words) => setState({ busy: true, words });
  const run = async (act) => {
    say('Look in your wallet…');
    try {
      setState({ done: await act(say) });
    } catch (error) {
      setState({ error });
    }
  };
  return { ...state, run };
}

/** What went on: words of ours, or what the wallet said. */
export function Said({ act }) {
  if (act.busy) return html`<p class="banner" role="status">${t(act.words)}</p>`;
  if (act.error instanceof WalletError)
    return html`<p class="trouble" role="alert">${t(act.error.message)}</p>`;
  if (act.error !== undefined) return html`<${Trouble} error=${act.error} />`;
  return act.done === undefined ? null : html`<p class="banner good" role="status">${act.done}</p>`;
}

export const NoWallet = () =>
  html`<p class="banner">${t('There is no wallet in this browser. Money moves only by the word of your wallet: open this page where it is.')}</p>`;

/** A field for a device, which a camera can fill in from the device's code. */
export function DeviceField({ value, onInput, label }) {
  const [isLooking, look] = useState(false);
  const [wrong, setWrong] = useState(false);
  const seen = async (text) => {
    const device = deviceIn(text);
    setWrong(device === undefined);
    if (device === undefined) return;
    onInput(device);
    look(false);
  };
  return html`
    <label>${label}
      <input class="address" name="device" required autocomplete="off" spellcheck="false" value=${value}
        pattern="0x([0-9a-fA-F]{40}|[0-9a-fA-F]{128})" placeholder="0x…" onInput=${(event) => onInput(event.target.value.trim())} />
    </label>
    <div><button type="button" class="small" aria-expanded=${isLooking} onClick=${() => look(!isLooking)}>${t(isLooking ? 'Stop the camera' : "Scan the device's code")}</button></div>
    ${isLooking && html`<${Camera} onSeen=${seen} label=${t("The device's code")} none=${t('No camera: type or paste it.')} />`}
    ${isLooking && wrong && html`<p class="quiet" role="status">${t('This is no code of a device.')}</p>`}
  `;
}

const AmountField = ({ label, name = 'amount', value, onInput, required = true, placeholder = '50.00' }) =>
  html`<label>${label}
    <input name=${name} inputmode="decimal" autocomplete="off" required=${required} pattern="\\d{1,8}([.,]\\d{1,6})?"
      placeholder=${placeholder} value=${value} onInput=${(event) => onInput(event.target.value)} />
  </label>`;

/** What the account holds, once a wallet said it. */
function Holds({ wallet, account, tick }) {
  const [held, setHeld] = useState();
  useEffect(() => {
    if (wallet === undefined || account === undefined) return;
    wallet.balance(account).then(setHeld, () => setHeld(undefined));
  }, [wallet, account, tick]);
  return held === undefined
    ? null
    : html`<p class="quiet">${t('Your account holds')} ${money(held)} TIME.</p>`;
}

/** Opens a channel: a deposit for a device. */
export function Open({ wallet, account, device = '', onDone }) {
  const [form, setForm] = useState({ device, amount: '' });
  const act = useAct();
  if (wallet === undefined) return html`<${NoWallet} />`;
  const submit = (event) => {
    event.preventDefault();
    act.run(async (say) => {
      const owner = await wallet.accountOf(account);
      const units = unitsOf(form.amount);
      if (deviceIn(form.device) === undefined || !(units > 0))
        throw new WalletError('Give a device and an amount.');
      const channel = await wallet.open(owner, deviceIn(form.device), units, say);
      onDone(channel);
      return `${t('Channel')} ${channel}: ${t('opened. On the device, give this number with its code:')} --channel ${channel}`;
    });
  };
  return html`<div class="narrow">
    <p>${t('A deposit lets a wearable or a car pay anywhere. A fifth of it is a bond that comes back to you when you leave.')}</p>
    <${Holds} wallet=${wallet} account=${account} tick=${act.done} />
    <form class="act" onSubmit=${submit}>
      <${DeviceField} label=${t('Device')} value=${form.device} onInput=${(text) => setForm((now) => ({ ...now, device: text }))} />
      <${AmountField} label=${t('Deposit')} placeholder="300.00" value=${form.amount} onInput=${(amount) => setForm((now) => ({ ...now, amount }))} />
      <div class="buttons"><button class="main" disabled=${act.busy}>${t('Open a channel')}</button></div>
    </form>
    <${Said} act=${act} />
  </div>`;
}

export function TopUp({ wallet, channel, onDone }) {
  const [amount, setAmount] = useState('');
  const act = useAct();
  if (wallet === undefined) return html`<${NoWallet} />`;
  const submit = (event) => {
    event.preventDefault();
    act.run(async (say) => {
      const account = await wallet.accountOf(channel.owner);
      const units = unitsOf(amount);
      if (!(units > 0)) throw new WalletError('Give an amount.');
      await wallet.topUp(account, channel.channel, units, say);
      setAmount('');
      onDone();
      return `${money(units)} TIME: ${t('deposited. The hub counts it when it is final on L2.')}`;
    });
  };
  return html`<div class="narrow">
    <p>${t('What you add, less a fifth that joins the bond, can be spent when it is final on L2.')}</p>
    <${Holds} wallet=${wallet} account=${channel.owner} tick=${act.done} />
    <form class="act" onSubmit=${submit}>
      <${AmountField} label=${t('Amount')} value=${amount} onInput=${setAmount} />
      <div class="buttons"><button class="main" disabled=${act.busy || channel.exiting}>${t('Top up')}</button></div>
    </form>
    ${channel.exiting && html`<p class="quiet">${t('This channel is being closed: nothing is added to it any more.')}</p>`}
    <${Said} act=${act} />
  </div>`;
}

const textOf = (limit) => (limit === undefined ? '' : String(limit / 1_000_000));

export function Limits({ wallet, channel, onDone }) {
  const { limits } = channel;
  const [form, setForm] = useState({ tap: textOf(limits.tap), day: textOf(limits.day) });
  const act = useAct();
  const submit = (event) => {
    event.preventDefault();
    act.run(async () => {
      const account = await wallet.accountOf(channel.owner);
      const unit = (text) => (text.trim() === '' ? NO_LIMIT : unitsOf(text));
      const at = Math.max(Math.floor(Date.now() / 1000), (limits.at ?? 0) + 1);
      const message = { channel: channel.channel, tap: unit(form.tap), day: unit(form.day), at };
      if (message.tap === undefined || message.day === undefined) throw new WalletError('Give an amount.');
      const signature = await wallet.signLimits(account, message);
      const { tap, day } = message;
      await ask(`/v1/channels/${channel.channel}/limits`, {
        method: 'POST',
        body: { tap, day, at, signature },
      });
      onDone();
      return t('In force. The device hears of it when it next meets the hub.');
    });
  };
  const now = (limit) => (limit === undefined ? t('none') : `${money(limit)} TIME`);
  return html`<div class="narrow">
    <p>${t('The hub lends the device no more than this, and clears no more. What the device was lent before counts until it meets the hub, or for at most three days.')}</p>
    <dl class="facts sums">
      <div><dt>${t('One payment now')}</dt><dd>${now(limits.tap)}</dd></div>
      <div><dt>${t('One day now')}</dt><dd>${now(limits.day)}</dd></div>
      <div><dt>${t('One payment with no network, at most')}</dt><dd>${money(channel.tapMax)} TIME</dd></div>
      <div><dt>${t('Spent today')}</dt><dd>${money(channel.spentToday)} TIME</dd></div>
    </dl>
    ${
      wallet === undefined
        ? html`<${NoWallet} />`
        : html`<form class="act" onSubmit=${submit}>
        <div class="pair">
          <${AmountField} name="tap" required=${false} placeholder=${t('none')} label=${t('One payment')} value=${form.tap} onInput=${(tap) => setForm((was) => ({ ...was, tap }))} />
          <${AmountField} name="day" required=${false} placeholder=${t('none')} label=${t('One day (UTC)')} value=${form.day} onInput=${(day) => setForm((was) => ({ ...was, day }))} />
        </div>
        <p class="quiet">${t('Leave empty for no limit; 0 pays nothing.')}</p>
        <div class="buttons"><button class="main" disabled=${act.busy}>${t('Sign these limits')}</button></div>
      </form>`
    }
    <${Said} act=${act} />
  </div>`;
}

/** How a channel stands on L2, asked again after each act; undefined while nobody knows. */
function useOnL2(wallet, number, tick) {
  const [state, setState] = useState();
  const asked = useRef(0);
  useEffect(() => {
    if (wallet === undefined) return;
    asked.current += 1;
    const mine = asked.current;
    wallet.channel(number).then(
      (found) => mine === asked.current && setState(found),
      () => undefined,
    );
  }, [wallet, number, tick]);
  return state;
}

/** Ends an exit whose delay is over. */
function Finish({ wallet, channel, onL2, act, onDone }) {
  const left = onL2.exitReady - onL2.clock;
  const finish = () =>
    act.run(async () => {
      const account = await wallet.account();
      const { returned, successor } = await wallet.finishExit(account, channel.channel);
      onDone();
      return successor === undefined
        ? `${money(returned)} TIME ${t('came back to your account.')}`
        : `${t('Channel')} ${successor}: ${t('opened. On the device, give this number with its code:')} --channel ${successor}`;
    });
  return html`<p>${left > 0 ? html`${t('It can be finished from')} <strong>${moment(Math.round(Date.now() / 1000) + left)}</strong>.` : t('The delay is over.')}</p>
    <div class="buttons"><button class="main" disabled=${act.busy || left > 0} onClick=${finish}>${t('Finish')}</button></div>`;
}

const days = (seconds) => Math.ceil(seconds / 86_400);

/** A lost device: refused at once, and its channel handed to another one's key. */
export function Lost({ wallet, channel, place, onDone }) {
  const [next, setNext] = useState('');
  const [isSure, setSure] = useState(false);
  const refuse = useAct();
  const replace = useAct();
  const onL2 = useOnL2(wallet, channel.channel, replace.done);
  const revoke = () =>
    refuse.run(async () => {
      await ask(`/v1/channels/${channel.channel}/revoke`, { method: 'POST', body: {} });
      onDone();
      return t('Refused from now on by every terminal that hears of it.');
    });
  const submit = (event) => {
    event.preventDefault();
    replace.run(async () => {
      const account = await wallet.accountOf(channel.owner);
      const device = deviceIn(next);
      if (device === undefined || device.length !== 42)
        throw new WalletError("Give the new device's address.");
      if (device === channel.payer) throw new WalletError('This is the address of the lost device.');
      await wallet.startExit(account, channel.channel, device);
      onDone();
      return t('Started. What is left goes to the new device when the delay is over.');
    });
  };
  const isHandedOn = onL2?.nextPayer !== undefined && onL2.exitReady !== 0;
  const isLeaving = onL2 !== undefined && onL2.exitReady !== 0 && !isHandedOn;
  return html`<div class="narrow"><ol class="steps">
    <li><h2>${t('Refuse the lost device')}</h2>
      <p>${t('Terminals that are offline hear of it when they are back; until then it can spend what it was lent.')}</p>
      ${
        channel.revoked
          ? html`<p class="banner bad">${t('This device is refused.')}</p>`
          : html`<div class="buttons">
            ${
              isSure
                ? html`<button class="danger" disabled=${refuse.busy} onClick=${revoke}>${t('Yes, refuse it. Only the operator can take this back.')}</button>
                  <button onClick=${() => setSure(false)}>${t('No')}</button>`
                : html`<button class="danger" onClick=${() => setSure(true)}>${t('Refuse this device')}</button>`
            }</div>`
      }
      <${Said} act=${{ ...refuse, words: 'One moment…' }} />
    </li>
    <li><h2>${t("Replace its key by a new device's")}</h2>
      <p>${t('What is left moves to a channel of the new device. It takes a delay, in which everything that was paid is settled:')} ${days(place.exitDelay)} ${t('days')}.</p>
      ${
        wallet === undefined
          ? html`<${NoWallet} />`
          : isHandedOn
            ? html`<p class="banner">${t('Is being replaced by')} <code>${onL2.nextPayer}</code></p>
              <${Finish} wallet=${wallet} channel=${channel} onL2=${onL2} act=${replace} onDone=${onDone} />`
            : isLeaving
              ? html`<p class="banner">${t('This channel is being closed; see the page Leave.')}</p>`
              : html`<form class="act" onSubmit=${submit}>
              <${DeviceField} label=${t('New device')} value=${next} onInput=${setNext} />
              <div class="buttons"><button class="main" disabled=${replace.busy}>${t('Replace the key')}</button></div>
            </form>`
      }
      <${Said} act=${replace} />
    </li>
  </ol></div>`;
}

/** Leaves: the rest and the bond go home after the delay. */
export function Leave({ wallet, channel, place, onDone }) {
  const [isSure, setSure] = useState(false);
  const act = useAct();
  const onL2 = useOnL2(wallet, channel.channel, act.done);
  if (wallet === undefined) return html`<${NoWallet} />`;
  const start = () =>
    act.run(async () => {
      await wallet.startExit(await wallet.accountOf(channel.owner), channel.channel);
      onDone();
      return t('Started. Come back when the delay is over.');
    });
  const isRunning = onL2 !== undefined && onL2.exitReady !== 0;
  const rest = onL2 === undefined ? undefined : onL2.free + onL2.bond;
  return html`<div class="narrow">
    <p>${t('The device gets no lease any more; what it paid is settled. After a delay the rest and the bond come back to your account. It needs nobody else, and can not be called off. The delay:')} ${days(place.exitDelay)} ${t('days')}.</p>
    ${rest !== undefined && html`<p class="quiet">${t('On L2 now, before what is still to be settled:')} ${money(rest)} TIME</p>`}
    ${
      isRunning
        ? onL2.nextPayer !== undefined
          ? html`<p class="banner">${t('Its key is being replaced; see the page Lost device.')}</p>`
          : rest === 0
            ? html`<p class="banner good">${t('This channel is closed.')}</p>`
            : html`<p class="banner">${t('You are leaving this channel.')}</p><${Finish} wallet=${wallet} channel=${channel} onL2=${onL2} act=${act} onDone=${onDone} />`
        : html`<div class="buttons">${
            isSure
              ? html`<button class="danger" disabled=${act.busy} onClick=${start}>${t('Yes, leave')}</button><button onClick=${() => setSure(false)}>${t('No')}</button>`
              : html`<button class="danger" onClick=${() => setSure(true)}>${t('Leave')}</button>`
          }</div>`
    }
    <${Said} act=${act} />
  </div>`;
}
