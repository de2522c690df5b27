/** The interfaces that TypeScript believes in are those that the compiler made. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Abi } from 'viem';
import { timeAbi, timelockAbi, vaultAbi } from '../../hub/l2/abi.ts';
import { mandatesAbi, splitAbi, splitsAbi } from '../../hub/l2/mandates-abi.ts';
import { potsAbi, reserveAbi } from '../../hub/l2/pots-abi.ts';
import { registryAbi } from '../../hub/l2/registry-abi.ts';

const abis = suite('interfaces');

interface Parameter {
  readonly name?: string;
  readonly type: string;
  readonly indexed?: boolean;
  readonly components?: readonly Parameter[];
}

/** Everything about a parameter that changes how it is encoded or what it is called. */
const parameter = ({ name, type, indexed, components }: Parameter): string =>
  `${type}${components ? `(${components.map(parameter).join()})` : ''}${indexed ? ' indexed' : ''} ${name ?? ''}`;

/** One line an entry. */
const lines = (abi: Abi): string[] =>
  abi.map((entry) => {
    const { type, name, inputs, outputs, stateMutability } = entry as {
      type: string;
      name?: string;
      inputs?: readonly Parameter[];
      outputs?: readonly Parameter[];
      stateMutability?: string;
    };
    const list = (parameters?: readonly Parameter[]) => (parameters ?? []).map(parameter).join(', ');
    return `${type} ${name ?? ''}(${list(inputs)}) ${stateMutability ?? ''} (${list(outputs)})`;
  });

const compiled = (name: string): string[] =>
  lines(JSON.parse(readFileSync(`build/contracts/${name}.json`, 'utf8')).abi as Abi);

for (const [name, abi] of [
  ['Time', timeAbi],
  ['Timelock', timelockAbi],
  ['Registry', registryAbi],
  ['Vault', vaultAbi],
  ['Pots', potsAbi],
  ['Reserve', reserveAbi],
  ['Mandates', mandatesAbi],
  ['Split', splitAbi],
  ['Splits', splitsAbi],
] as const) {
  abis(`every typed entry of ${name} is in the compiled interface`, () => {
    const real = new Set(compiled(name));
    const invented = lines(abi).filter((line) => !real.has(line));
    assert.equal(invented, []);
  });
}

for (const [name, abi] of [
  ['Registry', registryAbi],
  ['Vault', vaultAbi],
  ['Pots', potsAbi],
] as const) {
  abis(`every event and error of ${name} is typed`, () => {
    const typed = new Set(lines(abi));
    const missing = compiled(name).filter(
      (line) => /^(event|error) /.test(line) && !typed.has(line) && !INHERITED.test(line),
    );
    assert.equal(missing, []);
  });
}

/** What EIP-170 allows, less the room that each contract keeps for what comes. */
const CODE_BYTES_MAX = 24_576 - 4096;

for (const name of ['Registry', 'Vault', 'Pots', 'Mandates', 'Reserve', 'Split', 'Splits']) {
  abis(`${name} has 4 KiB of room`, () => {
    const { deployedBytecode } = JSON.parse(readFileSync(`build/contracts/${name}.json`, 'utf8')) as {
      deployedBytecode: string;
    };
    const bytes = (deployedBytecode.length - 2) / 2;
    assert.ok(bytes > 0 && bytes <= CODE_BYTES_MAX, `${bytes} of ${CODE_BYTES_MAX} bytes`);
  });
}

/** Errors of the libraries that the contracts use: viem shows them undecoded, which nobody acts on. */
const INHERITED = /^error (SafeERC20|Reentrancy)/;

abis.run();
