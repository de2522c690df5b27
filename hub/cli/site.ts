/**
 * What an operator's commands know of a site: site.json names the chain, the vault, the hub, accounts and devices.
 * `channel open` adds a wearable to it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import type { Vault } from '../l2/vault.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { type Amount, channelId, seconds } from '../../protocol/integers.ts';
import { certifyHubKey, hubKeyIn } from '../../protocol/machines/hub-keys.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import type { MessageOf } from '../../protocol/wire/messages.ts';
import {
  createDevice,
  deviceExists,
  type DeviceRole,
  hasDevice,
  type KeyKind,
  keyForNew,
  lockDevice,
  readDevice,
} from '../../hardware/boards/node/cli/device-folder.ts';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';

const hex = z.string().regex(/^0x[0-9a-f]*$/) as z.ZodType<`0x${string}`>;

const siteSchema = z.object({
  rpcUrl: z.string(),
  chainId: z.number(),
  token: hex,
  vault: hex,
  startBlock: z.number(),
  hubName: z.string(),
  /** The group of terminals that the payers' leases name. */
  scope: hex,
  /** Filled in when the hub runs. */
  mqttUrl: z.string().optional(),
  statusUrl: z.string().optional(),
  /** The hub's operator's token, readable by this user alone. */
  tokenFile: z.string().optional(),
  /** Keys of a local chain, good for nothing else. */
  keys: z.object({
    deployer: hex,
    hubSigning: hex,
    /** The hub's root: of a site for trying out it lies beside the others. */
    hubRoot: hex,
    hubSettlement: hex,
    owner: hex,
    merchant: hex,
    operator: hex,
  }),
  devices: z.array(
    z.object({
      role: z.enum(['wearable', 'car', 'pos', 'charger']),
      name: z.string(),
      state: z.string(),
      address: hex,
      channel: z.number().optional(),
      payee: hex.optional(),
    }),
  ),
});

export type Site = z.infer<typeof siteSchema>;

/** Where the description of a site stands in its folder. */
export const sitePath = (folder: string): string => join(folder, 'site.json');

/** Reads a site that `sundial demo` made. Throws `no_site`. */
export function readSite(folder: string): Site {
  try {
    return siteSchema.parse(JSON.parse(readFileSync(sitePath(folder), 'utf8')));
  } catch (cause) {
    throw new SundialError('no_site', `${sitePath(folder)} can't be read`, {
      severity: 'process',
      remedy: 'Run `npm start` first, or name another folder with --site.',
      cause,
    });
  }
}

/** Writes the description of a site into its folder. */
export function writeSite(folder: string, site: Site): void {
  writeDurably(sitePath(folder), `${JSON.stringify(site, undefined, 2)}\n`);
}

/** The certificate of the site's day-to-day key, good from an hour ago: made anew with every start, as its root is here. */
export function certificateOf(
  site: Pick<Site, 'chainId' | 'vault' | 'keys'>,
  nowSeconds: number,
): Promise<MessageOf<'hubKey'>> {
  const signing = makeSigning(nobleSuite, { chainId: site.chainId, vault: fromHex(site.vault) });
  const at = seconds(nowSeconds - 3600);
  const { address } = nobleKey(fromHex(site.keys.hubSigning));
  const fields = { address, from: at, epoch: 0, signedAt: at };
  return certifyHubKey(signing, nobleKey(fromHex(site.keys.hubRoot)), fields);
}

/**
 * Opens a channel for a new wearable, makes its folder at `state`, and lists it in site.json, so that `reconcile` counts
 * it. Cut at any point and called again it goes on where it was: nothing is deposited twice, and no key is lost that
 * something was deposited for. Throws `device_exists` before any money moves.
 */
export async function addWearable(
  folder: string,
  site: Site,
  vault: Vault,
  state: string,
  kind: KeyKind,
  deposit: Amount,
): Promise<Site['devices'][number]> {
  const unlock = await lockDevice(state);
  try {
    const device = { role: 'wearable', name: 'wearable', state } as const;
    const list = (address: `0x${string}`, channel: number): Site['devices'][number] => {
      const listed = { ...device, address, channel };
      writeSite(folder, { ...site, devices: [...site.devices, listed] });
      return listed;
    };
    const unlisted = hasDevice(state) ? unlistedWearable(site, state) : undefined;
    if (unlisted !== undefined) return list(unlisted.address, unlisted.channel);
    const key = keyForNew(state, kind);
    const payer = toHex(key.address);
    const account = privateKeyToAccount(site.keys.owner);
    const channel =
      (await openedFor(site, vault, payer)) ??
      (await vault.openChannel(account, { payer, amount: deposit, p256: key.publicKey })).channel;
    const { chainId, vault: vaultHex, hubName: hub, scope } = site;
    const root = toHex(nobleKey(fromHex(site.keys.hubRoot)).address);
    const hubKey = hubKeyIn(await certificateOf(site, Math.floor(Date.now() / 1000)));
    createDevice(state, { ...base('wearable'), chainId, vault: vaultHex, hub, root, scope, channel }, key, {
      hubKey,
      channel: channelId(channel),
    });
    return list(payer, channel);
  } finally {
    await unlock();
  }
}

/** The channel that was opened for a payer's key already. */
async function openedFor(site: Site, vault: Vault, payer: `0x${string}`): Promise<number | undefined> {
  for (const event of await vault.events(BigInt(site.startBlock)))
    if (event.eventName === 'ChannelOpened' && event.args.payer.toLowerCase() === payer)
      return event.args.channel;
  return undefined;
}

/** A wearable of this site's vault that was made, and the site not written any more. Throws `device_exists` otherwise. */
function unlistedWearable(site: Site, state: string): { address: `0x${string}`; channel: number } {
  const { file, address } = readDevice(state, 'wearable');
  const known = site.devices.some((device) => device.address === toHex(address));
  if (known || file.vault !== site.vault || file.channel === undefined) throw deviceExists(state);
  return { address: toHex(address), channel: file.channel };
}

/** What the file of every device says. */
export const base = (role: DeviceRole) => ({ version: 1, role, name: role }) as const;
