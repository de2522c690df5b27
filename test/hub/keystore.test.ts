/**
 * Key files behind a passphrase: the format against the vectors of its definition, every byte that is changed, costs that a
 * file may not ask for, and the commands that make, read, lock and unlock them. Not checked here: a person at a terminal
 * (the passphrase comes from files and the environment), how long a passphrase holds.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { privateKeyToAccount } from 'viem/accounts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isKeystore, lockSecret, unlockSecret } from '../../hub/crypto/keystore.ts';
import type { SundialError } from '../../protocol/errors.ts';
import { inTemporaryFolder } from './temporary.ts';

/** Web3 Secret Storage Definition, test vectors: password "testpassword". */
const SECRET = '0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d';
const VECTORS = {
  pbkdf2: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
      ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
      kdf: 'pbkdf2',
      kdfparams: {
        c: 262144,
        dklen: 32,
        prf: 'hmac-sha256',
        salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
      },
      mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
  scrypt: {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
      ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
      kdf: 'scrypt',
      kdfparams: {
        dklen: 32,
        n: 262144,
        p: 8,
        r: 1,
        salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
      },
      mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
};

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as SundialError).code;
  }
  return 'nothing was refused';
};

for (const [kdf, vector] of Object.entries(VECTORS))
  test(`${kdf}: what others wrote is opened by its passphrase alone`, () => {
    const text = JSON.stringify(vector);
    assert.ok(isKeystore(text));
    assert.is(unlockSecret(text, 'testpassword', 'x'), SECRET);
    assert.is(
      codeOf(() => unlockSecret(text, 'testpassworD', 'x')),
      'passphrase_wrong',
    );
  });

test('what is locked is opened again, is another text each time, and tells the address without the passphrase', () => {
  const first = lockSecret(SECRET, 'a passphrase of four');
  const second = lockSecret(SECRET, 'a passphrase of four');
  assert.is(unlockSecret(first, 'a passphrase of four', 'x'), SECRET);
  assert.not(first.includes(SECRET.slice(2, 20)));
  const { address, crypto } = JSON.parse(first);
  assert.is(`0x${address}`, privateKeyToAccount(SECRET).address.toLowerCase());
  assert.ok(crypto.kdfparams.n * crypto.kdfparams.r >= 2 ** 20, 'a passphrase costs 128 MiB to try');
  for (const part of ['ciphertext', 'mac']) assert.is.not(crypto[part], JSON.parse(second).crypto[part]);
  assert.is.not(crypto.kdfparams.salt, JSON.parse(second).crypto.kdfparams.salt);
});

test('a file that was changed opens nothing, and none asks for more than it may', () => {
  type Crypto = typeof VECTORS.pbkdf2.crypto;
  const of = (change: (file: Crypto) => unknown): string => {
    const file = structuredClone(VECTORS.pbkdf2);
    file.crypto.kdfparams.c = 1_000;
    change(file.crypto);
    return codeOf(() => unlockSecret(JSON.stringify(file), 'testpassword', 'x'));
  };
  assert.is(
    of(() => undefined),
    'passphrase_wrong',
  );
  assert.is(
    of((file) => Object.assign(file, { cipher: 'aes-128-cbc' })),
    'bad_key_file',
  );
  assert.is(
    of((file) => Object.assign(file, { kdf: 'md5' })),
    'bad_key_file',
  );
  assert.is(
    of((file) => Object.assign(file, { ciphertext: file.ciphertext.slice(2) })),
    'bad_key_file',
  );
  assert.is(
    of((file) => Object.assign(file.kdfparams, { c: 1e9 })),
    'bad_key_file',
  );
  assert.is(
    of((file) => Object.assign(file, { kdf: 'scrypt' })),
    'bad_key_file',
  );
  for (const costs of [
    { n: 2 ** 23, r: 8, p: 1 },
    { n: 3, r: 8, p: 1 },
    { n: 2, r: 1_000, p: 1 },
  ])
    assert.is(
      of((file) => Object.assign(file, { kdf: 'scrypt', kdfparams: { ...file.kdfparams, ...costs } })),
      'bad_key_file',
      JSON.stringify(costs),
    );
  for (const text of [
    '{',
    '{}',
    '{"version":3}',
    `{"version":4,"crypto":${JSON.stringify(VECTORS.scrypt.crypto)}}`,
  ])
    assert.is(
      codeOf(() => unlockSecret(text, 'testpassword', 'x')),
      'bad_key_file',
      text,
    );
  const file = structuredClone(VECTORS.pbkdf2);
  for (const part of ['ciphertext', 'mac'] as const) {
    const changed = structuredClone(file);
    changed.crypto[part] = changed.crypto[part].replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    assert.is(
      codeOf(() => unlockSecret(JSON.stringify(changed), 'testpassword', 'x')),
      'passphrase_wrong',
    );
  }
});

test('the commands lock, read and unlock; a plain file stays as it is; what is wrong has a name', () =>
  inTemporaryFolder(async (home) => {
    const word = join(home, 'passphrase');
    writeFileSync(word, 'correct horse battery\nsecond line\n', { mode: 0o600 });
    const run = (env: Record<string, string>, ...args: string[]) => {
      const { SUNDIAL_PASSPHRASE: _, SUNDIAL_PASSPHRASE_FILE: __, ...others } = process.env;
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ['tools/sundial.mjs', ...args, '--json'],
        { encoding: 'utf8', env: { ...others, ...env }, input: '' },
      );
      return status === 0 ? JSON.parse(stdout) : JSON.parse(stderr).error.code;
    };
    const byFile = { SUNDIAL_PASSPHRASE_FILE: word };
    const byText = { SUNDIAL_PASSPHRASE: 'correct horse battery' };
    const locked = join(home, 'root.key');
    const { address } = run(byFile, 'hub-key', 'new', '--out', locked, '--lock');
    assert.is(statSync(locked).mode & 0o077, 0);
    assert.is(`0x${JSON.parse(readFileSync(locked, 'utf8')).address}`, address);
    // A certificate by the locked root.
    const certify = ['hub-key', 'certify', '--root', locked, '--key', `0x${'11'.repeat(20)}`];
    const domain = ['--vault', `0x${'22'.repeat(20)}`, '--chain-id', '1'];
    assert.is(run(byText, ...certify, ...domain).root, address);
    assert.is(run({}, ...certify, ...domain), 'passphrase_missing');
    assert.is(run({ SUNDIAL_PASSPHRASE: 'wrong horse battery' }, ...certify, ...domain), 'passphrase_wrong');
    chmodSync(word, 0o644);
    assert.is(run(byFile, ...certify, ...domain), 'passphrase_missing');
    chmodSync(word, 0o600);
    const none = join(home, 'none.key');
    assert.is(run({}, 'hub-key', 'new', '--out', none, '--lock'), 'passphrase_missing');
    assert.is(
      run({ SUNDIAL_PASSPHRASE: 'short' }, 'hub-key', 'new', '--out', none, '--lock'),
      'passphrase_short',
    );
    // Off and on again: the key is the same.
    assert.is(run(byFile, 'hub-key', 'unlock', locked).address, address);
    const plain = readFileSync(locked, 'utf8');
    assert.match(plain, /^0x[0-9a-f]{64}\n$/);
    assert.is(run({}, ...certify, ...domain).root, address, 'and needs none');
    assert.is(run(byText, 'hub-key', 'lock', locked).locked, true);
    assert.not(readFileSync(locked, 'utf8').includes(plain.trim().slice(2)));
    assert.is(statSync(locked).mode & 0o077, 0);
    assert.is(run(byText, ...certify, ...domain).root, address);
  }));

test('a hub’s folder with locked keys is completed and read with the passphrase, and not without', () =>
  inTemporaryFolder(async (home) => {
    const folder = join(home, 'hub');
    const run = (env: Record<string, string>, ...args: string[]) =>
      spawnSync(process.execPath, ['tools/sundial.mjs', ...args, '--json'], {
        encoding: 'utf8',
        env: { ...process.env, ...env },
        input: '',
      });
    const word = { SUNDIAL_PASSPHRASE: 'correct horse battery' };
    const made = run(word, 'init', folder, '--rpc', 'http://127.0.0.1:1', '--lock');
    assert.is(made.status, 0, made.stderr);
    const { root, settler } = JSON.parse(made.stdout);
    for (const name of ['root', 'hub', 'settlement', 'operator'])
      assert.ok(isKeystore(readFileSync(join(folder, 'keys', `${name}.key`), 'utf8')), name);
    // Called again it finds the keys that it made.
    const again = JSON.parse(run(word, 'init', folder, '--rpc', 'http://127.0.0.1:1').stdout);
    assert.equal([again.root, again.settler], [root, settler]);
    assert.match(run({}, 'init', folder, '--rpc', 'http://127.0.0.1:1').stderr, /"passphrase_missing"/);
    const key = join(folder, 'keys', 'settlement.key');
    const deploy = ['deploy', '--network', 'dev', '--rpc', 'http://127.0.0.1:1', '--key-file', key];
    assert.match(run({}, ...deploy).stderr, /"passphrase_missing"/);
    assert.not(/passphrase/.test(run(word, ...deploy).stderr), 'it gets as far as the chain');
  }));

test.run();
