/**
 * Tills and charge points of the fleet that run what a business runs on them: tips, parts, holds, refunds, days that end;
 * gateways, tariffs, pauses. All of it happens, every promise holds with faults and copied wearables, and a run is the same
 * each time. The two checkers are told lies, and say so. Not checked here: the programs by themselves (test/till, test/ocpp,
 * `npm run till`, `npm run plug`), and which bugs the hunt finds (sim:plants).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chargedIsDue } from '../../simulators/checkers/charged-is-due.ts';
import type { Checker, MakeChecker } from '../../simulators/checkers/checker.ts';
import { tillsAddUp } from '../../simulators/checkers/tills-add-up.ts';
import type { PlugProgram } from '../../simulators/fleet/plug-program.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import type { TillProgram } from '../../simulators/fleet/till-program.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';

const scenario = SCENARIOS.get('hunt-trade')!;
const QUIET = { faults: {}, adversaries: [] };

async function run(change: object, seed: number, checkers?: readonly MakeChecker[]): Promise<Simulation> {
  const simulation = new Simulation({
    scenario: readScenario({ ...scenario, ...change }, 'the test'),
    devices: 24,
    seed,
    suite: standInSuite(),
    keepTrace: true,
    ...(checkers && { checkers }),
  });
  await simulation.run();
  return simulation;
}

const tillsOf = ({ fleet }: Simulation): TillProgram[] => fleet.terminals.flatMap(({ till }) => till ?? []);
const plugsOf = ({ fleet }: Simulation): PlugProgram[] => fleet.terminals.flatMap(({ plug }) => plug ?? []);

const salesOf = (simulation: Simulation) => tillsOf(simulation).flatMap(({ books }) => [...books.newest()]);

test('everything that a merchant and a charge-point operator do happens, and the books add up', async () => {
  const simulation = await run(QUIET, 11);
  assert.equal(simulation.violations, []);
  const sold = salesOf(simulation).filter(({ state }) => state === 'approved');
  const count = (what: (sale: (typeof sold)[number]) => boolean): number => sold.filter(what).length;
  assert.ok(count(({ tip }) => tip > 0) > 10, 'hardly a tip');
  assert.ok(count(({ total, amount, tip }) => total < amount + tip) > 0, 'nobody paid a part');
  assert.ok(count(({ captured, total }) => captured !== undefined && captured < total) > 10, 'hardly a hold');
  assert.ok(count(({ credits }) => credits.filter(({ kind }) => kind === 'refund').length > 1) > 3);
  assert.ok(
    tillsOf(simulation).some(({ books }) => books.reports.length > 0),
    'no day ended',
  );
  const sessions = plugsOf(simulation).flatMap(({ closed }) => closed);
  assert.ok(sessions.length > 5, `${sessions.length} sessions`);
  const credited = sessions.filter(({ streams }) => streams.some((stream) => stream.credited > 0));
  assert.ok(credited.length > 3, 'hardly a last tick was given back');
  assert.ok(new Set(sessions.map(({ ended }) => ended?.reason)).size > 1);
});

test('the power goes before steps of the programs themselves, nothing is lost, and a run is the same again', async () => {
  const change = { faults: { powerCut: 'frequent', tapLoss: 'rare' } };
  const first = await run(change, 5);
  assert.equal(first.violations, []);
  const cuts = first.trace.lines!.filter(({ decision }) => decision === 'cut').map(({ words = '' }) => words);
  for (const program of ['till:', 'plug:'])
    assert.ok(
      cuts.some((words) => words.includes(program)),
      `never before a ${program} step`,
    );
  const second = await run(change, 5);
  assert.is(second.trace.hash(), first.trace.hash());
});

/** What a checker says when it is asked about a run that something was changed in at its end. */
async function toldOf(make: MakeChecker, change: (simulation: Simulation) => void): Promise<string> {
  let simulation: Simulation | undefined;
  const lied: MakeChecker = (on, report) => {
    simulation = on as Simulation;
    const checker: Checker = make(on, report);
    return {
      ...checker,
      finished() {
        change(simulation!);
        checker.finished?.();
      },
    };
  };
  const { violations } = await run({ ...QUIET, hours: 1 }, 11, [lied]);
  return violations.map(({ words }) => words).join('\n');
}

/** Changes the first sale of an open day that `is` finds, in what its till remembers. */
const changeSale =
  (is: (sale: ReturnType<typeof salesOf>[number]) => boolean, fields: object) =>
  (simulation: Simulation): void => {
    const found = tillsOf(simulation)
      .flatMap(({ books }) => [...books.newest()].filter(({ day }) => day === books.day))
      .find((sale) => sale.state === 'approved' && is(sale));
    assert.ok(found, 'no such sale');
    Object.assign(found, fields);
  };

test('a checker of tills that is told lies says so', async () => {
  const of = (change: (simulation: Simulation) => void): Promise<string> => toldOf(tillsAddUp, change);
  assert.is(await of(() => undefined), '');
  const any = (): boolean => true;
  const hasCredit = ({ credits }: { readonly credits: readonly unknown[] }): boolean => credits.length > 0;
  const isHeld = ({ hold, captured }: { readonly hold: boolean; readonly captured?: number }): boolean =>
    hold && captured !== undefined;
  assert.match(await of(changeSale(any, { total: 1 })), /booked 1 and took/);
  assert.match(await of(changeSale(any, { state: 'failed' })), /and sold nothing for it/);
  assert.match(await of(changeSale(any, { payment: undefined })), /its device took nothing for it/);
  assert.match(await of(changeSale(any, { state: 'open' })), /still asks for/);
  assert.match(await of(changeSale(hasCredit, { credits: [] })), /back on .*, and booked 0/);
  assert.match(await of(changeSale(isHeld, { captured: 1 })), /and captured 1/);
  assert.match(await of(changeSale(any, { day: 99 })), /the days of/);
  assert.match(await of(changeSale(({ tip }) => tip > 0, { tip: 0 })), /in tips, and its days say/);
  assert.match(await of(changeSale(isHeld, { hold: false, captured: undefined })), /and its report says/);
});

test('a checker of charge points that is told lies says so', async () => {
  const of = (change: (plug: PlugProgram) => void): Promise<string> =>
    toldOf(chargedIsDue, (simulation) => {
      const plug = plugsOf(simulation).find(({ closed }) =>
        closed.some(({ streams }) => (streams[0]?.k ?? 0) > 3),
      );
      assert.ok(plug, 'no session');
      change(plug);
    });
  const session = ({ closed }: PlugProgram) => closed.find(({ streams }) => (streams[0]?.k ?? 0) > 3)!;
  const readings = (plug: PlugProgram) =>
    plug.chargePoint.chargings.find(({ id }) => id === session(plug).transaction?.id)!.readings;
  const set = (to: object, fields: object): void => void Object.assign(to, fields);
  assert.is(await of(() => undefined), '');
  assert.match(await of((plug) => set(session(plug).streams[0]!, { k: 1 })), /counts 1 ticks/);
  assert.match(await of((plug) => set(session(plug).streams[0]!, { voucher: '0x00' })), /which nobody took/);
  assert.match(await of((plug) => set(plug, { closed: [], open: undefined })), /and no session has them/);
  assert.match(
    await of((plug) => set(plug, { closed: [...plug.closed, session(plug)] })),
    /which another has/,
  );
  assert.match(await of((plug) => set(plug.tariff, { start: 900_000_000 })), /is said to cost/);
  // The car was billed for what never flowed.
  assert.match(
    await of((plug) => {
      readings(plug).splice(1);
      set(plug.tariff, { start: 0, least: 0 });
    }),
    /was paid/,
  );
});

test.run();
