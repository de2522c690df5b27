/** The till's routes, version 1: what its page and whoever integrates it can ask and do. */
import { renderSVG } from 'uqr';
import { z } from 'zod';
import { refusal, type Route, routesOf, Text } from '../http/routes.ts';
import { receiptOf, RECEIPT_FORMS } from './receipts.ts';
import {
  captureAsk,
  keyText,
  partAsk,
  referenceText,
  refundAsk,
  report,
  sale,
  type Sale,
  saleAsk,
  status,
} from './schema.ts';
import type { Till, Wish } from './till.ts';

/** Who asks: the question's name, and the idempotency key where it has one. */
export interface Asker {
  readonly requestId: string;
  readonly key: string | undefined;
}

/** What the routes work on. */
export interface ApiParts {
  readonly till: Till;
  /** Meets the hub now, and resolves when all is handed in, or after a while. */
  sync(): Promise<void>;
  /** What the till's display shows and its camera sees, where its link is codes on two displays. */
  codes(): { shown(): string | undefined; scan(text: string): void } | undefined;
}

/** Longest that an answer waits for a sale's end, seconds. */
const WAIT_MAX = 30;
const PAGE_MAX = 200;

const route = routesOf<Route<Asker>>();

/** Throws `key_missing`: without one a question that is repeated would act twice. */
function wishOf({ requestId, key }: Asker): Wish {
  const parsed = keyText.safeParse(key);
  if (parsed.success) return { requestId, key: parsed.data };
  throw refusal(
    'key_missing',
    'no usable Idempotency-Key',
    'Send the header Idempotency-Key: 1 to 64 printable characters, another one for each act.',
  );
}

/** The sale when it is over, or as it is after `seconds`. */
function ended(till: Till, id: string, seconds: number): Promise<Sale> {
  return new Promise((resolve, reject) => {
    const look = (): Sale | undefined => till.books.sale(id);
    const done = (): void => {
      clearTimeout(timer);
      stop();
      const found = look();
      if (found === undefined) reject(unknownSale(id));
      else resolve(found);
    };
    const timer = setTimeout(done, seconds * 1000);
    const stop = till.listen(() => {
      if (look()?.state !== 'open') done();
    });
    if (look()?.state !== 'open') done();
  });
}

const unknownSale = (id: string) =>
  refusal('sale_unknown', `this till remembers no sale ${id}`, 'See GET /v1/sales.');

const byId = z.object({ id: z.string().max(16) });
const ofDay = z.object({ day: z.coerce.number().int().min(1) });

/** Longest text of a code, characters: the largest QR code holds fewer. */
const CODE_MAX = 4296;
const shownCode = z.strictObject({
  /** Text of the code; null while there is nothing to show. */
  code: z.string().nullable(),
  /** The same as a picture, a data: address. */
  picture: z.string().nullable(),
});

type Codes = NonNullable<ReturnType<ApiParts['codes']>>;

/** Throws `no_codes` on a till whose link has none. */
function codesOf(codes: ApiParts['codes']): Codes {
  const link = codes();
  if (link !== undefined) return link;
  throw refusal('no_codes', 'this till has no codes', 'Start it with --tap qr: to tap by two displays.');
}

/** What the display shows now. */
function codeNow(link: Codes): z.infer<typeof shownCode> {
  const shown = link.shown();
  if (shown === undefined) return { code: null, picture: null };
  const svg = renderSVG(shown, { ecc: 'L', border: 4 });
  return { code: shown, picture: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}` };
}

/** All routes. */
export const tillRoutes = ({ till, sync, codes }: ApiParts): readonly Route<Asker>[] => [
  route({
    method: 'GET',
    path: '/v1/till',
    summary: 'What the till is doing',
    answer: status,
    act: () => till.status(),
  }),
  route({
    method: 'POST',
    path: '/v1/sales',
    summary: 'Ask a customer for money; with the same Idempotency-Key it is the same sale',
    body: saleAsk,
    answer: sale,
    act: ({ caller, body }) => till.sell(body, wishOf(caller)),
  }),
  route({
    method: 'GET',
    path: '/v1/sales',
    summary: 'Sales, newest first; by key, reference or day',
    query: z.object({
      limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(50),
      /** Those with a lower number. */
      before: z.coerce.number().int().min(1).optional(),
      key: keyText.optional(),
      reference: referenceText.optional(),
      day: z.coerce.number().int().min(1).optional(),
    }),
    answer: z.strictObject({ sales: z.array(sale) }),
    act({ query: { limit, before, key, reference, day } }) {
      const sales: Sale[] = [];
      for (const one of till.books.newest()) {
        if (sales.length === limit) break;
        if (before !== undefined && Number(one.id) >= before) continue;
        if (key !== undefined && one.key !== key) continue;
        if (reference !== undefined && one.reference !== reference) continue;
        if (day === undefined || one.day === day) sales.push(one);
      }
      return { sales };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/sales/{id}',
    summary: 'One sale; with `wait` when it is over, or after so many seconds',
    params: byId,
    query: z.object({ wait: z.coerce.number().min(0).max(WAIT_MAX).default(0) }),
    answer: sale,
    act: ({ params: { id }, query: { wait } }) => ended(till, id, wait),
  }),
  route({
    method: 'POST',
    path: '/v1/sales/{id}/cancel',
    summary: 'Drop what is asked for; a sale that is over stays as it is',
    params: byId,
    answer: sale,
    act: ({ params: { id } }) => till.cancel(id),
  }),
  route({
    method: 'POST',
    path: '/v1/sales/{id}/part',
    summary: 'Ask for a part of an open sale instead, such as what the customer has left',
    params: byId,
    body: partAsk,
    answer: sale,
    act: ({ params: { id }, body }) => till.part(id, body.total),
  }),
  route({
    method: 'POST',
    path: '/v1/sales/{id}/refunds',
    summary: 'Give back all that is left, or a part; with the same Idempotency-Key once',
    params: byId,
    body: refundAsk,
    answer: sale,
    act: ({ caller, params: { id }, body: { amount, currency } }) =>
      till.refund(id, amount === undefined ? undefined : till.unitsOn(id, amount, currency), wishOf(caller)),
  }),
  route({
    method: 'POST',
    path: '/v1/sales/{id}/capture',
    summary: 'Say what a hold comes to; the rest goes back',
    params: byId,
    body: captureAsk,
    answer: sale,
    act: ({ caller, params: { id }, body: { amount, currency } }) =>
      till.capture(id, till.unitsOn(id, amount, currency), wishOf(caller)),
  }),
  route({
    method: 'GET',
    path: '/v1/sales/{id}/receipt',
    summary: 'The receipt: text, HTML, or bytes for a printer',
    params: byId,
    query: z.object({
      form: z.enum(RECEIPT_FORMS).default('text'),
      for: z.enum(['customer', 'merchant']).default('customer'),
    }),
    answer: z.string(),
    act({ params: { id }, query }) {
      const found = till.books.sale(id);
      if (found === undefined) throw unknownSale(id);
      const { type, content } = receiptOf(found, till.status(), query.form, query.for);
      return new Text(type, content);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/day',
    summary: 'The X report: what the open day came to so far',
    answer: report,
    act: () => till.report(),
  }),
  route({
    method: 'POST',
    path: '/v1/day/close',
    summary: 'End the business day: the Z report',
    answer: report,
    act: ({ caller }) => till.close(caller.requestId),
  }),
  route({
    method: 'GET',
    path: '/v1/days',
    summary: 'Z reports of closed days, newest first',
    answer: z.strictObject({ reports: z.array(report) }),
    act: () => ({ reports: [...till.books.reports].reverse().slice(0, PAGE_MAX) }),
  }),
  route({
    method: 'GET',
    path: '/v1/days/{day}',
    summary: 'The Z report of one day',
    params: ofDay,
    answer: report,
    act({ params: { day } }) {
      const found = till.books.reports.find((one) => one.day === day);
      if (found !== undefined) return found;
      throw refusal(
        'day_unknown',
        `day ${day} is not closed here`,
        'See GET /v1/days; GET /v1/day is the open one.',
      );
    },
  }),
  route({
    method: 'POST',
    path: '/v1/training',
    summary: 'Play sales, so that no money moves; or end that',
    body: z.strictObject({ on: z.boolean() }),
    answer: status,
    act: ({ caller, body }) => till.train(body.on, caller.requestId),
  }),
  route({
    method: 'GET',
    path: '/v1/code',
    summary: 'The code that the customer scans now, on a till that taps by codes',
    answer: shownCode,
    act: () => codeNow(codesOf(codes)),
  }),
  route({
    method: 'POST',
    path: '/v1/code',
    summary:
      "Text of the customer's code, as a camera or a scanner read it; what is none of theirs does nothing",
    body: z.strictObject({ seen: z.string().min(1).max(CODE_MAX) }),
    answer: shownCode,
    act({ body }) {
      const link = codesOf(codes);
      link.scan(body.seen);
      return codeNow(link);
    },
  }),
  route({
    method: 'POST',
    path: '/v1/sync',
    summary: 'Meet the hub now; answers when all is handed in, or after a while',
    answer: status,
    act: async () => {
      await sync();
      return till.status();
    },
  }),
];
