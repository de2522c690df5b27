/** The CryptoSuite of the noble profile: everything in JavaScript, at the price that bench:board prints. */
import { p256 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { nobleSuite } from '../../../protocol/crypto/noble.ts';

// Small tables: noble's usual ones take a megabyte. Made at the start, before anyone waits.
secp256k1.Point.BASE.precompute(2, false);
p256.Point.BASE.precompute(2, true);

export const crypto = nobleSuite;
