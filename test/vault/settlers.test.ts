/**
 * Settlers through the vault's client and the `hub settler` commands' steps on a real node: named slowly, dropped at once, and
 * dropped by the timelock when operator and guardian are lost. Not checked here: what the registry refuses
 * (contracts/test/Registry.t.sol), and the commands' words.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { namedForL2 } from '../../hub/cli/l2-errors.ts';
import { secpSigner, startWorld, type World } from './kit.ts';

const settlers = suite('settlers');
const DAY = 86_400;
let world: World;
settlers.before(async () => {
  world = await startWorld();
});
settlers.after(() => world.stop());

const refusal = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'taken',
    (error: unknown) => (namedForL2(error) as Error).message,
  );

settlers('a new one counts days later and is dropped at once', async () => {
  const { vault, rich } = world;
  const { address } = secpSigner('a settler');
  await vault.addSettler(rich, address);
  const from = await vault.settlerFrom(address);
  assert.is(from - (await vault.readClock()), 3 * DAY);
  assert.match(await refusal(vault.addSettler(rich, address)), 'SettlerKnown');
  await vault.dropSettler(rich, address);
  assert.is(await vault.settlerFrom(address), 0);
  assert.match(await refusal(vault.dropSettler(rich, address)), 'NoSettler');
});

settlers('the timelock drops one after its notice, as often as it has to', async () => {
  const { vault, rich } = world;
  const { account, address } = secpSigner('another settler');
  await world.vault.client.request({
    method: 'anvil_setBalance' as never,
    params: [account.address, '0xde0b6b3a7640000'] as never,
  });
  for (const round of [1, 2]) {
    await vault.addSettler(rich, address);
    const call = vault.dropSettlerCall(address);
    assert.match(await refusal(vault.byTimelock(account, call)), 'AccessControlUnauthorizedAccount');
    const asked = await vault.byTimelock(rich, call);
    assert.ok('readyAt' in asked && asked.transaction !== undefined, `round ${round}`);
    // Asked again in between, it waits, and sends nothing.
    assert.equal(await vault.byTimelock(rich, call), { readyAt: asked.readyAt });
    assert.is.not(await vault.settlerFrom(address), 0);
    await world.warp(2 * DAY);
    const done = await vault.byTimelock(rich, call);
    assert.not('readyAt' in done);
    assert.is(await vault.settlerFrom(address), 0);
  }
});

settlers.run();
