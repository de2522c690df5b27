// Breaks protocol/ one line at a time, in memory, and runs the test that must notice. Deep only; an ordinary run
// checks that every line is still there to be broken. `npm run mutate:protocol` does the deep part alone.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MUTATIONS } from './protocol.mjs';

/** Bundles one test file with one line of one source file changed. */
async function bundleBroken(root, mutation, outfile) {
  const { build } = await import('esbuild');
  const target = join(root, mutation.file);
  await build({
    absWorkingDir: root,
    entryPoints: [`test/${mutation.caughtBy}.test.ts`],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
    plugins: [
      {
        name: 'break one line',
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, ({ path }) =>
            path === target
              ? {
                  contents: readFileSync(path, 'utf8').replace(mutation.from, () => mutation.to),
                  loader: 'ts',
                }
              : undefined,
          );
        },
      },
    ],
  });
}

export default {
  name: 'mutations',
  async run({ root, deep, shard, shards }) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const judge = (good, sentence) => {
      counts[good ? 'passed' : 'failed'] += 1;
      process.stdout.write(`${good ? 'ok' : 'FAIL'} ${sentence}\n`);
    };
    const sources = new Map();
    const missing = MUTATIONS.filter(({ file, from }) => {
      if (!sources.has(file)) sources.set(file, readFileSync(join(root, file), 'utf8'));
      return sources.get(file).split(from).length !== 2;
    });
    for (const { name, file } of missing) process.stdout.write(`not exactly once in ${file}: ${name}\n`);
    judge(missing.length === 0, `each of ${MUTATIONS.length} lines to break stands exactly once`);
    if (!deep) return counts;
    const mine = MUTATIONS.filter(
      (mutation, index) => !missing.includes(mutation) && index % shards === shard - 1,
    );
    for (const mutation of mine) {
      const outfile = 'build/test/mutations/broken.mjs';
      await bundleBroken(root, mutation, join(root, outfile));
      const { status } = spawnSync(process.execPath, [outfile], { cwd: root, timeout: 120_000 });
      judge(status !== 0, `${mutation.name}: caught by ${mutation.caughtBy}`);
    }
    return counts;
  },
};
