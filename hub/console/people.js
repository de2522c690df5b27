// The console's pages of people: passkeys, and acts that want two of them.
import { ask, Table, Trouble, useAnswer } from '/console/parts.js';
import { html, useState } from '/console/view.js';
import { moment, t } from '/console/words.js';

const LOOK_MS = 5_000;
const post = (path, body = {}) => ask(path, { method: 'POST', body });

/** Signs in with a passkey that this browser, or a phone or stick beside it, has. */
export async function signInWithPasskey() {
  const options = await post('/v1/signin/passkey/options');
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  await post('/v1/signin/passkey', { response: credential.toJSON() });
}

async function addPasskey(label) {
  const options = await post('/v1/passkeys/options');
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  await post('/v1/passkeys', { label, response: credential.toJSON() });
}

/** A button that signs in with a passkey. */
export function PasskeyButton() {
  const [trouble, setTrouble] = useState();
  if (globalThis.PublicKeyCredential === undefined) return null;
  const signIn = async () => {
    try {
      await signInWithPasskey();
      location.reload();
    } catch (error) {
      setTrouble(error);
    }
  };
  return html`<p><button onClick=${signIn}>${t('Sign in with a passkey')}</button></p><${Trouble} error=${trouble} />`;
}

/** Passkeys: one's own, and who sees all sees all. */
export function Passkeys({ me }) {
  const { answer, error, load } = useAnswer('/v1/passkeys');
  const [trouble, setTrouble] = useState();
  const act = async (work) => {
    try {
      await work();
      setTrouble(undefined);
    } catch (refused) {
      setTrouble(refused);
    }
    load();
  };
  const add = (event) => {
    event.preventDefault();
    const form = event.target;
    const { label } = Object.fromEntries(new FormData(form));
    act(async () => {
      await addPasskey(label);
      form.reset();
    });
  };
  const remove = ({ id, label }) =>
    confirm(`${t('Remove')} ${label}?`) &&
    act(() => ask(`/v1/passkeys/${encodeURIComponent(id)}`, { method: 'DELETE' }));
  return html`
    <p class="quiet">${t('A passkey signs you in from this phone or computer, with its lock, and without a link.')}</p>
    <${Trouble} error=${error ?? trouble} />
    <form class="find" onSubmit=${add}>
      <label>${t('Name')}<input name="label" required maxlength="39" /></label>
      <button>${t('Add a passkey')}</button>
    </form>
    ${
      answer !== undefined &&
      html`<${Table}
        caption=${t('Passkeys')}
        empty=${t('No passkey yet.')}
        rows=${answer.passkeys.map((one) => ({ ...one, key: one.id }))}
        columns=${[
          { name: 'Name', cell: ({ label }) => label },
          { name: 'Who', cell: ({ person }) => person },
          { name: 'Added', cell: ({ addedAt }) => moment(addedAt) },
          { name: 'Last used', cell: ({ usedAt }) => (usedAt === undefined ? '–' : moment(usedAt)) },
          {
            name: 'Acts',
            cell: (one) =>
              me.role === 'operator' || one.person === me.name
                ? html`<button class="small" aria-label=${`${t('Remove')} ${one.label}`} onClick=${() => remove(one)}>${t('Remove')}</button>`
                : '',
          },
        ]}
      />`
    }
  `;
}

/** Acts that wait for a second person. */
export function Approvals({ me }) {
  const { answer, error, load } = useAnswer('/v1/approvals', LOOK_MS);
  const [trouble, setTrouble] = useState();
  const decide = async ({ id, words }, word) => {
    if (word === 'approve' && !confirm(`${words}?`)) return;
    try {
      await post(`/v1/approvals/${id}/${word}`);
      setTrouble(undefined);
    } catch (refused) {
      setTrouble(refused);
    }
    load();
  };
  const button = (words, wish, word) =>
    html`<button class="small" aria-label=${`${t(words)}: ${wish.words}`} onClick=${() => decide(wish, word)}>${t(words)}</button> `;
  return html`
    <p class="quiet">${t('One person asks, another one lets it happen.')}</p>
    <${Trouble} error=${error ?? trouble} />
    ${
      answer !== undefined &&
      html`<${Table}
        caption=${t('Approvals')}
        empty=${t('Nothing waits.')}
        rows=${answer.approvals.map((one) => ({ ...one, key: one.id }))}
        columns=${[
          { name: 'What', cell: ({ words }) => html`<span class="wrap">${words}</span>` },
          { name: 'Who', cell: ({ by }) => by },
          { name: 'Asked', cell: ({ askedAt }) => moment(askedAt) },
          { name: 'Until', cell: ({ until }) => moment(until) },
          {
            name: 'Acts',
            cell: (wish) =>
              me.role === 'operator'
                ? html`${wish.by !== me.name && button('Approve', wish, 'approve')}${button('Refuse', wish, 'refuse')}`
                : '',
          },
        ]}
      />`
    }
  `;
}
