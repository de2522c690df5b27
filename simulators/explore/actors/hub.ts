/** The hub's intake as a table: what is in RAM, what is written; the power cut leaves what is written. */
import { type Address, equalBytes, fromHex, toHex } from '../../../protocol/bytes.ts';
import { amount, type Seq } from '../../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../../protocol/limits.ts';
import { channelBook, entryMessage } from '../../../hub/intake/books.ts';
import { intakeStep } from '../../../hub/intake/intake.ts';
import {
  type Books,
  durableBooks,
  emptyIntake,
  type Entry,
  type IntakeContext,
  type IntakeEvent,
  type IntakeState,
} from '../../../hub/intake/state.ts';
import { layersEntries } from '../../../hub/intake/layers.ts';
import { bytesKey, numberKey, trieGet } from '../../../hub/intake/trie.ts';
import type { HubRecord } from '../../../hub/ledger/records.ts';
import { decodeOwn, encodeMessage, type MessageOf } from '../../../protocol/wire/messages.ts';
import { CHANNEL, type Scene, START } from '../scene.ts';
import { canonical, Interner } from '../space.ts';
import type { Upload } from './terminal.ts';

/** An entry that a terminal hands in; `number` is that of its bytes. */
export interface Handed extends Upload {
  readonly number: number;
}

export interface HubLocal {
  readonly intake: IntakeState;
  readonly written: readonly HubRecord[];
  /** Records handed over for writing, oldest first. */
  readonly inRam: readonly { readonly token: number; readonly record: HubRecord }[];
  /** Where each written entry stands. */
  readonly durable: ReadonlyMap<string, number>;
  readonly ram: ReadonlySet<string>;
  /** Everything that ever arrived, written or not. */
  readonly arrived: ReadonlySet<string>;
  /** Of written ticks: the digests that are acknowledged. */
  readonly ticks: readonly { readonly stream: Uint8Array; readonly k: number; readonly entry: Uint8Array }[];
  /** The payer was proved a fraud. */
  readonly evidence: boolean;
}

const textOf = (record: HubRecord): string =>
  record.type === 'entry' ? toHex(record.message) : canonical(record);

/** The digest that is acknowledged; other kinds of records by their name. */
const idOf = (record: HubRecord): string => (record.type === 'entry' ? toHex(record.id) : record.type);

/** What L2 says of the walk's channel. */
export const channelFacts = (scene: Scene) => ({
  payer: scene.payer,
  deposited: amount(1000),
  spendable: amount(scene.config.spendLimit ?? 6),
  bond: amount(200),
  exiting: false,
  slashed: false,
});

export class HubTable {
  readonly locals = new Interner<HubLocal>();
  private readonly scene: Scene;
  private readonly context: IntakeContext;
  private readonly start: IntakeState;
  private readonly remembersArrivals: boolean;
  private readonly rows = new Map<string, number>();

  /** `knows`: which of what a hub is told at its start this one was told; `more`: what it was told besides. */
  constructor(
    scene: Scene,
    remembersArrivals: boolean,
    knows: (event: IntakeEvent) => boolean = () => true,
    more: readonly IntakeEvent[] = [],
  ) {
    this.scene = scene;
    this.remembersArrivals = remembersArrivals;
    this.context = {
      signing: scene.signing,
      hub: scene.site.hub,
      timing: DEFAULT_TIMING,
      scopes: {},
      leaseAnyScope: true,
      indexedMax: 1_000_000,
      development: true,
    };
    const told: IntakeEvent[] = [
      { type: 'block', at: START, height: 1 as never },
      { type: 'channel', channel: CHANNEL, facts: channelFacts(scene) },
      ...scene.payees.map((payee): IntakeEvent => ({ type: 'payee', payee })),
      ...scene.terminals.map(
        (terminal, index): IntakeEvent => ({
          type: 'device',
          device: terminal,
          counter: 0,
          payee: scene.payees[scene.config.terminals[index]!]!,
        }),
      ),
      ...more,
    ];
    this.start = told
      .filter(knows)
      .reduce((state, event) => intakeStep(this.context, state, event).state, emptyIntake);
  }

  first(): number {
    return this.number({ intake: this.start, written: [], inRam: [], arrived: new Set() });
  }

  local(number: number): HubLocal {
    return this.locals.values[number]!;
  }

  private number(parts: Pick<HubLocal, 'intake' | 'written' | 'inRam' | 'arrived'>): number {
    const durable = new Map(parts.written.map((record, position) => [idOf(record), position]));
    const ticks = parts.written.flatMap((record) => {
      const message = record.type === 'entry' ? decodeOwn(record.message) : undefined;
      return record.type === 'entry' && message?.type === 'collectedTick'
        ? [{ stream: message.stream, k: message.k, entry: record.id }]
        : [];
    });
    const ram = new Set(parts.inRam.map(({ record }) => idOf(record)));
    const arrived = this.remembersArrivals ? parts.arrived : new Set<string>();
    const evidence = durable.has('evidence') || ram.has('evidence');
    // The same voucher may come with a receipt or with a credit, so the bytes count, not the digest.
    const bytes = (records: readonly HubRecord[]): string => records.map(textOf).sort().join();
    const inRam = parts.inRam.map(({ record }) => record);
    // In which order they were written shows only where somebody looks at positions.
    const written = this.scene.config.evicts ? parts.written.map(textOf).join() : bytes(parts.written);
    const { entries, claims } = channelBook(parts.intake.books, CHANNEL);
    // Books that came to something else by the order of arrival are another state, and are judged as such.
    const books = canonical([
      [...entries].map(({ token: _, ...entry }) => entry),
      [...layersEntries(claims)].map(([payee, { key }]) => [payee, key]),
    ]);
    const facts = canonical(parts.intake.channels && trieGet(parts.intake.channels, numberKey(CHANNEL)));
    const text = `${facts}|${written}|${bytes(inRam)}|${[...arrived].sort().join()}|${books}`;
    return this.locals.number(text, () => ({ ...parts, arrived, durable, ram, ticks, evidence }));
  }

  private memo(key: string, compute: () => number): number {
    let found = this.rows.get(key);
    if (found === undefined) {
      found = compute();
      this.rows.set(key, found);
    }
    return found;
  }

  /** The hub is told something of L2; `name` stands for the event. What is told is not forgotten by a cut in these walks. */
  tell(number: number, event: IntakeEvent, name: string): number {
    return this.memo(`${number}t${name}`, () => {
      const local = this.local(number);
      return this.number({ ...local, intake: intakeStep(this.context, local.intake, event).state });
    });
  }

  /** Bytes arrive. They are in RAM then, unless refused or known. */
  receive(number: number, { number: bytesNumber, bytes, id }: Handed): number {
    return this.memo(`${number}r${bytesNumber}`, () => {
      const local = this.local(number);
      const event: IntakeEvent = { type: 'message', device: 'any', bytes, now: START };
      const { state, effects } = intakeStep(this.context, local.intake, event);
      const more = effects.flatMap((effect) => (effect.type === 'persist' ? [effect] : []));
      const arrived = new Set([...local.arrived, id]);
      return this.number({ ...local, intake: state, inRam: [...local.inRam, ...more], arrived });
    });
  }

  /** All that is in RAM is written, and acknowledged from now on. */
  fsync(number: number): number {
    return this.memo(`${number}f`, () => {
      const local = this.local(number);
      let { intake } = local;
      local.inRam.forEach(({ token }, index) => {
        const position = local.written.length + index;
        intake = intakeStep(this.context, intake, { type: 'persisted', token, position }).state;
      });
      const written = [...local.written, ...local.inRam.map(({ record }) => record)];
      return this.number({ ...local, intake, written, inRam: [] });
    });
  }

  /** The hub restarts from what is written. */
  cut(number: number): number {
    return this.memo(`${number}c`, () => {
      const local = this.local(number);
      const intake = local.written.reduce(
        (state, record, position) =>
          intakeStep(this.context, state, { type: 'replayed', record, position }).state,
        this.start,
      );
      return this.number({ ...local, intake, inRam: [] });
    });
  }

  /** What the hub tells who asks for an entry of this terminal; undefined while it is on its way to the disk. */
  answer(
    number: number,
    id: string,
    terminal?: Address,
  ): MessageOf<'acknowledgement'> | MessageOf<'credit'> | MessageOf<'unknown'> | undefined {
    // Nothing is local to a channel here: one channel, and the digest says which voucher.
    const bytes = encodeMessage({
      type: 'query',
      channel: CHANNEL,
      seq: 0 as Seq,
      entry: fromHex(id),
      ...(terminal && { terminal }),
    });
    const event: IntakeEvent = { type: 'message', device: 'any', bytes, now: START };
    const { effects } = intakeStep(this.context, this.local(number).intake, event);
    for (const effect of effects) {
      if (effect.type === 'credit') return effect.message;
      if (effect.type === 'acknowledge') return this.scene.acknowledgement(effect.entry, effect.position);
      if (effect.type === 'unknown')
        return this.scene.unknown(effect.entry, effect.size, effect.terminal, effect.synced);
    }
    return undefined;
  }

  /** Up to when a terminal said that it has handed in everything; 0: it said nothing. */
  synced(number: number, terminal: Address): number {
    return trieGet(this.local(number).intake.books.synced, bytesKey(terminal))?.at ?? 0;
  }

  durableBooks(number: number): Books {
    return durableBooks(this.local(number).intake);
  }

  entries(number: number): readonly Entry[] {
    return [...channelBook(this.local(number).intake.books, CHANNEL).entries];
  }

  /** The most that the ledger (and what is in RAM) claims on a payee's lane. */
  claimable(number: number, payee: number): number {
    const address = this.scene.payees[payee]!;
    let top = 0;
    for (const entry of this.entries(number))
      if (equalBytes(entry.payee, address) && !entry.voided)
        top = Math.max(top, entry.paid + (entry.stream?.k ?? 0));
    return top;
  }

  /**
   * What L2 nets on a payee's lane when everything in the ledger was settled and credited. `byLane`: the rule broken that
   * a credit is bound to its voucher, so that of each terminal's sum over the lane only the highest counts.
   */
  net(number: number, payee: number, byLane = false): number {
    const settled = this.claimable(number, payee);
    const address = this.scene.payees[payee]!;
    const sums = new Map<string, number>();
    for (const entry of this.entries(number)) {
      if (!equalBytes(entry.payee, address) || entry.paid > settled) continue;
      // A tick's credit counts as far as the tick itself was settled.
      const credited = entry.stream ? Math.min(entry.credited, settled - entry.paid) : entry.credited;
      const key = toHex(entryMessage(entry).terminal);
      sums.set(key, (sums.get(key) ?? 0) + credited);
    }
    const credits = byLane
      ? Math.max(0, ...sums.values())
      : [...sums.values()].reduce((sum, one) => sum + one, 0);
    return settled - credits;
  }
}
