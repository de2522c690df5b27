/**
 * The lock of a folder: one process, also when the other one lives in a network of its own as a container does, and gone
 * with the process that held it. Not checked: volumes of other machines, where the ledger's writer epoch decides
 * (ledger.test.ts).
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lockFolder } from '../../hardware/boards/node/storage/lock.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { inTemporaryFolder } from './temporary.ts';

const own = fileURLToPath(import.meta.url);

if (process.argv[2] === 'take') {
  try {
    await lockFolder(process.argv[3]!, 'hub');
    process.stdout.write('held\n');
    setInterval(() => undefined, 1_000);
  } catch (error) {
    process.stdout.write(`${(error as SundialError).code}\n`);
  }
} else {
  const isolated = ['--user', '--map-root-user', '--net', '--pid', '--fork', '--mount-proc'];
  const canIsolate = spawnSync('unshare', [...isolated, 'true']).status === 0;

  const take = (folder: string, isIsolated: boolean) => {
    const args = ['--enable-source-maps', own, 'take', folder];
    return isIsolated
      ? spawn('unshare', [...isolated, '--kill-child', process.execPath, ...args], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
      : spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  };

  for (const isIsolated of canIsolate ? [false, true] : [false]) {
    test(`a second process is refused and named${isIsolated ? ', out of another network and process space, too' : ''}`, () =>
      inTemporaryFolder(async (folder) => {
        const lock = await lockFolder(folder, 'hub');
        const other = take(folder, isIsolated);
        const [said] = await once(other.stdout!, 'data');
        assert.is(String(said).trim(), 'folder_locked');
        await once(other, 'close');
        assert.match(readFileSync(`${folder}/hub.owner`, 'utf8'), new RegExp(`^${process.pid} on \\S+\n$`));
        await lock.release();
        const third = take(folder, isIsolated);
        const [held] = await once(third.stdout!, 'data');
        assert.is(String(held).trim(), 'held');
        const refused = await lockFolder(folder, 'hub').then(
          () => undefined,
          (error: SundialError) => error.code,
        );
        assert.is(refused, 'folder_locked');
        third.kill('SIGKILL');
        await once(third, 'close');
        await (await lockFolder(folder, 'hub')).release();
      }));
  }
  if (!canIsolate)
    test.skip('another network and process space (needs unshare and user namespaces: apt-get install util-linux)', () =>
      undefined);

  test('the lock is this process alone, for each purpose, and released once', () =>
    inTemporaryFolder(async (folder) => {
      const lock = await lockFolder(folder, 'hub');
      const second = await lockFolder(folder, 'device');
      assert.is(await lockFolder(folder, 'hub').catch((error: SundialError) => error.code), 'folder_locked');
      await lock.release();
      const again = await lockFolder(folder, 'hub');
      await lock.release();
      assert.is(await lockFolder(folder, 'hub').catch((error: SundialError) => error.code), 'folder_locked');
      await again.release();
      await second.release();
    }));

  test.run();
}
