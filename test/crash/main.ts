/**
 * A hub under load that is killed with SIGKILL at random moments, while it settles, and with it the node of its chain, which
 * loses its newest blocks: what was acknowledged is in the ledger once, at the position that was signed; no position was
 * signed for two entries; and L2 settled each lane as far as it was acknowledged and no further.
 *
 * Options: --rounds N, --seed S, --json. Not checked: a power cut (ledger.test.ts has disks that lose what was not synced),
 * brokers and databases of others, a settlement account that somebody else uses.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { privateKeyToAccount } from 'viem/accounts';
import { type HubConfigInput, parseConfig } from '../../hub/config.ts';
import { startHub } from '../../hub/hub.ts';
import { type Anvil, startAnvil } from '../../hub/l2/anvil.ts';
import { readArtifacts } from '../../hub/l2/artifacts.ts';
import { type Deployment, deploy, fund } from '../../hub/l2/deploy.ts';
import { Vault } from '../../hub/l2/vault.ts';
import { createLogger } from '../../hub/log.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { seconds } from '../../protocol/integers.ts';
import { PACK_ENTRIES_MAX } from '../../protocol/limits.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { key, payee, root, suite, tap, terminal } from '../hub/fleet.ts';
import { seededRandom } from '../hub/random.ts';
import { Connected, HUB_SECRET, hubKey, registration } from '../hub/site.ts';
import { until } from '../hub/temporary.ts';
import { entriesIn } from './oracle.ts';

const CHANNELS = 6;
const WINDOW = 3 * PACK_ENTRIES_MAX;
const DEPOSIT = 50_000_000;
const AMOUNT = 3;
/** Blocks that the node loses at most when it is killed, and those that the hub waits for. */
const LOST_SECONDS = 1;
const FINALITY_BLOCKS = 4;
/** Longest wait for a batch to be under way, milliseconds: after that the hub is killed all the same. */
const SETTLING_MS = 6_000;

type Victim = 'hub' | 'settler' | 'chain';

async function run(rounds: number, seed: number, say: (text: string) => void) {
  const random = seededRandom(seed);
  const home = await mkdtemp(join(tmpdir(), 'sundial-crash-'));
  const by: Record<Victim, number> = { hub: 0, settler: 0, chain: 0 };
  const chain = await Chain.start(home);
  const place = new Place(home, chain);
  try {
    const load = new Load(chain.signing, chain.channels);
    await place.startHub();
    for (let round = 0; round < rounds; round += 1) {
      const victim: Victim = random.chance(0.2) ? 'chain' : random.chance(0.4) ? 'settler' : 'hub';
      const enough = load.acknowledged.size + 1 + random.below(250);
      const kill = async (): Promise<void> => {
        if (victim === 'settler') await place.untilSettling();
        if (victim === 'chain') await chain.killAndRestart();
        else await place.killHub();
      };
      await load.run(place.mqttUrl, () => load.acknowledged.size >= enough, kill, victim === 'chain');
      by[victim] += 1;
      if (victim !== 'chain') await place.startHub();
      if ((round + 1) % 5 === 0 || round + 1 === rounds)
        say(`round ${round + 1} of ${rounds}: ${load.acknowledged.size} acknowledged`);
    }
    await load.drain(place.mqttUrl);
    say('settling what is left ...');
    const lanes = await place.settleAll(load.tops);
    await place.stopHub();
    return { rounds, ...judge(load, join(home, 'hub', 'ledger')), settledTwice: lanes, by };
  } finally {
    await place.stopHub();
    await chain.stop();
    await rm(home, { recursive: true, force: true });
  }
}

/** What devices were told, against what the ledger's files hold. */
function judge(load: Load, folder: string) {
  const found = entriesIn(folder);
  let missing = 0;
  for (const [id, position] of load.acknowledged) if (!found.get(id)?.includes(position)) missing += 1;
  let doubled = 0;
  for (const positions of found.values()) if (positions.length > 1) doubled += 1;
  return { acknowledged: load.acknowledged.size, missing, doubled, signedTwice: load.signedTwice };
}

/** A chain whose node may be killed: others reach it over a road that stays. */
class Chain {
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

/** The hub as a process, killed and started again over one folder. */
class Place {
  mqttUrl = '';
  private statusUrl = '';
  private port = 0;
  private child: ChildProcess | undefined;
  private readonly folder: string;
  private readonly chain: Chain;

  constructor(home: string, chain: Chain) {
    this.folder = join(home, 'hub');
    this.chain = chain;
  }

  async startHub(): Promise<void> {
    const config = JSON.stringify(await this.config());
    const child = spawn(
      process.execPath,
      ['--enable-source-maps', fileURLToPath(import.meta.url), 'hub', config],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    this.child = child;
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout! }).once('line', resolve);
      child.once('exit', (code) => reject(new Error(`the hub ended with ${code} before it was up`)));
    });
    ({ mqttUrl: this.mqttUrl, statusUrl: this.statusUrl } = JSON.parse(line));
    this.port = Number(new URL(this.mqttUrl).port);
  }

  private async config(): Promise<HubConfigInput> {
    const { deployment, keys, url, signing } = this.chain;
    const from = seconds(Math.floor(Date.now() / 1000) - 3_600);
    const certified = { address: hubKey.address, from, epoch: 0, signedAt: from };
    return {
      name: 'test',
      folder: this.folder,
      mqtt: { port: this.port },
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
      batch: { everyMs: 500 },
      beaconMs: 500,
    };
  }

  private async ended(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => child.once('exit', () => resolve()));
  }

  async killHub(): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.ended();
  }

  async stopHub(): Promise<void> {
    this.child?.kill('SIGTERM');
    await this.ended();
  }

  private async status() {
    const response = await fetch(`${this.statusUrl}/status`);
    return (await response.json()) as {
      settlement: { open?: object; waitingLanes: number; trouble?: string };
    };
  }

  /** A batch is signed and not final. */
  async untilSettling(): Promise<void> {
    const end = Date.now() + SETTLING_MS;
    await until('a batch is under way', async () => {
      return Date.now() > end || (await this.status()).settlement.open !== undefined;
    });
  }

  /** Settles everything; resolves with the number of lanes that L2 settled otherwise than they were acknowledged. */
  async settleAll(tops: ReadonlyMap<number, number>): Promise<number> {
    const vault = await Vault.connect(this.chain.url, this.chain.deployment.vault);
    const lanes = () =>
      Promise.all(this.chain.channels.map((channel) => vault.readLane(channel, payee.address)));
    const wanted = this.chain.channels.map((_, index) => tops.get(index) ?? 0);
    await until('everything is settled', async () => {
      await fetch(`${this.statusUrl}/settle`, { method: 'POST' });
      const found = await lanes();
      return found.every((paid, index) => paid >= wanted[index]!);
    });
    const found = await lanes();
    const balance = await vault.readPayeeBalance(payee.address);
    const wrong = found.filter((paid, index) => paid !== wanted[index]).length;
    return wrong + (balance === found.reduce((sum, paid) => sum + paid, 0) ? 0 : 1);
  }
}

/** Vouchers of several channels through one terminal, sent again until they are acknowledged. */
class Load {
  /** Digest to position, as signed by the hub. */
  readonly acknowledged = new Map<string, number>();
  /** The highest that was acknowledged, by channel's index. */
  readonly tops = new Map<number, number>();
  signedTwice = 0;
  private readonly signing: Signing;
  private readonly channels: readonly number[];
  private readonly byPosition = new Map<number, string>();
  private readonly waiting = new Map<
    string,
    { readonly bytes: Uint8Array; readonly index: number; readonly paid: number }
  >();
  private readonly payers = Array.from({ length: CHANNELS }, (_, n) => key(100 + n));
  private readonly counts = new Array<number>(CHANNELS).fill(0);
  private counter = 0;
  private next = 0;

  constructor(signing: Signing, channels: readonly number[]) {
    this.signing = signing;
    this.channels = channels;
  }

  /** Sends until `enough`, then kills; ends when the link is gone, or with the kill when the link stays. */
  async run(
    url: string,
    enough: () => boolean,
    kill: () => Promise<void>,
    linkStays: boolean,
  ): Promise<void> {
    const device = await this.connect(url);
    let killed: Promise<void> | undefined;
    let isOver = false;
    this.sendAgain(device);
    while (!isOver && (device.connected || killed === undefined)) {
      await this.refill(device);
      const before = this.acknowledged.size;
      let looks = 0;
      await until('an acknowledgement', () => {
        this.take(device);
        // A hub that has not seen the channel on L2 yet refuses: devices send again.
        if (looks % 400 === 399) this.sendAgain(device);
        looks += 1;
        if (killed === undefined && enough())
          killed = kill().then(() => {
            isOver = true;
          });
        return isOver || this.acknowledged.size > before || !device.connected;
      });
    }
    await killed;
    if (!linkStays) await until('the hub is gone', () => !device.connected);
    this.take(device);
    device.close();
  }

  /** Sends what is waiting until nothing is. */
  async drain(url: string): Promise<void> {
    const device = await this.connect(url);
    let looks = 0;
    await until('everything is acknowledged', () => {
      if (looks % 400 === 0) this.sendAgain(device);
      looks += 1;
      this.take(device);
      return this.waiting.size === 0;
    });
    device.close();
  }

  private async connect(url: string): Promise<Connected> {
    const device = new Connected({ mqttUrl: url }, terminal.address);
    await device.ready();
    return device;
  }

  private sendAgain(device: Connected): void {
    this.counter += 1;
    void registration(this.signing, terminal, payee, this.counter).then((message) => {
      device.send(message);
      const entries = [...this.waiting.values()].map(({ bytes }) => bytes);
      for (let at = 0; at < entries.length; at += PACK_ENTRIES_MAX)
        device.send({ type: 'pack', entries: entries.slice(at, at + PACK_ENTRIES_MAX) });
    });
  }

  private async refill(device: Connected): Promise<void> {
    while (this.waiting.size + PACK_ENTRIES_MAX <= WINDOW) {
      const entries: Uint8Array[] = [];
      for (let i = 0; i < PACK_ENTRIES_MAX; i += 1) {
        const index = this.next % CHANNELS;
        this.next += 1;
        this.counts[index]! += 1;
        const paid = AMOUNT * this.counts[index]!;
        const signed = await tap({
          on: this.signing,
          channel: this.channels[index]!,
          payer: this.payers[index]!,
          seq: this.counts[index]!,
          amount: AMOUNT,
          spent: paid,
          paid,
        });
        this.waiting.set(hexOf(signed.id), { bytes: signed.bytes, index, paid });
        entries.push(signed.bytes);
      }
      device.send({ type: 'pack', entries });
    }
  }

  private take(device: Connected): void {
    for (const message of device.received.splice(0)) {
      if (message.type !== 'acknowledgement') continue;
      if (!this.signing.signedBy('Acknowledgement', message, message.signature, hubKey.address))
        throw new Error('an acknowledgement that the hub did not sign');
      const id = hexOf(message.entry);
      const other = this.byPosition.get(message.position);
      if (other !== undefined && other !== id) this.signedTwice += 1;
      this.byPosition.set(message.position, id);
      this.acknowledged.set(id, message.position);
      const sent = this.waiting.get(id);
      if (sent === undefined) continue;
      this.waiting.delete(id);
      this.tops.set(sent.index, Math.max(this.tops.get(sent.index) ?? 0, sent.paid));
    }
  }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

if (process.argv[2] === 'hub') {
  const hub = await startHub(parseConfig(JSON.parse(process.argv[3]!)), {
    log: createLogger('silent'),
    onFatal: (error) => {
      process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
      process.exit(3);
    },
  });
  process.stdout.write(`${JSON.stringify({ mqttUrl: hub.mqttUrl, statusUrl: hub.statusUrl })}\n`);
  process.once('SIGTERM', () => void hub.stop().then(() => process.exit(0)));
} else {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  const seed = Number(values.seed);
  if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(seed)) {
    process.stderr.write('crash_options: --rounds wants a number from 1 on, --seed a number\n');
    process.exit(2);
  }
  const result = await run(rounds, seed, (text) => process.stderr.write(`${text}\n`));
  const { missing, doubled, signedTwice, settledTwice, acknowledged } = result;
  const isWell = missing + doubled + signedTwice + settledTwice === 0 && acknowledged > 0;
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${acknowledged} acknowledged over ${rounds} rounds: ${missing} missing, ${doubled} doubled, ${signedTwice} positions signed twice, ${settledTwice} lanes settled twice\n`,
  );
  process.exit(isWell ? 0 : 1);
}
