// Types of sundial/pos; what the objects hold is told by the one schema of the till.
import type { Report, Sale, SaleAsk, Status, TillEvent } from './schema.ts';

export type { Report, Sale, Status, TillEvent };

/** Of every question. */
export interface Options {
  readonly signal?: AbortSignal;
}
/** Of an act: with the same key it is done once. */
export interface Act extends Options {
  readonly key: string;
}

/** Money that goes back: in the currency of the sale, or in units where none is named. */
export interface Back extends Act {
  readonly currency?: string;
}

/** A code on the till's display: its text, and a picture of it as a data: address. */
export interface Code {
  readonly code: string | null;
  readonly picture: string | null;
}

export interface TillClient {
  status(options?: Options): Promise<Status>;
  code(options?: Options): Promise<Code>;
  seen(text: string, options?: Options): Promise<Code>;
  open(sale: Partial<SaleAsk> & { readonly amount: number }, options: Act): Promise<Sale>;
  sell(sale: Partial<SaleAsk> & { readonly amount: number }, options: Act): Promise<Sale>;
  ended(id: string, options?: Options): Promise<Sale>;
  sale(id: string, options?: Options): Promise<Sale>;
  sales(query?: Readonly<Record<string, string>>, options?: Options): Promise<Sale[]>;
  cancel(id: string, options?: Options): Promise<Sale>;
  part(id: string, total: number, options?: Options): Promise<Sale>;
  refund(id: string, amount: number | undefined, options: Back): Promise<Sale>;
  capture(id: string, amount: number, options: Back): Promise<Sale>;
  receipt(
    id: string,
    form: 'escpos',
    copy?: 'customer' | 'merchant',
    options?: Options,
  ): Promise<ArrayBuffer>;
  receipt(
    id: string,
    form?: 'text' | 'html' | 'code',
    copy?: 'customer' | 'merchant',
    options?: Options,
  ): Promise<string>;
  report(options?: Options): Promise<Report>;
  closeDay(options?: Options): Promise<Report>;
  days(options?: Options): Promise<Report[]>;
  train(on: boolean, options?: Options): Promise<Status>;
  sync(options?: Options): Promise<Status>;
  events(from?: {
    readonly after?: number | undefined;
    readonly signal?: AbortSignal;
  }): AsyncGenerator<TillEvent>;
}

export class TillError extends Error {
  readonly code: string;
  readonly remedy: string;
  readonly status: number | undefined;
}

export function units(text: string | number): number;
export function money(units: number): string;
export function connectTill(how: {
  readonly url: string;
  readonly token: string;
  readonly patienceMs?: number;
}): TillClient;
