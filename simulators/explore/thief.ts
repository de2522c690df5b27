/** A payer that signs any voucher within small bounds, and all that one terminal can come to by it. */
import { equalBytes } from '../../protocol/bytes.ts';
import { amount, seq } from '../../protocol/integers.ts';
import {
  hashChain,
  type Request,
  requestHash,
  type Voucher,
  voucherDigest,
} from '../../protocol/vouchers.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import type { Handed } from './actors/hub.ts';
import { ownEvents, type TerminalTable, terminalTable, uploads } from './actors/terminal.ts';
import type { Config } from './config.ts';
import { NO_DROP } from './drops.ts';
import { CHANNEL, type Scene, START } from './scene.ts';
import { canonical, Interner } from './space.ts';
import { standInSignature } from './suite.ts';

export interface Theft {
  readonly config: Config;
  /** Highest seq that the payer signs. */
  readonly seqMax: number;
  /** deposit - bond: what the channel can pay. */
  readonly funds: number;
  /** Most that one channel may owe a terminal. */
  readonly cap: number;
  /** Vouchers that one terminal answers. */
  readonly answersMax: number;
  /** Broken on purpose: credits are countersigned although something conflicts. */
  readonly countersignsConflicts?: boolean;
  /** Broken on purpose: these proofs are not looked at. */
  readonly without?: readonly ('E1' | 'E2' | 'E3')[];
}

/** What one terminal may end up with: its outbox, and what it gave away for it. */
export interface End {
  readonly entries: readonly Handed[];
  readonly due: number;
}

/** What the accomplice brings: no request is opened, so its amount stays hidden. */
export interface Accomplice {
  readonly seq: number;
  readonly spent: number;
  readonly paid: number;
}

const SEED = new Uint8Array(32).fill(0x77);

class Thief {
  private readonly theft: Theft;
  private readonly scene: Scene;
  private readonly keys = new Interner<Message>();

  constructor(theft: Theft, scene: Scene) {
    this.theft = theft;
    this.scene = scene;
  }

  /** Every plain voucher for a request that the bounds allow. */
  private forged(request: Request, open: boolean): Message[] {
    const { seqMax, funds } = this.theft;
    const messages: Message[] = [];
    for (let n = 1; n <= seqMax; n++)
      for (let spent = request.amount as number; spent <= funds; spent++)
        for (let paid = request.amount as number; paid <= spent; paid++)
          messages.push(this.plain(request, n, spent, paid, open));
    return messages;
  }

  private payeeOf(terminal: Uint8Array): Uint8Array {
    const index = this.scene.terminals.findIndex((known) => equalBytes(known, terminal));
    return this.scene.payees[this.theft.config.terminals[index]!]!;
  }

  private numbers(request: Request, n: number, spent: number, paid: number) {
    return {
      channel: CHANNEL,
      seq: seq(n),
      spent: amount(spent),
      payee: this.payeeOf(request.terminal),
      paid: amount(paid),
      request: requestHash(this.scene.signing, request),
    };
  }

  private sign(voucher: Voucher, request: Request): Uint8Array {
    const digest = voucherDigest(this.scene.signing, voucher);
    this.scene.note(digest, voucher, request);
    return standInSignature(this.scene.payer, digest);
  }

  private plain(request: Request, n: number, spent: number, paid: number, open: boolean): Message {
    const lanes = new Uint8Array(16);
    const voucher: Voucher = { kind: 'voucher', ...this.numbers(request, n, spent, paid), lanes };
    const signature = this.sign(voucher, request);
    const tap = {
      channel: CHANNEL,
      seq: voucher.seq,
      spent: voucher.spent,
      paid: voucher.paid,
      lanes,
      signature,
    };
    return open ? { type: 'voucher', ...tap } : { type: 'resolveVoucher', ...tap, ...request };
  }

  private streams(request: Request, ticks: number): Message[] {
    const { seqMax, funds } = this.theft;
    const anchor = hashChain(this.scene.signing.suite, SEED, ticks);
    const messages: Message[] = [];
    for (let n = 1; n <= seqMax; n++)
      for (let spent = 0; spent <= funds; spent++)
        for (let paid = 0; paid <= spent; paid++) {
          const numbers = this.numbers(request, n, spent, paid);
          const voucher: Voucher = { kind: 'stream', ...numbers, anchor, tickValue: amount(1), ticks };
          const { channel, seq: at, spent: s, paid: p } = voucher;
          const signature = this.sign(voucher, request);
          messages.push({ type: 'stream', channel, seq: at, spent: s, paid: p, anchor, signature });
        }
    return messages;
  }

  /** Everything that the thief can say to a terminal in this state, with a key for each. */
  words(index: number, table: TerminalTable, number: number): readonly { key: number; message: Message }[] {
    const { state } = table.local(number);
    const { open } = state.volatile;
    const answered = state.books.outbox.filter((entry) => entry.kind === 'voucher').length;
    const words: Message[] = [];
    const lane = state.books.lanes[0];
    if (lane?.stream !== undefined) {
      const { k, voucher } = lane.stream;
      const preimage = hashChain(this.scene.signing.suite, SEED, voucher.ticks - k - 1);
      if (k < voucher.ticks)
        words.push({ type: 'tick', channel: CHANNEL, seq: lane.seq, k: k + 1, preimage });
    }
    if (answered < this.theft.answersMax) {
      if (open?.message.type === 'request') words.push(...this.forged(open.request, true));
      if (open?.message.type === 'streamRequest')
        words.push(...this.streams(open.request, open.message.ticks));
      for (const value of [1, 2]) words.push(...this.forged(this.invented(index, value), false));
    }
    return words.map((message) => ({
      key: 10_000 + this.keys.number(canonical(message), () => message),
      message,
    }));
  }

  /** A request that the terminal never made; nobody can tell once it is closed. */
  private invented(index: number, value: number): Request {
    const detail = new Uint8Array(32).fill(0x80 + value);
    return { terminal: this.scene.terminals[index]!, amount: amount(value), at: START, detail };
  }
}

/** All ends that one terminal can come to, whatever the thief says in whatever order, with power cuts anywhere. */
export function endsOf(
  theft: Theft,
  scene: Scene,
  index: number,
  bytes: Interner<Uint8Array>,
): { ends: End[]; states: number } {
  const { table, first } = terminalTable(scene, index, NO_DROP, { capChannel: amount(theft.cap) });
  const thief = new Thief(theft, scene);
  const seen = new Set([first]);
  const queue = [first];
  const ends = new Map<string, End>();
  for (const number of queue) {
    const { state, ghost } = table.local(number);
    const end = endOf(scene, index, table, number, bytes);
    ends.set(`${end.entries.map((entry) => entry.number).join()}|${end.due}`, end);
    const reached: number[] = [table.cut(number)];
    ownEvents(scene, index, state, ghost).forEach((event, at) => {
      reached.push(...table.outcomes(number, 1100 + at, () => event).map(({ next }) => next));
    });
    for (const { key, message } of thief.words(index, table, number))
      reached.push(
        ...table.outcomes(number, key, () => ({ type: 'message', message })).map(({ next }) => next),
      );
    for (const next of reached) {
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push(next);
    }
  }
  return { ends: [...ends.values()], states: seen.size };
}

function endOf(
  scene: Scene,
  index: number,
  table: TerminalTable,
  number: number,
  bytes: Interner<Uint8Array>,
): End {
  const { state, ghost } = table.local(number);
  const ticks = Object.values(ghost.streams).reduce((sum, { k, late }) => sum + k - late, 0);
  return {
    entries: uploads(scene, index, state).map((upload) => ({
      ...upload,
      number: bytes.number(canonical(upload.bytes), () => upload.bytes),
    })),
    due: ghost.approved + ticks,
  };
}
