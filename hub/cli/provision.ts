/**
 * A one-time code becomes a device: its key is made here and never leaves; the hub gives it what it pins (hub, root, key
 * certificate), its payee's certificate or the scope of its leases, and where to reach the hub. For a payer a channel is
 * opened for that key as well, by its owner's. Cut at any point and run again it goes on where it was.
 */
import { resolve } from 'node:path';
import { privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import {
  createDevice,
  hasDevice,
  type KeyKind,
  keyForNew,
  type NewKey,
  lockDevice,
  deviceExists,
} from '../../hardware/boards/node/cli/device-folder.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { type Amount, channelId } from '../../protocol/integers.ts';
import { DEFAULT_TIMING, type Timing } from '../../protocol/limits.ts';
import { hubKeyIn } from '../../protocol/machines/hub-keys.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { hex } from '../hex.ts';
import { parseRootWord, wordOfRootRefusal } from '../crypto/hub-keys.ts';
import { Vault } from '../l2/vault.ts';
import { askHub } from './ask-hub.ts';
import { readKeyFile } from './hub-folder.ts';
import { requireFunds } from './owner-funds.ts';

const answerSchema = z.object({
  role: z.enum(['wearable', 'car', 'pos', 'charger']),
  name: z.string(),
  chainId: z.int(),
  vault: hex(20),
  hub: z.string(),
  root: hex(20),
  hubKey: z.string(),
  hubUrl: z.string(),
  timing: z.record(z.string(), z.number()),
  scope: hex(32).optional(),
  payee: hex(20).optional(),
  certificate: z.object({ expiresAt: z.int(), signature: hex(64) }).optional(),
  wideMax: z.int().optional(),
});

const wrong = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

/** `http://host:9464/#CODE`, as it stands in an invitation and its picture. Throws `bad_code`. */
export function readInvitation(text: string): { readonly url: string; readonly code: string } {
  const remedy = 'Give it whole, as it was printed: http://host:port/#CODE';
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw wrong('bad_code', `"${text}" is no invitation`, remedy);
  const { origin, hash } = new URL(text);
  if (!/^#[0-9A-Za-z-]{8,40}$/.test(hash)) throw wrong('bad_code', `"${text}" holds no code`, remedy);
  return { url: origin, code: hash.slice(1) };
}

/** What a payer needs beside its code: a channel that was opened for it, or who opens one. */
export interface PayerWish {
  readonly rpc?: string | undefined;
  readonly ownerKey?: string | undefined;
  readonly deposit?: Amount | undefined;
  /** May hand the channel on, slowly, should the owner's key be lost. */
  readonly recovery?: `0x${string}` | undefined;
  readonly channel?: number | undefined;
}

/** What was made. */
export interface Provisioned {
  readonly role: string;
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly channel?: number;
  readonly payee?: string | undefined;
}

/** Makes the device in `folder`. Throws what the hub refuses, `device_exists`, `bad_answer`, `missing_flag`. */
export async function provisionDevice(
  invitation: string,
  folder: string,
  kind: KeyKind,
  wish: PayerWish,
): Promise<Provisioned> {
  const path = resolve(folder);
  const { url, code } = readInvitation(invitation);
  if (hasDevice(path)) throw deviceExists(path);
  // The key is made first: lockDevice leaves a file of its own behind, which is the only other thing in the folder.
  const key = keyForNew(path, kind);
  const unlock = await lockDevice(path);
  try {
    const device = toHex(key.address);
    const parsed = answerSchema.safeParse(
      await askHub({ url }, '/v1/enrolments/redeem', 'POST', { code, device }),
    );
    if (!parsed.success)
      throw wrong(
        'bad_answer',
        `${url} gave no answer of a hub: ${parsed.error.issues[0]?.message}`,
        'Look whose address that is.',
      );
    const { hubKey, hubUrl, timing, certificate, scope, wideMax, ...answer } = parsed.data;
    const word = parseRootWord(hubKey);
    const signing = makeSigning(nobleSuite, { chainId: answer.chainId, vault: fromHex(answer.vault, 20) });
    const why = wordOfRootRefusal(signing, fromHex(answer.root, 20), word);
    if (word.type !== 'hubKey' || why !== undefined)
      throw wrong('bad_answer', `${url} gave a key that its root did not certify`, 'Do not use this hub.');
    const isPayer = answer.role === 'wearable' || answer.role === 'car';
    if (!isPayer && kind !== 'memory')
      throw wrong('bad_key', 'a terminal has its key in memory', 'Leave out --key.');
    const channel = isPayer ? await channelFor(answer, key, wish, url) : undefined;
    const isDefault = Object.entries(DEFAULT_TIMING).every(([name, value]) => timing[name] === value);
    createDevice(
      path,
      {
        version: 1,
        ...answer,
        hubUrl,
        ...(!isDefault && { timing: timing as unknown as Timing }),
        ...(scope !== undefined && { scope }),
        ...(certificate !== undefined && { certificate }),
        ...(wideMax !== undefined && { wideMax }),
        ...(channel !== undefined && { channel }),
      },
      key,
      { hubKey: hubKeyIn(word), ...(channel !== undefined && { channel: channelId(channel) }) },
    );
    const { role, name, payee } = answer;
    return { role, name, address: device, folder: path, ...(channel !== undefined && { channel }), payee };
  } finally {
    await unlock();
  }
}

/** The channel that was opened for this key, or one that is opened now. Nothing is deposited twice. */
async function channelFor(
  { vault: address, chainId }: { vault: `0x${string}`; chainId: number },
  { address: device, publicKey }: Pick<NewKey, 'address' | 'publicKey'>,
  { rpc, ownerKey, deposit, recovery, channel }: PayerWish,
  url: string,
): Promise<number> {
  if (channel !== undefined) return channel;
  const payer = toHex(device);
  const page = `${url}/owner#/open/${toHex(publicKey ?? device)}`;
  if (rpc === undefined || ownerKey === undefined || deposit === undefined)
    throw wrong(
      'missing_flag',
      `this payer (${payer}) has no channel yet`,
      `Open one with your wallet at ${page} and give its number with --channel N; or give --owner-key FILE, --deposit 300 and --rpc URL.`,
    );
  const vault = await Vault.connect(rpc, address);
  if (vault.chainId !== chainId)
    throw wrong(
      'wrong_chain',
      `${rpc} is on chain ${vault.chainId}, the hub on ${chainId}`,
      'Give a node of that chain.',
    );
  const count = await vault.readChannelCount();
  // An earlier run may have been cut right behind its deposit: newest first.
  for (let number = count; number >= 1 && number > count - CHANNELS_LOOKED_AT; number -= 1)
    if ((await vault.readChannel(number)).payer.toLowerCase() === payer) return number;
  const owner = privateKeyToAccount(readKeyFile(ownerKey));
  await requireFunds(vault, owner.address, deposit);
  return (await vault.openChannel(owner, { payer, amount: deposit, p256: publicKey, recovery })).channel;
}

/** How many of the newest channels are looked through for one that was opened before a cut. */
const CHANNELS_LOOKED_AT = 200;
