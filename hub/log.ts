/** One JSON line an event on stderr (stdout belongs to the commands). Secrets never enter facts, so none are removed. */
import pino from 'pino';
import { shown } from '../protocol/shown.ts';

type Say = {
  (facts: object, words: string): void;
  (words: string): void;
};

/** What the hub says: facts, and words for people. */
export interface Logger {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
  readonly fatal: Say;
}

/** What may be asked for, from nothing to everything. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A logger at this level; `destination` is a file descriptor or path, stderr by default. */
export function createLogger(level: LogLevel, destination: number | string = 2): Logger {
  // JSON leaves some characters as they are that a terminal acts on; written out they mean the same.
  const hooks = { streamWrite: shown };
  return pino({ level, base: { part: 'hub' }, hooks }, pino.destination({ dest: destination, sync: true }));
}
