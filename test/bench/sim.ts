/**
 * One fleet in virtual time, measured: arguments are devices, hours, seed, scenario and, if wanted, the word count; one
 * line of JSON on stdout.
 * tools/bench-sim.mjs runs it once a size, each in a process of its own.
 */
import { SCENARIOS } from '../../simulators/scenarios/index.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { summarise } from '../../simulators/report/summary.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';
import { HOUR } from '../../simulators/stage/world/world.ts';
import { BlockCount } from './blocks.ts';

const [devices, hours, seed, name, what] = process.argv.slice(2);
const scenario = SCENARIOS.get(name!);
if (scenario === undefined) throw new Error(`no scenario is called "${name}"`);

const blocks = what === 'count' ? new BlockCount('/sim.mjs') : undefined;
const startedMs = performance.now();
const simulation = new Simulation({
  scenario: { ...scenario, hours: Number(hours) },
  devices: Number(devices),
  seed: Number(seed),
  suite: standInSuite(),
});
for (let at = HOUR; await simulation.runTo(at); at += HOUR) {
  blocks?.take();
  const share = Math.floor((100 * simulation.world.nowMs) / simulation.endMs);
  if (process.stderr.isTTY) process.stderr.write(`\r${devices} devices: ${share} % `);
}
blocks?.take();
const seconds = (performance.now() - startedMs) / 1000;
const { user, system } = process.cpuUsage();
const { events, taps, ticks, violations, traceHash, ledger } = summarise(simulation);
process.stdout.write(
  `${JSON.stringify({
    devices: Number(devices),
    hours: Number(hours),
    events,
    taps,
    ticks,
    ledger,
    violations,
    found: simulation.violations.slice(0, 3).map(({ checker, words }) => `${checker}: ${words}`),
    traceHash,
    ...(blocks && { blocks: blocks.total }),
    seconds,
    cpuSeconds: (user + system) / 1e6,
    memoryMb: Math.ceil(process.resourceUsage().maxRSS / 1024),
  })}\n`,
);
process.exit(violations === 0 ? 0 : 1);
