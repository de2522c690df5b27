/**
 * What a payee's office keeps, in one file: of each customer the newest payment that the hub acknowledged and the newest of
 * all, with everything that L2 wants to see, and what was seen and announced on L2. Payments are never lost by a newer one
 * that is worth less; the file is written before anything that relies on it is done.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { claim, type Claim } from '../../../hardware/boards/node/till/claims.ts';
import { writeDurably } from '../../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../../hardware/boards/node/storage/read-json.ts';
import { SundialError } from '../../../protocol/errors.ts';
import type { Signing } from '../../../protocol/signing/digests.ts';
import { hex } from '../../hex.ts';
import { type AnnouncedBatch, type ReadyClaim, readyClaim } from './carry.ts';

/** Payments that an office keeps, two a customer: some 600 bytes each in its file, which is read and written whole. */
export const officeClaimsMax = 20_000;
/** Announcements of others that are followed at once; each costs whoever makes it a transaction. */
export const alarmsMax = 1_000;

/** Somebody's announcement that takes from channels in which this payee has money. */
const alarm = z.strictObject({
  /** keccak256 of its bytes. */
  batch: hex(32),
  /** From when it may be executed, seconds of the vault's clock. */
  executableAt: z.int().min(0),
  channels: z.array(z.int().min(1)).max(2_000),
});
export type Alarm = z.output<typeof alarm>;

const bookFile = z.strictObject({
  version: z.literal(1),
  chainId: z.int().positive(),
  vault: z.string().regex(/^0x[0-9a-f]{40}$/),
  payee: z.string().regex(/^0x[0-9a-f]{40}$/),
  /** L2 height up to which announcements were looked at; absent: nothing was. */
  height: z.int().min(0).optional(),
  alarms: z.array(alarm).max(alarmsMax),
  /** Own ones. */
  announced: z.array(z.strictObject({ proofs: z.array(z.base64url()) })),
  /** `since`: when this office first had it, unix seconds of its own clock. */
  claims: z.array(claim.extend({ since: z.int().min(0) })).max(officeClaimsMax),
});
type File = z.output<typeof bookFile>;

/** A payment of the book. */
export interface KeptClaim extends ReadyClaim {
  readonly since: number;
}

/** An office's book in its folder. */
export class OfficeBook {
  private file: File;
  private readonly path: string;
  private readonly signing: Signing;
  private kept: readonly KeptClaim[];

  /** Opens it, or begins one. Throws `bad_office` when it is of another payee or can't be read. */
  constructor(
    folder: string,
    signing: Signing,
    of: { readonly chainId: number; readonly vault: string; readonly payee: string },
  ) {
    this.path = join(folder, 'office.json');
    this.signing = signing;
    const remedy = 'Name the folder of this payee with --office, or an empty one.';
    const how = { severity: 'process', remedy } as const;
    if (!existsSync(this.path)) {
      const { chainId, vault, payee } = of;
      const identity = { version: 1, chainId, vault, payee } as const;
      this.file = { ...identity, alarms: [], announced: [], claims: [] };
    } else {
      const parsed = bookFile.safeParse(readJson(this.path, 'bad_office', how));
      if (!parsed.success) {
        const { path: field, message } = parsed.error.issues[0]!;
        throw new SundialError('bad_office', `${this.path}: ${field.join('.')}: ${message}`, how);
      }
      this.file = parsed.data;
    }
    const { chainId, vault, payee } = this.file;
    if (chainId !== of.chainId || vault !== of.vault || payee !== of.payee)
      throw new SundialError('bad_office', `${this.path} is of payee ${payee} in ${vault}`, how);
    this.kept = this.file.claims.map(({ since, ...one }) => {
      const ready = readyClaim(signing, payee, one);
      if (typeof ready === 'string') throw new SundialError('bad_office', `${this.path}: ${ready}`, how);
      return { ...ready, since };
    });
  }

  get claims(): readonly KeptClaim[] {
    return this.kept;
  }

  get announced(): readonly AnnouncedBatch[] {
    return this.file.announced;
  }

  get height(): number | undefined {
    return this.file.height;
  }

  get alarms(): readonly Alarm[] {
    return this.file.alarms;
  }

  /**
   * Takes payments from a till or from the hub. What is of somebody else or signed by nobody is left out.
   * @returns how many are new. Throws `office_full`.
   */
  take(claims: readonly Claim[], nowSeconds: number): number {
    const known = new Set(
      this.kept.map(({ claim: { proof, acknowledgement } }) => idOf(proof, acknowledgement)),
    );
    const fresh = claims.flatMap((one): KeptClaim[] => {
      if (known.has(idOf(one.proof, one.acknowledgement))) return [];
      const ready = readyClaim(this.signing, this.file.payee, one);
      return typeof ready === 'string' ? [] : [{ ...ready, since: nowSeconds }];
    });
    if (fresh.length === 0) return 0;
    const waiting = new Set(this.file.announced.flatMap(({ proofs }) => proofs));
    const next = newestOf([...this.kept, ...fresh], waiting);
    if (next.length > officeClaimsMax)
      throw new SundialError('office_full', `more than ${officeClaimsMax} payments`, {
        severity: 'process',
        remedy: 'Run one office for each group of tills, each in a folder of its own.',
      });
    const before = new Set(this.kept);
    this.kept = next;
    this.store({});
    return next.filter((one) => !before.has(one)).length;
  }

  /** Keeps what was announced, durably. */
  keepAnnounced(announced: readonly AnnouncedBatch[]): void {
    this.store({ announced: announced.map(({ proofs }) => ({ proofs: [...proofs] })) });
  }

  /** Keeps what was seen of L2 up to a height, durably. The first alarms stay when there are too many. */
  keepSeen(height: number, alarms: readonly Alarm[]): void {
    this.store({ height, alarms: alarms.slice(0, alarmsMax) });
  }

  private store(change: Partial<File>): void {
    const claims = this.kept.map(({ claim: one, since }) => ({ ...one, since }));
    this.file = { ...this.file, ...change, claims };
    writeDurably(this.path, `${JSON.stringify(this.file)}\n`);
  }
}

const idOf = (proof: string, word: Claim['acknowledgement']): string =>
  word === undefined ? proof : `${proof} acknowledged`;

/** Of each channel the one that claims most of those that were acknowledged, and of the others when it claims more. */
function newestOf(claims: readonly KeptClaim[], waiting: ReadonlySet<string>): KeptClaim[] {
  const acknowledged = new Map<number, KeptClaim>();
  const others = new Map<number, KeptClaim>();
  for (const one of claims) {
    const map = one.row.acknowledgement === undefined ? others : acknowledged;
    if (one.top > (map.get(one.channel)?.top ?? -1)) map.set(one.channel, one);
  }
  return claims.filter((one) => {
    if (acknowledged.get(one.channel) === one) return true;
    // A batch that is announced needs its very rows when it is due.
    if (waiting.has(one.claim.proof)) return true;
    return others.get(one.channel) === one && one.top > (acknowledged.get(one.channel)?.top ?? -1);
  });
}
