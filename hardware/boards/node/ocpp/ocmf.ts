/** Checks signatures of OCMF records with OpenSSL. The page that does so in a browser is in verifier/. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { noMeterKey, type OcmfCheck, readMeterKey, readOcmf } from './ocmf-record.ts';

function keyOf(text: string, spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    return noMeterKey(text, cause);
  }
}

/** Parses a record and checks its signature. Throws `bad_ocmf` and `bad_meter_key`: neither could ever be verified. */
export function checkOcmf(record: string, publicKey: string): OcmfCheck {
  const { method, curve, payload, signed, signature, isDer } = readOcmf(record);
  const key = keyOf(publicKey, readMeterKey(publicKey, curve).spki);
  const answer = { method, payload };
  if (key.asymmetricKeyDetails?.namedCurve !== curve.name)
    return { ...answer, verified: false, reason: `the key is on another curve than ${curve.name}` };
  const verified = verify('sha256', signed, { key, dsaEncoding: isDer ? 'der' : 'ieee-p1363' }, signature);
  return verified
    ? { ...answer, verified }
    : { ...answer, verified, reason: 'the signature is of other bytes' };
}
