/**
 * A thief with one of the hub's keys, until the root takes it back and for a while after. It meets tills that are away from
 * the hub and plays it: acknowledges what waits there, says a time that is ahead, certifies a key of its own, and names them
 * members of a scope for ever. One
 * customer gets a lease of it, over several times its deposit, and buys with that. After the revocation all of that must count
 * no more, and what only the thief acknowledged must reach the hub (rule 6a).
 *
 * It acknowledges sales alone, no refunds.
 */
import { ZERO_BYTES16 } from '../../protocol/bytes.ts';
import {
  amount,
  channelId,
  height,
  type Position,
  seconds,
  UINT40_MAX,
  ZERO_AMOUNT,
} from '../../protocol/integers.ts';
import { terminalCapOf } from '../../protocol/limits.ts';
import type { OutboxEntry } from '../../protocol/machines/terminal/lanes.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { encodeMessage, type Message, type MessageOf } from '../../protocol/wire/messages.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import { THIEF_SCOPE } from '../fleet/hub-root.ts';
import type { Run } from '../fleet/run.ts';
import { tap } from '../fleet/tap.ts';
import { WARMUP_MS } from '../fleet/timing.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND } from '../stage/world/world.ts';

/** Between two tills that it meets. */
const GAP_MS = { least: 20 * SECOND, most: 2 * MINUTE };
/** How long the root does not notice. */
const UNNOTICED_MS = { least: 5 * MINUTE, most: 60 * MINUTE };
/** How many deposits it lends. */
const LENDS = 4;
/** How far ahead its times are: more than that is a till that refuses everybody, whose harm is no money. */
const AHEAD_SECONDS = 20 * 60;

class HotKeyThief {
  private readonly simulation: Run;
  private readonly random: Random;
  private certificate: Message | undefined;

  constructor(simulation: Run, random: Random) {
    this.simulation = simulation;
    this.random = random;
  }

  steal(): void {
    const { simulation, random } = this;
    const { world, root, hub } = simulation;
    this.certificate = root.loseSpare(seconds(world.nowSeconds));
    hub.bringWords();
    world.after(random.between(UNNOTICED_MS.least, UNNOTICED_MS.most), () => {
      root.revokeSpare(seconds(world.nowSeconds));
      hub.bringWords();
    });
    this.work();
    const accomplice = random.fork('accomplice').pick(simulation.fleet.byRole.wearable);
    simulation.fleet.takeOut(accomplice);
    world.after(GAP_MS.least, () => {
      this.lend(accomplice);
      this.buy(accomplice, random.fork('sales'));
    });
  }

  /** A lease for any terminal, over more than the channel ever had. */
  private lend({ device, channel }: PayerActor): void {
    const { signing, world, root, vault, timing } = this.simulation;
    const { deposited } = vault.channel(channel);
    const tapLimit = amount(Math.floor(deposited / 8));
    const now = world.nowSeconds;
    const fields = {
      channel: channelId(channel),
      payer: device.key.address,
      spentFrom: device.storedBooks.spent,
      spendLimit: amount(deposited * LENDS),
      tapLimit,
      cap: terminalCapOf(tapLimit),
      guarantee: ZERO_AMOUNT,
      issuedAt: seconds(now),
      expiresAt: seconds(now + timing.leaseLifetime),
      scope: SCOPE_ANY,
    };
    const signature = root.spare.sign(signing.digest('Lease', fields));
    const lease: MessageOf<'lease'> = { type: 'lease', ...fields, signature };
    this.simulation.lentByThief(lease);
    device.hubBytes(encodeMessage(this.certificate!));
    device.hubBytes(encodeMessage(lease));
  }

  /** It goes from till to till, to those that are away from the hub where there are any. */
  private buy(payer: PayerActor, random: Random): void {
    const { simulation } = this;
    const { world, fleet, vault } = simulation;
    if (world.nowMs > simulation.activeUntilMs - 5 * MINUTE) return;
    const away = fleet.terminals.filter(({ device }) => !simulation.broker.isConnected(device.id));
    const till = random.pick(away.length > 0 ? away : fleet.terminals);
    const most = Math.floor(vault.channel(payer.channel).deposited / 8);
    if (!payer.busy && !till.busy && till.role === 'pos')
      tap(
        simulation,
        random,
        payer,
        till,
        { amount: random.between(1, most) },
        { hasty: false, refund: false },
      );
    world.after(random.between(GAP_MS.least, GAP_MS.most), () => this.buy(payer, random));
  }

  private work(): void {
    const { simulation, random } = this;
    const { world, fleet } = simulation;
    if (world.nowMs > simulation.activeUntilMs) return;
    const away = fleet.terminals.filter(({ device }) => !simulation.broker.isConnected(device.id));
    if (away.length > 0) this.meet(random.pick(away));
    world.after(random.between(GAP_MS.least, GAP_MS.most), () => this.work());
  }

  /** The till takes it for the hub: whoever is near may bring the root's word, too. */
  private meet({ device }: TerminalActor): void {
    const { random } = this;
    const say = (message: Message): void => device.hubBytes(encodeMessage(message));
    say(this.certificate!);
    if (random.chance(300)) say(this.beacon());
    if (random.chance(300)) say(this.heir());
    if (random.chance(300)) say(this.membership(device.key.address));
    for (const entry of device.storedBooks.outbox) if (isSale(entry)) say(this.acknowledgement(entry.entry));
  }

  private acknowledgement(entry: Uint8Array): Message {
    const { signing, world, root } = this.simulation;
    const fields = { entry, position: 0 as Position, at: seconds(world.nowSeconds) };
    const signature = root.spare.sign(signing.digest('Acknowledgement', fields));
    return { type: 'acknowledgement', ...fields, signature };
  }

  private membership(terminal: Uint8Array): Message {
    const { signing, root } = this.simulation;
    const fields = { scope: THIEF_SCOPE, terminal, expiresAt: seconds(UINT40_MAX) };
    return { type: 'member', ...fields, signature: root.spare.sign(signing.digest('Member', fields)) };
  }

  private beacon(): Message {
    const { signing, world, root } = this.simulation;
    const fields = {
      at: seconds(world.nowSeconds + this.random.below(AHEAD_SECONDS)),
      height: height(0),
      revocations: new Uint8Array(32),
      checkpoint: new Uint8Array(32),
      nonce: ZERO_BYTES16,
    };
    return { type: 'beacon', ...fields, signature: root.spare.sign(signing.digest('Beacon', fields)) };
  }

  /** A key of its own, certified by the stolen one. */
  private heir(): Message {
    const { signing, world, root } = this.simulation;
    const now = seconds(world.nowSeconds);
    const key = this.random.fork('heir').bytes(20);
    const fields = { key, from: now, until: seconds(now + 86_400), epoch: 1, signedAt: now };
    return { type: 'hubKey', ...fields, signature: root.spare.sign(signing.digest('HubKey', fields)) };
  }
}

const isSale = (entry: OutboxEntry): entry is OutboxEntry & { readonly kind: 'voucher' } =>
  entry.kind === 'voucher' && entry.collected.receipt !== undefined && entry.collected.request.amount > 0;

/** Has somebody steal a key of the hub while payments are made. */
export function planHotKey(simulation: Run, random: Random): void {
  const { world } = simulation;
  const span = simulation.activeUntilMs - WARMUP_MS;
  const thief = new HotKeyThief(simulation, random);
  world.at(WARMUP_MS + random.between(0, Math.floor(span / 2)), () => thief.steal());
}
