/** Small helpers around SundialError, the one error shape of the project. */
import { SundialError } from '../protocol/errors.ts';

/** True when `error` is a SundialError with this code. */
export function isError(error: unknown, code: string): error is SundialError {
  return error instanceof SundialError && error.code === code;
}

/** The short text of any thrown value: with the system's code where there is one (ENOSPC), or the project's. */
export function causeText(error: unknown): string {
  if (error instanceof SundialError) return error.message;
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code;
    return typeof code === 'string' ? `${code}: ${error.message}` : error.message;
  }
  return String(error);
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
