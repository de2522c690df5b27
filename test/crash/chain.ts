/** The chain of a crash run: contracts, funded channels, and a node that may be killed and lose its newest blocks. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { privateKeyToAccount } from 'viem/accounts';
import type { HubConfigInput } from '../../hub/config.ts';
import { type Anvil, startAnvil } from '../../hub/l2/anvil.ts';
import { readArtifacts } from '../../hub/l2/artifacts.ts';
import { type Deployment, deploy, fund } from '../../hub/l2/deploy.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { seconds } from '../../protocol/integers.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { key, payee, root, suite } from '../hub/fleet.ts';
import { HUB_SECRET, hubKey } from '../hub/site.ts';
import { until } from '../hub/temporary.ts';

/** Channels of the load, each with its payer. */
export const CHANNELS = 6;
const DEPOSIT = 50_000_000;
/** Blocks that the node loses at most when it is killed, and those that the hub waits for. */
const LOST_SECONDS = 1;
const FINALITY_BLOCKS = 4;

/** What a hub on this chain is told, beside its folder. */
export async function hubConfig({
  deployment,
  keys,
  url,
  signing,
}: Chain): Promise<Omit<HubConfigInput, 'folder'>> {
  const from = seconds(Math.floor(Date.now() / 1000) - 3_600);
  const certified = { address: hubKey.address, from, epoch: 0, signedAt: from };
  return {
    name: 'test',
    chain: {
      rpcUrl: url,
      chainId: deployment.chainId,
      vault: deployment.vault,
      finalityBlocks: FINALITY_BLOCKS,
      pollMs: 200,
    },
    keys: {
      signing: HUB_SECRET,
      settlement: keys[1]!,
      root: toHex(root.address),
      words: [toHex(encodeMessage(await certifyHubKey(signing, root, certified)))],
    },
    leaseAnyScope: true,
    // A nonce that the chain set free moves those behind it down one by one, ten blocks each.
    batch: { everyMs: 500, inFlightMax: 4 },
    beaconMs: 500,
  };
}

/** Waits until all is settled; resolves with the number of lanes that L2 settled otherwise than they were acknowledged. */
export async function settledOtherwise(chain: Chain, tops: ReadonlyMap<number, number>): Promise<number> {
  const vault = await Vault.connect(chain.url, chain.deployment.vault);
  const lanes = () => Promise.all(chain.channels.map((channel) => vault.readLane(channel, payee.address)));
  const wanted = chain.channels.map((_, index) => tops.get(index) ?? 0);
  await until('everything is settled', async () =>
    (await lanes()).every((paid, index) => paid >= wanted[index]!),
  );
  const found = await lanes();
  const balance = await vault.readPayeeBalance(payee.address);
  const wrong = found.filter((paid, index) => paid !== wanted[index]).length;
  return wrong + (balance === found.reduce((sum, paid) => sum + paid, 0) ? 0 : 1);
}

/** A chain whose node may be killed: others reach it over a road that stays. */
export class Chain {
  readonly signing: Signing;
  readonly deployment: Deployment;
  readonly keys: Anvil['keys'];
  readonly channels: number[] = [];
  url = '';
  private node: Anvil;
  private readonly home: string;
  /** Seconds: the node makes block 0 anew at each start, and it has to be the same one. */
  private readonly genesis: number;
  private readonly sockets = new Set<Socket>();
  private readonly road = createServer((socket) => {
    const on = connect(this.node.port, '127.0.0.1');
    for (const end of [socket, on]) {
      this.sockets.add(end);
      end.on('close', () => this.sockets.delete(end));
      end.on('error', () => undefined);
    }
    socket.pipe(on).pipe(socket);
    socket.on('close', () => on.destroy());
    on.on('close', () => socket.destroy());
  });

  private constructor(home: string, node: Anvil, deployment: Deployment, genesis: number) {
    this.home = home;
    this.genesis = genesis;
    this.node = node;
    this.keys = node.keys;
    this.deployment = deployment;
    this.signing = makeSigning(suite, {
      chainId: deployment.chainId,
      vault: fromHex(deployment.vault, 20),
    });
  }

  /** Contracts, channels and a payee are there when it resolves; from then on a block a second. */
  static async start(home: string): Promise<Chain> {
    const genesis = Math.floor(Date.now() / 1000);
    const node = await startAnvil({ timestamp: genesis, extra: stateIn(home) });
    const [deployer, settler, owner] = node.keys.map((secret) => privateKeyToAccount(secret));
    const deployment = await deploy(node.url, deployer!, readArtifacts('build/contracts'), {
      root: toHex(root.address),
      hubKey: toHex(hubKey.address),
      settler: settler!.address,
    });
    await fund(node.url, deployer!, deployment.token, owner!.address, 2 * CHANNELS * DEPOSIT);
    const vault = await Vault.connect(node.url, deployment.vault);
    await vault.registerPayee(owner!, payee.address);
    const chain = new Chain(home, node, deployment, genesis);
    for (let n = 0; n < CHANNELS; n += 1) {
      const payer = toHex(key(100 + n).address);
      const { channel } = await vault.openChannel(owner!, { payer, amount: DEPOSIT });
      chain.channels.push(channel);
    }
    await node.stop();
    await chain.startNode();
    await new Promise<void>((resolve) => chain.road.listen(0, '127.0.0.1', resolve));
    chain.url = `http://127.0.0.1:${(chain.road.address() as AddressInfo).port}`;
    return chain;
  }

  /** Blocks of the last second are gone with it. */
  async killAndRestart(): Promise<void> {
    process.kill(this.node.pid, 'SIGKILL');
    for (const socket of this.sockets) socket.destroy();
    await this.startNode();
  }

  private async startNode(): Promise<void> {
    this.node = await startAnvil({ blockSeconds: 1, timestamp: this.genesis, extra: stateIn(this.home) });
    // Its clock begins at block 0 again.
    const params = [Math.floor(Date.now() / 1000)];
    await fetch(this.node.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'evm_setTime', params }),
    });
  }

  async stop(): Promise<void> {
    this.road.close();
    for (const socket of this.sockets) socket.destroy();
    await this.node.stop();
  }
}

const stateIn = (home: string): string[] => [
  '--state',
  join(home, 'chain.json'),
  '--state-interval',
  String(LOST_SECONDS),
];
