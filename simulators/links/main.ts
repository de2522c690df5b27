/**
 * Taps over every link with real hosts, cut wherever a link or a device can be cut, and the books compared afterwards:
 * `npm run links -- --seed n --json`. Every number is counted.
 */
import { SundialError } from '../../protocol/errors.ts';
import { flagsOf, positive } from '../cli/flags.ts';
import { runBle } from './ble.ts';
import { runNfc } from './nfc.ts';
import { runQr } from './qr.ts';
import { runSerial } from './serial.ts';

const HELP = `npm run links -- [--seed N] [--only LINK ...] [--taps N] [--cuts N] [--json]
  --seed N   draws prices, MTUs and cuts; printed again when something is wrong (default 1)
  --only L   ble, nfc, qr or serial; may be given several times (default: all)
  --taps N   at least so many taps on each link (default 200)
  --cuts N   at least so many cuts over BLE, half over NFC, a fifth on serial lines (default 500)
  --json     one JSON object on stdout; progress goes to stderr either way
Needs dbus-daemon for BLE, pcscd and vsmartcard-vpcd for NFC, socat for serial lines.
`;

const values = flagsOf(HELP, {
  seed: { type: 'string', default: '1' },
  only: { type: 'string', multiple: true },
  taps: { type: 'string', default: '200' },
  cuts: { type: 'string', default: '500' },
  json: { type: 'boolean', default: false },
});

const seed = positive(values.seed, 'seed');
const taps = positive(values.taps, 'taps');
const cuts = positive(values.cuts, 'cuts');
const startedAt = Date.now();
const say = (text: string): void =>
  void process.stderr.write(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);

/** What a link's run counted; `lost` and `doubled` must be 0. */
type Counted = Readonly<Record<string, number>>;
const half = Math.ceil(cuts / 2);
const RUNS: Readonly<Record<string, () => Promise<Counted>>> = {
  ble: () => runBle({ seed, taps, cuts, say }),
  nfc: () => runNfc({ seed, taps, cuts: half, say }),
  qr: () => runQr({ seed, taps, say }),
  serial: () => runSerial({ seed, taps, cuts: Math.ceil(cuts / 5), say }),
};

const wanted = values.only ?? Object.keys(RUNS);
const unknown = wanted.find((name) => !Object.hasOwn(RUNS, name));
if (unknown !== undefined) {
  process.stderr.write(`--only ${unknown}: it is one of ${Object.keys(RUNS).join(', ')}\n`);
  process.exit(2);
}
const results: Record<string, Counted> = {};
try {
  for (const name of wanted) results[name] = await RUNS[name]!();
} catch (error) {
  process.stderr.write(
    error instanceof SundialError
      ? `${error.message}\n  ${error.remedy}\n`
      : `${error instanceof Error ? error.stack : error}\n`,
  );
  process.exit(1);
}
const text = values.json
  ? JSON.stringify(results)
  : Object.entries(results)
      .map(
        ([name, one]) =>
          `${name.padEnd(7)}${Object.entries(one)
            .map(([key, value]) => `${key} ${value}`)
            .join(', ')}`,
      )
      .join('\n');
process.stdout.write(`${text}\n`);
const wrong = Object.values(results).some(({ lost, doubled = 0 }) => lost !== 0 || doubled !== 0);
if (wrong) process.stderr.write(`again: npm run links -- --seed ${seed} --only ${wanted.join(' --only ')}\n`);
process.exit(wrong ? 1 : 0);
