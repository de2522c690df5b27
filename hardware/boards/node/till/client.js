// sundial/pos: a till's API for a shop's software, in Node and in browsers. Amounts are whole units of 10^-6 TIME.
//
// Every act takes a key of the caller's own, such as its order number: whoever crashes, loses the network or is not sure
// asks again with the same key, and gets what came of it. Nothing is asked or given back twice.

const UNIT = 1_000_000;
/** How long a till that does not answer is asked again, milliseconds. */
const PATIENCE_MS = 180_000;
const AGAIN_MS = 300;
/** Seconds that one question waits for a sale's end. */
const WAIT_SECONDS = 20;

/** Units of a text such as `4.50`; throws a RangeError for what is no amount. */
export function units(text) {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(String(text).trim());
  if (match === null) throw new RangeError(`"${text}" is no amount: write 4.50`);
  return Number(match[1]) * UNIT + Number((match[2] ?? '').padEnd(6, '0'));
}

/** Units as people read them, with two decimals at least: 4500000 is 4.50. */
export function money(value) {
  const digits = String(Math.abs(value)).padStart(7, '0');
  const fraction = digits.slice(-6).replace(/0{1,4}$/, '');
  return `${value < 0 ? '-' : ''}${digits.slice(0, -6)}.${fraction}`;
}

/** What a till refuses: `code` for programs, `remedy` says what to do, `status` is HTTP's. */
export class TillError extends Error {
  constructor({ code, title, remedy, status }) {
    super(`${code}: ${title}`);
    Object.assign(this, { name: 'TillError', code, remedy, status });
  }
}

const away = (cause) =>
  Object.assign(
    new TillError({
      code: 'till_away',
      title: 'the till does not answer',
      remedy: 'Start it, or correct its address.',
    }),
    { cause },
  );

const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const over = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', over);
      resolve();
    }, ms);
    signal?.addEventListener('abort', over, { once: true });
  });

/**
 * A till at `url`, opened with the `token` from its folder. `patienceMs`: how long it may be away before a question gives
 * up. Every function takes `signal` in its last argument, as fetch does.
 */
export function connectTill({ url, token, patienceMs = PATIENCE_MS }) {
  // A wrong address is told at once.
  const base = new URL(url);
  const address = (path) => new URL(path, base);

  /** One question. Rejects with `TillError`, or with what fetch says when nobody answers. */
  async function once(path, { method = 'GET', body, key, signal, as = 'json', headers = {} } = {}) {
    const response = await fetch(address(path), {
      method,
      signal,
      headers: {
        authorization: `Bearer ${token}`,
        ...(key !== undefined && { 'idempotency-key': key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new TillError(await response.json());
    return as === 'stream' ? response.body : response[as]();
  }

  /** The same until it is answered: only for what may be asked twice. */
  async function ask(path, options = {}) {
    for (const until = Date.now() + patienceMs; ; ) {
      try {
        return await once(path, options);
      } catch (error) {
        if (error instanceof TillError || options.signal?.aborted) throw error;
        if (Date.now() > until) throw away(error);
        await pause(AGAIN_MS, options.signal);
      }
    }
  }

  const post = (path, body, options = {}) => ask(path, { ...options, method: 'POST', body });

  /** A sale when it is over, however long that takes. */
  async function ended(id, options = {}) {
    for (;;) {
      const sale = await ask(`/v1/sales/${id}?wait=${WAIT_SECONDS}`, options);
      if (sale.state !== 'open') return sale;
    }
  }

  return {
    /** What the till is doing. */
    status: (options) => ask('/v1/till', options),
    /** What the display of a till that taps by codes shows. */
    code: (options) => ask('/v1/code', options),
    /** Text that a camera or a scanner read off the customer's display. */
    seen: (seen, options) => ask('/v1/code', { method: 'POST', body: { seen }, ...options }),

    /** Begins a sale and does not wait. `sale`: amount, tip, reference, hold; with currency both are in its smallest unit. */
    open: (sale, options) => post('/v1/sales', sale, options),

    /** A sale from its beginning to its end: approved, or failed with its reason. `options.key` is needed. */
    async sell(sale, options) {
      const { id, state, ...rest } = await post('/v1/sales', sale, options);
      return state === 'open' ? ended(id, { signal: options.signal }) : { id, state, ...rest };
    },

    ended,
    sale: (id, options) => ask(`/v1/sales/${id}`, options),
    /** `query`: limit, before, key, reference, day. Newest first. */
    sales: async (query = {}, options) =>
      (await ask(`/v1/sales?${new URLSearchParams(query)}`, options)).sales,
    cancel: (id, options) => post(`/v1/sales/${id}/cancel`, {}, options),
    /** Asks for a part of an open sale instead: `most` of a refusal says what the customer has left. */
    part: (id, total, options) => post(`/v1/sales/${id}/part`, { total }, options),
    /** Gives back `amount`, or all that is left; in `options.currency` by the rate of the sale. `options.key` is needed. */
    refund: (id, amount, { currency, ...options }) =>
      post(`/v1/sales/${id}/refunds`, amount === undefined ? {} : { amount, currency }, options),
    /** Says what a hold comes to, as `refund` does. `options.key` is needed. */
    capture: (id, amount, { currency, ...options }) =>
      post(`/v1/sales/${id}/capture`, { amount, currency }, options),
    /** `form`: text, html, escpos (then bytes), code. `copy`: customer, merchant. */
    receipt: (id, form = 'text', copy = 'customer', options) =>
      ask(`/v1/sales/${id}/receipt?form=${form}&for=${copy}`, {
        ...options,
        as: form === 'escpos' ? 'arrayBuffer' : 'text',
      }),

    /** The open day so far. */
    report: (options) => ask('/v1/day', options),
    /** Ends the day. Asked once: whoever is not sure looks at `days`. */
    closeDay: (options) => once('/v1/day/close', { ...options, method: 'POST', body: {} }),
    days: async (options) => (await ask('/v1/days', options)).reports,
    train: (on, options) => post('/v1/training', { on }, options),
    sync: (options) => post('/v1/sync', {}, options),

    /**
     * What happens, one after the other and each once, for as long as it is read: a till or a network that goes away is
     * waited for. `after`: number of the last event that was seen; absent: from now on. Rejects with `events_gone` when
     * some are not told any more.
     */
    async *events({ after, signal } = {}) {
      let last = after;
      for (;;) {
        try {
          const headers = last === undefined ? {} : { 'last-event-id': String(last) };
          const stream = await once('/v1/events', { as: 'stream', headers, signal });
          let text = '';
          for await (const part of stream.pipeThrough(new TextDecoderStream())) {
            text += part;
            const blocks = text.split('\n\n');
            text = blocks.pop();
            for (const block of blocks) {
              const data = /^data: (.*)$/m.exec(block)?.[1];
              if (data === undefined) {
                last ??= Number(/^: (\d+)$/.exec(block)?.[1] ?? Number.NaN) || 0;
                continue;
              }
              const event = JSON.parse(data);
              last = event.id;
              yield event;
            }
          }
        } catch (error) {
          if (error instanceof TillError || signal?.aborted) throw error;
        }
        await pause(AGAIN_MS, signal);
      }
    },
  };
}
