/**
 * protocol/crypto/noble.ts with secp256k1 and keccak256 in C: what the XS suite and the noble-free images compute
 * with. Signatures are byte-identical, so the same tests hold; xs/native.test.ts compares the two.
 */
import { addressOfKey, nobleSuite as inJavaScript } from '../../protocol/crypto/noble.ts';
import { nativeCrypto, nativeKey } from './index.ts';

export { addressOfKey };
export const nobleSuite = nativeCrypto(inJavaScript.recover);
export const nobleKey = nativeKey;
