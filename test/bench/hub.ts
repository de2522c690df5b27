/**
 * What the hub takes in, measured in one process, with the threads that it has and without: packs of vouchers from their bytes to the signed
 * acknowledgement after the fsync, against how fast the same machine recovers signers and does nothing else. Each
 * voucher costs two recoveries (payer, terminal's receipt), so the ratio counts signatures. Options: --json, --vouchers N.
 */
import { createRequire } from 'node:module';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCrypto } from '../../hub/crypto.ts';
import { emptyIntake } from '../../hub/intake/state.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import { IntakeRuntime } from '../../hub/intake/runtime.ts';
import { Journal } from '../../hub/journal.ts';
import { memoryKey } from '../../hub/keys.ts';
import { RecoverPool } from '../../hub/recover-pool.ts';
import { openFileLedger } from '../../hub/ledger/file-ledger.ts';
import { createLogger } from '../../hub/log.ts';
import { createMetrics } from '../../hub/metrics.ts';
import { amount, channelId } from '../../protocol/integers.ts';
import { PACK_ENTRIES_MAX } from '../../protocol/limits.ts';
import { encodeMessage, type MessageOf } from '../../protocol/wire/messages.ts';
import { context, key, NOW, preparedState, suite, tap } from '../hub/fleet.ts';

const json = process.argv.includes('--json');
const wanted = Number(process.argv[process.argv.indexOf('--vouchers') + 1]);
const vouchers = process.argv.includes('--vouchers') && wanted > 0 ? wanted : 12_800;
const CHANNELS = 50;
/** Packs under way at once: what a broker hands over while the disk works. */
const IN_FLIGHT = 16;

const crypto = loadCrypto();
const say = (text: string) => process.stderr.write(`${text}\n`);

/** Signs with the same library as the hub: otherwise making the load takes longer than taking it. */
const fastKey = (n: number) =>
  memoryKey(`0x${Buffer.from(suite.keccak256(Uint8Array.of(n, 1))).toString('hex')}`, crypto);

say(`signing ${vouchers} vouchers of ${CHANNELS} channels ...`);
const payers = Array.from({ length: CHANNELS }, (_, n) => fastKey(n));
const terminal = fastKey(200);
const payee = key(1);
const packs: Uint8Array[] = [];
const digests: { digest: Uint8Array; signature: Uint8Array }[] = [];
for (let made = 0; made < vouchers; ) {
  const entries: Uint8Array[] = [];
  for (let i = 0; i < PACK_ENTRIES_MAX && made < vouchers; i += 1, made += 1) {
    const seq = Math.floor(made / CHANNELS) + 1;
    const channel = made % CHANNELS;
    const fields = {
      channel: channel + 1,
      payer: payers[channel]!,
      terminal,
      seq,
      amount: 5,
      spent: 5 * seq,
      paid: 5 * seq,
    };
    const { bytes, id, message } = await tap(fields);
    entries.push(bytes);
    if (digests.length < 4_000) {
      digests.push({ digest: id, signature: (message as MessageOf<'collectedVoucher'>).signature });
    }
  }
  packs.push(encodeMessage({ type: 'pack', entries }));
}

/** Recoveries a second by the native library alone, over distinct signatures. */
function rawRate(): number {
  const library = createRequire(import.meta.url)('secp256k1/bindings') as {
    ecdsaRecover(signature: Uint8Array, parity: number, digest: Uint8Array, compressed: boolean): Uint8Array;
  };
  const inputs = digests.map(({ digest, signature }) => {
    const compact = Uint8Array.from(signature);
    const parity = compact[32]! >> 7;
    compact[32]! &= 0x7f;
    return { digest, compact, parity };
  });
  const started = performance.now();
  for (const { digest, compact, parity } of inputs) library.ecdsaRecover(compact, parity, digest, false);
  return (inputs.length * 1000) / (performance.now() - started);
}

/** Recoveries through the suite: the library, its checks and the address. */
function suiteRate(): number {
  const started = performance.now();
  for (const { digest, signature } of digests) crypto.suite.recover(digest, signature);
  return (digests.length * 1000) / (performance.now() - started);
}

async function intakeRate(pool: RecoverPool | undefined): Promise<{ rate: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'sundial-bench-'));
  const ledger = await openFileLedger(folder);
  let acknowledged = 0;
  const runtime = new IntakeRuntime(context, {
    journal: new Journal(ledger, crypto.suite),
    key: fastKey(201),
    metrics: createMetrics(),
    log: createLogger('silent'),
    send: (_device, bytes) => {
      const decoded = decodeFirst(bytes);
      if (decoded !== 52) throw new Error(`answered with message ${decoded}`);
      acknowledged += 1;
    },
    pool,
    registered: () => {},
    revocations: () => {},
    fatal: (error) => {
      throw error;
    },
  });
  let state = preparedState();
  for (const [index, { address }] of payers.entries()) {
    const facts = {
      payer: address,
      deposited: amount(1e9),
      spendable: amount(8e8),
      exiting: false,
      slashed: false,
    };
    state = intakeStep(context, state, { type: 'channel', channel: channelId(index + 1), facts }).state;
  }
  state = intakeStep(context, state, {
    type: 'terminal',
    terminal: terminal.address,
    payee: payee.address,
  }).state;
  runtime.state = { ...emptyIntake, ...state };
  const queue = packs.slice();
  const worker = async () => {
    for (let pack = queue.shift(); pack !== undefined; pack = queue.shift()) {
      await runtime.message('terminal', pack, NOW);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  const elapsed = performance.now() - started;
  if (acknowledged !== vouchers) throw new Error(`${acknowledged} of ${vouchers} acknowledged`);
  await ledger.close();
  await rm(folder, { recursive: true });
  return { rate: (vouchers * 1000) / elapsed };
}

/** Number of a message without decoding it: the third byte group of [1, number, ...]. */
function decodeFirst(bytes: Uint8Array): number {
  return bytes[2] === 0x18 ? bytes[3]! : bytes[2]!;
}

if (crypto.kind !== 'native') {
  say(`the native library does not load here: ${crypto.reason}`);
  process.exit(1);
}

rawRate();
const raw: number[] = [];
const checked: number[] = [];
const taken: number[] = [];
const alone: number[] = [];
const pool = RecoverPool.start(crypto);
// In turns, so that a machine that is busy elsewhere slows all of them alike.
for (let round = 0; round < 3; round += 1) {
  raw.push(rawRate());
  checked.push(suiteRate());
  taken.push((await intakeRate(pool)).rate);
  alone.push((await intakeRate(undefined)).rate);
}
const median = (values: number[]) => values.slice().sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const result = {
  vouchers,
  rawRecoversPerSecond: Math.round(median(raw)),
  suiteRecoversPerSecond: Math.round(median(checked)),
  vouchersPerSecond: Math.round(median(taken)),
  vouchersPerSecondOneThread: Math.round(median(alone)),
  signaturesPerVoucher: 2,
  /** Signature checks done against signature checks possible. */
  ratio: Number(((2 * median(taken)) / median(raw)).toFixed(3)),
  ratioOneThread: Number(((2 * median(alone)) / median(raw)).toFixed(3)),
};
await pool?.close();
if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
else {
  process.stdout.write(
    [
      `native recovery alone       ${result.rawRecoversPerSecond}/s`,
      `  with checks and address   ${result.suiteRecoversPerSecond}/s`,
      `vouchers taken and durable  ${result.vouchersPerSecond}/s, two signatures each`,
      `  on one thread             ${result.vouchersPerSecondOneThread}/s`,
      `ratio of signatures         ${(100 * result.ratio).toFixed(0)} %, on one thread ${(100 * result.ratioOneThread).toFixed(0)} %`,
      '',
    ].join('\n'),
  );
}
