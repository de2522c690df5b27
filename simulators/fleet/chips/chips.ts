/** The chips that a device's day can be lived on: an XS process, or the firmware image of the emulated Cortex-M4. */
import { buildImage, Emulator } from '../../../hardware/boards/mps2-an386/host/emulator.ts';
import { injectKey } from '../../../hardware/boards/mps2-an386/host/factory.ts';
import {
  journalBanks,
  journalFlash,
  lanesMax,
  outboxMax,
  payerLanesMax,
} from '../../../hardware/boards/mps2-an386/limits.ts';
import type { JournalPart } from '../build.ts';
import { buildReplay, type ReplayProgram, XsProcess } from '../../../hardware/boards/xs-host/host/process.ts';
import { SundialError } from '../../../protocol/errors.ts';
import type { Scenario } from '../../scenarios/schema.ts';
import type { Living } from '../../scenarios/replay.ts';
import { ChipEngine, type ChipKind } from './chip-engine.ts';

export const CHIPS = ['xs', 'board'] as const;
export type ChipName = (typeof CHIPS)[number];

/**
 * What journals of a scenario stand on when its devices are to run on chips. Their part wears by the block
 * (test/board/faults.test.ts), and has no fault of a single word or read.
 */
export const CHIP_PART: JournalPart = {
  flash: journalFlash,
  banks: journalBanks,
  payerLanes: payerLanesMax,
  without: ['wornWord', 'misread'],
};

/** The scenario with terminals whose books a chip has room for: fewer entries that wait for the hub, fewer lanes. */
export const fitForChips = (scenario: Scenario): Scenario => ({
  ...scenario,
  outboxMax: Math.min(scenario.outboxMax, outboxMax),
  lanesMax: Math.min(scenario.lanesMax, lanesMax),
  groups: scenario.groups?.map((group) => ({
    ...group,
    ...(group.outboxMax !== undefined && { outboxMax: Math.min(group.outboxMax, outboxMax) }),
    ...(group.lanesMax !== undefined && { lanesMax: Math.min(group.lanesMax, lanesMax) }),
    ...(group.p256 !== undefined && { p256: 0 }),
  })),
  // A chip's own key is of secp256k1, and its terminals check no other.
  p256: 0,
});

/** XS on Linux, with a chip's memory; the programs are built already. */
export const xsChip = (programs: Readonly<Record<Living['kind'], ReplayProgram>>): ChipKind => ({
  provision: (_, { key }) => ({ secret: key.secret }),
  switchOn: (memory, { kind }, onLine, onEnd) =>
    new XsProcess({ ...programs[kind], flash: memory.path, onLine, onEnd }),
});

/** Firmware images under QEMU; they are built already. The board keeps its key in its own flash. */
export const boardChip = (images: Readonly<Record<Living['kind'], string>>): ChipKind => ({
  provision(memory, { key }) {
    injectKey(memory, key.secret);
    return {};
  },
  switchOn(memory, { kind }, onLine, onEnd) {
    const board = new Emulator({ image: images[kind], memory });
    board.onLine(onLine);
    void board.closed.then(() => onEnd('the emulator ended'));
    return { send: (line) => board.type(line), kill: () => board.kill() };
  },
});

/** What each needs to be built and to run. */
const APT: Readonly<Record<ChipName, string>> = {
  xs: 'gcc libc6-dev',
  board: 'gcc libc6-dev gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm',
};

async function buildChip(name: ChipName, root: string): Promise<ChipKind> {
  if (name === 'xs')
    return xsChip({ payer: await buildReplay(root, 'payer'), terminal: await buildReplay(root, 'terminal') });
  const { image: payer } = await buildImage(root, 'replay-payer');
  const { image: terminal } = await buildImage(root, 'replay-terminal');
  return boardChip({ payer, terminal });
}

/**
 * Builds what the chip needs, or takes what is there, and returns what makes engines of it. `root`: the project's
 * folder. Throws `chip_not_built`.
 */
export async function chipEngines(name: ChipName, root: string): Promise<(living: Living) => ChipEngine> {
  try {
    const kind = await buildChip(name, root);
    return (living) => new ChipEngine(kind, living);
  } catch (cause) {
    throw new SundialError('chip_not_built', `${name}: ${(cause as Error).message.slice(0, 400)}`, {
      severity: 'call',
      remedy: `It needs \`apt-get install ${APT[name]}\`.`,
      cause,
    });
  }
}
