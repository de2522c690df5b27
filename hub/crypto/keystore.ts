/**
 * A key behind a passphrase: Web3 Secret Storage, version 3, as wallets and node programs write and read it (scrypt or
 * PBKDF2, AES-128-CTR, keccak256 over the second half of the derived key and the ciphertext).
 */
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes, randomUUID } from 'node:crypto';
import { scrypt } from '@noble/hashes/scrypt.js';
import { z } from 'zod';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { keystoreMemoryMax, keystoreRoundsMax } from '../limits.ts';

/** What a passphrase costs to try: half a second and 128 MiB. */
const SCRYPT = { n: 131_072, r: 8, p: 1, dklen: 32 } as const;

const hexText = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`));
const keystoreSchema = z.object({
  version: z.literal(3),
  crypto: z.object({
    cipher: z.literal('aes-128-ctr'),
    cipherparams: z.object({ iv: hexText(16) }),
    ciphertext: hexText(32),
    kdf: z.enum(['scrypt', 'pbkdf2']),
    kdfparams: z.object({
      dklen: z.literal(32),
      salt: z.string().regex(/^([0-9a-fA-F]{2}){8,64}$/),
      n: z.int().min(2).optional(),
      r: z.int().min(1).max(64).optional(),
      p: z.int().min(1).max(64).optional(),
      c: z.int().min(1).max(keystoreRoundsMax).optional(),
      prf: z.literal('hmac-sha256').optional(),
    }),
    mac: hexText(32),
  }),
});
type Kdf = z.infer<typeof keystoreSchema>['crypto']['kdfparams'];

const bytesOf = (text: string): Buffer => Buffer.from(text, 'hex');

/** Whoever wrote the file chose its costs: within bounds. Undefined: it names none that can be. */
function derive(passphrase: string, kdf: 'scrypt' | 'pbkdf2', { salt, n, r, p, c }: Kdf): Buffer | undefined {
  const words = Buffer.from(passphrase.normalize('NFKC'), 'utf8');
  if (kdf === 'pbkdf2')
    return c === undefined ? undefined : pbkdf2Sync(words, bytesOf(salt), c, 32, 'sha256');
  if (n === undefined || r === undefined || p === undefined) return undefined;
  if ((n & (n - 1)) !== 0 || 128 * n * r > keystoreMemoryMax) return undefined;
  // OpenSSL's refuses r = 1, which some files have.
  return Buffer.from(scrypt(words, bytesOf(salt), { N: n, r, p, dkLen: 32, maxmem: 2 * keystoreMemoryMax }));
}

const macOf = (derived: Buffer, ciphertext: Uint8Array): Uint8Array =>
  nobleSuite.keccak256(Uint8Array.from(Buffer.concat([derived.subarray(16, 32), ciphertext])));

/** The secret (0x and 64 hex digits) as the text of a file that the passphrase opens. */
export function lockSecret(secret: string, passphrase: string): string {
  const salt = randomBytes(32).toString('hex');
  const iv = randomBytes(16);
  const kdfparams = { ...SCRYPT, salt };
  const derived = derive(passphrase, 'scrypt', kdfparams)!;
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv);
  const ciphertext = Buffer.concat([cipher.update(fromHex(secret, 32)), cipher.final()]);
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return JSON.stringify({
    version: 3,
    id: randomUUID(),
    address: toHex(nobleKey(fromHex(secret, 32)).address).slice(2),
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: hex(iv) },
      ciphertext: hex(ciphertext),
      kdf: 'scrypt',
      kdfparams,
      mac: hex(macOf(derived, ciphertext)),
    },
  });
}

/** Is it such a file, whole or not? */
export const isKeystore = (text: string): boolean => text.trimStart().startsWith('{');

/** The secret in such a text; `what` names it. Throws `bad_key_file`, `passphrase_wrong`. */
export function unlockSecret(text: string, passphrase: string, what: string): `0x${string}` {
  const { crypto } = read(text, what);
  const derived = derive(passphrase, crypto.kdf, crypto.kdfparams);
  if (derived === undefined) throw damaged(what, 'its costs are out of bounds');
  const ciphertext = bytesOf(crypto.ciphertext);
  if (!equalBytes(macOf(derived, ciphertext), Uint8Array.from(bytesOf(crypto.mac))))
    throw new SundialError('passphrase_wrong', `the passphrase does not open ${what}`, {
      severity: 'process',
      remedy: 'Give the passphrase that the file was locked with; a damaged file says the same.',
    });
  const plain = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), bytesOf(crypto.cipherparams.iv));
  return toHex(new Uint8Array(Buffer.concat([plain.update(ciphertext), plain.final()])));
}

function read(text: string, what: string): z.infer<typeof keystoreSchema> {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    throw damaged(what, 'it is cut off');
  }
  const parsed = keystoreSchema.safeParse(fields);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw damaged(what, `${path.join('.')}: ${message}`);
}

const damaged = (what: string, why: string): SundialError =>
  new SundialError('bad_key_file', `${what} holds no key that a passphrase opens: ${why}`, {
    severity: 'process',
    remedy: 'Want Web3 Secret Storage, version 3. Restore the file from a copy.',
  });
