/** How a fleet spends its time: starting, having a network, selling and charging by the hour of the day, draining. */
import basket from '../scenarios/data/basket.json' with { type: 'json' };
import type { VaultModel } from '../stage/chain/vault.ts';
import type { Run } from './run.ts';
import { drainMsOf, WARMUP_MS } from './timing.ts';
import type { Random } from '../stage/world/random.ts';
import { HOUR, MINUTE, SECOND } from '../stage/world/world.ts';
import type { PayerActor, TerminalActor } from './actors.ts';
import { charge } from './charge.ts';
import { chargeBehindGateway } from './charge-gateway.ts';
import type { AnyDevice } from './device.ts';
import { nextWindow } from './fleet.ts';
import { tap, visit } from './tap.ts';
import type { TillProgram } from './till-program.ts';

/** Share of a day's sales in each hour, from midnight; they add up to SALES_SUM. The simulation starts at eight. */
const SALES_BY_HOUR = [1, 0, 0, 0, 0, 1, 4, 7, 8, 6, 6, 9, 11, 8, 6, 6, 7, 9, 8, 5, 3, 2, 2, 1];
const SALES_SUM = SALES_BY_HOUR.reduce((sum, share) => sum + share, 0);
const START_HOUR = 8;
/** A payer that is free is looked for so often before the sale is called off. */
const TRIES = 4;

/** Of a deposit, in 10,000: a tap may be 175 at most. */
const LARGE_PER_10000 = [200, 1500] as const;
const TOKEN = 1_000_000;
const SHIFT_MS = [40 * MINUTE, 9 * HOUR] as const;

/** Units of a price such as `1.60`. */
const unitsOf = (price: string): number => {
  const [whole = '0', cents = ''] = price.split('.');
  return Number(whole) * 1_000_000 + Number(cents.padEnd(6, '0'));
};
const PRICES = basket.items.map(({ price }) => unitsOf(price));

export function planLife(simulation: Run): void {
  const { world, random, fleet } = simulation;
  const start = random.fork('start');
  for (const device of fleet.devices) {
    world.at(start.between(0, 20 * SECOND), () => {
      device.boot();
      world.after(start.between(SECOND, 3 * MINUTE), () => device.goOnline());
    });
  }
  for (const { device } of [...fleet.terminals, ...fleet.payers]) {
    if (fleet.setupOf(device).network === 'always') continue;
    const own = random.fork(`network ${device.name}`);
    world.at(WARMUP_MS - SECOND, () => {
      device.goOffline();
      planWindow(simulation, own, device);
    });
  }
  for (const terminal of fleet.terminals) {
    const own = random.fork(`life ${terminal.device.name}`);
    const { perDay } = fleet.setupOf(terminal.device);
    if (perDay > 0) nextSale(simulation, own, terminal, perDay);
    if (terminal.till !== undefined) closeDays(simulation, own.fork('closing'), terminal.till);
  }
  for (const payer of fleet.payers) planTopUp(simulation, payer);
  const merchants = (): void => {
    world.after(10 * MINUTE, () => {
      simulation.countersign();
      merchants();
    });
  };
  merchants();
}

/** Business days end when a shift does. */
function closeDays(simulation: Run, own: Random, till: TillProgram): void {
  const { world, activeUntilMs } = simulation;
  const at = Math.max(world.nowMs, WARMUP_MS) + own.between(...SHIFT_MS);
  if (at >= activeUntilMs) return;
  world.at(at, () => {
    till.closeDay();
    closeDays(simulation, own, till);
  });
}

function planTopUp({ world, random, chain, vault, options }: Run, { channel, device }: PayerActor): void {
  const own = random.fork(`owner of ${device.name}`);
  if (!own.chance(options.scenario.topUps ?? 0)) return;
  const added = Math.floor(vault.channel(channel).deposited / 2);
  const transaction = {
    name: 'top-up',
    run: (model: VaultModel) => void model.topUp(channel, added),
  };
  world.at(WARMUP_MS + own.below(options.scenario.hours * HOUR), () => chain.submit(transaction));
}

function planWindow(simulation: Run, own: Random, device: AnyDevice): void {
  const { world, fleet } = simulation;
  const found = nextWindow(own, fleet.setupOf(device).network, world.nowMs);
  if (found === undefined) return;
  fleet.setWindow(device, found);
  world.at(found.fromMs, () => {
    if (!fleet.drained) device.goOnline();
  });
  world.at(found.untilMs, () => {
    if (fleet.drained) return;
    device.goOffline();
    planWindow(simulation, own, device);
  });
}

/** Milliseconds to the next sale: the day's sales fall as thick as the hour has them. */
function gapMs(own: Random, nowMs: number, perDay: number): number {
  const hour = (START_HOUR + Math.floor(nowMs / HOUR)) % 24;
  const share = SALES_BY_HOUR[hour]!;
  if (share === 0) return HOUR;
  const mean = Math.floor((HOUR * SALES_SUM) / (share * perDay));
  return own.between(1, Math.min(2 * mean, 10 * HOUR));
}

function nextSale(simulation: Run, own: Random, terminal: TerminalActor, perDay: number): void {
  const { world, activeUntilMs } = simulation;
  const at = Math.max(world.nowMs, WARMUP_MS) + gapMs(own, world.nowMs, perDay);
  if (at >= activeUntilMs) return;
  world.at(at, () => {
    sell(simulation, own, terminal);
    nextSale(simulation, own, terminal, perDay);
  });
}

function sell(simulation: Run, own: Random, terminal: TerminalActor): void {
  const { options, world } = simulation;
  const { scenario } = options;
  if (terminal.busy) return;
  if (terminal.device.power === 'off') return terminal.sales.askInVain();
  const payer = freePayer(simulation, terminal, own);
  if (payer === undefined) return;
  if (terminal.role === 'charger') {
    // A session that would outlast the payments ends when they do.
    const driveOff = own.chance(scenario.hasty);
    const sale = terminal.sales.ask();
    const pauses = scenario.pauses !== undefined && own.chance(scenario.pauses);
    const { plug } = terminal;
    if (plug !== undefined)
      return chargeBehindGateway(simulation, own, payer, terminal, plug, { driveOff, pauses, sale });
    return charge(simulation, own, payer, terminal, {
      driveOff,
      pauses,
      ticks: scenario.sessionTicks,
      sale,
    });
  }
  if (world.nowMs + 20 * SECOND > simulation.activeUntilMs) return;
  let units = 0;
  for (let items = own.between(1, 4); items > 0; items--) units += own.pick(PRICES);
  const { largeSales = 0, holds = 0, tips = 0 } = scenario;
  const isLarge = largeSales > 0 && own.chance(largeSales);
  if (isLarge) units = Math.floor((scenario.deposit * TOKEN * own.between(...LARGE_PER_10000)) / 10_000);
  // What is held is the most that it may come to; the rest goes back as a refund does.
  const isHold = holds > 0 && own.chance(holds);
  const amount = isHold ? 2 * units : units;
  const tip = tips > 0 && own.chance(tips) ? Math.floor((units * own.between(50, 200)) / 1000) : 0;
  tap(
    simulation,
    own,
    payer,
    terminal,
    { amount, tip, hold: isHold },
    {
      hasty: own.chance(scenario.hasty),
      refund: own.chance(scenario.refunds) || isHold,
      sale: terminal.sales.ask(),
    },
  );
}

function freePayer(simulation: Run, terminal: TerminalActor, own: Random): PayerActor | undefined {
  for (let tries = 0; tries < TRIES; tries++) {
    const payer = passerBy(simulation, terminal, own);
    if (payer !== undefined && !payer.busy && payer.device.power === 'on') return payer;
  }
  return undefined;
}

/** Somebody who might pay at a terminal: of its district, or now and then from anywhere. */
function passerBy({ fleet, options }: Run, terminal: TerminalActor, own: Random): PayerActor | undefined {
  const payers = fleet.byRole[terminal.role === 'pos' ? 'wearable' : 'car'];
  const { districts } = fleet;
  if (districts === 1 || own.chance(options.scenario.districts?.strangers ?? 0)) return own.pick(payers);
  const { district } = terminal.merchant;
  const first = Math.ceil((district * payers.length) / districts);
  const end = Math.ceil(((district + 1) * payers.length) / districts);
  return end > first ? payers[own.between(first, end - 1)] : undefined;
}

/** Everyone is online; whoever has a voucher without an answer goes back to where it was paid. */
export function planDrain(simulation: Run): void {
  const { world, fleet, hub, random } = simulation;
  const own = random.fork('drain');
  fleet.drained = true;
  for (const device of fleet.devices) world.after(own.between(SECOND, 5 * MINUTE), () => device.goOnline());
  const until = world.nowMs + drainMsOf(simulation.options.scenario);
  /** When somebody was last at a till, ms by payer and terminal. */
  const visits = new Map<string, number>();
  const round = (): void => {
    world.after(5 * MINUTE, () => {
      hub.settle();
      const first = own.below(fleet.payers.length);
      const errands = [...fleet.payers.slice(first), ...fleet.payers.slice(0, first)]
        .flatMap((payer) => errandsOf(simulation, payer))
        .map((errand) => ({ ...errand, atMs: visits.get(keyOf(errand)) ?? -1 }));
      // Who waits longest comes first: neither a cheat who is refused for ever keeps a till from the others, nor a till that
      // answers nothing a customer from the next one.
      for (const errand of errands.sort((a, b) => a.atMs - b.atMs)) {
        const { payer, terminal } = errand;
        if (payer.busy || terminal.busy || terminal.device.isLinked) continue;
        visits.set(keyOf(errand), world.nowMs);
        visit(simulation, own, payer, terminal);
      }
      if (world.nowMs + 10 * MINUTE < until) round();
    });
  };
  round();
}

/** A payer that wants an answer, and the terminal that owes it. */
interface Errand {
  readonly payer: PayerActor;
  readonly terminal: TerminalActor;
}

const keyOf = ({ payer, terminal }: Errand): string => `${payer.channel} ${terminal.device.name}`;

function errandsOf(simulation: Run, payer: PayerActor): Errand[] {
  // Who carries a device that signs nothing has nothing to gain at the till, and keeps others from it.
  if (payer.device.frozen || payer.device.key.dead) return [];
  const { unconfirmed, writtenOff } = payer.device.books;
  // What was written off holds nothing up; the money comes back all the same when the till is met.
  const terminals = new Set<TerminalActor>();
  for (const open of [...unconfirmed, ...writtenOff]) {
    const address = open.kind === 'tick' ? open.terminal : open.request.terminal;
    const terminal = simulation.fleet.terminalOf(address);
    // Nobody goes back to a till that answers nothing any more.
    if (terminal !== undefined && !simulation.isFrozenTerminal(address)) terminals.add(terminal);
  }
  return [...terminals].map((terminal) => ({ payer, terminal }));
}
