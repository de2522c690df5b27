/**
 * The simulator's model of the vault against the vault itself: histories of the simulator, signed for real, are played
 * on a node call by call, reorganisations included. What every row did, and afterwards what channels, lanes, payees,
 * pots and the reserve hold, must be equal to the unit.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesToHex, hexToBytes } from 'viem';
import { loadCrypto } from '../../hub/crypto.ts';
import { vaultAbi } from '../../hub/settle/abi.ts';
import { Vault } from '../../hub/settle/vault.ts';
import {
  type ChannelView,
  type Step,
  type VaultCall,
  VaultJournal,
  type VaultView,
} from '../../simulators/chain/journal.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { Simulation } from '../../simulators/sim/simulation.ts';
import { realSuite } from '../../simulators/world/suite.ts';
import { START_SECONDS } from '../../simulators/world/world.ts';
import { startWorld, type World } from './kit.ts';

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
const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);

/** Plays a history on the real vault. */
class Replay {
  private readonly snapshots: string[] = [];
  private expected: VaultView = { channels: new Map(), balances: new Map(), reserve: 0 };
  private readonly vault: Vault;
  private readonly name: string;
  private at = '';

  constructor(vault: Vault, name: string) {
    this.vault = vault;
    this.name = name;
  }

  async play(steps: readonly Step[]): Promise<void> {
    for (const [index, step] of steps.entries()) {
      const named = step.type === 'call' ? step.call.type : 'undone';
      this.at = `${this.name}, step ${index}, ${named}`;
      count(named);
      if (step.type === 'undone') await this.undo(step.calls);
      else {
        this.snapshots.push(await request<string>('evm_snapshot'));
        await this.call(step.call);
      }
      await this.compare(step);
      this.expected = step.after;
    }
    this.at = `${this.name}, the end`;
    for (const [id, channel] of this.expected.channels) await this.compareChannel(id, channel);
    for (const [payee, balance] of this.expected.balances) await this.compareBalance(payee, balance);
    assert.is(await this.vault.readHeld(), heldOf(this.expected), this.at);
  }

  private async undo(calls: number): Promise<void> {
    const [first] = this.snapshots.splice(this.snapshots.length - calls, calls);
    if (first !== undefined) assert.ok(await request<boolean>('evm_revert', first), this.at);
  }

  private async call(call: VaultCall): Promise<void> {
    const { vault, at } = this;
    const account = world.rich;
    if ('at' in call) await setTime(call.at);
    switch (call.type) {
      case 'registerPayee':
        await vault.accredit(account, call.payee);
        return;
      case 'open': {
        const payer = bytesToHex(call.payer);
        const opening = { payer, amount: call.deposit, approved: true };
        assert.is((await vault.openChannel(account, opening)).channel, call.channel, at);
        return;
      }
      case 'topUp':
        return this.done(call, () => vault.topUp(account, call.channel, call.deposit));
      case 'startExit':
        return this.done(call, () => vault.startExit(account, call.channel));
      case 'finishExit':
        return this.done(call, () => vault.finishExit(account, call.channel));
      case 'settle': {
        const { outcomes } = await vault.settleBatch(account, call.rows);
        const keys = new Map<number, string>();
        for (const payee of this.expected.balances.keys())
          keys.set((await vault.payeeId(hexToBytes(`0x${payee}`)))!, payee);
        const real = outcomes.map(({ channel, payee, reason, moved, credit }) => {
          if (credit && moved > 0) count('credit applied');
          return { channel, payee: keys.get(payee), reason, moved, credit };
        });
        const { outcomes: expected } = call;
        assert.equal(real, [...expected], at);
        return;
      }
      case 'proveFraud':
        return this.done(call, () => vault.proveFraud(account, call.rule, call.rows));
      case 'registerShortfall':
        return this.done(call, () => vault.registerShortfall(account, call.rows));
      case 'closePot':
        return this.done(call, () => this.closePot(call.channel));
    }
  }

  /** A call that the model refuses reverts, and the other way round. */
  private async done(
    call: VaultCall & { readonly done: boolean },
    send: () => Promise<unknown>,
  ): Promise<void> {
    const error = await send().then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    assert.is(error === undefined, call.done, `${this.at}: ${error?.message ?? 'the vault did it'}`);
    if (call.done) count(`${call.type} done`);
  }

  /** What the model does at once: every payee collects, and the rest goes to the reserve. */
  private async closePot(channel: number): Promise<void> {
    for (const payee of this.expected.balances.keys()) {
      const bytes = hexToBytes(`0x${payee}`);
      if ((await this.vault.readClaim(channel, bytes)).shortfall === 0) continue;
      count('share collected');
      await this.vault.collectShare(world.rich, channel, bytes);
    }
    if ((await this.vault.readPot(channel)).left > 0) await this.vault.closePot(world.rich, channel);
  }

  /** Everything that the step changed, or that the model says it changed. */
  private async compare(step: Step): Promise<void> {
    const { after } = step;
    const named = step.type === 'call' ? channelsOf(step.call) : new Set(after.channels.keys());
    for (const [id, channel] of after.channels)
      if (named.has(id) || !same(channel, this.expected.channels.get(id)))
        await this.compareChannel(id, channel);
    for (const [payee, balance] of after.balances)
      if (step.type === 'undone' || balance !== this.expected.balances.get(payee))
        await this.compareBalance(payee, balance);
    const reserve = await this.vault.client.readContract({
      address: this.vault.address,
      abi: vaultAbi,
      functionName: 'reserve',
    });
    assert.is(Number(reserve), after.reserve, `${this.at}: reserve`);
  }

  private async compareChannel(id: number, expected: ChannelView): Promise<void> {
    const { deposited, credited, bond, free, exitReady } = await this.vault.readChannel(id);
    const { left: pot } = await this.vault.readPot(id);
    const lanes = new Map<string, number>();
    for (const payee of expected.lanes.keys())
      lanes.set(payee, await this.vault.readLane(id, hexToBytes(`0x${payee}`)));
    const real: ChannelView = { deposited, credited, bond, free, isExiting: exitReady !== 0, pot, lanes };
    assert.equal(real, expected, `${this.at}: channel ${id}`);
  }

  private async compareBalance(payee: string, expected: number): Promise<void> {
    const real = await this.vault.readPayeeBalance(hexToBytes(`0x${payee}`));
    assert.is(real, expected, `${this.at}: balance of ${payee}`);
  }
}

const same = (a: ChannelView, b: ChannelView | undefined): boolean =>
  b !== undefined && JSON.stringify([a, [...a.lanes]]) === JSON.stringify([b, [...b.lanes]]);

function channelsOf(call: VaultCall): Set<number> {
  if ('rows' in call) return new Set(call.rows.map(({ voucher }) => voucher.channel));
  return new Set('channel' in call ? [call.channel] : []);
}

/** What the vault must hold in tokens. */
function heldOf({ channels, balances, reserve }: VaultView): number {
  let held = reserve;
  for (const { free, bond, pot } of channels.values()) held += free + bond + pot;
  for (const balance of balances.values()) held += balance;
  return held;
}

async function request<T>(method: string, ...params: unknown[]): Promise<T> {
  return (await world.vault.client.request({ method: method as never, params: params as never })) as T;
}

/** The next block stands at this second, or right behind the last one when that is later. */
async function setTime(at: number): Promise<void> {
  const { timestamp } = await world.vault.client.getBlock();
  await request('evm_setNextBlockTimestamp', Math.max(at, Number(timestamp) + 1));
}

const test = suite('the model is the vault');

test.before(async () => {
  world = await startWorld({}, { timestamp: GENESIS });
  await world.vault.approve(world.rich, RICH);
  fresh = await request<string>('evm_snapshot');
});
test.after(async () => world.stop());

for (const { name, seeds, deep: deepSeeds, devices, change } of HISTORIES) {
  for (let seed = 1; seed <= (deep ? deepSeeds : seeds); seed++) {
    test(`${name}, seed ${seed}`, async () => {
      assert.ok(await request<boolean>('evm_revert', fresh));
      fresh = await request<string>('evm_snapshot');
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
      simulation.run();
      assert.equal(simulation.violations, []);
      assert.ok(simulation.hub.lanesSettled > 0, 'nothing was settled');
      await new Replay(await Vault.connect(world.anvil.url, address), `${name} ${seed}`).play(journal!.steps);
    });
  }
}

test('the histories show what they are for', () => {
  const wanted = ['settle', 'undone', 'credit applied', 'topUp done', 'startExit done', 'finishExit done'];
  const fraud = ['proveFraud done', 'registerShortfall done', 'share collected', 'closePot done'];
  for (const what of [...wanted, ...fraud]) assert.ok((seen.get(what) ?? 0) > 0, `no history has: ${what}`);
});

test.run();
