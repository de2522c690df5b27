// The contracts' own tests, run by forge: unit, fuzz and invariant tests, with fixed seeds. Before them the fraud
// rules' TypeScript twin judges a bounded world of vouchers, and leaves its verdicts for forge to compare.
import { forgeEnvironment, forgeProgram } from '../../contracts/tools/forge.mjs';

export default {
  name: 'contracts',
  async run({ root, deep, execute, bundle }) {
    await bundle({ verdicts: 'test/contracts/verdicts.ts' }, 'build/test/contracts');
    const twin = await execute(process.execPath, ['build/test/contracts/verdicts.mjs']);
    const { code, output } = await execute(forgeProgram(), ['test', '--root', root], {
      env: { ...forgeEnvironment, FOUNDRY_PROFILE: deep ? 'deep' : 'default' },
    });
    const totals = /(\d+) tests? passed, (\d+) failed, (\d+) skipped/.exec(
      output.slice(output.lastIndexOf('Ran ')),
    );
    if (totals === null) return { passed: 0, failed: 1, skipped: 0 };
    const [passed, failed, skipped] = totals.slice(1).map(Number);
    const twinFailed = twin.code === 0 ? 0 : 1;
    return {
      passed: passed + 1 - twinFailed,
      failed: Math.max(failed, code === 0 ? 0 : 1) + twinFailed,
      skipped,
    };
  },
};
