/** Plays what a vault model was told on the real vault, call by call, and compares what came of it, to the unit. */
import * as assert from 'uvu/assert';
import { bytesToHex, hexToBytes } from 'viem';
import { potsAbi } from '../../hub/l2/pots-abi.ts';
import { Vault } from '../../hub/l2/vault.ts';
import type { ChannelView, Step, VaultCall, VaultView } from '../../simulators/stage/chain/journal.ts';
import { wideLease, type World } from './kit.ts';

/** More terminals than any claim needs: the model asks for none. */
const TERMINALS = 1000;

/** A request that only a test's node understands. */
export async function request<T>({ vault }: World, method: string, ...params: unknown[]): Promise<T> {
  return (await vault.client.request({ method: method as never, params: params as never })) as T;
}

/** Plays a history on the real vault. */
export class Replay {
  private readonly snapshots: string[] = [];
  private expected: VaultView = { channels: new Map(), balances: new Map(), reserve: 0 };
  private readonly world: World;
  private readonly vault: Vault;
  private readonly name: string;
  private readonly seen: Map<string, number>;
  private at = '';

  private constructor(world: World, vault: Vault, name: string, seen: Map<string, number>) {
    this.world = world;
    this.vault = vault;
    this.name = name;
    this.seen = seen;
  }

  /** Plays these steps. `seen` counts how often each thing happened, over all histories that are given it. */
  static async run(
    world: World,
    name: string,
    steps: readonly Step[],
    seen = new Map<string, number>(),
  ): Promise<void> {
    // A client of its own: one keeps the ids of payees, which are others after the chain was taken back.
    const vault = await Vault.connect(world.anvil.url, world.deployment.vault);
    await new Replay(world, vault, name, seen).play(steps);
  }

  private count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  private request<T>(method: string, ...params: unknown[]): Promise<T> {
    return request<T>(this.world, method, ...params);
  }

  /** The next block stands at this second, or right behind the last one when that is later. */
  private async setTime(at: number): Promise<void> {
    const { timestamp } = await this.vault.client.getBlock();
    await this.request('evm_setNextBlockTimestamp', Math.max(at, Number(timestamp) + 1));
  }

  private async play(steps: readonly Step[]): Promise<void> {
    for (const [index, step] of steps.entries()) {
      const named = step.type === 'call' ? step.call.type : 'undone';
      this.at = `${this.name}, step ${index}, ${named}`;
      this.count(named);
      if (step.type === 'undone') await this.undo(step.calls);
      else {
        this.snapshots.push(await this.request<string>('evm_snapshot'));
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
    if (first !== undefined) assert.ok(await this.request<boolean>('evm_revert', first), this.at);
  }

  private async call(call: VaultCall): Promise<void> {
    const { vault, at } = this;
    const account = this.world.rich;
    if ('at' in call) await this.setTime(call.at);
    switch (call.type) {
      case 'registerPayee':
        await vault.accredit(account, call.payee, TERMINALS);
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
          if (credit && moved > 0) this.count('credit applied');
          return { channel, payee: keys.get(payee), reason, moved, credit };
        });
        const { outcomes: expected } = call;
        assert.equal(real, [...expected], at);
        return;
      }
      case 'proveFraud':
        return this.done(call, () => vault.proveFraud(account, call.rule, call.rows));
      case 'registerShortfall':
        return this.done(call, async () => {
          const { channel } = call.rows[0]!.voucher;
          return vault.registerShortfall(account, call.rows, [await this.lease(channel)]);
        });
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
    if (call.done) this.count(`${call.type} done`);
  }

  private async lease(channel: number) {
    const { address, abi } = { address: this.vault.pots, abi: potsAbi };
    const read = { address, abi, functionName: 'readPot', args: [channel] } as const;
    const { openedAt, bond } = await this.vault.client.readContract(read);
    return wideLease(this.world, channel, bond, openedAt);
  }

  /** What the model does at once: every payee collects, and the rest goes to the reserve. */
  private async closePot(channel: number): Promise<void> {
    for (const payee of this.expected.balances.keys()) {
      const bytes = hexToBytes(`0x${payee}`);
      if ((await this.vault.readClaim(channel, bytes)).top === 0) continue;
      this.count('share collected');
      await this.vault.collectShare(this.world.rich, channel, bytes);
    }
    if ((await this.vault.readPot(channel)).left > 0) await this.vault.closePot(this.world.rich, channel);
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
    assert.is(await this.vault.readReserve(), after.reserve, `${this.at}: reserve`);
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

/** What the vault must hold in tokens; pots and reserve hold their own. */
function heldOf({ channels, balances }: VaultView): number {
  let held = 0;
  for (const { free, bond } of channels.values()) held += free + bond;
  for (const balance of balances.values()) held += balance;
  return held;
}
