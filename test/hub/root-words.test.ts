/**
 * A word of the root while the hub's disk is full: devices are told at once, and when the operator brings it again it is
 * stored. L2 is away all the while.
 *
 * Not checked: what words say (`hub-keys.test.ts`), and what devices make of them (`test/protocol/hub-keys.test.ts`).
 */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { assembleHub } from '../../hub/assemble.ts';
import type { Logger } from '../../hub/log.ts';
import { NO_METRICS } from '../../hub/metrics.ts';
import { nodeDisk } from '../../hub/node/disk.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { systemTime } from '../../hub/node/time.ts';
import type { Disk, DiskFile, IngestEvents, L2 } from '../../hub/ports.ts';
import { SundialError } from '../../protocol/errors.ts';
import { decodeOwn } from '../../protocol/wire/messages.ts';
import { context, hub as hubKey, NOW, otherPayee, root } from './fleet.ts';
import { inTemporaryFolder } from './temporary.ts';

const never = () => undefined;
const away = async () => {
  throw new SundialError('l2_away', 'no node here', { severity: 'call', remedy: 'None: a test.' });
};
const noL2 = new Proxy({}, { get: (_, name) => (name === 'close' ? never : away) }) as unknown as L2;
const log = { debug: never, info: never, warn: never, error: never, fatal: never } as unknown as Logger;

/** The disk, which takes nothing while `isFull` says so. */
function filling(disk: Disk, isFull: () => boolean): Disk {
  const look = (): void => {
    if (isFull()) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
  };
  const failing = (file: DiskFile): DiskFile => ({
    size: () => file.size(),
    read: (offset, length) => file.read(offset, length),
    sync: () => file.sync(),
    truncate: (length) => file.truncate(length),
    close: () => file.close(),
    write: async (offset, bytes) => {
      look();
      await file.write(offset, bytes);
    },
  });
  return {
    list: () => disk.list(),
    create: async (name) => failing(await disk.create(name)),
    open: async (name) => failing(await disk.open(name)),
    remove: (name) => disk.remove(name),
    syncFolder: () => disk.syncFolder(),
    replace: async (name, bytes) => {
      look();
      await disk.replace(name, bytes);
    },
  };
}

test('a revocation reaches devices although the disk is full, and is stored when it is brought again', () =>
  inTemporaryFolder(async (folder) => {
    let isFull = false;
    let devices: IngestEvents | undefined;
    const told: string[] = [];
    const start = async () =>
      assembleHub(
        {
          time: systemTime,
          signers: [hubKey],
          l2: noL2,
          disk: filling(await nodeDisk(folder), () => isFull),
          openLedger: (wishes) => openFileLedger(join(folder, 'ledger'), wishes),
          openIngest: async (events) => {
            devices = events;
            return {
              connected: true,
              dropped: 0,
              send: (_device, bytes) => void told.push(decodeOwn(bytes).type),
              retain: never,
              close: async () => {},
            };
          },
        },
        {
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
        },
      );
    const fields = { key: otherPayee.address, at: NOW };
    const signature = await root.sign(context.signing.digest('HubKeyRevoked', fields));
    const word = { type: 'hubKeyRevoked', ...fields, signature } as const;
    const hub = await start();
    await hub.begin();
    devices!.presence('d0', true);
    isFull = true;
    const refused = await hub.takeRootWord(word).then(never, (error: { code?: string }) => error.code);
    assert.is(refused, 'ENOSPC');
    assert.ok(told.includes('hubKeyRevoked'), told.join());
    isFull = false;
    await hub.takeRootWord(word);
    await hub.stop();
    const again = await start();
    assert.equal(
      again.registry.rootWords().map(({ type }) => type),
      ['hubKeyRevoked'],
    );
    await again.stop();
  }));

test.run();
