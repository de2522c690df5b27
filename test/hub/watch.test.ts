/**
 * What the watch makes of L2: whatever moves a lane or ends a channel's credit counts, whoever did it, and a node that
 * keeps only the newest states suffices. Not checked here: what the hub does with it (settle.test.ts, justice.test.ts).
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { privateKeyToAccount } from 'viem/accounts';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openedRowOf } from '../../hub/batch/batch.ts';
import { applyRecord, namedEntry } from '../../hub/intake/books.ts';
import { type ChannelFacts, emptyBooks } from '../../hub/intake/state.ts';
import { watchBlocks } from '../../hub/limits.ts';
import { openRegistry } from '../../hub/node/open.ts';
import { RULES } from '../../hub/l2/fraud.ts';
import type { SettledLane } from '../../hub/watch/heads.ts';
import { Watch } from '../../hub/watch/watch.ts';
import { toHex } from '../../protocol/bytes.ts';
import { SCOPE_ANY } from '../../protocol/vouchers.ts';
import { key, otherPayee, otherTerminal, payee, type SignedTap, tap } from './fleet.ts';
import { ANY_TIME, hubKey, l2Of, NOBODY, type Site, startSite } from './site.ts';
import { inTemporaryFolder } from './temporary.ts';

const DEPOSIT = 10_000_000;
/** Of the vault's pots: payeeOfflineMax, claimMargin and slowLane. */
const WINDOW = 11 * 24 * 3600;

let site: Site;
test.before(async () => {
  site = await startSite();
});
test.after(async () => {
  await site.close();
});

const rpc = (method: string, ...params: unknown[]) =>
  (site.vault.client as unknown as { request(call: object): Promise<unknown> }).request({ method, params });

/** Mines so many blocks, a few a call: a client gives a call up that takes the node too long, and asks again. */
async function mine(blocks: number): Promise<void> {
  const atOnce = 50;
  for (let mined = 0; mined < blocks; mined += atOnce)
    await rpc('anvil_mine', `0x${Math.min(atOnce, blocks - mined).toString(16)}`);
}

/** Runs `check` with a watch that keeps what it was told. */
const watching = (
  rpcUrl: string,
  check: (told: {
    watch: Watch;
    facts: Map<number, ChannelFacts>;
    lanes: SettledLane[];
    settled(channel: number, to: typeof payee): number;
  }) => Promise<void>,
) =>
  inTemporaryFolder(async (folder) => {
    const registry = await openRegistry(folder);
    const facts = new Map<number, ChannelFacts>();
    const lanes: SettledLane[] = [];
    const watch = new Watch({
      signing: site.signing,
      l2: l2Of(site, { rpcUrl }),
      registry,
      startBlock: site.deployment.block,
      clock: ANY_TIME,
      events: {
        ...NOBODY,
        channel: (channel, found) => facts.set(channel, found),
        settled: (lane) => lanes.push(lane),
      },
    });
    const settled = (channel: number, to: typeof payee) =>
      registry.state.heads[String(channel)]?.settled[toHex(to.address)]?.paid ?? 0;
    try {
      await check({ watch, facts, lanes, settled });
    } finally {
      await registry.close();
    }
  });

const rowsOf = (taps: readonly SignedTap[]) => {
  const books = taps.reduce(
    (found, { bytes, id }) => applyRecord(found, { type: 'entry', id, at: 0, message: bytes } as never),
    emptyBooks,
  );
  return taps.map(({ id }) => openedRowOf(site.signing, namedEntry(books, id)));
};

test('fraud that others proved and pots that others handed out: no lease any more, and lanes as L2 has them', () =>
  watching(site.anvil.url, async ({ watch, facts, lanes, settled }) => {
    const { vault, signing, owner } = site;
    const operator = privateKeyToAccount(site.anvil.keys[0]!);
    const payer = key(71);
    const { channel } = await vault.openChannel(owner, { payer: toHex(payer.address), amount: DEPOSIT });
    for (const { address } of [payee, otherPayee]) await vault.accredit(operator, address, 10);
    await rpc('evm_increaseTime', 3600);
    await rpc('evm_mine');
    await watch.look();
    assert.not.ok(facts.get(channel)!.slashed);

    // The channel pays the first lane in full and leaves too little for the other.
    const free = (await vault.readChannel(channel)).free;
    const taps = { channel, payer, on: signing, seq: 1 };
    const most = await tap({ ...taps, amount: free - 100, spent: free - 100, paid: free - 100 });
    const rest = { amount: 500, spent: 500, paid: 500, payee: otherPayee, terminal: otherTerminal };
    const other = await tap({ ...taps, ...rest });
    await vault.proveFraud(owner, RULES.equivocation, rowsOf([most, other]));
    await watch.look();
    assert.ok(facts.get(channel)!.slashed);

    const compare = async () => {
      for (const to of [payee, otherPayee])
        assert.is(settled(channel, to), await vault.readLane(channel, to.address));
    };
    await vault.settleBatch(
      site.settler,
      rowsOf([most]).map(({ opened: _, ...row }) => row),
    );
    await vault.settleBatch(
      site.settler,
      rowsOf([other]).map(({ opened: _, ...row }) => row),
    );
    await watch.look();
    assert.is(settled(channel, otherPayee), 100);
    assert.is(lanes.at(-1)!.paid, 100);
    await compare();
    // What was free is settled, and the rest is short.
    const at = Number((await vault.client.getBlock()).timestamp);
    const terms = { spentFrom: 0, spendLimit: DEPOSIT, tapLimit: 500, cap: 500, guarantee: 0 };
    const times = { issuedAt: at, expiresAt: at + 3600 };
    const fields = { channel, payer: payer.address, ...terms, ...times, scope: SCOPE_ANY };
    const signature = await hubKey.sign(signing.digest('Lease', fields));
    await vault.registerShortfall(owner, rowsOf([other]), [{ ...terms, ...times, signature, members: [] }]);
    await rpc('evm_increaseTime', WINDOW);
    await rpc('evm_mine');
    await vault.collectShare(owner, channel, otherPayee.address);
    await watch.look();
    assert.is(settled(channel, otherPayee), 500, 'the bond made good what the channel could not pay');
    assert.is(lanes.at(-1)!.paid, 500);
    await compare();
  }));

/** The chain through a node that answers for the newest `states` blocks only, as nodes do that are no archive. */
async function prunedNode(states: number) {
  const read = async (request: IncomingMessage) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    return text;
  };
  const forward = async (body: string) =>
    (
      await fetch(site.anvil.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    ).text();
  const server = createServer(async (request, response) => {
    const body = await read(request);
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] };
    const at = method === 'eth_call' ? String(params[1]) : '';
    const newest = Number(await site.vault.client.getBlockNumber());
    const pruned = at.startsWith('0x') && Number(at) <= newest - states;
    const error = { code: -32000, message: 'missing trie node: state is not available' };
    response.end(pruned ? JSON.stringify({ jsonrpc: '2.0', id, error }) : await forward(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

test('a hub that was away for long catches up with a node that keeps only the newest states', async () => {
  const node = await prunedNode(128);
  try {
    const payer = toHex(key(72).address);
    const { channel } = await site.vault.openChannel(site.owner, { payer, amount: DEPOSIT });
    await mine(watchBlocks.first + 200);
    await watching(node.url, async ({ watch, facts }) => {
      await watch.look();
      assert.is(facts.get(channel)?.deposited, DEPOSIT);
      assert.is(watch.finalHeight, Number(await site.vault.client.getBlockNumber()));
    });
  } finally {
    await node.close();
  }
});

test('a chain that is shorter than what was final, as after a restart from nothing, tells no time', () =>
  inTemporaryFolder(async (folder) => {
    const registry = await openRegistry(folder);
    const blocks: number[] = [];
    const watch = new Watch({
      signing: site.signing,
      l2: l2Of(site),
      registry,
      startBlock: site.deployment.block,
      clock: ANY_TIME,
      events: { ...NOBODY, block: (_at, height) => blocks.push(height) },
    });
    try {
      await watch.look();
      const [newest] = blocks;
      await registry.update({ watched: { height: newest! + 1 } });
      await watch.look().then(
        () => assert.unreachable(),
        (error) => assert.is(error.code, 'chain_behind'),
      );
      assert.equal(blocks, [newest]);
      await rpc('evm_mine');
      await watch.look();
      assert.equal(blocks, [newest, newest! + 1]);
    } finally {
      await registry.close();
    }
  }));

test.run();
