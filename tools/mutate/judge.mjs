// Judging breaks: each is written into a copy of the tree, so that programs which a test starts are broken, too.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../ensure.mjs';
import { reaches } from './reach.mjs';
import { bundleTest, runTest } from './tests.mjs';

/** A test that hangs has noticed: after this many times what it takes unbroken, or so many seconds more. */
const SLOWER = 6;
const LONGER_SECONDS = 60;
const LIMIT_SECONDS_MIN = 20;
/** Tests longer than this are run again when they fail: on a busy machine they may do so with nothing broken. */
const AGAIN_SECONDS = 2;

/** Copies the tree to `folder`, without what git ignores; packages are linked, compiled contracts copied. */
function copyTree(folder) {
  rmSync(folder, { recursive: true, force: true });
  const listed = spawnSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root });
  for (const name of listed.stdout.toString().split('\n')) {
    if (name === '' || !existsSync(join(root, name))) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    cpSync(join(root, name), join(folder, name));
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  cpSync(join(root, 'build', 'contracts'), join(folder, 'build', 'contracts'), { recursive: true });
}

/** How likely a test that was not counted runs a file: 0 to 3. */
const nearness = ({ test, holds }, file) =>
  (holds.has(file) ? 2 : 0) + (file.split('/').includes(test.split('/')[0]) ? 1 : 0);

/** One copy of the tree, in which one break after the other is judged. */
export class Judge {
  /** What each test reaches, once that was counted. */
  tests = [];

  /** No test is begun that would last beyond `untilMs`. */
  constructor(folder, untilMs) {
    this.folder = folder;
    this.untilMs = untilMs;
    this.sound = new Map();
    copyTree(folder);
  }

  close() {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /**
   * The tests to try on a break: `sure`, those that run the broken lines, quickest first, or for a line that none is known to
   * run those that start programs, as what is killed tells no counts; and `maybe`, those that were not counted and may.
   */
  testsFor({ file, line, lastLine }) {
    const passing = this.tests.filter(({ passed }) => passed);
    const reaching = passing.filter((test) => reaches(test, file, line, lastLine));
    const starting = passing.filter(({ children, files }) => children && files[file] !== undefined);
    const maybe = passing
      .filter(({ holds, children }) => holds !== undefined && (holds.has(file) || children))
      .sort((a, b) => nearness(b, file) - nearness(a, file));
    return { sure: reaching.length > 0 ? reaching : starting, maybe };
  }

  /**
   * { caughtBy, why } of the test that noticed, or { untried, tried }: how many of `tests` there was no time for, and the
   * names of those that passed.
   */
  async judge(site, tests) {
    const file = join(this.folder, site.file);
    const original = readFileSync(file);
    writeFileSync(file, site.changed);
    try {
      let untried = 0;
      const tried = [];
      for (const one of tests) {
        const { test, seconds } = one;
        if (Date.now() + seconds * 1000 > this.untilMs) {
          untried += 1;
          continue;
        }
        const failed = await this.fails(one);
        if (failed === undefined) tried.push(test);
        else if (!failed.unclear && (one.holds === undefined || (await this.isSound(one, file, original))))
          return { caughtBy: test, why: failed.why };
        writeFileSync(file, site.changed);
      }
      return { untried, tried };
    } finally {
      writeFileSync(file, original);
    }
  }

  /** Does a test that was not counted pass with nothing broken? Looked at once. */
  async isSound(one, file, original) {
    const known = this.sound.get(one.test);
    if (known !== undefined) return known;
    writeFileSync(file, original);
    const passed = (await this.fails(one)) === undefined;
    this.sound.set(one.test, passed);
    return passed;
  }

  /** How a test fails, or undefined; `unclear` when it was stopped, and nobody knows how long it takes unbroken. */
  async fails({ test, seconds, holds }) {
    const file = join('build', 'mutate', `${test}.mjs`);
    mkdirSync(dirname(join(this.folder, file)), { recursive: true });
    writeFileSync(join(this.folder, file), await bundleTest(this.folder, test, file));
    const limit = Math.max(LIMIT_SECONDS_MIN, Math.min(SLOWER * seconds, seconds + LONGER_SECONDS));
    const first = await runTest(this.folder, file, limit);
    if (first.hung) return holds === undefined ? first : { unclear: true };
    if (first.passed || seconds < AGAIN_SECONDS) return first.passed ? undefined : first;
    const second = await runTest(this.folder, file, limit);
    return second.passed ? undefined : second;
  }
}
