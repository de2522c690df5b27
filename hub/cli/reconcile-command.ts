/** `sundial reconcile`: do device journals, hub ledger and vault say the same? */
import { join } from 'node:path';
import type { Command } from 'commander';
import { SundialError } from '../../protocol/errors.ts';
import { HubStatus } from './hub-status.ts';
import { reconcile, reconciliationTable } from './reconcile.ts';
import { readSite } from './site.ts';
import { STATE_ROOT } from '../../hardware/boards/node/cli/paths.ts';
import { namedForL2 } from './l2-errors.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';

async function run(flags: { readonly site: string; readonly json: boolean }): Promise<void> {
  const site = readSite(flags.site);
  if (site.statusUrl === undefined) {
    throw new SundialError('no_site', 'the site has no hub', {
      severity: 'process',
      remedy: 'Run `npm start`.',
    });
  }
  const books = await reconcile(site, new HubStatus({ url: site.statusUrl }));
  process.stdout.write(flags.json ? `${JSON.stringify(books)}\n` : `${reconciliationTable(books)}\n`);
  // A voucher that is still on its way makes the columns differ: nothing is wrong then.
  process.exitCode = books.conserved && books.different === 0 ? 0 : 1;
}

/** Adds `sundial reconcile`. */
export function addReconcileCommand(program: Command): void {
  program
    .command('reconcile')
    .description(
      'compares device journals, hub ledger and vault, lane by lane; exit code 1 when they differ by more than money on its way',
    )
    .option('--site <folder>', 'folder of a site that `npm start` made', join(STATE_ROOT, 'demo'))
    .option('--json', 'one JSON object on stdout', false)
    .action((flags: { site: string; json: boolean }) =>
      run(flags).catch((error: unknown) => fail(namedForL2(error))),
    );
}
