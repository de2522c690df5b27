/** One JSON line an event on stderr (stdout belongs to the commands). Secrets never enter facts, so none are removed. */
import pino, { type Logger } from 'pino';
import { SundialError } from '../protocol/errors.ts';

export type { Logger };

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug';

/** A logger at this level; `destination` is a file descriptor or path, stderr by default. */
export function createLogger(level: LogLevel, destination: number | string = 2): Logger {
  return pino({ level, base: { part: 'hub' } }, pino.destination({ dest: destination, sync: true }));
}

/** What an error says, as fields of a log line: code, facts, remedy and the chain of causes. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (error instanceof SundialError) {
    return {
      code: error.code,
      severity: error.severity,
      message: error.message,
      remedy: error.remedy,
      ...error.facts,
      ...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
    };
  }
  if (error instanceof Error) return { message: error.message, stack: error.stack };
  return { message: String(error) };
}
