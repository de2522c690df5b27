// device/runtime.ts is the only executor of what device machines ask for: a second one would be a twin that the tests
// run and the devices don't. Read from the sources, without comments.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** What tells effects apart and executes none of them for a device, with the reason. */
const ALLOWED = {
  'device/runtime.ts': 'the executor',
  'hardware/replay/lines.ts': 'says what an effect is; the replay itself is a host of the runtime',
  'hardware/boards/node/cli/device-process.ts': 'names the effect before which a test kills the process',
  'simulators/fleet/device.ts': 'a host of the runtime: folds for itself what the runtime says is stored',
  'simulators/explore/actors/device.ts':
    'walks every interleaving: it keeps effects as values and cuts between any two of them, so it can do none of them',
};

/** Whoever chooses between a record and an upload, or folds the records that are to be stored. */
const executes = (code) =>
  (/case 'persist':/.test(code) && /case 'upload':/.test(code)) ||
  (/type === 'persist'/.test(code) && /\.apply\(/.test(code));
const FOLDERS = ['device', 'hardware', 'simulators'];

/** Returns sentences, each with the faults that break it. */
export function checkExecutors(root) {
  const faults = [];
  const found = new Set();
  for (const folder of FOLDERS)
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const path = relative(root, join(entry.parentPath ?? entry.path, entry.name));
      const code = readFileSync(join(root, path), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      if (!executes(code)) continue;
      found.add(path);
      if (!(path in ALLOWED)) faults.push(`${path} executes effects of devices`);
    }
  for (const path of Object.keys(ALLOWED))
    if (!found.has(path)) faults.push(`${path} names no effect any more`);
  return [['device/runtime.ts is the only executor of effects on a device', faults]];
}
