// Type check and lint of the whole tree, layers, executors, docstrings, and how much C a chip holds, each one test.
import { linesOfC } from '../../tools/lines-of-c.mjs';
import { checkDocstrings } from './docstrings.mjs';
import { checkExecutors } from './executors.mjs';
import { checkLayers } from './layers.mjs';

export default {
  name: 'style',
  async run({ root, execute }) {
    const checks = [
      ['node_modules/.bin/tsc', ['--noEmit', '-p', 'tsconfig.json']],
      // What runs in a browser.
      ['node_modules/.bin/tsc', ['--noEmit', '-p', 'hardware/boards/node/ocpp/verifier']],
      ['node_modules/.bin/biome', ['check', '--diagnostic-level=warn', '--error-on-warnings', '.']],
    ];
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const [program, args] of checks) {
      const { code } = await execute(program, args, { quiet: true });
      counts[code === 0 ? 'passed' : 'failed'] += 1;
    }
    const sentences = [...checkLayers(root), ...checkExecutors(root), ...checkDocstrings(root)];
    for (const [sentence, faults] of sentences) {
      counts[faults.length === 0 ? 'passed' : 'failed'] += 1;
      for (const fault of faults) process.stdout.write(`${sentence}: ${fault}\n`);
    }
    const { faults } = linesOfC();
    counts[faults.length === 0 ? 'passed' : 'failed'] += 1;
    for (const fault of faults) process.stdout.write(`${fault}\n`);
    return counts;
  },
};
