/** The CryptoSuite of the native profile. P-256 is not in it: a terminal that wants it is built with noble. */
import { nativeCrypto } from '../../native/index.ts';

export const crypto = nativeCrypto();
