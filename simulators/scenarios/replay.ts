/**
 * A device's day on the real runtime of devices (device/runtime.ts): bytes come over its link and uplink, its journal
 * lies on NOR flash, its key answers later. Every effect must be the one that the fleet's own executor had, and in the
 * end its flash must hold the same books. The day is lived on an Engine: here on Node, on chips in simulators/chips.
 */
import { openJournal } from '../../device/journal/journal.ts';
import { encodeFrame } from '../../device/links/framing.ts';
import { Runtime } from '../../device/runtime.ts';
import { lineText, type Say, sayEffect } from '../../hardware/replay/lines.ts';
import { ReplayedDevice, type Told } from '../../hardware/replay/replayed-device.ts';
import { SundialError } from '../../protocol/errors.ts';
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
}

/** Something that a device's day can be lived on. */
export interface Engine {
  /** One event; resolves with the lines of what the device did, see hardware/replay/lines.ts. */
  play(told: Told): Promise<readonly string[]>;
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

  /** Throws `scenario` for a device that has flash of its own in the fleet. */
  constructor({ kind, settings, device }: PayerActor | TerminalActor, domain: Domain) {
    if (device.flash !== undefined) {
      throw new SundialError('scenario', `${device.name} has its own faulty flash in this scenario`, {
        severity: 'call',
        remedy: 'Play devices of a scenario whose storage is memory.',
      });
    }
    const { name, machine, storedBooks } = device as AnyDevice;
    const key = device.key.made;
    const stored = Array.from(machine.snapshot(storedBooks), (record) => machine.records.encode(record));
    this.living = { name, kind, settings, machine, key, domain, stored };
    this.device = device;
    this.device.recorder = this.recorder;
    this.device.key.answerAtOnce();
  }

  get events(): number {
    return this.recorder.events.length;
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
      const found = await engine.play(toldOf(recorded));
      effects += recorded.effects.length;
      if (recorded.isCut) cuts += 1;
      const difference = firstDifference(wanted, found);
      if (difference !== undefined) return result(`event ${index} (${recorded.event.type}): ${difference}`);
      onEvent(index + 1);
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

  linesOf({ event, effects }: Recorded): string[] {
    if (event.type === 'linkUp') this.isLinked = true;
    if (event.type === 'linkDown' || event.type === 'boot') this.isLinked = false;
    const lines: string[] = [];
    const say: Say = (words, bytes) => lines.push(lineText(words, bytes));
    for (const effect of effects) {
      sayEffect(say, this.records, effect);
      if (effect.type === 'upload') say('uplink', encodeMessage(effect.message));
      if (effect.type === 'send' && this.isLinked) say('link', encodeFrame(encodeMessage(effect.message)));
    }
    return lines;
  }
}

function firstDifference(wanted: readonly string[], found: readonly string[]): string | undefined {
  for (let i = 0; i < Math.max(wanted.length, found.length); i++)
    if (wanted[i] !== found[i]) return `"${found[i] ?? 'nothing'}" instead of "${wanted[i] ?? 'nothing'}"`;
  return undefined;
}

/** Room for the books of any terminal of the built-in scenarios. */
const FLASH = { size: 1024 * 1024, blockSize: 4096, seed: 1 };
const BANKS = { banks: 2 };

/** The runtime in this process, with the fleet's own machine and key. */
export class NodeEngine implements Engine {
  private readonly flash = new RamFlash(FLASH);
  private readonly device: ReplayedDevice;
  private lines: string[] = [];

  constructor({ machine, key, stored }: Living) {
    const open = () => openJournal(this.flash, BANKS);
    const journal = open();
    for (const payload of stored) journal.append(payload, () => []);
    this.device = new ReplayedDevice(
      (host, observer) => new Runtime(machine, host, { open }, observer),
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

  async play(told: Told): Promise<readonly string[]> {
    this.lines = [];
    await this.device.play(told);
    return this.lines;
  }

  async stored(): Promise<readonly Uint8Array[]> {
    return [...openJournal(this.flash, BANKS).replayed];
  }

  async close(): Promise<void> {}
}
