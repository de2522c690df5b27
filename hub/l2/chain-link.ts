/**
 * The connection to L2, made when it is first needed and as often as it takes: the hub starts and takes vouchers
 * while L2 is out of reach. What answers must be the chain and the vault of the configuration.
 */
import { SundialError } from '../../protocol/errors.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import type { HubConfig } from '../config.ts';
import { vaultAbi } from './abi.ts';
import { Vault } from './vault.ts';

export class ChainLink {
  private readonly config: HubConfig['chain'];
  private readonly signing: Signing;
  private connected: Vault | undefined;

  constructor(config: HubConfig['chain'], signing: Signing) {
    this.config = config;
    this.signing = signing;
  }

  /** Blocks on top of a block before it counts. */
  get finalityBlocks(): number {
    return this.config.finalityBlocks;
  }

  /** The vault. Throws viem's errors while L2 is out of reach, `chain_mismatch` when it is another one. */
  async vault(): Promise<Vault> {
    if (this.connected !== undefined) return this.connected;
    const { rpcUrl, vault: address, chainId } = this.config;
    const vault = await Vault.connect(rpcUrl, address);
    const separator = await vault.client.readContract({
      address,
      abi: vaultAbi,
      functionName: 'domainSeparator',
    });
    if (vault.chainId !== chainId || separator !== toHex(this.signing.separator)) {
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
}
