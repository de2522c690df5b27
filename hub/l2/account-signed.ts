/** Did an account on L2 sign this? A key's signature is recovered here; a smart account is asked (ERC-1271). */
import { type Address, type Hex, parseAbi, type PublicClient, recoverAddress } from 'viem';
import { isRevert } from './chain.ts';

const abi = parseAbi(['function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)']);
const MAGIC = '0x1626ba7e';

/** Throws what the node throws, when a smart account can't be asked. */
export async function accountSigned(
  client: PublicClient,
  account: Address,
  hash: Hex,
  signature: Hex,
): Promise<boolean> {
  const signer = await recoverAddress({ hash, signature }).catch(() => undefined);
  if (signer?.toLowerCase() === account.toLowerCase()) return true;
  if ((await client.getCode({ address: account })) === undefined) return false;
  try {
    const read = {
      address: account,
      abi,
      functionName: 'isValidSignature',
      args: [hash, signature],
    } as const;
    return (await client.readContract(read)) === MAGIC;
  } catch (error) {
    if (isRevert(error)) return false;
    throw error;
  }
}
