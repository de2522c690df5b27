/**
 * Puts TIME, timelock, registry, vault, pots, mandates and the maker of splits on a chain, by CREATE2 through the deterministic deployer that nearly
 * every chain has: the same parameters give the same addresses everywhere, and what stands already is found and left as
 * it is.
 */
import {
  type Abi,
  type Address,
  concat,
  encodeDeployData,
  encodeFunctionData,
  getCreate2Address,
  type Hex,
  keccak256,
  type LocalAccount,
  type PublicClient,
  toHex,
} from 'viem';
import { SundialError } from '../../protocol/errors.ts';
import { DEFAULT_TIMING, type Timing } from '../../protocol/limits.ts';
import { timeAbi, timelockAbi, vaultAbi } from './abi.ts';
import type { Artifacts } from './artifacts.ts';
import { connect, send } from './chain.ts';
import { mandatesAbi } from './mandates-abi.ts';
import { potsAbi } from './pots-abi.ts';
import { registryAbi } from './registry-abi.ts';

const DAY = 86_400;

/** The keyless deployer (Arachnid's): takes a salt and creation code, and stands at one address on all chains. */
export const CREATE2_DEPLOYER: Address = '0x4e59b44847b379578588920cA78FbF26c0B4956C';
/** Salt of all deployments: another release may change the code, which changes the addresses by itself. */
const SALT: Hex = keccak256(toHex('Sundial'));

/** What may differ from the defaults. */
export interface DeployOptions {
  /** An ERC-20 that is there already; TIME is made when absent. */
  readonly token?: Address;
  /** Units of TIME that the deployer receives: the whole supply. */
  readonly supply?: bigint;
  /** Rule 11 must hold; the vault's constructor checks it. */
  readonly timing?: Timing;
  /** Smallest bond, in ten-thousandths of a deposit. */
  readonly bondShare?: number;
  /** Proposes and executes what the timelock does; the deployer when absent. */
  readonly proposer?: Address;
  /** May freeze the vault; the deployer when absent. */
  readonly guardian?: Address;
  /** Accredits payees, names settlers and anchors the hub's log; the deployer when absent. */
  readonly operator?: Address;
  /** Its batches settle at once; the deployer when absent. */
  readonly settler?: Address;
  /** Cold key that certifies and revokes hub keys; the deployer when absent. */
  readonly root?: Address;
  /** First hub key, which signs leases and acknowledgements for 30 days; the deployer when absent. */
  readonly hubKey?: Address;
  /** Notice before a parameter changes, in seconds; at least two days. */
  readonly timelockDelay?: number;
}

/** Where the contracts stand. */
export interface Addresses {
  readonly token: Address;
  readonly timelock: Address;
  readonly registry: Address;
  readonly vault: Address;
  readonly pots: Address;
  readonly mandates: Address;
  readonly splits: Address;
}

export interface Deployment extends Addresses {
  readonly chainId: number;
  /** A block at or before the vault's creation: where an indexer starts. */
  readonly block: number;
}

/** A contract that is to stand at an address, and how it gets there. */
interface Step {
  readonly name: string;
  readonly address: Address;
  readonly to: Address;
  readonly data: Hex;
}

/** 281 million TIME with 6 decimals: the most that 48-bit amounts can hold. */
const SUPPLY = 2n ** 48n - 1n;

/** All addresses and transactions of a deployment, worked out without a chain. */
export function planDeployment(
  deployer: Address,
  artifacts: Artifacts,
  options: DeployOptions = {},
): { readonly addresses: Addresses; readonly steps: readonly Step[] } {
  const steps: Step[] = [];
  const code = (abi: Abi, bytecode: Hex, args: readonly unknown[]): Hex =>
    encodeDeployData({ abi, bytecode, args });
  const step = (name: string, bytecode: Hex): Address => {
    const address = getCreate2Address({ from: CREATE2_DEPLOYER, salt: SALT, bytecode });
    steps.push({ name, address, to: CREATE2_DEPLOYER, data: concat([SALT, bytecode]) });
    return address;
  };
  const token =
    options.token ??
    step('token', code(timeAbi, artifacts.Time.bytecode, [deployer, options.supply ?? SUPPLY]));
  const proposer = options.proposer ?? deployer;
  const notice = BigInt(options.timelockDelay ?? 2 * DAY);
  const timelock = step(
    'timelock',
    code(timelockAbi, artifacts.Timelock.bytecode, [notice, [proposer], [proposer]]),
  );
  const timing = options.timing ?? DEFAULT_TIMING;
  const guardian = options.guardian ?? deployer;
  const ofVault = code(vaultAbi, artifacts.Vault.bytecode, [
    token,
    timelock,
    timing,
    options.bondShare ?? 2000,
    guardian,
  ]);
  const ofPots = code(potsAbi, artifacts.Pots.bytecode, [token, timing]);
  const ofMandates = code(mandatesAbi, artifacts.Mandates.bytecode, []);
  const start = {
    root: options.root ?? deployer,
    operator: options.operator ?? deployer,
    settler: options.settler ?? deployer,
    hubKey: options.hubKey ?? deployer,
  };
  const registry = step(
    'registry',
    code(registryAbi, artifacts.Registry.bytecode, [
      timelock,
      keccak256(ofVault),
      keccak256(ofPots),
      keccak256(ofMandates),
      start,
    ]),
  );
  type Deploys = 'deployVault' | 'deployPots' | 'deployMandates';
  const byRegistry = (name: string, functionName: Deploys, bytecode: Hex): Address => {
    const address = getCreate2Address({ from: registry, salt: `0x${'00'.repeat(32)}`, bytecode });
    const data = encodeFunctionData({ abi: registryAbi, functionName, args: [bytecode] });
    steps.push({ name, address, to: registry, data });
    return address;
  };
  const vault = byRegistry('vault', 'deployVault', ofVault);
  const pots = byRegistry('pots', 'deployPots', ofPots);
  const mandates = byRegistry('mandates', 'deployMandates', ofMandates);
  const splits = step('splits', artifacts.Splits.bytecode);
  return { addresses: { token, timelock, registry, vault, pots, mandates, splits }, steps };
}

/**
 * Deploys what isn't there yet with one account, and answers where everything stands. Throws `no_create2` on a chain
 * without the deterministic deployer, and what the chain throws.
 * @param made called for each contract that this run created
 */
export async function deploy(
  url: string,
  account: LocalAccount,
  artifacts: Artifacts,
  options: DeployOptions = {},
  made: (name: string, address: Address) => void = () => {},
): Promise<Deployment> {
  const client = connect(url);
  if (!(await stands(client, CREATE2_DEPLOYER))) {
    throw new SundialError('no_create2', `no contract at ${CREATE2_DEPLOYER} on this chain`, {
      severity: 'call',
      remedy:
        'Have the deterministic deployer put there first: its transaction is signed and free for anybody to send.',
    });
  }
  const { addresses, steps } = planDeployment(account.address, artifacts, options);
  const block = Number(await client.getBlockNumber());
  for (const { name, address, to, data } of steps) {
    if (await stands(client, address)) continue;
    await send(client, account, { to, data });
    made(name, address);
  }
  return { chainId: await client.getChainId(), ...addresses, block };
}

async function stands(client: PublicClient, address: Address): Promise<boolean> {
  const code = await client.getCode({ address });
  return code !== undefined && code !== '0x';
}

/** Gives an account some TIME, for demos and tests. */
export async function fund(
  url: string,
  account: LocalAccount,
  token: Address,
  to: Address,
  amount: number,
): Promise<void> {
  const data = encodeFunctionData({ abi: timeAbi, functionName: 'transfer', args: [to, BigInt(amount)] });
  await send(connect(url), account, { to: token, data });
}
