// npm run prove:contracts [-- --length n] [--json]: every history of a small world of the vault up to a length, walked in the EVM
// and judged from outside (contracts/test/Bounded.t.sol says what is in the world, what is held and what is not looked at).
// Each length more costs 16 times as much: 3 is in CI, 4 takes minutes, 5 most of an hour.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { forgeEnvironment, forgeProgram } from '../contracts/tools/forge.mjs';
import { compileContracts } from './contracts.mjs';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { values: options } = parseArgs({
  options: {
    length: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write('npm run prove:contracts -- [--length 1..6] [--json]\n');
  process.exit(0);
}
if (!/^[1-6]$/.test(options.length)) {
  process.stderr.write(
    `--length ${options.length}\n  Give 1 to 6: each costs 16 times as much as the one before.\n`,
  );
  process.exit(2);
}
compileContracts();
const { status, stdout, stderr } = spawnSync(
  forgeProgram(),
  ['test', '--root', root, '--match-contract', 'BoundedTest', '-vv'],
  {
    cwd: root,
    env: { ...process.env, ...forgeEnvironment, SUNDIAL_HISTORY_LENGTH: options.length },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  },
);
const acts = Number(/acts judged: (\d+)/.exec(stdout)?.[1] ?? 0);
const holds = status === 0 && acts > 0;
if (!holds) process.stderr.write(`${stdout.slice(-4000)}${stderr}\n`);
const result = { length: Number(options.length), acts, holds };
process.stdout.write(
  options.json
    ? `${JSON.stringify(result)}\n`
    : `${acts} acts, all histories up to ${options.length}: ${holds ? 'nothing is made or lost, and only the payee named gains' : 'NOT held'}\n`,
);
process.exit(holds ? 0 : 1);
