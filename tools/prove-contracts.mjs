// npm run prove:contracts [-- --length n] [--json]: every history of a small world of the vault up to a length, walked in the EVM
// and judged from outside (contracts/test/Bounded.t.sol says what is in the world, what is held and what is not looked at).
// Each length more costs 16 times as much: 3 is in CI, 4 takes minutes, 5 most of an hour.
//
// With --smt the rules instead of the bytecode: npm's solc, which has a solver in it, proves by induction that each act of
// contracts/proofs/Books.sol keeps its books, for all amounts and from every state that keeps them. Then each rule is dropped in
// turn, and the proof must fail: a rule that nothing needs, or a prover that says yes to all, would show. Some minutes.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { forgeEnvironment, forgeProgram } from '../contracts/tools/forge.mjs';
import { compileContracts } from './contracts.mjs';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { values: options } = parseArgs({
  options: {
    length: { type: 'string', default: '4' },
    smt: { type: 'boolean', default: false },
    act: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(
    'npm run prove:contracts -- [--length 1..6] [--json]\nnpm run prove:contracts -- --smt [--act NAME] [--json]\n',
  );
  process.exit(0);
}
if (options.smt) process.exit(proveBooks());
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

/** Proves every act of the books by itself, as all at once is beyond the solver, and that no rule is there for nothing. */
function proveBooks() {
  const source = readFileSync(join(root, 'contracts', 'proofs', 'Books.sol'), 'utf8');
  const [before, rest] = source.split('    // ---- what each keeps\n');
  const [head, ...acts] = before.split('    // ---- act\n');
  const nameOf = (act) => /function (\w+)/.exec(act)[1];
  const result = { acts: 0, proved: 0, rules: 0, needed: 0 };
  const say = (text) => process.stderr.write(`${text}\n`);
  for (const act of acts.filter((one) => nameOf(one).includes(options.act))) {
    result.acts += 1;
    const holds = isProved(head + act + rest);
    if (holds) result.proved += 1;
    say(`${nameOf(act)}: ${holds ? 'proved' : 'NOT proved'}`);
    for (const line of act.split('\n').filter((one) => one.endsWith('// rule'))) {
      result.rules += 1;
      const fails = !isProved(head + act.replace(line, '') + rest);
      if (fails) result.needed += 1;
      say(
        `  without ${line.trim().replace(/ *\/\/ rule$/, '')} ${fails ? 'it is not' : 'IT IS PROVED ALL THE SAME'}`,
      );
    }
  }
  const { acts: all, proved, rules, needed } = result;
  const isWhole = all > 0 && proved === all && needed === rules;
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ ...result, holds: isWhole })}\n`
      : `${proved} of ${all} acts keep the books, for all amounts and histories; ${needed} of ${rules} rules are needed for it\n`,
  );
  return isWhole ? 0 : 1;
}

/** Does the solver show that no assertion can fail? */
function isProved(content) {
  const { compile } = createRequire(import.meta.url)('solc');
  const modelChecker = {
    engine: 'chc',
    solvers: ['z3'],
    targets: ['assert'],
    showProvedSafe: true,
    showUnproved: true,
  };
  const settings = { modelChecker, outputSelection: { '*': { '*': [] } } };
  const input = { language: 'Solidity', sources: { 'Books.sol': { content } }, settings };
  const { errors = [] } = JSON.parse(compile(JSON.stringify(input)));
  const broken = errors.find(({ severity }) => severity === 'error');
  if (broken !== undefined) throw new Error(broken.formattedMessage);
  const about = errors.filter(({ message }) => /Assertion violation/.test(message));
  return about.length > 0 && about.every(({ message }) => message.includes('is safe'));
}
