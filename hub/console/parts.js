// What all pages are made of: asking the hub, and a few elements.
import { html, useCallback, useEffect, useState } from '/console/view.js';
import { t } from '/console/words.js';

/** An answer of the hub that is no. */
export class Refused extends Error {
  constructor({ code, title, remedy, status }) {
    super(title);
    Object.assign(this, { code, remedy, status });
  }
}

/** Asks the hub; rejects with `Refused`, or with what the network says. */
export async function ask(path, { method = 'GET', body } = {}) {
  const response = await fetch(path, {
    method,
    headers: {
      ...(method !== 'GET' && { 'x-sundial': 'console' }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Refused(answer);
  return answer;
}

/** Asks when `path` changes, and every `everyMs` when given: the newest good answer, and the error of the last try. */
export function useAnswer(path, everyMs) {
  const [state, setState] = useState({});
  const load = useCallback(async () => {
    try {
      const answer = await ask(path);
      setState({ answer, path });
    } catch (error) {
      setState((before) => ({ ...(before.path === path ? before : {}), path, error }));
    }
  }, [path]);
  useEffect(() => {
    load();
    if (everyMs === undefined) return undefined;
    const timer = setInterval(load, everyMs);
    return () => clearInterval(timer);
  }, [load, everyMs]);
  return { ...(state.path === path ? state : {}), load };
}

/** Says what went wrong, and what to do. */
export function Trouble({ error }) {
  if (error === undefined) return null;
  const words =
    error instanceof Refused
      ? error.code === 'not_allowed'
        ? t('Your role may not see this.')
        : `${error.message}. ${error.remedy}`
      : error instanceof DOMException
        ? t('No passkey was used.')
        : t('The hub does not answer. What you see is from before.');
  return html`<p class="trouble" role="alert">${words}</p>`;
}

/** Digits that are long, short for people; whole for who copies or hovers. */
export const Id = ({ of }) =>
  of === undefined ? '–' : html`<code class="id" title=${of}>${`${of.slice(0, 8)}…${of.slice(-4)}`}</code>`;

/** A table that becomes a list of cards where there is no room: each cell knows its column. */
export function Table({ caption, columns, rows, empty }) {
  if (rows.length === 0) return html`<p class="quiet">${empty}</p>`;
  return html`<table>
    <caption class="sr">${caption}</caption>
    <thead>
      <tr>${columns.map(({ name, right }) => html`<th scope="col" class=${right ? 'right' : ''}>${t(name)}</th>`)}</tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr key=${row.key}>
            ${columns.map(
              ({ name, right, cell }) =>
                html`<td data-label=${t(name)} class=${right ? 'right' : ''}>${cell(row)}</td>`,
            )}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

/** A state as a word with a colour; the word alone says it, too. */
export const Badge = ({ kind, children }) => html`<span class=${`badge ${kind}`}>${children}</span>`;

/** The colour of a payment's state. */
export const STATE_KIND = { settled: 'good', acknowledged: 'waiting', void: 'bad' };

/** `4.50` as units; undefined for what is no amount. */
export function unitsOf(text) {
  const found = /^(\d{1,9})(?:[.,](\d{1,6}))?$/.exec(text.trim());
  return found === null ? undefined : Number(found[1]) * 1_000_000 + Number((found[2] ?? '').padEnd(6, '0'));
}
