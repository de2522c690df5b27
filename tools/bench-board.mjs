// Measures the firmware images: exact instruction counts under -icount, RAM at its highest, flash.
//   npm run bench:board [-- --json] [--profile native|noble|both] [--save]
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from './ensure.mjs';

const help = `npm run bench:board -- [--json] [--profile native|noble|both] [--save]
  --json     one JSON object on stdout
  --profile  native (default), noble, or both; noble takes minutes
  --save     write test/board/counts.json, the figures that npm test holds the next build to
`;
export const countsFile = join(root, 'test/board/counts.json');

/** Cycles an instruction on a Cortex-M4 with flash wait states: an assumption, not a measurement. */
const cyclesPerInstruction = [1.3, 2.2];
const clocksMhz = [64, 168];

/** Runs the image `bench` once; its counts are the same in every run. */
async function countInstructions(profile) {
  const { BoardMemory, buildImage, Emulator } = await import(join(root, 'build/tools/board-emulator.mjs'));
  const { image } = await buildImage(root, 'bench', profile);
  const folder = mkdtempSync(join(tmpdir(), 'sundial-bench-'));
  const board = new Emulator({
    image,
    memory: new BoardMemory(folder),
    icount: true,
    seed: new Uint8Array(32).fill(1),
  });
  try {
    const { event, profile: _, ...counts } = await board.event('bench', { timeoutMs: 1_200_000 });
    return counts;
  } finally {
    await board.kill();
    rmSync(folder, { recursive: true });
  }
}

/** What each role's image takes: flash from the build, RAM and boot from a tap or a charge between two images. */
async function measureImages(profile) {
  const { measureRoles } = await import(join(root, 'build/tools/board-roles.mjs'));
  return measureRoles(root, profile);
}

export async function measureBoard(profile) {
  const counts = await countInstructions(profile);
  const { ramBytes, ramFull, flashBytes, boot } = await measureImages(profile);
  return { ...counts, boot, ramBytes, ramFull, flashBytes };
}

/** Bundles the host side of the emulator, which is TypeScript. */
export async function prepare() {
  ensureInstalled();
  const { bundle } = await import('./bundle.mjs');
  await bundle(
    {
      'board-emulator': 'hardware/boards/mps2-an386/host/emulator.ts',
      'board-roles': 'test/board/roles.ts',
    },
    'build/tools',
  );
}

function estimate(instructions) {
  return clocksMhz.map((mhz) => {
    const [low, high] = cyclesPerInstruction.map((cycles) => (instructions * cycles) / (mhz * 1000));
    return `${low.toFixed(1)} to ${high.toFixed(1)} ms at ${mhz} MHz`;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      profile: { type: 'string', default: 'native' },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help || !['native', 'noble', 'both'].includes(values.profile)) {
    process.stdout.write(help);
    process.exit(values.help ? 0 : 2);
  }
  await prepare();
  const result = values.profile === 'noble' ? {} : await measureBoard('native');
  if (values.profile !== 'native') result.noble = await measureBoard('noble');
  if (values.save) {
    const { noble: _, ...native } = result;
    const before = existsSync(countsFile) ? JSON.parse(readFileSync(countsFile, 'utf8')) : {};
    writeFileSync(countsFile, `${JSON.stringify({ ...before, ...native }, undefined, 2)}\n`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    process.stdout.write(
      'Emulated Cortex-M4, exact instruction counts; milliseconds are estimates at 1.3 to 2.2 cycles each.\n',
    );
    for (const [part, figures] of Object.entries({ native: result, noble: result.noble })) {
      if (!figures?.tapInstructions) continue;
      process.stdout.write(`\n${part}\n`);
      for (const [name, value] of Object.entries(figures)) {
        if (typeof value !== 'number') {
          if (name !== 'noble') process.stdout.write(`  ${name} ${JSON.stringify(value)}\n`);
          continue;
        }
        const times = value > 10_000 ? ` (${estimate(value).join(', ')})` : '';
        process.stdout.write(`  ${name.padEnd(16)} ${value.toLocaleString('en').padStart(15)}${times}\n`);
      }
    }
  }
}
