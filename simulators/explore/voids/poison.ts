/**
 * A customer with firmware of its own: it signs late vouchers for requests that were never made, with right numbers and
 * wrong ones, as many as it likes. The terminal hands in what waits, at any time, in any order; the hub may not know the
 * channel yet, and its owner may leave.
 *
 * V1 at most VOIDS_WAITING_MAX voids of the channel wait.
 * V3 whatever waits, a hub that knows the channel takes it, whether its owner leaves or not: nothing waits for ever.
 * V4 whatever was given back stands in the outbox or in the ledger.
 */
import type { IntakeEvent } from '../../../hub/intake/state.ts';
import { fromHex, toHex } from '../../../protocol/bytes.ts';
import { type Amount, amount, seq } from '../../../protocol/integers.ts';
import { VOIDS_WAITING_MAX } from '../../../protocol/limits.ts';
import { type Request, requestHash, type Voucher, voucherDigest } from '../../../protocol/vouchers.ts';
import type { Message } from '../../../protocol/wire/messages.ts';
import type { Outcome } from '../actors/device.ts';
import { channelFacts, type Handed, HubTable } from '../actors/hub.ts';
import { ownEvents, type TerminalTable, terminalTable, uploads } from '../actors/terminal.ts';
import { watched } from '../drops.ts';
import { CHANNEL, Scene, START } from '../scene.ts';
import { Interner } from '../space.ts';
import { standInSignature } from '../suite.ts';
import type { VoidConfig } from './config.ts';
import { NO_VOID_DROP, type VoidDrop } from './drops.ts';
import { voidsOf } from './voided.ts';
import type { World } from './walk.ts';

interface State {
  readonly terminal: number;
  readonly hub: number;
  /** The hub knows the channel. */
  readonly known: boolean;
  readonly leaving: boolean;
  /** Digests of the vouchers that were given back, in rising order. */
  readonly given: readonly string[];
}

interface Word {
  readonly name: string;
  readonly message: Message;
}

const KEY = { own: 100_100, word: 200_000, acknowledged: 300_000 } as const;

/** What the n-th late voucher says: spent, paid and the request's amount. The first is right, no ledger takes the others. */
const numbersOf = (n: number): readonly (readonly [number, number, number])[] => [
  [n, n, 1],
  [n, n + 1, 1],
  [n + 1, n, n + 1],
];

export class PoisonWorld implements World<State> {
  readonly first: State;
  readonly reached = { voided: false, full: false, approved: false, refused: false, drained: false };
  broke = 0;
  private readonly scene: Scene;
  private readonly terminal: TerminalTable;
  private readonly hub: HubTable;
  private readonly drop: VoidDrop;
  private readonly words: readonly Word[];
  private readonly bytes = new Interner<Uint8Array>();
  private readonly ids = new Interner<string>();
  private readonly handed = new Map<number, readonly Handed[]>();

  constructor(config: VoidConfig, drop: VoidDrop = NO_VOID_DROP) {
    const asks = Array.from({ length: config.sales }, () => ({ at: 0, amount: 1 }));
    this.scene = new Scene({ name: config.name, terminals: [0], asks, spendLimit: 20 });
    this.drop = drop;
    const terminal = terminalTable(
      this.scene,
      0,
      watched({ ...drop }, () => this.noteBreak()),
    );
    this.terminal = terminal.table;
    this.hub = new HubTable(this.scene, false, ({ type }) => type !== 'channel');
    this.words = Array.from({ length: config.late ?? 0 }, (_, n) => this.late(n + 1)).flat();
    this.first = { terminal: terminal.first, hub: this.hub.first(), known: false, leaving: false, given: [] };
  }

  private noteBreak(): void {
    this.broke += 1;
  }

  private signed(fields: readonly [number, number, number], n: number, request: Request, late = true): Word {
    const [spent, paid] = fields;
    const shared = { channel: CHANNEL, seq: seq(n), spent: amount(spent), paid: amount(paid) };
    const lanes = new Uint8Array(16);
    const voucher: Voucher = {
      kind: 'voucher',
      ...shared,
      lanes,
      payee: this.scene.payees[0]!,
      request: requestHash(this.scene.signing, request),
    };
    const digest = voucherDigest(this.scene.signing, voucher);
    this.scene.note(digest, voucher, request);
    const signature = standInSignature(this.scene.payer, digest);
    const name = `voucher ${n}, spent ${spent}, paid ${paid}, for ${request.amount}`;
    if (late)
      return {
        name: `late ${name}`,
        message: { type: 'resolveVoucher', ...shared, lanes, signature, ...request },
      };
    return { name, message: { type: 'voucher', ...shared, lanes, signature } };
  }

  /** What it may say now: late vouchers, and one for the request that is open. */
  private wordsAt(terminal: number): readonly Word[] {
    const { open } = this.terminal.local(terminal).state.volatile;
    if (open === undefined) return this.words;
    return [...this.words, this.signed([1, 1, 1], 1, open.request, false)];
  }

  /** Late vouchers of one seq, for a request that nobody made. */
  private late(n: number): Word[] {
    return numbersOf(n).map((fields) => {
      const detail = new Uint8Array(32).fill(0x80 + n);
      const asked: Amount = amount(fields[2]);
      return this.signed(fields, n, { terminal: this.scene.terminals[0]!, amount: asked, at: START, detail });
    });
  }

  key({ terminal, hub, known, leaving, given }: State): string {
    return `${terminal} ${hub} ${known} ${leaving} ${given.join()}`;
  }

  next(state: State, emit: (name: string, next: State) => void): void {
    const { terminal } = state;
    const till = (name: string, outcomes: readonly Outcome[]): void => {
      for (const { next, emits, cutAfter } of outcomes) {
        const end = cutAfter < 0 ? '' : `, POWER CUT after ${cutAfter} effects`;
        emit(`${name}${end}`, { ...state, terminal: next, given: this.withCredits(state.given, emits) });
      }
    };
    this.wordsAt(terminal).forEach(({ name, message }, index) => {
      till(
        `the terminal gets ${name}`,
        this.terminal.outcomes(terminal, KEY.word + index, () => ({ type: 'message', message })),
      );
    });
    const { state: books, ghost } = this.terminal.local(terminal);
    ownEvents(this.scene, 0, books, ghost).forEach((event, index) => {
      till(
        `the terminal: ${event.type}`,
        this.terminal.outcomes(terminal, KEY.own + index, () => event),
      );
    });
    emit('POWER CUT of the terminal', { ...state, terminal: this.terminal.cut(terminal) });
    this.atHub(state, emit);
  }

  private withCredits(given: readonly string[], emits: readonly number[]): readonly string[] {
    const credits = emits.flatMap((number) => {
      const { message } = this.scene.sent.values[number]!;
      return message.type === 'credit' ? [toHex(message.voucher)] : [];
    });
    return credits.length === 0 ? given : [...new Set([...given, ...credits])].sort();
  }

  /** What of the channel L2 tells the hub. */
  private told(leaving: boolean): IntakeEvent {
    const facts = channelFacts(this.scene);
    return {
      type: 'channel',
      channel: CHANNEL,
      facts: leaving ? { ...facts, exiting: true, spendable: amount(0) } : facts,
    };
  }

  private tell(state: State, change: Partial<State>): State {
    const after = { ...state, ...change };
    return { ...after, hub: this.hub.tell(state.hub, this.told(after.leaving), `${after.leaving}`) };
  }

  private atHub(state: State, emit: (name: string, next: State) => void): void {
    const { terminal, hub, known, leaving } = state;
    if (!known) emit('the hub hears of the channel', this.tell(state, { known: true }));
    else if (!leaving) emit('the owner asks to leave', this.tell(state, { leaving: true }));
    const { durable } = this.hub.local(hub);
    for (const upload of this.uploads(terminal)) {
      const isIn = durable.has(upload.id);
      const after = isIn ? hub : this.received(state, upload);
      if (after !== hub) {
        emit('the hub takes what the terminal hands in', { ...state, hub: after });
        continue;
      }
      if (!isIn) this.reached.refused = true;
      const removes = !isIn && this.drop.refusalRemoves === true;
      if (removes) this.noteBreak();
      if (!isIn && !removes) continue;
      const key = KEY.acknowledged + this.ids.number(upload.id, () => upload.id);
      const message = this.scene.acknowledgement(fromHex(upload.id), 0);
      const outcomes = this.terminal.outcomes(terminal, key, () => ({
        type: 'acknowledged',
        message,
        late: [],
      }));
      for (const { next, cutAfter } of outcomes)
        if (cutAfter < 0)
          emit(removes ? 'the hub refuses, and the terminal forgets it' : 'the hub acknowledges', {
            ...state,
            terminal: next,
          });
    }
  }

  /** The hub after this entry came and was written. */
  private received(state: State, upload: Handed): number {
    const leavesOut = this.drop.hubLeavesOut === true && state.leaving;
    if (leavesOut) this.noteBreak();
    return leavesOut ? state.hub : this.hub.fsync(this.hub.receive(state.hub, upload));
  }

  private uploads(terminal: number): readonly Handed[] {
    let found = this.handed.get(terminal);
    if (found === undefined) {
      found = uploads(this.scene, 0, this.terminal.local(terminal).state).map((upload) => ({
        ...upload,
        number: this.bytes.number(toHex(upload.bytes), () => upload.bytes),
      }));
      this.handed.set(terminal, found);
    }
    return found;
  }

  fault(state: State): string | undefined {
    const { books } = this.terminal.local(state.terminal).state;
    const waiting = voidsOf(books);
    this.reached.voided ||= waiting.length > 0;
    this.reached.full ||= waiting.length === VOIDS_WAITING_MAX;
    this.reached.approved ||= this.terminal.local(state.terminal).ghost.approved > 0;
    this.reached.drained ||= state.given.length > 0 && books.outbox.length === 0;
    if (waiting.length > VOIDS_WAITING_MAX) return `V1 ${waiting.length} voids of one channel wait`;
    const { durable } = this.hub.local(state.hub);
    const lost = state.given.find((id) => !durable.has(id) && !waiting.includes(id));
    if (lost !== undefined) return 'V4 what was given back stands neither in the outbox nor in the ledger';
    const knows = state.known ? state : this.tell(state, { known: true });
    for (const leaving of [false, true]) {
      if (state.leaving && !leaving) continue;
      const left = this.stuck(leaving === state.leaving ? knows : this.tell(knows, { leaving }));
      if (left > 0) return `V3 ${left} entries wait, and no hub ever takes them`;
    }
    return undefined;
  }

  /** How many entries the hub does not take when all are handed in. */
  private stuck(start: State): number {
    let state = start;
    const all = this.uploads(start.terminal);
    for (const upload of all) state = { ...state, hub: this.received(state, upload) };
    const { durable } = this.hub.local(state.hub);
    return all.filter(({ id }) => !durable.has(id)).length;
  }
}
