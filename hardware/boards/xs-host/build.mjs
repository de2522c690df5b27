// Builds build/xs-host/xs-host, the runner and compiler of bundles, and bundles JavaScript for XS.
//   node hardware/boards/xs-host/build.mjs [--replay payer|terminal]    prints what it made
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureInstalled, root } from '../../../tools/ensure.mjs';
import {
  command,
  compile,
  curveFlags,
  curveTable,
  engine,
  engineSources,
  hash,
  keccakFlags,
  nativeFolder,
  strictFlags,
  unfinished,
} from '../../native/build.mjs';
import { nativeModules } from '../../native/modules.mjs';

const folder = join(root, 'hardware/boards/xs-host');
const own = [
  'machine.c',
  'archive.c',
  'archive_make.c',
  'keccak.c',
  'frame.c',
  'nor.c',
  'crypto_natives.c',
  'quick.c',
  'run.c',
  'struct.c',
].map((name) => join(nativeFolder, name));
const hostOwn = ['main.c', 'flash.c'].map((name) => join(folder, name));

/**
 * Builds the host and returns its path. Takes about half a minute of a core the first time.
 * @param {{ stress?: boolean }} options `stress` collects garbage and moves all chunks at every allocation
 */
export async function buildHost({ stress = false } = {}) {
  const common = ['-O2', '-g', '-std=gnu11', '-D_GNU_SOURCE', '-DmxParse=1', `-DmxStress=${stress ? 1 : 0}`];
  const table = await curveTable(4);
  const { flags, ourFlags, inputs } = engine(false);
  const objects = [
    ...(await compile('cc', [...common, '-w', ...flags], engineSources({ parser: true }), {
      headers: [],
      inputs,
    })),
    ...(await compile('cc', [...common, ...strictFlags, ...ourFlags, ...keccakFlags], [...own, ...hostOwn], {
      inputs,
    })),
    ...(await compile(
      'cc',
      [
        ...common,
        ...strictFlags,
        '-DECMULT_GEN_PREC_BITS=4',
        '-DECMULT_WINDOW_SIZE=4',
        '-I',
        nativeFolder,
        '-isystem',
        table,
        ...curveFlags,
      ],
      [join(nativeFolder, 'secp.c')],
    )),
  ];
  const out = join(root, 'build/xs-host');
  mkdirSync(out, { recursive: true });
  const program = join(out, `xs-host-${hash(...objects)}`);
  if (!existsSync(program)) {
    const partial = unfinished(program);
    await command('cc', [...objects, '-lm', '-o', partial]);
    renameSync(partial, program);
  }
  return program;
}

/**
 * Bundles a program for XS: one script without imports, the prelude first.
 * @param {{ contents: string, resolveDir: string }} entry
 * @param {string} outfile
 * @param {import('esbuild').BuildOptions} options
 */
export async function bundleForEngine(entry, outfile, options = {}) {
  const { build } = await import('esbuild');
  return build({
    absWorkingDir: root,
    stdin: { ...entry, loader: 'ts' },
    outfile,
    bundle: true,
    format: 'iife',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'default'],
    // XS 13.3 fails on a static initialiser that constructs its own class when that has instance fields; this
    // target turns such fields into plain statements.
    target: 'es2021',
    // Plain assignments instead of Object.defineProperty for each field of each instance.
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
    // Before anything else: noble looks for crypto.getRandomValues when it is imported.
    inject: [join(nativeFolder, 'prelude.ts')],
    legalComments: 'none',
    metafile: true,
    logLevel: 'error',
    ...options,
  });
}

/**
 * Builds the program that plays a device's recorded day, see hardware/replay.
 * @param {'payer' | 'terminal'} kind
 * @param {import('esbuild').Plugin[]} plugins
 * @returns {Promise<string>} path of the bundle
 */
export async function buildReplay(kind, plugins = []) {
  const bundle = `${unfinished(join(root, `build/xs-host/replay-${kind}`))}.js`;
  const entry = `./hardware/boards/xs-host/replay-${kind}.ts`;
  await bundleForEngine({ contents: `import ${JSON.stringify(entry)};`, resolveDir: root }, bundle, {
    plugins: [...plugins, nativeModules],
  });
  const finished = join(root, `build/xs-host/replay-${kind}-${hash(readFileSync(bundle))}.js`);
  renameSync(bundle, finished);
  return finished;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureInstalled();
  const { replay } = parseArgs({ options: { replay: { type: 'string' } } }).values;
  const host = await buildHost();
  if (replay === undefined) process.stdout.write(`${host}\n`);
  else process.stdout.write(`${JSON.stringify({ host, bundle: await buildReplay(replay) })}\n`);
}
