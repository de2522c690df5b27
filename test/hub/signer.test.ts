/**
 * The signer as a process of its own: what it refuses whoever asks, that it remembers over kill -9, and a hub that signs
 * with it as with a key of its own. Not checked: disks that lose what was synced, machines other than this one, how many
 * leases it signs, which it does not bound.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readHubConfig } from '../../hub/cli/hub-folder.ts';
import { addSignerCommand } from '../../hub/cli/signer-command.ts';
import { RemoteKey } from '../../hub/crypto/remote-key.ts';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { makeSigning, type Signing } from '../../protocol/signing/digests.ts';
import { Command } from 'commander';
import { payee, suite as cryptoSuite, tap, terminal } from './fleet.ts';
import { Connected, HUB_SECRET, hubKey, registration, startSite } from './site.ts';
import { inTemporaryFolder, until } from './temporary.ts';

const VAULT = `0x${'77'.repeat(20)}` as const;
const domain = { chainId: 31_337, vault: fromHex(VAULT, 20) };
const LEASE = { capMax: 1_000_000, tapMax: 500_000, spendMax: 20_000_000, lifetimeMax: 86_400 };
const test = suite('signer');

if (process.argv[2] === 'signer') {
  const program = new Command();
  addSignerCommand(program);
  await program.parseAsync(process.argv.slice(2), { from: 'user' });
} else {
  await run();
}

class Signer {
  url = '';
  token = '';
  private child: ChildProcess | undefined;
  private readonly folder: string;

  constructor(folder: string, settings: object = {}) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'hub.key'), `${HUB_SECRET}\n`, { mode: 0o600 });
    const json = { chainId: domain.chainId, vault: VAULT, key: { file: 'hub.key' }, port: 0, lease: LEASE };
    writeFileSync(join(folder, 'signer.json'), JSON.stringify({ ...json, ...settings }));
  }

  async start(): Promise<this> {
    const words = ['--enable-source-maps', process.argv[1]!, 'signer', this.folder, '--json'];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child = child;
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout! }).once('line', resolve);
      child.once('exit', (code) => reject(new Error(`the signer ended with ${code}`)));
    });
    this.url = (JSON.parse(line) as { url: string }).url;
    this.token = readFileSync(join(this.folder, 'signer.token'), 'utf8').trim();
    return this;
  }

  async end(how: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(how);
    await gone;
  }

  key(signing: Signing = makeSigning(cryptoSuite, domain)): Promise<RemoteKey> {
    return RemoteKey.open({ url: this.url, token: this.token }, signing);
  }
}

/** Work with a signer, which is gone afterwards. */
const withSigner = (work: (signer: Signer) => Promise<void>): Promise<void> =>
  inTemporaryFolder(async (folder) => {
    const signer = await new Signer(folder).start();
    try {
      await work(signer);
    } finally {
      await signer.end();
    }
  });

const entry = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const acknowledgement = (n: number, position: number) => ({
  entry: entry(n),
  position: position as never,
  at: 1_700_000_000 as never,
});
const lease = (change: object = {}) =>
  ({
    channel: 7,
    payer: new Uint8Array(20),
    spentFrom: 1_000,
    spendLimit: 1_001_000,
    tapLimit: 100_000,
    cap: 200_000,
    guarantee: 0,
    issuedAt: 1_700_000_000,
    expiresAt: 1_700_003_600,
    scope: new Uint8Array(32),
    ...change,
  }) as never;
/** The code that it says no with; undefined: it signed. */
async function refusalOf(signed: Promise<Uint8Array> | Uint8Array): Promise<unknown> {
  try {
    await signed;
    return undefined;
  } catch (error) {
    return (error as { facts?: { code?: string } }).facts?.code;
  }
}

async function run(): Promise<void> {
  test('it signs what a hub signs, with the same bytes as the key itself', () =>
    withSigner(async (signer) => {
      const signing = makeSigning(cryptoSuite, domain);
      const key = await signer.key();
      assert.is(toHex(key.address), toHex(hubKey.address));
      const fields = acknowledgement(1, 0);
      const own = await hubKey.sign(signing.digest('Acknowledgement', fields));
      assert.ok(equalBytes(await key.signWord('Acknowledgement', fields), own));
      const beacon = {
        at: 1 as never,
        height: 2 as never,
        revocations: entry(3),
        checkpoint: entry(4),
        nonce: new Uint8Array(16),
      };
      const signed = await key.signWord('Beacon', beacon);
      assert.ok(signing.signedBy('Beacon', beacon, signed as never, hubKey.address));
    }));

  test('one entry a position, whatever word names it, also within one request and after kill -9', () =>
    withSigner(async (signer) => {
      let key = await signer.key();
      // All of these go in one request.
      const first = await Promise.all(
        [1, 2, 1].map((n) => refusalOf(key.signWord('Acknowledgement', acknowledgement(n, 5)))),
      );
      assert.equal(first, [undefined, 'signer_position', undefined]);
      assert.is(await refusalOf(key.signWord('Kept', acknowledgement(2, 5))), 'signer_position');
      assert.is(await refusalOf(key.signWord('Kept', acknowledgement(1, 5))), undefined);
      for (let n = 0; n < 5; n += 1) {
        // Killed as soon as it has answered: what it signed it must know.
        await key.signWord('Acknowledgement', acknowledgement(10 + n, 100 + n));
        await signer.end('SIGKILL');
        await signer.start();
        key = await signer.key();
        assert.is(
          await refusalOf(key.signWord('Acknowledgement', acknowledgement(50, 100 + n))),
          'signer_position',
        );
        assert.is(
          await refusalOf(key.signWord('Acknowledgement', acknowledgement(10 + n, 100 + n))),
          undefined,
        );
      }
    }));

  test('no lease above any of its bounds', () =>
    withSigner(async (signer) => {
      const key = await signer.key();
      assert.is(await refusalOf(key.signWord('Lease', lease())), undefined);
      for (const change of [
        { cap: LEASE.capMax + 1 },
        { guarantee: 1 },
        { tapLimit: LEASE.tapMax + 1 },
        { spendLimit: 1_000 + LEASE.spendMax + 1 },
        { expiresAt: 1_700_000_000 + LEASE.lifetimeMax + 1 },
      ])
        assert.is(
          await refusalOf(key.signWord('Lease', lease(change))),
          'signer_lease',
          JSON.stringify(change),
        );
    }));

  test('nobody without the token, nothing that a hub does not sign, and no other vault', () =>
    withSigner(async (signer) => {
      const post = async (words: unknown, token = signer.token) => {
        const response = await fetch(`${signer.url}/v1/sign`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ words }),
        });
        return {
          status: response.status,
          body: (await response.json()) as { answers?: { code?: string }[] },
        };
      };
      const beacon = {
        at: 1,
        height: 2,
        revocations: toHex(entry(3)),
        checkpoint: toHex(entry(4)),
        nonce: `0x${'00'.repeat(16)}`,
      };
      assert.is((await post([{ name: 'Beacon', message: beacon }])).status, 200);
      assert.is((await post([{ name: 'Beacon', message: beacon }], 'x'.repeat(43))).status, 401);
      for (const [name, message] of [
        ['HubKey', beacon],
        ['Voucher', beacon],
        ['__proto__', beacon],
        ['Beacon', { ...beacon, at: -1 }],
        ['Beacon', { ...beacon, at: 2 ** 40 }],
        ['Beacon', { ...beacon, at: 1.5 }],
        ['Beacon', { ...beacon, nonce: '0x00' }],
        ['Beacon', {}],
      ] as const)
        assert.is((await post([{ name, message }])).body.answers?.[0]?.code, 'signer_word', name);
      assert.is((await post([])).status, 400);
      assert.is(
        (await post(Array.from({ length: 257 }, () => ({ name: 'Beacon', message: beacon })))).status,
        400,
      );
      const other = makeSigning(cryptoSuite, { ...domain, chainId: 1 });
      assert.is(await signer.key(other).catch((error: { code?: string }) => error.code), 'signer_domain');
      await signer.end();
      assert.is(await signer.key().catch((error: { code?: string }) => error.code), 'signer_away');
    }));

  test('a hub without its key acknowledges as one that has it, and goes on when its signer was away', () =>
    inTemporaryFolder(async (folder) => {
      const site = await startSite();
      const signer = new Signer(join(folder, 'signer'), {
        chainId: site.deployment.chainId,
        vault: site.deployment.vault,
      });
      try {
        await signer.start();
        const config = site.config(join(folder, 'hub'));
        const port = Number(new URL(signer.url).port);
        // As an operator writes it.
        const file = join(folder, 'hub.json');
        const signing = { url: signer.url, tokenFile: 'signer/signer.token' };
        writeFileSync(file, JSON.stringify({ ...config, keys: { ...config.keys, signing } }));
        const read = readHubConfig(file);
        const hub = await site.start(join(folder, 'hub'), { keys: read.keys });
        const device = new Connected(hub, terminal.address);
        await device.ready();
        device.send(await registration(site.signing, terminal, payee, 1));
        const pay = async (seq: number): Promise<void> => {
          const amount = 5;
          const signed = await tap({
            on: site.signing,
            channel: site.channel,
            seq,
            amount,
            spent: amount * seq,
            paid: amount * seq,
          });
          await until(`voucher ${seq} is acknowledged`, () => {
            device.send({ type: 'pack', entries: [signed.bytes] });
            return device.received.some(
              (message) =>
                message.type === 'acknowledgement' &&
                equalBytes(message.entry, signed.id) &&
                site.signing.signedBy('Acknowledgement', message, message.signature, hubKey.address),
            );
          });
        };
        await pay(1);
        await signer.end('SIGKILL');
        const again = new Signer(join(folder, 'signer'), {
          chainId: site.deployment.chainId,
          vault: site.deployment.vault,
          port,
        });
        setTimeout(() => void again.start(), 500);
        await pay(2);
        await hub.stop();
        device.close();
        await again.end();
      } finally {
        await signer.end();
        await site.close();
      }
    }));

  test('a key from the environment, and a missing one by its name', () =>
    inTemporaryFolder(async (folder) => {
      const file = join(folder, 'hub.json');
      const rest = {
        name: 'test',
        folder: 'data',
        chain: { rpcUrl: 'http://127.0.0.1:1', chainId: 1, vault: VAULT },
        keys: { signing: { env: 'SUNDIAL_TEST_KEY' }, settlement: HUB_SECRET, root: VAULT },
      };
      writeFileSync(file, JSON.stringify(rest));
      process.env.SUNDIAL_TEST_KEY = HUB_SECRET;
      assert.equal(readHubConfig(file).keys.signing, [HUB_SECRET]);
      delete process.env.SUNDIAL_TEST_KEY;
      assert.throws(() => readHubConfig(file), /SUNDIAL_TEST_KEY/);
    }));

  test.run();
}
