/**
 * Transactions whose hash is known before they are sent: signed here, recorded by the caller, then submitted, as often
 * as needed. A crash between record and submission pays nothing twice, because the nonce is part of what was signed.
 */
import {
  createPublicClient,
  type Hex,
  http,
  keccak256,
  type LocalAccount,
  type PublicClient,
  type TransactionReceipt,
} from 'viem';

/** A signed transaction that may not have been sent yet. */
export interface PreparedTransaction {
  readonly hash: Hex;
  readonly raw: Hex;
  readonly nonce: number;
  /** Gas limit that was signed. */
  readonly gas: bigint;
}

export interface Call {
  /** Absent: a deployment. */
  readonly to?: Hex;
  readonly data: Hex;
}

/** Share that is added to an estimate: storage may be cold by the time the transaction runs. */
const GAS_ROOM_PERCENT = 115n;
/** The most that a transaction may take (EIP-7825): 2^24. A node refuses a higher limit whatever would be used. */
const TRANSACTION_GAS_MAX = 2n ** 24n;

/** The gas limit to sign for an estimate: with room, but never above the cap on account of the room. */
function gasLimit(estimate: bigint): bigint {
  const roomy = (estimate * GAS_ROOM_PERCENT) / 100n;
  if (roomy <= TRANSACTION_GAS_MAX) return roomy;
  return estimate > TRANSACTION_GAS_MAX ? estimate : TRANSACTION_GAS_MAX;
}

/** The least, and the most, that a transaction offers, wei a gas. */
export interface FeesMin {
  readonly feeMin?: bigint;
  readonly priorityFeeMin?: bigint;
  /** The most of both, whatever adds up. */
  readonly feeMax?: bigint;
}

const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** How patient a client is, and when it gives up. */
export interface ConnectOptions {
  /** Milliseconds of one attempt; 30 s when absent. */
  readonly timeoutMs?: number;
  /** Ends all that is being asked. */
  readonly signal?: AbortSignal;
  /** The most that is offered, wei a gas, whatever the node suggests; no bound when absent. */
  readonly feeMax?: bigint;
  /** Calls of one turn that go out as one request; each alone when absent. */
  readonly batch?: number;
}

/** A client for a chain's URL that polls fast enough for a local chain and gently enough for a real one. */
export function connect(
  url: string,
  { timeoutMs = 30_000, signal, feeMax, batch }: ConnectOptions = {},
): PublicClient {
  const ending = signal === undefined ? [] : [signal];
  const client = createPublicClient({
    transport: http(url, {
      timeout: timeoutMs,
      ...(batch !== undefined && { batch: { batchSize: batch } }),
      fetchFn: (input, init) =>
        fetch(input, {
          ...init,
          signal: AbortSignal.any([...ending, ...(init?.signal ? [init.signal] : [])]),
        }),
    }),
    pollingInterval: 100,
    cacheTime: 0,
  });
  if (feeMax === undefined) return client;
  return client.extend((base) => ({
    async estimateFeesPerGas() {
      const { maxFeePerGas, maxPriorityFeePerGas } = await base.estimateFeesPerGas();
      return {
        maxFeePerGas: smaller(maxFeePerGas, feeMax),
        maxPriorityFeePerGas: smaller(maxPriorityFeePerGas, feeMax),
      };
    },
  })) as unknown as PublicClient;
}

/**
 * Signs a call. Sends nothing.
 * @param nonce the account's next one when absent; pass it when other transactions are on their way
 * @param feeMin, priorityFeeMin wei a gas: a replacement of a transaction with the same nonce has to offer more than
 * it did
 * @param gas limit; estimated when absent, which throws viem's ContractFunction or call error when it would revert
 */
export async function prepare(
  client: PublicClient,
  account: LocalAccount,
  call: Call,
  {
    nonce,
    gas,
    feeMin = 0n,
    priorityFeeMin = 0n,
    feeMax,
  }: { nonce?: number | undefined; gas?: bigint | undefined } & FeesMin = {},
): Promise<PreparedTransaction> {
  const [chainId, usedNonce, fees, estimate] = await Promise.all([
    client.getChainId(),
    nonce ?? client.getTransactionCount({ address: account.address, blockTag: 'pending' }),
    client.estimateFeesPerGas(),
    gas ?? client.estimateGas({ account, ...call }).then(gasLimit),
  ]);
  const raise = priorityFeeMin > fees.maxPriorityFeePerGas ? priorityFeeMin - fees.maxPriorityFeePerGas : 0n;
  const maxPriorityFeePerGas = fees.maxPriorityFeePerGas + raise;
  const wanted = greater(greater(fees.maxFeePerGas + raise, feeMin), maxPriorityFeePerGas);
  const raw = await account.signTransaction({
    type: 'eip1559',
    chainId,
    nonce: usedNonce,
    gas: estimate,
    maxFeePerGas: feeMax === undefined ? wanted : greater(smaller(wanted, feeMax), maxPriorityFeePerGas),
    maxPriorityFeePerGas,
    ...call,
  });
  return { hash: keccak256(raw), raw, nonce: usedNonce, gas: estimate };
}

/** Did the chain say that it has this very transaction already, pending or mined? Each kind of node says it its way. */
function alreadyThere(error: unknown): boolean {
  return /already ?known|already imported|known transaction|already exists|nonce too low|old ?nonce/i.test(
    detailsOf(error),
  );
}

const detailsOf = (error: unknown): string => String((error as { details?: string })?.details ?? error);

/** Did the node say that a transaction offers too little: for its pool, for the block, or to outbid another one? */
export function isUnderpriced(error: unknown): boolean {
  return /underpriced|below minimum|fee ?too ?low|replacement ?not ?allowed|gas price too low|less than block base fee|tip cap|fee cap less/i.test(
    detailsOf(error),
  );
}

/** Did the node say that the account can't pay? */
export function isWithoutGas(error: unknown): boolean {
  return /insufficient (funds|balance)/i.test(detailsOf(error));
}

/** Did the node say that it was asked too much, or has no time? */
export function isBusy(error: unknown): boolean {
  return /too many requests|rate limit|limit exceeded|exceeded .*(limit|quota|capacity)|compute units/i.test(
    detailsOf(error),
  );
}

/**
 * Hands a signed transaction to the chain. May be repeated after a crash: that the chain has it already is no error,
 * and whether it was mined, or another one with its nonce, is for `receiptOf` to tell.
 */
export async function submit(
  client: PublicClient,
  transaction: Pick<PreparedTransaction, 'raw'>,
): Promise<void> {
  try {
    await client.sendRawTransaction({ serializedTransaction: transaction.raw });
  } catch (error) {
    if (!alreadyThere(error)) throw error;
  }
}

/** The receipt of a transaction, or undefined while it isn't mined. */
export async function receiptOf(client: PublicClient, hash: Hex): Promise<TransactionReceipt | undefined> {
  try {
    return await client.getTransactionReceipt({ hash });
  } catch (error) {
    if ((error as Error).name === 'TransactionReceiptNotFoundError') return undefined;
    throw error;
  }
}

/** The newest block that can't be taken back any more, for reads at it; 0 on a chain that is younger than that. */
export function finalBlock(newest: bigint, finalityBlocks: number): bigint {
  const final = newest - BigInt(finalityBlocks);
  return final < 0n ? 0n : final;
}

/** A transaction was mined and reverted. */
export class RevertedError extends Error {
  override readonly name = 'RevertedError';
  constructor(readonly receipt: TransactionReceipt) {
    super(`transaction ${receipt.transactionHash} reverted in block ${receipt.blockNumber}`);
  }
}

/** How long a transaction of a tool, or a proof, may take to be mined; asked about so often. Milliseconds. */
const MINED_MS_MAX = 180_000;
const MINED_POLL_MS = 100;

/** Waits until a transaction is mined. Throws what the node throws, at once, and after three minutes. */
async function mined(client: PublicClient, hash: Hex): Promise<TransactionReceipt> {
  for (const end = Date.now() + MINED_MS_MAX; ; ) {
    const receipt = await receiptOf(client, hash);
    if (receipt !== undefined) return receipt;
    if (Date.now() > end) throw new Error(`transaction ${hash} was not mined within ${MINED_MS_MAX} ms`);
    await new Promise((resolve) => setTimeout(resolve, MINED_POLL_MS));
  }
}

/** Prepares, submits and waits for one block. Throws RevertedError when it reverted. */
export async function send(
  client: PublicClient,
  account: LocalAccount,
  call: Call,
  options: { nonce?: number; gas?: bigint } = {},
): Promise<TransactionReceipt> {
  const transaction = await prepare(client, account, call, options);
  await submit(client, transaction);
  const receipt = await mined(client, transaction.hash);
  if (receipt.status !== 'success') throw new RevertedError(receipt);
  return receipt;
}

/** Did the chain say that the call itself fails, rather than being out of reach? */
export function isRevert(error: unknown): boolean {
  return causesOf(error).some(
    ({ name, message }) => /ExecutionReverted|ContractFunctionReverted/.test(name) || /revert/i.test(message),
  );
}

/** Did the node answer that it won't take this, for whatever reason, rather than being out of reach? */
export function isRefused(error: unknown): boolean {
  return isRevert(error) || causesOf(error).some(({ name }) => name === 'RpcRequestError');
}

function causesOf(error: unknown): Error[] {
  const found: Error[] = [];
  for (let cause = error; cause instanceof Error && !found.includes(cause); cause = cause.cause)
    found.push(cause);
  return found;
}
