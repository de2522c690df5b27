/**
 * `npm pack`: the file runs from an empty folder, with what npm puts beside it. Not checked here: what the commands do
 * (test/operator, test/story); a cache of npx.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../hub/node/free-port.ts';

const run = promisify(execFile);
/** Installing, bundling and compiling the contracts each take a minute on a busy machine. */
const PATIENCE_MS = 15 * 60_000;

test('npm pack, install, init --dev, hub: from an empty folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sundial-package-'));
  let hub: ChildProcess | undefined;
  try {
    const here = { cwd: folder, timeout: PATIENCE_MS, maxBuffer: 1 << 24 };
    await run('npm', ['pack', '--silent', '--pack-destination', folder], { timeout: PATIENCE_MS });
    const [file] = readdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{}');
    await run(
      'npm',
      ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', `./${file}`],
      here,
    );
    const sundial = join(folder, 'node_modules', '.bin', 'sundial');
    const { stdout: version } = await run(sundial, ['--version'], here);
    assert.match(version, /^\d+\.\d+\.\d+\n$/);
    const [mqtt, http] = [await freePort(), await freePort()];
    const ports = ['--mqtt-port', String(mqtt), '--http-port', String(http)];
    const { stdout } = await run(sundial, ['init', '--dev', ...ports, '--json'], here);
    assert.match(JSON.parse(stdout).vault, /^0x[0-9a-fA-F]{40}$/);

    hub = spawn(sundial, ['hub', 'sundial-hub', '--json'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ready = new Promise<void>((resolve, reject) => {
      createInterface({ input: hub!.stdout! }).on('line', (line) => {
        if (JSON.parse(line).event === 'ready') resolve();
      });
      hub!.once('exit', (code) => reject(new Error(`the hub ended with ${code}`)));
    });
    await ready;
    for (const path of ['/', '/console/view.js', '/console/plot.js']) {
      const { status } = await fetch(`http://127.0.0.1:${http}${path}`);
      assert.is(status, 200, path);
    }
  } finally {
    if (hub !== undefined && hub.exitCode === null) {
      hub.removeAllListeners('exit');
      const gone = new Promise((resolve) => hub!.once('exit', resolve));
      hub.kill('SIGTERM');
      await gone;
    }
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
