/** The error of every SecureKey. */
import { SundialError } from '../../protocol/errors.ts';

/** A key that can't sign, and why. */
export class KeyFault extends SundialError {
  constructor(
    code: 'key_invalid' | 'digest_invalid' | 'key_refused' | 'counter_went_back' | 'key_unsupported',
    message: string,
    cause?: unknown,
  ) {
    super(code, message, {
      severity: 'device',
      remedy: 'The device signs nothing with this key: replace the key or the device.',
      cause,
    });
    this.name = 'KeyFault';
  }
}
