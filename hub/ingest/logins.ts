/**
 * Who may use a device's name at the embedded broker. A device shows that it has its key: the password of a connection is a
 * signed Login with a counter that only rises, so one that was overheard is worth nothing. Checked before the broker knows
 * anything of the connection, and nothing is remembered of a login that fails.
 */
import { toHex } from '../../protocol/bytes.ts';
import type { HubPin } from '../../protocol/machines/hub-keys.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { decodeMessage, type MessageOf } from '../../protocol/wire/messages.ts';
import { loginsRememberedMax } from '../limits.ts';
import type { LoginStore } from '../ports.ts';

/** `required`: a device without its key is refused. `offered`: it is only kept away from the name of one that shows it. */
export type LoginPolicy = 'required' | 'offered';

/** What logins are checked against. */
export interface LoginOptions {
  readonly policy: LoginPolicy;
  readonly signing: Signing;
  readonly hub: HubPin;
  readonly store: LoginStore;
}

/** What a connection is: it showed its key, it may come without, or it may not come. */
export type Admitted = 'signed' | 'unsigned' | 'refused';

/** Bytes of a password at most: a Login with a P-256 key, as base64. */
const PASSWORD_BYTES_MAX = 512;

/** Decides about connections of devices. */
export class Logins {
  private readonly options: LoginOptions;
  /** Counters of devices that have no place in the store, the oldest first. */
  private readonly remembered = new Map<string, number>();

  constructor(options: LoginOptions) {
    this.options = options;
  }

  /** `client`: the name that the connection wants; `password`: what it shows. */
  async admit(client: string, password: Uint8Array | undefined): Promise<Admitted> {
    const { policy, store, signing, hub } = this.options;
    if (password === undefined || password.length === 0)
      return policy === 'required' ? 'refused' : 'unsigned';
    const login = readLogin(password);
    if (login === undefined || toHex(login.device) !== client) return 'refused';
    const last = Math.max(store.counter(client) ?? -1, this.remembered.get(client) ?? -1);
    // Before the signature: whoever repeats what it overheard costs a look-up.
    if (login.counter <= last) return 'refused';
    const signed = { hub: hub.id, device: login.device, counter: login.counter };
    if (!signing.signedBy('Login', signed, login.signature, login.device, login.key)) return 'refused';
    this.remember(client, login.counter);
    await store.keep(client, login.counter);
    return 'signed';
  }

  private remember(client: string, counter: number): void {
    this.remembered.delete(client);
    this.remembered.set(client, counter);
    if (this.remembered.size <= loginsRememberedMax) return;
    const [oldest] = this.remembered.keys();
    this.remembered.delete(oldest!);
  }
}

function readLogin(password: Uint8Array): MessageOf<'login'> | undefined {
  if (password.length > PASSWORD_BYTES_MAX) return undefined;
  const bytes = new Uint8Array(Buffer.from(Buffer.from(password).toString('latin1'), 'base64url'));
  const decoded = decodeMessage(bytes, 'sync');
  return decoded.ok && decoded.message?.type === 'login' ? decoded.message : undefined;
}
