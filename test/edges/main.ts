/**
 * npm run edges: what devices do at their limits, with damaged parts, false keys and wrong clocks, and the hub with an L2
 * that lies; every number is counted by the run. A section is a function that returns its facts and whether they are right; others join the table below.
 */
import { BOARDS, type Filled, fillBoard } from './boards.ts';
import { damageCounts } from './damage-run.ts';
import { poison } from './poison.ts';
import { keyCounts } from './keys-run.ts';
import { l2Counts } from './l2-run.ts';
import { salvageCounts } from './salvage-run.ts';
import { timeCounts } from './time-run.ts';

interface Section {
  readonly ok: boolean;
  readonly facts: Readonly<Record<string, unknown>>;
  /** Lines for people. */
  readonly lines: readonly string[];
}

const row = (cells: readonly (string | number)[]): string =>
  cells.map((cell, i) => (i === 0 ? String(cell).padEnd(18) : String(cell).padStart(13))).join('');

async function boards(): Promise<Section> {
  const rows: Filled[] = [];
  for (const board of BOARDS) rows.push(await fillBoard(board));
  const ok = rows.every(
    ({ sales, drained, again, frozen }) => sales > 0 && sales === drained && again > 0 && frozen === 0,
  );
  const heads = ['board', 'sales', 'drained', 'again', 'streams', 'lanes', 'payer lanes', 'cuts', 'frozen'];
  const lines = rows.map((filled) =>
    row([
      filled.board,
      filled.sales,
      filled.drained,
      filled.again,
      filled.streams,
      filled.lanes,
      filled.payerLanes,
      filled.cuts,
      filled.frozen,
    ]),
  );
  return { ok, facts: { boards: rows }, lines: [row(heads), ...lines] };
}

async function damage(deep: boolean): Promise<Section> {
  const { wrong, ...counts } = await damageCounts(deep);
  const ok = counts.forgotten === 0 && counts.doubledSeq === 0 && counts.cases >= 20_000;
  const line = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return { ok, facts: { damage: counts }, lines: [`damage: ${line.join(', ')}`, ...wrong] };
}

async function salvage(deep: boolean): Promise<Section> {
  const { wrong, ...counts } = await salvageCounts(deep ? 1 : 17);
  const ok = wrong.length === 0 && counts.held === counts.handedIn && counts.frozen > 0;
  const line = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return { ok, facts: { salvage: counts }, lines: [`damaged tills: ${line.join(', ')}`, ...wrong] };
}

async function poisoned(deep: boolean): Promise<Section> {
  const counts = await poison(deep ? 3000 : 600);
  const ok = counts.stuck === 0 && counts.taken > 0 && counts.sold === counts.offered;
  const line = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return { ok, facts: { poison: counts }, lines: [`poison: ${line.join(', ')}`] };
}

async function l2(): Promise<Section> {
  const { cases, wrong } = await l2Counts((done, of) => {
    if (done % 10 === 0) process.stderr.write(`l2: ${done} of ${of}\n`);
  });
  const ok = wrong.length === 0 && cases >= 40;
  const facts = { l2: { cases, wrong: wrong.length } };
  return { ok, facts, lines: [`l2: cases ${cases}, wrong ${wrong.length}`, ...wrong] };
}

async function keys(): Promise<Section> {
  const { wrong, ...counts } = await keyCounts();
  const ok = wrong.length === 0 && counts.attacks >= 12;
  const line = `keys: attacks ${counts.attacks}, succeeded ${counts.succeeded}`;
  return { ok, facts: { keys: counts }, lines: [line, ...wrong] };
}

async function time(): Promise<Section> {
  const { wrong, ...counts } = await timeCounts();
  const ok = wrong.length === 0 && counts.cases >= 100;
  return {
    ok,
    facts: { time: counts },
    lines: [`time: cases ${counts.cases}, bricked ${counts.bricked}`, ...wrong],
  };
}

/** Sections by the name that --section takes; `journal` is a place of its own in the output. */
const SECTIONS: Readonly<Record<string, { readonly under?: string; run(deep: boolean): Promise<Section> }>> =
  {
    boards: { under: 'journal', run: boards },
    damage: { under: 'journal', run: damage },
    salvage: { under: 'journal', run: salvage },
    poison: { run: poisoned },
    keys: { run: keys },
    time: { run: time },
    l2: { run: l2 },
  };

function chosen(args: readonly string[]): readonly string[] {
  const wanted = args.flatMap((arg, i) =>
    arg === '--section' && args[i + 1] !== undefined ? [args[i + 1]!] : [],
  );
  if (wanted.length === 0) return Object.keys(SECTIONS);
  const found = Object.entries(SECTIONS).flatMap(([name, { under }]) =>
    wanted.includes(name) || (under !== undefined && wanted.includes(under)) ? [name] : [],
  );
  if (found.length === 0) {
    process.stderr.write(
      `error: no section ${wanted.join(', ')}. Give journal, ${Object.keys(SECTIONS).join(', ')}.\n`,
    );
    process.exit(2);
  }
  return found;
}

const args = process.argv.slice(2);
const json = args.includes('--json');
const output: Record<string, unknown> = { ok: true };
for (const name of chosen(args)) {
  const { under, run } = SECTIONS[name]!;
  const { ok, facts, lines } = await run(args.includes('--deep'));
  output.ok = output.ok === true && ok;
  if (under === undefined) Object.assign(output, facts);
  else output[under] = { ...(output[under] as object | undefined), ...facts };
  if (!json) process.stdout.write(`${lines.join('\n')}\n`);
  else if (!ok) process.stderr.write(`${lines.join('\n')}\n`);
}
process.stdout.write(json ? `${JSON.stringify(output)}\n` : output.ok === true ? 'ok\n' : 'NOT ok\n');
process.exit(output.ok === true ? 0 : 1);
