/**
 * A network that says old words of the hub again. A till hears a beacon of any age several times a second, and with it
 * acknowledgements, lists and leases of before; the till's old statements go to the hub once more. Meanwhile somebody pays
 * there whose wearable has lost the battery of its clock, so that only the till can know that a lease has ended. Old words
 * must change nothing, and hold back no clock (rule 7).
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import type { Run } from '../fleet/run.ts';
import { tap } from '../fleet/tap.ts';
import { WARMUP_MS } from '../fleet/timing.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND } from '../stage/world/world.ts';
import { Memory } from './memory.ts';

/** Between two words, with all that an uplink may add less than a second. */
const EVERY_MS = 700;
/** It talks so long, from a while before a lease ends on, or now and then without a reason. */
const TALK_MS = 20 * MINUTE;
const BEFORE_END_SECONDS = 8 * 60;
const WITHOUT_REASON = 10;
const TAP_GAP_MS = { least: 30 * SECOND, most: 2 * MINUTE };
/** A wearable without its battery, until it is on again and asked for money. */
const DARK_MS = 5 * SECOND;

class OldTimes {
  private readonly simulation: Run;
  private readonly random: Random;
  private readonly payer: PayerActor;
  private readonly till: TerminalActor;
  private readonly beacons = new Memory();
  private readonly words = new Memory();
  private readonly statements = new Memory();
  private talksUntilMs = 0;

  constructor(simulation: Run, random: Random, payer: PayerActor, till: TerminalActor) {
    this.simulation = simulation;
    this.random = random;
    this.payer = payer;
    this.till = till;
    simulation.overhearHub(
      (message) => (message.type === 'beacon' ? this.beacons : this.words).keep(message),
      (message) => {
        if (message.type === 'synced') this.statements.keep(message);
      },
    );
  }

  private get isOver(): boolean {
    return this.simulation.world.nowMs > this.simulation.activeUntilMs - 5 * MINUTE;
  }

  /** Looks once a minute whether it is time to talk. */
  watch(): void {
    const { simulation, random, payer } = this;
    const { world } = simulation;
    if (this.isOver) return;
    const left = (payer.device.books.lease?.expiresAt ?? 0) - world.nowSeconds;
    const isNear = left > 0 && left < BEFORE_END_SECONDS;
    if (world.nowMs > this.talksUntilMs && (isNear || random.chance(WITHOUT_REASON))) {
      this.talksUntilMs = world.nowMs + TALK_MS;
      this.talk();
      this.pay();
    }
    world.after(MINUTE, () => this.watch());
  }

  private talk(): void {
    const { simulation, random, till, payer } = this;
    const { world, broker } = simulation;
    if (this.isOver || world.nowMs > this.talksUntilMs) return;
    till.device.goOnline();
    for (const { id } of [till.device, payer.device]) {
      this.say(id, this.beacons.pick(random));
      if (random.chance(200)) this.say(id, this.words.pick(random));
    }
    const statement = this.statements.pick(random);
    if (statement !== undefined && random.chance(200)) broker.up(till.device.id, encodeMessage(statement));
    world.after(EVERY_MS, () => this.talk());
  }

  private say(id: string, message: Message | undefined): void {
    if (message !== undefined) this.simulation.broker.down(id, encodeMessage(message));
  }

  private pay(): void {
    const { simulation, random, payer, till } = this;
    const { world } = simulation;
    if (this.isOver || world.nowMs > this.talksUntilMs) return;
    world.after(random.between(TAP_GAP_MS.least, TAP_GAP_MS.most), () => this.pay());
    if (payer.busy || till.busy || !till.device.isOn || !payer.device.isOn) return;
    payer.busy = true;
    payer.device.powerOff('its battery is taken out');
    payer.device.clockRuns = false;
    world.after(DARK_MS, () => {
      payer.device.boot();
      payer.busy = false;
      if (till.busy) return;
      tap(
        simulation,
        random,
        payer,
        till,
        { amount: random.between(1_000_000, 5_000_000) },
        {
          hasty: false,
          refund: false,
        },
      );
    });
  }
}

/** Puts such a network around a payer and one till that would take its leases. */
export function planOldTimes(simulation: Run, random: Random, payer: PayerActor): void {
  const { fleet, world } = simulation;
  const { scope } = payer.settings;
  const tills = fleet.terminals.filter(({ role, merchant }) => {
    const own = fleet.scopeOf(merchant.district);
    return role === 'pos' && (scope === undefined || own === undefined || equalBytes(scope, own));
  });
  if (tills.length === 0) return;
  const old = new OldTimes(simulation, random, payer, random.pick(tills));
  world.at(WARMUP_MS + random.between(SECOND, MINUTE), () => old.watch());
}
