/**
 * What a simulated business is made of, through the commands that people type: a chain node, a broker, a hub's folder and
 * its hub, merchants, tills and customers by code. Everything that is started is a process of its own and is ended by its
 * handle.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { privateKeyToAccount } from 'viem/accounts';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { readAddresses } from '../../hub/cli/deploy-command.ts';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { openHubFolder, readKeyFile } from '../../hub/cli/hub-folder.ts';
import { type Anvil, startAnvil } from '../../hub/l2/anvil.ts';
import { connect } from '../../hub/l2/chain.ts';
import { fund } from '../../hub/l2/deploy.ts';
import { freePort } from '../../hub/node/free-port.ts';
import { SundialError } from '../../protocol/errors.ts';
import { DeviceChild } from '../demo/device-child.ts';

export type Json = Record<string, unknown>;

/** Gas money, 10 ETH. */
export const GAS = '0x8ac7230489e80000';
const COMMAND_MS = 120_000;

/** How a command ended, and what it said. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Carries out a command that ends by itself, in a folder. */
export type CarryOut = (words: readonly string[], folder: string) => Promise<Ended>;

/** In a process of its own, as an operator does. */
const asProcess =
  (program: string): CarryOut =>
  (words, folder) =>
    new Promise((resolve) => {
      execFile(
        process.execPath,
        [program, ...words],
        { timeout: COMMAND_MS, cwd: folder },
        (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      );
    });

/** A folder with a site in it, and the commands that are typed there. */
export class Shop {
  readonly folder: string;
  readonly program: string;
  private readonly carryOut: CarryOut;
  /** The hub's folder. */
  readonly site: string;
  /** Names it to the operator's commands. */
  readonly at: readonly string[];
  private readonly closers: (() => Promise<unknown> | undefined)[] = [];

  /** `program`: the bundled command line; `carryOut`: how commands that end by themselves are run. */
  constructor(program: string, folder: string, carryOut: CarryOut = asProcess(program)) {
    this.program = program;
    this.carryOut = carryOut;
    this.folder = folder;
    this.site = join(folder, 'site');
    this.at = ['--folder', this.site];
    mkdirSync(folder, { recursive: true });
  }

  /** Runs a command that must succeed, and gives its JSON. Throws `operator_step` with what it said. */
  async run(...args: string[]): Promise<Json> {
    const { code, stdout, stderr } = await this.carryOut([...args, '--json'], this.folder);
    if (code === 0) return JSON.parse(stdout.trim().split('\n').at(-1)!) as Json;
    throw new SundialError('operator_step', `sundial ${args.join(' ')}: ${stderr.trim()}`, {
      severity: 'process',
      remedy: 'Run that command by hand in the folder of the run.',
    });
  }

  /** Runs a command that must be refused, and gives the code. */
  async refused(...args: string[]): Promise<string> {
    try {
      await this.run(...args);
    } catch (error) {
      return /"code":"(\w+)"/.exec((error as Error).message)?.[1] ?? 'no code';
    }
    return 'done';
  }

  /** Ends a process with all the others. */
  hold(child: ChildProcess): void {
    this.closers.push(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    });
  }

  async chain(): Promise<Anvil> {
    const anvil = await startAnvil();
    this.closers.push(() => anvil.stop());
    return anvil;
  }

  /** mosquitto; its address. */
  async broker(): Promise<string> {
    const port = await freePort();
    const config = join(this.folder, 'mosquitto.conf');
    writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
    const child = spawn('mosquitto', ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.hold(child);
    for await (const line of createInterface({ input: child.stderr! })) if (/running/.test(line)) break;
    child.stderr!.resume();
    return `mqtt://127.0.0.1:${port}`;
  }

  /** Starts the site's hub and waits until it is ready. */
  async hub(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [this.program, 'hub', this.site, '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.hold(child);
    for await (const line of createInterface({ input: child.stdout! }))
      if ((JSON.parse(line) as Json).event === 'ready') break;
    child.stdout!.resume();
    return child;
  }

  /** Keys and roles, as the first `init` prints them. */
  async roles(anvil: Anvil): Promise<Record<string, string>> {
    return (await this.run('init', this.site, '--rpc', anvil.url)) as Record<string, string>;
  }

  /** Where devices pay. */
  get place(): { readonly vault: string; readonly chainId: number } {
    return readAddresses(this.addresses);
  }

  private get addresses(): string {
    return join(this.site, 'addresses.json');
  }

  /** The contracts, for these roles. */
  async deploy(anvil: Anvil, roles: Record<string, string>): Promise<void> {
    await this.run(
      ...['deploy', '--network', 'dev', '--rpc', anvil.url, '--key', anvil.keys[0]!, '--out', this.addresses],
      ...['--root', roles.root!, '--hub-key', roles.hubKey!],
      ...['--settler', roles.settler!, '--operator', roles.operator!],
    );
  }

  /** The second `init`: the folder is complete. */
  async complete(anvil: Anvil, ...flags: string[]): Promise<void> {
    const made = await this.run('init', this.site, '--rpc', anvil.url, ...flags);
    if (made.ready !== true) throw new Error(`init says ${JSON.stringify(made)}`);
  }

  /**
   * What a chain of one's own has already: gas money for the hub's accounts, owners with gas and `each` TIME. Then blocks come
   * by themselves, as on an L2.
   */
  async money(anvil: Anvil, roles: Record<string, string>, owners: number, each: string): Promise<void> {
    const client = connect(anvil.url);
    const gas = (to: string) => client.request({ method: 'anvil_setBalance', params: [to, GAS] } as never);
    const { token } = readAddresses(this.addresses);
    const deployer = privateKeyToAccount(anvil.keys[0]!);
    for (const account of [roles.settler!, roles.operator!]) await gas(account);
    for (let index = 1; index <= owners; index++) {
      const file = this.ownerKey(index);
      await this.run('hub-key', 'new', '--out', file);
      const owner = privateKeyToAccount(readKeyFile(file)).address;
      await gas(owner);
      await fund(anvil.url, deployer, token, owner, parseMoney(each));
    }
    await client.request({ method: 'evm_setIntervalMining', params: [1] } as never);
  }

  private ownerKey(index: number): string {
    return join(this.folder, `owner-${index}.key`);
  }

  /** A till by a code, `till N`; its folder, and the code that is used now. */
  async till(index: number, merchant: string): Promise<{ state: string; invitation: string }> {
    const enrol = ['terminal', 'enrol', `till ${index}`, '--payee', merchant, ...this.at];
    const { invitation } = await this.run(...enrol);
    const state = join(this.folder, `till-${index}`);
    await this.run('device', 'provision', String(invitation), '--into', state);
    return { state, invitation: String(invitation) };
  }

  /** A customer by a code, who opens a channel; the wearable's folder. */
  async customer(index: number, deposit: string, rpc: string, ...more: readonly string[]): Promise<string> {
    const { invitation } = await this.run('device', 'enrol', `wearable ${index}`, ...this.at);
    const state = join(this.folder, `wearable-${index}`);
    const pays = ['--owner-key', this.ownerKey(index), '--deposit', deposit, '--rpc', rpc, ...more];
    await this.run('device', 'provision', String(invitation), '--into', state, ...pays);
    return state;
  }

  /** Waits until the hub has seen so many channels at finality. */
  async untilKnown(channels: number): Promise<void> {
    const { hub } = openHubFolder(this.site);
    const deadline = Date.now() + COMMAND_MS;
    while (((await askHub(hub, '/channels')) as unknown[]).length < channels) {
      if (Date.now() > deadline) throw new Error(`the hub does not see ${channels} channels`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Where till N is tapped. */
  tapOf(till: number): string {
    return `unix:${join(this.folder, `${till}.sock`)}`;
  }

  /** A device's process, not started yet. */
  device(
    role: 'pos' | 'wearable',
    state: string,
    tap: string,
    extra: string[] = [],
    onLine = (_: Json) => {},
  ) {
    const child = new DeviceChild(this.program, { role, state, tap, extra }, onLine);
    this.closers.push(() => child.stop());
    return child;
  }

  async close(): Promise<void> {
    for (let close = this.closers.pop(); close !== undefined; close = this.closers.pop()) await close();
  }
}
