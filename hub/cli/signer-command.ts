/** `sundial signer`: holds a hub's hot key in a process of its own, with limits of its own. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { fail } from '../../hardware/boards/node/cli/output.ts';
import { createDurably } from '../../hardware/boards/node/storage/durable-file.ts';
import { readJson } from '../../hardware/boards/node/storage/read-json.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { SundialError } from '../../protocol/errors.ts';
import { UINT48_MAX } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { loadCrypto } from '../crypto/crypto.ts';
import { memoryKey } from '../crypto/keys.ts';
import { hex } from '../hex.ts';
import { lmdbPositions } from '../signer/positions.ts';
import { startSigner } from '../signer/server.ts';
import { secretOf } from './hub-folder.ts';

const whole = z.int().min(0).max(UINT48_MAX);
const signerSchema = z.strictObject({
  chainId: z.int().min(1).max(UINT48_MAX),
  vault: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/, 'want an address: 0x and 40 hex digits')
    .transform((text) => text.toLowerCase()),
  key: hex(32),
  host: z.string().default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(9470),
  /** Bounds of one lease; units, and seconds. */
  lease: z.strictObject({
    capMax: whole,
    guaranteeMax: whole.default(0),
    tapMax: whole,
    spendMax: whole,
    lifetimeMax: whole.default(DEFAULT_TIMING.leaseLifetime),
  }),
});

const REMEDY =
  'Want { "chainId", "vault", "key": { "file": "hub.key" }, "lease": { "capMax", "tapMax", "spendMax" } } in signer.json.';

async function run(folder: string, json: boolean): Promise<void> {
  const path = resolve(folder);
  const raw = readJson(join(path, 'signer.json'), 'signer_config', { severity: 'process', remedy: REMEDY });
  const fields = typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {};
  const parsed = signerSchema.safeParse({ ...fields, key: secretOf(fields.key, path) });
  if (!parsed.success) {
    const { path: at, message } = parsed.error.issues[0]!;
    throw new SundialError('signer_config', `signer.json: ${at.join('.') || 'all of it'}: ${message}`, {
      severity: 'process',
      remedy: REMEDY,
    });
  }
  const { chainId, vault, key, host, port, lease } = parsed.data;
  const crypto = loadCrypto();
  const tokenFile = join(path, 'signer.token');
  if (!existsSync(tokenFile)) createDurably(tokenFile, `${randomBytes(32).toString('base64url')}\n`);
  const signer = await startSigner({
    key: memoryKey(key, crypto),
    signing: makeSigning(crypto.suite, { chainId, vault: fromHex(vault, 20) }),
    token: readFileSync(tokenFile, 'utf8').trim(),
    bounds: lease,
    positions: lmdbPositions(join(path, 'positions')),
    host,
    port,
  });
  const facts = { url: signer.url, tokenFile };
  process.stdout.write(
    json
      ? `${JSON.stringify({ event: 'ready', ...facts })}\n`
      : `signer at ${signer.url}\n  in hub.json: "signing": ${JSON.stringify(facts)}\n`,
  );
  const stop = (): void => void signer.close().then(() => process.exit(0), fail);
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

/** Adds `sundial signer`. */
export function addSignerCommand(program: Command): void {
  program
    .command('signer')
    .description(
      "holds a hub's hot key in a process of its own: no lease above its bounds, no two entries at one position",
    )
    .argument('[folder]', 'with signer.json; its token and positions are kept there', '.')
    .option('--json', 'one JSON line on stdout when it is up', false)
    .action((folder: string, flags: { json: boolean }) => run(folder, flags.json).catch(fail));
}
