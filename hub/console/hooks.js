// The console's page of webhooks: who else is told, how far behind each is, and what is wrong.
import { ask, Badge, Table, Trouble, useAnswer } from '/console/parts.js';
import { html, useState } from '/console/view.js';
import { moment, number, t } from '/console/words.js';

const LOOK_MS = 5_000;

function State({ hook }) {
  const { failing, disabled } = hook;
  if (disabled !== undefined)
    return html`<${Badge} kind="bad">${t('disabled')}<//> <span class="wrap">${disabled.why}</span>`;
  if (failing !== undefined)
    return html`<${Badge} kind="waiting">${t('failing')}<//> <span class="wrap">${failing.trouble}</span>`;
  return html`<${Badge} kind="good">${t('well')}<//>`;
}

const shown = (secret) => ({
  words: html`${t('Its secret, shown once:')} <code class="code">${secret}</code>`,
});

/** Webhooks: list, add, test, take up again, remove. */
export function Webhooks({ me }) {
  const { answer, error, load } = useAnswer('/v1/webhooks', LOOK_MS);
  const [trouble, setTrouble] = useState();
  const [said, setSaid] = useState();
  const mayChange = me.role === 'operator';
  const act = async (work) => {
    try {
      setSaid(await work());
      setTrouble(undefined);
    } catch (refused) {
      setSaid(undefined);
      setTrouble(refused);
    }
    load();
  };
  const place = (name, end = '') => `/v1/webhooks/${encodeURIComponent(name)}${end}`;
  const post = (path, body = {}) => ask(path, { method: 'POST', body });
  const add = (event) => {
    event.preventDefault();
    const form = event.target;
    const { name, url } = Object.fromEntries(new FormData(form));
    act(async () => {
      const { secret } = await post('/v1/webhooks', { name, url });
      form.reset();
      return shown(secret);
    });
  };
  const test = ({ name }) =>
    act(async () => {
      const { ok, trouble: why } = await post(place(name, '/test'));
      return { words: ok ? t('The receiver took it.') : why, isBad: !ok };
    });
  const rotate = ({ name }) =>
    act(async () => {
      const { secret } = await post(place(name, '/rotate'));
      return shown(secret);
    });
  const enable = ({ name }) =>
    act(async () => {
      await post(place(name, '/enable'));
      return undefined;
    });
  const remove = ({ name }) =>
    confirm(`${t('Remove')} ${name}?`) &&
    act(async () => {
      await ask(place(name), { method: 'DELETE' });
      return undefined;
    });
  const button = (words, hook, work) =>
    html`<button class="small" aria-label=${`${t(words)} ${hook.name}`} onClick=${() => work(hook)}>${t(words)}</button> `;
  return html`
    <p class="quiet">${t('Payments, devices that are gone and alerts are told to these addresses, signed, until they are taken.')}</p>
    <${Trouble} error=${error ?? trouble} />
    ${said !== undefined && html`<p class=${`banner ${said.isBad ? 'bad' : 'good'}`} role="status">${said.words}</p>`}
    ${
      mayChange &&
      html`<details><summary>${t('Add a webhook')}</summary>
        <form class="find" onSubmit=${add}>
          <label>${t('Name')}<input name="name" required maxlength="39" /></label>
          <label>${t('Address (https)')}<input name="url" type="url" required maxlength="500" /></label>
          <button>${t('Add')}</button>
        </form></details>`
    }
    ${
      answer !== undefined &&
      html`<${Table}
        caption=${t('Webhooks')}
        empty=${t('No webhook yet.')}
        rows=${answer.webhooks.map((one) => ({ ...one, key: one.name }))}
        columns=${[
          { name: 'Name', cell: ({ name }) => name },
          { name: 'Address', cell: ({ url }) => html`<code class="wrap">${url}</code>` },
          { name: 'State', cell: (hook) => html`<${State} hook=${hook} />` },
          { name: 'Behind', right: true, cell: ({ behind }) => number(behind) },
          { name: 'Last told', cell: ({ toldAt }) => (toldAt === undefined ? '–' : moment(toldAt)) },
          ...(mayChange
            ? [
                {
                  name: 'Acts',
                  cell: (hook) =>
                    html`${button('Test', hook, test)}${button('New secret', hook, rotate)}${(hook.disabled ?? hook.failing) !== undefined && button('Take up', hook, enable)}${button('Remove', hook, remove)}`,
                },
              ]
            : []),
        ]}
      />`
    }
  `;
}
