/**
 * Who may ask the hub for what. A token is 32 random bytes; its hash is kept, with a role. The operator's own lies in a
 * file beside the ledger that only this user can read: whoever can read that can read the hub's keys as well.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { createDurably, writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { SundialError } from '../../protocol/errors.ts';
import { tokensMax } from '../limits.ts';
import { addressText, nameText } from './desk.ts';

/** What each may do stands at the routes (hub/api/v1.ts). */
export const ROLES = ['operator', 'support', 'auditor', 'merchant', 'owner'] as const;
export type Role = (typeof ROLES)[number];

const tokenSchema = z.strictObject({
  name: nameText,
  hash: z.string(),
  role: z.enum(ROLES),
  /** A merchant's own. */
  payee: addressText.optional(),
  /** An owner's own. */
  channel: z.int().min(0).optional(),
  expiresAt: z.int(),
});
const fileSchema = z.strictObject({ version: z.literal(1), tokens: z.array(tokenSchema).max(tokensMax) });

/** Who asks. */
export type Caller = Omit<z.infer<typeof tokenSchema>, 'hash'> & {
  /** Of an owner who signed in with its wallet: the account on L2, whose all channels are its own. */
  readonly account?: string;
};

type Remembered = Map<string, { readonly caller: Caller; readonly until: number }>;

/** Sign-ins of one wallet: its owner's phones and computers. */
const ACCOUNT_SESSIONS_MAX = 8;
/** Life of a browser's sign-in, seconds. */
const SESSION_SECONDS = 12 * 3600;

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');
const fresh = (): string => `sundial_${randomBytes(32).toString('base64url')}`;

/** Where the operator's own token lies in a hub's folder. */
export const operatorTokenPath = (folder: string): string => join(folder, 'operator.token');

/** The tokens of a hub, and the sign-ins of browsers, which end with the process. */
export class Tokens {
  private tokens: z.infer<typeof tokenSchema>[] = [];
  private readonly folder: string;
  private readonly nowSeconds: () => number;
  private readonly operatorHash: string;
  /** One-time links, and sessions, by hash. */
  private readonly links: Remembered = new Map();
  private readonly sessions: Remembered = new Map();
  /** Of wallets: however many there are, they push nobody else out. */
  private readonly owners: Remembered = new Map();

  constructor(folder: string, nowSeconds: () => number) {
    this.folder = folder;
    this.nowSeconds = nowSeconds;
    createDurably(operatorTokenPath(folder), `${fresh()}\n`);
    this.operatorHash = hashOf(readFileSync(operatorTokenPath(folder), 'utf8').trim());
    if (!existsSync(this.path())) return;
    const how = { severity: 'process', remedy: 'Restore it, or remove it: then make new tokens.' } as const;
    const parsed = fileSchema.safeParse(readJson(this.path(), 'tokens_invalid', how));
    if (!parsed.success) throw new SundialError('tokens_invalid', `${this.path()} is damaged`, how);
    this.tokens = parsed.data.tokens;
  }

  private path(): string {
    return join(this.folder, 'tokens.json');
  }

  private store(tokens: z.infer<typeof tokenSchema>[]): void {
    writeDurably(this.path(), `${JSON.stringify({ version: 1, tokens }, undefined, 2)}\n`);
    this.tokens = tokens;
  }

  /** Who a token is of; undefined when it is nobody's or has expired. */
  of(secret: string): Caller | undefined {
    const hash = hashOf(secret);
    if (hash === this.operatorHash) return { name: 'operator', role: 'operator', expiresAt: Infinity };
    const found = this.tokens.find((token) => token.hash === hash);
    if (found === undefined || found.expiresAt <= this.nowSeconds()) return undefined;
    const { hash: _, ...caller } = found;
    return caller;
  }

  /** Who a name stands for now; undefined: its token was removed, or has expired. */
  named(name: string): Caller | undefined {
    if (name === 'operator') return { name, role: 'operator', expiresAt: Infinity };
    const found = this.tokens.find((token) => token.name === name);
    if (found === undefined || found.expiresAt <= this.nowSeconds()) return undefined;
    const { hash: _, ...caller } = found;
    return caller;
  }

  list(): Caller[] {
    return this.tokens.map(({ hash: _, ...caller }) => caller);
  }

  /** Makes a token; it is shown once. Throws `token_exists`, `tokens_full`. */
  make(wish: Caller): string {
    if (wish.name === 'operator' || this.tokens.some(({ name }) => name === wish.name))
      throw new SundialError('token_exists', `there is a token "${wish.name}"`, {
        severity: 'call',
        remedy: 'Give another name, or remove that one first.',
      });
    const kept = this.tokens.filter(({ expiresAt }) => expiresAt > this.nowSeconds());
    if (kept.length >= tokensMax)
      throw new SundialError('tokens_full', `${tokensMax} tokens are the most`, {
        severity: 'call',
        remedy: 'Remove some first.',
      });
    const secret = fresh();
    this.store([...kept, { ...wish, hash: hashOf(secret) }]);
    return secret;
  }

  /** Throws `token_unknown`. */
  remove(name: string): void {
    if (!this.tokens.some((token) => token.name === name))
      throw new SundialError('token_unknown', `no token "${name}"`, {
        severity: 'call',
        remedy: 'Ask for the list of tokens.',
      });
    this.store(this.tokens.filter((token) => token.name !== name));
    for (const [hash, { caller }] of this.sessions) if (caller.name === name) this.sessions.delete(hash);
  }

  // ---- browsers ----

  /** The secret of a link that signs a browser in, once, within ten minutes. */
  link(caller: Caller): string {
    return this.remember(this.links, caller, 600);
  }

  /** A session for who opened a link; undefined when it was used or is over. Always a new secret: none is fixed before. */
  signIn(link: string): string | undefined {
    const found = this.links.get(hashOf(link));
    this.links.delete(hashOf(link));
    if (found === undefined || found.until <= this.nowSeconds()) return undefined;
    return this.remember(this.sessions, found.caller, SESSION_SECONDS);
  }

  /** A session for who proved to be that. */
  signInAs(caller: Caller): string {
    return this.remember(this.sessions, caller, SESSION_SECONDS);
  }

  /** A session for the wallet of an account, which proved itself. */
  signInOwner(account: string): string {
    const own = [...this.owners].filter(([, { caller }]) => caller.account === account);
    for (const [hash] of own.slice(0, Math.max(0, own.length + 1 - ACCOUNT_SESSIONS_MAX)))
      this.owners.delete(hash);
    const expiresAt = this.nowSeconds() + SESSION_SECONDS;
    return this.remember(this.owners, { name: account, role: 'owner', account, expiresAt }, SESSION_SECONDS);
  }

  /** Who a browser's session is of. */
  session(secret: string): Caller | undefined {
    const hash = hashOf(secret);
    const found = this.sessions.get(hash) ?? this.owners.get(hash);
    return found === undefined || found.until <= this.nowSeconds() ? undefined : found.caller;
  }

  signOut(secret: string): void {
    this.sessions.delete(hashOf(secret));
    this.owners.delete(hashOf(secret));
  }

  private remember(among: Remembered, caller: Caller, life: number): string {
    const now = this.nowSeconds();
    for (const [hash, { until }] of among) if (until <= now) among.delete(hash);
    // The oldest makes room: a bound, whoever asks for links.
    if (among.size >= tokensMax) among.delete(among.keys().next().value!);
    const secret = fresh();
    among.set(hashOf(secret), { caller, until: now + life });
    return secret;
  }
}
