// Compiles the contracts with npm's solc into build/contracts/*.json (abi and bytecode). A hash of everything that goes
// in keeps it from compiling twice. Run it, or import compileContracts().
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './ensure.mjs';

/** What is deployed: source file and contract. */
const wanted = [
  ['contracts/src/Time.sol', 'Time'],
  ['contracts/src/Registry.sol', 'Registry'],
  ['contracts/src/Vault.sol', 'Vault'],
  ['contracts/src/Pots.sol', 'Pots'],
  ['contracts/src/Mandates.sol', 'Mandates'],
  ['contracts/src/Reserve.sol', 'Reserve'],
  ['contracts/src/Split.sol', 'Split'],
  ['contracts/src/Splits.sol', 'Splits'],
  ['contracts/src/Timelock.sol', 'Timelock'],
];

/** Must equal contracts/foundry.toml, so that the tests run the code that is deployed. */
const settings = {
  optimizer: { enabled: true, runs: 200 },
  viaIR: false,
  evmVersion: 'osaka',
  metadata: { bytecodeHash: 'none', appendCBOR: false },
};

/** The compiler's job for these sources; only the contracts named come out, as code is what takes its time. */
export function compileInput(sources, contracts) {
  const outputSelection = {};
  for (const [file, name] of contracts) {
    outputSelection[file] = { [name]: ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] };
  }
  return JSON.stringify({ language: 'Solidity', sources, settings: { ...settings, outputSelection } });
}

/** A file of a dependency: npm may have put it into a folder above, as it does beside a package. */
function inModules(name) {
  for (let folder = root; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name);
    if (existsSync(path) || folder === dirname(folder)) return path;
  }
}

/** Reads a source and everything it imports into `sources`, by the names that the compiler uses. */
export function collectSources(name, sources) {
  if (sources[name]) return;
  const file = name.startsWith('@') ? inModules(name) : join(root, name);
  const content = readFileSync(file, 'utf8');
  sources[name] = { content };
  for (const [, path] of content.matchAll(/^import\s[^;]*?["']([^"']+)["'];/gms)) {
    collectSources(path.startsWith('.') ? posix.join(posix.dirname(name), path) : path, sources);
  }
}

/** The standard-JSON input that a block explorer compiles and compares: all that is deployed, with its settings. */
export function standardJson() {
  const sources = {};
  for (const [name] of wanted) collectSources(name, sources);
  return compileInput(sources, wanted);
}

/**
 * Compiles what changed and returns name -> { abi, bytecode, deployedBytecode }; bytecode is 0x hex.
 * Throws with the compiler's messages when the sources don't compile.
 */
export function compileContracts() {
  const sources = {};
  for (const [name] of wanted) collectSources(name, sources);
  const require = createRequire(import.meta.url);
  const input = compileInput(sources, wanted);
  const hash = createHash('sha256').update(require('solc/package.json').version).update(input).digest('hex');
  const folder = join(root, 'build', 'contracts');
  const read = (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
  try {
    const cached = wanted.map(([, name]) => [name, read(name)]);
    if (cached.every(([, artifact]) => artifact.sources === hash)) return Object.fromEntries(cached);
  } catch {
    // Nothing built yet, or cut off in the middle: compile.
  }
  const output = JSON.parse(require('solc').compile(input));
  const errors = (output.errors ?? []).filter((error) => error.severity === 'error');
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join('\n'));
  mkdirSync(folder, { recursive: true });
  const artifacts = {};
  for (const [file, name] of wanted) {
    const { abi, evm } = output.contracts[file][name];
    artifacts[name] = {
      sources: hash,
      abi,
      bytecode: `0x${evm.bytecode.object}`,
      deployedBytecode: `0x${evm.deployedBytecode.object}`,
    };
    // Renamed into place, so that a reader in another process never sees half a file.
    const temporary = join(folder, `${name}.${process.pid}.tmp`);
    writeFileSync(temporary, JSON.stringify(artifacts[name]));
    renameSync(temporary, join(folder, `${name}.json`));
  }
  return artifacts;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [name, { deployedBytecode }] of Object.entries(compileContracts())) {
    process.stdout.write(`${name}: ${(deployedBytecode.length - 2) / 2} bytes\n`);
  }
}
