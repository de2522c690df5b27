/**
 * `sundial init`: from nothing to a folder that a hub runs from. It can be run again: keys are never made twice, what is
 * complete stays, and it always ends with the next command.
 */
import { createInterface } from 'node:readline/promises';
import { userInfo } from 'node:os';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join, relative, resolve, sep } from 'node:path';
import type { Command } from 'commander';
import { privateKeyToAccount } from 'viem/accounts';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { fail, shellWord } from '../../hardware/boards/node/cli/output.ts';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { SundialError } from '../../protocol/errors.ts';
import { seconds } from '../../protocol/integers.ts';
import { SCOPE_TERMINALS_MAX } from '../../protocol/limits.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { startAnvil } from '../l2/anvil.ts';
import { connect } from '../l2/chain.ts';
import { deploy, fund } from '../l2/deploy.ts';
import { type AddressFile, artifacts, readAddresses, reserveOf } from './deploy-command.ts';
import { DEV_CHAIN, devChainOptions } from './dev-chain.ts';
import { addressesJson, ensureKey, hubJson, keyFile } from './hub-folder.ts';
import { alertRules } from './alert-rules.ts';
import { dashboard } from './dashboard.ts';
import { namedForL2 } from './l2-errors.ts';

interface Flags {
  readonly rpc?: string;
  readonly dev: boolean;
  readonly name: string;
  readonly leases?: string;
  readonly httpHost: string;
  readonly httpPort: string;
  readonly mqttHost: string;
  readonly mqttPort: string;
  readonly mqttUrl?: string;
  readonly chainPort: string;
  readonly lock: boolean;
  readonly json: boolean;
}

/** How wide the hub lends, and what that can cost. */
const LEASES: Readonly<Record<string, string>> = {
  covered: `leases name one group of at most ${SCOPE_TERMINALS_MAX} terminals: 20 % bond covers ${SCOPE_TERMINALS_MAX} x 3.94 % caps, a copied wearable costs nobody anything`,
  any: 'leases for any number of terminals: a copied wearable of a 300.00 deposit can take 11.82 at each terminal that is offline; beyond its bond of 60.00 the merchants bear it, each up to its own --wide-max',
};

const KEYS = ['root', 'hub', 'settlement', 'operator'] as const;

const wrong = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

function portOf(text: string, flag: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw wrong('bad_number', `${flag} ${text} is no port`, `Give ${flag} as a number from 0 to 65535.`);
}

/** Asks what flags left open, when a person is there to answer. */
async function completed(flags: Flags): Promise<{ rpc: string | undefined; leases: string }> {
  const isAsked = process.stdin.isTTY && process.stdout.isTTY && !flags.json;
  let { rpc, leases } = flags;
  if (isAsked && ((rpc === undefined && !flags.dev) || leases === undefined)) {
    const lines = createInterface({ input: process.stdin, output: process.stdout });
    if (rpc === undefined && !flags.dev)
      rpc = (await lines.question('RPC address of your chain (empty: a local one, for trying out): ')).trim();
    if (leases === undefined) {
      for (const [name, words] of Object.entries(LEASES)) process.stdout.write(`  ${name}: ${words}\n`);
      leases = (await lines.question('How wide may leases be? [covered] ')).trim() || 'covered';
    }
    lines.close();
  }
  leases ??= 'covered';
  if (!Object.hasOwn(LEASES, leases))
    throw wrong(
      'bad_leases',
      `"${leases}" is no width of leases`,
      Object.entries(LEASES)
        .map(([name, words]) => `${name}: ${words}`)
        .join('; '),
    );
  return { rpc: rpc === '' ? undefined : rpc, leases };
}

/** A hub's folder may be made where nothing is, or go on where it was begun. Throws `folder_not_empty`. */
function requireOwn(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const own = ['keys', 'hub.json', 'addresses.json', DEV_CHAIN];
  const found = readdirSync(folder);
  if (found.length > 0 && !found.some((name) => own.includes(name)))
    throw wrong('folder_not_empty', `${folder} holds other files`, 'Name an empty folder, or a new one.');
}

/** Puts the contracts on a fresh local chain, and money for whoever tries it out. */
async function deployForTrial(
  folder: string,
  chainPort: number,
  roles: Record<(typeof KEYS)[number], `0x${string}`>,
) {
  const options = devChainOptions(folder, chainPort);
  const anvil = await startAnvil(options);
  try {
    const [deployer, owner] = anvil.keys as [`0x${string}`, `0x${string}`];
    const account = privateKeyToAccount(deployer);
    const of = (secret: `0x${string}`) => privateKeyToAccount(secret).address;
    const named = {
      root: of(roles.root),
      hubKey: of(roles.hub),
      settler: of(roles.settlement),
      operator: of(roles.operator),
      guardian: account.address,
      proposer: account.address,
    };
    const { chainId, block, ...addresses } = await deploy(anvil.url, account, await artifacts(), named);
    for (const to of [named.settler, named.operator]) await giveGas(anvil.url, to);
    await fund(anvil.url, account, addresses.token, privateKeyToAccount(owner).address, parseMoney('10000'));
    const path = keyFile(folder, 'owner');
    writeDurably(path, `${owner}\n`);
    const file: AddressFile = {
      network: 'dev',
      chainId,
      deployer: account.address,
      given: {},
      roles: named,
      ...addresses,
      reserve: await reserveOf(connect(anvil.url), addresses.pots),
      block,
    };
    writeDurably(addressesJson(folder), `${JSON.stringify(file, undefined, 2)}\n`);
    writeDurably(join(folder, DEV_CHAIN), `${JSON.stringify({ port: anvil.port })}\n`);
    return anvil.url;
  } finally {
    await anvil.stop();
  }
}

/** Gas money on a chain that gives it for the asking. */
async function giveGas(url: string, to: `0x${string}`): Promise<void> {
  await connect(url).request({ method: 'anvil_setBalance', params: [to, '0x8ac7230489e80000'] } as never);
}

async function run(path: string, flags: Flags): Promise<void> {
  const folder = resolve(path);
  const { leases, ...asked } = await completed(flags);
  let { rpc } = asked;
  requireOwn(folder);
  const secrets = Object.fromEntries(
    KEYS.map((name) => [name, ensureKey(keyFile(folder, name), flags.lock)]),
  ) as Record<(typeof KEYS)[number], `0x${string}`>;
  const address = (name: (typeof KEYS)[number]) => privateKeyToAccount(secrets[name]).address;
  const at = shellWord(relative(process.cwd(), folder) || '.');
  const say = (facts: object, next: string): void => {
    if (flags.json) process.stdout.write(`${JSON.stringify({ folder, ...facts, next })}\n`);
    else process.stdout.write(`\nnext:\n  ${next}\n`);
  };
  const words = (text: string): void => void (flags.json || process.stdout.write(`${text}\n`));

  if (!existsSync(addressesJson(folder))) {
    if (flags.dev || rpc === undefined) {
      words('a local chain for trying out; its money is worth nothing');
      rpc = await deployForTrial(folder, portOf(flags.chainPort, '--chain-port'), secrets);
    } else {
      words(`keys in ${join(folder, 'keys')}, each readable by you alone`);
      const roles = `--root ${address('root')} --hub-key ${address('hub')} --settler ${address('settlement')} --operator ${address('operator')}`;
      const next = `npx sundial deploy --network NETWORK --rpc ${shellWord(rpc)} --key DEPLOYER ${roles} --out ${shellWord(addressesJson(folder))} && npx sundial init ${at} --rpc ${shellWord(rpc)}`;
      return say(
        {
          ready: false,
          root: address('root'),
          hubKey: address('hub'),
          settler: address('settlement'),
          operator: address('operator'),
        },
        next,
      );
    }
  }
  const addresses = readAddresses(addressesJson(folder));
  if (existsSync(join(folder, DEV_CHAIN))) rpc ??= devChainOptions(folder).url;
  if (rpc === undefined)
    throw wrong('missing_flag', '--rpc is missing', 'Give the RPC address of your chain.');
  for (const [role, name] of [
    ['root', 'root'],
    ['settler', 'settlement'],
    ['hubKey', 'hub'],
    ['operator', 'operator'],
  ] as const)
    if (addresses.roles[role].toLowerCase() !== address(name).toLowerCase())
      throw wrong(
        'roles_differ',
        `the deployment has ${addresses.roles[role]} as ${role}, keys/${name}.key is ${address(name)}`,
        'Put the key of the deployment there, or deploy with the roles that `sundial init` printed.',
      );
  if (!existsSync(hubJson(folder))) {
    const vault = addresses.vault.toLowerCase() as `0x${string}`;
    const signing = makeSigning(nobleSuite, { chainId: addresses.chainId, vault: fromHex(vault, 20) });
    const from = seconds(Math.floor(Date.now() / 1000) - 3600);
    const certificate = await certifyHubKey(signing, nobleKey(fromHex(secrets.root, 32)), {
      address: nobleKey(fromHex(secrets.hub, 32)).address,
      from,
      epoch: 0,
      signedAt: from,
    });
    const isDev = existsSync(join(folder, DEV_CHAIN));
    const config = {
      name: flags.name,
      folder: 'data',
      mqtt:
        flags.mqttUrl === undefined
          ? { host: flags.mqttHost, port: portOf(flags.mqttPort, '--mqtt-port') }
          : { url: flags.mqttUrl },
      http: { host: flags.httpHost, port: portOf(flags.httpPort, '--http-port') },
      chain: {
        rpcUrl: rpc,
        chainId: addresses.chainId,
        vault,
        startBlock: addresses.block,
        ...(addresses.network === 'dev' && { finalityBlocks: 1 }),
        ...(isDev && { pollMs: 500 }),
      },
      keys: {
        signing: { file: 'keys/hub.key' },
        root: address('root').toLowerCase(),
        words: [toHex(encodeMessage(certificate))],
        settlement: { file: 'keys/settlement.key' },
        operator: { file: 'keys/operator.key' },
      },
      scopes: [{ id: toHex(new Uint8Array(randomBytes(32))), payees: [] }],
      leaseAnyScope: leases === 'any',
      batch: { everyMs: 60_000 },
    };
    writeDurably(hubJson(folder), `${JSON.stringify(config, undefined, 2)}\n`);
  }
  writeUnlessThere(join(folder, 'sundial-hub.service'), systemdUnit(folder));
  writeUnlessThere(join(folder, 'compose.yaml'), composeFile(folder));
  writeUnlessThere(join(folder, 'alerts.yml'), alertRules());
  writeUnlessThere(join(folder, 'grafana.json'), dashboard());
  words(
    `${folder} is ready: hub.json (no secrets), keys/, addresses.json, sundial-hub.service, compose.yaml, alerts.yml, grafana.json`,
  );
  words(`leases: ${LEASES[leases]}`);
  if (existsSync(keyFile(folder, 'owner')))
    words(
      `${keyFile(at, 'owner')} owns 10,000.00 of the local token: deposits for customers come from it (--owner-key)`,
    );
  if (existsSync(keyFile(folder, 'root')) && !existsSync(join(folder, DEV_CHAIN)))
    words(
      `move ${keyFile(folder, 'root')} to a machine without a network, and send gas money to ${address('settlement')} and ${address('operator')}`,
    );
  // npx runs a package file from a cache that it may clear; a service, and the next command, want it installed.
  if (projectRoot().split(sep).includes('_npx'))
    words('first, in this folder: npm install FILE, with the package file that you ran this from');
  say({ ready: true, vault: addresses.vault, leases }, `npx sundial hub ${at}`);
}

function writeUnlessThere(path: string, text: string): void {
  if (!existsSync(path)) writeFileSync(path, text);
}

/** Runs the hub as this user, restarts it, and gives it only its own folder to write to. */
const systemdUnit = (folder: string): string => `[Unit]
Description=Sundial hub
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=${process.execPath} ${join(projectRoot(), 'tools', 'sundial.mjs')} hub "${folder}"
WorkingDirectory=${folder}
Restart=on-failure
RestartSec=2
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=${folder}
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
`;

/** A text in YAML that compose takes as it is: what begins with $ it would look up. */
const quoted = (text: string): string => JSON.stringify(text).replaceAll('$', '$$$$');

/**
 * The same hub in a container, for who runs all in containers: this program and the folder are mounted, nothing else can be
 * written, and it shares the machine's network, so that hub.json means the same there.
 */
export const composeFile = (folder: string): string => `# docker compose up -d, in this folder
services:
  hub:
    image: node:22-bookworm-slim
    command: ["node", "/sundial/tools/sundial.mjs", "hub", "/hub"]
    working_dir: /hub
    user: ${quoted(`${userInfo().uid}:${userInfo().gid}`)}
    network_mode: host
    read_only: true
    cap_drop: ["ALL"]
    security_opt: ["no-new-privileges:true"]
    tmpfs: ["/tmp"]
    restart: unless-stopped
    # What is acknowledged is durable anyway; it ends its connections in order.
    stop_grace_period: 30s
    volumes:
      - { type: bind, source: ${quoted(projectRoot())}, target: /sundial, read_only: true }
      - { type: bind, source: ${quoted(folder)}, target: /hub }
`;

/** Adds `sundial init`. */
export function addInitCommand(program: Command): void {
  program
    .command('init')
    .argument('[folder]', 'where; new, or one that was begun', 'sundial-hub')
    .description(
      'makes the folder that a hub runs from: configuration, keys, service, alert rules; says the next command',
    )
    .option('--rpc <url>', 'RPC address of your chain')
    .option('--dev', 'a local chain of its own, for trying out: its money is worth nothing', false)
    .option('--name <name>', "the hub's name in its topics: a-z, 0-9 and -", 'hub')
    .option(
      '--leases <width>',
      `how wide leases may be. ${Object.entries(LEASES)
        .map(([name, words]) => `${name}: ${words}`)
        .join('. ')}`,
    )
    .option(
      '--http-host <host>',
      'where console and API listen; put TLS in front of anything but loopback',
      '127.0.0.1',
    )
    .option('--http-port <port>', 'port of console and API', '9464')
    .option('--mqtt-host <host>', 'where the own broker listens', '127.0.0.1')
    .option('--mqtt-port <port>', 'port of the own broker', '1883')
    .option('--mqtt-url <url>', 'an existing broker instead')
    .option('--chain-port <port>', 'with --dev: port of the local chain, 0 for any free one', '0')
    .option(
      '--lock',
      'puts a passphrase on the keys that are made (SUNDIAL_PASSPHRASE_FILE, or asked for)',
      false,
    )
    .option('--json', 'one JSON object on stdout; asks nothing', false)
    .action((folder: string, flags: Flags) =>
      run(folder, flags).catch((error: unknown) => fail(namedForL2(error))),
    );
}
