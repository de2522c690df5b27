/** The interfaces that TypeScript believes in are those that the compiler made. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Abi } from 'viem';
import { timeAbi, timelockAbi, vaultAbi } from '../../hub/l2/abi.ts';

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
  ['TimelockController', timelockAbi],
  ['Vault', vaultAbi],
] as const) {
  abis(`every typed entry of ${name} is in the compiled interface`, () => {
    const real = new Set(compiled(name));
    const invented = lines(abi).filter((line) => !real.has(line));
    assert.equal(invented, []);
  });
}

abis('every event and error of the vault is typed', () => {
  const typed = new Set(lines(vaultAbi));
  const missing = compiled('Vault').filter(
    (line) => /^(event|error) /.test(line) && !typed.has(line) && !INHERITED.test(line),
  );
  assert.equal(missing, []);
});

/** Errors of the libraries that the vault uses: viem shows them undecoded, which nobody acts on. */
const INHERITED = /^error (SafeERC20|Reentrancy)/;

abis.run();
