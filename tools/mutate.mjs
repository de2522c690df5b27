// npm run mutate -- --random: breaks lines of protocol/, device/, hub/ and the simulator's checkers at random and runs
// first the tests that stand nearest, then all that reach them. A break is caught when a test fails; one that no test can notice stands, with the reason,
// in test/mutations/explained.json. The lists of single lines, each with its test, are run by the suite `mutations`.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from './ensure.mjs';

const help = `npm run mutate -- [--random [--seed n] [--count k] [--json]]
  --random     break lines drawn at random; without it the lists of test/mutations/ are run
  --seed n     which lines (default 1): the same seed draws the same breaks of the same sources
  --count k    how many (default 20)
  --only text  only breaks of files whose path holds this text
  --seconds n  only tests that take no longer; what survives them may be caught by longer ones
  --minutes n  in all (default 18); a break that is left with untried tests then survives and says so
  --list       print what would be broken, run nothing
  --json       one JSON object on stdout: {"breaks","caught","survived","explained"}; progress is on stderr
Exit code 0 when nothing survived, 1 when something did, 2 for a wrong option.
`;

function wrong(words) {
  process.stderr.write(`${words}\n${help}`);
  process.exit(2);
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        random: { type: 'boolean', default: false },
        seed: { type: 'string', default: '1' },
        count: { type: 'string', default: '20' },
        only: { type: 'string', default: '' },
        seconds: { type: 'string', default: 'Infinity' },
        minutes: { type: 'string', default: '18' },
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return wrong(error.message);
  }
}

const options = readOptions();
if (options.help) {
  process.stdout.write(help);
  process.exit(0);
}
const [seed, count] = [Number(options.seed), Number(options.count)];
if (!Number.isSafeInteger(seed) || seed < 0) wrong(`--seed wants a whole number, got ${options.seed}`);
if (!Number.isSafeInteger(count) || count < 1)
  wrong(`--count wants a whole number from 1, got ${options.count}`);
const secondsMax = Number(options.seconds);
if (!(secondsMax > 0)) wrong(`--seconds wants a number above 0, got ${options.seconds}`);
const minutes = Number(options.minutes);
if (!(minutes > 0)) wrong(`--minutes wants a number above 0, got ${options.minutes}`);
ensureInstalled();
if (!options.random) {
  const args = ['test/run.mjs', '--deep', '--suite', 'mutations'];
  process.exit(spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1);
}

const { transform } = await import('esbuild');
const { compileContracts } = await import('./contracts.mjs');
const { broken, sitesOf } = await import('./mutate/sites.mjs');
const { importsOfTests, mayReach, nearestTests } = await import('./mutate/near.mjs');
const { reachOfTests, uncounted } = await import('./mutate/reach.mjs');
const { Judge } = await import('./mutate/judge.mjs');

const FOLDERS = ['protocol', 'device', 'hub', 'simulators/checkers'];
const WORKERS = Math.min(2, availableParallelism());
/** What a test is thought to take that is tried because it stands near: it is stopped after some six times that. */
const NEAR_SECONDS = 7;
/** The part of the time that counting what tests reach may take, where it was not done before. */
const COUNTING = 0.55;
const startedMs = Date.now();
const say = (words) =>
  process.stderr.write(`${((Date.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${words}\n`);

/** A number from 0 to below 1 at each call: mulberry32, the same row for the same seed. */
function numbersFrom(start) {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function sourceFiles() {
  const listed = spawnSync('git', ['ls-files', '-co', '--exclude-standard', ...FOLDERS], { cwd: root });
  const names = listed.stdout.toString().split('\n');
  return names.filter((name) => name.endsWith('.ts') && name.includes(options.only)).sort();
}

/** What esbuild makes of a source; undefined when it can't. */
async function compiled(text) {
  try {
    return (await transform(text, { loader: 'ts', logLevel: 'silent' })).code;
  } catch {
    return undefined;
  }
}

/** Draws `count` breaks that compile and change the program. */
async function draw() {
  const sources = new Map(sourceFiles().map((file) => [file, readFileSync(join(root, file), 'utf8')]));
  const sites = [...sources].flatMap(([file, source]) => sitesOf(file, source));
  const random = numbersFrom(seed);
  const drawn = [];
  while (drawn.length < count && sites.length > 0) {
    const [site] = sites.splice(Math.floor(random() * sites.length), 1);
    const source = sources.get(site.file);
    const change = broken(source, site);
    const code = await compiled(change.changed);
    if (code !== undefined && code !== (await compiled(source))) drawn.push({ ...site, ...change });
  }
  return drawn;
}

const shown = ({ file, line, kind, from, to }) => ({ file, line, kind, from, to });
const inWords = ({ file, line, kind, from, to }) => `${file}:${line} ${kind}\n  - ${from}\n  + ${to}\n`;

const drawn = await draw();
if (options.list) {
  for (const site of drawn) process.stdout.write(inWords(site));
  process.exit(0);
}
const explanations = JSON.parse(readFileSync(join(root, 'test', 'mutations', 'explained.json'), 'utf8'));
const reasonFor = ({ file, from, to }) =>
  explanations.find(
    (one) => one.file === file && one.from === from && (one.to === undefined || one.to === to),
  );

const result = { breaks: drawn.length, caught: 0, survived: [], explained: [] };
const queue = [];
for (const site of drawn) {
  const reason = reasonFor(site);
  if (reason === undefined) queue.push(site);
  else result.explained.push({ ...shown(site), reason: reason.reason });
}
if (queue.length > 0) {
  compileContracts();
  const untilMs = startedMs + minutes * 60_000;
  const judges = Array.from(
    { length: WORKERS },
    (_, index) => new Judge(join(root, 'build', 'mutate', `tree-${process.pid}-${index}`), untilMs),
  );
  /** Tries tests on each break; resolves with the breaks that were not caught. */
  const pass = async (sites, testsOf) => {
    const left = [];
    const worker = async (judge) => {
      for (let site = sites.shift(); site !== undefined; site = sites.shift()) {
        const tried = site.tried ?? new Set();
        const tests = testsOf(judge, site).filter(({ test }) => !tried.has(test));
        const { caughtBy, why, untried, tried: passed } = await judge.judge(site, tests);
        if (caughtBy === undefined) left.push({ ...site, untried, tried: new Set([...tried, ...passed]) });
        else {
          result.caught += 1;
          say(`caught by ${caughtBy} (${why}): ${inWords(site).trimEnd()}`);
        }
      }
    };
    await Promise.all(judges.map(worker));
    return left;
  };
  const graph = await importsOfTests();
  const near = await pass(queue, (_, { file }) =>
    nearestTests(graph, file).map((test) => ({ ...uncounted(test), seconds: NEAR_SECONDS })),
  );
  // For the others it is counted who runs the line. What was not counted may take long, and may not run it at all.
  const files = new Set(near.map(({ file }) => file));
  const wanted = (test) => near.length > 0 && mayReach(graph, test, files);
  const countUntilMs = Date.now() + COUNTING * (untilMs - Date.now());
  const tests = (await reachOfTests(say, WORKERS, countUntilMs, wanted)).filter(
    ({ seconds }) => seconds <= secondsMax,
  );
  for (const judge of judges) judge.tests = tests;
  const sure = await pass(near, (judge, site) => judge.testsFor(site).sure);
  for (const { untried, tried: _, ...site } of await pass(
    sure,
    (judge, site) => judge.testsFor(site).maybe,
  )) {
    result.survived.push({ ...shown(site), ...(untried > 0 && { untried }) });
    say(`SURVIVED${untried > 0 ? `, ${untried} tests untried` : ''}: ${inWords(site).trimEnd()}`);
  }
  for (const judge of judges) judge.close();
}
if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
else {
  for (const site of result.survived) process.stdout.write(`survived ${inWords(site)}`);
  for (const site of result.explained) process.stdout.write(`explained ${inWords(site)}  ${site.reason}\n`);
  const { breaks, caught, survived, explained } = result;
  process.stdout.write(
    `${breaks} breaks: ${caught} caught, ${explained.length} explained, ${survived.length} survived\n`,
  );
}
process.exit(result.survived.length === 0 ? 0 : 1);
