/** `npm run model:pots [-- --json]`: all worlds of a lost bond, and what each broken rule costs. */
import { explorePots, POT_BROKEN, POT_RULES, POT_WORLDS } from './pots.ts';

const json = process.argv.includes('--json');
const say = (text: string) => process.stderr.write(`${text}\n`);
if (process.argv.includes('--help')) {
  process.stdout.write(
    'npm run model:pots [-- --json]: {"worlds","states","worstHonestLoss","coalitionProfit","violations"}\n' +
      'worstHonestLoss: of a payee that a lease with members covers; coalitionProfit: beyond what payees lost that take\n' +
      'leases for any terminal, and beyond what the reserve had promised\n',
  );
  process.exit(0);
}
let [states, worstHonestLoss, coalitionProfit, violations] = [0, 0, 0, 0];
for (const world of POT_WORLDS) {
  const found = explorePots(world);
  states += found.states;
  worstHonestLoss = Math.max(worstHonestLoss, found.coveredLoss);
  coalitionProfit = Math.max(coalitionProfit, found.profit);
  const broken = found.coveredLoss > 0 || found.profit > 0 || found.faults > 0;
  if (broken) violations += 1;
  say(`${JSON.stringify(world)} ${JSON.stringify(found)} ${broken ? 'BROKEN' : 'ok'}`);
}
for (const world of POT_BROKEN) {
  const found = explorePots(world);
  states += found.states;
  const lost = found.coveredLoss > 0 || found.profit > 0 || found.faults > 0;
  // A rule that can be broken at no cost isn't shown to be needed.
  if (!lost) violations += 1;
  say(`when ${POT_RULES[world.broken!]}: ${JSON.stringify(found)} ${lost ? '' : 'NOTHING IS LOST'}`);
}
const worlds = POT_WORLDS.length + POT_BROKEN.length;
const result = { worlds, states, worstHonestLoss, coalitionProfit, violations };
process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${JSON.stringify(result, undefined, 1)}\n`);
process.exit(violations === 0 ? 0 : 1);
