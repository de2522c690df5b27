/** Puts TIME, the timelock and the vault on a chain: demos, tests, and a template for real deployments. */
import {
  type Abi,
  encodeDeployData,
  encodeFunctionData,
  type Address,
  type Hex,
  type LocalAccount,
} from 'viem';
import { DEFAULT_TIMING, type Timing } from '../../protocol/limits.ts';
import { timeAbi, timelockAbi, vaultAbi } from './abi.ts';
import type { Artifacts } from './artifacts.ts';
import { connect, send } from './chain.ts';

const DAY = 86_400;

/** The first hub key's term when none is given. */
const HUB_KEY_SECONDS = 730 * DAY;

/** What may differ from the defaults. */
export interface DeployOptions {
  /** Units of TIME that the deployer receives: the whole supply. */
  readonly supply?: bigint;
  /** Rule 11 must hold; the vault's constructor checks it. */
  readonly timing?: Timing;
  /** Smallest bond, in ten-thousandths of a deposit. */
  readonly bondShare?: number;
  /** May freeze the vault; the deployer when absent. */
  readonly guardian?: Address;
  /** Accredits payees and anchors the hub's log; the deployer when absent. */
  readonly hubOperator?: Address;
  /** First hub key, which signs leases and acknowledgements; the deployer when absent. */
  readonly hubKey?: Address;
  /** Chain time at which the first hub key ends; two years from now when absent. */
  readonly hubKeyUntil?: number;
  /** Notice before a parameter changes, in seconds; at least two days. */
  readonly timelockDelay?: number;
}

/** Where the contracts stand. */
export interface Deployment {
  readonly chainId: number;
  readonly token: Address;
  readonly timelock: Address;
  readonly vault: Address;
  /** Block of the vault's creation: where an indexer starts. */
  readonly block: number;
}

/** 281 million TIME with 6 decimals: the most that 48-bit amounts can hold. */
const SUPPLY = 2n ** 48n - 1n;

/** Deploys everything with one account, which becomes the timelock's proposer and executor. */
export async function deploy(
  url: string,
  account: LocalAccount,
  artifacts: Artifacts,
  options: DeployOptions = {},
): Promise<Deployment> {
  const client = connect(url);
  const create = async (abi: Abi, bytecode: Hex, args: readonly unknown[]) => {
    const receipt = await send(client, account, { data: encodeDeployData({ abi, bytecode, args }) });
    return { address: receipt.contractAddress as Address, block: Number(receipt.blockNumber) };
  };
  const token = await create(timeAbi, artifacts.Time.bytecode, [account.address, options.supply ?? SUPPLY]);
  const timelock = await create(timelockAbi, artifacts.TimelockController.bytecode, [
    BigInt(options.timelockDelay ?? 2 * DAY),
    [account.address],
    [account.address],
    '0x0000000000000000000000000000000000000000',
  ]);
  const vault = await create(vaultAbi, artifacts.Vault.bytecode, [
    token.address,
    timelock.address,
    options.timing ?? DEFAULT_TIMING,
    options.bondShare ?? 2000,
    {
      guardian: options.guardian ?? account.address,
      hubOperator: options.hubOperator ?? account.address,
      hubKey: options.hubKey ?? account.address,
      hubKeyUntil: options.hubKeyUntil ?? Number((await client.getBlock()).timestamp) + HUB_KEY_SECONDS,
    },
  ]);
  return {
    chainId: await client.getChainId(),
    token: token.address,
    timelock: timelock.address,
    vault: vault.address,
    block: vault.block,
  };
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
