/** Accounts on L2 as people type them. */
import { type Address, isAddress } from 'viem';
import { SundialError } from '../../protocol/errors.ts';

/** The account that a flag names. Throws `address`. */
export function addressOf(text: string, flag: string): Address {
  if (isAddress(text)) return text;
  throw new SundialError('address', `${text} is no address on L2`, {
    severity: 'call',
    remedy: `Give ${flag} 0x and 40 hex digits; a mixed-case one must have the right checksum.`,
  });
}
