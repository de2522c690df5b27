/** The report stands alone, fits a phone, and shows its charts in a real browser. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { htmlReport } from '../../simulators/report/html.ts';
import { Sampler } from '../../simulators/report/samples.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { Simulation } from '../../simulators/fleet/simulation.ts';
import { summarise } from '../../simulators/report/summary.ts';
import { standInSuite } from '../../simulators/stage/world/suite.ts';
import { MINUTE } from '../../simulators/stage/world/world.ts';

const PHONE = { width: 500, height: 900 };
const folder = mkdtempSync(join(tmpdir(), 'sundial-report-'));

/** Of a day on which one group of tills runs full, so that each part of the page has something to show. */
async function report(): Promise<string> {
  const groups = [{ name: 'hut-tills', role: 'pos', count: 1, outboxMax: 4 }];
  const expect = { approved: 1000, frozen: 0 };
  const scenario = readScenario({ ...SCENARIOS.get('tap-offline')!, hours: 2, groups, expect }, 'the test');
  const simulation = new Simulation({ scenario, devices: 10, seed: 3, suite: standInSuite() });
  const sampler = new Sampler(simulation);
  for (let at = 10 * MINUTE; await simulation.runTo(at); at += 10 * MINUTE) sampler.sample();
  return htmlReport(
    simulation,
    summarise(simulation),
    sampler.samples,
    'sundial sim --scenario tap-offline --seed 3',
  );
}

function chromium(...more: string[]): string {
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    `--user-data-dir=${join(folder, 'profile')}`,
    `--window-size=${PHONE.width},${PHONE.height}`,
  ];
  return execFileSync('chromium', [...flags, ...more], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 120_000,
  });
}

const html = await report();
const file = join(folder, 'report.html');
writeFileSync(file, html);

test('the report refers to nothing outside itself', () => {
  assert.not.match(html, /(?:src|href)=|@import|url\(|<script/);
  assert.match(html, /<meta name="viewport"/);
  assert.is(html.match(/<polyline/g)?.length, 10);
});

test('the head of the report is the service rate, and what is wrong with it', () => {
  assert.match(
    html,
    /<div class="verdict bad">FAILED: \d+ of \d+ sales approved \([\d.]+&nbsp;%\); 1 expectation/,
  );
  assert.match(html, /<p>expectation missed: approved: /);
  assert.match(html, /<p>hut-tills: \d+ of \d+ sales approved .* mostly outbox_full/);
  assert.match(html, /<tr><td>refused: outbox_full<\/td><td>\d+<\/td><\/tr>/);
  assert.match(
    html,
    /<td data-name="service rate">[\d.]+&nbsp;%<\/td><td data-name="refused">outbox_full: \d+/,
  );
  assert.ok(html.indexOf('class="verdict') < html.indexOf('<h2>'), 'something stands before the verdict');
});

test('faults stand on the time line, each device has its row, and the command is there', () => {
  assert.match(html, /aria-label="Faults on the time line"[\s\S]*<rect/);
  assert.is(html.match(/<td data-name="device">/g)?.length, 10);
  assert.match(html, /<p class="command">sundial sim --scenario tap-offline --seed 3<\/p>/);
  assert.match(html, /hub up/);
});

test('the page is red when money was lost, although every promise held', async () => {
  assert.not.match(html, /MONEY LOST/);
  const scenario = readScenario({ ...SCENARIOS.get('attack-clones')!, hours: 4 }, 'the test');
  const simulation = new Simulation({ scenario, devices: 40, seed: 3, suite: standInSuite() });
  const sampler = new Sampler(simulation);
  for (let at = 10 * MINUTE; await simulation.runTo(at); at += 10 * MINUTE) sampler.sample();
  const summary = summarise(simulation);
  assert.equal([summary.violations, Object.values(summary.lost).length], [0, 1]);
  const red = htmlReport(simulation, summary, sampler.samples, 'sundial sim');
  assert.match(red, /<body class="red">/);
  assert.match(red, /<div class="verdict bad">MONEY LOST: [\s\S]*<p>money was lost: \d+ TIME, by payer<\/p>/);
});

test('the report is no wider than a phone', () => {
  // A page around it measures it: the report itself has no script.
  const measuring = join(folder, 'measure.html');
  const inner = html.replace(/&/g, '&amp;').replace(/"/g, '&quot;');
  writeFileSync(
    measuring,
    `<iframe id="f" width="390" height="800" srcdoc="${inner}"></iframe>
<script>onload=()=>{const d=document.getElementById('f').contentDocument.documentElement;document.title='width '+d.scrollWidth+' charts '+d.querySelectorAll('svg').length}</script>`,
  );
  const dom = chromium('--dump-dom', `file://${measuring}`);
  const found = /<title>width (\d+) charts (\d+)<\/title>/.exec(dom);
  assert.ok(found, 'the page around the report did not measure it');
  assert.ok(Number(found[1]) <= 390, `the report is ${found[1]} wide`);
  assert.is(Number(found[2]), 7);
});

test('a screenshot shows more than an empty page', () => {
  const picture = join(folder, 'report.png');
  chromium(`--screenshot=${picture}`, `file://${file}`);
  const png = readFileSync(picture);
  assert.is(png.subarray(1, 4).toString('latin1'), 'PNG');
  assert.is(png.readUInt32BE(16), PHONE.width);
  assert.is(png.readUInt32BE(20), PHONE.height);
  // An empty page of this size is below 5 KB.
  assert.ok(png.length > 15_000, `the picture has only ${png.length} bytes`);
});

test.after(() => rmSync(folder, { recursive: true, force: true }));

test.run();
