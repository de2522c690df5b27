/** What each role's image takes: flash from the build; RAM and boot from taps and a charge between two images. */
import { buildImage, type Emulator } from '../../hardware/boards/mps2-an386/host/emulator.ts';
import { type BoardRole, Workbench } from './bench.ts';

type ByRole = Record<string, number>;

/** RAM that was in use at its highest, bytes: C stack, data, tables and the engine's arena. */
async function ramOf(board: Emulator): Promise<number> {
  const from = board.lines.length;
  board.type('status');
  const { memory } = await board.event('status', { from, timeoutMs: 120_000 });
  return (memory as { total: number }).total;
}

async function meet(
  bench: Workbench,
  terminal: BoardRole,
  payer: BoardRole,
  profile: string,
  work: (terminal: Emulator, payer: Emulator) => Promise<void>,
  full = false,
): Promise<ByRole> {
  const path = bench.tapPath(`${terminal}${full}`);
  const there = await bench.provision(terminal, { speed: 6000, profile, full, channel: full ? 2 : 1 });
  const here = await bench.provision(payer, { profile, full, channel: full ? 2 : 1 });
  const one = bench.start({ ...there, tap: { path, listen: true } });
  await one.event('ready', { timeoutMs: 120_000 });
  const other = bench.start({ ...here, tap: { path, listen: false } });
  await other.event('ready', { timeoutMs: 120_000 });
  await work(one, other);
  const ram = { [terminal]: await ramOf(one), [payer]: await ramOf(other) };
  await one.kill();
  await other.kill();
  return ram;
}

/** The last sale for which there is place at both. Both have all that their books may hold then, and say so by name. */
export async function sellFull(till: Emulator, band: Emulator): Promise<void> {
  const timeoutMs = 120_000;
  till.type('sale 1000');
  await till.event('approved', { timeoutMs });
  await band.event('paid', { timeoutMs });
  const from = till.lines.length;
  till.type('sale 1000');
  const { code } = await till.event('refused', { from, timeoutMs });
  if (code !== 'outbox_full') throw new Error(`a till that is full said ${code}`);
}

export async function measureRoles(
  root: string,
  profile: string,
): Promise<{ ramBytes: ByRole; ramFull: ByRole; flashBytes: ByRole; boot: number }> {
  const flashBytes: ByRole = {};
  for (const role of ['wearable', 'pos', 'charger'])
    flashBytes[role] = (await buildImage(root, role, profile)).flashBytes;
  const bench = new Workbench();
  try {
    const timeoutMs = 120_000;
    const tapped = await meet(bench, 'pos', 'wearable', profile, async (pos) => {
      for (let tap = 1; tap <= 10; tap++) {
        const from = pos.lines.length;
        pos.type(`sale ${tap * 1000}`);
        await pos.event('approved', { from, timeoutMs });
      }
    });
    // Signing in JavaScript takes seconds here: a session of many ticks is left to the native profile.
    const charged =
      profile === 'native'
        ? await meet(bench, 'charger', 'car', profile, async (charger) => {
            charger.type('offer');
            await charger.event('approved', { timeoutMs });
          })
        : {};
    const ramFull = await meet(bench, 'pos', 'wearable', profile, sellFull, true);
    const wearable = await bench.provision('wearable', { channel: 9, profile });
    const board = bench.start({ ...wearable, icount: true, seed: new Uint8Array(32).fill(1) });
    const { instructions } = await board.event('ready', { timeoutMs });
    return { ramBytes: { ...tapped, ...charged }, ramFull, flashBytes, boot: instructions as number };
  } finally {
    await bench.close();
  }
}
