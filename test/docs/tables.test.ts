import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withTables } from './tables.ts';

test('the tables of protocol/README.md are what the code says (npm run docs prints them)', () => {
  const text = readFileSync('protocol/README.md', 'utf8');
  assert.is(text, withTables(text));
});

test.run();
