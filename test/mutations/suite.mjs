// Breaks protocol/, device/, hub/ and the simulator's model of the vault one line at a time, in memory, and runs the test
// that must notice. An ordinary run breaks a few (`inCi`) and checks that every other line is still there to be broken;
// `npm run mutate:protocol` does the deep part alone. Each test is run unbroken first: one that fails anyway notices nothing.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, bundleChanged } from '../../tools/bundle.mjs';
import { compileContracts } from '../../tools/contracts.mjs';
import { CORNER_MUTATIONS } from './corners.mjs';
import { HUB_MUTATIONS } from './hub.mjs';
import { MUTATIONS as RULE_MUTATIONS } from './protocol.mjs';
import { VAULT_MUTATIONS } from './vault.mjs';

const MUTATIONS = [...RULE_MUTATIONS, ...CORNER_MUTATIONS, ...HUB_MUTATIONS, ...VAULT_MUTATIONS];

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
    const mine = MUTATIONS.filter(
      (mutation, index) =>
        !missing.includes(mutation) && (deep ? index % shards === shard - 1 : mutation.inCi === true),
    );
    // What a chain's tests deploy.
    compileContracts();
    const outdir = 'build/test/mutations';
    const passes = () =>
      spawnSync(process.execPath, [`${outdir}/broken.mjs`], { cwd: root, timeout: 120_000 }).status === 0;
    for (const test of new Set(mine.map(({ caughtBy }) => caughtBy))) {
      await bundle({ broken: `test/${test}.test.ts` }, outdir);
      judge(passes(), `${test} passes with nothing broken`);
    }
    for (const { name, file, from: find, to: replace, caughtBy } of mine) {
      await bundleChanged({ broken: `test/${caughtBy}.test.ts` }, outdir, { name, file, find, replace });
      judge(!passes(), `${name}: caught by ${caughtBy}`);
    }
    return counts;
  },
};
