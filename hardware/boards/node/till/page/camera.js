// Two displays that look at each other: the till's code for the customer, and the customer's code through this camera.
// What a camera saw goes to the till as text; a scanner that types does as well.
import { again, Camera } from '/till/look.js';
import { html, useEffect, useState } from '/till/view.js';
import { t } from '/till/words.js';

/** How often the till's code is looked at, milliseconds. */
const CODE_MS = 250;

/** Both codes of a sale that is asked for; nothing on a till that does not tap by codes. */
export function Codes({ till }) {
  const [shown, setShown] = useState();
  useEffect(() => {
    let stop = () => undefined;
    stop = again(
      () =>
        till.code().then(setShown, (error) => {
          if (error.code === 'no_codes') stop();
        }),
      CODE_MS,
    );
    return () => stop();
  }, []);
  if (shown === undefined) return null;
  const typed = (event) => {
    if (event.key !== 'Enter') return;
    till.seen(event.target.value).then(setShown, () => undefined);
    event.target.value = '';
  };
  return html`<div class="codes">
    <figure>
      ${
        shown.picture === null
          ? html`<p class="quiet">${t("Scan the customer's code first")}</p>`
          : html`<img src=${shown.picture} alt=${t('Code for the customer to scan')} />`
      }
      <figcaption>${t('For the customer')}</figcaption>
    </figure>
    <figure>
      <${Camera}
        onSeen=${(text) => till.seen(text).then(setShown)}
        label=${t("The customer's code")}
        none=${t('No camera: a scanner that types will do.')}
      />
      <figcaption>${t("The customer's code")}</figcaption>
    </figure>
    <label class="field scanner">${t('Scanner')}
      <input autocomplete="off" spellcheck="false" onKeyDown=${typed} /></label>
  </div>`;
}
