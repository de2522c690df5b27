// Judging breaks: each is written into a copy of the tree, so that programs which a test starts are broken, too.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../ensure.mjs';
import { reaches } from './reach.mjs';
import { bundleTest, runTest } from './tests.mjs';

/** A test that hangs has noticed: after this many times what it takes unbroken. */
const SLOWER = 6;
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

/** One copy of the tree, in which one break after the other is judged. */
export class Judge {
  /** No test is begun that would last beyond `untilMs`. */
  constructor(folder, tests, untilMs) {
    this.folder = folder;
    this.tests = tests;
    this.untilMs = untilMs;
    copyTree(folder);
  }

  close() {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The tests that run the broken lines, quickest first; for a line that none runs those that start programs. */
  testsFor({ file, line, lastLine }) {
    const passing = this.tests.filter(({ passed }) => passed);
    const reaching = passing.filter((test) => reaches(test, file, line, lastLine));
    if (reaching.length > 0) return reaching;
    // What is killed tells no counts.
    return passing.filter(({ children, files }) => children && files[file] !== undefined);
  }

  /** { caughtBy, why } of the test that noticed, or { untried }: how many tests there was no time for. */
  async judge(site, changed) {
    const file = join(this.folder, site.file);
    const original = readFileSync(file);
    writeFileSync(file, changed);
    try {
      let untried = 0;
      for (const { test, seconds } of this.testsFor(site)) {
        if (Date.now() + seconds * 1000 > this.untilMs) {
          untried += 1;
          continue;
        }
        const failed = await this.fails(test, seconds);
        if (failed !== undefined) return { caughtBy: test, why: failed.why };
      }
      return { untried };
    } finally {
      writeFileSync(file, original);
    }
  }

  async fails(test, seconds) {
    const file = join('build', 'mutate', `${test}.mjs`);
    mkdirSync(dirname(join(this.folder, file)), { recursive: true });
    writeFileSync(join(this.folder, file), await bundleTest(this.folder, test, file));
    const limit = Math.max(LIMIT_SECONDS_MIN, SLOWER * seconds);
    const first = await runTest(this.folder, file, limit);
    if (first.passed || seconds < AGAIN_SECONDS) return first.passed ? undefined : first;
    const second = await runTest(this.folder, file, limit);
    return second.passed ? undefined : second;
  }
}
