/**
 * A device's day on the real runtime of devices (device/runtime.ts): bytes come over its link and uplink, its journal
 * lies on NOR flash, its key answers later. Every effect must be the one that the fleet's own executor had, and in the
 * end its flash must hold the same books. The day is lived on an Engine: here on Node, on chips in simulators/chips.
 */
import { openJournal, salvageJournal } from '../../device/journal/journal.ts';
import { encodeFrame } from '../../device/links/framing.ts';
import { Runtime } from '../../device/runtime.ts';
import { lineText, type Say, sayEffect } from '../../hardware/replay/lines.ts';
import { ReplayedDevice, type Told } from '../../hardware/replay/replayed-device.ts';
import type { DeviceEvent } from '../../protocol/machines/effects.ts';
import type { PayerSettings } from '../../protocol/machines/payer/state.ts';
import type { TerminalSettings } from '../../protocol/machines/terminal/state.ts';
import type { Domain } from '../../protocol/signing/digests.ts';
import { encodeMessage } from '../../protocol/wire/messages.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import type { AnyDevice } from '../fleet/device.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { type Recorded, Recorder } from '../fleet/recorder.ts';
import { sameBooks } from '../stage/compare.ts';
import { RamFlash } from '../stage/flash/ram-flash.ts';
import type { SimulatedKey } from '../stage/world/suite.ts';

/** Who is to live the day, and with what its flash left the factory. */
export interface Living {
  readonly name: string;
  readonly kind: 'payer' | 'terminal';
  readonly settings: PayerSettings | TerminalSettings;
  readonly machine: AnyDevice['machine'];
  readonly key: SimulatedKey;
  readonly domain: Domain;
  /** Payloads of the journal's first records. */
  readonly stored: readonly Uint8Array[];
  /** The part that its journal stands on, where it may fail; absent: one that never does. */
  readonly part: { readonly size: number; readonly blockSize: number; readonly banks: number } | undefined;
}

/** Something that a device's day can be lived on. */
export interface Engine {
  /**
   * One event; resolves with the lines of what the device did, see hardware/replay/lines.ts. `part`: what its flash holds when
   * its power comes, whatever stood there.
   */
  play(told: Told, part?: Uint8Array): Promise<readonly string[]>;
  /** What the part holds at last; the device is not played any more. */
  content(): Promise<Uint8Array>;
  /** Payloads of the journal, read anew; the device is not played any more. */
  stored(): Promise<readonly Uint8Array[]>;
  close(): Promise<void>;
}

export interface Replayed {
  readonly device: string;
  readonly events: number;
  readonly effects: number;
  /** Power cuts in the middle of an event. */
  readonly cuts: number;
  /** The first thing that was done otherwise; undefined: nothing. */
  readonly difference: string | undefined;
}

/** A device whose day is written down from now on. Call before its first start. */
export class RecordedDevice {
  readonly living: Living;
  private readonly device: AnyDevice;
  private readonly recorder = new Recorder();

  constructor({ kind, settings, device }: PayerActor | TerminalActor, domain: Domain) {
    const { name, machine, storedBooks, flash, layout } = device as AnyDevice;
    const part = flash && { size: flash.size, blockSize: flash.blockSize, banks: layout.banks };
    const key = device.key.made;
    const stored = Array.from(machine.snapshot(storedBooks), (record) => machine.records.encode(record));
    this.living = { name, kind, settings, machine, key, domain, stored, part };
    this.device = device;
    this.device.recorder = this.recorder;
    this.device.key.answerAtOnce();
  }

  get events(): number {
    return this.recorder.events.length;
  }

  /** Codes of the refusals and faults that it met. */
  get met(): ReadonlySet<string> {
    const codes = this.recorder.events.flatMap(({ effects, faults }) => [
      ...faults.map(({ fault }) => fault.code),
      ...effects.flatMap((effect) =>
        effect.type === 'notify' && effect.notice.type === 'refused' ? [effect.notice.code] : [],
      ),
    ]);
    return new Set(codes);
  }

  /** Plays what was written down so far, up to the first difference; `onEvent` is called after each event. */
  async replay(engine: Engine, onEvent: (played: number) => void = () => undefined): Promise<Replayed> {
    const { machine, name } = this.living;
    const { events } = this.recorder;
    const expected = new Expected(machine.records);
    let effects = 0;
    let cuts = 0;
    const result = (difference: string | undefined): Replayed => ({
      device: name,
      events: events.length,
      effects,
      cuts,
      difference,
    });
    for (const [index, recorded] of events.entries()) {
      const wanted = expected.linesOf(recorded);
      const found = await engine.play(toldOf(recorded), recorded.part);
      effects += recorded.effects.length;
      if (recorded.isCut) cuts += 1;
      const difference = firstDifference(wanted, found);
      if (difference !== undefined) return result(`event ${index} (${recorded.event.type}): ${difference}`);
      onEvent(index + 1);
    }
    const { flash } = this.device;
    if (flash !== undefined) {
      // Where the power went at last inside of a word, it went elsewhere on the other part.
      const isTorn = events.at(-1)?.isCut === true;
      const at = isTorn ? -1 : firstOther(await engine.content(), flash.content);
      return result(at < 0 ? undefined : `byte ${at} of its flash is another one`);
    }
    const books = (await engine.stored()).reduce(
      (folded: unknown, payload) => machine.apply(folded, machine.records.decode(payload)),
      machine.emptyBooks,
    );
    const other = sameBooks(books, this.device.storedBooks);
    return result(other === undefined ? undefined : `its flash holds other books: ${other}`);
  }
}

/**
 * Has `count` devices of a fleet written down: terminals from the first on and payers from the last on, since scenarios
 * take their cheats from the front.
 */
export function recordSome({ terminals, payers }: Fleet, domain: Domain, count: number): RecordedDevice[] {
  const chosen = Array.from({ length: count }, (_, i) =>
    i % 2 === 0 ? terminals[i >> 1] : payers.at(-1 - (i >> 1)),
  );
  return chosen.flatMap((actor) => (actor === undefined ? [] : [new RecordedDevice(actor, domain)]));
}

/** A recorded event as a host tells it: bytes where the device has links. */
function toldOf({ event, nowMs, effects, isCut }: Recorded): Told {
  const { type } = event;
  const known = event as DeviceEvent;
  const told = { nowMs, ...(isCut && { cutAfter: effects.length }) };
  switch (known.type) {
    case 'boot':
      return {
        type: known.type,
        ...told,
        ...('realTime' in known && { realTime: known.realTime as number }),
      };
    case 'hubConnected':
      return { type: known.type, ...told, ...(known.seed && { random: known.seed }) };
    case 'linkUp':
    case 'linkDown':
    case 'hubLost':
      return { type: known.type, ...told };
    case 'message': {
      const bytes = encodeFrame(encodeMessage(known.message));
      return { type: 'linkBytes', ...told, bytes, ...(known.random && { random: known.random }) };
    }
    case 'hubMessage':
      return { type: known.type, ...told, bytes: encodeMessage(known.message) };
    default:
      return { type: 'dispatch', ...told, event: event as { type: typeof type } };
  }
}

/** What the fleet's own executor did, as the lines of a device that did the same. */
class Expected {
  private readonly records: AnyDevice['machine']['records'];
  private isLinked = false;

  constructor(records: AnyDevice['machine']['records']) {
    this.records = records;
  }

  linesOf({ event, effects, faults }: Recorded): string[] {
    if (event.type === 'linkUp') this.isLinked = true;
    if (event.type === 'linkDown' || event.type === 'boot') this.isLinked = false;
    const lines: string[] = [];
    const say: Say = (words, bytes) => lines.push(lineText(words, bytes));
    const sayFaults = (after: number): void => {
      for (const { fault, after: at } of faults)
        if (at === after) say(`fault ${fault.code}${fault.frozen ? ' frozen' : ''}`);
    };
    sayFaults(0);
    for (const [index, effect] of effects.entries()) {
      sayEffect(say, this.records, effect);
      if (effect.type === 'upload') say('uplink', encodeMessage(effect.message));
      if (effect.type === 'send' && this.isLinked) say('link', encodeFrame(encodeMessage(effect.message)));
      sayFaults(index + 1);
    }
    return lines;
  }
}

function firstDifference(wanted: readonly string[], found: readonly string[]): string | undefined {
  for (let i = 0; i < Math.max(wanted.length, found.length); i++)
    if (wanted[i] !== found[i]) return `"${found[i] ?? 'nothing'}" instead of "${wanted[i] ?? 'nothing'}"`;
  return undefined;
}

/** Where the two differ first; -1: nowhere. */
const firstOther = (found: Uint8Array, wanted: Uint8Array): number =>
  wanted.findIndex((byte, at) => byte !== found[at]);

/** Room for the books of any terminal of the built-in scenarios. */
const FLASH = { size: 1024 * 1024, blockSize: 4096, seed: 1 };
const BANKS = { banks: 2 };

/** The runtime in this process, with the fleet's own machine and key. */
export class NodeEngine implements Engine {
  private readonly flash: RamFlash;
  private readonly device: ReplayedDevice;
  private lines: string[] = [];

  constructor({ machine, key, stored, part }: Living) {
    this.flash = new RamFlash(part ?? FLASH);
    const layout = part ?? BANKS;
    const open = () => openJournal(this.flash, layout);
    const source =
      part === undefined ? { open } : { open, salvage: () => salvageJournal(this.flash, layout) };
    if (part === undefined) {
      const journal = open();
      for (const payload of stored) journal.append(payload, () => []);
    }
    this.device = new ReplayedDevice(
      (host, observer) => new Runtime(machine, host, source, observer),
      {
        scheme: key.scheme,
        address: key.address,
        ...(key.publicKey && { publicKey: key.publicKey }),
        sign: async (digest) => key.sign(digest),
      },
      machine.records,
      (words, bytes) => this.lines.push(lineText(words, bytes)),
    );
  }

  async play(told: Told, part?: Uint8Array): Promise<readonly string[]> {
    if (part !== undefined) this.flash.content.set(part);
    this.lines = [];
    await this.device.play(told);
    return this.lines;
  }

  async stored(): Promise<readonly Uint8Array[]> {
    return [...openJournal(this.flash, BANKS).replayed];
  }

  async content(): Promise<Uint8Array> {
    return this.flash.content;
  }

  async close(): Promise<void> {}
}
