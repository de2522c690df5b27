/** What a tester sees of the commands: first lines, exit codes and JSON. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import tapOffline from '../../simulators/scenarios/tap-offline.json' with { type: 'json' };

const folder = mkdtempSync(join(tmpdir(), 'sundial-sim-'));
test.after(() => rmSync(folder, { recursive: true }));

const BASE = { ...tapOffline, name: 'mine', hours: 2, devices: 10, faults: {} };

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}
const scenario = (change: object): string => write('mine.json', JSON.stringify({ ...BASE, ...change }));

function sim(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['tools/sundial.mjs', 'sim', ...args], {
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

test('the first line says how many sales were approved, and warns of a till that refused most', () => {
  const good = sim('--scenario', scenario({ hasty: 0 }));
  assert.is(good.code, 0, good.err);
  assert.match(good.out, /^OK: (\d+) of \1 sales approved \(100\.0 %\); every promise held\n/);
  const bad = sim('--scenario', scenario({ outboxMax: 4 }));
  assert.is(bad.code, 0, bad.err);
  assert.match(bad.out, /^WARNING: \d+ of \d+ sales approved .*every promise held\n/);
  assert.match(bad.out, /^ {2}refused: outbox_full \d+$/m);
  assert.match(bad.out, /^ {2}frozen: none$/m);
});

test('a missed expectation ends with code 1, and stands in words, JSON and the report', () => {
  const file = scenario({ outboxMax: 4, expect: { approved: 900, refusals: { outbox_full: 0 } } });
  const said = sim('--scenario', file);
  assert.is(said.code, 1);
  assert.match(said.out, /^FAILED: .*2 expectations missed; every promise held\n/);
  assert.match(said.out, /^ {2}MISSED: approved: \d+ in 1,000 \(\d+ of \d+ sales\), expected at least 900$/m);
  const page = join(folder, 'page.html');
  const { code, out } = sim('--scenario', file, '--json', '--report', page);
  assert.is(code, 1);
  const line = JSON.parse(out);
  assert.is(line.ok, false);
  assert.is(line.violations, 0);
  assert.is(line.expected.ok, false);
  assert.is(line.expected.missed.length, 2);
  assert.is(line.serviceRate, Math.floor((1000 * line.sales.approved) / line.sales.asked));
  assert.equal(line.refusals, { outbox_full: line.sales.refused });
  assert.equal(line.frozen, []);
  const html = readFileSync(page, 'utf8');
  assert.match(html, /class="verdict bad">FAILED: /);
  assert.match(html, /expectation missed: refusals\.outbox_full: \d+, expected at most 0/);
});

test('faults of the command stand instead of all that the scenario has', () => {
  const groups = [{ name: 'hut', role: 'pos', count: 1, faults: { powerCut: { per1000Hours: 9000 } } }];
  const script = [{ at: '00:30', device: 'pos-1', fault: 'powerCut' }];
  const faultsOf = (...more: string[]): number =>
    JSON.parse(sim('--scenario', scenario({ groups, script }), '--json', ...more).out).faults;
  assert.is(faultsOf(), 18 + 1);
  assert.is(faultsOf('--faults', 'off'), 0);
  assert.is(faultsOf('--faults', 'hubCrash=1500'), 3);
});

test('a wrong scenario is refused with the field, the values, and where the table is', () => {
  const field = sim('--scenario', scenario({ storage: 'jurnal' }));
  assert.not.equal(field.code, 0);
  assert.match(field.err, /mine\.json: storage: "jurnal" is not allowed; it must be one of memory, journal/);
  assert.match(field.err, /did you mean "journal"\?/);
  assert.match(field.err, /simulators\/README\.md has a table of all fields/);
  const device = sim(
    '--scenario',
    scenario({ script: [{ at: '01:00', device: 'pos-7', fault: 'powerCut' }] }),
  );
  assert.not.equal(device.code, 0);
  assert.match(device.err, /script\.0\.device: there is no "pos-7"; there is pos-1 to pos-2, wearable-1/);
  assert.match(sim('--scenario', write('broken.json', '{"name":')).err, /broken\.json is no JSON: /);
  assert.match(sim('--scenario', 'festivl').err, /Did you mean festival\?/);
});

test('a walk that never comes to the dropped rule says so, names one that does, and ends with code 2', () => {
  const { code, out } = sim('explore', '--config', 's1', '--drop', 'tickPersist');
  assert.is(code, 2);
  assert.match(out, /s1 never exercises tickPersist: .*--config s2 --drop tickPersist/);
  const json = sim('explore', '--config', 's1', '--drop', 'exactBase', '--json');
  assert.is(json.code, 2);
  const { dropped, ok } = JSON.parse(json.out);
  assert.ok(ok);
  assert.ok(dropped.broke > 0);
  assert.is(dropped.shownBy, 's4');
  assert.match(dropped.words, /^exactBase was broken \d+ times, and s1 has no harm in that/);
  assert.is(sim('explore', '--config', 's2', '--drop', 'tickPersist').code, 1);
  assert.is(sim('explore', '--config', 's1').code, 0);
});

test.run();
