/** Keys in memory, of the noble profile. */
export { nobleKey as memoryKey } from '../../../protocol/crypto/noble.ts';
