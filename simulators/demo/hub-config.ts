/** The configuration of a hub for a site that was made for trying out. */
import { join } from 'node:path';
import { certificateOf, type Site } from '../../hub/cli/site.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { nobleKey } from '../../protocol/crypto/noble.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';

/** What a hub of this site is told; its ledger and registry are in `folder`. `development`: it takes boards' keys. */
export async function hubConfig(site: Site, folder: string, development: boolean): Promise<object> {
  const certificate = await certificateOf(site, Math.floor(Date.now() / 1000));
  return {
    name: site.hubName,
    // Keys of emulated boards come from no certified source: only a hub in development takes them.
    development,
    folder: join(folder, 'hub'),
    chain: {
      rpcUrl: site.rpcUrl,
      chainId: site.chainId,
      vault: site.vault,
      startBlock: site.startBlock,
      finalityBlocks: 1,
      pollMs: 200,
    },
    keys: {
      signing: site.keys.hubSigning,
      settlement: site.keys.hubSettlement,
      root: toHex(nobleKey(fromHex(site.keys.hubRoot)).address),
      words: [toHex(encodeMessage(certificate))],
    },
    // One group of two payees, and no lease beyond it: so the bond covers what a duplicated device could do.
    scopes: [{ id: site.scope, payees: [...new Set(site.devices.flatMap((device) => device.payee ?? []))] }],
    leaseAnyScope: false,
    batch: { everyMs: 0 },
    beaconMs: 1000,
  };
}
