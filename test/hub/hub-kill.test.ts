/**
 * SIGKILL of a real hub process under MQTT load, at random moments: every voucher it acknowledged is in its ledger,
 * at the position it signed, and what was sent again is there once. L2 is out of reach all the while.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type HubConfigInput, parseConfig } from '../../hub/config.ts';
import { startHub } from '../../hub/hub.ts';
import { openFileLedger } from '../../hub/node/open.ts';
import { createLogger } from '../../hub/log.ts';
import { decodeRecord } from '../../hub/ledger/records.ts';
import { toHex } from '../../protocol/bytes.ts';
import { seconds } from '../../protocol/integers.ts';
import { PACK_ENTRIES_MAX } from '../../protocol/limits.ts';
import { certifyHubKey } from '../../protocol/machines/hub-keys.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import { hub as hubKey, key, payee, root, signing, suite, tap, terminal, vault } from './fleet.ts';
import { rounds, seededRandom } from './random.ts';
import { Connected } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

/** Vouchers under way at once: several packs, so that the kill finds some in every stage. */
const WINDOW = 96;
const CHANNELS = 8;

if (process.argv[2] === 'hub') {
  const hub = await startHub(parseConfig(JSON.parse(process.argv[3]!)), { log: createLogger('error') });
  process.stdout.write(`${hub.mqttUrl}\n`);
} else {
  test('every voucher that a killed hub acknowledged is in its ledger, over many kills', () =>
    inTemporaryFolder(async (folder) => {
      await prepareRegistry(folder);
      const ledgerFolder = join(folder, 'ledger');
      const load = new Load();
      const all = rounds(5, 50);
      let port = 0;
      let torn = 0;
      for (const round of all) {
        const random = seededRandom(round);
        const { child, url } = await startProcess(config(folder, port));
        port = Number(new URL(url).port);
        const kill = load.acknowledged.size + 1 + random.below(400);
        await load.run(
          url,
          () => load.acknowledged.size >= kill,
          () => child.kill('SIGKILL'),
        );
        await exited(child);
        torn += (await check(ledgerFolder, load, round)) ? 1 : 0;
      }
      // A last life without a kill: whatever waits is acknowledged, at its first position where it has one.
      const { child, url } = await startProcess(config(folder, port));
      await load.drain(url);
      child.kill('SIGTERM');
      await exited(child);
      await check(ledgerFolder, load, -1);
      assert.is(load.contradictions, 0);
      console.log(
        `${all.length} kills, ${load.sent} vouchers sent, ${load.acknowledged.size} acknowledged, ` +
          `${load.repeated} sent again, 0 lost, 0 doubled, ${torn} torn ends`,
      );
    }));
  test.run();
}

/** Vouchers of several channels through one terminal, sent again until they are acknowledged. */
class Load {
  /** Digest to position, as signed by the hub. */
  readonly acknowledged = new Map<string, number>();
  private readonly waiting = new Map<string, Uint8Array>();
  private readonly payers = Array.from({ length: CHANNELS }, (_, index) => key(100 + index));
  private readonly spent = new Array<number>(CHANNELS).fill(0);
  private readonly seq = new Array<number>(CHANNELS).fill(0);
  sent = 0;
  repeated = 0;
  contradictions = 0;

  /** Sends until `enough`, then calls `end` at once and returns when the link is gone. */
  async run(url: string, enough: () => boolean, end: () => void): Promise<void> {
    const device = await this.connect(url);
    let ended = false;
    const onAcknowledged = () => {
      if (ended || !enough()) return;
      ended = true;
      end();
    };
    await this.sendAgain(device);
    while (!ended && device.connected) {
      await this.refill(device);
      await this.collect(device, onAcknowledged);
    }
    await until('the hub is gone', () => !device.connected);
    this.take(device);
    device.close();
  }

  /** Sends what is waiting until nothing is. */
  async drain(url: string): Promise<void> {
    const device = await this.connect(url);
    await this.sendAgain(device);
    await until('everything is acknowledged', () => {
      this.take(device);
      return this.waiting.size === 0;
    });
    device.close();
  }

  private async connect(url: string): Promise<Connected> {
    const device = new Connected({ mqttUrl: url }, terminal.address);
    await device.ready();
    return device;
  }

  private async sendAgain(device: Connected): Promise<void> {
    const entries = [...this.waiting.values()];
    this.repeated += entries.length;
    for (let at = 0; at < entries.length; at += PACK_ENTRIES_MAX) {
      device.send({ type: 'pack', entries: entries.slice(at, at + PACK_ENTRIES_MAX) });
    }
  }

  private async refill(device: Connected): Promise<void> {
    while (this.waiting.size + PACK_ENTRIES_MAX <= WINDOW) {
      const entries: Uint8Array[] = [];
      for (let i = 0; i < PACK_ENTRIES_MAX; i += 1) {
        const index = this.sent % CHANNELS;
        this.seq[index]! += 1;
        this.spent[index]! += 3;
        const signed = await tap({
          channel: index + 1,
          payer: this.payers[index]!,
          seq: this.seq[index]!,
          amount: 3,
          spent: this.spent[index]!,
          paid: this.spent[index]!,
        });
        this.waiting.set(toHex(signed.id), signed.bytes);
        entries.push(signed.bytes);
        this.sent += 1;
      }
      device.send({ type: 'pack', entries });
    }
  }

  private async collect(device: Connected, onAcknowledged: () => void): Promise<void> {
    const before = this.waiting.size;
    await until('an acknowledgement', () => {
      this.take(device);
      onAcknowledged();
      return this.waiting.size < before || !device.connected;
    });
  }

  private take(device: Connected): void {
    for (const message of device.received.splice(0)) {
      if (message.type === 'rejection') throw new Error(`refused with ${message.code}`);
      if (message.type !== 'acknowledgement') continue;
      assert.ok(signing.signedBy('Acknowledgement', message, message.signature, hubKey.address));
      const id = toHex(message.entry);
      const before = this.acknowledged.get(id);
      if (before !== undefined && before !== message.position) this.contradictions += 1;
      this.acknowledged.set(id, message.position);
      this.waiting.delete(id);
    }
  }
}

/** Reads the ledger as the next hub will; true when a torn end was cut. */
async function check(folder: string, load: Load, round: number): Promise<boolean> {
  const ledger = await openFileLedger(folder);
  const found = new Map<string, number>();
  for await (const { position, bytes } of ledger.replay()) {
    const record = decodeRecord(bytes, position);
    if (record.type !== 'entry') continue;
    const id = toHex(record.id);
    assert.not(found.has(id), `round ${round}: ${id} is in the ledger twice`);
    found.set(id, position);
  }
  for (const [id, position] of load.acknowledged) {
    assert.is(found.get(id), position, `round ${round}: acknowledged ${id} at ${position}`);
  }
  await ledger.close();
  return ledger.tornTail !== undefined;
}

const from = seconds(Math.floor(Date.now() / 1000) - 3600);
const certified = { address: hubKey.address, from, epoch: 0, signedAt: from };
const WORD = toHex(encodeMessage(await certifyHubKey(signing, root, certified)));

function config(folder: string, port: number): HubConfigInput {
  return {
    name: 'test',
    folder,
    mqtt: { port },
    chain: { rpcUrl: 'http://127.0.0.1:9', chainId: 31337, vault: toHex(vault) },
    keys: {
      signing: toHex(suite.keccak256(Uint8Array.of(0, 20, 77))),
      settlement: `0x${'33'.repeat(32)}`,
      root: toHex(root.address),
      words: [WORD],
    },
    batch: { everyMs: 0 },
  };
}

/** What the hub would have learnt from L2 and from the terminal's registration. */
async function prepareRegistry(folder: string): Promise<void> {
  const heads = Object.fromEntries(
    Array.from({ length: CHANNELS }, (_, index) => [
      String(index + 1),
      {
        payer: toHex(key(100 + index).address),
        owner: `0x${'11'.repeat(20)}`,
        deposit: 100_000_000,
        bond: 20_000_000,
        credited: 0,
        exiting: false,
        slashed: false,
        settled: {},
      },
    ]),
  );
  const state = {
    version: 1,
    minReader: 1,
    devices: {
      [toHex(terminal.address)]: { role: 'pos', payee: toHex(payee.address), entropyCertified: true },
    },
    watched: { height: 1, at: 1_800_000_000 },
    payees: { [toHex(payee.address)]: 1 },
    heads,
    ledgerSize: 0,
  };
  await writeFile(join(folder, 'registry.json'), JSON.stringify(state));
}

function startProcess(options: HubConfigInput): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'hub', JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', (url) => resolve({ child, url }));
    child.once('exit', (code) => reject(new Error(`the hub ended with ${code} before it was up`)));
  });
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}
