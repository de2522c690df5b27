/** A whole site for tests: a chain with the vault, one funded channel, two payees, and the hub's configuration. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { privateKeyToAccount } from 'viem/accounts';
import { type Hub, startHub } from '../../hub/hub.ts';
import type { HubConfigInput } from '../../hub/config.ts';
import { parseConfig } from '../../hub/config.ts';
import { createLogger } from '../../hub/log.ts';
import { type Anvil, startAnvil } from '../../hub/l2/anvil.ts';
import { readArtifacts } from '../../hub/l2/artifacts.ts';
import { type Deployment, deploy, fund } from '../../hub/l2/deploy.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { type NodeConfig, ViemL2 } from '../../hub/l2/viem-l2.ts';
import { mqttUplink } from '../../hardware/boards/node/mqtt.ts';
import type { Uplink } from '../../hardware/interfaces/index.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { seconds } from '../../protocol/integers.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import {
  decodeOwn,
  encodeMessage,
  type Message,
  type MessageOf,
  ROLES,
} from '../../protocol/wire/messages.ts';
import { otherPayee, payee, payer, pin, root, suite, terminal } from './fleet.ts';
import { PATIENCE_MS, until } from './temporary.ts';

export const HUB_SECRET = `0x${'5a'.repeat(32)}`;
/** The hub's hot key, which L2 knows as its first. */
export const hubKey = nobleKey(fromHex(HUB_SECRET, 32));

export interface Site {
  readonly anvil: Anvil;
  readonly vault: Vault;
  readonly deployment: Deployment;
  readonly signing: Signing;
  readonly owner: ReturnType<typeof privateKeyToAccount>;
  /** Pays the hub's gas; its batches settle at once. */
  readonly settler: ReturnType<typeof privateKeyToAccount>;
  readonly channel: number;
  config(folder: string, change?: Partial<HubConfigInput>): HubConfigInput;
  start(folder: string, change?: Partial<HubConfigInput>): Promise<Hub>;
  close(): Promise<void>;
}

/** Certificates of the hub's key one after the other, for tests that let weeks pass. */
async function rootWords({ chainId, vault }: { chainId: number; vault: string }): Promise<string[]> {
  const signing = makeSigning(suite, { chainId, vault: fromHex(vault, 20) });
  const { address } = hubKey;
  const start = Math.floor(Date.now() / 1000) - 3600;
  const words = [0, 1, 2, 3].map((month) => {
    const from = seconds(start + month * 20 * 86_400);
    return certifyHubKey(signing, root, { address, from, epoch: 0, signedAt: from });
  });
  return (await Promise.all(words)).map((word) => toHex(encodeMessage(word)));
}

/**
 * Tests share a chain and a settlement account, each with a folder of its own: what the others settled is no sign of an
 * earlier state.
 */
export function onUsedChain(folder: string): string {
  const path = join(folder, 'registry.json');
  if (!isAbsolute(folder) || existsSync(path)) return folder;
  mkdirSync(folder, { recursive: true });
  const never = {
    version: 3,
    minReader: 3,
    devices: {},
    watched: { height: 0, at: 0 },
    payees: {},
    heads: {},
  };
  writeFileSync(path, JSON.stringify({ ...never, ledgerSize: 0, recoveredAt: 2 ** 40 - 1 }));
  return folder;
}

/** Starts the chain, deploys, opens a channel with `deposit` units for the test payer, registers both payees. */
export async function startSite(deposit = 100_000_000): Promise<Site> {
  const anvil = await startAnvil({ startupMs: PATIENCE_MS });
  const [deployer, settler, owner] = anvil.keys.map((secret) => privateKeyToAccount(secret));
  const deployment = await deploy(anvil.url, deployer!, readArtifacts('build/contracts'), {
    root: toHex(root.address),
    hubKey: toHex(hubKey.address),
    settler: settler!.address,
  });
  await fund(anvil.url, deployer!, deployment.token, owner!.address, 10 * deposit);
  const vault = await Vault.connect(anvil.url, deployment.vault);
  const { channel } = await vault.openChannel(owner!, { payer: toHex(payer.address), amount: deposit });
  await vault.registerPayee(owner!, payee.address);
  await vault.registerPayee(owner!, otherPayee.address);
  const words = await rootWords(deployment);
  const config = (folder: string, change: Partial<HubConfigInput> = {}): HubConfigInput => ({
    name: 'test',
    folder: onUsedChain(folder),
    chain: {
      rpcUrl: anvil.url,
      chainId: deployment.chainId,
      vault: deployment.vault,
      startBlock: deployment.block,
      finalityBlocks: 0,
      pollMs: 50,
      // A busy machine: whether an answer comes late is tested elsewhere.
      timeoutMs: 30_000,
    },
    keys: { signing: HUB_SECRET, settlement: anvil.keys[1]!, root: toHex(root.address), words },
    leaseAnyScope: true,
    batch: { everyMs: 0 },
    beaconMs: 200,
    ...change,
  });
  return {
    anvil,
    vault,
    deployment,
    owner: owner!,
    settler: settler!,
    channel,
    signing: makeSigning(suite, { chainId: deployment.chainId, vault: fromHex(deployment.vault, 20) }),
    config,
    start: (folder, change) => startHub(parseConfig(config(folder, change)), { log: createLogger('silent') }),
    close: () => anvil.stop(),
  };
}

/** L2 as the hub of a site asks it; the account is one of the chain's, the hub's own when absent. */
export function l2Of(site: Site, change: Partial<NodeConfig> = {}, account = 1): ViemL2 {
  const { chain } = parseConfig(site.config('none'));
  const key = privateKeyToAccount(site.anvil.keys[account]!);
  return new ViemL2({ ...chain, rpcUrl: site.anvil.url, ...change }, site.signing.separator, key);
}

/** A watch's clock that always agrees: tests move the chain's time about. */
export const ANY_TIME = { nowSeconds: () => 0, clockError: Infinity } as const;

/** Events of a watch that nobody listens to. */
export const NOBODY = {
  batch: async () => {},
  block: () => {},
  doubt: () => {},
  replaced: () => {},
  channel: () => {},
  payee: () => {},
  announced: () => {},
  unlisted: () => {},
  settled: () => {},
} as const;

/** A device on MQTT that keeps every message it receives. */
export class Connected {
  readonly received: Message[] = [];
  readonly uplink: Uplink;
  connected = false;

  constructor(hub: { mqttUrl: string }, device: Uint8Array, name = 'test') {
    this.uplink = mqttUplink({ url: hub.mqttUrl, hub: name, device: toHex(device), reconnectMs: 20 });
    this.uplink.receive(
      (bytes) => this.received.push(decodeOwn(bytes)),
      (connected) => {
        this.connected = connected;
      },
    );
  }

  ready(): Promise<void> {
    return until('the device is connected', () => this.connected);
  }

  send(message: Message | Uint8Array): void {
    this.uplink.send(message instanceof Uint8Array ? message : encodeMessage(message));
  }

  /** The first received message of this type that fits; waits for it. */
  async next<T extends Message['type']>(
    type: T,
    fits: (message: MessageOf<T>) => boolean = () => true,
  ): Promise<MessageOf<T>> {
    let found: MessageOf<T> | undefined;
    await until(`a ${type}`, () => {
      found = this.received.find(
        (message) => message.type === type && fits(message as unknown as MessageOf<T>),
      ) as MessageOf<T> | undefined;
      return found !== undefined;
    });
    return found!;
  }

  close(): void {
    this.uplink.close();
  }
}

/** What a terminal says first. */
export async function registration(
  signing: Signing,
  device = terminal,
  to = payee,
  counter = 1,
): Promise<MessageOf<'register'>> {
  const expiresAt = seconds(2 ** 40 - 1);
  const certified = { terminal: device.address, payee: to.address, expiresAt };
  return {
    type: 'register',
    device: device.address,
    role: ROLES.pos,
    payee: to.address,
    certificate: await to.sign(signing.digest('Terminal', certified)),
    certificateExpiresAt: expiresAt,
    entropyCertified: 1,
    counter,
    signature: await device.sign(
      signing.digest('Register', { hub: pin.id, device: device.address, payee: to.address, counter }),
    ),
  };
}

/** A connected terminal that the hub knows. */
export async function startTerminal(site: Site, hub: Hub, device = terminal, to = payee): Promise<Connected> {
  const connected = new Connected(hub, device.address);
  await connected.ready();
  const message = await registration(site.signing, device, to);
  let asked = 0;
  await until('the terminal is registered', async () => {
    // A hub that has not seen its payee on L2 yet refuses: as devices do, it asks again.
    if (asked % 100 === 0) connected.send(message);
    asked += 1;
    const devices = (await (await fetch(`${hub.statusUrl}/devices`)).json()) as Record<string, unknown>;
    return devices[toHex(device.address)] !== undefined;
  });
  return connected;
}
