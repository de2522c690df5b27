/**
 * Makes a site for the demonstration: a local chain with TIME and the vault, accounts with money, payees, channels, and
 * device folders. What it made is written to site.json, so that an operator's commands find it again.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { privateKeyToAccount } from 'viem/accounts';
import { createDevice, keyForNew } from '../../hardware/boards/node/cli/device-folder.ts';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { base, certificateOf, type Site, writeSite } from '../../hub/cli/site.ts';
import { readArtifacts } from '../../hub/l2/artifacts.ts';
import { deploy, fund } from '../../hub/l2/deploy.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { channelId, seconds } from '../../protocol/integers.ts';
import { hubKeyIn } from '../../protocol/machines/hub-keys.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';

/** A device of a site; payers have a deposit: a tap limit is 1.75 % of it, and a channel may owe two of them at one terminal. */
export type PlannedDevice =
  | { readonly role: 'wearable' | 'car'; readonly name: string; readonly deposit: string }
  | { readonly role: 'pos' | 'charger'; readonly name: string };

/** Those of the demonstration. */
const STORY: readonly PlannedDevice[] = [
  { role: 'wearable', name: 'wearable', deposit: '300' },
  { role: 'car', name: 'car', deposit: '600' },
  { role: 'pos', name: 'pos' },
  { role: 'charger', name: 'charger' },
];
/** What the owner of all channels has at least, whole TIME. */
const OWNER_FUNDS = 2_000;
/** Enough for all deposits twice. Units. */
const fundsOf = (plan: readonly PlannedDevice[]): number =>
  Math.max(
    parseMoney(String(OWNER_FUNDS)),
    2 * plan.reduce((sum, device) => sum + ('deposit' in device ? parseMoney(device.deposit) : 0), 0),
  );
/** How long a terminal's certificate lives. */
const YEAR = 365 * 86_400;

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

/** What a terminal's file says of its payee: who that is, and the payee's word for the terminal's key, for a year. */
export async function terminalOf(
  domain: Pick<Site, 'chainId' | 'vault'>,
  terminal: Uint8Array,
  payeeSecret: `0x${string}`,
  nowSeconds: number,
) {
  const signing = makeSigning(nobleSuite, { chainId: domain.chainId, vault: fromHex(domain.vault) });
  const payee = nobleKey(fromHex(payeeSecret));
  const expiresAt = seconds(nowSeconds + YEAR);
  const fields = { terminal, payee: payee.address, expiresAt };
  const signature = toHex(await payee.sign(signing.digest('Terminal', fields)));
  return { payee: toHex(payee.address), certificate: { expiresAt, signature } };
}

/** Deploys, funds, registers, opens channels, and makes a folder for each device. `chainKeys`: funded accounts. */
export async function makeSite(
  folder: string,
  rpcUrl: string,
  chainKeys: readonly `0x${string}`[],
  progress: SiteProgress,
  plan: readonly PlannedDevice[] = STORY,
): Promise<Site> {
  const [deployer, hubSettlement, owner, merchant, operator] = chainKeys as [
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
  ];
  const hubSigning = toHex(randomBytes(32));
  const hubRoot = toHex(randomBytes(32));
  const deployerAccount = privateKeyToAccount(deployer);
  const ownerAccount = privateKeyToAccount(owner);
  const addressOf = (secret: `0x${string}`) => privateKeyToAccount(secret).address;
  const deployment = await deploy(rpcUrl, deployerAccount, await artifacts(), {
    root: addressOf(hubRoot),
    hubKey: addressOf(hubSigning),
    settler: addressOf(hubSettlement),
  });
  progress.say(`TIME and vault deployed at ${deployment.vault}`);
  await fund(rpcUrl, deployerAccount, deployment.token, ownerAccount.address, fundsOf(plan));
  const vault = await Vault.connect(rpcUrl, deployment.vault);

  const vaultHex = deployment.vault.toLowerCase() as `0x${string}`;
  const now = Math.floor(Date.now() / 1000);
  const keys = { deployer, hubSigning, hubRoot, hubSettlement, owner, merchant, operator };
  const domain = { chainId: deployment.chainId, vault: vaultHex };
  const hubKey = hubKeyIn(await certificateOf({ ...domain, keys }, now));
  const root = toHex(nobleKey(fromHex(hubRoot)).address);
  const hubName = 'demo';
  const scope = toHex(randomBytes(32));
  const devices: Site['devices'] = [];

  const accredited = new Set<string>();
  for (const planned of plan) {
    const { role, name } = planned;
    const state = join(folder, name);
    const key = keyForNew(state);
    const { address } = key;
    const shared = { ...base(role), name, ...domain, hub: hubName, root };
    if (planned.role === 'wearable' || planned.role === 'car') {
      const deposit = parseMoney(planned.deposit);
      const { channel } = await vault.openChannel(ownerAccount, { payer: toHex(address), amount: deposit });
      progress.say(`channel ${channel} opened for the ${name}: ${planned.deposit} TIME`);
      createDevice(state, { ...shared, scope, channel }, key, { hubKey, channel: channelId(channel) });
      devices.push({ role, name, state, address: toHex(address), channel });
      continue;
    }
    const payee = role === 'pos' ? merchant : operator;
    const payeeText = addressOf(payee).toLowerCase() as `0x${string}`;
    // Accredited, so that a bond that is lost makes good what they gave to a copied payer.
    if (!accredited.has(payeeText)) await vault.accredit(deployerAccount, fromHex(payeeText));
    accredited.add(payeeText);
    createDevice(state, { ...shared, ...(await terminalOf(domain, address, payee, now)) }, key, { hubKey });
    progress.say(`payee of the ${name} registered: ${payeeText}`);
    devices.push({ role, name, state, address: toHex(address), payee: payeeText });
  }
  const site: Site = {
    rpcUrl,
    chainId: deployment.chainId,
    token: deployment.token.toLowerCase() as `0x${string}`,
    vault: vaultHex,
    startBlock: deployment.block,
    hubName,
    scope,
    keys,
    devices,
  };
  writeSite(folder, site);
  return site;
}
