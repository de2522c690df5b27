/**
 * Flashes of a payer and a till as they stand in the middle of their work, with what is right for each. What was stored
 * is taken from the devices' effects, one by one, never from a journal: it is what a journal is judged by.
 */
import { openJournal } from '../../device/journal/journal.ts';
import { toHex } from '../../protocol/bytes.ts';
import { seconds } from '../../protocol/integers.ts';
import * as payer from '../../protocol/machines/payer/books.ts';
import * as terminal from '../../protocol/machines/terminal/books.ts';
import {
  FLASH_KINDS,
  type FlashKind,
  PowerCut,
  type RamFlash,
} from '../../simulators/stage/flash/ram-flash.ts';
import { BANKS, Pair, type Side } from '../device/pair.ts';
import { CHANNEL, keys, lease, START } from '../protocol/bench.ts';

/** One flash, and what any later start of its device must find. */
export interface Image {
  readonly name: string;
  readonly side: Side;
  readonly kind: FlashKind;
  readonly generation: number;
  readonly flash: RamFlash;
  /** The books that are right, as text: two where the power went while one record was being written. */
  readonly right: readonly Books[];
}

export interface Books {
  readonly text: string;
  /** Payer: the newest seq that was signed. Terminal: what it accepted. */
  readonly highest: number;
}

const hubKey = {
  address: keys.hub.address,
  from: seconds(0),
  until: seconds(START + 10 * 365 * 86_400),
  epoch: 0,
  signedAt: seconds(0),
};

/** What the records of one device make of empty books. */
const KINDS = {
  payer: {
    decode: (bytes: Uint8Array) => payer.payerRecords.decode(bytes),
    time: (at: number) => payer.payerRecords.encode({ type: 'time', at: seconds(at) }),
    books(records: Iterable<payer.PayerRecord>) {
      let books = payer.EMPTY_PAYER;
      for (const record of records) books = payer.applyRecord(books, record);
      const snapshot = payer.snapshot(books).map((record) => payer.payerRecords.encode(record));
      return { snapshot, highest: Number(books.seq) };
    },
  },
  terminal: {
    decode: (bytes: Uint8Array) => terminal.terminalRecords.decode(bytes),
    time: (at: number) => terminal.terminalRecords.encode({ type: 'time', at: seconds(at) }),
    books(records: Iterable<terminal.TerminalRecord>) {
      let books = terminal.EMPTY_TERMINAL;
      for (const record of records) books = terminal.applyRecord(books, record);
      const snapshot = terminal.snapshot(books).map((record) => terminal.terminalRecords.encode(record));
      return { snapshot, highest: books.counts.accepted };
    },
  },
} as const;

const textOf = (snapshot: readonly Uint8Array[]): string => snapshot.map(toHex).join();

/** The books that payloads make, with their snapshot. */
export function booksOf(
  side: Side,
  payloads: Iterable<Uint8Array>,
): Books & { readonly snapshot: Uint8Array[] } {
  const kind = KINDS[side];
  const records = [];
  for (const payload of payloads) records.push(kind.decode(payload));
  const { snapshot, highest } = kind.books(records as never);
  return { text: textOf(snapshot), highest, snapshot };
}

/** A record that changes the books by nothing but their time, later with every `n`. */
export const laterRecord = (side: Side, n: number): Uint8Array => KINDS[side].time(START + 1_000_000 + n);

/** A pair whose every stored record is written down beside it. */
class Witness {
  readonly stored: Record<Side, Uint8Array[]> = { payer: [], terminal: [] };
  readonly pair: Pair;

  private constructor(pair: Pair) {
    this.pair = pair;
    const encode = { payer: payer.payerRecords.encode, terminal: terminal.terminalRecords.encode };
    pair.onEffect = (side, effect) => {
      if (effect.type === 'persist') this.stored[side].push(encode[side](effect.record as never));
    };
  }

  static async create(seed: number, kind: FlashKind): Promise<Witness> {
    const witness = new Witness(await Pair.create(seed, undefined, kind));
    const { payerRecords } = payer;
    witness.stored.payer.unshift(
      payerRecords.encode({ type: 'channelOpened', channel: CHANNEL }),
      payerRecords.encode({ type: 'hubKey', ...hubKey }),
      payerRecords.encode({ ...(await lease()), signer: keys.hub.address }),
    );
    witness.stored.terminal.unshift(terminal.terminalRecords.encode({ type: 'hubKey', ...hubKey }));
    return witness;
  }

  async sell(sales: number): Promise<void> {
    for (let sale = 0; sale < sales; sale++) {
      this.pair.link();
      await this.pair.settle();
      await this.pair.sale(1000 + sale);
      await this.pair.settle();
      this.pair.unlink();
    }
  }

  /** Fills a device's banks until it has begun the one of this generation. */
  async fill(side: Side, generation: number): Promise<void> {
    const journal = openJournal(this.pair.flash[side], BANKS);
    const stored = this.stored[side];
    for (let n = stored.length; journal.generation < generation; n++) {
      const record = KINDS[side].time(START - 1_000_000 + n);
      const before = stored.slice();
      journal.append(record, () => booksOf(side, before).snapshot);
      stored.push(record);
    }
    await this.pair.restart(side);
  }

  image(name: string, side: Side, kind: FlashKind, generation: number): Image {
    const { text, highest } = booksOf(side, this.stored[side]);
    return { name, side, kind, generation, flash: this.pair.flash[side].copy(), right: [{ text, highest }] };
  }
}

/** Both sides in every kind of flash, in each of the first four generations. */
export async function images(): Promise<Image[]> {
  const found: Image[] = [];
  for (const kind of FLASH_KINDS) {
    const witness = await Witness.create(found.length + 1, kind);
    for (let generation = 1; generation <= 4; generation++) {
      for (const side of ['payer', 'terminal'] as const)
        if (generation > 1)
          await witness.fill(side, openJournal(witness.pair.flash[side].copy(), BANKS).generation + 1);
      await witness.sell(2);
      for (const side of ['payer', 'terminal'] as const)
        found.push(witness.image(`${side}, ${kind}, generation ${generation}`, side, kind, generation));
    }
  }
  return found;
}

/** Appends one record, into a bank with room or, `crossing`, in a new one; the power goes at the operation `cutAt`. */
function appendOne(image: Image, seed: number, crossing: boolean, cutAt?: number): RamFlash {
  const flash = image.flash.copy(seed);
  const { snapshot } = booksOf(image.side, openJournal(image.flash.copy(), BANKS).replayed);
  const journal = openJournal(flash, BANKS);
  const again = (): Uint8Array[] => snapshot;
  // The oldest time of all, which changes no book.
  while (crossing && journal.bytesFree >= LITTLE) journal.append(KINDS[image.side].time(0), again);
  flash.operations = 0;
  flash.cutAt = cutAt;
  try {
    journal.append(laterRecord(image.side, 0), again);
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
  flash.cutAt = undefined;
  return flash;
}

/** Fewer bytes than a record of a time takes with its mark, in the largest words. */
const LITTLE = 28;

/** The same devices after a power cut: in a record and its mark, and in the erase, the heads and marks of a new bank. */
export function cutImages(from: readonly Image[]): Image[] {
  const found: Image[] = [];
  for (const image of from) {
    const before = image.right[0]!;
    const stored = openJournal(image.flash.copy(), BANKS).replayed;
    const after = booksOf(image.side, [...stored, laterRecord(image.side, 0)]);
    for (const crossing of [false, true]) {
      const last = appendOne(image, 1, crossing).operations;
      for (let at = 1; at <= last; at++) {
        if (at > 4 && at < last - 32 && at % 37 !== 0) continue;
        const flash = appendOne(image, at, crossing, at);
        found.push({
          ...image,
          name: `${image.name}, cut at ${at} of ${last}`,
          flash,
          right: [before, after],
        });
      }
    }
  }
  return found;
}
