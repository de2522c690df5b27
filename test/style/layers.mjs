// Imports point one way, and what runs on a chip uses nothing that only Node or a browser has. Both are read from the
// sources: a comment or a text may say anything, code may not.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** What the parts of a simulated run may import: the run as they see it, not what starts, hunts and reports runs. */
const PART_OF_A_RUN = {
  folders: ['protocol', 'device', 'hub', 'simulators/stage', 'simulators/fleet', 'simulators/scenarios'],
  packages: [],
};

/** What each folder may import besides itself: folders, and packages by name or as a prefix ending in a slash. */
const LAYERS = {
  'hardware/interfaces': { folders: [], packages: [] },
  protocol: { folders: ['hardware/interfaces'], packages: ['@noble/', 'cbor-x'] },
  device: { folders: ['protocol', 'hardware/interfaces'], packages: ['zod/mini'] },
  'hardware/replay': { folders: ['protocol', 'device', 'hardware/interfaces'], packages: [] },
  'hardware/keys': { folders: ['protocol', 'hardware/interfaces'], packages: ['@noble/'] },
  'hardware/boards/node/storage': { folders: ['protocol'], packages: '*' },
  'hardware/boards/node/http': { folders: ['protocol'], packages: '*' },
  'hardware/boards/node': {
    folders: [
      'protocol',
      'device',
      'hardware/interfaces',
      'hardware/keys',
      'hardware/boards/mps2-an386/host',
    ],
    packages: '*',
  },
  // A hub runs on Node as well: files, locks and routes are those of the Node board.
  hub: {
    folders: ['protocol', 'hardware/interfaces', 'hardware/boards/node/storage', 'hardware/boards/node/http'],
    packages: '*',
  },
  // An operator's commands also look into the folders of devices.
  'hub/cli': {
    folders: ['protocol', 'hub', 'hardware/interfaces', 'hardware/boards/node'],
    packages: '*',
  },
  'simulators/explore': {
    folders: [
      'protocol',
      'hub/intake',
      'hub/ledger/records.ts',
      'hub/batch',
      'hub/l2/rows.ts',
      'simulators/stage/chain/vault.ts',
      'simulators/stage/compare.ts',
      'hardware/interfaces',
    ],
    packages: [],
  },
  'simulators/adversary': PART_OF_A_RUN,
  'simulators/checkers': PART_OF_A_RUN,
  'simulators/stage': {
    folders: [...PART_OF_A_RUN.folders, 'hardware/interfaces'],
    packages: ['@noble/'],
  },
  // Beside the parts of a run: what stands in for a radio or a reader, for real hosts on a real bus.
  'simulators/stage/bluez': { folders: ['protocol', 'hardware/boards/node'], packages: '*' },
  'simulators/stage/card': { folders: ['protocol', 'hardware/boards/node/storage'], packages: '*' },
  simulators: {
    folders: ['protocol', 'device', 'hub', 'hardware', 'contracts', 'tools'],
    packages: '*',
  },
  tools: { folders: ['protocol', 'device', 'hub', 'hardware', 'simulators'], packages: '*' },
};

/** Of which hardware/interfaces may only be taken as types: it holds no code. */
const TYPES_ONLY = 'hardware/interfaces';

/** Names that only Node or a browser knows. A chip has none of them. */
const FORBIDDEN = [
  'Buffer',
  'process',
  'require',
  '__dirname',
  'globalThis',
  'window',
  'document',
  'navigator',
  'TextEncoder',
  'TextDecoder',
  'URL',
  'fetch',
  'WebSocket',
  'AbortController',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'queueMicrotask',
  'structuredClone',
  'console',
  'performance',
  'crypto',
  'atob',
  'btoa',
  'Intl',
];
const FORBIDDEN_CALLS = ['Date.now', 'new Date', 'Math.random', 'toLocaleString', 'localeCompare'];
/** Folders that run on a chip. */
const ON_CHIP = ['protocol', 'device', 'hardware/interfaces'];

function* sources(root, folder) {
  let entries;
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* sources(root, path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

/** The code without comments and without the text of strings (import paths are read before). */
export function codeOf(text) {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\$]|\\.|\$(?!\{))*`/g,
    (part) => (part.startsWith('/') ? ' ' : "''"),
  );
}

const layerOf = (path) =>
  Object.keys(LAYERS)
    .filter((folder) => path.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length)[0];

function importFault(root, file, layer, specifier, typeOnly) {
  const { folders, packages } = LAYERS[layer];
  if (!specifier.startsWith('.')) {
    if (packages === '*') return undefined;
    const allowed = packages.some((name) =>
      name.endsWith('/')
        ? specifier.startsWith(name)
        : specifier === name || specifier.startsWith(`${name}/`),
    );
    return allowed ? undefined : `imports the package ${specifier}`;
  }
  const target = relative(root, resolve(root, dirname(file), specifier));
  if (!specifier.endsWith('.ts') && !specifier.endsWith('.json') && !specifier.endsWith('.mjs'))
    return `imports ${specifier} without its ending`;
  if (target.startsWith(`${layer}/`)) return undefined;
  if (!folders.some((folder) => target === folder || target.startsWith(`${folder}/`)))
    return `imports ${target}, which is not below ${layer}`;
  if (target.startsWith(`${TYPES_ONLY}/`) && !typeOnly)
    return `imports code from ${TYPES_ONLY}, which holds types`;
  return undefined;
}

const IMPORT = /(?:^|\n)\s*(import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/g;
const DYNAMIC = /\bimport\(\s*'([^']+)'/g;

/** All faults of one file, as sentences. */
export function faultsOf(root, file, text) {
  const layer = layerOf(file);
  const faults = [];
  for (const [, , type, specifier] of text.matchAll(IMPORT)) {
    const fault = importFault(root, file, layer, specifier, type !== undefined);
    if (fault !== undefined) faults.push(fault);
  }
  for (const [, specifier] of text.matchAll(DYNAMIC)) {
    const fault = importFault(root, file, layer, specifier, false);
    if (fault !== undefined) faults.push(fault);
  }
  if (!ON_CHIP.some((folder) => file.startsWith(`${folder}/`))) return faults;
  const code = codeOf(text);
  for (const name of FORBIDDEN)
    if (new RegExp(`(?<![.\\w$'])${name}\\b(?!\\s*[:?]|'|\\w)`).test(code)) faults.push(`uses ${name}`);
  for (const call of FORBIDDEN_CALLS)
    if (new RegExp(`\\b${call.replace('.', '\\.')}\\b`).test(code)) faults.push(`uses ${call}`);
  if (/\bnode:/.test(text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, ''))) faults.push('names a module of Node');
  return faults;
}

/** Broken on purpose, to show that each kind of fault is seen. */
const BROKEN = [
  ['protocol/x.ts', "import { a } from '../device/y.ts';", 'imports device/y.ts'],
  ['protocol/x.ts', "import { z } from 'zod';", 'imports the package zod'],
  ['protocol/x.ts', "import { a } from './y';", 'without its ending'],
  ['protocol/x.ts', "import { Flash } from '../hardware/interfaces/index.ts';", 'holds types'],
  ['protocol/x.ts', "import { readFileSync } from 'node:fs';", 'node:fs'],
  ['device/x.ts', "export * from '../hub/y.ts';", 'imports hub/y.ts'],
  ['device/x.ts', "const y = await import('../simulators/z.ts');", 'imports simulators/z.ts'],
  ['hub/x.ts', "import { a } from '../device/y.ts';", 'imports device/y.ts'],
  ...[
    'Buffer.from(a)',
    'process.exit()',
    'new TextEncoder()',
    'setTimeout(a, 1)',
    'console.log(a)',
    'fetch(a)',
  ].map((code) => ['device/x.ts', `export const f = () => ${code};`, 'uses']),
  ...['Date.now()', 'Math.random()', 'performance.now()', 'crypto.subtle', 'new Date()'].map((code) => [
    'protocol/x.ts',
    `export const f = () => ${code};`,
    'uses',
  ]),
];
/** Right, although it looks a little like a fault. */
const RIGHT = [
  ['protocol/x.ts', "import type { Flash } from '../hardware/interfaces/index.ts';"],
  ['protocol/x.ts', "import { p256 } from '@noble/curves/nist.js';"],
  [
    'device/x.ts',
    '// a Buffer, process and setTimeout in a comment\nexport const a = { process: 1 };\nexport const b = a.process;',
  ],
  ['device/x.ts', "export const text = 'use fetch or Buffer';"],
];

/** Rings of files that import each other, each as one sentence: Tarjan's strongly connected parts of `imports`. */
export function circles(imports) {
  const index = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  const visit = (file) => {
    index.set(file, index.size);
    low.set(file, index.get(file));
    stack.push(file);
    for (const next of imports.get(file)) {
      if (!imports.has(next)) continue;
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(file, Math.min(low.get(file), low.get(next)));
    }
    if (low.get(file) !== index.get(file)) return;
    const ring = stack.splice(stack.indexOf(file));
    if (ring.length > 1) found.push(`import circle: ${ring.sort().join(', ')}`);
  };
  for (const file of imports.keys()) if (!index.has(file)) visit(file);
  return found;
}

/** Which files a file imports, from the project's root. */
const importsOf = (root, file, text) =>
  [...text.matchAll(IMPORT)]
    .map(([, , , specifier]) => specifier)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => relative(root, resolve(root, dirname(file), specifier)));

/** [sentence, fault or undefined] for each check. */
export function checkLayers(root) {
  const results = [];
  const missed = BROKEN.filter(
    ([file, text, part]) => !faultsOf(root, file, text).some((fault) => fault.includes(part)),
  );
  results.push(['each kind of broken layer is seen', missed.map(([, text]) => `not seen: ${text}`)]);
  const wrong = RIGHT.flatMap(([file, text]) => faultsOf(root, file, text));
  results.push(['what is right is left alone', wrong]);
  const ring = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', ['a']],
    ['d', []],
  ]);
  results.push(['a circle is seen', circles(ring).join() === 'import circle: a, b, c' ? [] : ['not seen']]);
  const imports = new Map();
  for (const folder of [
    'hardware/interfaces',
    'protocol',
    'device',
    'hardware/boards/node',
    'hub',
    'simulators',
    'tools',
  ]) {
    const files = [...sources(root, folder)];
    const faults = files.flatMap((file) =>
      faultsOf(root, file, readFileSync(join(root, file), 'utf8')).map((fault) => `${file} ${fault}`),
    );
    results.push([`${folder} keeps to its layer (${files.length} files)`, faults]);
    for (const file of files)
      imports.set(file, importsOf(root, file, readFileSync(join(root, file), 'utf8')));
  }
  results.push([`no import circle among ${imports.size} files`, circles(imports)]);
  return results;
}
