/**
 * Rows that a hub settles in a day: the settle loop against a chain of 2 s blocks whose blocks are final after 64 more, with
 * one transaction under way at a time and with as many as a hub has by default. Blocks are made as the loop asks for
 * them, and counted: the rate is in the chain's time, whatever this machine does. Not measured: what the hub's machine
 * spends on it, fees, and chains that take longer to be final (the rate falls as that grows).
 */
import { parseConfig } from '../../hub/config.ts';
import type { SecureKey } from '../../hardware/interfaces/index.ts';
import { toHex } from '../../protocol/bytes.ts';
import { key, tap } from '../hub/fleet.ts';
import { Bench, rpcOf } from '../hub/settle-bench.ts';
import { l2Of, type Site, startSite } from '../hub/site.ts';
import { inTemporaryFolder } from '../hub/temporary.ts';

const BLOCK_SECONDS = 2;
const FINALITY_BLOCKS = 64;
/** Rows of a transaction, all of one channel: so many lanes that were never settled before fit into its gas. */
const ROWS = 400;
/** Blocks after which something is wrong. */
const BLOCKS_MAX = 2_000;
const DAY = 86_400;

export interface SettlementRate {
  /** With the default number under way. */
  readonly rowsPerDay: number;
  /** With one. */
  readonly rowsPerDayOneByOne: number;
  readonly inFlight: number;
  readonly finalityBlocks: number;
}

/** `fastKey(n)`: a key that signs natively. Needs anvil. */
export async function settlementRate(
  fastKey: (n: number) => SecureKey,
  say: (text: string) => void,
): Promise<SettlementRate> {
  const site = await startSite(100_000_000);
  try {
    const { inFlightMax } = parseConfig(site.config('none')).batch;
    say(`settling against 2 s blocks: ${ROWS} payees get an id ...`);
    const payees = Array.from({ length: ROWS }, (_, n) => key(1_000 + n));
    for (const { address } of payees) await site.vault.registerPayee(site.owner, address);
    const rate = async (transactions: number, inFlight: number) => {
      say(`${transactions} settlements of ${ROWS} rows, ${inFlight} under way at a time ...`);
      const blocks = await blocksFor(site, fastKey, payees, transactions, inFlight);
      return Math.round((transactions * ROWS * DAY) / (blocks * BLOCK_SECONDS));
    };
    return {
      rowsPerDayOneByOne: await rate(1, 1),
      rowsPerDay: await rate(inFlightMax, inFlightMax),
      inFlight: inFlightMax,
      finalityBlocks: FINALITY_BLOCKS,
    };
  } finally {
    await site.close();
  }
}

/** Blocks until so many settlements, each of a channel of its own, are final. */
async function blocksFor(
  site: Site,
  fastKey: (n: number) => SecureKey,
  payees: readonly SecureKey[],
  transactions: number,
  inFlight: number,
): Promise<number> {
  const rpc = rpcOf(() => site);
  return inTemporaryFolder(async (folder) => {
    const bench = await Bench.open(site, folder, l2Of(site, { finalityBlocks: FINALITY_BLOCKS }));
    try {
      const payer = fastKey(0);
      for (let n = 0; n < transactions; n += 1) {
        const wish = { payer: toHex(payer.address), amount: 10 * ROWS };
        const { channel } = await site.vault.openChannel(site.owner, wish);
        const fields = { on: site.signing, channel, payer, terminal: fastKey(200) };
        const taps = payees.map((payee, i) =>
          tap({ ...fields, payee, seq: i + 1, amount: 5, spent: 5 * (i + 1), paid: 5 }),
        );
        bench.take(await Promise.all(taps));
      }
      await rpc('anvil_mine', `0x${FINALITY_BLOCKS.toString(16)}`);
      await bench.look();
      bench.restart(ROWS, inFlight);
      await rpc('evm_setAutomine', false);
      for (let blocks = 0; blocks < BLOCKS_MAX; ) {
        const now = await bench.loop.step(true);
        if (now === 'idle') return blocks;
        if (now === 'finished') continue;
        await rpc('anvil_mine', '0x1', `0x${BLOCK_SECONDS.toString(16)}`);
        blocks += 1;
        await bench.look();
      }
      throw new Error(`${transactions} settlements were not final after ${BLOCKS_MAX} blocks`);
    } finally {
      await rpc('evm_setAutomine', true);
      await bench.close();
    }
  });
}
