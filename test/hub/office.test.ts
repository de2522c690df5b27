/**
 * A round of a payee's office beside a hub whose tills hand in while it asks: what it signs away. L2 and the hub's pages are
 * stand-ins here; real processes, announcements and money are `test/till/office.test.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OfficeBook } from '../../hub/cli/office/book.ts';
import { officeRound, type ReleasedWord } from '../../hub/cli/office/round.ts';
import { toHex } from '../../protocol/bytes.ts';
import { seconds } from '../../protocol/integers.ts';
import { key, NOW, payee, signing, tap, terminal } from './fleet.ts';

const UNTIL = seconds(NOW - 100);
const vaultAddress = toHex(key(90).address);
const secret: `0x${string}` = `0x${'07'.repeat(32)}`;
const folder = mkdtempSync(join(tmpdir(), 'sundial-office-round-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const synced = {
  terminal: toHex(terminal.address),
  syncedAt: UNTIL + 1,
  signature: toHex(
    await terminal.sign(signing.digest('Synced', { terminal: terminal.address, at: seconds(UNTIL + 1) })),
  ),
};
const lease = (channel: number) => ({ channel, until: UNTIL, released: 0 });

interface Pages {
  readonly claims?: readonly object[];
  readonly synced?: boolean;
  readonly leases?: readonly object[];
}

/** Channels that a round signs away, with a hub that answers the nth request by what it has then. */
async function round(name: string, has: (asked: number) => Pages, slashed: (channel: number) => boolean) {
  let asked = 0;
  const server = createServer((request, response) => {
    const { claims = [], synced: isSynced = true, leases = [lease(7)] } = has(asked++);
    const path = new URL(request.url!, 'http://hub').pathname;
    const silent = { terminal: synced.terminal, syncedAt: 0 };
    const pages: Readonly<Record<string, object>> = {
      '/claims': { claims },
      '/leases': { leases },
      '/credits': { terminals: [isSynced ? synced : silent] },
    };
    response.end(JSON.stringify(pages[path]));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const own = toHex(payee.address);
  const sent: ReleasedWord[] = [];
  const vault = {
    address: vaultAddress,
    client: {
      getBlock: async () => ({ timestamp: BigInt(NOW), number: 5n }),
      getLogs: async () => [],
      readContract: async () => 100,
    },
    readClock: async () => NOW,
    readLane: async () => 0,
    readChannel: async (channel: number) => ({ slashed: slashed(channel), free: 1 }),
  };
  try {
    await officeRound({
      office: {
        secret,
        chainId: 31337,
        vault: vaultAddress,
        rpcUrl: '',
        hubName: 'hub',
        root: own,
        mqttUrl: undefined,
        statusUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        terminals: [synced.terminal],
      },
      payee: own,
      signing,
      vault: vault as never,
      book: new OfficeBook(join(folder, name), signing, { chainId: 31337, vault: vaultAddress, payee: own }),
      account: undefined as never,
      tills: () => ({ claims: [], troubles: [] }),
      send: async (words) => void sent.push(...words),
      afterSeconds: 1_000_000,
      nowSeconds: () => NOW,
    });
  } finally {
    server.close();
  }
  return sent.map(({ channel }) => channel);
}

const never = (): boolean => false;

test('a till that hands in its last sale while the office asks is not taken for done before', async () => {
  const sale = await tap({ seq: 1, amount: 10, spent: 10, paid: 10 });
  const claim = { proof: Buffer.from(sale.bytes).toString('base64url') };
  assert.equal(await round('quiet', () => ({}), never), [7], 'nothing was sold, and all is said');
  // Whatever was asked first had the answers from before.
  for (const first of [1, 2])
    assert.equal(
      await round(
        `late ${first}`,
        (asked) => (asked < first ? { synced: false } : { claims: [claim] }),
        never,
      ),
      [],
    );
});

test('leases that must wait take no place of others', async () => {
  const many = Array.from({ length: 100 }, (_, index) => lease(index + 1));
  const signed = await round(
    'many',
    () => ({ leases: many }),
    (channel) => channel <= 80,
  );
  assert.equal(
    signed,
    Array.from({ length: 20 }, (_, index) => index + 81),
  );
});

test.run();
