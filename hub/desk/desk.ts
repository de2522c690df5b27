/**
 * The operator's desk: merchants, and devices that are enrolled by one-time codes. Small, human-sized, and never asked
 * when money is decided: vouchers are in the ledger, deposits on L2, a terminal's right is its payee's signature.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { createDurably, writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { seconds } from '../../protocol/integers.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { codesMax, merchantsMax, enrolledMax } from '../limits.ts';

/** An address; wallets write some digits large, and mean the same. */
export const addressText = z
  .string()
  .toLowerCase()
  .regex(/^0x[0-9a-f]{40}$/, 'want 0x and 40 hex digits');
export const nameText = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._&'-]{0,38}$/u, 'want 1 to 39 letters, digits, spaces or . _ & -');
export const roleText = z.enum(['wearable', 'car', 'pos', 'charger']);
export type EnrolledRole = z.infer<typeof roleText>;

const merchantSchema = z.strictObject({
  name: nameText,
  address: addressText,
  /** Most that its terminals may take on leases that nothing covers, units; 0: none. */
  wideMax: z.int().min(0),
  /** Terminals that the hub vouches for on L2; absent: whoever added it did that, or nobody. */
  terminals: z.int().min(1).max(10_000).optional(),
  addedAt: z.int(),
});
export type Merchant = z.infer<typeof merchantSchema>;

const codeSchema = z.strictObject({
  /** SHA-256 of the code, hex: who reads this file can enrol nothing. */
  hash: z.string(),
  role: roleText,
  name: nameText,
  payee: addressText.optional(),
  expiresAt: z.int(),
  /** The device that it was given to; only that one may ask again. */
  device: addressText.optional(),
});

const deviceSchema = z.strictObject({
  address: addressText,
  name: nameText,
  role: roleText,
  payee: addressText.optional(),
  certificateExpiresAt: z.int().optional(),
  enrolledAt: z.int(),
  revokedAt: z.int().optional(),
});
export type EnrolledDevice = z.infer<typeof deviceSchema>;

const stateSchema = z.strictObject({
  version: z.literal(1),
  merchants: z.array(merchantSchema).max(merchantsMax),
  codes: z.array(codeSchema).max(codesMax),
  devices: z.array(deviceSchema).max(enrolledMax),
  /** Merchants that were let go, oldest first: L2 is told that the hub doesn't vouch for them any more. */
  gone: z.array(addressText).max(merchantsMax).optional(),
});
type State = z.infer<typeof stateSchema>;

/** Letters of a code: no 0, 1, I, L, O and U, which people confuse. */
const ALPHABET = '23456789ABCDEFGHJKMNPQRSTVWXYZ';
const CODE_LETTERS = 16;
/** How long a terminal's certificate lives, seconds. */
const YEAR = 365 * 86_400;

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

/** A code as it is compared: capitals, without what people put between the letters. */
const plainCode = (text: string): string => text.toUpperCase().replace(/[^0-9A-Z]/g, '');
const hashOf = (text: string): string => createHash('sha256').update(plainCode(text)).digest('hex');

/** A fresh code, 78 bits, in groups of four. */
function freshCode(): string {
  let text = '';
  while (text.length < CODE_LETTERS)
    // Of 256 values the last 16 would favour some letters.
    for (const byte of randomBytes(CODE_LETTERS))
      if (byte < 240 && text.length < CODE_LETTERS) text += ALPHABET[byte % ALPHABET.length];
  return text.replace(/(.{4})(?=.)/g, '$1-');
}

/** What a terminal's payee signed. */
export interface TerminalCertificate {
  readonly expiresAt: number;
  readonly signature: string;
}

/** Merchants, codes and enrolled devices, in `desk.json` of the hub's folder; durable when a call returns. */
export class Desk {
  private state: State;
  private readonly folder: string;
  private readonly nowSeconds: () => number;

  /** Throws `desk_invalid` when the file can't be read. */
  constructor(folder: string, nowSeconds: () => number) {
    this.folder = folder;
    this.nowSeconds = nowSeconds;
    const path = this.path();
    if (!existsSync(path)) {
      this.state = { version: 1, merchants: [], codes: [], devices: [] };
      return;
    }
    const how = { severity: 'process', remedy: 'Restore it as it was.' } as const;
    const parsed = stateSchema.safeParse(readJson(path, 'desk_invalid', how));
    if (!parsed.success) {
      const { path: field, message } = parsed.error.issues[0]!;
      throw new SundialError('desk_invalid', `${path}: ${field.join('.')}: ${message}`, how);
    }
    this.state = parsed.data;
  }

  private path(): string {
    return join(this.folder, 'desk.json');
  }

  private store(change: Partial<State>): void {
    const next = { ...this.state, ...change };
    writeDurably(this.path(), `${JSON.stringify(next, undefined, 2)}\n`);
    this.state = next;
  }

  get merchants(): readonly Merchant[] {
    return this.state.merchants;
  }

  /** Addresses of merchants that were let go. */
  get gone(): readonly string[] {
    return this.state.gone ?? [];
  }

  get devices(): readonly EnrolledDevice[] {
    return this.state.devices;
  }

  /** Codes that can still be used, without the codes. */
  get codes(): readonly Omit<z.infer<typeof codeSchema>, 'hash'>[] {
    const now = this.nowSeconds();
    return this.state.codes
      .filter((code) => code.device === undefined && code.expiresAt > now)
      .map(({ hash: _, ...code }) => code);
  }

  /** A merchant by its name or address. Throws `merchant_unknown`. */
  merchant(text: string): Merchant {
    const found = this.state.merchants.find(
      ({ name, address }) => name === text || address === text.toLowerCase(),
    );
    if (found !== undefined) return found;
    throw refused('merchant_unknown', `no merchant "${text}"`, 'Add it first: `sundial payee add`.');
  }

  /** A device by its name or address. Throws `device_unknown`. */
  device(text: string): EnrolledDevice {
    const found = this.state.devices.find(
      ({ name, address }) => name === text || address === text.toLowerCase(),
    );
    if (found !== undefined) return found;
    throw refused('device_unknown', `no device "${text}" was enrolled`, 'See `sundial terminal list`.');
  }

  /**
   * Adds a merchant; the same one again changes nothing. Its key, when given, is stored beside the ledger for its
   * terminals' certificates. Throws `merchant_exists`, `desk_full`.
   */
  addMerchant({
    name,
    address,
    wideMax = 0,
    terminals,
  }: {
    name: string;
    address: string;
    wideMax?: number | undefined;
    terminals?: number | undefined;
  }): Merchant {
    const same = this.state.merchants.find(
      (merchant) => merchant.name === name || merchant.address === address,
    );
    if (same !== undefined) {
      if (same.name === name && same.address === address && same.wideMax === wideMax) {
        if (terminals === undefined || terminals === same.terminals) return same;
        // A shop that grew: the registry has the new number in its own time.
        const grown = { ...same, terminals };
        this.store({ merchants: this.state.merchants.map((one) => (one === same ? grown : one)) });
        return grown;
      }
      throw refused(
        'merchant_exists',
        `${same.name} is ${same.address}`,
        'Give another name or another key.',
      );
    }
    if (this.state.merchants.length >= merchantsMax)
      throw refused(
        'desk_full',
        `${merchantsMax} merchants are the most`,
        'Remove one, or run a second hub.',
      );
    const merchant = {
      name,
      address,
      wideMax,
      ...(terminals !== undefined && { terminals }),
      addedAt: this.nowSeconds(),
    };
    this.store({
      merchants: [...this.state.merchants, merchant],
      ...(this.gone.includes(address) && { gone: this.gone.filter((one) => one !== address) }),
    });
    return merchant;
  }

  /** Ends enrolment for a merchant. What its terminals hold is taken and settled as ever. */
  removeMerchant(text: string): Merchant {
    const gone = this.merchant(text);
    this.store({
      merchants: this.state.merchants.filter((merchant) => merchant !== gone),
      codes: this.state.codes.filter(({ payee, device }) => payee !== gone.address || device !== undefined),
      gone: [...this.gone, gone.address].slice(-merchantsMax),
    });
    return gone;
  }

  /** Makes a one-time code; only its hash is kept. Throws `desk_full`, `device_exists`, `missing_payee`. */
  invite(wish: { role: EnrolledRole; name: string; payee?: string | undefined; minutes: number }): {
    code: string;
    expiresAt: number;
  } {
    const isTerminal = wish.role === 'pos' || wish.role === 'charger';
    if (isTerminal && wish.payee === undefined)
      throw refused('missing_payee', `a ${wish.role} is somebody's`, 'Say for which merchant.');
    const now = this.nowSeconds();
    if (this.state.devices.some(({ name }) => name === wish.name))
      throw refused('device_exists', `"${wish.name}" is enrolled already`, 'Give the device another name.');
    const kept = this.state.codes.filter(({ expiresAt }) => expiresAt > now);
    if (kept.length >= codesMax)
      throw refused('desk_full', `${codesMax} codes wait`, 'Wait until some expire, or use them.');
    const code = freshCode();
    const payee = isTerminal ? this.merchant(wish.payee!).address : undefined;
    const expiresAt = now + wish.minutes * 60;
    const { role, name } = wish;
    const entry = { hash: hashOf(code), role, name, expiresAt, ...(payee !== undefined && { payee }) };
    this.store({ codes: [...kept, entry] });
    return { code, expiresAt };
  }

  /**
   * Takes a code for a device. The same device may ask again, because an answer may be lost; another one may not. Throws
   * `code_unknown` (also when it expired: who guesses learns nothing), `code_used`, `desk_full`.
   */
  redeem(code: string, device: string): EnrolledDevice & { wideMax?: number } {
    const hash = Buffer.from(hashOf(code));
    const found = this.state.codes.find((entry) => timingSafeEqual(Buffer.from(entry.hash), hash));
    const now = this.nowSeconds();
    if (found === undefined || (found.expiresAt <= now && found.device !== device))
      throw refused(
        'code_unknown',
        'no such code, or it expired',
        'Ask for a new one: `sundial terminal enrol`.',
      );
    if (found.device !== undefined && found.device !== device)
      throw refused(
        'code_used',
        'another device has used this code',
        'Ask for a new one, and look who used it.',
      );
    const wideMax = found.payee === undefined ? undefined : this.merchant(found.payee).wideMax;
    const known = this.state.devices.find(({ address }) => address === device);
    if (known !== undefined) return { ...known, ...(wideMax !== undefined && { wideMax }) };
    if (this.state.devices.length >= enrolledMax)
      throw refused('desk_full', `${enrolledMax} devices are the most`, 'Run a second hub.');
    const { role, name, payee } = found;
    const enrolled: EnrolledDevice = {
      address: device,
      name,
      role,
      ...(payee !== undefined && { payee, certificateExpiresAt: now + YEAR }),
      enrolledAt: now,
    };
    const codes = this.state.codes.map((entry) => (entry === found ? { ...entry, device } : entry));
    this.store({ devices: [...this.state.devices, enrolled], codes });
    return { ...enrolled, ...(wideMax !== undefined && { wideMax }) };
  }

  /** Marks a device: it is registered no more. Its money is taken as ever. */
  revoke(text: string): EnrolledDevice {
    const found = this.device(text);
    const revoked = { ...found, revokedAt: found.revokedAt ?? this.nowSeconds() };
    this.store({ devices: this.state.devices.map((device) => (device === found ? revoked : device)) });
    return revoked;
  }

  isRevoked(device: string): boolean {
    return this.state.devices.some(({ address, revokedAt }) => address === device && revokedAt !== undefined);
  }

  // ---- keys of payees ----

  private keyPath(address: string): string {
    return join(this.folder, 'payees', `${address}.key`);
  }

  /** Keeps a payee's secret for its terminals' certificates, readable by this user alone. */
  keepKey(secret: string): string {
    const address = toHex(nobleKey(fromHex(secret, 32)).address);
    createDurably(this.keyPath(address), `${secret}\n`);
    return address;
  }

  /** A payee's secret, where it is kept here. Throws `payee_key_away`. */
  keyOf(address: string): `0x${string}` {
    const path = this.keyPath(address);
    if (existsSync(path)) return readFileSync(path, 'utf8').trim() as `0x${string}`;
    throw refused(
      'payee_key_away',
      `the key of ${address} is not kept by this hub`,
      'Give it with `sundial payee add --key-file`, so that its terminals can be certified.',
    );
  }

  /** Certifies a terminal with its payee's key. Throws `payee_key_away` when that is not kept here. */
  async certify(signing: Signing, device: EnrolledDevice): Promise<TerminalCertificate> {
    const key = nobleKey(fromHex(this.keyOf(device.payee!), 32));
    const expiresAt = device.certificateExpiresAt!;
    const fields = {
      terminal: fromHex(device.address, 20),
      payee: key.address,
      expiresAt: seconds(expiresAt),
    };
    return { expiresAt, signature: toHex(await key.sign(signing.digest('Terminal', fields))) };
  }
}
