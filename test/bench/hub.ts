/**
 * What the hub takes in, measured in one process, with the threads that it has and without: packs of vouchers from their bytes to the signed
 * acknowledgement after the fsync, against how fast the same machine recovers signers and does nothing else. Each
 * voucher costs two recoveries (payer, terminal's receipt), so the ratio counts signatures. And how fast a start reads its
 * ledger back into the books. Options: --json, --vouchers N.
 */
import { createRequire } from 'node:module';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import { emptyIntake } from '../../hub/intake/state.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import { IntakeRuntime } from '../../hub/intake/runtime.ts';
import { Journal } from '../../hub/ledger/journal.ts';
import { memoryKey } from '../../hub/crypto/keys.ts';
import { RecoverPool } from '../../hub/crypto/recover-pool.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { createLogger } from '../../hub/log.ts';
import { createMetrics } from '../../hub/metrics.ts';
import { amount, channelId } from '../../protocol/integers.ts';
import { PACK_ENTRIES_MAX } from '../../protocol/limits.ts';
import { encodeMessage, type MessageOf } from '../../protocol/wire/messages.ts';
import { context, key, NOW, preparedState, suite, tap } from '../hub/fleet.ts';
import { historyCosts } from './history.ts';
import { oneChannel } from './one-channel.ts';
import { postgresRates } from './postgres.ts';
import { replayRates } from './replay.ts';
import { settlementRate } from './settlement.ts';

const json = process.argv.includes('--json');
const wanted = Number(process.argv[process.argv.indexOf('--vouchers') + 1]);
const vouchers = process.argv.includes('--vouchers') && wanted > 0 ? wanted : 12_800;
const CHANNELS = 50;
/** Packs under way at once: what a broker hands over while the disk works. */
const IN_FLIGHT = 16;
/** Records of the ledger that is read back: a few days of a site. */
const REPLAYED = 200_000;

/** Vouchers behind the hub: a day of a site, ten days, and two months of it. */
const HISTORY = [1e5, 1e6, 5e6];

/** A hundred vouchers a day on one channel. */
const YEAR = 36_500;

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

/** Microseconds of processor time that this process has used, all threads. */
const cpuMicros = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

interface Measured {
  /** By the clock. */
  readonly perSecond: number;
  /** Processor time of one. */
  readonly micros: number;
}

/** Runs `work` over `count` things. */
async function measure(count: number, work: () => void | Promise<void>): Promise<Measured> {
  const cpu = cpuMicros();
  const started = performance.now();
  await work();
  const elapsed = performance.now() - started;
  return { perSecond: (count * 1000) / elapsed, micros: (cpuMicros() - cpu) / count };
}

/** Recovery by the native library alone, over distinct signatures. */
function rawRate(): Promise<Measured> {
  const library = createRequire(import.meta.url)('secp256k1/bindings') as {
    ecdsaRecover(signature: Uint8Array, parity: number, digest: Uint8Array, compressed: boolean): Uint8Array;
  };
  const inputs = digests.map(({ digest, signature }) => {
    const compact = Uint8Array.from(signature);
    const parity = compact[32]! >> 7;
    compact[32]! &= 0x7f;
    return { digest, compact, parity };
  });
  return measure(inputs.length, () => {
    for (const { digest, compact, parity } of inputs) library.ecdsaRecover(compact, parity, digest, false);
  });
}

/** Everything from bytes to durable; `key` signs the acknowledgements. */
async function intakeRate(pool: RecoverPool | undefined, key: SecureKey): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'sundial-bench-'));
  const ledger = await openFileLedger(folder);
  let acknowledged = 0;
  const runtime = new IntakeRuntime(context, {
    journal: new Journal(ledger, crypto.suite),
    key,
    metrics: createMetrics(),
    log: createLogger('silent'),
    send: (_device, bytes) => {
      const decoded = decodeFirst(bytes);
      if (decoded !== 52) throw new Error(`answered with message ${decoded}`);
      acknowledged += 1;
    },
    pool,
    registered: () => {},
    timeAsked: async () => {},
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
      bond: amount(2e8),
      exiting: false,
      slashed: false,
    };
    state = intakeStep(context, state, { type: 'channel', channel: channelId(index + 1), facts }).state;
  }
  state = intakeStep(context, state, {
    type: 'device',
    device: terminal.address,
    counter: 0,
    payee: payee.address,
  }).state;
  runtime.state = { ...emptyIntake, ...state };
  const queue = packs.slice();
  const worker = async () => {
    for (let pack = queue.shift(); pack !== undefined; pack = queue.shift()) {
      await runtime.message('terminal', pack, NOW);
    }
  };
  const measured = await measure(vouchers, async () => {
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  });
  if (acknowledged !== vouchers) throw new Error(`${acknowledged} of ${vouchers} acknowledged`);
  await ledger.close();
  await rm(folder, { recursive: true });
  return measured;
}

/** Number of a message without decoding it: the third byte group of [1, number, ...]. */
function decodeFirst(bytes: Uint8Array): number {
  return bytes[2] === 0x18 ? bytes[3]! : bytes[2]!;
}

if (crypto.kind !== 'native') {
  say(`the native library does not load here: ${crypto.reason}`);
  process.exit(1);
}

const hubKey = fastKey(201);
/** A key that costs nothing: what is left is verifying and making durable. */
const noKey: SecureKey = { ...hubKey, sign: async () => new Uint8Array(64) };
const pool = RecoverPool.start(crypto);
const rounds: { raw: Measured; all: Measured; alone: Measured; durable: Measured }[] = [];
await rawRate();
// In turns, so that a machine that is busy elsewhere slows all of them alike.
for (let round = 0; round < 3; round += 1) {
  rounds.push({
    raw: await rawRate(),
    all: await intakeRate(pool, hubKey),
    alone: await intakeRate(undefined, hubKey),
    durable: await intakeRate(undefined, noKey),
  });
}
await pool?.close();
const replayed = replayRates(REPLAYED);
say(`a channel with ${YEAR} vouchers ...`);
const channel = await oneChannel(YEAR);
say('workers over PostgreSQL ...');
const postgres = await postgresRates(vouchers);
const settlement = await settlementRate(fastKey, say);
const past = await historyCosts(HISTORY, { payer: payers[0]!, terminal, hub: hubKey }, say);

const median = (values: number[]) => values.slice().sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const perSecond = (what: 'raw' | 'all' | 'alone' | 'durable') =>
  Math.round(median(rounds.map((round) => round[what].perSecond)));
const micros = (what: 'raw' | 'alone' | 'durable') =>
  Math.round(median(rounds.map((round) => round[what].micros)));
const share = (part: number, whole: number) => Number((part / whole).toFixed(3));
const result = {
  vouchers,
  signaturesPerVoucher: 2,
  recoversPerSecond: perSecond('raw'),
  recoverMicros: micros('raw'),
  /** With further threads for the signatures. */
  vouchersPerSecond: perSecond('all'),
  ratio: share(2 * perSecond('all'), perSecond('raw')),
  oneThread: {
    vouchersPerSecond: perSecond('alone'),
    voucherMicros: micros('alone'),
    /** Processor time of two recoveries in that of a voucher: other programs don't change it. */
    ratio: share(2 * micros('raw'), micros('alone')),
  },
  /** One thread, acknowledgements not signed. */
  verifiedAndDurable: {
    vouchersPerSecond: perSecond('durable'),
    voucherMicros: micros('durable'),
    ratio: share(2 * micros('raw'), micros('durable')),
  },
  replay: replayed,
  /** Processor time of a voucher in us, by the vouchers that its channel has. */
  oneChannel: channel,
  settlement,
  /** Vouchers a second over PostgreSQL, and two workers beside a hub over its files; absent: no server is installed. */
  ...(postgres !== undefined && { postgres }),
  /** By the vouchers in the ledger: processor time of one more in us, MB in memory, and seconds to start. */
  ...past,
};
if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
else {
  const percent = (ratio: number) => `${(100 * ratio).toFixed(0)} %`;
  const { oneThread, verifiedAndDurable } = result;
  process.stdout.write(
    [
      `native recovery alone                    ${result.recoversPerSecond}/s, ${result.recoverMicros} us of processor time`,
      `vouchers to the signed acknowledgement   ${result.vouchersPerSecond}/s with threads, ${percent(result.ratio)} by the clock`,
      `  on one thread                          ${oneThread.vouchersPerSecond}/s, ${oneThread.voucherMicros} us, ${percent(oneThread.ratio)} by processor time`,
      `  without signing acknowledgements       ${verifiedAndDurable.vouchersPerSecond}/s, ${verifiedAndDurable.voucherMicros} us, ${percent(verifiedAndDurable.ratio)}`,
      `books from ${replayed.records} records           ${replayed.perSecond}/s, ${replayed.micros} us; copied at each record ${replayed.copiedMicros} us, ratio ${replayed.ratio}`,
      `  memory of an indexed voucher           ${replayed.voucherBytes} bytes`,
      ...HISTORY.map((size) => size.toExponential().replace('+', '')).map(
        (size) =>
          `a voucher with ${size} in the ledger          ${past.history[size]} us; ${past.heapMB[size]} MB in memory${past.startSeconds[size] === undefined ? '' : `; start in ${past.startSeconds[size]} s`}`,
      ),
      `a channel's first voucher                ${channel[0]} us; with ${YEAR} behind it ${channel[YEAR]} us`,
      `settled a day, blocks of 2 s           ${settlement.rowsPerDay} rows with ${settlement.inFlight} under way, ${settlement.rowsPerDayOneByOne} one by one; final after ${settlement.finalityBlocks} blocks`,
      ...(postgres === undefined
        ? ['PostgreSQL is not installed']
        : [
            `over PostgreSQL                          ${postgres.workers1}/s with one worker, ${postgres.workers2}/s with two: ${percent(postgres.ratio)} of a file ledger`,
          ]),
      '',
    ].join('\n'),
  );
}
