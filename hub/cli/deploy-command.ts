/**
 * `sundial deploy`: puts the contracts on a chain, or finds them there; `sundial deploy verify`: compares what stands with
 * this source. The same parameters give the same addresses on every chain.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { type Address, isAddress, type PublicClient } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { SundialError } from '../../protocol/errors.ts';
import { checkTiming, type Timing } from '../../protocol/limits.ts';
import { timingSchema } from '../config.ts';
import { potsAbi } from '../l2/pots-abi.ts';
import { readArtifacts } from '../l2/artifacts.ts';
import { connect } from '../l2/chain.ts';
import { deploy, type DeployOptions, planDeployment } from '../l2/deploy.ts';
import { checkChain, codeHash, NETWORKS, type Network } from '../l2/networks.ts';
import { readKeyFile } from './hub-folder.ts';
import { namedForL2 } from './l2-errors.ts';

const ROLES = ['guardian', 'operator', 'proposer', 'root', 'settler', 'hubKey'] as const;
type RoleName = (typeof ROLES)[number];

interface Flags extends Partial<Record<RoleName | 'token', string>> {
  readonly rpc?: string;
  readonly key?: string;
  readonly keyFile?: string;
  readonly network: string;
  readonly timing?: string;
  readonly out?: string;
  readonly standardJson?: string;
  readonly json: boolean;
}

const address = z.custom<Address>((text) => isAddress(String(text), { strict: false }), 'want an address');

/** What a deployment leaves behind for `sundial init`, for hubs, and for whoever verifies it. */
const addressFileSchema = z.object({
  network: z.string(),
  chainId: z.number(),
  deployer: address,
  /** A token that was there before, or none when TIME was made; spans that are none of the defaults. */
  given: z.object({ token: address.optional(), timing: timingSchema.optional() }),
  roles: z.object({
    guardian: address,
    operator: address,
    proposer: address,
    root: address,
    settler: address,
    hubKey: address,
  }),
  token: address,
  timelock: address,
  registry: address,
  vault: address,
  pots: address,
  mandates: address,
  splits: address,
  reserve: address,
  block: z.number(),
});
export type AddressFile = z.infer<typeof addressFileSchema>;

const refused = (code: string, message: string, remedy: string): SundialError =>
  new SundialError(code, message, { severity: 'call', remedy });

interface Tool {
  compileContracts(): unknown;
  standardJson(): string;
}

async function contracts(): Promise<Tool> {
  const tool = pathToFileURL(join(projectRoot(), 'tools', 'contracts.mjs')).href;
  return (await import(tool)) as Tool;
}

/** Where the reserve stands that the pots made. */
export const reserveOf = (client: PublicClient, pots: Address): Promise<Address> =>
  client.readContract({ address: pots, abi: potsAbi, functionName: 'reserve' });

/** The contracts, compiled when they changed. */
export async function artifacts() {
  (await contracts()).compileContracts();
  return readArtifacts(join(projectRoot(), 'build', 'contracts'));
}

function networkOf(text: string): Network {
  if (Object.hasOwn(NETWORKS, text)) return text as Network;
  throw refused(
    'unknown_network',
    `"${text}" is no network`,
    `Give one of ${Object.keys(NETWORKS).join(', ')}.`,
  );
}

/** Throws `bad_key`, for 0 and what lies beyond the curve as well. */
function accountOf(secret: string) {
  if (!/^0x[0-9a-fA-F]{64}$/.test(secret))
    throw refused('bad_key', '--key is no private key', 'Give 0x and 64 hex digits.');
  try {
    return privateKeyToAccount(secret as `0x${string}`);
  } catch {
    throw refused('bad_key', '--key is no key of the curve', 'Make one: `sundial hub-key new --out FILE`.');
  }
}

/** A file that no deployment wrote is not written over. Throws `file_exists`. */
function refuseForeign(path: string): void {
  if (!existsSync(path)) return;
  try {
    addressFileSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    throw refused('file_exists', `${path} is there, and no deployment wrote it`, 'Name another --out file.');
  }
}

/** Throws `bad_address` when the flag is there and is none. */
function addressOf(text: string | undefined, flag: string): Address | undefined {
  if (text === undefined) return undefined;
  if (isAddress(text, { strict: false })) return text;
  throw refused('bad_address', `${flag} "${text}" is no address`, 'Give 0x and 40 hex digits.');
}

/** The `timing` of a hub.json. Throws `bad_timing`, and `timing` when it leaves somebody without time (rule 11). */
function timingOf(path: string): Timing {
  const remedy = 'Give the hub.json of the hub that will settle in this vault, or a file with its `timing`.';
  const file = readJson(path, 'bad_timing', { severity: 'call', remedy });
  const parsed = timingSchema.safeParse((file as { timing?: unknown } | null)?.timing);
  if (parsed.success) return checkTiming(parsed.data);
  const [issue] = parsed.error.issues;
  throw refused('bad_timing', `${path}: ${['timing', ...issue!.path].join('.')}: ${issue!.message}`, remedy);
}

/** Accounts of the roles. Only a `dev` chain takes one account for several of them. */
function rolesOf(flags: Flags, network: Network, deployer: Address): Record<RoleName, Address> {
  const given = ROLES.map((role) => [role, addressOf(flags[role], `--${role}`)] as const);
  const missing = given.filter(([, account]) => account === undefined).map(([role]) => role);
  if (network !== 'dev') {
    if (missing.length > 0)
      throw refused(
        'missing_roles',
        `no account for ${missing.join(', ')}`,
        'Give each role an account of its own.',
      );
    const distinct = new Set(
      [deployer, ...given.map(([, account]) => account!)].map((one) => one.toLowerCase()),
    );
    if (distinct.size < 1 + ROLES.length)
      throw refused('shared_roles', 'one account has several roles', 'Give each role an account of its own.');
  }
  return Object.fromEntries(given.map(([role, account]) => [role, account ?? deployer])) as Record<
    RoleName,
    Address
  >;
}

function print(json: boolean, facts: object): void {
  if (json) process.stdout.write(`${JSON.stringify(facts)}\n`);
  else
    for (const [name, value] of Object.entries(facts))
      process.stdout.write(
        `${name.padEnd(10)} ${typeof value === 'object' ? JSON.stringify(value) : value}\n`,
      );
}

const say = (text: string) => process.stderr.write(`${text}\n`);

async function run(flags: Flags): Promise<void> {
  const key = flags.key ?? (flags.keyFile && readKeyFile(flags.keyFile));
  if (flags.rpc === undefined || key === undefined)
    throw refused('missing_flag', '--rpc or --key is missing', 'Give both; see sundial deploy --help.');
  const account = accountOf(key);
  if (flags.out !== undefined) refuseForeign(flags.out);
  const network = networkOf(flags.network);
  const roles = rolesOf(flags, network, account.address);
  const token = addressOf(flags.token, '--token');
  if (token === undefined && network !== 'dev')
    throw refused('missing_token', 'no token', 'Give --token; only a dev chain gets TIME of its own.');
  const client = connect(flags.rpc);
  const facts = await checkChain(client, network);
  if (!facts.p256)
    say('this chain checks no P-256 signatures: payers with secure elements are not paid out here');
  if (!facts.finality) say('this node names no final block: hubs there count blocks (chain.finalityBlocks)');
  const timing = flags.timing === undefined ? undefined : timingOf(flags.timing);
  const given = { ...(token && { token }), ...(timing && { timing }) };
  const options: DeployOptions = { ...roles, ...given };
  const made: string[] = [];
  const deployment = await deploy(flags.rpc, account, await artifacts(), options, (name, at) => {
    made.push(name);
    say(`${name} at ${at}`);
  });
  const reserve = await reserveOf(client, deployment.pots);
  const { chainId, block, ...addresses } = deployment;
  const file: AddressFile = {
    network,
    chainId,
    deployer: account.address,
    given,
    roles,
    ...addresses,
    reserve,
    block,
  };
  if (flags.out !== undefined) writeFileSync(flags.out, `${JSON.stringify(file, undefined, 2)}\n`);
  if (flags.standardJson !== undefined) writeFileSync(flags.standardJson, (await contracts()).standardJson());
  print(flags.json, {
    ...addresses,
    reserve,
    chainId,
    p256: facts.p256,
    finality: facts.finality,
    made: made.length,
  });
}

/** What a deployment wrote. Throws `bad_addresses`. */
export function readAddresses(path: string): AddressFile {
  const remedy = 'Give the file that deploy --out wrote.';
  const parsed = addressFileSchema.safeParse(readJson(path, 'bad_addresses', { severity: 'call', remedy }));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refused('bad_addresses', `${path}: ${issue?.path.join('.')}: ${issue?.message}`, remedy);
}

/** Every address is the hash of its creation code and parameters: what this source would make must stand there. */
async function verify(flags: { rpc?: string; addresses: string; json: boolean }): Promise<void> {
  if (flags.rpc === undefined) throw refused('missing_flag', '--rpc is missing', 'Give the node to ask.');
  const file = readAddresses(flags.addresses);
  const client = connect(flags.rpc);
  const chainId = await client.getChainId();
  const options = { ...file.roles, ...file.given } as DeployOptions;
  const { addresses } = planDeployment(file.deployer as Address, await artifacts(), options);
  const wrong: string[] = chainId === file.chainId ? [] : ['chainId'];
  for (const [name, expected] of Object.entries(addresses)) {
    const stands = file[name as keyof typeof addresses] as Address;
    const same = stands.toLowerCase() === expected.toLowerCase();
    if (!same || (await codeHash(client, stands)) === undefined) wrong.push(name);
  }
  print(flags.json, { verified: wrong.length === 0, wrong, ...addresses });
  if (wrong.length > 0) process.exitCode = 1;
}

/** Adds `sundial deploy` and `sundial deploy verify`. */
export function addDeployCommand(program: Command): void {
  const failL2 = (error: unknown) => fail(namedForL2(error));
  const command = program
    .command('deploy')
    .description('puts the contracts on a chain; a second run finds them there and changes nothing')
    .option('--rpc <url>', 'node to deploy through (needed)')
    .option('--key <secret>', '0x, the key that pays the gas (or --key-file)')
    .option('--key-file <file>', 'the same in a file that you alone can read, behind a passphrase or not')
    .option('--network <name>', `one of ${Object.keys(NETWORKS).join(', ')}`, 'dev')
    .option('--token <address>', 'an ERC-20 that is there already; a dev chain gets TIME when absent')
    .option('--guardian <address>', 'may freeze')
    .option('--operator <address>', 'accredits payees, names settlers, anchors the log')
    .option('--proposer <address>', 'proposes and executes what the timelock does')
    .option('--root <address>', 'cold key that certifies and revokes hub keys')
    .option('--settler <address>', 'its batches settle at once')
    .option('--hub-key <address>', 'first hub key, for 30 days')
    .option('--timing <file>', 'hub.json whose `timing` the vault is made with; the defaults when absent')
    .option('--out <file>', 'writes the addresses and parameters there')
    .option('--standard-json <file>', "writes the compiler's input there, for block explorers")
    .option('--json', 'one line of JSON on stdout', false)
    .action((flags: Flags) => run(flags).catch(failL2));
  command
    .command('verify')
    .description('compares what stands on a chain with this source')
    .requiredOption('--addresses <file>', 'what deploy --out wrote; --rpc and --json as above')
    .action((_: unknown, own: Command) => verify(own.optsWithGlobals()).catch(failL2));
}
