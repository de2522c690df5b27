/**
 * Hashes and signatures of the images, compiled for a core without unaligned loads, at odd addresses: the emulated core is
 * told to fault on every unaligned load and store. That it does is seen from the same code compiled for a core that has them.
 *
 * Not looked at here: the engine on such a core, and other chips without unaligned loads (RISC-V, Xtensa): keccak.c names them.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hex } from './selftest-client.ts';

const run = promisify(execFile);

interface Build {
  readonly nativeFolder: string;
  readonly keccakFlags: readonly string[];
  readonly curveFlags: readonly string[];
  curveTable(bits: number): Promise<string>;
  command(program: string, args: readonly string[], options?: object): Promise<string>;
}
const build = (await import(join(process.cwd(), 'hardware/native/build.mjs'))) as Build;
const folder = mkdtempSync(join(tmpdir(), 'sundial-odd-'));
test.after(() => rmSync(folder, { recursive: true }));

/** Lines that the program prints when it is compiled for a core. */
async function printed(core: string): Promise<string[]> {
  const { nativeFolder, keccakFlags, curveFlags, curveTable, command } = build;
  const image = join(folder, core);
  await command('arm-none-eabi-gcc', [
    ...[`-mcpu=${core}`, '-mthumb', '-std=gnu11', '-O2', '-w', '-ffunction-sections', '-fdata-sections'],
    ...['-nostartfiles', '--specs=nano.specs', '-Wl,--gc-sections', '-T', 'test/board/odd-addresses.ld'],
    ...['-DECMULT_GEN_PREC_BITS=4', '-DECMULT_WINDOW_SIZE=4', '-I', nativeFolder],
    ...['-isystem', await curveTable(4), ...keccakFlags, ...curveFlags],
    'test/board/odd-addresses.c',
    ...['keccak.c', 'secp.c'].map((name) => join(nativeFolder, name)),
    ...['-o', image],
  ]);
  const emulated = ['-machine', 'mps2-an386', '-display', 'none', '-monitor', 'none', '-serial', 'none'];
  const console = ['-semihosting-config', 'enable=on,target=native', '-kernel', image];
  const { stdout, stderr } = await run('qemu-system-arm', [...emulated, ...console], { timeout: 300_000 });
  return `${stdout}${stderr}`.trim().split('\n');
}

const filled = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 255);

/** What noble makes of the same, once for each address. */
function expected(): string[] {
  const found: string[] = [];
  for (const size of [1, 32, 63, 64, 135, 136, 137, 300])
    found.push(`keccak256 ${hex(keccak_256(filled(size)))}`, `sha256 ${hex(sha256(filled(size)))}`);
  const secret = filled(32);
  const address = hex(keccak_256(secp256k1.getPublicKey(secret, false).slice(1)).slice(12));
  const signed = secp256k1.sign(secret, secret, { prehash: false, format: 'recovered' });
  const compact = signed.slice(1);
  compact[32]! |= signed[0]! << 7;
  found.push(`address ${address}`, `sign ${hex(compact)}`, `recover ${address}`);
  return found;
}

test('hashes and signatures at odd addresses need no unaligned load', async () => {
  const once = expected();
  const all = Array.from({ length: 8 }, () => once).flat();
  assert.equal(await printed('cortex-m0'), [...all, 'done']);
});

test('the core that this is tried on faults at the first unaligned load', async () => {
  assert.is((await printed('cortex-m3')).at(-1), 'fault: hard_fault');
});

test.run();
