/** The chains that a deployment knows by name, and what it checks of a chain before it puts money there. */
import { p256 } from '@noble/curves/nist.js';
import { concat, keccak256, type PublicClient, toHex } from 'viem';
import { SundialError } from '../../protocol/errors.ts';

/** Chain ids by name; `dev` is any local chain. */
export const NETWORKS = {
  base: 8453,
  'base-sepolia': 84_532,
  optimism: 10,
  'optimism-sepolia': 11_155_420,
  arbitrum: 42_161,
  'arbitrum-sepolia': 421_614,
  dev: undefined,
} as const;
export type Network = keyof typeof NETWORKS;

/** The largest batch and the largest contract's creation must fit into a block. */
const BLOCK_GAS_MIN = 16_777_216n;

/** What was seen of a chain. */
export interface ChainFacts {
  readonly chainId: number;
  /** Whether secure elements' signatures can be checked there. */
  readonly p256: boolean;
  readonly blockGas: string;
  /** Whether the node says which blocks are final. */
  readonly finality: boolean;
}

/** Does the chain check P-256 signatures at 0x100? Asked with a good signature and with an altered one. */
export async function hasP256(client: PublicClient): Promise<boolean> {
  const secret = new Uint8Array(32).fill(7);
  const digest = new Uint8Array(32).fill(9);
  const key = p256.getPublicKey(secret, false).slice(1);
  const ask = async (signed: Uint8Array): Promise<string | undefined> => {
    const data = concat([toHex(signed), toHex(p256.sign(digest, secret, { prehash: false })), toHex(key)]);
    return (await client.call({ to: '0x0000000000000000000000000000000000000100', data })).data;
  };
  const [good, altered] = [await ask(digest), await ask(new Uint8Array(32).fill(8))];
  return good !== undefined && BigInt(good) === 1n && (altered === undefined || altered === '0x');
}

/** Looks at a chain. Throws `wrong_chain` when it isn't the network's, `small_blocks` when a batch wouldn't fit. */
export async function checkChain(client: PublicClient, network: Network): Promise<ChainFacts> {
  const [chainId, block] = [await client.getChainId(), await client.getBlock()];
  const expected = NETWORKS[network];
  if (expected !== undefined && chainId !== expected) {
    throw new SundialError('wrong_chain', `the node is on chain ${chainId}, ${network} is ${expected}`, {
      severity: 'call',
      remedy: 'Correct --rpc or --network.',
      facts: { chainId, expected },
    });
  }
  if (block.gasLimit < BLOCK_GAS_MIN) {
    throw new SundialError('small_blocks', `a block holds ${block.gasLimit} gas, want ${BLOCK_GAS_MIN}`, {
      severity: 'call',
      remedy: 'Deploy on a chain whose blocks hold the largest transaction.',
    });
  }
  const finality = await client.getBlock({ blockTag: 'finalized' }).then(
    () => true,
    () => false,
  );
  return { chainId, p256: await hasP256(client), blockGas: block.gasLimit.toString(), finality };
}

/** Bytes of a contract, hashed: what an address file remembers. Zero bytes give undefined. */
export async function codeHash(client: PublicClient, address: `0x${string}`): Promise<string | undefined> {
  const code = await client.getCode({ address });
  return code === undefined || code === '0x' ? undefined : keccak256(code);
}
