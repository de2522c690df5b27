/**
 * The one shape of every error that Sundial throws. Start here when you meet an error code.
 * A refusal on the wire is not an exception: those codes stand in refusals.ts.
 */

/** How far the damage reaches: one call, one message, this device, or the whole process. */
export type Severity = 'call' | 'message' | 'device' | 'process';

/** Facts that a reader of a log needs: plain values only, never secrets. */
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

/** An error with a stable code, how far it reaches, what was seen, and what the caller can do about it. */
export class SundialError extends Error {
  readonly code: string;
  readonly severity: Severity;
  readonly facts: Facts;
  /** One sentence that tells the caller what to do. */
  readonly remedy: string;

  constructor(
    code: string,
    message: string,
    options: { severity: Severity; remedy: string; facts?: Facts; cause?: unknown },
  ) {
    super(`${code}: ${message}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SundialError';
    this.code = code;
    this.severity = options.severity;
    this.facts = options.facts ?? {};
    this.remedy = options.remedy;
  }
}

/** For the end of an exhaustive switch: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new SundialError('unreachable', `unexpected value ${JSON.stringify(value)}`, {
    severity: 'process',
    remedy: 'Report this with the version that you run: a state and event were not foreseen.',
  });
}
