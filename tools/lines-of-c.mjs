// Counts the project's own C, without comments and blank lines, by where it runs, and holds what is on a chip to a budget.
//   node tools/lines-of-c.mjs [--json]
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from './ensure.mjs';

const native = 'hardware/native';

/** What the build machine runs, or the image when it is built: hardware/boards/mps2-an386/board.ld leaves it out. */
const atBuild = ['archive_make.c', 'archive_make.h', 'prelink.c'];

/** Every C file is in one of these places. `budget`: the most lines; without it nothing of it is on a chip. */
const places = {
  board: {
    what: 'the emulated board: start, UARTs, timer, key, faults, its natives, linker script',
    folders: ['hardware/boards/mps2-an386'],
    budget: 500,
  },
  platform: {
    what: "XS's platform: memory, faults, the loop, arguments, byte code in flash",
    files: ['archive.c', 'machine.c', 'machine.h', 'platform.h', 'strip.c'],
    budget: 450,
  },
  primitives: {
    what: 'hashes, curve, frames, records, NOR flash, and their natives',
    files: ['crypto.h', 'crypto_natives.c', 'frame.c', 'keccak.c', 'nor.c', 'nor.h', 'secp.c'],
    budget: 330,
  },
  speed: {
    what: 'what XS does, sooner: properties, spreading, byte arrays, structs',
    files: ['quick.c', 'run.c', 'struct.c'],
    budget: 390,
  },
  build: { what: 'byte code and the frozen machine, made by the build', files: atBuild },
  xsHost: { what: 'the XS host: options, flash in a file', folders: ['hardware/boards/xs-host'] },
  sdk: {
    what: 'natives of the SDK and its Linux program',
    folders: ['hardware/boards/sdk', 'hardware/boards/sdk-lin'],
  },
};

const isC = (name) => /\.([chS]|ld)$/.test(name);
const filesOf = (folder) =>
  readdirSync(join(root, folder))
    .filter(isC)
    .map((name) => join(folder, name));

/** Lines of a file that hold code. */
function codeLines(path) {
  const text = readFileSync(join(root, path), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/\/\/.*$/gm, '');
  return text.split('\n').filter((line) => line.trim() !== '').length;
}

/**
 * @returns {{ lines: Record<string, number>, chip: number, faults: string[] }} lines by place, those on a chip together,
 *   and a sentence for every place above its budget and every file of native/ that is in no place
 */
export function linesOfC() {
  const lines = {};
  const faults = [];
  const listed = new Set(Object.values(places).flatMap(({ files = [] }) => files));
  for (const file of filesOf(native))
    if (!listed.has(basename(file))) faults.push(`${file} is in no place of tools/lines-of-c.mjs.`);
  let chip = 0;
  for (const [name, { folders = [], files = [], budget }] of Object.entries(places)) {
    const paths = [...folders.flatMap(filesOf), ...files.map((file) => join(native, file))];
    lines[name] = paths.reduce((sum, path) => sum + codeLines(path), 0);
    if (budget === undefined) continue;
    chip += lines[name];
    if (lines[name] > budget)
      faults.push(
        `c_budget: ${name} (${paths.join(', ')}) has ${lines[name]} lines of C on a chip, ${lines[name] - budget} above ` +
          'its budget. Write it in TypeScript where an instruction is no matter, or leave something out.',
      );
  }
  return { lines, chip, faults };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { json } = parseArgs({ options: { json: { type: 'boolean', default: false } } }).values;
  const { lines, chip, faults } = linesOfC();
  if (json) process.stdout.write(`${JSON.stringify({ ...lines, chip })}\n`);
  else {
    for (const [name, { what, budget }] of Object.entries(places)) {
      const most = budget === undefined ? 'not on a chip' : `at most ${budget}`;
      process.stdout.write(`${String(lines[name]).padStart(6)}  ${what} (${most})\n`);
    }
    process.stdout.write(`${String(chip).padStart(6)}  on a chip\n`);
  }
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.exit(faults.length > 0 ? 1 : 0);
}
