/**
 * The alert rules that `sundial init` writes: promtool takes them, each fires in the case that it is for and not before,
 * each has its place in the runbook, and each metric is one that the hub has; so has the dashboard. Not checked here: who is
 * paged, how Grafana draws it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { alertRules } from '../../hub/cli/alert-rules.ts';
import { dashboard } from '../../hub/cli/dashboard.ts';
import { createMetrics } from '../../hub/metrics.ts';

const folder = mkdtempSync(join(tmpdir(), 'sundial-alerts-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const rules = join(folder, 'alerts.yml');
writeFileSync(rules, alertRules());

const names = [...alertRules().matchAll(/alert: (\w+)/g)].map(([, name]) => name!);

/** For each alert: series that make it fire, from when on, and values a minute for which it stays silent. */
const CASES: Readonly<Record<string, { bad: string[]; good: string[]; after: string }>> = {
  HubDown: { bad: ['up{job="sundial"} 0x20'], good: ['up{job="sundial"} 1x20'], after: '3m' },
  HubNotReady: { bad: ['sundial_hub_ready 0x20'], good: ['sundial_hub_ready 0 0 0 1x17'], after: '6m' },
  LedgerWaits: {
    bad: ['sundial_hub_ledger_writing 0x20'],
    good: ['sundial_hub_ledger_writing 1x20'],
    after: '2m',
  },
  ChainSilent: {
    bad: ['sundial_hub_chain_age_seconds 601x20'],
    good: ['sundial_hub_chain_age_seconds 600x20'],
    after: '6m',
  },
  HubKeyEnds: {
    bad: ['sundial_hub_key_seconds_left 431999x20'],
    good: ['sundial_hub_key_seconds_left 432000x20'],
    after: '1m',
  },
  IndexFills: {
    bad: ['sundial_hub_index_entries 76x20', 'sundial_hub_index_entries_max 100x20'],
    good: ['sundial_hub_index_entries 75x20', 'sundial_hub_index_entries_max 100x20'],
    after: '1m',
  },
};

test('promtool takes the rules, and every metric in them is the hub’s', async () => {
  assert.match(execFileSync('promtool', ['check', 'rules', rules]).toString(), /6 rules found/);
  const known = (await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name);
  for (const [name] of alertRules().matchAll(/sundial_hub_\w+/g)) assert.ok(known.includes(name), name);
  assert.equal(names.sort(), Object.keys(CASES).sort());
});

test('the dashboard asks what Prometheus understands, of every metric that the hub has', async () => {
  const { panels } = JSON.parse(dashboard()) as {
    panels: {
      title: string;
      gridPos: { x: number; y: number; w: number; h: number };
      targets: { expr: string }[];
    }[];
  };
  const asked = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  const file = join(folder, 'dashboard.json');
  const rules = asked.map((expr, i) => ({ record: `asked:${i}`, expr }));
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  assert.match(execFileSync('promtool', ['check', 'rules', file]).toString(), /SUCCESS/);
  const known = (await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name);
  const named = new Set(
    asked.flatMap((expr) =>
      [...expr.matchAll(/sundial_hub_\w+/g)].map(([name]) => name.replace(/_bucket$/, '')),
    ),
  );
  assert.equal([...named].sort(), [...known].sort());
  for (const [i, one] of panels.entries())
    for (const other of panels.slice(i + 1)) {
      const [a, b] = [one.gridPos, other.gridPos];
      const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      assert.ok(apart && a.x + a.w <= 24 && Number.isInteger(a.w), `${one.title} and ${other.title}`);
    }
});

test('each has its place in the runbook', () => {
  const runbook = readFileSync('hub/RUNBOOK.md', 'utf8');
  for (const name of names) assert.match(runbook, new RegExp(`^### ${name}$`, 'm'));
});

for (const [name, { bad, good, after }] of Object.entries(CASES))
  test(`${name} fires when it should, and not otherwise`, () => {
    const of = (series: readonly string[], fires: boolean) => ({
      interval: '1m',
      input_series: series.map((line) => {
        const at = line.lastIndexOf('}') >= 0 ? line.indexOf(' ', line.lastIndexOf('}')) : line.indexOf(' ');
        return { series: line.slice(0, at), values: line.slice(at + 1) };
      }),
      alert_rule_test: [{ eval_time: after, alertname: name, exp_alerts: fires ? [expected(name)] : [] }],
    });
    // Labels and words are the rule's own: read from it, so that only the firing is judged.
    const expected = (alert: string) => {
      const [, severity] = new RegExp(`alert: ${alert}[\\s\\S]*?severity: (\\w+)`).exec(alertRules())!;
      const [, summary] = new RegExp(`alert: ${alert}[\\s\\S]*?summary: "([^"]*)"`).exec(alertRules())!;
      const job = alert === 'HubDown' ? { job: 'sundial' } : {};
      return { exp_labels: { severity, ...job }, exp_annotations: { summary } };
    };
    const file = join(folder, `${name}.json`);
    const tests = { rule_files: [rules], evaluation_interval: '1m', tests: [of(bad, true), of(good, false)] };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(tests));
    execFileSync('promtool', ['test', 'rules', file], { stdio: 'pipe' });
  });

test.run();
