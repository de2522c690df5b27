import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { journey } from './journey.ts';

test('a tap is told as in test/golden/tap.txt (npm run docs writes it; a change must be meant)', async () => {
  assert.is(await journey(), readFileSync('test/golden/tap.txt', 'utf8'));
});

test.run();
