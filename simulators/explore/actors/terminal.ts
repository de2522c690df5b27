/** A terminal as a table. The payer greeted it and it holds the lease; what it hears is the walk's choice. */
import { fromHex, toHex } from '../../../protocol/bytes.ts';
import { amount, seconds, seq as seqOf } from '../../../protocol/integers.ts';
import type { Effect } from '../../../protocol/machines/effects.ts';
import {
  applyRecord,
  EMPTY_TERMINAL,
  snapshot,
  type TerminalBooks,
  type TerminalRecord,
} from '../../../protocol/machines/terminal/books.ts';
import { refundEarlier } from '../../../protocol/machines/terminal/earlier.ts';
import { channelCap } from '../../../protocol/machines/terminal/acceptance.ts';
import {
  NOTHING_HANDED_IN,
  type TerminalSettings,
  type TerminalState,
} from '../../../protocol/machines/terminal/state.ts';
import {
  terminalAfterPowerUp,
  type TerminalEvent,
  terminalStep,
} from '../../../protocol/machines/terminal/terminal.ts';
import { tickEntry } from '../../../protocol/vouchers.ts';
import type { MessageOf } from '../../../protocol/wire/messages.ts';
import type { Ask } from '../config.ts';
import type { Drop } from '../drops.ts';
import { CHANNEL, EXPIRED_MS, type Scene, START } from '../scene.ts';
import { standInSignature } from '../suite.ts';
import { type BooksOf, carryOut, DeviceTable, readBack, type Trail } from './device.ts';
import { moneyBooks } from '../money-books.ts';

export interface TerminalGhost {
  /** Sales that were opened. */
  readonly sales: number;
  /** Sum of all approved amounts. */
  readonly approved: number;
  /** Ticks stored and ticks of those that came late, by stream; a tick is worth 1. */
  readonly streams: Readonly<Record<string, { readonly k: number; readonly late: number }>>;
  readonly expired: boolean;
  /** Holds that were approved: what each is worth, what is to go back, and what its credits come to. */
  readonly holds: Readonly<Record<string, Hold>>;
}

interface Hold {
  readonly seq: number;
  readonly amount: number;
  readonly back: number;
  readonly given: number;
}

export type TerminalWalkEvent =
  | TerminalEvent
  /** Leases run out. */
  | { readonly type: 'expire' }
  /** The place of the lane is needed for somebody else; everything on it was acknowledged. */
  | { readonly type: 'evict' }
  /** The hub is met, and its acknowledgement comes; `late`: of a tick that was uploaded before a later one took its place. */
  | {
      readonly type: 'acknowledged';
      readonly message: MessageOf<'acknowledgement'>;
      readonly late: TerminalState['volatile']['uploadedTicks'];
    };
export type TerminalTable = DeviceTable<
  TerminalState,
  TerminalBooks,
  TerminalRecord,
  TerminalGhost,
  TerminalWalkEvent
>;

export const challenge = (n: number): Uint8Array => new Uint8Array(16).fill(n);

/** The sale event of an ask; every ask has a challenge of its own. */
export function saleEvent(ask: Ask, number: number): TerminalEvent {
  const shared = { currency: 'TIME', challenge: challenge(number + 1) };
  if ('ticks' in ask) return { type: 'streamSale', tickValue: amount(1), ticks: ask.ticks, ...shared };
  return { type: 'sale', amount: amount(ask.amount), ...shared };
}

/** Whether a clock vouches for the time is no part of these walks: every terminal has one that is right. */
const ALWAYS_BASED_MS = 2 * EXPIRED_MS;

const BOOKS: BooksOf<TerminalBooks, TerminalRecord> = { empty: EMPTY_TERMINAL, snapshot, apply: applyRecord };

/** A terminal at which the customer has greeted, and which holds its lease. */
export function withCustomer(scene: Scene, settings: TerminalSettings, state: TerminalState): TerminalState {
  const { lease, hub: signer } = scene;
  const held = {
    lease,
    digest: scene.signing.digest('Lease', lease),
    signer,
    until: lease.expiresAt,
    isWide: true,
    cap: channelCap(settings, lease),
  };
  const greeted = { channel: CHANNEL, payer: scene.payer, key: undefined };
  return { ...state, volatile: { ...state.volatile, linkUp: true, greeted, leases: [held] } };
}

/** What a terminal of a walk is told: limits that no walk reaches. */
export function settingsOf(scene: Scene, index: number): TerminalSettings {
  const { expiresAt, signature, payee } = scene.certificate(index);
  return {
    ...scene.site,
    role: 'charger',
    scheme: 'secp256k1',
    payee,
    certificate: { expiresAt, signature },
    capTotal: amount(1000),
    wideMax: amount(1000),
    outboxMax: 64,
    lanesMax: 64,
    entropyCertified: true,
    ...(scene.config.asks.some((ask) => 'back' in ask) && { refundEarlier }),
  };
}

export function terminalTable(
  scene: Scene,
  index: number,
  drop: Drop,
  change: Partial<TerminalSettings> = {},
): { table: TerminalTable; first: number } {
  const self = scene.terminals[index]!;
  const settings: TerminalSettings = { ...settingsOf(scene, index), ...change };
  const { payee } = settings;
  let nowMs = 0;
  const stepAs = (address: Uint8Array) => (state: TerminalState, event: TerminalEvent) =>
    terminalStep({ signing: scene.signing, self: address }, settings, state, event, nowMs);
  const runAs = (address: Uint8Array) => (state: TerminalState, event: TerminalEvent) =>
    carryOut(
      stepAs(address),
      (digest): TerminalEvent => ({ type: 'signed', digest, signature: standInSignature(address, digest) }),
      state,
      event,
    );
  const run = runAs(self);
  const standing = (state: TerminalState): TerminalState => withCustomer(scene, settings, state);
  const reboot = (books: TerminalBooks): TerminalState => {
    const realTime = seconds(START + nowMs / 1000);
    return standing(run(terminalAfterPowerUp(readBack(BOOKS, books)), { type: 'boot', realTime }).state);
  };
  const table: TerminalTable = new DeviceTable<
    TerminalState,
    TerminalBooks,
    TerminalRecord,
    TerminalGhost,
    TerminalWalkEvent
  >({
    run: (state, event) => {
      if (event.type === 'expire') return { state, trail: [] };
      if (event.type === 'evict') {
        const record = { type: 'evicted', channel: CHANNEL } as const;
        const books = applyRecord(state.books, record);
        return { state: { ...state, books }, trail: [{ type: 'persist', record }] };
      }
      // After the leases ran out time goes on, so that a request that nobody pays is dropped.
      if (event.type === 'clock' && nowMs > 0) nowMs = 2 * EXPIRED_MS;
      if (event.type === 'acknowledged') {
        const { books, volatile } = state;
        const late: TerminalState = { books, volatile: { ...volatile, uploadedTicks: event.late } };
        const met = event.late.length > 0 ? late : run(state, { type: 'hubConnected' }).state;
        const heard: TerminalEvent = { type: 'hubMessage', message: event.message };
        return drop.terminal?.({ run, runAs, self, payee }, met, heard) ?? run(met, heard);
      }
      return drop.terminal?.({ run, runAs, self, payee }, state, event) ?? run(state, event);
    },
    apply: applyRecord,
    booksOf: (state) => state.books,
    reboot,
    normal: ({ books, volatile }) => ({
      books: moneyBooks(books),
      volatile: {
        ...volatile,
        // The monotonic clock stands still before leases run out, and again after.
        time: {
          ...volatile.time,
          floor: START,
          sinceMs: 0,
          hub: START,
          hubMs: 0,
          basedUntilMs: ALWAYS_BASED_MS,
        },
        stashed: undefined,
        asked: undefined,
        hubConnected: false,
        uploadedTicks: [],
        uploadedAtMs: 0,
        inFlight: 0,
        uploadFrom: 0,
        forgotten: false,
        handed: NOTHING_HANDED_IN,
        linkLostAtMs: 0,
      },
    }),
    remember: (ghost, event, trail) => remember(asksAt(scene, index), ghost, event, trail),
    // A tick's answer names only the seq: which stream is meant stands on the lane.
    emit: (message, { lanes }) => scene.emit(message, false, lanes[0]?.digest),
  });
  const compute = table.outcomes.bind(table);
  // A table has one clock for all its entries, so the clock follows the state that the entry is for.
  table.outcomes = (number, key, event) => {
    nowMs = table.local(number).ghost.expired ? EXPIRED_MS : 0;
    return compute(number, key, event);
  };
  const cut = table.cut.bind(table);
  table.cut = (number) => {
    nowMs = table.local(number).ghost.expired ? EXPIRED_MS : 0;
    return cut(number);
  };
  const books = applyRecord(EMPTY_TERMINAL, { type: 'hubKey', ...scene.hubKey });
  const ghost: TerminalGhost = { sales: 0, approved: 0, streams: {}, expired: false, holds: {} };
  return { table, first: table.number(reboot(books), ghost) };
}

function remember(
  asks: readonly { readonly ask: Ask }[],
  ghost: TerminalGhost,
  event: TerminalWalkEvent,
  trail: readonly Trail<TerminalRecord>[],
): TerminalGhost {
  let { sales, approved, streams, expired, holds } = ghost;
  if (event.type === 'sale' || event.type === 'streamSale') sales += 1;
  if (event.type === 'expire') expired = true;
  for (const one of trail) {
    if (one.type !== 'persist') continue;
    const { record } = one;
    if (record.type === 'answered' && record.receipt !== undefined) {
      approved += record.request.amount;
      if (record.voucher.kind === 'stream')
        streams = { ...streams, [toHex(record.digest)]: { k: 0, late: 0 } };
      const { ask } = asks[sales - 1]!;
      if ('back' in ask && ask.back !== undefined) {
        const hold = { seq: record.voucher.seq, amount: ask.amount, back: ask.back, given: 0 };
        holds = { ...holds, [toHex(record.digest)]: hold };
      }
    }
    if (record.type === 'credited' || record.type === 'waitingCredit') {
      const held = holds[toHex(record.voucher)];
      if (held !== undefined)
        holds = { ...holds, [toHex(record.voucher)]: { ...held, given: record.credited } };
    }
    if (record.type === 'tick') {
      const [name, stream] = Object.entries(streams).at(-1) ?? [];
      if (name !== undefined && stream !== undefined)
        streams = { ...streams, [name]: { k: record.k, late: stream.late + (record.late ? 1 : 0) } };
    }
  }
  return { sales, approved, streams, expired, holds };
}

const asksAt = (scene: Scene, index: number) =>
  scene.config.asks.flatMap((ask, number) => (ask.at === index ? [{ ask, number }] : []));

/** Events of a terminal that come from its own side, given its state. */
export function ownEvents(
  scene: Scene,
  index: number,
  state: TerminalState,
  ghost: TerminalGhost,
): TerminalWalkEvent[] {
  const events: TerminalWalkEvent[] = [];
  const { session, open } = state.volatile;
  const next = asksAt(scene, index)[ghost.sales];
  if (next !== undefined && !ghost.expired) events.push(saleEvent(next.ask, next.number));
  if (session !== undefined) {
    if (session.delivering > 0)
      events.push({
        type: 'delivered',
        channel: session.channel,
        k: session.delivering,
        challenge: challenge(200),
      });
    // The payer comes back on a fresh link while the session stands.
    events.push({ type: 'message', message: helloOf(scene) });
    if (scene.config.closing) events.push({ type: 'closeSession', challenge: challenge(201) });
  }
  // Whoever runs the till says what a hold comes to; cut before it was written down, it says so again, at any time.
  for (const [voucher, { seq, amount: worth, back }] of Object.entries(ghost.holds))
    events.push({
      type: 'refund',
      channel: CHANNEL,
      credited: amount(back),
      sold: { voucher: fromHex(voucher), seq: seqOf(seq), amount: amount(worth), credited: amount(0) },
    });
  const lane = state.books.lanes[0];
  if (scene.config.evicts && lane !== undefined && session === undefined && state.books.outbox.length === 0)
    events.push({ type: 'evict' });
  if ((lane !== undefined && lane.owed > lane.credited) || (ghost.expired && open !== undefined))
    events.push({ type: 'clock' });
  return events;
}

function helloOf(scene: Scene): MessageOf<'hello'> {
  return {
    type: 'hello',
    channel: CHANNEL,
    payer: scene.payer,
    lease: scene.signing.digest('Lease', scene.lease),
  };
}

/** One entry of a terminal's outbox as it is handed to the hub. */
export interface Upload {
  readonly bytes: Uint8Array;
  /** The digest that the hub acknowledges. */
  readonly id: string;
  readonly payee: number;
  /** What it claims on the payee's lane. */
  readonly claim: number;
  /** Entries of one name take each other's place in the outbox: the one with the higher rank is the later. */
  readonly place: { readonly name: string; readonly rank: number };
}

/** What the terminal would hand to the hub now: each entry by the real upload. */
export function uploads(scene: Scene, index: number, state: TerminalState): readonly Upload[] {
  const { outbox } = state.books;
  if (outbox.length === 0) return [];
  const settings = settingsOf(scene, index);
  const context = { signing: scene.signing, self: scene.terminals[index]! };
  const { effects } = terminalStep(context, settings, state, { type: 'hubConnected' }, 0);
  const packed = effects.flatMap((effect: Effect<TerminalRecord>) =>
    effect.type === 'upload' && effect.message.type === 'pack' ? [...effect.message.entries] : [],
  );
  return packed.map((bytes, position) => {
    const entry = outbox[position]!;
    const id =
      entry.kind === 'tick'
        ? tickEntry(scene.signing.suite, entry.stream, entry.k, entry.preimage)
        : entry.entry;
    return {
      bytes,
      id: toHex(id),
      payee: scene.config.terminals[index]!,
      claim: claimOf(scene, entry),
      place: placeOf(entry),
    };
  });
}

/** The most that the terminal's stored vouchers claim on its payee's lane. */
export const claimable = (scene: Scene, { books }: TerminalState): number =>
  Math.max(0, ...books.outbox.map((entry) => claimOf(scene, entry)));

export const tickPlace = (stream: Uint8Array): string => `tick ${toHex(stream)}`;

/** Of a stream only the newest tick waits, of a voucher only the newest credit. */
function placeOf(entry: TerminalBooks['outbox'][number]): Upload['place'] {
  if (entry.kind === 'tick') return { name: tickPlace(entry.stream), rank: entry.k };
  if (entry.kind === 'credit') return { name: `credit ${toHex(entry.voucher)}`, rank: entry.credited };
  return { name: `voucher ${toHex(entry.entry)}`, rank: 0 };
}

function claimOf(scene: Scene, entry: TerminalBooks['outbox'][number]): number {
  // The stream itself is in the outbox too, or acknowledged by the hub.
  if (entry.kind === 'tick') return scene.voucher(entry.stream)!.voucher.paid + entry.k;
  return entry.kind === 'voucher' && entry.collected.receipt ? entry.collected.voucher.paid : 0;
}
