/**
 * What an OCMF record (S.A.F.E. e.V., versions 0.4 to 1.x) says, and which bytes were signed with which key: of records
 * only, no signature is checked here. Runs in browsers, too. Keys and signatures come in the encodings that meters really
 * use: DER or raw, hex or base64.
 */
import { z } from 'zod';
import { concatBytes } from '../../../../protocol/bytes.ts';
import { SundialError } from '../../../../protocol/errors.ts';

/** Signature methods by their names in records: OpenSSL's name of the curve, its object identifier, bytes of a coordinate. */
export interface Method {
  readonly name: string;
  readonly oid: string;
  readonly size: number;
}
const METHODS: Readonly<Record<string, Method>> = {
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

/** A record taken apart. */
export interface OcmfRecord {
  readonly method: string;
  readonly curve: Method;
  readonly payload: OcmfPayload;
  /** What the meter signed. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** Two numbers in DER, or side by side. */
  readonly isDer: boolean;
}

/** Parses a record. Throws `bad_ocmf`. */
export function readOcmf(record: string): OcmfRecord {
  const sections = sectionsOf(record);
  const payload = parsed(payloadSchema, sections.payload, 'payload');
  const { SA: method = DEFAULT_METHOD, SD, SE } = parsed(signatureSchema, sections.signature, 'signature');
  const curve = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  if (curve === undefined) throw bad(`the signature method ${method} is not known`);
  const signature = SE === 'base64' ? fromBase64(SD) : bytesOf(SD);
  const signed = new TextEncoder().encode(sections.payload);
  return { method, curve, payload, signed, signature, isDer: isDer(signature) };
}

const isHex = (text: string): boolean => /^([0-9a-f]{2})+$/i.test(text);
const hexBytes = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** Base64 of either alphabet; what is no part of it is passed over, as meters wrap lines. */
function fromBase64(text: string): Uint8Array {
  const plain = text
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replace(/[^A-Za-z0-9+/]/g, '');
  const whole = plain.length % 4 === 1 ? plain.slice(0, -1) : plain;
  return Uint8Array.from(atob(whole), (char) => char.charCodeAt(0));
}

const bytesOf = (text: string): Uint8Array => {
  const plain = text.replace(/\s+/g, '');
  return isHex(plain) ? hexBytes(plain) : fromBase64(plain);
};

/** What comes before the point in the SubjectPublicKeyInfo of a key on a curve. */
function spkiHead(oid: string, pointBytes: number): Uint8Array {
  const tagged = (tag: number, behind: number, ...parts: Uint8Array[]): Uint8Array => {
    const body = concatBytes(...parts);
    const length = body.length + behind;
    return concatBytes(Uint8Array.from(length < 128 ? [tag, length] : [tag, 0x81, length]), body);
  };
  const ids = tagged(0x30, 0, tagged(0x06, 0, hexBytes('2a8648ce3d0201')), tagged(0x06, 0, hexBytes(oid)));
  return tagged(0x30, pointBytes, ids, tagged(0x03, pointBytes, Uint8Array.of(0)));
}

/** A meter's key as it is given: a bare point on the record's curve, or DER. */
export interface MeterKey {
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** The point, with its leading byte; undefined: the DER is of another curve, or of no kind that meters use. */
  readonly point: Uint8Array | undefined;
}

/** Reads a meter's key: DER, or a point with or without its leading byte. Whether it is one is for a verifier to see. */
export function readMeterKey(text: string, { oid, size }: Method): MeterKey {
  const bytes = bytesOf(text);
  const point =
    bytes.length === 2 * size
      ? concatBytes(Uint8Array.of(4), bytes)
      : bytes.length === 2 * size + 1 || bytes.length === size + 1
        ? bytes
        : undefined;
  if (point !== undefined) return { spki: concatBytes(spkiHead(oid, point.length), point), point };
  const inside = [2 * size + 1, size + 1].find((length) => {
    const head = spkiHead(oid, length);
    return bytes.length === head.length + length && head.every((byte, i) => byte === bytes[i]);
  });
  return { spki: bytes, point: inside === undefined ? undefined : bytes.subarray(-inside) };
}

/** Throws `bad_meter_key`. */
export function noMeterKey(text: string, cause?: unknown): never {
  throw new SundialError('bad_meter_key', `no public key: ${text.slice(0, 40)}`, {
    severity: 'call',
    remedy: "Give the meter's key as it is printed on it: DER or a bare point, in hex or base64.",
    cause,
  });
}

/** Is it the DER of two numbers, and nothing behind them? */
const isDer = (signature: Uint8Array): boolean =>
  signature[0] === 0x30 && signature.length >= 8 && signature[1] === signature.length - 2;

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
