/**
 * The keys that the hub signs with from day to day. Its root, a cold key that is not here, certified each for a month at
 * most; the hub takes whichever is in its window, the newest first, so it changes keys by itself. What the root took back
 * signs nothing more.
 */
import { type Address, equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { Seconds } from '../../protocol/integers.ts';
import { certifiable } from '../../protocol/machines/hub-keys.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { StructMessage } from '../../protocol/signing/structs.ts';
import { decodeMessage, type Message, type MessageOf } from '../../protocol/wire/messages.ts';
import { type HubKey, type HubWord, signAs } from './sign-as.ts';

export type Certificate = MessageOf<'hubKey'>;
export type Revocation = MessageOf<'hubKeyRevoked'>;

/** Certificates, and revocations, that are kept. When there is no place certificates that have ended go. */
export const hubKeysMax = 64;

/** Reads what `sundial hub-key` printed. Throws `hub_key_word`. */
export function parseRootWord(text: string): Certificate | Revocation {
  try {
    const decoded = decodeMessage(fromHex(text), 'sync');
    const { message } = decoded.ok ? decoded : { message: undefined };
    if (message?.type === 'hubKey' || message?.type === 'hubKeyRevoked') return message;
  } catch (error) {
    if (!(error instanceof SundialError)) throw error;
  }
  throw new SundialError('hub_key_word', `${text.slice(0, 20)}... is no certificate and no revocation`, {
    severity: 'call',
    remedy: 'Give it whole, as `sundial hub-key certify` or `revoke` printed it.',
  });
}

/** Why a certificate or a revocation is none, or undefined. */
export function wordOfRootRefusal(
  signing: Signing,
  root: Address,
  word: Certificate | Revocation,
): string | undefined {
  if (word.type === 'hubKeyRevoked') {
    return signing.signedBy('HubKeyRevoked', word, word.signature, root)
      ? undefined
      : 'it is not signed by the root';
  }
  if (!certifiable(word)) return 'a key is certified for 30 days at most, and 10 days ahead at most';
  return signing.signedBy('HubKey', word, word.signature, root) ? undefined : 'it is not signed by the root';
}

/** Signs with the key that is in its window now. A SecureKey, so that nobody who asks for a signature knows of it. */
export class HubKeys implements HubKey {
  readonly scheme = 'secp256k1';
  private readonly signing: Signing;
  private readonly root: Address;
  private readonly secrets: readonly HubKey[];
  /** The time that the hub signs: of its newest L2 block. */
  private readonly now: () => Seconds;
  private certificates: readonly Certificate[] = [];
  private readonly revocations: Revocation[] = [];
  /** The highest epoch that was certified: keys of the ones before are over. */
  private epoch = 0;

  constructor(signing: Signing, root: Address, secrets: readonly HubKey[], now: () => Seconds) {
    this.signing = signing;
    this.root = root;
    this.secrets = secrets;
    this.now = now;
  }

  /** Takes a word of the root; false when it was known. Throws `hub_key_word` when it is not the root's, or one too many. */
  take(word: Certificate | Revocation): boolean {
    const refusal = wordOfRootRefusal(this.signing, this.root, word);
    this.makeRoom();
    const list = word.type === 'hubKey' ? this.certificates : this.revocations;
    const full = list.length >= hubKeysMax ? `${hubKeysMax} are known that have not ended` : undefined;
    if (refusal !== undefined || full !== undefined) {
      throw new SundialError('hub_key_word', `${toHex(word.key)}: ${refusal ?? full}`, {
        severity: 'call',
        remedy: 'Make it with `sundial hub-key certify` or `revoke` and the root that this hub names.',
        facts: { key: toHex(word.key) },
      });
    }
    if (list.some((known) => equalBytes(known.signature, word.signature))) return false;
    if (word.type === 'hubKey') {
      this.certificates = [...this.certificates, word];
      this.epoch = Math.max(this.epoch, word.epoch);
    } else this.revocations.push(word);
    return true;
  }

  /** Months pass: a certificate that has ended says nothing more. A revocation stays, or its key could come back. */
  private makeRoom(): void {
    if (this.certificates.length < hubKeysMax) return;
    const now = this.now();
    this.certificates = this.certificates.filter(({ until }) => until >= now);
  }

  private isRevoked(key: Address): boolean {
    return this.revocations.some((word) => equalBytes(word.key, key));
  }

  /** Certificates that devices should know now: none that ended, none of a key that was taken back. */
  private get standing(): readonly Certificate[] {
    const now = this.now();
    return this.certificates.filter(
      ({ key, until, epoch }) => epoch === this.epoch && now <= until && !this.isRevoked(key),
    );
  }

  /** The key in its window that ends last, of those whose secret is here. */
  private current(): { readonly key: HubKey; readonly certificate: Certificate } | undefined {
    const now = this.now();
    let best: { key: HubKey; certificate: Certificate } | undefined;
    for (const certificate of this.standing) {
      if (certificate.from > now) continue;
      const key = this.secrets.find(({ address }) => equalBytes(address, certificate.key));
      if (key === undefined || (best !== undefined && best.certificate.until >= certificate.until)) continue;
      best = { key, certificate };
    }
    return best;
  }

  /** Seconds until no certified key is left, for alarms; below zero: there is none. */
  get left(): number {
    const last = this.standing
      .filter(({ key }) => this.secrets.some(({ address }) => equalBytes(address, key)))
      .reduce((until, certificate) => Math.max(until, certificate.until), -1);
    return last < 0 ? -1 : last - this.now();
  }

  /** Whose signatures devices see now; of twenty zeros when no key may sign. */
  get address(): Address {
    return this.current()?.key.address ?? new Uint8Array(20);
  }

  /** What every device is told before anything else: revocations first, so that no certificate of theirs counts. */
  words(): readonly Message[] {
    return [...this.revocations, ...this.standing];
  }

  /** Signs with the present key. Throws `hub_key_ended` when the root certified none for now. */
  sign(digest: Uint8Array): Promise<Uint8Array> | Uint8Array {
    return this.signer().sign(digest);
  }

  /** The same, for a key that wants to see what it signs. */
  signWord<N extends HubWord>(name: N, message: StructMessage<N>): Promise<Uint8Array> | Uint8Array {
    return signAs(this.signing, this.signer(), name, message);
  }

  private signer(): HubKey {
    const current = this.current();
    if (current !== undefined) return current.key;
    throw new SundialError('hub_key_ended', 'no key of this hub is certified for now', {
      severity: 'process',
      remedy:
        'Certify the next one with `sundial hub-key certify` and hand it in with `sundial hub-key install`.',
    });
  }
}
