// Breaks protocol/, device/ and hub/ one line at a time, in memory, and runs the test that must notice. Deep only; an ordinary run
// checks that every line is still there to be broken. `npm run mutate:protocol` does the deep part alone.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleChanged } from '../../tools/bundle.mjs';
import { HUB_MUTATIONS } from './hub.mjs';
import { MUTATIONS as RULE_MUTATIONS } from './protocol.mjs';

const MUTATIONS = [...RULE_MUTATIONS, ...HUB_MUTATIONS];

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
      const { name, file, from: find, to: replace, caughtBy } = mutation;
      const entryPoints = { broken: `test/${caughtBy}.test.ts` };
      await bundleChanged(entryPoints, 'build/test/mutations', { name, file, find, replace });
      const outfile = 'build/test/mutations/broken.mjs';
      const { status } = spawnSync(process.execPath, [outfile], { cwd: root, timeout: 120_000 });
      judge(status !== 0, `${name}: caught by ${caughtBy}`);
    }
    return counts;
  },
};
