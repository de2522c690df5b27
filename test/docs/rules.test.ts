/**
 * protocol/RULES.md and everybody who refers to it agree. Not looked at here: whether a rule's words are true, which its
 * own tests show.
 */
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DROPS } from '../../simulators/explore/drops.ts';
import { KEY_DROPS } from '../../simulators/explore/keys/drops.ts';
import { ruleNumbers, ruleReferences, rulesOf } from './rules.ts';

const rules = rulesOf(readFileSync('protocol/RULES.md', 'utf8'));
const references = ruleReferences();

test('a reference is found in any of its forms', () => {
  const of = (text: string) => ruleNumbers(text).join();
  assert.is(of('(rule 5)'), '5');
  assert.is(of('rules 2 and 12'), '2,12');
  assert.is(of('// Rules 7, 10, 11, 12'), '7,10,11,12');
  assert.is(of(' * within rule\n * 10. What'), '10');
  assert.is(of("rule: '4, a late voucher'"), '4');
  assert.is(of('rule 6a'), '6a');
  assert.is(of('RULES.regression, 5 rulers'), '');
});

test('the rules stand in order, each once', () => {
  const wanted = ['1', '2', '3', '4', '5', '6', '6a', ...Array.from({ length: 14 }, (_, i) => `${i + 7}`)];
  assert.equal(
    rules.map(({ number }) => number),
    wanted,
  );
});

test('every rule that code or guides refer to is there', () => {
  const known = new Set(rules.map(({ number }) => number));
  const unknown = [...references].filter(([number]) => !known.has(number));
  assert.equal(unknown, []);
});

test('every rule is referred to somewhere', () => {
  const silent = rules.filter(({ number }) => !references.has(number)).map(({ number }) => number);
  assert.equal(silent, []);
});

test('every rule says why, where it is kept and what shows it, or what is not built', () => {
  for (const { number, text } of rules) {
    assert.match(text, '**Why.**', `rule ${number}`);
    if (text.includes('**Not built.**')) continue;
    assert.match(text, '**Kept in**', `rule ${number}`);
    assert.match(text, '**Shown by**', `rule ${number}`);
  }
});

test('every rule that can be dropped says so under its number', () => {
  for (const [name, { rule }] of Object.entries({ ...DROPS, ...KEY_DROPS })) {
    const [number] = ruleNumbers(`rule ${rule}`);
    const found = rules.filter(({ text }) => text.includes(`\`${name}\``)).map((one) => one.number);
    assert.equal(found, [number], name);
  }
});

test('the checkers and planted bugs that a rule names are there', () => {
  const plants = JSON.parse(readFileSync('simulators/checkers/plants.json', 'utf8')) as { name: string }[];
  const names = new Set(plants.map(({ name }) => name));
  for (const { number, text } of rules) {
    const shown = text.replace(/\s+/g, ' ');
    for (const [, list] of shown.matchAll(/planted ((?:`[a-z-]+`(?:, | and )?)+)/g))
      for (const [, name] of list!.matchAll(/`([a-z-]+)`/g))
        assert.ok(names.has(name!), `rule ${number} names the plant ${name}`);
    for (const [, list] of shown.matchAll(/[Cc]heckers? ((?:`[a-z0-9-]+`(?:, | and )?)+)/g))
      for (const [, name] of list!.matchAll(/`([a-z0-9-]+)`/g))
        assert.ok(existsSync(`simulators/checkers/${name}.ts`), `rule ${number} names the checker ${name}`);
  }
});

test.run();
