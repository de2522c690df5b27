/**
 * A site for the demonstration: a local chain with TIME and the vault, accounts with money, payees, channels, and
 * device folders. What it made is written to site.json, so that `channel` and `reconcile` find it again.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import { deploy, fund } from '../../hub/settle/deploy.ts';
import { readArtifacts } from '../../hub/settle/artifacts.ts';
import { Vault } from '../../hub/settle/vault.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { type Amount, channelId, seconds } from '../../protocol/integers.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import {
  createDevice,
  deviceExists,
  type DeviceRole,
  hasDevice,
  type KeyKind,
  keyForNew,
  lockDevice,
  readDevice,
} from './device-folder.ts';
import { writeDurably } from './durable-file.ts';
import { projectRoot } from './paths.ts';
import { parseMoney } from './money.ts';

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
  /** Keys of a local chain, good for nothing else. */
  keys: z.object({
    deployer: hex,
    hubSigning: hex,
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

export function writeSite(folder: string, site: Site): void {
  writeDurably(sitePath(folder), `${JSON.stringify(site, undefined, 2)}\n`);
}

/** Deposits: a tap limit is 1.75 % of it, and a channel may owe two tap limits at one terminal while offline. */
const DEPOSITS = { wearable: '300', car: '600' } as const;
const YEAR = 365 * 86_400;
/** When the hub's key of a demonstration ends; `now` in Unix seconds. */
const keyUntilFrom = (now: number) => seconds(now + 10 * YEAR);

/** Compiles the contracts when they changed, and reads them. */
async function artifacts() {
  const tool = pathToFileURL(join(projectRoot(), 'tools', 'contracts.mjs')).href;
  const { compileContracts } = (await import(tool)) as { compileContracts: () => unknown };
  await compileContracts();
  return readArtifacts(join(projectRoot(), 'build', 'contracts'));
}

export interface SiteProgress {
  say(text: string): void;
}

/** Deploys, funds, registers, opens channels, and makes a folder for each device. `chainKeys`: funded accounts. */
export async function makeSite(
  folder: string,
  rpcUrl: string,
  chainKeys: readonly `0x${string}`[],
  progress: SiteProgress,
): Promise<Site> {
  const [deployer, hubSettlement, owner, merchant, operator] = chainKeys as [
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
  ];
  const hubSigning = toHex(randomBytes(32));
  const deployerAccount = privateKeyToAccount(deployer);
  const ownerAccount = privateKeyToAccount(owner);
  const deployment = await deploy(rpcUrl, deployerAccount, await artifacts());
  progress.say(`TIME and vault deployed at ${deployment.vault}`);
  await fund(rpcUrl, deployerAccount, deployment.token, ownerAccount.address, parseMoney('2000'));
  const vault = await Vault.connect(rpcUrl, deployment.vault);

  const vaultHex = deployment.vault.toLowerCase() as `0x${string}`;
  const signing = makeSigning(nobleSuite, { chainId: deployment.chainId, vault: fromHex(vaultHex) });
  const hubKey = nobleKey(fromHex(hubSigning)).address;
  const now = Math.floor(Date.now() / 1000);
  const keyUntil = keyUntilFrom(now);
  const hubName = 'demo';
  const scope = toHex(randomBytes(32));
  const devices: Site['devices'] = [];

  for (const role of ['wearable', 'car'] as const) {
    const state = join(folder, role);
    const key = keyForNew(state);
    const { address } = key;
    const deposit = parseMoney(DEPOSITS[role]);
    const { channel } = await vault.openChannel(ownerAccount, { payer: toHex(address), amount: deposit });
    progress.say(`channel ${channel} opened for the ${role}: ${DEPOSITS[role]} TIME`);
    createDevice(
      state,
      { ...base(role), chainId: deployment.chainId, vault: vaultHex, hub: hubName, scope, channel },
      key,
      { hubKey, keyUntil, channel: channelId(channel) },
    );
    devices.push({ role, name: role, state, address: toHex(address), channel });
  }
  for (const [role, payeeKey] of [
    ['pos', merchant],
    ['charger', operator],
  ] as const) {
    const state = join(folder, role);
    const key = keyForNew(state);
    const { address } = key;
    const payee = nobleKey(fromHex(payeeKey));
    // Accredited, so that a bond that is lost makes good what they gave to a copied payer.
    await vault.accredit(deployerAccount, payee.address);
    const expiresAt = seconds(now + YEAR);
    const fields = { terminal: address, payee: payee.address, expiresAt };
    const certificate = { expiresAt, signature: toHex(await payee.sign(signing.digest('Terminal', fields))) };
    createDevice(
      state,
      {
        ...base(role),
        chainId: deployment.chainId,
        vault: vaultHex,
        hub: hubName,
        payee: toHex(payee.address),
        certificate,
      },
      key,
      { hubKey, keyUntil },
    );
    progress.say(`payee of the ${role} registered: ${toHex(payee.address)}`);
    devices.push({ role, name: role, state, address: toHex(address), payee: toHex(payee.address) });
  }
  const site: Site = {
    rpcUrl,
    chainId: deployment.chainId,
    token: deployment.token.toLowerCase() as `0x${string}`,
    vault: vaultHex,
    startBlock: deployment.block,
    hubName,
    scope,
    keys: { deployer, hubSigning, hubSettlement, owner, merchant, operator },
    devices,
  };
  writeSite(folder, site);
  return site;
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
      (await vault.openChannel(account, { payer, amount: deposit })).channel;
    const { chainId, vault: vaultHex, hubName: hub, scope } = site;
    createDevice(state, { ...base('wearable'), chainId, vault: vaultHex, hub, scope, channel }, key, {
      hubKey: nobleKey(fromHex(site.keys.hubSigning)).address,
      keyUntil: keyUntilFrom(Math.floor(Date.now() / 1000)),
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

const base = (role: DeviceRole) => ({ version: 1, role, name: role }) as const;
