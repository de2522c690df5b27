// Compiles C for the boards: objects are cached under build/objects by a hash of everything that goes into them, so
// that a second build takes a moment and a changed header never leaves a stale object behind.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../tools/ensure.mjs';
import { engineHeader } from './built-ins.mjs';
import { interpreter } from './interpreter.mjs';

const run = promisify(execFile);

export const nativeFolder = join(root, 'hardware/native');
let begun = 0;
/** A name for what is being made: of two builds that make the same at once, in one process or two, each has its own. */
export const unfinished = (path) => `${path}.${process.pid}-${++begun}`;
const engineFolder = join(root, 'node_modules/@agoric/xsnap/moddable/xs');
const curve = join(root, 'node_modules/secp256k1/src/secp256k1');

// Debugger, snapshots and lockdown are left out: no board has them, and they are a tenth of the engine's flash.
// The interpreter is compiled as part of run.c.
const engineUnused = ['xsSnapshot.c', 'xsProfile.c', 'xsLockdown.c', 'xsRun.c'];
// The parser only runs on the build machine.
const engineParser = ['xsLexical.c', 'xsScope.c', 'xsSourceMap.c', 'xsSyntaxical.c', 'xsTree.c', 'xsCode.c'];

/** Include paths as system headers, so that their warnings don't drown ours. */
const engineFlags = [
  '-DINCLUDE_XSPLATFORM',
  '-DXSPLATFORM="platform.h"',
  '-DmxRun=1',
  '-DmxSloppy=1',
  '-DmxBoundsCheck=1',
  '-DmxNoConsole=1',
  '-DmxMinusZero=1',
  '-isystem',
  join(engineFolder, 'includes'),
  '-isystem',
  join(engineFolder, 'platforms'),
  '-isystem',
  join(engineFolder, 'sources'),
  '-isystem',
  join(root, 'build'),
  '-I',
  nativeFolder,
];
/**
 * Flags for XS's sources, flags for ours that see XS's headers, and the bytes of the header that both are given.
 * @param {boolean} lean leaves out the built-ins that no device uses
 */
export function engine(lean) {
  const text = engineHeader(lean);
  const header = join(root, `build/built-ins-${lean ? 'lean' : 'all'}.h`);
  mkdirSync(join(root, 'build'), { recursive: true });
  writeIfChanged(header, text);
  const run = interpreter(engineFolder);
  writeIfChanged(join(root, 'build/interpreter.c'), run);
  const flags = ['-include', header, ...engineFlags];
  return { flags, ourFlags: ['-DOWN_BUILT_INS', ...flags], inputs: [Buffer.from(text), Buffer.from(run)] };
}

export const strictFlags = ['-Wall', '-Wextra', '-Werror'];
const keccak = join(root, 'node_modules/keccak/src/libkeccak-32');
export const keccakFlags = ['-isystem', keccak];
export const curveFlags = ['-isystem', curve, '-isystem', join(curve, 'src')];

export function engineSources({ parser }) {
  return readdirSync(join(engineFolder, 'sources'))
    .filter((name) => name.endsWith('.c') && !engineUnused.includes(name))
    .filter((name) => parser || !engineParser.includes(name))
    .map((name) => join(engineFolder, 'sources', name));
}

/** Runs a compiler; what it prints on failure becomes the error, with the command that failed. */
export async function command(program, args, options = {}) {
  try {
    return (await run(program, args, { maxBuffer: 1 << 24, ...options })).stdout;
  } catch (error) {
    throw new Error(`${program} ${args.join(' ')}\n${error.stderr || error.message}`);
  }
}

export function hash(...parts) {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part).update('\0');
  return digest.digest('hex').slice(0, 24);
}

/** All headers that a source of these folders may include: few and small enough to hash them all. */
function headersHash(folders) {
  const parts = [readFileSync(join(nativeFolder, 'platform.h'))];
  for (const folder of folders)
    for (const name of readdirSync(folder).sort())
      if (name.endsWith('.h')) parts.push(name, readFileSync(join(folder, name)));
  return hash(...parts);
}

/**
 * Compiles sources into objects and returns their paths.
 * @param {string} cc the compiler
 * @param {string[]} flags
 * @param {string[]} sources absolute paths
 * @param {{ headers?: string[], inputs?: Buffer[] }} also folders whose headers they include (the engine's own sources
 *   see none but platform.h), and bytes of other files that they include
 */
export async function compile(cc, flags, sources, { headers = [nativeFolder], inputs = [] } = {}) {
  const version = await command(cc, ['-dumpfullversion', '-dumpmachine']);
  const around = hash(cc, version, ...flags, headersHash(headers), ...inputs);
  const folder = join(root, 'build/objects');
  mkdirSync(folder, { recursive: true });
  const objects = sources.map((source) =>
    join(folder, `${basename(source)}-${hash(around, source, readFileSync(source))}.o`),
  );
  const queue = sources.map((source, i) => [source, objects[i]]).filter(([, object]) => !existsSync(object));
  const worker = async () => {
    for (let next = queue.pop(); next; next = queue.pop()) {
      const [source, object] = next;
      const partial = unfinished(object);
      await command(cc, [...flags, '-c', source, '-o', partial]);
      renameSync(partial, object); // a build that was interrupted leaves no half object behind
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  return objects;
}

/**
 * The table of multiples of G for signing, made by libsecp256k1's own generator.
 * @param {number} bits 2: 32 KB of flash, 4: 64 KB and a quarter fewer instructions a signature
 * @returns the folder that holds ecmult_static_context.h
 */
export async function curveTable(bits) {
  const folder = join(root, `build/secp256k1-table-${bits}`);
  const header = join(folder, 'src/ecmult_static_context.h');
  if (!existsSync(header)) {
    mkdirSync(join(folder, 'src'), { recursive: true });
    const program = unfinished(join(folder, 'generate'));
    const generator = join(curve, 'src/gen_context.c');
    await command('cc', [
      '-w',
      '-O2',
      `-DECMULT_GEN_PREC_BITS=${bits}`,
      ...curveFlags,
      generator,
      '-o',
      program,
    ]);
    await command(program, [], { cwd: folder });
  }
  return join(folder, 'src');
}

/** Writes a file only when its bytes differ, so that builds by time stamp stay quiet too. */
export function writeIfChanged(path, bytes) {
  if (existsSync(path) && readFileSync(path).equals(Buffer.from(bytes))) return;
  writeFileSync(path, bytes);
}
