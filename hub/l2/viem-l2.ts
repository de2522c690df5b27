/**
 * L2 over JSON-RPC: the port of the hub on viem and the vault's client. The connection is made when it is first needed
 * and as often as it takes, so a hub starts and takes vouchers while L2 is out of reach; what answers must be the chain
 * and the vault of the configuration. Blocks and events are taken only as far as headers prove them (proved-events.ts).
 * Every error leaves as one of the port's codes.
 */
import { keccak256, type LocalAccount, parseGwei, parseTransaction, type PublicClient, toHex } from 'viem';
import { fromHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import type { HubConfig } from '../config.ts';
import { causeText, isError } from '../errors.ts';
import { finalityBlocksUnsaid, headersInBatch } from '../limits.ts';
import type {
  Block,
  CertificateOfKey,
  ChainIdentity,
  ChannelState,
  ClaimState,
  EventRange,
  Fees,
  Heads,
  Hex,
  HubKeyTerm,
  L2,
  L2Event,
  L2Receipt,
  NodeState,
  PotState,
  Prepared,
  RegistryL2,
  RevocationOfKey,
  SettleWish,
  Vouched,
} from '../ports.ts';
import { vaultAbi } from './abi.ts';
import {
  connect,
  isBusy,
  isRefused,
  isRevert,
  isUnderpriced,
  isWithoutGas,
  receiptOf,
  submit,
} from './chain.ts';
import type { Rule } from './fraud.ts';
import { blockOf, Headers, provedBlock, provedRange, type VaultEvent } from './proved-events.ts';
import { readOutcomes, type Row, type ShownLease } from './rows.ts';
import { Vault } from './vault.ts';

/** One node's part of the configuration. */
export type NodeConfig = Omit<HubConfig['chain'], 'rpcUrl'> & { readonly rpcUrl: string };

const REMEDIES = {
  l2_away:
    'Check chain.rpcUrl and the node; vouchers are taken all the same, and the hub asks again by itself.',
  l2_reverted: 'Nothing was moved; the hub tries another way or later, and says so when it gives up.',
  l2_refused: 'Read what the node says; the hub tries again.',
  l2_underpriced: 'Nothing to do: the hub offers more, up to chain.feeMaxGwei.',
  l2_no_gas: 'Send gas money to the account of keys.settlement; settling goes on by itself.',
} as const;

/** A viem error as one of the port's; others stay what they are. */
export function l2Error(cause: unknown): unknown {
  if (cause instanceof SundialError) return cause;
  const code = codeOf(cause);
  const message = String((cause as Error)?.message ?? cause).split('\n', 1)[0]!;
  return new SundialError(code, message, { severity: 'call', remedy: REMEDIES[code], cause });
}

function codeOf(cause: unknown): keyof typeof REMEDIES {
  if (isUnderpriced(cause)) return 'l2_underpriced';
  if (isWithoutGas(cause)) return 'l2_no_gas';
  if (isBusy(cause)) return 'l2_away';
  if (isRevert(cause)) return 'l2_reverted';
  return isRefused(cause) ? 'l2_refused' : 'l2_away';
}

type Kind = 'call' | 'newest' | 'events';

/** One node behind the port. Methods do what the port says, and throw its errors. */
export class ViemL2 implements L2, RegistryL2 {
  private readonly config: NodeConfig;
  private readonly separator: Uint8Array;
  private readonly account: LocalAccount;
  /** Tells the registry; the account that settles, where the hub has no other. */
  private readonly operator: LocalAccount;
  private readonly client: PublicClient;
  private readonly headers: Headers;
  private readonly closing = new AbortController();
  private connected: Vault | undefined;
  /** What it last failed with, by the kind of question. */
  private readonly troubles = new Map<Kind, string>();
  /** The chain has said what is final: from then on it must. */
  private saysFinal = false;

  /**
   * `separator`: of the EIP-712 domain that the hub signs for. `account` pays the gas, `operator` that of what the registry
   * is told.
   */
  constructor(config: NodeConfig, separator: Uint8Array, account: LocalAccount, operator = account) {
    this.config = config;
    this.separator = separator;
    this.account = account;
    this.operator = operator;
    const { rpcUrl, timeoutMs, feeMaxGwei } = config;
    const patience = { signal: this.closing.signal, timeoutMs };
    this.client = connect(rpcUrl, { ...patience, feeMax: parseGwei(`${feeMaxGwei}`) });
    this.headers = new Headers(this.client, connect(rpcUrl, { ...patience, batch: headersInBatch }));
  }

  private async vault(): Promise<Vault> {
    if (this.connected !== undefined) return this.connected;
    const { rpcUrl, vault: address, chainId } = this.config;
    if ((await this.client.getCode({ address })) === undefined)
      throw this.mismatch('no contract', { address });
    const vault = await Vault.connect(rpcUrl, address, this.client);
    const separator = await this.client.readContract({
      address,
      abi: vaultAbi,
      functionName: 'domainSeparator',
    });
    if (vault.chainId !== chainId || separator !== toHex(this.separator))
      throw this.mismatch('not the chain and vault of the configuration', {
        chainId: vault.chainId,
        expectedChainId: chainId,
        separator,
      });
    this.connected = vault;
    return vault;
  }

  private mismatch(found: string, facts: NonNullable<SundialError['facts']>): SundialError {
    return new SundialError('chain_mismatch', `${this.name} has ${found}`, {
      severity: 'process',
      remedy: 'Correct chain.rpcUrl, chain.chainId or chain.vault: nothing is settled or leased until then.',
      facts,
    });
  }

  /** `kind`: an answer of one kind says nothing about whether the node still fails at another. */
  private async ask<T>(question: (vault: Vault) => Promise<T>, kind: Kind = 'call'): Promise<T> {
    try {
      this.closing.signal.throwIfAborted();
      const answer = await question(await this.vault());
      this.troubles.delete(kind);
      return answer;
    } catch (error) {
      const told = l2Error(error);
      // That the vault or the node refuses one call is no trouble with the node.
      if (isError(told, 'l2_reverted') || isError(told, 'l2_refused')) this.troubles.delete(kind);
      else this.troubles.set(kind, causeText(told));
      throw told;
    }
  }

  /** Host and port of the URL. */
  private get name(): string {
    return new URL(this.config.rpcUrl).host;
  }

  nodes(): readonly NodeState[] {
    const [trouble] = this.troubles.values();
    return [{ name: this.name, trouble }];
  }

  close(): void {
    this.closing.abort();
  }

  forget(): void {
    this.connected = undefined;
  }

  newest(): Promise<Heads> {
    return this.ask(async (vault) => {
      const newest = blockOf(await provedBlock(this.client, 'latest'));
      const final = await this.final(newest);
      vault.rememberIdsAt(final.height);
      return { newest, final };
    }, 'newest');
  }

  /** What the chain says is final, or so many blocks below the newest. */
  private async final(newest: Block): Promise<Block> {
    let depth = this.config.finalityBlocks;
    if (depth === undefined) {
      try {
        const block = blockOf(await provedBlock(this.client, 'finalized'));
        this.saysFinal = true;
        return block;
      } catch (error) {
        const isUnsaid = isError(error, 'l2_away') || isRefused(error);
        if (this.saysFinal || !isUnsaid || isBusy(error)) throw error;
        depth = finalityBlocksUnsaid;
      }
    }
    // A chain that is younger than its finality has its first block for certain.
    const height = Math.max(0, newest.height - depth);
    return height === newest.height ? newest : blockOf(await provedBlock(this.client, height));
  }

  blockAt(height: number): Promise<Block> {
    return this.ask(async () => blockOf(await provedBlock(this.client, height)));
  }

  events(from: number, to: number): Promise<EventRange> {
    return this.ask(async ({ address, pots, registry }) => {
      const { events, parent, last } = await provedRange(
        this.client,
        this.headers,
        [address, pots, registry],
        from,
        to,
      );
      return { events: events.flatMap(eventOf), parent, last };
    }, 'events');
  }

  identity(): Promise<ChainIdentity> {
    return this.ask(async () => {
      const { vault: address } = this.config;
      const genesis = await this.client.getBlock({ blockNumber: 0n });
      const code = await this.client.getCode({ address });
      if (code === undefined) throw this.mismatch('no contract', { address });
      return { genesis: genesis.hash, code: keccak256(code) };
    });
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

  lane(channel: number, payee: Uint8Array, at?: number): Promise<number> {
    return this.ask((vault) => vault.readLane(channel, payee, blockNumber(at)));
  }

  balance(payee: Uint8Array): Promise<number> {
    return this.ask((vault) => vault.readPayeeBalance(payee));
  }

  credited(voucher: Uint8Array): Promise<number> {
    return this.ask((vault) => vault.readCredit(voucher));
  }

  payeeId(payee: Uint8Array, at?: number): Promise<number | undefined> {
    return this.ask((vault) => vault.payeeId(payee, blockNumber(at)));
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

  prepareSettle(rows: readonly Row[], options: SettleWish = {}): Promise<Prepared> {
    return this.ask(async (vault) => {
      const { hash, raw, nonce } = await vault.prepareSettle(this.account, rows, options);
      return { hash, raw: fromHex(raw), nonce };
    });
  }

  feesOf(raw: Uint8Array): Fees {
    const { maxFeePerGas = 0n, maxPriorityFeePerGas = 0n } = parseTransaction(toHex(raw));
    return { maxFee: maxFeePerGas, priorityFee: maxPriorityFeePerGas };
  }

  fees(): Promise<Fees> {
    return this.ask(async ({ client }) => {
      const { maxFeePerGas, maxPriorityFeePerGas } = await client.estimateFeesPerGas();
      return { maxFee: maxFeePerGas, priorityFee: maxPriorityFeePerGas };
    });
  }

  sentAs(transaction: Hex): Promise<number | undefined> {
    return this.ask(async ({ client }) => {
      const { from, nonce } = await client.getTransaction({ hash: transaction });
      return from.toLowerCase() === this.account.address.toLowerCase() ? nonce : undefined;
    });
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

  // ---- the registry ----

  hubKeyTerm(key: Hex, at?: number): Promise<HubKeyTerm> {
    return this.ask(async (vault) => {
      const { addedAt, until, epoch, revokedAt } = await vault.readHubKey(key, blockNumber(at));
      return { isCarried: addedAt !== 0, until, epoch, revokedAt };
    });
  }

  vouched(payee: Uint8Array, at?: number): Promise<Vouched | undefined> {
    return this.ask(async (vault) => {
      const id = await vault.payeeId(payee, blockNumber(at));
      return id === undefined ? undefined : vault.readAccreditation(id, blockNumber(at));
    });
  }

  anchored(): Promise<{ size: number; at: number }> {
    return this.ask((vault) => vault.readAnchored());
  }

  addHubKey(word: CertificateOfKey): Promise<Hex> {
    return this.act((vault) => vault.addHubKey(this.operator, { ...word, key: toHex(word.key) }));
  }

  revokeHubKey(word: RevocationOfKey): Promise<Hex> {
    return this.act((vault) => vault.revokeHubKey(this.operator, { ...word, key: toHex(word.key) }));
  }

  accredit(payee: Uint8Array, terminals: number): Promise<Hex> {
    return this.act((vault) => vault.accredit(this.operator, payee, terminals));
  }

  endAccreditation(payee: Uint8Array): Promise<Hex> {
    return this.act((vault) => vault.endAccreditation(this.operator, payee));
  }

  anchor(size: number, root: Uint8Array): Promise<Hex> {
    return this.act((vault) => vault.anchor(this.operator, size, root));
  }

  private act(send: (vault: Vault) => Promise<{ readonly transactionHash: Hex }>): Promise<Hex> {
    return this.ask(async (vault) => (await send(vault)).transactionHash);
  }
}

const blockNumber = (at: number | undefined) => (at === undefined ? {} : { blockNumber: BigInt(at) });

/** What the hub follows of an event, if anything. */
function eventOf(event: VaultEvent): L2Event[] {
  const found = { height: event.height, transaction: event.transaction };
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
