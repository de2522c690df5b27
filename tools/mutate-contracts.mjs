// npm run mutate:contracts [-- --shard i/n] [--sample N] [--operator NAME] [--file PART] [--list]: breaks the contracts one place at a
// time (a condition, a comparison, an operator, a statement, a modifier, a width, an index) and runs forge's tests on each. Every
// mutant must be caught, or stand in contracts/test/survivors.json with the reason why it can't be. Results are kept in
// build/mutants, so that an interrupted run goes on where it stopped.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { forgeEnvironment, forgeProgram } from '../contracts/tools/forge.mjs';
import { collectSources, compileInput } from './contracts.mjs';
import { ensureInstalled, root } from './ensure.mjs';

ensureInstalled();
const { values: options } = parseArgs({
  options: {
    shard: { type: 'string', default: '1/1' },
    sample: { type: 'string' },
    operator: { type: 'string' },
    file: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(
    'npm run mutate:contracts -- [--shard i/n] [--sample N] [--operator NAME] [--file PART] [--list]\n',
  );
  process.exit(0);
}
const [shard, shards] = options.shard.split('/').map(Number);
const folder = join(root, 'build', 'mutants');
mkdirSync(folder, { recursive: true });

/** What is deployed, and with which of their sources each is made; the reserve's code stands in that of the pots, a split's in that of the splits. */
const TARGETS = ['Vault', 'Pots', 'Registry', 'Mandates', 'Splits'].map((name) => {
  const file = `contracts/src/${name}.sol`;
  const own = {};
  collectSources(file, own);
  return { name, file, own };
});
const sources = Object.assign({}, ...TARGETS.map(({ own }) => own));
const mutated = Object.keys(sources).filter(
  (name) =>
    name.startsWith('contracts/src/') && !/(Reasons|IVault|IVaultView|IRegistry|IPayouts)\.sol$/.test(name),
);

/** Each operator: a pattern, and what it becomes. All matches of a line are tried one by one. */
const OPERATORS = [
  ['condition never', /\bif \((?!.*\{\s*$)(.+)\) (?=revert|return)/g, () => 'if (false) '],
  ['condition never', /\bif \((.+)\) \{$/g, () => 'if (false) {'],
  // A value that may only rise, set whatever it was.
  ['condition always', /\bif \((?!.*\{\s*$)(.+)\) (?=[\w.[\] >]+ [+-]?= )/g, () => ''],
  ['comparison', / < /g, () => ' <= '],
  ['comparison', / <= /g, () => ' < '],
  ['comparison', / > /g, () => ' >= '],
  ['comparison', / >= /g, () => ' > '],
  ['comparison', / == /g, () => ' != '],
  ['comparison', / != /g, () => ' == '],
  ['logic', / && /g, () => ' || '],
  ['logic', / \|\| /g, () => ' && '],
  ['arithmetic', / \+ /g, () => ' - '],
  ['arithmetic', / - /g, () => ' + '],
  ['arithmetic', / \* /g, () => ' + '],
  ['arithmetic', / \/ /g, () => ' * '],
  ['arithmetic', / \+= /g, () => ' -= '],
  ['arithmetic', / -= /g, () => ' += '],
  ['bits', / << /g, () => ' >> '],
  ['bits', / >> /g, () => ' << '],
  ['bits', / & /g, () => ' | '],
  ['bits', / \| /g, () => ' & '],
  ['assembly', /\badd\(/g, () => 'sub('],
  ['assembly', /\bsub\(/g, () => 'add('],
  ['assembly', /\blt\(/g, () => 'gt('],
  ['assembly', /\bgt\(/g, () => 'lt('],
  ['assembly', /\band\(/g, () => 'or('],
  ['assembly', /\bor\(/g, () => 'and('],
  ['assembly', /\bshl\(/g, () => 'shr('],
  ['assembly', /\bshr\(/g, () => 'shl('],
  ['assembly', /\biszero\(/g, () => 'not('],
  ['assembly', /\beq\(/g, () => 'sub('],
  // Numbers of channels are of 32 bits, ids of payees too.
  ['cut to 16 bits', /\brow\.channel\b/g, () => 'uint16(row.channel)'],
  ['cut to 16 bits', / & MASK32\b/g, () => ' & 0xffff'],
  ['cut to 16 bits', /\buint32\((?=[\w.]+\))/g, () => 'uint16('],
  // Amounts are of 48 bits.
  ['cut to 32 bits', /\buint48\((?=[\w.]+\))/g, () => 'uint32('],
  // The first or the last of two where the smaller counts.
  ['first, not least', /\b_min\(([^(),]+), ([^(),]+)\)/g, (_, first) => first],
  ['last, not least', /\b_min\(([^(),]+), ([^(),]+)\)/g, (_, __, last) => last],
  ['swapped index', /\[(\w+)\]\[(\w+)\]/g, (_, outer, inner) => `[${inner}][${outer}]`],
  ['modifier', / (nonReentrant|whenNotFrozen|onlyTimelock|onlyOperator|onlyPots)\b/g, () => ''],
  [
    'statement',
    /^(\s+)(?!return|revert|let|using|error|event|emit|else|for|uint|bool|address|bytes)([_a-z][\w.[\]()]* (?:[+-]?=) [^=].*;)$/g,
    (_, indent) => `${indent}{}`,
  ],
  ['statement', /^(\s+)((?:delete |--|\+\+|_)[^=]*;)$/g, (_, indent) => `${indent}{}`],
  ['statement', /^(\s+)(mstore|sstore|calldatacopy)\(.*\)$/g, (_, indent) => `${indent}{}`],
];

/** A line without its comment; empty when it holds nothing that runs. */
function codeOf(line) {
  const code = line.replace(/\/\/.*$/, '');
  if (/^\s*(\*|\/\*|import|pragma|error|event|using|interface|library|abstract|contract|struct)\b/.test(code))
    return '';
  // A declaration of a storage variable or of a constant's name holds no operator of its own.
  return code;
}

function* mutants() {
  for (const file of mutated) {
    const lines = sources[file].content.split('\n');
    for (const [index, line] of lines.entries()) {
      const code = codeOf(line);
      if (code.trim() === '') continue;
      for (const [operator, pattern, change] of OPERATORS) {
        for (const match of code.matchAll(pattern)) {
          const after =
            code.slice(0, match.index) + change(...match) + code.slice(match.index + match[0].length);
          yield {
            file,
            line: index + 1,
            operator,
            before: line.trim(),
            after: after.trim(),
            text: after,
            at: match.index,
          };
        }
      }
    }
  }
}

const hashOf = (parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
};
const tests = hashOf(
  readdirSync(join(root, 'contracts', 'test'))
    .filter((name) => name.endsWith('.sol'))
    .sort()
    .map((name) => readFileSync(join(root, 'contracts', 'test', name))),
);
const code = hashOf(
  Object.keys(sources)
    .sort()
    .map((name) => sources[name].content),
);

const all = [...mutants()]
  .filter(({ operator }) => operator === (options.operator ?? operator))
  .filter(({ file }) => file.includes(options.file))
  .map((mutant) => ({
    ...mutant,
    id: createHash('sha256')
      .update([mutant.file, mutant.line, mutant.operator, mutant.at, mutant.after].join('\n'))
      .digest('hex')
      .slice(0, 12),
  }));
/** In the order of their hashes, so that a sample, or what an interrupted run got done, is spread over all files. */
all.sort((a, b) => (a.id < b.id ? -1 : 1));
const sampled = options.sample ? all.slice(0, Number(options.sample)) : all;
const mine = sampled.filter((_, index) => index % shards === shard - 1);
if (options.list) {
  for (const { file, line, operator, before, after } of mine)
    process.stdout.write(`${file}:${line} ${operator}\n  - ${before}\n  + ${after}\n`);
  process.stdout.write(`${mine.length} of ${all.length} mutants\n`);
  process.exit(0);
}

const accepted = JSON.parse(readFileSync(join(root, 'contracts', 'test', 'survivors.json'), 'utf8'));
const isAccepted = ({ file, before, after }) =>
  accepted.find((entry) => entry.file === file && entry.before === before && entry.after === after);

const resultsFile = join(folder, `results-${shard}-of-${shards}.json`);
let results = existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')) : {};
if (results.code !== code) results = { code, tests, verdicts: {} };
if (results.tests !== tests) {
  // Other tests may catch what survived; what was caught stays caught as long as tests are only added.
  const kept = Object.entries(results.verdicts).filter(([, verdict]) => verdict !== 'survived');
  results = { code, tests, verdicts: Object.fromEntries(kept) };
}

const require = createRequire(import.meta.url);
const solc = require('solc');
const codeFile = (name) => `build/mutants/${name.toLowerCase()}-${shard}-of-${shards}.hex`;

/** The quick tests first: most mutants don't survive them, and the histories take as long as all of these. */
function forgeTests() {
  const quick = forge(['--no-match-contract', 'FraudBoundsTest|DigestsTest|InvariantsTest|BoundedTest']);
  return quick.status === 0 ? forge(['--match-contract', 'InvariantsTest|BoundedTest']) : quick;
}

const forge = (choice) => runForge(['test', '--fail-fast', ...choice]);

function runForge(args) {
  return spawnSync(forgeProgram(), [...args, '--root', root], {
    cwd: root,
    env: {
      ...process.env,
      ...forgeEnvironment,
      FOUNDRY_PROFILE: 'mutate',
      ...Object.fromEntries(
        TARGETS.map(({ name }) => [`SUNDIAL_CODE_${name.toUpperCase()}`, codeFile(name)]),
      ),
    },
    encoding: 'utf8',
    // What runs for ever is caught; what only has to wait for the processor must not be.
    timeout: 900_000,
    maxBuffer: 1 << 28,
  });
}

/** What the compiler may do here: a third of its usual time, for code that is larger than a chain would take. */
const optimizer = {
  enabled: true,
  runs: 200,
  details: {
    yul: true,
    cse: false,
    constantOptimizer: false,
    yulDetails: { stackAllocation: true, optimizerSteps: 'u:' },
  },
};

/** Creation code of a contract with one file changed; undefined when it doesn't compile. */
function compile({ name, file, own }, changed = {}) {
  const job = JSON.parse(compileInput({ ...own, ...changed }, [[file, name]]));
  job.settings.optimizer = optimizer;
  const output = JSON.parse(solc.compile(JSON.stringify(job)));
  if ((output.errors ?? []).some(({ severity }) => severity === 'error')) return undefined;
  return `0x${output.contracts[file][name].evm.bytecode.object}`;
}

const write = (name, bytecode) => writeFileSync(join(root, codeFile(name)), bytecode);

/** caught, survived, or invalid when it doesn't compile or compiles to the very same code. */
function judge({ file, line, text }, originals) {
  const lines = sources[file].content.split('\n');
  lines[line - 1] = text;
  const changed = { [file]: { content: lines.join('\n') } };
  const made = TARGETS.filter(({ own }) => own[file] !== undefined).map((target) => [
    target.name,
    compile(target, changed),
  ]);
  if (made.some(([, bytecode]) => bytecode === undefined)) return 'invalid';
  if (made.every(([name, bytecode]) => bytecode === originals[name])) return 'invalid';
  for (const [name, bytecode] of made) write(name, bytecode);
  const verdict = forgeTests().status === 0 ? 'survived' : 'caught';
  for (const [name] of made) write(name, originals[name]);
  return verdict;
}

// Everything at once: a filtered run compiles what its filter leaves out again and again.
runForge(['build']);
const originals = Object.fromEntries(TARGETS.map((target) => [target.name, compile(target)]));
for (const [name, bytecode] of Object.entries(originals)) write(name, bytecode);
const clean = forgeTests();
if (clean.status !== 0) {
  process.stderr.write(
    `The tests fail without any mutation:\n${clean.stdout.slice(-3000)}${clean.stderr ?? ''}\n`,
  );
  process.exit(1);
}

let done = 0;
for (const mutant of mine) {
  results.verdicts[mutant.id] ??= judge(mutant, originals);
  writeFileSync(resultsFile, JSON.stringify(results));
  done += 1;
  if (results.verdicts[mutant.id] === 'survived' && !isAccepted(mutant)) {
    process.stdout.write(
      `survived ${mutant.file}:${mutant.line}\n  - ${mutant.before}\n  + ${mutant.after}\n`,
    );
  }
  if (done % 25 === 0) process.stderr.write(`${done} of ${mine.length}\n`);
}
const verdictOf = (mutant) => results.verdicts[mutant.id];
const caught = mine.filter((mutant) => verdictOf(mutant) === 'caught').length;
const invalid = mine.filter((mutant) => verdictOf(mutant) === 'invalid').length;
const survivors = mine.filter((mutant) => verdictOf(mutant) === 'survived');
const known = survivors.filter(isAccepted).length;
process.stdout.write(
  `${mine.length} mutants: ${caught} caught, ${invalid} equal or not compiling, ${known} known survivors, ${survivors.length - known} survived\n`,
);
process.exit(survivors.length === known ? 0 : 1);
