// Builds a firmware image for the emulated board: bundle, byte code, C, link. Prints what it made and its sizes.
//   node hardware/boards/mps2-an386/build.mjs --role wearable [--profile noble] [--tests] [--flash BYTES] [--ram BYTES]
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
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
import { checkUnused } from '../../native/built-ins.mjs';
import { nativeModules } from '../../native/modules.mjs';
import { emulator } from './emulator.mjs';
import { buildHost, bundleForEngine } from '../xs-host/build.mjs';

const folder = join(root, 'hardware/boards/mps2-an386');
const cc = 'arm-none-eabi-gcc';
const flags = [
  '-mcpu=cortex-m4',
  '-mthumb',
  '-mfloat-abi=soft', // the engine computes in double precision, which this core's unit hasn't got
  '-std=gnu11',
  '-g',
  '-ffunction-sections',
  '-fdata-sections',
];
// What a machine spends its time in is compiled for speed, all the rest for size. The interpreter also has a setjmp of
// its own, see start.c.
const interpreter = ['-O2', '-fira-region=one', '-fno-reorder-blocks'];
const fast = ['xsMemory.c', 'xsProperty.c', 'xsType.c', 'xsDataView.c'];

/** Where code lies that only the build runs, in code memory behind every image. */
const buildEntry = 0x380000;

/** What an image leaves out of XS, and what stands for it: a symbol of strip.c or of XS, or nothing. */
const leftOut = {
  // Globals that no device uses. Plain functions are never constructed, and classes make their own prototype.
  unused_builder: [
    'fxBuildAtomics',
    'fxBuildDate',
    'fxBuildProxy',
    'fxBuildRegExp',
    'fxDefaultFunctionPrototype',
    'fxPrepareTransfer',
  ],
  // A bundle is one script, which the build has parsed.
  unused_built_in: ['fxPrepareModule'],
  gxOrdinaryBehavior: ['gxModuleBehavior', 'gxProxyBehavior'],
  // Optional parts of XS's table in xsDefaults.c. `name` and `length` would be two slots for each of a thousand functions.
  0: [
    'fxNewAsyncGeneratorInstance',
    'fxNewAsyncGeneratorFunctionInstance',
    'fxRunForAwaitOf',
    'fxRunEval',
    'fxRunEvalEnvironment',
    'fxInitializeSharedCluster',
    'fxTerminateSharedCluster',
    'fxNewFunctionLength',
    'fxNewFunctionName',
    'fxRunImport',
    'fxCleanupFinalizationRegistries',
    'gxTypeAtomics',
  ],
};
/**
 * The same for the native profile: big integers, as curves and hashes are in C (a literal would fail the build's first
 * run), and powers, which no device computes (checkUnused finds one).
 */
const nativeLeftOut = {
  unused_built_in: ['fx_pow'],
  unused_builder: ['fxBuildBigInt'],
  unused_big_int: ['gxTypeBigInt'],
  0: [
    'fxBigIntCoerce',
    'fxBigInt64Compare',
    'fxBigInt64Getter',
    'fxBigInt64Setter',
    'fxBigUint64Compare',
    'fxBigUint64Getter',
    'fxBigUint64Setter',
  ],
};
/** The records of the other side, whose table runs nothing but itself: what no role of an image uses stays out of it. */
const oneSide = {
  name: 'one side',
  setup(build) {
    build.onResolve({ filter: /\/books\.ts$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path),
      sideEffects: false,
    }));
  },
};
const replaceSymbols = (table) =>
  Object.entries(table).flatMap(([by, names]) =>
    names.flatMap((name) => [`-Wl,--wrap=${name}`, `-Wl,--defsym=__wrap_${name}=${by}`]),
  );

/** What an image of each profile may take of RAM and flash, bytes, and the engine's limits within that RAM. */
export const profiles = {
  native: {
    ramSize: 192 * 1024,
    flashSize: 640 * 1024,
    heapSize: 16 * 1024,
    stackSize: 16 * 1024,
    defines: {
      PRELINK_PROGRAM: 1,
      WATCHDOG_MS: 8000,
      STACK_SLOTS: 768,
      KEYS: 128,
      FIRST_CHUNKS: 32 * 1024,
      FIRST_SLOTS: 3072,
    },
  },
  // Signing in JavaScript: the collector needs head-room, or it runs all the time.
  noble: {
    ramSize: 1024 * 1024,
    flashSize: 1024 * 1024,
    heapSize: 28 * 1024,
    stackSize: 16 * 1024,
    defines: {
      PRELINK_PROGRAM: 0,
      WATCHDOG_MS: 60_000,
      STACK_SLOTS: 1536,
      KEYS: 128,
      FIRST_CHUNKS: 128 * 1024,
      FIRST_SLOTS: 8192,
    },
  },
};

/** The images: what each runs. */
export const roles = {
  wearable: 'payer.ts',
  car: 'payer.ts',
  pos: 'pos.ts',
  charger: 'charger.ts',
  'replay-payer': 'replay-payer.ts',
  'replay-terminal': 'replay-terminal.ts',
  selftest: 'selftest.ts',
  bench: 'bench.ts',
};

/** The bench holds both sides of a tap, so it has more RAM than either; what a role takes is measured on its image. */
const ramOf = (role, profile) => profiles[profile].ramSize * (role === 'bench' ? 2 : 1);
const definesOf = (role, profile) => {
  const { defines } = profiles[profile];
  if (role !== 'bench') return defines;
  // Two devices hold twice as much, and each has the head-room that its own board would give it.
  return { ...defines, FIRST_SLOTS: 2 * defines.FIRST_SLOTS, FIRST_CHUNKS: 2 * defines.FIRST_CHUNKS };
};
const flashOf = (role, profile) => profiles[profile].flashSize * (role === 'bench' ? 2 : 1);

/** The noble profile computes in JavaScript: these modules stand in for the native ones. */
const nobleProfile = {
  name: 'noble-profile',
  setup(build) {
    build.onResolve({ filter: /^\.\/(crypto|keys)\.ts$/ }, ({ path, resolveDir }) =>
      resolveDir === folder ? { path: join(folder, path.replace('.ts', '-noble.ts')) } : undefined,
    );
  },
};

async function compileAll(role, profile, archive) {
  const defines = definesOf(role, profile);
  const lean = profile === 'native';
  const { flags: engineFlags, ourFlags, inputs } = engine(lean);
  const table = await curveTable(4);
  const sources = engineSources({ parser: false });
  const isFast = (path) => fast.some((name) => path.endsWith(`/${name}`));
  const isLinked = (path) => path.endsWith('/xsAPI.c');
  const quick = [...flags, '-w', '-O2', ...engineFlags];
  const small = [...flags, '-w', '-Os'];
  const own = ['start.c', 'uart.c', 'timer.c', 'key.c', 'fault.c'].map((name) => join(folder, name));
  const native = (names) => names.map((name) => join(nativeFolder, name));
  const atBuild = native(['archive.c', 'prelink.c', 'strip.c']);
  const withXs = native(['machine.c', 'quick.c', 'struct.c']);
  const plain = native(['crypto_natives.c', 'frame.c', 'nor.c']);
  const ours = [...flags, ...strictFlags];
  const numbers = Object.entries({ ...defines, BUILD_ENTRY: buildEntry }).map(
    ([name, value]) => `-D${name}=${value}`,
  );
  const headers = { headers: [folder, nativeFolder] };
  const withEngine = { ...headers, inputs };
  const none = { headers: [], inputs };
  return [
    ...(await compile(cc, quick, sources.filter(isFast), none)),
    ...(await compile(
      cc,
      [...small, ...engineFlags],
      sources.filter((path) => !isFast(path) && !isLinked(path)),
      none,
    )),
    // As for XS's own linker: the global object that goes into flash is one that caches nothing in itself.
    ...(await compile(cc, [...small, '-DmxLink=1', ...engineFlags], sources.filter(isLinked), none)),
    ...(await compile(cc, [...ours, '-Os', ...ourFlags], atBuild, withEngine)),
    ...(await compile(cc, [...ours, '-O2', ...ourFlags], withXs, withEngine)),
    ...(await compile(cc, [...ours, ...interpreter, ...ourFlags], native(['run.c']), withEngine)),
    ...(await compile(cc, [...ours, '-Os', ...numbers], own, headers)),
    ...(await compile(cc, [...ours, '-O2'], plain, headers)),
    // -O2 would move loads away from their use, past what the registers hold: a seventh more instructions.
    ...(await compile(cc, [...ours, '-O1', ...keccakFlags], native(['keccak.c']), headers)),
    ...(await compile(
      cc,
      [
        ...ours,
        '-O2',
        '-DECMULT_GEN_PREC_BITS=4',
        '-DECMULT_WINDOW_SIZE=6',
        '-I',
        nativeFolder,
        '-isystem',
        table,
        ...curveFlags,
      ],
      [join(nativeFolder, 'secp.c')],
    )),
    ...(await compile(
      cc,
      [...ours, '-Os', ...numbers, `-DIMAGE_NAME="${role} (${profile})"`],
      [join(folder, 'main.c')],
      headers,
    )),
    ...(await compile(cc, [...flags, `-DARCHIVE="${archive}"`], [join(folder, 'archive.S')], {
      inputs: [readFileSync(archive)],
    })),
  ];
}

/** Bytes of one slot of the engine, its unit of memory. */
const slotBytes = 16;

/** What the first run of an image may take: far more than any does. */
const plenty = { tables: 256 * 1024, slots: 32_000, keys: 8000 };

/** How closely the least room for slots is searched for. */
const slotStep = 32;

/** Runs the image once without its frozen machine; returns what it printed first. */
async function runOnce(image, memory) {
  const child = spawn(emulator.program, [...emulator.machine(memory), '-serial', 'stdio', '-kernel', image], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const timeout = setTimeout(() => child.kill('SIGKILL'), 30_000);
  const closed = new Promise((resolve) => child.on('close', resolve));
  child.stdout.on('data', (data) => {
    output += data;
    if (output.includes('\n')) child.kill('SIGKILL');
  });
  await closed;
  clearTimeout(timeout);
  return output.split('\n')[0];
}

/** Lets the image lay out its frozen machine, and appends it: see hardware/native/prelink.c. */
async function prelink(elf, image) {
  const memory = `${image}.memory`;
  const symbols = await command('arm-none-eabi-nm', [elf]);
  const end = Number.parseInt(/^([0-9a-f]+) . __image_end$/m.exec(symbols)[1], 16);
  // Four words each way, see main.c; behind those that come back lies the machine.
  const lay = async ({ tables, slots, keys }) => {
    writeFileSync(memory, Buffer.from(Uint32Array.of(tables, slots, keys, 0).buffer));
    truncateSync(memory, emulator.memoryBytes);
    const said = await runOnce(image, memory);
    if (said !== 'prelinked' && said !== 'fault: memory_full')
      throw new Error(`The image could not lay out its machine: ${said}`);
    if (said !== 'prelinked') return undefined;
    const bytes = readFileSync(memory);
    const [usedTables, usedSlots, usedKeys, total] = [0, 4, 8, 12].map((at) => bytes.readUInt32LE(at));
    return {
      used: { tables: usedTables, slots: usedSlots, keys: usedKeys },
      machine: bytes.subarray(16, 16 + total),
    };
  };
  const first = await lay(plenty);
  if (first === undefined) throw new Error('The image needs more than any should: see `plenty`.');
  const { tables, keys } = first.used;
  // The table of keys, four bytes each, is then as long as the keys are many.
  const room = { tables: tables - 4 * (plenty.keys - keys) + 16, keys };
  // Modules need slots beside those that stay; the least that is enough makes the smallest image.
  let { slots: few } = first.used;
  let enough = plenty.slots;
  let made;
  for (let at = few + 1024; enough - few > slotStep; at = Math.floor((enough + few) / 2)) {
    const tried = await lay({ ...room, slots: at });
    if (tried === undefined) few = at;
    else {
      enough = at;
      made = tried;
    }
  }
  if (made === undefined) throw new Error(`The image's modules need more than ${plenty.slots} slots.`);
  const code = readFileSync(image);
  const pad = Buffer.alloc(Math.max(0, end - code.length));
  writeFileSync(image, Buffer.concat([code.subarray(0, end), pad, made.machine]));
  rmSync(memory);
}

/** An image that its board has no room for. `code` is `flash_budget` or `ram_budget`. */
export class BudgetError extends Error {
  constructor(code, what, remedy) {
    super(`${code}: ${what} ${remedy}`);
    this.code = code;
  }
}

const flashFull = (what, bytes, limit) =>
  new BudgetError(
    'flash_budget',
    `${what} takes ${bytes} bytes of flash, ${bytes - limit} more than the ${limit} that its board has.`,
    'Leave something out (hardware/native/built-ins.mjs, `leftOut` of this file), or compile more of it for size.',
  );

/** The linker's complaints about room, by name; any other failure stays what it is. */
function linkFailure(what, error, limits) {
  const over = /region `(FLASH|RAM)' overflowed by (\d+) bytes/.exec(error.message);
  if (over?.[1] === 'FLASH') return flashFull(what, limits.flashSize + Number(over[2]), limits.flashSize);
  if (over === null && !error.message.includes('ram_budget')) return error;
  return new BudgetError(
    'ram_budget',
    `${what} leaves the engine less than its limits within ${limits.ramSize} bytes of RAM.`,
    'Lower stackSize, heapSize, FIRST_CHUNKS or FIRST_SLOTS of the profile, or make buffers smaller.',
  );
}

/**
 * Builds an image, or takes the one that is already there. Throws BudgetError when it is larger than the sizes say,
 * which are its profile's unless they are given.
 * @param {{ tests?: boolean, flashSize?: number, ramSize?: number }} options `tests` adds what crash tests tell a board
 *   (crash.ts), which no product has; sizes in bytes
 * @returns {{ image: string, elf: string, flashBytes: number, archiveBytes: number, ramBytes: number }}
 */
export async function buildImage(role, profile = 'native', options = {}) {
  if (!roles[role] || !profiles[profile])
    throw new Error(`There is no image ${role} with profile ${profile}.`);
  const out = join(root, 'build/mps2-an386');
  mkdirSync(out, { recursive: true });
  const tests = options.tests ?? false;
  const name = `${role}-${profile}${tests ? '-tests' : ''}`;
  const bundle = `${unfinished(join(out, name))}.js`;
  const archive = join(out, `${name}.archive`);
  const newArchive = unfinished(archive);
  const entry = `./hardware/boards/mps2-an386/${roles[role]}`;
  await bundleForEngine({ contents: `import ${JSON.stringify(entry)};`, resolveDir: root }, bundle, {
    // Shorter names of locals and no white space; property names stay, as they are the wire and the journal.
    minify: true,
    define: { PROFILE: JSON.stringify(profile), ROLE: JSON.stringify(role), TESTS: String(tests) },
    plugins: [oneSide, profile === 'noble' ? nobleProfile : nativeModules],
  });
  if (profile === 'native') checkUnused(readFileSync(bundle, 'utf8'));
  const host = await buildHost();
  await command(host, ['--archive', newArchive, bundle]);
  renameSync(newArchive, archive);
  renameSync(bundle, join(out, `${name}.js`));
  const objects = await compileAll(role, profile, archive);
  const { heapSize, stackSize } = profiles[profile];
  const flashSize = options.flashSize ?? flashOf(role, profile);
  const ramSize = options.ramSize ?? ramOf(role, profile);
  const { STACK_SLOTS, FIRST_CHUNKS, FIRST_SLOTS } = definesOf(role, profile);
  const script = join(folder, 'board.ld');
  const symbols = Object.entries({
    FLASH_SIZE: flashSize,
    RAM_SIZE: ramSize,
    HEAP_SIZE: heapSize,
    STACK_SIZE: stackSize,
    BUILD_ENTRY: buildEntry,
    ARENA_LEAST: FIRST_CHUNKS + slotBytes * (STACK_SLOTS + FIRST_SLOTS),
  });
  const link = [
    ...flags,
    '--specs=nano.specs',
    '--specs=nosys.specs',
    '-nostartfiles',
    '-Wl,--gc-sections,--no-warn-mismatch',
    ...replaceSymbols(leftOut),
    ...(profile === 'native' ? replaceSymbols(nativeLeftOut) : []),
    ...['fxFindModule', 'fxLoadModule', 'fxParseScript'].map(
      (name) => `-Wl,--defsym=${name}=unused_built_in`,
    ),
    ...symbols.map(([key, value]) => `-Wl,--defsym=${key}=${value}`),
    '-T',
    script,
  ];
  const base = join(out, `${name}-${hash(...objects, ...link, readFileSync(script))}`);
  const elf = `${base}.elf`;
  const image = `${base}.bin`;
  if (!existsSync(image)) {
    const newElf = unfinished(elf);
    const newImage = unfinished(image);
    await command(cc, [...link, ...objects, '-lm', '-o', newElf]).catch((error) => {
      throw linkFailure(`${role} (${profile})`, error, { flashSize, ramSize });
    });
    await command('arm-none-eabi-objcopy', ['-O', 'binary', newElf, newImage]);
    renameSync(newElf, elf);
    await prelink(elf, newImage);
    renameSync(newImage, image);
  }
  const flashBytes = statSync(image).size;
  if (flashBytes > flashSize) throw flashFull(`${role} (${profile})`, flashBytes, flashSize);
  return {
    role,
    profile,
    image,
    elf,
    flashBytes,
    archiveBytes: statSync(archive).size,
    ramCapBytes: ramSize,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureInstalled();
  const { values } = parseArgs({
    options: {
      role: { type: 'string', default: 'wearable' },
      profile: { type: 'string', default: 'native' },
      tests: { type: 'boolean', default: false },
      flash: { type: 'string' },
      ram: { type: 'string' },
    },
  });
  const options = {
    tests: values.tests,
    ...(values.flash && { flashSize: Number(values.flash) }),
    ...(values.ram && { ramSize: Number(values.ram) }),
  };
  try {
    process.stdout.write(`${JSON.stringify(await buildImage(values.role, values.profile, options))}\n`);
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
