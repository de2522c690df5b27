// What an owner looks at: what is left, and what was paid.
import { Camera } from '/console/look.js';
import { ask, Badge, Id, STATE_KIND, Table, Trouble, useAnswer } from '/console/parts.js';
import { html, useEffect, useState } from '/console/view.js';
import { moment, money, number, t } from '/console/words.js';
import { receiptIn } from '/owner/wallet.js';

const receiptOf = (id) => `/v1/payments/${id}/receipt`;

const PaymentTable = ({ payments }) =>
  html`<${Table}
    caption=${t('Payments')}
    empty=${t('Nothing was paid yet.')}
    rows=${payments.map((one) => ({ ...one, key: one.id }))}
    columns=${[
      { name: 'Time', cell: ({ at }) => moment(at) },
      {
        name: 'Amount',
        right: true,
        cell: ({ amount, id }) => html`<a href=${`#/payment/${id}`}>${money(amount)}</a>`,
      },
      { name: 'Merchant', cell: ({ merchant, payee }) => merchant ?? html`<${Id} of=${payee} />` },
      { name: 'State', cell: ({ state }) => html`<${Badge} kind=${STATE_KIND[state]}>${t(state)}<//>` },
      {
        name: 'Receipt',
        cell: ({ id }) =>
          html`<a href=${receiptOf(id)} target="_blank" rel="noopener" aria-label=${`${t('Receipt')} ${id.slice(0, 8)}`}>${t('Receipt')}</a>`,
      },
    ]}
  />`;

const Figure = ({ name, value }) => html`<div class="figure"><dt>${name}</dt><dd>${value}</dd></div>`;

function stateOf({ proved, revoked, exiting, registered }) {
  if (proved)
    return [
      'bad',
      'Two payments of one number were signed for this channel: it is refused, and its bond goes to who was harmed.',
    ];
  if (revoked) return ['bad', 'This device is refused.'];
  if (exiting) return ['waiting', 'This channel is being closed.'];
  return registered ? ['good', 'All is well'] : ['waiting', 'The device has not met the hub yet.'];
}

/** What is left, and the newest payments. */
export function Home({ channel }) {
  const { answer, error } = useAnswer(`/v1/payments?channel=${channel.channel}&limit=5`);
  const [kind, words] = stateOf(channel);
  const { limits, spentToday } = channel;
  return html`
    <p class=${`banner ${kind}`} role="status">${t(words)}</p>
    <section class="hand" aria-label=${t('Left to spend')}>
      <p class="quiet">${t('Left to spend')}</p>
      <p class="big">${money(channel.left)} TIME</p>
      ${limits.day !== undefined && html`<p class="quiet"><progress class="meter" max=${Math.max(1, limits.day)} value=${Math.min(spentToday, limits.day)} aria-label=${t('Spent today')}></progress>${money(spentToday)} / ${money(limits.day)} ${t('spent today')}</p>`}
      <div class="buttons"><a class="button" href="#/topup">${t('Top up')}</a><a class="button" href="#/limits">${t('Limits')}</a></div>
    </section>
    <dl class="figures">
      <${Figure} name=${t('Spent in all')} value=${money(channel.spent)} />
      <${Figure} name=${t('Bond')} value=${money(channel.bond)} />
      <${Figure} name=${t('One payment at most')} value=${limits.tap === undefined ? t('no limit') : money(limits.tap)} />
      <${Figure} name=${t('Device')} value=${channel.deviceName ?? html`<${Id} of=${channel.payer} />`} />
    </dl>
    <h2>${t('Newest')}</h2>
    <${Trouble} error=${error} />
    ${answer !== undefined && html`<${PaymentTable} payments=${answer.payments} />`}
  `;
}

/** Reads the code on a till's receipt and goes to the payment that it is about. */
function ScanReceipt({ channel, place }) {
  const [isLooking, look] = useState(false);
  const [said, say] = useState();
  const seen = async (text) => {
    const found = receiptIn(text, place);
    if (found === undefined) return say('This is no receipt of a till here.');
    if (found.channel !== channel.channel) return say('This receipt is of another channel.');
    const { payments } = await ask(`/v1/payments?channel=${found.channel}&seq=${found.seq}&limit=1`);
    if (payments.length === 0)
      return say('The till has not handed this payment in yet. The receipt is your proof: keep it.');
    look(false);
    location.hash = `#/payment/${payments[0].id}`;
  };
  return html`<div class="act narrow">
    <div><button class="small" aria-expanded=${isLooking} onClick=${() => {
      say(undefined);
      look(!isLooking);
    }}>${t(isLooking ? 'Stop the camera' : 'Scan a receipt')}</button></div>
    ${isLooking && html`<${Camera} onSeen=${seen} label=${t('The code on a receipt')} none=${t('No camera here.')} />`}
    ${said !== undefined && html`<p class="banner" role="status">${t(said)}</p>`}
  </div>`;
}

/** Everything that was paid. */
export function Payments({ channel, place }) {
  const path = `/v1/payments?channel=${channel.channel}&limit=50`;
  const { answer, error } = useAnswer(path);
  const [more, setMore] = useState([]);
  const [trouble, setTrouble] = useState();
  useEffect(() => setMore([]), [path]);
  if (answer === undefined) return html`<${Trouble} error=${error} />`;
  const last = more.at(-1) ?? answer;
  const next = async () => {
    try {
      setMore([...more, await ask(`${path}&after=${last.next}`)]);
      setTrouble(undefined);
    } catch (refused) {
      setTrouble(refused);
    }
  };
  return html`
    <${ScanReceipt} channel=${channel} place=${place} />
    <p class="quiet" role="status">${answer.complete ? '' : `${t('of the newest')}: `}${number(answer.total)} ${t('payments')}, ${money(answer.sum)} ${t('in all')}</p>
    <${PaymentTable} payments=${[answer, ...more].flatMap(({ payments }) => payments)} />
    <${Trouble} error=${error ?? trouble} />
    ${last.next !== undefined && html`<p><button onClick=${next}>${t('More')}</button></p>`}
    <p class="quiet"><strong>${t('Something is missing?')}</strong> ${t('A till that was offline hands its payments in when it is back.')}</p>
  `;
}

/** One payment. */
export function Payment({ id }) {
  const { answer, error } = useAnswer(`/v1/payments/${id}`);
  if (answer === undefined) return html`<${Trouble} error=${error} />`;
  const { payment, steps, sentence } = answer;
  return html`
    <p><a href="#/payments">← ${t('Back')}</a></p>
    <p class="amount">${money(payment.amount)} <${Badge} kind=${STATE_KIND[payment.state]}>${t(payment.state)}<//></p>
    <p class="sentence">${sentence}</p>
    <p><a class="button" href=${receiptOf(payment.id)} target="_blank" rel="noopener">${t('Receipt')}</a></p>
    <ol class="life">
      ${steps.map(({ step, at, words }) => html`<li><strong>${t(step)}</strong> ${at !== undefined && html`<span class="quiet">${moment(at)}</span>`}<br />${words}</li>`)}
    </ol>
  `;
}
