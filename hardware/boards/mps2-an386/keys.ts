/** Keys in memory, of the native profile: the bench plays hub, payee and both devices on one chip. */
export { nativeKey as memoryKey } from '../../native/index.ts';
