/**
 * What the settle loop sees of lanes, with a registry on a disk: a channel that L2 has settled whole is looked at again
 * when its book or its head changes, also when a replaced block takes a settlement back.
 *
 * Not checked here: what is made of it (`batch.test.ts`), and where heads come from (`watch.test.ts`).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { keyNumber, trieEntries } from '../../hub/intake/trie.ts';
import { openRegistry } from '../../hub/node/open.ts';
import type { Registry, RegistryPatch } from '../../hub/registry/registry.ts';
import { LaneView } from '../../hub/settle/lane-view.ts';
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import { Bench, otherPayee, otherTerminal, payee, tap } from './fleet.ts';
import { inTemporaryFolder } from './temporary.ts';

const HEAD = {
  payer: `0x${'11'.repeat(20)}`,
  owner: `0x${'12'.repeat(20)}`,
  deposit: 100,
  bond: 20,
  credited: 0,
  exiting: false,
  slashed: false,
};

/** L2 settles so much of channel 7 for a payee; undefined: that settlement was in a block that was replaced. */
function settle(registry: Registry, { address }: SecureKey, paid: number | undefined): void {
  const lane = paid === undefined ? null : { paid, transaction: `0x${'13'.repeat(32)}` };
  const heads = { '7': { ...HEAD, settled: { [toHex(address)]: lane } } };
  registry.note({ heads } as unknown as RegistryPatch);
}

test('a channel that is settled whole is left alone until something of it changes', () =>
  inTemporaryFolder(async (folder) => {
    const registry = await openRegistry(folder);
    registry.note({ payees: { [toHex(payee.address)]: 1, [toHex(otherPayee.address)]: 2 } } as RegistryPatch);
    const bench = new Bench();
    const lanes = new LaneView(registry, { books: () => bench.state.books }, 1);
    const isWhole = (): boolean => {
      const [key, book] = trieEntries(bench.state.books.channels)[0]!;
      return lanes.isWhole(keyNumber(key), book);
    };
    const sees = (open: number, why: string): void => {
      assert.is(isWhole(), open === 0, why);
      assert.is(isWhole(), open === 0, `${why}, asked again`);
      assert.is(lanes.waiting().lanes, open, why);
    };
    bench.outcome((await tap({ seq: 1, amount: 10, spent: 10, paid: 10 })).bytes);
    sees(1, 'nothing is settled');
    settle(registry, payee, 9);
    sees(1, 'one unit is missing');
    settle(registry, payee, 10);
    sees(0, 'all of it');
    const other = { payee: otherPayee, terminal: otherTerminal };
    bench.outcome((await tap({ ...other, seq: 2, amount: 5, spent: 15, paid: 5 })).bytes);
    sees(1, 'another lane');
    settle(registry, otherPayee, 5);
    sees(0, 'both');
    settle(registry, payee, undefined);
    sees(1, 'a block was replaced');
    settle(registry, payee, 10);
    sees(0, 'and it is back');
    await registry.close();
  }));

test.run();
