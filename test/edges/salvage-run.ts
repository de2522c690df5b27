/**
 * A till sold with no network, and then its flash is damaged: what it holds that is not itself the damage gets to the hub,
 * whether the till starts or is frozen. What must get there is decided by where its records stood before.
 *
 * Not looked at here: two places at once, refunds, and what a frozen till says to who taps.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { terminalLimits } from '../../protocol/machines/terminal/room.ts';
import { journalRoom } from '../../device/journal/capacity.ts';
import { FLASH_KINDS, type FlashKind, RamFlash } from '../../simulators/stage/flash/ram-flash.ts';
import { BANKS } from '../device/pair.ts';
import { Till } from './till.ts';

const GEOMETRY = { size: 96 * 1024, blockSize: 4096 };
const SALES = 9;

export interface SalvageCounts {
  cases: number;
  /** Of these the till was frozen. */
  frozen: number;
  /** Sales that stood in records that the damage left alone, and those of them that the hub had in the end. */
  held: number;
  handedIn: number;
  readonly wrong: string[];
}

interface Sold {
  readonly till: Till;
  /** Where each sale's record stands: its first byte, and the first behind it. */
  readonly places: readonly { readonly name: string; readonly from: number; readonly to: number }[];
}

/** The records of the newest bank by their lengths alone, as decision 18 describes them. */
function* recordsIn(flash: RamFlash): Iterable<{ from: number; to: number }> {
  const unit = Math.max(4, flash.wordSize);
  const bank = flash.size / BANKS.banks;
  const bytes = new DataView(flash.content.buffer);
  const starts = Array.from({ length: BANKS.banks }, (_, i) => i * bank);
  const generation = (start: number): number => {
    const number = bytes.getUint32(start + 4, true);
    return number === 0xffffffff ? 0 : number;
  };
  const start = starts.reduce((newest, other) => (generation(other) > generation(newest) ? other : newest));
  for (let from = start + Math.ceil(20 / unit) * unit + unit; ; ) {
    const length = bytes.getUint16(from, true);
    if (bytes.getUint16(from + 2, true) !== (~length & 0xffff)) break;
    const to = from + Math.ceil((8 + length) / unit) * unit;
    yield { from, to };
    from = to;
  }
}

const holds = (content: Uint8Array, from: number, to: number, bytes: Uint8Array): boolean => {
  for (let at = from; at + bytes.length <= to; at++)
    if (equalBytes(content.subarray(at, at + bytes.length), bytes)) return true;
  return false;
};

/** A till that sold to so many customers, and began so many banks more, with nobody to hand in to. */
async function sold(kind: FlashKind, crossings: number): Promise<Sold> {
  const flash = new RamFlash({ ...GEOMETRY, kind });
  const till = await Till.create(flash, BANKS.banks, terminalLimits(journalRoom(flash, BANKS.banks)));
  for (let sale = 0; sale < SALES; sale++) if (!(await till.sell())) throw new Error(`${till.refused}`);
  // The largest record of all, until a bank must be begun with everything that stands.
  for (let list = 0; list < crossings; list++) await till.revokeMany();
  const records = [...recordsIn(flash)];
  const places = [...till.promised.open].flatMap(([name, digest]) =>
    records
      .filter(({ from, to }) => holds(flash.content, from, to, digest))
      .map((place) => ({ name, ...place }))
      .slice(-1),
  );
  if (places.length !== SALES) throw new Error(`${places.length} of ${SALES} sales stand in the flash`);
  return { till, places };
}

/** Damages so many bytes, starts, and lets the hub take what comes. */
async function run(
  counts: SalvageCounts,
  { till, places }: Sold,
  at: number,
  value: number,
  length: number,
): Promise<void> {
  const damaged = till.copied();
  damaged.flash.content.fill(value, at, at + length);
  const before = damaged.flash.content.slice();
  await damaged.switchOn();
  const { frozen } = damaged.device;
  const damage = `${damaged.flash.kind}: ${length} bytes at ${at} as ${value}`;
  const wrong = (what: string): unknown =>
    counts.wrong.length < 10 && counts.wrong.push(`${damage}: ${what}`);
  await damaged.drain();
  counts.cases += 1;
  if (frozen) counts.frozen += 1;
  if (frozen && damaged.signatures > 0) wrong('it signed although it was frozen');
  if (frozen && !equalBytes(damaged.flash.content, before)) wrong('it wrote although it was frozen');
  // A till with a damaged part that goes on is whole: the damage was in no record that counts.
  for (const { name, from, to } of places) {
    if (frozen && at < to && at + length > from) continue;
    counts.held += 1;
    if (!damaged.promised.open.has(name)) counts.handedIn += 1;
    else wrong(`the sale at ${from} stayed`);
  }
}

/** One word in so many of all that hold something, as zeros and as ones. */
export async function salvageCounts(every: number): Promise<SalvageCounts> {
  const counts: SalvageCounts = { cases: 0, frozen: 0, held: 0, handedIn: 0, wrong: [] };
  for (const kind of FLASH_KINDS)
    for (const crossings of [0, 7]) {
      const made = await sold(kind, crossings);
      const { content, size } = made.till.flash;
      for (let at = 0, turn = 0; at < size; at += 4) {
        if (content.subarray(at, at + 4).every((byte) => byte === 0xff)) continue;
        turn += 1;
        if (turn % every !== 0) continue;
        for (const value of [0, 0xff]) await run(counts, made, at, value, 4);
      }
    }
  return counts;
}
