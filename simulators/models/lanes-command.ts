/** `npm run model:lanes [-- --json]`: all worlds of the two lanes, and each rule dropped. */
import { exploreLanes, LANE_DROPS, LANE_RULES, LANE_WORLDS } from './lanes.ts';

const json = process.argv.includes('--json');
const say = (text: string) => process.stderr.write(`${text}\n`);
if (process.argv.includes('--help')) {
  process.stdout.write(
    'npm run model:lanes [-- --json]: {"worlds","states","worstLoss","drops","violations"}\n',
  );
  process.exit(0);
}
let [states, worstLoss, violations] = [0, 0, 0];
for (const world of LANE_WORLDS) {
  const { promise, worst, run, ...found } = exploreLanes(world);
  states += found.states;
  worstLoss = Math.max(worstLoss, worst - promise);
  const broken = worst > promise;
  if (broken) violations += 1;
  const { dropped: _, ...about } = world;
  say(
    `${JSON.stringify(about)} promise ${promise} worst ${worst} states ${found.states} ${broken ? 'BROKEN' : 'ok'}`,
  );
  if (broken) say(`  ${run.join(' | ')}`);
}
for (const world of LANE_DROPS) {
  const { promise, worst, run, ...found } = exploreLanes(world);
  states += found.states;
  const lost = worst > promise;
  // A rule without which nothing is lost is not shown to be needed.
  if (!lost) violations += 1;
  say(
    `without ${LANE_RULES[world.dropped!]}: ${worst} where ${promise} is promised ${lost ? '' : 'NOTHING IS LOST'}`,
  );
  if (lost) say(`  ${run.join(' | ')}`);
}
const result = {
  worlds: LANE_WORLDS.length + LANE_DROPS.length,
  states,
  worstLoss,
  drops: LANE_DROPS.length,
  violations,
};
process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${JSON.stringify(result, undefined, 1)}\n`);
process.exit(violations === 0 ? 0 : 1);
