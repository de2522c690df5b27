/**
 * The table of commands, which loads a part of the program when one of its commands is typed. Doesn't check what the
 * commands do.
 */
import { spawnSync } from 'node:child_process';
import { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PARTS } from '../../tools/commands.ts';

for (const { names, load } of PARTS)
  test(`the part of ${names.join(', ')} adds these and no other`, async () => {
    const program = new Command('sundial');
    (await load())(program);
    assert.equal(
      program.commands.map((command) => command.name()),
      names,
    );
  });

test('no command stands twice', () => {
  const names = PARTS.flatMap((part) => part.names);
  assert.is(new Set(names).size, names.length);
});

/** Makes Node refuse to load the chain client. */
const REFUSE_VIEM = `import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(
  "export const resolve = (name, context, next) => { if (name.startsWith('viem')) throw new Error('refused'); return next(name, context); }"));`;

const sundial = (...words: string[]) =>
  spawnSync(process.execPath, ['tools/sundial.mjs', ...words], { encoding: 'utf8' });

test('the help has every command; a word that is none is named with the nearest one', () => {
  const help = sundial('--help').stdout;
  for (const name of PARTS.flatMap((part) => part.names)) assert.match(help, new RegExp(`^  ${name} `, 'm'));
  const wrong = sundial('poss');
  assert.is(wrong.status, 1);
  assert.match(wrong.stderr, /unknown command 'poss'\s+\(Did you mean pos\?\)/);
  assert.match(sundial('help', 'receipt').stdout, /check the code on a receipt/);
});

test('a word is answered from its own part: nothing that a receipt does not need is loaded', () => {
  const hook = `data:text/javascript,${encodeURIComponent(REFUSE_VIEM)}`;
  const run = (word: string) =>
    spawnSync(process.execPath, ['--import', hook, 'tools/sundial.mjs', word, '--help'], {
      encoding: 'utf8',
    });
  assert.match(run('receipt').stdout, /check the code on a receipt/);
  assert.is.not(run('channel').status, 0, 'the hook refuses');
});

test.run();
