// The tests that judge a break, and running one of them until its first failure.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../ensure.mjs';

/** Folders of test/ that need a compiler, a browser or a board, or look at no source that is broken here. */
const LEFT_OUT = ['bench', 'board', 'contracts', 'docs', 'packages', 'replay', 'report', 'sdk', 'xs'];

/** Folders whose tests start chains, brokers and processes, or walk millions of states: they come last. */
const SLOW = [
  'hub',
  'sim',
  'edges',
  'links',
  'city',
  'crash',
  'vault',
  'cli',
  'operator',
  'console',
  'till',
  'story',
  'plug',
  'walk',
  'proxy',
  'lab',
];

/** Names of the tests that can judge, such as hub/intake: those of slow folders last. */
export function judgingTests() {
  return readdirSync(join(root, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !LEFT_OUT.includes(entry.name))
    .flatMap(({ name }) =>
      readdirSync(join(root, 'test', name))
        .filter((file) => file.endsWith('.test.ts'))
        .map((file) => `${name}/${file.slice(0, -'.test.ts'.length)}`),
    )
    .sort((a, b) => slowness(a) - slowness(b) || (a < b ? -1 : 1));
}

const slowness = (test) => SLOW.indexOf(test.split('/')[0]);

/** Bundles one test in the tree at `folder`; throws what esbuild says when it can't. Returns the bundle's text. */
export async function bundleTest(folder, test, outfile, sourcemap = false) {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: [`test/${test}.test.ts`],
    outfile: join(folder, outfile),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: sourcemap ? 'inline' : false,
    logLevel: 'silent',
    write: false,
  });
  return outputFiles[0].text;
}

export const hashOf = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16);

/**
 * Runs a bundled test in the tree at `folder`. Resolves with { passed, seconds, why, hung } as soon as it ends, prints its
 * first failure, or has run for `limitSeconds`: a test that hangs has noticed.
 */
export function runTest(folder, file, limitSeconds, env = {}) {
  const startedMs = Date.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(folder, file)], {
      cwd: folder,
      env: { ...process.env, SUNDIAL_DEEP: '', SUNDIAL_SHARD: '1/1', NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own group, so that what it started ends with it.
      detached: true,
    });
    let output = '';
    let verdict;
    const end = (passed, why, hung = false) => {
      if (verdict !== undefined) return;
      clearTimeout(timer);
      verdict = { passed, seconds: (Date.now() - startedMs) / 1000, why, hung };
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
      resolve(verdict);
    };
    const timer = setTimeout(
      () => end(false, `ran for more than ${limitSeconds} s`, true),
      limitSeconds * 1000,
    );
    const read = (data) => {
      output = (output + data).slice(-4000);
      // What uvu prints for a test that failed, while the others still run.
      if (String(data).includes('✘')) end(false, 'a test failed');
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', (error) => end(false, error.message));
    child.on('close', (code) => {
      const ran = /^\s*Total:\s+[1-9]/m.test(output);
      end(code === 0 && ran, code === 0 ? 'no test ran' : `exit code ${code}`);
    });
  });
}
