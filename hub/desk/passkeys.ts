/**
 * Signing in with a passkey: a key pair in a person's phone, computer or stick, which never leaves it and works on this
 * hub's address alone. It stands for a token's name and is good as long as that token; whoever takes the token away takes it,
 * too. Kept in `passkeys.json` of the hub's folder: public keys, nothing that signs anybody in.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { z } from 'zod';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { SundialError } from '../../protocol/errors.ts';
import { challengesMax, passkeysMax, passkeysOfOneMax } from '../limits.ts';
import { nameText } from './desk.ts';
import type { Caller, Tokens } from './tokens.ts';

const passkeySchema = z.strictObject({
  id: z.string(),
  /** As its person calls it. */
  label: nameText,
  /** Name of the token that it stands for. */
  person: nameText,
  publicKey: z.string(),
  counter: z.int().min(0),
  addedAt: z.int(),
  usedAt: z.int().optional(),
});
const fileSchema = z.strictObject({
  version: z.literal(1),
  passkeys: z.array(passkeySchema).max(passkeysMax),
});
type Passkey = z.infer<typeof passkeySchema>;

/** Seconds between a question and its answer: a person looks for a stick meanwhile. */
const LIFE_SECONDS = 300;
/** ES256, which every authenticator has, and EdDSA. */
const ALGORITHMS = [-7, -8];

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

/** The passkeys of a hub. */
export class Passkeys {
  private passkeys: Passkey[] = [];
  private readonly path: string;
  private readonly tokens: Tokens;
  private readonly nowSeconds: () => number;
  private readonly origin: URL | undefined;
  /** Questions that are open: for whom one registers; nobody yet where one signs in. */
  private readonly open = new Map<string, { readonly person?: string; readonly until: number }>();

  /** `origin`: where people reach the hub, as its configuration says. Throws `passkeys_invalid`. */
  constructor(folder: string, origin: string | undefined, tokens: Tokens, nowSeconds: () => number) {
    this.path = join(folder, 'passkeys.json');
    this.origin = origin === undefined ? undefined : new URL(origin);
    this.tokens = tokens;
    this.nowSeconds = nowSeconds;
    if (!existsSync(this.path)) return;
    const how = { severity: 'process', remedy: 'Restore it, or remove it: then register anew.' } as const;
    const parsed = fileSchema.safeParse(readJson(this.path, 'passkeys_invalid', how));
    if (!parsed.success) throw new SundialError('passkeys_invalid', `${this.path} is damaged`, how);
    this.passkeys = parsed.data.passkeys;
  }

  private store(passkeys: Passkey[]): void {
    writeDurably(this.path, `${JSON.stringify({ version: 1, passkeys }, undefined, 2)}\n`);
    this.passkeys = passkeys;
  }

  /** Those of a person, or all; without keys. */
  list(person?: string): Omit<Passkey, 'publicKey' | 'counter'>[] {
    return this.passkeys
      .filter((one) => person === undefined || one.person === person)
      .map(({ publicKey: _, counter: __, ...shown }) => shown);
  }

  /** Throws `passkey_unknown`. */
  remove(id: string, person?: string): void {
    const left = this.passkeys.filter(
      (one) => one.id !== id || (person !== undefined && one.person !== person),
    );
    if (left.length === this.passkeys.length)
      throw refused('passkey_unknown', 'no such passkey', 'Look at the list.');
    this.store(left);
  }

  /** A token was made or taken away: what stood for its name is somebody else's. */
  removeOf(person: string): void {
    const left = this.passkeys.filter((one) => one.person !== person);
    if (left.length < this.passkeys.length) this.store(left);
  }

  /** What a browser asks its authenticator to make. Throws `other_address`, `passkeys_full`. */
  async toRegister({ name }: Caller, asked: string): Promise<object> {
    const own = this.passkeys.filter(({ person }) => person === name);
    if (own.length >= passkeysOfOneMax || this.passkeys.length >= passkeysMax)
      throw refused('passkeys_full', `${passkeysOfOneMax} passkeys of one are the most`, 'Remove one first.');
    const { id } = this.site(asked);
    const options = await generateRegistrationOptions({
      rpName: 'Sundial',
      rpID: id,
      userName: name,
      attestationType: 'none',
      excludeCredentials: own.map((one) => ({ id: one.id })),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      supportedAlgorithmIDs: ALGORITHMS,
    });
    this.remember(options.challenge, name);
    return options;
  }

  /** Takes what the authenticator made. Rejects with `passkey_refused`, `challenge_over`. */
  async register(
    caller: Caller,
    label: string,
    response: RegistrationResponseJSON,
    asked: string,
  ): Promise<void> {
    const { id, origin } = this.site(asked);
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response,
      expectedChallenge: (challenge) => this.take(challenge, caller.name),
      expectedOrigin: origin,
      expectedRPID: id,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    }).catch(notGood);
    if (!verified) return notGood(new Error('it does not verify'));
    const { credential } = registrationInfo;
    if (this.passkeys.some((one) => one.id === credential.id))
      return notGood(new Error('it is known already'));
    this.store([
      ...this.passkeys,
      {
        id: credential.id,
        label,
        person: caller.name,
        publicKey: Buffer.from(credential.publicKey).toString('base64url'),
        counter: credential.counter,
        addedAt: this.nowSeconds(),
      },
    ]);
  }

  /** What a browser asks whichever authenticator has a passkey for this hub. Throws `other_address`. */
  async toSignIn(asked: string): Promise<object> {
    const options = await generateAuthenticationOptions({
      rpID: this.site(asked).id,
      userVerification: 'required',
    });
    this.remember(options.challenge);
    return options;
  }

  /** Who signs in. Rejects with `passkey_refused`, `challenge_over`. */
  async signIn(response: AuthenticationResponseJSON, asked: string): Promise<Caller> {
    const { id, origin } = this.site(asked);
    const found = this.passkeys.find((one) => one.id === response.id);
    const caller = found && this.tokens.named(found.person);
    if (found === undefined || caller === undefined)
      throw refused(
        'passkey_refused',
        'nobody here has this passkey',
        'Sign in with a link, and register it.',
      );
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response,
      expectedChallenge: (challenge) => this.take(challenge),
      expectedOrigin: origin,
      expectedRPID: id,
      requireUserVerification: true,
      credential: {
        id: found.id,
        publicKey: new Uint8Array(Buffer.from(found.publicKey, 'base64url')),
        counter: found.counter,
      },
    }).catch(notGood);
    if (!verified) return notGood(new Error('it does not verify'));
    const used = { ...found, counter: authenticationInfo.newCounter, usedAt: this.nowSeconds() };
    this.store(this.passkeys.map((one) => (one.id === found.id ? used : one)));
    return caller;
  }

  /**
   * The site that passkeys are for: the address in the configuration, or this machine as `localhost`. Authenticators take
   * names only, no numbers such as 127.0.0.1. Throws `other_address`.
   */
  private site(asked: string): { readonly id: string; readonly origin: string } {
    if (/^localhost(:\d{1,5})?$/.test(asked)) return { id: 'localhost', origin: `http://${asked}` };
    if (this.origin !== undefined) return { id: this.origin.hostname, origin: this.origin.origin };
    throw refused(
      'other_address',
      `passkeys are not for "${asked}"`,
      'Open this page as http://localhost with the same port, or have its operator set http.origin in hub.json.',
    );
  }

  private remember(challenge: string, person?: string): void {
    const now = this.nowSeconds();
    for (const [known, { until }] of this.open) if (until <= now) this.open.delete(known);
    // The oldest makes room: a bound, whoever asks.
    if (this.open.size >= challengesMax) this.open.delete(this.open.keys().next().value!);
    this.open.set(challenge, { until: now + LIFE_SECONDS, ...(person !== undefined && { person }) });
  }

  /** Was this asked, of this person, and not answered yet? Once. */
  private take(challenge: string, person?: string): boolean {
    const found = this.open.get(challenge);
    this.open.delete(challenge);
    return found !== undefined && found.until > this.nowSeconds() && found.person === person;
  }
}

/** Throws what a person can do something about. */
function notGood(cause: unknown): never {
  throw new SundialError('passkey_refused', `this passkey was refused: ${(cause as Error).message}`, {
    severity: 'call',
    remedy: 'Try once more; if it stays so, sign in with a link.',
    cause,
  });
}
