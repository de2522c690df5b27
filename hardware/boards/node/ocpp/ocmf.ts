/**
 * OCMF, the signed records of charge meters (S.A.F.E. e.V., versions 0.4 to 1.x): `OCMF|payload|signature`, the payload's
 * very bytes signed by the meter. Keys and signatures come in the encodings that meters really use: DER or raw, hex or base64.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { SundialError } from '../../../../protocol/errors.ts';

/** Signature methods by their names in records: OpenSSL's name of the curve, its object identifier, bytes of a coordinate. */
const METHODS: Readonly<
  Record<string, { readonly oid: string; readonly size: number; readonly name: string }>
> = {
  'ECDSA-secp192k1-SHA256': { name: 'secp192k1', oid: '2b8104001f', size: 24 },
  'ECDSA-secp192r1-SHA256': { name: 'prime192v1', oid: '2a8648ce3d030101', size: 24 },
  'ECDSA-secp256k1-SHA256': { name: 'secp256k1', oid: '2b8104000a', size: 32 },
  'ECDSA-secp256r1-SHA256': { name: 'prime256v1', oid: '2a8648ce3d030107', size: 32 },
  'ECDSA-secp384r1-SHA256': { name: 'secp384r1', oid: '2b81040022', size: 48 },
  'ECDSA-brainpool256r1-SHA256': { name: 'brainpoolP256r1', oid: '2b2403030208010107', size: 32 },
  'ECDSA-brainpool256r11-SHA256': { name: 'brainpoolP256r1', oid: '2b2403030208010107', size: 32 },
  'ECDSA-brainpool384r1-SHA256': { name: 'brainpoolP384r1', oid: '2b240303020801010b', size: 48 },
};
const DEFAULT_METHOD = 'ECDSA-secp256r1-SHA256';
/** Characters of a record: OCPP 2.x carries no more. */
export const OCMF_MAX = 32_768;

const readingSchema = z.looseObject({
  TM: z.string(),
  TX: z.string().optional(),
  RV: z.union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/)]).transform(Number),
  RI: z.string().optional(),
  RU: z.string(),
  ST: z.string(),
});
const payloadSchema = z.looseObject({
  FV: z.string().optional(),
  PG: z.string(),
  MS: z.string().optional(),
  GS: z.string().optional(),
  IS: z.boolean().optional(),
  IT: z.string().optional(),
  ID: z.string().optional(),
  TT: z.string().optional(),
  RD: z.array(readingSchema).min(1),
});
const signatureSchema = z.looseObject({
  SA: z.string().optional(),
  SE: z.enum(['hex', 'base64']).optional(),
  SM: z.string().optional(),
  SD: z.string(),
});

export type OcmfPayload = z.infer<typeof payloadSchema>;

/** What a record says, and whether the meter's key signed just that. */
export interface OcmfCheck {
  readonly verified: boolean;
  /** Why not, when it is not. */
  readonly reason?: string;
  readonly method: string;
  readonly payload: OcmfPayload;
}

const bad = (what: string): SundialError =>
  new SundialError('bad_ocmf', what, {
    severity: 'call',
    remedy:
      'Give the record as the charge point gave it: OCMF|payload|signature, nothing added or re-encoded.',
  });

/** The three sections. The payload may hold any character, so the last bar is the one before the signature. */
function sectionsOf(record: string): { readonly payload: string; readonly signature: string } {
  const text = record.trim();
  if (text.length > OCMF_MAX) throw bad(`${text.length} characters, ${OCMF_MAX} are the most`);
  const last = text.lastIndexOf('|');
  if (!text.startsWith('OCMF|') || last <= 'OCMF|'.length)
    throw bad(`"${text.slice(0, 40)}" is no OCMF record`);
  return { payload: text.slice('OCMF|'.length, last), signature: text.slice(last + 1) };
}

function parsed<T>(schema: z.ZodType<T>, text: string, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad(`its ${what} is no JSON: ${(cause as Error).message}`);
  }
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  const issue = found.error.issues[0]!;
  throw bad(`its ${what}: ${issue.path.join('.')}: ${issue.message}`);
}

const isHex = (text: string): boolean => /^([0-9a-f]{2})+$/i.test(text);
const bytesOf = (text: string): Buffer => {
  const plain = text.replace(/\s+/g, '');
  return isHex(plain) ? Buffer.from(plain, 'hex') : Buffer.from(plain, 'base64');
};

/** SubjectPublicKeyInfo of a bare point. */
function spkiOf(point: Buffer, oid: string): Buffer {
  const tagged = (tag: number, ...parts: Buffer[]): Buffer => {
    const body = Buffer.concat(parts);
    const length = body.length < 128 ? [body.length] : [0x81, body.length];
    return Buffer.concat([Buffer.from([tag, ...length]), body]);
  };
  const ids = tagged(
    0x30,
    tagged(0x06, Buffer.from('2a8648ce3d0201', 'hex')),
    tagged(0x06, Buffer.from(oid, 'hex')),
  );
  return tagged(0x30, ids, tagged(0x03, Buffer.from([0]), point));
}

/** A meter's key: DER or a bare point, with or without its leading byte. Throws `bad_meter_key`. */
function meterKey(text: string, { oid, size }: { readonly oid: string; readonly size: number }): KeyObject {
  const bytes = bytesOf(text);
  const point =
    bytes.length === 2 * size
      ? Buffer.concat([Buffer.from([4]), bytes])
      : bytes.length === 2 * size + 1 || bytes.length === size + 1
        ? bytes
        : undefined;
  try {
    return createPublicKey({
      key: point === undefined ? bytes : spkiOf(point, oid),
      format: 'der',
      type: 'spki',
    });
  } catch (cause) {
    throw new SundialError('bad_meter_key', `no public key: ${text.slice(0, 40)}`, {
      severity: 'call',
      remedy: "Give the meter's key as it is printed on it: DER or a bare point, in hex or base64.",
      cause,
    });
  }
}

/** Is it the DER of two numbers, and nothing behind them? */
const isDer = (signature: Buffer): boolean =>
  signature[0] === 0x30 && signature.length >= 8 && signature[1] === signature.length - 2;

/** Parses a record and checks its signature. Throws `bad_ocmf` and `bad_meter_key`: neither could ever be verified. */
export function checkOcmf(record: string, publicKey: string): OcmfCheck {
  const sections = sectionsOf(record);
  const payload = parsed(payloadSchema, sections.payload, 'payload');
  const { SA: method = DEFAULT_METHOD, SD, SE } = parsed(signatureSchema, sections.signature, 'signature');
  const curve = METHODS[method];
  if (curve === undefined) throw bad(`the signature method ${method} is not known`);
  const key = meterKey(publicKey, curve);
  const answer = { method, payload };
  if (key.asymmetricKeyDetails?.namedCurve !== curve.name)
    return { ...answer, verified: false, reason: `the key is on another curve than ${curve.name}` };
  const signature = SE === 'base64' ? Buffer.from(SD, 'base64') : bytesOf(SD);
  const dsaEncoding = isDer(signature) ? 'der' : 'ieee-p1363';
  const verified = verify('sha256', Buffer.from(sections.payload), { key, dsaEncoding }, signature);
  return verified
    ? { ...answer, verified }
    : { ...answer, verified, reason: 'the signature is of other bytes' };
}

/** A record and the key that is given with it. */
export interface OcmfItem {
  readonly record: string;
  readonly publicKey?: string;
}

const plainText = (text: string): string =>
  text
    .replace(/^\s*<!\[CDATA\[([\s\S]*)\]\]>\s*$/, '$1')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&')
    .trim();

/**
 * The records of a file: one record, or the XML of transparency software, `signedData` and `publicKey` in each `value`.
 * Throws `bad_ocmf` when there is none.
 */
export function ocmfItems(text: string): readonly OcmfItem[] {
  if (text.trim().startsWith('OCMF|')) return [{ record: text.trim() }];
  const items = [...text.matchAll(/<value\b[^>]*>([\s\S]*?)<\/value>/g)].flatMap(([, value]) => {
    const tag = (name: string): string | undefined =>
      new RegExp(`<${name}\\b[^>]*>([\\s\\S]*?)</${name}>`).exec(value!)?.[1];
    const record = tag('signedData');
    if (record === undefined) return [];
    const publicKey = tag('publicKey');
    return [
      { record: plainText(record), ...(publicKey !== undefined && { publicKey: plainText(publicKey) }) },
    ];
  });
  if (items.length === 0) throw bad('no record in it');
  return items;
}
