/**
 * An owner signs in with its wallet: it signs a text (ERC-4361) that names this hub, the vault's chain and a number that
 * was never given before and is taken once. The text is made here and kept until it comes back, so that nothing of what a
 * browser sends is believed but the signature.
 */
import { randomBytes } from 'node:crypto';
import { SundialError } from '../../protocol/errors.ts';
import { challengesMax } from '../limits.ts';

/** Seconds between question and signature: a person looks for a wallet meanwhile. */
const LIFE_SECONDS = 300;

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

/** Whether `host` (as a browser names it) is this machine itself. */
const isLoopback = (host: string): boolean => /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/.test(host);

/** What is open between a hub and the wallets that sign in. */
export class Challenges {
  /** By the text's nonce. */
  private readonly open = new Map<
    string,
    { readonly account: string; readonly text: string; readonly until: number }
  >();
  private readonly origin: URL | undefined;
  private readonly chainId: number;
  private readonly nowSeconds: () => number;

  /** `origin`: where people reach the hub, as its configuration says; absent: on this machine alone. */
  constructor(options: {
    readonly origin: string | undefined;
    readonly chainId: number;
    readonly nowSeconds: () => number;
  }) {
    this.origin = options.origin === undefined ? undefined : new URL(options.origin);
    this.chainId = options.chainId;
    this.nowSeconds = options.nowSeconds;
  }

  /**
   * The text that the wallet of `account` (with the checksum of its letters) signs. `asked`: host as
   * the browser names it. It stands in no text unless it is this machine: a text with another site's name could be signed
   * there, and used here. Throws `other_address`.
   */
  make(account: string, asked: string): { readonly nonce: string; readonly text: string } {
    const isHere = isLoopback(asked);
    if (!isHere && this.origin === undefined)
      throw refused(
        'other_address',
        `this hub is not known as "${asked}"`,
        'Its operator sets http.origin in hub.json to the address at which people open this page.',
      );
    const host = isHere ? asked : this.origin!.host;
    const uri = isHere ? `http://${asked}` : this.origin!.origin;
    const now = this.nowSeconds();
    for (const [nonce, { until }] of this.open) if (until <= now) this.open.delete(nonce);
    // The oldest makes room: a bound, whoever asks.
    if (this.open.size >= challengesMax) this.open.delete(this.open.keys().next().value!);
    const nonce = randomBytes(16).toString('hex');
    const date = (at: number): string => new Date(at * 1000).toISOString();
    const text = [
      `${host} wants you to sign in with your Ethereum account:`,
      account,
      '',
      'Look after the channels of this account. This moves no money.',
      '',
      `URI: ${uri}/owner`,
      'Version: 1',
      `Chain ID: ${this.chainId}`,
      `Nonce: ${nonce}`,
      `Issued At: ${date(now)}`,
      `Expiration Time: ${date(now + LIFE_SECONDS)}`,
    ].join('\n');
    this.open.set(nonce, { account, text, until: now + LIFE_SECONDS });
    return { nonce, text };
  }

  /** The account and the text of a number that was given, once. Throws `challenge_over`. */
  take(nonce: string): { readonly account: string; readonly text: string } {
    const found = this.open.get(nonce);
    this.open.delete(nonce);
    if (found === undefined || found.until <= this.nowSeconds())
      throw refused('challenge_over', 'this sign-in was used or is over', 'Sign in once more.');
    return found;
  }
}
