/**
 * L2 over JSON-RPC: the port of the hub on viem and the vault's client. The connection is made when it is first needed
 * and as often as it takes, so a hub starts and takes vouchers while L2 is out of reach; what answers must be the chain
 * and the vault of the configuration. Every error leaves as one of the port's codes.
 */
import { type LocalAccount, parseTransaction, toHex } from 'viem';
import { fromHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { HubConfig } from '../config.ts';
import type {
  Block,
  ChannelState,
  ClaimState,
  Fees,
  Heads,
  Hex,
  L2,
  L2Event,
  L2Receipt,
  PotState,
  Prepared,
  ShownLease,
} from '../ports.ts';
import { vaultAbi } from './abi.ts';
import { isRefused, isRevert, isUnderpriced, receiptOf, submit } from './chain.ts';
import type { Rule } from './fraud.ts';
import { readOutcomes, type Row } from './rows.ts';
import { Vault } from './vault.ts';

type ViemBlock = Awaited<ReturnType<Vault['client']['getBlock']>>;
type VaultEvent = Awaited<ReturnType<Vault['events']>>[number];

const REMEDIES = {
  l2_away:
    'Check chain.rpcUrl and the node; vouchers are taken all the same, and the hub asks again by itself.',
  l2_reverted: 'Nothing was moved; the hub tries another way or later, and says so when it gives up.',
  l2_refused: 'Read what the node says; the hub tries again.',
  l2_underpriced: 'Nothing to do: the hub offers more.',
} as const;

/** A viem error as one of the port's; others stay what they are. */
export function l2Error(cause: unknown): unknown {
  if (cause instanceof SundialError) return cause;
  const code = isUnderpriced(cause)
    ? 'l2_underpriced'
    : isRevert(cause)
      ? 'l2_reverted'
      : isRefused(cause)
        ? 'l2_refused'
        : 'l2_away';
  const message = String((cause as Error)?.message ?? cause).split('\n', 1)[0]!;
  return new SundialError(code, message, { severity: 'call', remedy: REMEDIES[code], cause });
}

const blockOf = (block: ViemBlock): Block => ({
  height: Number(block.number),
  at: Number(block.timestamp),
  hash: block.hash!,
  baseFee: block.baseFeePerGas ?? 0n,
});

/** One node behind the port. Methods do what the port says, and throw its errors. */
export class ViemL2 implements L2 {
  private readonly config: HubConfig['chain'];
  private readonly separator: Uint8Array;
  private readonly account: LocalAccount;
  private connected: Vault | undefined;

  /** `separator`: of the EIP-712 domain that the hub signs for. `account` pays the gas. */
  constructor(config: HubConfig['chain'], separator: Uint8Array, account: LocalAccount) {
    this.config = config;
    this.separator = separator;
    this.account = account;
  }

  private async vault(): Promise<Vault> {
    if (this.connected !== undefined) return this.connected;
    const { rpcUrl, vault: address, chainId } = this.config;
    const vault = await Vault.connect(rpcUrl, address);
    const separator = await vault.client.readContract({
      address,
      abi: vaultAbi,
      functionName: 'domainSeparator',
    });
    if (vault.chainId !== chainId || separator !== toHex(this.separator)) {
      throw new SundialError('chain_mismatch', `${rpcUrl} is not the chain and vault of the configuration`, {
        severity: 'process',
        remedy:
          'Correct chain.rpcUrl, chain.chainId or chain.vault: nothing is settled or leased until then.',
        facts: { chainId: vault.chainId, expectedChainId: chainId, separator },
      });
    }
    this.connected = vault;
    return vault;
  }

  private async ask<T>(question: (vault: Vault) => Promise<T>): Promise<T> {
    try {
      return await question(await this.vault());
    } catch (error) {
      throw l2Error(error);
    }
  }

  newest(): Promise<Heads> {
    return this.ask(async ({ client }) => {
      const newest = blockOf(await client.getBlock());
      const final = newest.height - this.config.finalityBlocks;
      if (final === newest.height) return { newest, final: newest };
      // A chain that is younger than its finality has its first block for certain.
      const block = await client.getBlock({ blockNumber: BigInt(Math.max(0, final)) });
      return { newest, final: blockOf(block) };
    });
  }

  blockAt(height: number): Promise<Block> {
    return this.ask(async ({ client }) => blockOf(await client.getBlock({ blockNumber: BigInt(height) })));
  }

  events(from: number, to: number): Promise<L2Event[]> {
    return this.ask(async (vault) => (await vault.events(BigInt(from), BigInt(to))).flatMap(eventOf));
  }

  channel(channel: number, at?: number): Promise<ChannelState> {
    return this.ask((vault) => vault.readChannel(channel, blockNumber(at)));
  }

  pot(channel: number, at?: number): Promise<PotState> {
    return this.ask((vault) => vault.readPot(channel, blockNumber(at)));
  }

  claim(channel: number, payee: Uint8Array): Promise<ClaimState> {
    return this.ask((vault) => vault.readClaim(channel, payee));
  }

  lane(channel: number, payee: Uint8Array): Promise<number> {
    return this.ask((vault) => vault.readLane(channel, payee));
  }

  balance(payee: Uint8Array): Promise<number> {
    return this.ask((vault) => vault.readPayeeBalance(payee));
  }

  credited(voucher: Uint8Array): Promise<number> {
    return this.ask((vault) => vault.readCredit(voucher));
  }

  isRegistered(payee: Uint8Array): Promise<boolean> {
    return this.ask(async (vault) => (await vault.payeeId(payee)) !== undefined);
  }

  clock(): Promise<number> {
    return this.ask((vault) => vault.readClock());
  }

  frozenUntil(at?: number): Promise<number | undefined> {
    return this.ask((vault) => vault.frozenUntil(at === undefined ? undefined : BigInt(at)));
  }

  nonceAt(height: number): Promise<number> {
    const { address } = this.account;
    return this.ask(({ client }) => client.getTransactionCount({ address, blockNumber: BigInt(height) }));
  }

  receipt(transaction: Hex): Promise<L2Receipt | undefined> {
    return this.ask(async (vault) => {
      const found = await receiptOf(vault.client, transaction);
      if (found === undefined) return undefined;
      const succeeded = found.status === 'success';
      return {
        transaction,
        height: Number(found.blockNumber),
        succeeded,
        gas: Number(found.gasUsed),
        outcomes: succeeded ? vault.outcomesOf(found) : undefined,
      };
    });
  }

  fitting(rows: readonly Row[]): Promise<readonly Row[]> {
    return this.ask((vault) => vault.firstBatch(this.account, rows));
  }

  prepareSettle(
    rows: readonly Row[],
    options: { readonly nonce?: number; readonly feeMin?: bigint; readonly priorityFeeMin?: bigint } = {},
  ): Promise<Prepared> {
    return this.ask(async (vault) => {
      const { hash, raw, nonce } = await vault.prepareSettle(this.account, rows, options);
      return { hash, raw: fromHex(raw), nonce };
    });
  }

  feesOf(raw: Uint8Array): Fees {
    const { maxFeePerGas = 0n, maxPriorityFeePerGas = 0n } = parseTransaction(toHex(raw));
    return { maxFee: maxFeePerGas, priorityFee: maxPriorityFeePerGas };
  }

  submit(raw: Uint8Array): Promise<void> {
    return this.ask(({ client }) => submit(client, { raw: toHex(raw) }));
  }

  registerPayee(payee: Uint8Array): Promise<void> {
    return this.ask(async (vault) => void (await vault.registerPayee(this.account, payee)));
  }

  proveFraud(rule: Rule, rows: readonly Row[]): Promise<Hex> {
    return this.act((vault) => vault.proveFraud(this.account, rule, rows));
  }

  registerShortfall(rows: readonly Row[], leases: readonly ShownLease[]): Promise<Hex> {
    return this.act((vault) => vault.registerShortfall(this.account, rows, leases));
  }

  collectShare(channel: number, payee: Uint8Array): Promise<Hex> {
    return this.act((vault) => vault.collectShare(this.account, channel, payee));
  }

  closePot(channel: number): Promise<Hex> {
    return this.act((vault) => vault.closePot(this.account, channel));
  }

  private act(send: (vault: Vault) => Promise<{ readonly transactionHash: Hex }>): Promise<Hex> {
    return this.ask(async (vault) => (await send(vault)).transactionHash);
  }
}

const blockNumber = (at: number | undefined) => (at === undefined ? {} : { blockNumber: BigInt(at) });

/** What the hub follows of an event, if anything. */
function eventOf(event: VaultEvent): L2Event[] {
  const found = { height: Number(event.blockNumber), transaction: event.transactionHash };
  switch (event.eventName) {
    case 'PayeeRegistered':
      return [
        {
          ...found,
          type: 'payeeRegistered',
          account: event.args.account.toLowerCase() as Hex,
          payee: event.args.payee,
        },
      ];
    case 'ChannelOpened':
    case 'ChannelToppedUp':
    case 'ExitStarted':
    case 'ExitFinished':
    case 'BondLost':
      return [{ ...found, type: 'channelChanged', channel: event.args.channel }];
    case 'BatchSettled':
      return [{ ...found, type: 'batchSettled', outcomes: readOutcomes(fromHex(event.args.outcomes)) }];
    case 'PotPaid': {
      const { channel, payee, raised } = event.args;
      return [{ ...found, type: 'laneRaised', channel, payee, moved: raised }];
    }
    case 'Announced': {
      const { batch, executableAt, rows } = event.args;
      return [{ ...found, type: 'announced', batch, executableAt, rows: fromHex(rows) }];
    }
    case 'Executed':
      return [{ ...found, type: 'executed', batch: event.args.batch }];
    case 'HubKeyAdded': {
      const { key, until, epoch } = event.args;
      return [{ ...found, type: 'hubKeyAdded', key: key.toLowerCase() as Hex, until, epoch }];
    }
    case 'HubKeyRevoked':
      return [{ ...found, type: 'hubKeyRevoked', key: event.args.key.toLowerCase() as Hex }];
    case 'SettlerAdded': {
      const { settler, countsFrom } = event.args;
      return [{ ...found, type: 'settler', settler: settler.toLowerCase() as Hex, countsFrom }];
    }
    case 'SettlerDropped': {
      const settler = event.args.settler.toLowerCase() as Hex;
      return [{ ...found, type: 'settler', settler, countsFrom: undefined }];
    }
    case 'LeasesReleased': {
      const { channel, payee, until } = event.args;
      return [{ ...found, type: 'leasesReleased', channel, payee, until }];
    }
    default:
      return [];
  }
}
