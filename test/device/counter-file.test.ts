/** The counter of a Node device's secure element: monotonic across restarts, and readable after any torn write. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CounterFile, makeElement, openElement } from '../../hardware/boards/node/secure-element.ts';
import { codeOf } from '../errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'sundial-counter-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('a write that was cut at any byte leaves the old value or the new one', () => {
  const path = join(folder, 'torn');
  CounterFile.create(path);
  for (let value = 1; value <= 300; value++) {
    const before = readFileSync(path);
    new CounterFile(path).write(value);
    const after = readFileSync(path);
    for (let cut = 0; cut <= after.length; cut++) {
      // The bytes of the write arrive in any order; from either end is enough to tear each of them.
      for (const torn of [
        Buffer.concat([after.subarray(0, cut), before.subarray(cut)]),
        Buffer.concat([before.subarray(0, cut), after.subarray(cut)]),
      ]) {
        writeFileSync(path, torn);
        const found = new CounterFile(path).read();
        assert.ok(found === value - 1 || found === value, `${found} after a cut of ${value} at byte ${cut}`);
      }
    }
    writeFileSync(path, after);
  }
  assert.is(new CounterFile(path).read(), 300);
});

test('a counter that is gone or damaged is no zero', () => {
  const path = join(folder, 'damaged');
  assert.is(
    codeOf(() => new CounterFile(path).read()),
    'key_refused',
  );
  CounterFile.create(path);
  assert.is(new CounterFile(path).read(), 0);
  assert.is(
    codeOf(() => CounterFile.create(path)),
    'EEXIST',
  );
  writeFileSync(path, new Uint8Array(16));
  assert.is(
    codeOf(() => new CounterFile(path).read()),
    'key_refused',
  );
  writeFileSync(path, new Uint8Array(3));
  assert.is(
    codeOf(() => new CounterFile(path).read()),
    'key_refused',
  );
});

test('an element signs on after restarts, and an earlier copy of it never again', async () => {
  const [element, witness] = [join(folder, 'element'), join(folder, 'witness')];
  makeElement(element, witness, `0x${'07'.repeat(32)}`);
  assert.is(
    codeOf(() => makeElement(element, witness, `0x${'08'.repeat(32)}`)),
    'EEXIST',
  );
  await openElement(element, witness).sign(new Uint8Array(32));
  const copy = readFileSync(join(element, 'counter'));
  await openElement(element, witness).sign(new Uint8Array(32));
  assert.is(openElement(element, witness).counter, 2);
  writeFileSync(join(element, 'counter'), copy);
  assert.is(
    codeOf(() => openElement(element, witness)),
    'counter_went_back',
  );
});

test.run();
