/**
 * A device's login at its hub's broker: its key over a counter that only rises. The counter is on the disk before it is
 * signed, in steps, so that a device that was cut never shows one twice and writes only now and then.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SecureKey } from '../../interfaces/index.ts';
import type { HubPin } from '../../../protocol/machines/hub-keys.ts';
import type { Signing } from '../../../protocol/signing/digests.ts';
import { encodeMessage } from '../../../protocol/wire/messages.ts';
import { writeDurably } from './storage/durable-file.ts';

/** Counters that are taken from the disk at once. */
const STEP = 64;

/** Who logs in where. */
export interface LoginOptions {
  /** The device's folder; its process has it alone. */
  readonly folder: string;
  readonly key: SecureKey;
  readonly hub: HubPin;
  readonly signing: Signing;
}

/** Gives the password of each next connection. Rejects when the counter can't be kept. */
export function makeLogin({ folder, key, hub, signing }: LoginOptions): () => Promise<string> {
  const path = join(folder, 'login');
  let next = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
  let kept = next;
  return async () => {
    if (next >= kept) {
      writeDurably(path, `${next + STEP}\n`);
      kept = next + STEP;
    }
    const counter = next;
    next += 1;
    return loginPassword({ key, hub, signing }, counter);
  };
}

/** The password of one connection. A broker takes each counter of a key once, and none below it afterwards. */
export async function loginPassword(
  { key, hub, signing }: Pick<LoginOptions, 'key' | 'hub' | 'signing'>,
  counter: number,
): Promise<string> {
  const device = key.address;
  const signature = await key.sign(signing.digest('Login', { hub: hub.id, device, counter }));
  const publicKey = key.scheme === 'p256' ? key.publicKey : undefined;
  const login = { type: 'login', device, counter, signature, ...(publicKey && { key: publicKey }) } as const;
  return Buffer.from(encodeMessage(login)).toString('base64url');
}
