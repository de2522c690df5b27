// The contracts' own tests, run by forge: unit, fuzz and invariant tests, with fixed seeds.
import { forgeEnvironment, forgeProgram } from '../../contracts/tools/forge.mjs';

export default {
  name: 'contracts',
  async run({ root, deep, execute }) {
    const { code, output } = await execute(forgeProgram(), ['test', '--root', root], {
      env: { ...forgeEnvironment, FOUNDRY_PROFILE: deep ? 'deep' : 'default' },
    });
    const totals = /(\d+) tests? passed, (\d+) failed, (\d+) skipped/.exec(
      output.slice(output.lastIndexOf('Ran ')),
    );
    if (totals === null) return { passed: 0, failed: 1, skipped: 0 };
    const [passed, failed, skipped] = totals.slice(1).map(Number);
    return { passed, failed: Math.max(failed, code === 0 ? 0 : 1), skipped };
  },
};
