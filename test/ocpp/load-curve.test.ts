/**
 * Load curves that users bring: what is read, and that a wrong file is refused by name before the first tick. Not checked
 * here: sessions that follow them (plug, story).
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CURVE_MINUTES_MAX, CURVE_WATTS_MAX, readLoadCurve } from '../../hardware/boards/node/load-curve.ts';
import { codeOf } from '../errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'sundial-curve-'));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const wordsOf = (path: string): string => {
  try {
    readLoadCurve(path);
  } catch (error) {
    return (error as Error).message;
  }
  return 'read';
};

test('a table gives a value a minute; what no row says goes on', () => {
  const path = file('a.csv', '\ufeffMinute;kW\r\n0;2.3\r\n2;7.4\r\n\r\n3;0\r\n');
  assert.equal(readLoadCurve(path), { registerWh: 0, wattsByMinute: [2300, 2300, 7400, 0] });
});

test('further columns of a table are passed over', () => {
  const path = file('b.csv', 'station,watts,minute\nx,11000,0\ny,0,1\n');
  assert.equal(readLoadCurve(path).wattsByMinute, [11_000, 0]);
});

test('a week is read, a minute more is not', () => {
  const week = Array.from({ length: CURVE_MINUTES_MAX }, () => CURVE_WATTS_MAX);
  const json = (minutes: readonly number[]): string => JSON.stringify({ wattsByMinute: minutes });
  assert.is(readLoadCurve(file('week.json', json(week))).wattsByMinute.length, CURVE_MINUTES_MAX);
  assert.is(
    codeOf(() => readLoadCurve(file('more.json', json([...week, 1])))),
    'bad_curve',
  );
  assert.is(
    codeOf(() => readLoadCurve(file('strong.json', json([CURVE_WATTS_MAX + 1])))),
    'bad_curve',
  );
  const last = file('last.csv', `minute,watts\n0,1\n${CURVE_MINUTES_MAX - 1},2\n`);
  assert.is(readLoadCurve(last).wattsByMinute.length, CURVE_MINUTES_MAX);
  assert.is(
    codeOf(() => readLoadCurve(file('late.csv', `minute,watts\n0,1\n${CURVE_MINUTES_MAX},2\n`))),
    'bad_curve',
  );
});

const WRONG: readonly (readonly [name: string, text: string, words: RegExp])[] = [
  ['shape.json', '{"wattsByMinute":"11 kW"}', /wattsByMinute/],
  ['field.json', '{"watts":[1]}', /watts/],
  ['below.json', '{"wattsByMinute":[11000,-1]}', /wattsByMinute\.1 is below 0/],
  ['text.json', '{"wattsByMinute":[11000,"7"]}', /wattsByMinute\.1 wants watts/],
  ['empty.json', '{"wattsByMinute":[]}', /holds no minute/],
  ['dead.json', '{"wattsByMinute":[0,0]}', /no minute has any power/],
  ['broken.json', '{"wattsByMinute":[1,\n2', /line 2/],
  ['null.json', 'null', /the file/],
  ['register.json', '{"registerWh":1e11,"wattsByMinute":[1]}', /registerWh/],
  ['head.csv', '0,2300\n1,2300\n', /first line/],
  ['none.csv', '', /first line/],
  ['rows.csv', 'minute,watts\n', /holds no minute/],
  ['falls.csv', 'minute,watts\n0,1\n2,1\n1,1\n', /line 4: minute 1 comes after/],
  ['starts.csv', 'minute,watts\n1,1\n', /line 2: the first minute/],
  ['power.csv', 'minute,watts\n0,\n', /line 2: "" is no power/],
  ['comma.csv', 'minute;kw\n0;1e3\n', /line 2: "1e3" is no power/],
  ['minute.csv', 'minute,watts\n0.5,1\n', /line 2: "0.5" is no minute/],
];
for (const [name, text, words] of WRONG)
  test(`${name} is refused, and where is said`, () => {
    const path = file(name, text);
    assert.is(
      codeOf(() => readLoadCurve(path)),
      'bad_curve',
    );
    assert.match(wordsOf(path), words);
  });

test('no file, and one that is too large', () => {
  assert.match(wordsOf(join(folder, 'nowhere.json')), /not there/);
  assert.match(wordsOf(file('large.csv', 'x'.repeat((1 << 20) + 1))), /bytes, above/);
});

test.run();
