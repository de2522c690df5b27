import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CHECKERS } from '../../simulators/checkers/index.ts';
import { FIELDS } from '../../simulators/scenarios/fields.ts';
import { readScenario, SCENARIOS } from '../../simulators/scenarios/index.ts';
import { ADVERSARIES } from '../../simulators/scenarios/schema.ts';
import { TEXTS, withTables } from './tables.ts';

for (const file of Object.keys(TEXTS))
  test(`the tables of ${file} are what the code says (npm run docs prints them)`, () => {
    const text = readFileSync(file, 'utf8');
    assert.is(text, withTables(file, text));
  });

const README = readFileSync('simulators/README.md', 'utf8');

test('every field of a scenario says what it means', () => {
  assert.ok(FIELDS.length > 50);
  for (const { field, means } of FIELDS) assert.ok(means.length > 5, `${field} says nothing`);
});

test("the README's example of a scenario can be run as it stands", () => {
  const [, example] = /```json\n(.*?)```/s.exec(README) ?? [];
  const { groups, script, expect } = readScenario(JSON.parse(example!), 'the README');
  assert.ok(groups && script && expect, 'the example shows groups, a script and expectations');
});

test('the README names every scenario, every adversary, every checker and every folder', () => {
  const named = (word: string): void => assert.ok(README.includes(`\`${word}\``), `${word} is missing`);
  for (const name of [...SCENARIOS.keys(), ...ADVERSARIES]) named(name);
  const files = readdirSync('simulators/checkers').filter((name) => name.endsWith('.ts'));
  for (const file of files) if (!['index.ts', 'checker.ts'].includes(file)) named(`checkers/${file}`);
  assert.is(files.length - 2, CHECKERS.length);
  for (const entry of readdirSync('simulators', { withFileTypes: true }))
    if (entry.isDirectory()) assert.match(README, new RegExp(`^${entry.name}/ `, 'm'));
});

test('each checker opens with what it does not check', () => {
  for (const file of readdirSync('simulators/checkers')) {
    if (!file.endsWith('.ts') || ['index.ts', 'checker.ts'].includes(file)) continue;
    const [, opening] = /^\/\*\*(.*?)\*\//s.exec(readFileSync(`simulators/checkers/${file}`, 'utf8')) ?? [];
    assert.match(opening ?? '', /\n \* Not checked here: \w/, file);
  }
});

test.run();
