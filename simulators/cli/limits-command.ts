/** `sundial limits`: what limits may cost in the worst case and in simulated attacks, and who bears it. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatMoney, parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { SundialError } from '../../protocol/errors.ts';
import { bondOf, type WorstCase, worstCases } from '../../hub/desk/worst-cases.ts';
import { sweepPage, sweepTable } from '../report/sweep.ts';
import { sweepOne, type SweepRow } from '../scenarios/sweep.ts';
import { standInSuite } from '../stage/world/suite.ts';

interface Flags {
  readonly deposit: string;
  readonly terminals: string;
  readonly sync: string;
  readonly seeds: string;
  readonly page?: string;
  readonly json: boolean;
}

/** Terminals that one copied key reaches in the simulation at most: one copy each. */
const COPIES_MAX = 10;
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

function seconds(text: string): number {
  const match = /^(\d{1,6})(s|m|h|d)$/.exec(text);
  if (match !== null && Number(match[1]) > 0) return Number(match[1]) * UNITS[match[2]!]!;
  throw new SundialError('bad_duration', `--sync ${text} is no length of time`, {
    severity: 'call',
    remedy: 'Give a whole number and s, m, h or d, for example --sync 1h.',
  });
}

function whole(text: string, flag: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new SundialError('bad_number', `${flag} ${text} is no whole number from 1 to ${most}`, {
    severity: 'call',
    remedy: `Give one, for example ${flag} 20.`,
  });
}

/** How often terminals meet the hub, as the simulation has it. */
const networkOf = (every: number): SweepRow['network'] =>
  every <= 60 ? 'always' : every <= 6 * 3600 ? 'hourly' : 'never';

const words = ({ leases, tapLimit, cap, terminals, taken, worst, borneBy, each }: WorstCase): string => {
  const who = leases === 'scope' ? 'leases for a group, covered by the bond' : 'leases for any terminal';
  const bears =
    borneBy === 'nobody'
      ? 'nobody loses anything'
      : `merchants lose up to ${formatMoney(worst)}, each terminal up to ${formatMoney(each)}`;
  return [
    `${who}: a tap up to ${formatMoney(tapLimit)}, a terminal up to ${formatMoney(cap)} until the hub acknowledges`,
    `  a copied key takes at most ${formatMoney(taken)} at ${terminals} terminals; after the bond ${bears}`,
  ].join('\n');
};

async function run(flags: Flags): Promise<void> {
  const deposit = parseMoney(flags.deposit);
  const terminals = whole(flags.terminals, '--terminals', 1000);
  const network = networkOf(seconds(flags.sync));
  const seeds = whole(flags.seeds, '--seeds', 100);
  const cases = worstCases(deposit, terminals);
  const copies = Math.min(terminals, COPIES_MAX);
  const tokens = Math.max(1, Math.round(deposit / 1_000_000));
  const rows: SweepRow[] = [];
  for (const merchants of ['many', 'one'] as const) {
    process.stderr.write(`simulating ${seeds} attacks by ${copies} copies\n`);
    rows.push(await sweepOne(standInSuite, 1, seeds, copies, tokens, network, merchants));
  }
  if (flags.page !== undefined) writeFileSync(flags.page, sweepPage(rows));
  const expected = Math.max(...rows.map(({ lost, bond }) => Math.max(0, lost - bond)));
  const bond = bondOf(deposit);
  if (flags.json) {
    const line = {
      deposit,
      bond,
      terminals,
      network,
      worst: cases,
      simulated: { copies, seeds, expected, rows },
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  process.stdout.write(
    [
      `deposit ${formatMoney(deposit)}, bond ${formatMoney(bond)}, ${terminals} terminals that may be offline at once`,
      ...cases.map(words),
      `simulated: ${seeds} attacks by ${copies} copies on leases for any terminal, in four hours, terminals online: ${network}`,
      `  expected loss of an attack, after the bond: ${formatMoney(expected)}`,
      sweepTable(rows),
      '',
    ].join('\n'),
  );
}

/** Adds `sundial limits`. */
export function addLimitsCommand(program: Command): void {
  program
    .command('limits')
    .description('what limits may cost when a key is copied: worst case, simulated attacks, and who bears it')
    .option('--deposit <amount>', 'of one channel', '300')
    .option('--terminals <n>', 'that may be offline at once', '20')
    .option('--sync <time>', 'how often a terminal meets the hub: 30s, 1h, 2d', '1h')
    .option('--seeds <n>', 'attacks to simulate', '3')
    .option('--page <file>', 'a page with the chart')
    .option('--json', 'one JSON object on stdout, amounts in units', false)
    .action((flags: Flags) => run(flags).catch(fail));
}
