/**
 * The simulator's model of the vault against the vault itself: histories of the simulator, signed for real, are played
 * on a node call by call, reorganisations included. What every row did, and afterwards what channels, lanes, payees,
 * pots and the reserve hold, must be equal to the unit.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hexToBytes } from 'viem';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { VaultJournal } from '../../simulators/stage/chain/journal.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { realSuite } from '../../simulators/stage/world/suite.ts';
import { START_SECONDS } from '../../simulators/stage/world/world.ts';
import { startWorld, type World } from './kit.ts';
import { Replay, request } from './replay.ts';

/** Scenario, seeds in CI, seeds on demand, and what is changed so that a history stays short and shows much. */
const SHAKEN = { chainReorganisation: 'frequent', hubCrash: 'rare', powerCut: 'rare', uplinkLoss: 'rare' };
const HISTORIES = [
  {
    name: 'hunt',
    seeds: 2,
    deep: 12,
    devices: 12,
    change: { salesPerDay: 300, refunds: 300, faults: SHAKEN },
  },
  { name: 'hunt-charge', seeds: 1, deep: 6, devices: 8, change: {} },
  { name: 'attack-clones', seeds: 1, deep: 6, devices: 16, change: { hours: 4, salesPerDay: 60 } },
  { name: 'attack-mixed', seeds: 1, deep: 6, devices: 16, change: { hours: 3, refunds: 300 } },
] as const;
const deep = process.env.SUNDIAL_DEEP === '1';
/** The chain's first block stands before everything that the simulation does. */
const GENESIS = START_SECONDS - 86_400;
const RICH = 2 ** 47;

let world: World;
let fresh: string;
/** How often each thing happened, over all histories. */
const seen = new Map<string, number>();

const test = suite('the model is the vault');

test.before(async () => {
  world = await startWorld({}, { timestamp: GENESIS });
  await world.vault.approve(world.rich, RICH);
  fresh = await request<string>(world, 'evm_snapshot');
});
test.after(async () => world.stop());

for (const { name, seeds, deep: deepSeeds, devices, change } of HISTORIES) {
  for (let seed = 1; seed <= (deep ? deepSeeds : seeds); seed++) {
    test(`${name}, seed ${seed}`, async () => {
      assert.ok(await request<boolean>(world, 'evm_revert', fresh));
      fresh = await request<string>(world, 'evm_snapshot');
      const { chainId, vault: address } = world.deployment;
      let journal: VaultJournal | undefined;
      const simulation = new Simulation({
        scenario: readScenario({ ...SCENARIOS.get(name)!, ...change }, 'the test'),
        devices,
        seed,
        suite: realSuite(loadCrypto().suite),
        domain: { chainId, vault: hexToBytes(address) },
        makeVault: (signing) => {
          journal = new VaultJournal(signing);
          return journal;
        },
      });
      await simulation.run();
      assert.equal(simulation.violations, []);
      assert.ok(simulation.hub.lanesSettled > 0, 'nothing was settled');
      await Replay.run(world, `${name} ${seed}`, journal!.steps, seen);
    });
  }
}

test('the histories show what they are for', () => {
  const wanted = ['settle', 'undone', 'credit applied', 'topUp done', 'startExit done', 'finishExit done'];
  const fraud = ['proveFraud done', 'registerShortfall done', 'share collected', 'closePot done'];
  for (const what of [...wanted, ...fraud]) assert.ok((seen.get(what) ?? 0) > 0, `no history has: ${what}`);
});

test.run();
