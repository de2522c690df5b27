/** The test programs in examples/, as a newcomer runs them. Each says what held, and ends with 0 only when all did. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const HELPER = 'sundial_lab.py';

/** Runs one to its end. */
function run(name: string): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile('python3', [`examples/${name}`], { maxBuffer: 1 << 24 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr }),
    );
  });
}

const programs = readdirSync('examples').filter((name) => name.endsWith('.py') && name !== HELPER);

test('there are three', () => assert.is(programs.length, 3, programs.join(', ')));

for (const name of programs)
  test(`python3 examples/${name}`, async () => {
    const { code, output } = await run(name);
    assert.is(code, 0, output);
    assert.ok(output.split('\n').filter((line) => line.startsWith('ok: ')).length >= 5, output);
  });

test.run();
