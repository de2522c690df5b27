/** The sweep over duplicated payers as a table of text and as a page: what was lost, beside what rule 10 allows. */
import type { SweepRow } from '../scenarios/sweep.ts';
import { page } from './html.ts';

const tokens = (units: number): string =>
  `${Math.floor(units / 1_000_000)}.${String(Math.floor((units % 1_000_000) / 10_000)).padStart(2, '0')}`;

const HEAD = [
  'tills of',
  'tills online',
  'deposit',
  'copies',
  'lost (mean)',
  'lost (most)',
  'bound',
  'bond',
  'after the pot',
  'bound after',
];

const cells = (row: SweepRow): string[] => [
  row.merchants === 'one' ? 'one merchant' : 'many merchants',
  row.network,
  String(row.deposit),
  String(row.copies),
  tokens(row.lost),
  tokens(row.lostMost),
  tokens(row.bound),
  tokens(row.bond),
  tokens(row.lostAfterMost),
  tokens(row.boundAfter),
];

/** A Markdown table, TIME. */
export function sweepTable(rows: readonly SweepRow[]): string {
  const line = (values: readonly string[]): string => `| ${values.join(' | ')} |`;
  return [line(HEAD), line(HEAD.map(() => '---')), ...rows.map((row) => line(cells(row)))].join('\n');
}

/** A bar of what was lost, over the bound in grey, and the bond as a mark. */
function bar(row: SweepRow, top: number): string {
  const width = (units: number): number => Math.floor((100 * units) / top);
  return `<div class="bar"><b style="width:${width(row.bound)}%"></b><u style="width:${width(row.lostMost)}%"></u><s style="left:${width(row.bond)}%"></s></div>`;
}

export function sweepPage(rows: readonly SweepRow[]): string {
  const groups = new Map<string, SweepRow[]>();
  for (const row of rows) {
    const key = `Deposit ${row.deposit} TIME, tills of ${row.merchants === 'one' ? 'one merchant' : 'many merchants'}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const sections = [...groups].map(([title, list]) => {
    const top = Math.max(1, ...list.map((row) => Math.max(row.bound, row.lostMost, row.bond)));
    const lines = list.map(
      (row) =>
        `<tr><td>${row.copies} copies, tills online ${row.network}</td><td>${bar(row, top)}</td><td>${tokens(row.lostMost)}</td><td>${tokens(row.lostAfterMost)}</td></tr>`,
    );
    return `<section><h2>${title}</h2><table><tr><th>attack</th><th>lost (red), bound (grey), bond (mark)</th><th>lost</th><th>after the pot</th></tr>${lines.join('')}</table></section>`;
  });
  return page(
    'Sundial: duplicated payers',
    `<style>.bar{position:relative;height:1rem;min-width:8rem}.bar b,.bar u{position:absolute;left:0;height:100%}.bar b{background:#cfcfcf}.bar u{background:#c4302b;height:60%;top:20%}.bar s{position:absolute;width:2px;height:100%;background:#1f6feb}</style>
<h1>What a duplicated payer costs</h1><p>It spends all but the last of its lease at an accomplice, then that rest once at each till it reaches. Offline acceptance can't prevent it; it bounds the loss and proves the culprit.</p>${sections.join('')}`,
  );
}
