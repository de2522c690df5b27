/** Checks signatures of OCMF records in a browser: no word of any server counts. */
import { ecdsa, type ECDSA, weierstrass } from '@noble/curves/abstract/weierstrass.js';
import { brainpoolP256r1, brainpoolP384r1 } from '@noble/curves/misc.js';
import { p256, p384 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { noMeterKey, type OcmfCheck, readMeterKey, readOcmf } from '../ocmf-record.ts';

/** Older meters' curves, from SEC 2; the library has none of 192 bits. */
const secp192k1 = ecdsa(
  weierstrass({
    p: 0xfffffffffffffffffffffffffffffffffffffffeffffee37n,
    n: 0xfffffffffffffffffffffffe26f2fc170f69466a74defd8dn,
    h: 1n,
    a: 0n,
    b: 3n,
    Gx: 0xdb4ff10ec057e9ae26b07d0280b7f4341da5d1b1eae06c7dn,
    Gy: 0x9b2f2f6d9c5628a7844163d015be86344082aa88d95e2f9dn,
  }),
  sha256,
);
const secp192r1 = ecdsa(
  weierstrass({
    p: 0xfffffffffffffffffffffffffffffffeffffffffffffffffn,
    n: 0xffffffffffffffffffffffff99def836146bc9b1b4d22831n,
    h: 1n,
    a: 0xfffffffffffffffffffffffffffffffefffffffffffffffcn,
    b: 0x64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1n,
    Gx: 0x188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012n,
    Gy: 0x07192b95ffc8da78631011ed6b24cdd573f977a11e794811n,
  }),
  sha256,
);

/** By OpenSSL's names, as in the table of methods. */
const CURVES: Readonly<Record<string, ECDSA>> = {
  secp192k1,
  prime192v1: secp192r1,
  secp256k1,
  prime256v1: p256,
  secp384r1: p384,
  brainpoolP256r1,
  brainpoolP384r1,
};

/** Parses a record and checks its signature. Throws `bad_ocmf` and `bad_meter_key`: neither could ever be verified. */
export function verifyOcmf(record: string, publicKey: string): OcmfCheck {
  const { method, curve, payload, signed, signature, isDer } = readOcmf(record);
  const { point, spki } = readMeterKey(publicKey, curve);
  const answer = { method, payload };
  if (point === undefined) {
    // DER of something: a key on another curve, or none.
    if (spki[0] !== 0x30) return noMeterKey(publicKey);
    return { ...answer, verified: false, reason: `the key is on another curve than ${curve.name}` };
  }
  const used = CURVES[curve.name]!;
  if (!used.utils.isValidPublicKey(point)) return noMeterKey(publicKey);
  const verified = isSignature(used, signature, sha256(signed), point, isDer ? 'der' : 'compact');
  return verified
    ? { ...answer, verified }
    : { ...answer, verified, reason: 'the signature is of other bytes' };
}

function isSignature(
  curve: ECDSA,
  signature: Uint8Array,
  digest: Uint8Array,
  point: Uint8Array,
  format: 'der' | 'compact',
): boolean {
  try {
    return curve.verify(signature, digest, point, { prehash: false, lowS: false, format });
  } catch {
    // Bytes that are no signature.
    return false;
  }
}
