/** Small helpers around SundialError, the one error shape of the project. */
import { SundialError } from '../protocol/errors.ts';

/** True when `error` is a SundialError with this code. */
export function isError(error: unknown, code: string): error is SundialError {
  return error instanceof SundialError && error.code === code;
}

/** The short text of any thrown value: the system's code where there is one (ENOSPC), else the message. */
export function causeText(error: unknown): string {
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code;
    return typeof code === 'string' ? `${code}: ${error.message}` : error.message;
  }
  return String(error);
}
