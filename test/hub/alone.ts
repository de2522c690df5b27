/** The hub that ships, over a folder, with nobody around it: no node answers, no device is there. */
import { join } from 'node:path';
import type { HubSetup } from '../../hub/assemble.ts';
import { LmdbIndex } from '../../hub/index/lmdb-index.ts';
import { NO_METRICS } from '../../hub/metrics.ts';
import { nodeDisk } from '../../hub/node/disk.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { systemTime } from '../../hub/node/time.ts';
import type { Ingest, L2, Ports } from '../../hub/ports.ts';
import { SundialError } from '../../protocol/errors.ts';
import { context, hub } from './fleet.ts';

export const never = (): undefined => undefined;
const away = async () => {
  throw new SundialError('l2_away', 'no node here', { severity: 'call', remedy: 'None: a test.' });
};
const noL2 = new Proxy(
  {},
  { get: (_, name) => (name === 'close' || name === 'forget' ? never : away) },
) as unknown as L2;

/** Where devices would be. */
export const silentIngest: Ingest = {
  connected: true,
  dropped: 0,
  send: never,
  retain: never,
  close: async () => {},
};

/** Ports of a hub in a folder, with an index. */
export const portsIn = async (folder: string): Promise<Ports> => ({
  time: systemTime,
  signers: [hub],
  l2: noL2,
  disk: await nodeDisk(folder),
  openLedger: (wishes) => openFileLedger(join(folder, 'ledger'), wishes),
  openIndex: (onDamage) => LmdbIndex.open(join(folder, 'index'), onDamage),
  openIngest: async () => silentIngest,
});

/** What it is told. */
export const aloneSetup = (log: HubSetup['log']): HubSetup => ({
  ...context,
  chain: { pollMs: 60_000 },
  batch: { everyMs: 0 },
  beaconMs: 60_000,
  rootWords: [],
  startBlock: 0,
  lanesMax: 1_000,
  inFlightMax: 4,
  laneMin: 1,
  feeMax: 1n,
  log,
  metrics: NO_METRICS,
});
