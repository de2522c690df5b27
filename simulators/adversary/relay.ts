/**
 * A relaying pair: one stands beside a victim's wearable, the other at a distant till, and between them the tap travels.
 * Nothing in the tap tells how far away the till is, so the victim pays for what the other takes; what bounds it is the
 * limit of one tap, and what stops it is the wearer. What the pair changes on the way nobody takes.
 */
import { amount } from '../../protocol/integers.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import { MessageEnd } from '../stage/network/message-end.ts';
import type { Run } from '../fleet/run.ts';
import { WARMUP_MS } from '../fleet/timing.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND, type World } from '../stage/world/world.ts';

/** A mobile network between the two. */
const HOP_MS = { least: 40, most: 250 };
const PATIENCE_MS = 9 * SECOND;

type Tampering = (message: Message) => Message;

/** One of the pair: what it hears, the other one says. */
class RelayEnd extends MessageEnd {
  other: RelayEnd | undefined;
  private readonly world: World;
  private readonly random: Random;
  private readonly tamper: Tampering;

  constructor(world: World, random: Random, tamper: Tampering) {
    super();
    this.world = world;
    this.random = random;
    this.tamper = tamper;
  }

  protected heard(message: Message): void {
    const changed = this.tamper(message);
    this.world.after(this.random.between(HOP_MS.least, HOP_MS.most), () => this.other?.say(changed));
  }

  close(): void {
    this.link?.close();
  }
}

const faithfully: Tampering = (message) => message;
/** The wearable is asked for twice as much. */
const dearer: Tampering = (message) =>
  message.type === 'request' ? { ...message, amount: amount(2 * message.amount) } : message;
/** The till is paid more than it asked. */
const fuller: Tampering = (message) =>
  message.type === 'voucher' || message.type === 'resolveVoucher'
    ? { ...message, paid: amount(message.paid + 1), spent: amount(message.spent + 1) }
    : message;

const TAMPERINGS = [faithfully, faithfully, dearer, fuller];

/** Relays a tap every few minutes. What was taken so is the victim's loss, and the pair's doing. */
export function planRelays(simulation: Run, random: Random, victim: PayerActor, perHour: number): void {
  const { world, fleet } = simulation;
  const gap = Math.floor((60 * MINUTE) / perHour);
  const again = (): void => {
    if (world.nowMs > simulation.activeUntilMs - 5 * MINUTE) return;
    const till = random.pick(fleet.terminals);
    const free = !victim.busy && !till.busy && till.device.power === 'on' && victim.device.power === 'on';
    if (free && till.role === 'pos') relay(simulation, random, victim, till);
    world.after(random.between(MINUTE, gap), again);
  };
  world.at(WARMUP_MS + random.between(MINUTE, gap), again);
}

function relay(simulation: Run, random: Random, victim: PayerActor, till: TerminalActor): void {
  const { world } = simulation;
  const units = random.between(1_000_000, 20_000_000);
  const tamper = random.pick(TAMPERINGS);
  victim.busy = true;
  till.busy = true;
  let approved = false;
  till.device.behaviour = (notice) => {
    // With a slow key the sale before may be approved only now.
    if (notice.type !== 'approved' || notice.channel !== victim.channel) return;
    approved = true;
    simulation.losses.push({ channel: victim.channel, culprit: 'relay', lost: notice.amount });
    if (notice.amount !== units)
      simulation.report('relay', `${till.device.name} took another amount than it asked for`);
  };
  till.device.dispatch({
    type: 'sale',
    amount: amount(units),
    currency: 'TIME',
    challenge: random.bytes(16),
  });
  const atVictim = new RelayEnd(world, random, tamper);
  const atTill = new RelayEnd(world, random, tamper);
  atVictim.other = atTill;
  atTill.other = atVictim;
  simulation.join(atTill, till.device);
  simulation.join(atVictim, victim.device);
  world.after(PATIENCE_MS, () => {
    atVictim.close();
    atTill.close();
    till.device.behaviour = undefined;
    victim.busy = false;
    till.busy = false;
    if (!approved) simulation.cancel(till);
  });
}
