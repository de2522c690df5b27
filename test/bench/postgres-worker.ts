/**
 * One process of the bench over PostgreSQL: signs its vouchers, says `ready`, and when it is told to takes them in, from the
 * bytes of packs to signed acknowledgements. Option: a JSON object with `url` (absent: a file ledger), `first` channel and
 * number of `vouchers`. Prints when it began and ended, milliseconds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { loadCrypto } from '../../hub/crypto/crypto.ts';
import { memoryKey } from '../../hub/crypto/keys.ts';
import { RecoverPool } from '../../hub/crypto/recover-pool.ts';
import { intakeStep } from '../../hub/intake/intake.ts';
import { IntakeRuntime } from '../../hub/intake/runtime.ts';
import { Journal } from '../../hub/ledger/journal.ts';
import { createLogger } from '../../hub/log.ts';
import { createMetrics } from '../../hub/metrics.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { PostgresStore } from '../../hub/postgres/store.ts';
import { SharedIntake } from '../../hub/shared/intake.ts';
import { SharedLedger } from '../../hub/shared/ledger.ts';
import { amount, channelId } from '../../protocol/integers.ts';
import { PACK_ENTRIES_MAX } from '../../protocol/limits.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { context, key, NOW, preparedState, suite, tap } from '../hub/fleet.ts';

const CHANNELS = 50;
/** Packs under way at once: what a broker hands over while the disk works. */
const IN_FLIGHT = 16;

const wish = JSON.parse(process.argv[2]!) as { url?: string; first: number; vouchers: number };
const crypto = loadCrypto();
/** Signs with the same library as the hub: otherwise making the load takes longer than taking it. */
const fastKey = (n: number) =>
  memoryKey(`0x${Buffer.from(suite.keccak256(Uint8Array.of(n >> 8, n & 255, 1))).toString('hex')}`, crypto);
const payers = Array.from({ length: CHANNELS }, (_, n) => fastKey(wish.first + n));
const terminal = fastKey(60_000);

let state = preparedState();
for (const [index, { address }] of payers.entries()) {
  const money = { deposited: amount(1e9), spendable: amount(8e8), bond: amount(2e8) };
  const facts = { payer: address, ...money, exiting: false, slashed: false };
  const channel = channelId(wish.first + index);
  state = intakeStep(context, state, { type: 'channel', channel, facts }).state;
}
state = intakeStep(context, state, {
  type: 'device',
  device: terminal.address,
  counter: 0,
  payee: key(1).address,
}).state;

const packs: Uint8Array[] = [];
for (let made = 0; made < wish.vouchers; ) {
  const entries: Uint8Array[] = [];
  for (let i = 0; i < PACK_ENTRIES_MAX && made < wish.vouchers; i += 1, made += 1) {
    const seq = Math.floor(made / CHANNELS) + 1;
    const index = made % CHANNELS;
    const sums = { seq, amount: 5, spent: 5 * seq, paid: 5 * seq };
    const one = await tap({ channel: wish.first + index, payer: payers[index]!, terminal, ...sums });
    entries.push(one.bytes);
  }
  packs.push(encodeMessage({ type: 'pack', entries }));
}

let acknowledged = 0;
const pool = RecoverPool.start(crypto);
const folder = await mkdtemp(join(tmpdir(), 'sundial-bench-'));
const store = wish.url === undefined ? undefined : await PostgresStore.open({ url: wish.url, hub: 'bench' });
const ledger = store === undefined ? await openFileLedger(folder) : await SharedLedger.open(store);
const host = {
  journal: new Journal(ledger, crypto.suite),
  key: fastKey(60_001),
  metrics: createMetrics(),
  log: createLogger('silent'),
  send: () => {
    acknowledged += 1;
  },
  pool,
  registered: () => {},
  timeAsked: async () => {},
  revocations: () => {},
  fatal: (error: unknown) => {
    throw error;
  },
};
const runtime =
  store === undefined || !(ledger instanceof SharedLedger)
    ? new IntakeRuntime(context, host)
    : new SharedIntake(context, {
        ...host,
        store,
        ledger,
        followRegistry: async () => false,
        followed: () => {},
      });
runtime.state = state;

process.stdout.write('ready\n');
createInterface({ input: process.stdin }).once('line', () => void run());

async function run(): Promise<void> {
  const began = Date.now();
  const queue = packs.slice();
  const take = async () => {
    for (let pack = queue.shift(); pack !== undefined; pack = queue.shift())
      await runtime.message('terminal', pack, NOW);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, take));
  const ended = Date.now();
  if (acknowledged !== wish.vouchers) throw new Error(`${acknowledged} of ${wish.vouchers} acknowledged`);
  process.stdout.write(`${JSON.stringify({ began, ended })}\n`);
  await ledger.close();
  await store?.close();
  await pool?.close();
  await rm(folder, { recursive: true });
  process.exit(0);
}
