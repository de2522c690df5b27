/**
 * An operator's first day, from an empty folder to paid merchants, through the commands that an operator types: a chain
 * node and a broker that are somebody else's, deployment, a hub's folder, merchants, tills and customers enrolled by
 * one-time codes, taps with no network, settlement, statements, a payment that somebody asks for, a withdrawal. What is
 * compared: what the tills said approved for, payment by payment and in sum, with what the hub's statements and L2 say.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { privateKeyToAccount } from 'viem/accounts';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { readAddresses } from '../../hub/cli/deploy-command.ts';
import { askHub } from '../../hub/cli/ask-hub.ts';
import { openHubFolder, readKeyFile } from '../../hub/cli/hub-folder.ts';
import { type Anvil, startAnvil } from '../../hub/l2/anvil.ts';
import { connect } from '../../hub/l2/chain.ts';
import { fund } from '../../hub/l2/deploy.ts';
import { SundialError } from '../../protocol/errors.ts';
import { DeviceChild } from '../demo/device-child.ts';

/** What a day came to. */
export interface Day {
  readonly ok: boolean;
  readonly steps: number;
  readonly seconds: number;
  readonly payments: number;
  /** The payment that was asked for by amount, day and till is the one that the till approved. */
  readonly found: boolean;
  /** Sales of the statements are what the tills approved; what L2 holds is what the statements call settled. */
  readonly statementBalances: boolean;
}

type Json = Record<string, unknown>;

/** Who pays at which till, and how much. Nothing is above the tap limit of a deposit of 300 (5.25). */
const TAPS: readonly (readonly [customer: number, till: number, price: string])[] = [
  [0, 0, '4.50'],
  [0, 0, '2.25'],
  [0, 1, '1.00'],
  [1, 2, '3.75'],
  [1, 0, '0.50'],
  [1, 2, '4.50'],
];
/** Of which merchant each till is. */
const TILLS = [0, 0, 1] as const;
const MERCHANTS = ['Corner shop', "Ada's bakery"] as const;
const GAS = '0x8ac7230489e80000';
const COMMAND_MS = 120_000;

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** The day, step by step. `close` ends all that it started, by its own handles. */
export class OperatorsDay {
  private steps = 0;
  private readonly closers: (() => Promise<unknown> | undefined)[] = [];
  private readonly folder: string;
  private readonly say: (text: string) => void;

  constructor(folder: string, say: (text: string) => void) {
    this.folder = folder;
    this.say = say;
  }

  private step(words: string): void {
    this.steps += 1;
    this.say(`${String(this.steps).padStart(2)} ${words}`);
  }

  /** Bundled by tools/operator.mjs: what a source becomes meanwhile changes nothing in a run. */
  private readonly program = join(projectRoot(), 'build', 'operator', 'sundial.mjs');

  /** Runs a command that must succeed, and gives its JSON. */
  private run(...args: string[]): Promise<Json> {
    return new Promise((resolve, reject) => {
      const command = [this.program, ...args, '--json'];
      execFile(
        process.execPath,
        command,
        { timeout: COMMAND_MS, cwd: this.folder },
        (error, stdout, stderr) => {
          if (error === null) return resolve(JSON.parse(stdout.trim().split('\n').at(-1)!) as Json);
          reject(
            new SundialError('operator_step', `sundial ${args.join(' ')}: ${stderr.trim()}`, {
              severity: 'process',
              remedy: 'Run that command by hand in the folder of the run.',
            }),
          );
        },
      );
    });
  }

  /** Runs a command that must be refused, and gives the code. */
  private async refused(...args: string[]): Promise<string> {
    try {
      await this.run(...args);
    } catch (error) {
      return /"code":"(\w+)"/.exec((error as Error).message)?.[1] ?? 'no code';
    }
    return 'done';
  }

  private hold(child: ChildProcess): void {
    this.closers.push(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    });
  }

  private async broker(): Promise<string> {
    const port = await freePort();
    const config = join(this.folder, 'mosquitto.conf');
    writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
    const child = spawn('mosquitto', ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.hold(child);
    for await (const line of createInterface({ input: child.stderr! })) if (/running/.test(line)) break;
    child.stderr!.resume();
    return `mqtt://127.0.0.1:${port}`;
  }

  private async hub(folder: string): Promise<void> {
    const child = spawn(process.execPath, [this.program, 'hub', folder, '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.hold(child);
    for await (const line of createInterface({ input: child.stdout! }))
      if ((JSON.parse(line) as Json).event === 'ready') break;
    child.stdout!.resume();
  }

  async close(): Promise<void> {
    for (let close = this.closers.pop(); close !== undefined; close = this.closers.pop()) await close();
  }

  /** Lives the day. Throws `operator_step` with the command that failed, and `story_waits`. */
  async live(): Promise<Day> {
    const startedAt = Date.now();
    mkdirSync(this.folder, { recursive: true });
    const site = join(this.folder, 'site');
    const at = ['--folder', site];

    this.step('a chain node and a broker that are there already');
    const anvil = await startAnvil();
    this.closers.push(() => anvil.stop());
    const mqttUrl = await this.broker();

    this.step('init: keys, and the roles of the deployment');
    const roles = (await this.run('init', site, '--rpc', anvil.url)) as Record<string, string>;
    this.step('deploy');
    const addresses = join(site, 'addresses.json');
    await this.run(
      ...['deploy', '--network', 'dev', '--rpc', anvil.url, '--key', anvil.keys[0]!, '--out', addresses],
      ...['--root', roles.root!, '--hub-key', roles.hubKey!],
      ...['--settler', roles.settler!, '--operator', roles.operator!],
    );
    this.step('init again: the folder is complete');
    const web = ['--http-port', '0', '--mqtt-url', mqttUrl];
    const made = await this.run('init', site, '--rpc', anvil.url, '--name', 'market', ...web);
    if (made.ready !== true) throw new Error(`init says ${JSON.stringify(made)}`);
    await this.money(anvil, addresses, [roles.settler!, roles.operator!]);
    this.step('hub');
    await this.hub(site);

    this.step('two merchants');
    const payees: string[] = [];
    for (const name of MERCHANTS) {
      const payee = String((await this.run('payee', 'add', name, ...at)).address);
      // It pays the gas of its withdrawals itself.
      await connect(anvil.url).request({ method: 'anvil_setBalance', params: [payee, GAS] } as never);
      payees.push(payee);
    }

    this.step('three tills, each by a code');
    const tills: DeviceChild[] = [];
    for (const [index, merchant] of TILLS.entries()) {
      const enrol = ['terminal', 'enrol', `till ${index + 1}`, '--payee', MERCHANTS[merchant], ...at];
      const { invitation } = await this.run(...enrol);
      const state = join(this.folder, `till-${index + 1}`);
      await this.run('device', 'provision', String(invitation), '--into', state);
      if (index === 0) {
        const code = await this.refused(
          'device',
          'provision',
          String(invitation),
          '--into',
          join(this.folder, 'thief'),
        );
        if (code !== 'code_used') throw new Error(`a used code: ${code}`);
      }
      tills.push(this.device('pos', state, this.tapOf(index)));
    }
    this.step('two customers, each by a code, who open their channels');
    const customers: string[] = [];
    for (const index of [0, 1]) {
      const { invitation } = await this.run('device', 'enrol', `wearable ${index + 1}`, ...at);
      const state = join(this.folder, `wearable-${index + 1}`);
      const key = join(this.folder, `owner-${index + 1}.key`);
      const pays = ['--owner-key', key, '--deposit', '300', '--rpc', anvil.url];
      await this.run('device', 'provision', String(invitation), '--into', state, ...pays);
      customers.push(state);
    }

    await this.untilKnown(site, customers.length);

    this.step('every device meets the hub once, and loses the network');
    const first = customers.map((state) => this.device('wearable', state, this.tapOf(0)));
    await Promise.all(first.map((device) => device.start().then(() => device.next('lease'))));
    await Promise.all(first.map((device) => device.stop()));
    for (const till of tills) {
      await till.start();
      await till.until((status) => status.scope !== undefined);
      till.command({ disconnect: true });
      await till.next('disconnected');
    }

    this.step(`${TAPS.length} taps with no network`);
    const approved: { id: string; units: number; till: number; at: number }[] = [];
    for (const [customer, till, price] of TAPS) {
      const wearable = this.device('wearable', customers[customer]!, this.tapOf(till), ['--hub', 'none']);
      await wearable.start();
      const { mark } = tills[till]!;
      tills[till]!.command({ sale: price });
      const { voucher } = await tills[till]!.next('approved', () => true, mark);
      await wearable.next('paid');
      await wearable.stop();
      approved.push({ id: String(voucher), units: parseMoney(price), till, at: Date.now() });
    }

    this.step('the network returns: the hub has everything');
    for (const till of tills) {
      till.command({ connect: mqttUrl });
      await till.until((status) => status.outbox === 0);
    }
    this.step('settle');
    await this.run('settle', ...at);

    this.step('statements');
    let statementBalances = true;
    for (const [index, payee] of payees.entries()) {
      const sold = approved
        .filter(({ till }) => TILLS[till] === index)
        .reduce((sum, { units }) => sum + units, 0);
      const statement = await this.run('statement', '--payee', MERCHANTS[index]!, ...at);
      this.say(`   ${MERCHANTS[index]}: ${JSON.stringify(statement)}`);
      statementBalances &&=
        statement.payee === payee &&
        statement.sales === sold &&
        statement.closing === sold &&
        statement.settled === sold &&
        statement.inFlight === 0 &&
        statement.onL2 === sold;
    }

    this.step('"4.50 at till 3, today"');
    const wanted = approved.find(({ till, units }) => till === 2 && units === parseMoney('4.50'))!;
    const day = new Date(wanted.at).toISOString().slice(0, 10);
    const search = ['payments', '--amount', '4.50', '--till', 'till 3', '--day', day, ...at];
    const { payments } = (await this.run(...search)) as { payments: { id: string; state: string }[] };
    const life = (await this.run('payment', wanted.id.slice(0, 14), ...at)) as { sentence: string };
    this.say(`   ${life.sentence}`);
    const found = payments.length === 1 && payments[0]!.id === wanted.id && payments[0]!.state === 'settled';

    this.step('the doctor finds nothing');
    const { ok: isWell, findings } = (await this.run('doctor', ...at)) as { ok: boolean; findings: object[] };
    if (!isWell) throw new Error(`the doctor finds ${JSON.stringify(findings)}`);

    this.step('a merchant withdraws, and a till is revoked');
    const { left, withdrawn } = await this.run('withdraw', '--payee', MERCHANTS[0], ...at);
    const rest = await this.run('statement', '--payee', MERCHANTS[0], ...at);
    statementBalances &&= left === 0 && rest.onL2 === 0 && rest.settled === withdrawn;
    await this.run('terminal', 'revoke', 'till 3', ...at);
    const { devices } = (await this.run('terminal', 'list', ...at)) as {
      devices: { name: string; revokedAt?: number }[];
    };
    const revoked = devices.filter(({ revokedAt }) => revokedAt !== undefined).map(({ name }) => name);
    const ok = found && statementBalances && devices.length === 5 && revoked.join() === 'till 3';
    const seconds = (Date.now() - startedAt) / 1000;
    return { ok, steps: this.steps, seconds, payments: approved.length, found, statementBalances };
  }

  /** Waits until the hub has seen so many channels at finality. */
  private async untilKnown(site: string, channels: number): Promise<void> {
    const { hub } = openHubFolder(site);
    const deadline = Date.now() + COMMAND_MS;
    while (((await askHub(hub, '/channels')) as unknown[]).length < channels) {
      if (Date.now() > deadline) throw new Error(`the hub does not see ${channels} channels`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  private tapOf(till: number): string {
    return `unix:${join(this.folder, `${till + 1}.sock`)}`;
  }

  private device(role: 'pos' | 'wearable', state: string, tap: string, extra: string[] = []): DeviceChild {
    const child = new DeviceChild(this.program, { role, state, tap, extra }, () => undefined);
    this.closers.push(() => child.stop());
    return child;
  }

  /** What a chain of one's own has already: gas money for the hub's accounts, owners with gas and TIME. */
  private async money(anvil: Anvil, addresses: string, accounts: readonly string[]): Promise<void> {
    const client = connect(anvil.url);
    const gas = (to: string) => client.request({ method: 'anvil_setBalance', params: [to, GAS] } as never);
    const { token } = readAddresses(addresses);
    const deployer = privateKeyToAccount(anvil.keys[0]!);
    for (const account of accounts) await gas(account);
    for (const index of [1, 2]) {
      const file = join(this.folder, `owner-${index}.key`);
      await this.run('hub-key', 'new', '--out', file);
      const owner = privateKeyToAccount(readKeyFile(file)).address;
      await gas(owner);
      await fund(anvil.url, deployer, token, owner, parseMoney('500'));
    }
    // From now on blocks come by themselves, as on an L2.
    await client.request({ method: 'evm_setIntervalMining', params: [1] } as never);
  }
}
