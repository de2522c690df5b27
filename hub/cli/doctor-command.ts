/** `sundial doctor`: gathers what can be seen from here, and says what is wrong, whom it hits, and what to do. */
import { statSync } from 'node:fs';
import { readdir, statfs } from 'node:fs/promises';
import { connect as connectTo } from 'node:net';
import { join } from 'node:path';
import type { Command } from 'commander';
import { privateKeyToAccount } from 'viem/accounts';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { causeText } from '../errors.ts';
import { connect } from '../l2/chain.ts';
import { askHub } from './ask-hub.ts';
import { diagnose, type DoctorDevice, type Facts, paymentWords } from './doctor.ts';
import { type HubFolder, keyFile, openHubFolder, readKeyFile, readRunning } from './hub-folder.ts';

interface Flags {
  readonly folder: string;
  readonly payment?: string;
  readonly device?: string;
  readonly json: boolean;
}

/** How long a node or a broker may take to answer, milliseconds. */
const PATIENCE_MS = 5_000;

interface Status {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly keySecondsLeft: number;
  readonly ledger: { readonly phase: string };
  readonly settlement: { readonly trouble?: string };
  readonly money: { readonly oldestUnsettled?: number };
}

/** Does somebody listen there? Why not, or undefined. */
function listens(url: string): Promise<string | undefined> {
  const { hostname, port, protocol } = new URL(url);
  const socket = connectTo(Number(port) || (protocol === 'mqtts:' ? 8883 : 1883), hostname);
  return new Promise((resolve) => {
    const end = (why: string | undefined): void => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(PATIENCE_MS, () => end('it does not answer'));
    socket.once('connect', () => end(undefined));
    socket.once('error', (error) => end(causeText(error)));
  });
}

async function nodeFacts(url: string): Promise<Facts['nodes'][number]> {
  const client = connect(url, { timeoutMs: PATIENCE_MS });
  try {
    const [chainId, block] = await Promise.all([client.getChainId(), client.getBlock()]);
    return { url, chainId, blockAt: Number(block.timestamp) };
  } catch (error) {
    return { url, trouble: (error as { shortMessage?: string }).shortMessage ?? causeText(error) };
  }
}

/** Files of keys that others can read. */
async function openFiles(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders)
    for (const name of await readdir(folder).catch(() => []))
      if (/\.(key|token)$/.test(name) && (statSync(join(folder, name)).mode & 0o077) !== 0)
        found.push(join(folder, name));
  return found;
}

async function accountFacts({ path, config }: HubFolder): Promise<Facts['accounts']> {
  const client = connect(config.chain.rpcUrl[0]!, { timeoutMs: PATIENCE_MS });
  return Promise.all(
    (['settlement', 'operator'] as const).map(async (name) => {
      try {
        const { address } = privateKeyToAccount(readKeyFile(keyFile(path, name)));
        return { name, address, wei: await client.getBalance({ address }) };
      } catch {
        return { name, address: 'unknown', wei: undefined };
      }
    }),
  );
}

async function gather(folder: HubFolder): Promise<Facts> {
  const { path, config, hub } = folder;
  let status: Status | undefined;
  let hubAway: string | undefined;
  let devices: DoctorDevice[] = [];
  try {
    status = (await askHub(hub, '/v1/status')) as Status;
    ({ devices } = (await askHub(hub, '/v1/devices')) as { devices: DoctorDevice[] });
  } catch (error) {
    hubAway = causeText(error);
  }
  const brokerUrl = config.mqtt.url ?? readRunning(config.folder)?.mqttUrl;
  const [nodes, brokerTrouble, disk, accounts, readable] = await Promise.all([
    Promise.all(config.chain.rpcUrl.map(nodeFacts)),
    brokerUrl === undefined ? undefined : listens(brokerUrl),
    statfs(config.folder).catch(() => undefined),
    accountFacts(folder),
    openFiles([join(path, 'keys'), config.folder, join(config.folder, 'payees')]),
  ]);
  return {
    nowSeconds: Math.floor(Date.now() / 1000),
    hubUrl: hub.url,
    hubAway,
    reasons: status?.reasons ?? [],
    nodes,
    chainId: config.chain.chainId,
    brokerUrl,
    brokerTrouble,
    diskFreeBytes: disk === undefined ? undefined : disk.bavail * disk.bsize,
    openFiles: readable,
    accounts,
    keySecondsLeft: status?.keySecondsLeft,
    settleTrouble: status?.settlement.trouble,
    oldestUnsettled: status?.money.oldestUnsettled,
    ledgerPhase: status?.ledger.phase,
    devices,
  };
}

async function run(flags: Flags): Promise<void> {
  const folder = openHubFolder(flags.folder);
  const facts = await gather(folder);
  const only = flags.device;
  const findings = diagnose(
    only === undefined
      ? facts
      : { ...facts, devices: facts.devices.filter(({ name, address }) => name === only || address === only) },
  );
  const device =
    only === undefined
      ? undefined
      : facts.devices.find(({ name, address }) => name === only || address === only);
  let words: string | undefined;
  if (flags.payment !== undefined) {
    const isId = /^0x[0-9a-f]+$/i.test(flags.payment);
    const query = isId ? `id=${flags.payment}` : `amount=${parseMoney(flags.payment)}`;
    const { payments } = (await askHub(folder.hub, `/v1/payments?${query}`)) as {
      payments: { id: string; amount: number; state: string; at: number }[];
    };
    words = paymentWords(payments);
  }
  const ok = findings.every(({ impact }) => impact === 'none');
  if (flags.json)
    process.stdout.write(
      `${JSON.stringify({ ok, findings, ...(device && { device }), ...(words && { payment: words }) })}\n`,
    );
  else {
    if (words !== undefined) process.stdout.write(`${words}\n\n`);
    if (device !== undefined)
      process.stdout.write(
        `${device.name}: ${device.role}, ${device.online ? 'online' : 'offline'}${device.registered ? '' : ', never registered'}\n\n`,
      );
    if (findings.length === 0) process.stdout.write('nothing is wrong that can be seen from here\n');
    for (const { code, impact, cause, next } of findings)
      process.stdout.write(
        `${impact === 'none' ? 'note' : `hits ${impact === 'all' ? 'everybody' : `one ${impact}`}`}: ${code}\n  ${cause}\n  ${next}\n`,
      );
  }
  process.exit(ok ? 0 : 1);
}

/** Adds `sundial doctor`. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('what is wrong, whom it hits, why, and what to do next; exit code 1 when somebody is hit')
    .option('--folder <path>', 'folder that `sundial init` made', '.')
    .option('--payment <amount or id>', 'also looks for a payment that somebody calls about')
    .option('--device <name>', 'of devices, only this one')
    .option('--json', 'one JSON object on stdout', false)
    .action((flags: Flags) => run(flags).catch(fail));
}
