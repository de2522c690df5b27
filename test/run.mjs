// The test command: every folder of test/ is a suite. A folder with a suite.mjs runs that; any other runs its
// *.test.ts files, bundled by esbuild, each in a process of its own. Suites overlap, so that a core is busy while a test
// of another suite waits for its broker, browser or board. Options: see --help.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from '../tools/ensure.mjs';

const help = `npm test -- [--suite NAME ...] [--deep] [--shard i/n]
  --suite NAME  only this folder of test/ (may be given several times)
  --deep        the large counts instead of CI's tenth
  --shard i/n   only the i-th of n parts of the suites that can be split (1 <= i <= n)
  --seconds     write what each test took into test/seconds.json, which says who begins first
  --resume      go on where an interrupted run with the same commit, --deep and --shard ended
`;

const { values: options } = parseArgs({
  options: {
    suite: { type: 'string', multiple: true },
    deep: { type: 'boolean', default: false },
    shard: { type: 'string', default: '1/1' },
    seconds: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(help);
  process.exit(0);
}
const [shard, shards] = options.shard.split('/').map(Number);
if (!(Number.isInteger(shard) && Number.isInteger(shards) && shard >= 1 && shard <= shards)) {
  process.stderr.write(`--shard wants i/n with 1 <= i <= n, got ${options.shard}\n`);
  process.exit(2);
}
ensureInstalled();
const { bundle } = await import('../tools/bundle.mjs');

/**
 * Places for processes of tests, of all suites together: one a core, and one more for each second in which a core was
 * idle although somebody waited, up to twice as many; many a test waits for its broker, browser or board.
 */
class Places {
  #taken = 0;
  #waiting = [];
  #seen = idleShare();
  constructor(count) {
    this.count = count;
  }
  async take() {
    if (this.#taken < this.count) this.#taken += 1;
    else await new Promise((resolve) => this.#waiting.push(resolve));
  }
  give() {
    this.#taken -= 1;
    if (this.#taken < this.count) this.#next();
  }
  /** Looks at the last second. */
  look() {
    const now = idleShare();
    const idle = (now.idle - this.#seen.idle) / Math.max(1, now.all - this.#seen.all);
    this.#seen = now;
    if (idle * this.count > 1 / 2 && this.#taken < 2 * this.count) this.#next();
  }
  #next() {
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#taken += 1;
    next();
  }
}

/** Milliseconds that all cores were idle, and all that they had. */
function idleShare() {
  const times = cpus().map(({ times }) => times);
  const sum = (parts) => times.reduce((total, time) => total + parts(time), 0);
  return { idle: sum((time) => time.idle), all: sum((time) => Object.values(time).reduce((a, b) => a + b)) };
}

const cores = Math.max(2, availableParallelism());
const processes = new Places(cores);
setInterval(() => processes.look(), 1000).unref();
/** A test that failed and left a server open would hold up the run for ever; in a deep run one may take hours. */
const LONGEST_MS = (options.deep ? 24 * 60 : 30) * 60_000;
/** Suites at a time: enough that somebody waits for a place. More would only hold finished bundles. */
const suitesAtOnce = cores + 1;

/** Runs a program in its turn, then echoes its output below `title`, and returns its exit code and output. */
export async function execute(command, args, options = {}) {
  await processes.take();
  try {
    return await executeNow(command, args, options);
  } finally {
    processes.give();
  }
}

function executeNow(command, args, { env = {}, cwd = root, quiet = false, title = '' }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, SUNDIAL_DEEP: options.deep ? '1' : '', SUNDIAL_SHARD: options.shard, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    const startedMs = Date.now();
    const timer = setTimeout(() => {
      output += `FAILED: still running after ${LONGEST_MS / 60_000} minutes, and stopped\n`;
      child.kill('SIGKILL');
    }, LONGEST_MS);
    child.on('error', (error) => {
      output += `${error.message}\n`;
      resolve({ code: 127, output, seconds: 0 });
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (!quiet || code !== 0) process.stdout.write(title + output);
      resolve({ code: code ?? (signal ? 128 : 1), output, seconds: (Date.now() - startedMs) / 1000 });
    });
  });
}

/** Reads uvu's closing lines; a run that ended badly without them counts as one failure. */
function countUvu({ code, output }) {
  const figure = (label) =>
    [...output.matchAll(new RegExp(`^\\s*${label}:\\s+(\\d+)`, 'gm'))].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
  const total = figure('Total');
  const passed = figure('Passed');
  const skipped = figure('Skipped');
  const failed = total - passed - skipped;
  if (total === 0) return { passed: 0, failed: 1, skipped: 0 };
  return { passed, failed: Math.max(failed, code === 0 ? 0 : 1), skipped };
}

/** Bundles and runs the *.test.ts files of one folder, at most so many processes at a time. */
async function runUvuFolder(folder, atOnce = cores) {
  const files = readdirSync(join(root, 'test', folder)).filter((name) => name.endsWith('.test.ts'));
  const sum = { passed: 0, failed: 0, skipped: 0 };
  if (files.length === 0) return sum;
  const entries = Object.fromEntries(
    files.map((name) => [name.replace(/\.ts$/, ''), `test/${folder}/${name}`]),
  );
  await bundle(entries, `build/test/${folder}`);
  const queue = Object.keys(entries).sort(
    (a, b) => secondsOf(`${folder}/${b}`) - secondsOf(`${folder}/${a}`),
  );
  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const test = `${folder}/${name.replace('.test', '')}`;
      const result = await execute(
        process.execPath,
        ['--enable-source-maps', `build/test/${folder}/${name}.mjs`],
        { title: `--- ${folder}/${name}\n` },
      );
      took[test] = Math.max(1, Math.round(result.seconds));
      const counts = countUvu(result);
      for (const key of Object.keys(sum)) sum[key] += counts[key];
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return sum;
}

/** What each test took before: who takes longest begins first, so that no core waits for it at the end. */
const secondsFile = join(root, 'test', 'seconds.json');
const tookBefore = JSON.parse(readFileSync(secondsFile, 'utf8'));
const took = {};
const secondsOf = (name) => tookBefore[name.replace(/\.test$/, '')] ?? 0;
/** Of a suite: its tests together, or its own figure where it runs them by itself. */
const secondsOfSuite = (folder) =>
  Object.entries(tookBefore)
    .filter(([test]) => test.split('/')[0] === folder)
    .reduce((sum, [, seconds]) => sum + seconds, 0);

/** Is a program on the PATH? */
export function hasProgram(name) {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, name)));
}

const ci = process.env.CI === 'true';
const folders = readdirSync(join(root, 'test'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .filter(
    (name) =>
      existsSync(join(root, 'test', name, 'suite.mjs')) ||
      readdirSync(join(root, 'test', name)).some((file) => file.endsWith('.test.ts')),
  )
  .filter((name) => !options.suite || options.suite.includes(name))
  .sort();
if (folders.length === 0) {
  process.stderr.write(`No suite named ${options.suite?.join(', ')}.\n`);
  process.exit(2);
}
mkdirSync(join(root, 'build'), { recursive: true });

/** Suites that passed in this kind of run of this commit; a changed work tree has no such memory. */
const commit = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root }).stdout?.toString().trim();
const clean = spawnSync('git', ['status', '--porcelain'], { cwd: root }).stdout?.toString() === '';
const progressFile = join(
  root,
  'build',
  `progress-${options.deep ? 'deep' : 'ci'}-${options.shard.replace('/', '-')}.json`,
);
const progress = { commit, passed: {} };
if (options.resume && clean && existsSync(progressFile)) {
  const stored = JSON.parse(readFileSync(progressFile, 'utf8'));
  if (stored.commit === commit) progress.passed = stored.passed;
}

/** Runs one suite, with what it needs there, and returns its counts. */
async function runSuite(folder) {
  const suiteFile = join(root, 'test', folder, 'suite.mjs');
  if (existsSync(suiteFile)) {
    const suite = (await import(suiteFile)).default;
    const missing = (suite.needs ?? []).filter(({ program }) => !hasProgram(program));
    if (missing.length > 0) {
      const reason = missing.map(({ program, apt }) => `${program} (apt-get install ${apt})`).join(', ');
      process.stdout.write(`${ci ? 'FAILED' : 'skipped'}: ${folder} needs ${reason}\n`);
      return { passed: 0, failed: ci ? 1 : 0, skipped: ci ? 0 : 1 };
    }
    return await suite.run({
      root,
      deep: options.deep,
      shard,
      shards,
      execute,
      bundle,
      runUvuFolder: (atOnce) => runUvuFolder(folder, atOnce),
    });
  }
  return runUvuFolder(folder);
}

const total = { passed: 0, failed: 0, skipped: 0 };
const queue = [...folders].sort((a, b) => secondsOfSuite(b) - secondsOfSuite(a));
async function runSuites() {
  for (let folder = queue.shift(); folder !== undefined; folder = queue.shift()) {
    const started = Date.now();
    const before = progress.passed[folder];
    process.stdout.write(`\n=== ${folder} ${before ? 'passed before' : 'begins'}\n`);
    const counts =
      before ??
      (await runSuite(folder).catch((error) => {
        // One that breaks down holds up none of the others.
        process.stdout.write(`FAILED: ${folder} broke down: ${error.stack}\n`);
        return { passed: 0, failed: 1, skipped: 0 };
      }));
    for (const key of Object.keys(total)) total[key] += counts[key];
    if (before !== undefined) continue;
    if (counts.failed === 0) {
      progress.passed[folder] = counts;
      writeFileSync(progressFile, JSON.stringify(progress));
    }
    const seconds = (Date.now() - started) / 1000;
    if (!Object.keys(took).some((test) => test.startsWith(`${folder}/`))) took[folder] = Math.round(seconds);
    process.stdout.write(
      `=== ${folder}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${seconds.toFixed(1)} s)\n`,
    );
  }
}
await Promise.all(Array.from({ length: suitesAtOnce }, runSuites));
if (options.seconds) {
  const all = Object.entries({ ...tookBefore, ...took }).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(secondsFile, `${JSON.stringify(Object.fromEntries(all), undefined, 2)}\n`);
}
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
