/**
 * A word of the root while the hub's disk is full: devices are told at once, and when the operator brings it again it is
 * stored. L2 is away all the while.
 *
 * Not checked: what words say (`hub-keys.test.ts`), and what devices make of them (`test/protocol/hub-keys.test.ts`).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { assembleHub } from '../../hub/assemble.ts';
import type { Logger } from '../../hub/log.ts';
import type { Disk, DiskFile, IngestEvents } from '../../hub/ports.ts';
import { decodeOwn } from '../../protocol/wire/messages.ts';
import { aloneSetup, never, portsIn, silentIngest } from './alone.ts';
import { context, NOW, otherPayee, root } from './fleet.ts';
import { inTemporaryFolder } from './temporary.ts';

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
    const start = async () => {
      const { openIndex: _, ...ports } = await portsIn(folder);
      return assembleHub(
        {
          ...ports,
          disk: filling(ports.disk, () => isFull),
          openIngest: async (events) => {
            devices = events;
            return { ...silentIngest, send: (_device, bytes) => void told.push(decodeOwn(bytes).type) };
          },
        },
        aloneSetup(log),
      );
    };
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
