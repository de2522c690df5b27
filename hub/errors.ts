// The one error class of the hub: a code to switch on, how bad it is, the facts, and what the caller can do.

/** `retry`: the same call may succeed later. `refuse`: the input is at fault. `stop`: the hub must not go on. */
export type Severity = 'retry' | 'refuse' | 'stop';

/** Plain values only, so that an error can go into a log line or a status answer as it is. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

/** An error with a stable code; `remedy` says in one sentence what whoever sees it can do. */
export class HubError extends Error {
  readonly code: string;
  readonly severity: Severity;
  readonly facts: Facts;
  readonly remedy: string;

  constructor(
    code: string,
    severity: Severity,
    message: string,
    details: { facts?: Facts; remedy: string; cause?: unknown },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'HubError';
    this.code = code;
    this.severity = severity;
    this.facts = details.facts ?? {};
    this.remedy = details.remedy;
  }
}

/** True when `error` is a HubError with this code. */
export function isHubError(error: unknown, code: string): error is HubError {
  return error instanceof HubError && error.code === code;
}

/** The short text of any thrown value: the code where there is one (ENOSPC), else the message. */
export function causeText(error: unknown): string {
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code;
    return typeof code === 'string' ? `${code}: ${error.message}` : error.message;
  }
  return String(error);
}
