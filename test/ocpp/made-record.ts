/** A meter's signed record of a session, by a key that was just made. */
import { generateKeyPairSync, sign } from 'node:crypto';

const READINGS = [
  { TM: '2026-11-30T10:00:00,000+0000 S', TX: 'B', RV: '1.25', RU: 'kWh', ST: 'G' },
  { TM: '2026-11-30T10:40:00,000+0000 S', TX: 'E', RV: '8.75', RU: 'kWh', ST: 'G' },
];

export interface MadeRecord {
  readonly record: string;
  /** Its public key: SubjectPublicKeyInfo in hex, and the bare point in base64. */
  readonly der: string;
  readonly point: string;
}
/** `words`: further fields of its payload. */
export function madeRecord(
  curve: string,
  method: string,
  words: object = {},
  dsaEncoding: 'der' | 'ieee-p1363' = 'der',
): MadeRecord {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
  const payload = JSON.stringify({ FV: '1.0', PG: 'T1', MS: 'meter 7', ...words, RD: READINGS });
  const signature = sign('sha256', Buffer.from(payload), { key: privateKey, dsaEncoding });
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const size = Number(/(\d+)/.exec(curve)![1]) >> 3;
  return {
    record: `OCMF|${payload}|${JSON.stringify({ SA: method, SD: signature.toString('hex') })}`,
    der: spki.toString('hex'),
    point: spki.subarray(-2 * size - 1).toString('base64'),
  };
}
