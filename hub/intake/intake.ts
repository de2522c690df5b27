/**
 * The intake as a pure machine: step(context, state, event) -> { state, effects }. It decides what goes into the
 * ledger and what is answered, and does nothing itself. Whatever reveals something (acknowledgement, lease,
 * membership) waits in `pending` for its record's fsync: persist, then reveal (rules 2 and 12).
 *
 * Start here; verify.ts has the checks of entries, books.ts what the ledger means, leases.ts and registration.ts the
 * rest. The host feeds `persisted` and `persistFailed` back in the order of the persist effects.
 */
import {
  type Address,
  type Bytes16,
  type Bytes32,
  equalBytes,
  ZERO_ADDRESS,
  ZERO_BYTES32,
} from '../../protocol/bytes.ts';
import { unreachable } from '../../protocol/errors.ts';
import { type ChannelId, type Seconds, ZERO_AMOUNT } from '../../protocol/integers.ts';
import type { RefusalName } from '../../protocol/refusals.ts';
import { lanesHash } from '../../protocol/vouchers.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import { pendingRecordsMax, terminalPayeesMax, waitersMax } from '../limits.ts';
import type { HubRecord, RecordOf } from '../ledger/records.ts';
import {
  applyRecord,
  channelBook,
  commitsTo,
  entryId,
  entryMessage,
  findEntry,
  knownEntry,
  knownVoucher,
  type Place,
  withoutWritten,
} from './books.ts';
import { isOver } from './clearances.ts';
import { byChannel, standingOf, withBeyond } from './cover.ts';
import { answerClearanceRequest, endedRefusal } from './clearing.ts';
import { anyProof, findProof } from './fraud.ts';
import { answerLeaseRequest, payeesBehind } from './leases.ts';
import { positionOf, withPosition } from './positions.ts';
import { type Prepared, prepareMessage } from './prepare.ts';
import { isTerminal, memberships, registrationRefusal } from './registration.ts';
import {
  type Answer,
  durableBooks,
  type Entry,
  heldEntries,
  type IntakeContext,
  type IntakeEffect,
  type IntakeEvent,
  type IntakeState,
  type Pending,
} from './state.ts';
import { bytesKey, type Edit, keyNumber, numberKey, trieEntries, trieGet, trieSet } from './trie.ts';
import { type Candidate, creditCandidate, tickCandidate, voucherCandidate } from './verify.ts';

/** What one event leads to. */
export interface IntakeStep {
  readonly state: IntakeState;
  readonly effects: readonly IntakeEffect[];
}

/** One event. Pure; never throws on bytes from outside. */
export function intakeStep(context: IntakeContext, state: IntakeState, event: IntakeEvent): IntakeStep {
  const turn = new IntakeTurn(context, state);
  turn.run(event);
  return { state: turn.state, effects: turn.effects };
}

/** What a refusal of this answer is about. */
function subjectOf(answer: Exclude<Answer, { type: 'revocations' }>): Bytes32 {
  if (answer.type === 'acknowledge') return answer.entry;
  return answer.type === 'clearance' ? answer.asked : ZERO_BYTES32;
}

/** Was the voucher voided by its terminal? It takes nothing then. */
const isVoid = (message: Message): boolean =>
  (message.type === 'collectedVoucher' || message.type === 'collectedStream') &&
  message.receipt === undefined;

class IntakeTurn {
  readonly effects: IntakeEffect[] = [];
  state: IntakeState;
  private readonly context: IntakeContext;

  constructor(context: IntakeContext, state: IntakeState) {
    this.context = context;
    this.state = state;
  }

  run(event: IntakeEvent): void {
    switch (event.type) {
      case 'message':
        return this.prepared(
          event.device,
          event.prepared ?? prepareMessage(this.context.signing, event.bytes),
          event.now,
        );
      case 'persisted':
        return this.persisted(event.token, event.position);
      case 'persistFailed':
        return this.persistFailed(event.token, event.code);
      case 'landed':
        return this.landed(event.others, event.own, event.first);
      case 'replayed':
        return this.replayed(event.record, event.position, event.edit);
      case 'restored': {
        const { books, size } = event;
        return this.set({ books, size, nextToken: size, shifts: [{ token: 0, by: 0 }] });
      }
      case 'indexed':
        return this.set({ books: withoutWritten(this.state.books, event.books) });
      case 'block':
        // A node that falls back shows older blocks; time that was signed can't be taken back.
        if (this.state.block !== undefined && event.at < this.state.block.at)
          return this.set({ doubted: false });
        return this.set({ block: { at: event.at, height: event.height }, doubted: false });
      case 'doubt':
        return this.set({ doubted: true });
      case 'channel':
        return this.set({
          channels: trieSet(
            this.state.channels,
            numberKey(event.channel),
            withBeyond(this.state, event.channel, event.facts),
          ),
        });
      case 'announced':
        return this.set({ announced: byChannel(event.lanes) });
      case 'payee':
        return this.set({ payees: trieSet(this.state.payees, bytesKey(event.payee), event.payee) });
      case 'device':
        return this.device(event.device, event.counter, event.payee);
      case 'limits':
        return this.set({
          ownerLimits: { ...this.state.ownerLimits, [event.channel]: event.limits },
        });
      case 'revoke':
        return this.revoke(event.channel, event.revoked);
      case 'recheck':
        return this.recheck();
      default:
        return unreachable(event);
    }
  }

  // ---- messages ----

  private prepared(device: string, prepared: Prepared, now: Seconds): void {
    switch (prepared.kind) {
      case 'refused':
        this.count({ type: 'message', name: 'undecodable' });
        return this.reject(device, prepared.digest, prepared.code);
      case 'skipped':
        return;
      case 'pack':
        this.count({ type: 'message', name: 'pack' });
        for (const entry of prepared.entries) this.prepared(device, entry, now);
        return;
      case 'voucher': {
        this.count({ type: 'message', name: prepared.message.type });
        const candidate = voucherCandidate(this.context, this.state, prepared);
        return this.entry(device, prepared.bytes, 'voucher', candidate, candidate.id, prepared.message);
      }
      case 'other':
        this.count({ type: 'message', name: prepared.message.type });
        return this.message(device, prepared.message, prepared.bytes, now);
      default:
        return unreachable(prepared);
    }
  }

  /** The message with the payee's array that all its entries share. */
  private withKnownPayee(message: Message): Message {
    if (message.type !== 'collectedVoucher' && message.type !== 'collectedStream') return message;
    const payee = trieGet(this.state.payees, bytesKey(message.payee));
    return payee === undefined ? message : { ...message, payee };
  }

  private message(device: string, message: Message, bytes: Uint8Array, now: Seconds): void {
    const { signing } = this.context;
    switch (message.type) {
      case 'collectedTick':
        return this.entry(
          device,
          bytes,
          'tick',
          tickCandidate(this.context, this.state, message),
          message.stream,
          message,
        );
      case 'collectedCredit':
        return this.entry(
          device,
          bytes,
          'credit',
          creditCandidate(this.context, this.state, message),
          message.voucher,
          message,
        );
      case 'query':
        return this.query(device, message);
      case 'timeQuestion':
        return this.time(device, message.nonce, now);
      case 'leaseRequest': {
        const answer = answerLeaseRequest(this.context, this.state, message, now);
        if ('refusal' in answer)
          return this.reject(device, signing.digest('LeaseRequest', message), answer.refusal);
        const { lease, known } = answer;
        return this.reveal(known ? undefined : lease, { type: 'lease', device, lease });
      }
      case 'clearanceRequest':
        return this.clearance(device, message, now);
      case 'clearanceEnded':
        return this.clearanceEnded(device, message);
      case 'register':
        return this.register(device, message);
      case 'statement':
        return this.statement(message);
      case 'synced':
        return this.synced(device, message);
      case 'released':
        return this.released(device, message);
      default:
        return this.reject(device, ZERO_BYTES32, 'unexpected_message');
    }
  }

  /** Reserved first, cleared when that is durable. Asked once more meanwhile, the answer to the first is on its way. */
  private clearance(device: string, message: MessageOf<'clearanceRequest'>, now: Seconds): void {
    const answer = answerClearanceRequest(this.context, this.state, message, now);
    const { asked } = answer;
    if ('refusal' in answer) return this.reject(device, asked, answer.refusal);
    const { clearance, known } = answer;
    if (known === 'writing') return;
    if (known === 'durable') return void this.effects.push({ type: 'clearance', device, clearance });
    const refusal = this.room();
    if (refusal !== undefined) return this.reject(device, asked, refusal);
    this.persist(clearance, [{ type: 'clearance', device, asked, clearance }]);
  }

  /** The terminal's own word, about a reservation of its own or about a request that was never asked about. */
  private clearanceEnded(device: string, message: MessageOf<'clearanceEnded'>): void {
    const { request, signature } = message;
    const refusal = endedRefusal(this.context, this.state, message);
    if (refusal !== undefined) return this.reject(device, request, refusal);
    if (isOver(this.state.books.clearances, bytesKey(request)) || this.room() !== undefined) return;
    this.persist({ type: 'clearanceEnded', request, at: this.state.block?.at ?? (0 as Seconds), signature });
  }

  private entry(
    device: string,
    bytes: Uint8Array,
    kind: 'voucher' | 'tick' | 'credit',
    candidate: Candidate,
    voucher: Bytes32,
    message: Message & Place,
  ): void {
    const { id } = candidate;
    const { books } = this.state;
    const takes = kind !== 'credit' && !isVoid(message);
    const answer = {
      type: 'acknowledge',
      device,
      entry: id,
      ...(takes && { channel: message.channel }),
    } as const;
    const find = () => (kind === 'voucher' ? knownVoucher(books, id, message) : knownEntry(books, id));
    const known = candidate.fresh?.() ? undefined : find();
    if (known !== undefined) {
      this.count({ type: 'repeated' });
      return this.acknowledgeKnown({ ...answer, token: known.token });
    }
    const refusal = candidate.refusal() ?? this.indexRoom() ?? this.room();
    if (refusal !== undefined) return this.reject(device, id, refusal);
    const at = this.state.block?.at ?? (0 as Seconds);
    this.count({ type: 'accepted', kind });
    this.persist({ type: 'entry', id, at, message: bytes }, [answer], this.withKnownPayee(message));
    // A credit moves nothing that another voucher could contradict.
    if (kind !== 'credit') this.watchForFraud(voucher, message);
    if (takes && standingOf(this.context, this.state, message.channel) === 'overdrawn')
      this.revoke(message.channel, true);
  }

  /** The entry is in the books already: answered now when durable, else together with the first copy. */
  private acknowledgeKnown({
    token,
    ...answer
  }: Extract<Answer, { type: 'acknowledge' }> & { readonly token: number }): void {
    const { pending } = this.state;
    // Tokens rise, so that what is known for long needs no search. A payee's credit stands at the digest of the
    // terminal's, which may be durable while the payee's own is not: what is being written decides.
    const index = token < (pending[0]?.token ?? 0) ? -1 : pending.findLastIndex((w) => w.token === token);
    const waiting = pending[index];
    if (waiting === undefined) {
      const position = positionOf(this.state, token);
      if (position !== undefined) this.acknowledge(answer, position);
      return;
    }
    if (waiting.answers.length >= waitersMax) return;
    const changed: Pending = { ...waiting, answers: [...waiting.answers, answer] };
    this.set({ pending: pending.with(index, changed) });
  }

  /** A device that asks is told the time of a block that is not old: what it gets is its basis. */
  private time(device: string, nonce: Bytes16, now: Seconds): void {
    const { block } = this.state;
    if (block === undefined || now - block.at > this.context.timing.watchLag)
      return this.reject(device, ZERO_BYTES32, 'chain_stale');
    this.effects.push({ type: 'time', device, nonce });
  }

  private query(device: string, message: MessageOf<'query'>): void {
    const { entry: id, terminal = ZERO_ADDRESS } = message;
    const { books, size } = this.state;
    // Whatever place the question names: that an entry is unknown is only said when it stands nowhere.
    const known = knownEntry(books, id);
    if (known === undefined) {
      const synced = trieGet(books.synced, bytesKey(terminal))?.at ?? (0 as Seconds);
      return void this.effects.push({ type: 'unknown', device, entry: id, size, terminal, synced });
    }
    const entry = findEntry(this.state.books, id);
    if (entry?.voided) return this.passCredit(device, entry, known.token);
    const takes = entry === undefined ? {} : { channel: entry.channel };
    this.acknowledgeKnown({ type: 'acknowledge', device, entry: id, ...takes, token: known.token });
  }

  /** A payer that asks for a voided voucher gets the terminal's credit: an acknowledgement would read as paid. */
  private passCredit(device: string, entry: Entry, token: number): void {
    if (positionOf(this.state, token) === undefined) return;
    const collected = entryMessage(entry);
    const credited = collected.type === 'collectedVoucher' ? collected.amount : ZERO_AMOUNT;
    const signature = collected.credit;
    if (signature !== undefined)
      this.effects.push({
        type: 'credit',
        device,
        message: { type: 'credit', voucher: entryId(entry), credited, signature },
      });
  }

  /** Both vouchers stay in the ledger: the pair is the proof. The channel is revoked with it. */
  private watchForFraud(voucher: Bytes32, place: Place): void {
    const { books } = this.state;
    const entry = findEntry(books, voucher, place);
    if (entry === undefined) return;
    const book = channelBook(books, entry.channel);
    if (book.proof === undefined) this.proved(findProof(book, entry));
  }

  private proved(evidence: RecordOf<'evidence'> | undefined): void {
    if (evidence === undefined) return;
    this.count({ type: 'evidence', evidence });
    this.persist(evidence);
    this.revoke(evidence.channel, true);
  }

  /**
   * A voucher, the evidence that it gave and the revocation are three records: the disk or the process may have gone
   * between them, and the voucher comes as a repeat from then on. So all books are looked through once after that; what
   * an index has was written there together with its evidence.
   */
  private recheck(): void {
    const { channels, proved } = this.state.books;
    for (const [key, book] of trieEntries(channels)) {
      if (book.proof === undefined) this.proved(anyProof(book));
      else this.revoke(keyNumber(key) as ChannelId, true);
    }
    for (const channel of proved) this.revoke(channel, true);
  }

  private statement(message: MessageOf<'statement'>): void {
    const { entries } = channelBook(this.state.books, message.channel);
    const hash = lanesHash(this.context.signing.suite, message.lanes);
    for (const entry of entries.from(message.seq)) {
      if (entry.seq !== message.seq) return;
      if (entry.list !== undefined || !commitsTo(entry, hash)) continue;
      const sum = message.lanes.reduce((total, lane) => total + lane.paid, 0);
      // A list above what was spent would be refused by the vault as a whole.
      if (message.lanes.length === 0 || sum + entry.paid > entry.spent || this.room() !== undefined) return;
      this.persist({ type: 'statement', voucher: entryId(entry), lanes: message.lanes });
      return;
    }
  }

  /** A terminal's word counts when it is registered and the word is newer; the payee checks the signature again. */
  private synced(device: string, message: MessageOf<'synced'>): void {
    const { terminal, at, signature } = message;
    const key = bytesKey(terminal);
    if (trieGet(this.state.terminals, key) === undefined)
      return this.reject(device, ZERO_BYTES32, 'terminal_unknown');
    if (!this.context.signing.signedBy('Synced', message, signature, terminal))
      return this.reject(device, ZERO_BYTES32, 'signature');
    if (at <= (trieGet(this.state.books.synced, key)?.at ?? 0) || this.room() !== undefined) return;
    this.persist({ type: 'synced', terminal, at, signature });
  }

  /** A payee's own word, as the vault takes it too. Only of who stands behind a lease: nobody else's frees anything. */
  private released(device: string, message: MessageOf<'released'>): void {
    const { channel, payee, until, signature } = message;
    const key = bytesKey(payee);
    const { signing } = this.context;
    const { books, payeesOf } = this.state;
    const { booked } = channelBook(books, channel);
    if (!booked.some((booking) => payeesBehind(this.context, payeesOf, books.members, booking).has(key)))
      return this.reject(device, ZERO_BYTES32, 'payee_unknown');
    if (!signing.signedBy('Released', message, signature, payee))
      return this.reject(device, ZERO_BYTES32, 'signature');
    // What has not ended may still be sold under.
    if (until > (this.state.block?.at ?? 0)) return this.reject(device, ZERO_BYTES32, 'field_range');
    const known = channelBook(this.state.books, channel).released[key] ?? 0;
    if (until <= known || this.room() !== undefined) return;
    this.persist({ type: 'released', channel, payee, until, signature });
  }

  private register(device: string, message: MessageOf<'register'>): void {
    const refusal = registrationRefusal(this.context, this.state, message);
    if (refusal !== undefined) return this.reject(device, ZERO_BYTES32, refusal);
    if (isTerminal(message)) this.device(message.device, message.counter, message.payee);
    if (!isTerminal(message)) {
      // Anybody can claim to be a payer; only one that L2 knows is worth a place in the registry.
      const { channel, device: payer } = message;
      const facts = channel === undefined ? undefined : trieGet(this.state.channels, numberKey(channel));
      if (facts !== undefined && equalBytes(facts.payer, payer)) {
        this.device(payer, message.counter, undefined);
        this.effects.push({ type: 'registered', device, message });
      }
      return;
    }
    this.effects.push({ type: 'registered', device, message });
    for (const answer of memberships(this.context, this.state, message)) {
      if ('refusal' in answer) this.reject(device, ZERO_BYTES32, answer.refusal);
      else {
        const { member, known } = answer;
        this.reveal(known ? undefined : member, { type: 'member', device, member });
      }
    }
  }

  private device(device: Address, counter: number, payee: Address | undefined): void {
    const key = bytesKey(device);
    const { counters, terminals, payeesOf } = this.state;
    this.set({ counters: trieSet(counters, key, counter) });
    if (payee === undefined) return;
    const others = (trieGet(payeesOf, key) ?? []).filter((known) => !equalBytes(known, payee));
    const payees = [...others, payee].slice(-terminalPayeesMax);
    this.set({ terminals: trieSet(terminals, key, payee), payeesOf: trieSet(payeesOf, key, payees) });
  }

  private revoke(channel: ChannelId, revoked: boolean): void {
    if (this.state.books.revoked.includes(channel) === revoked) return;
    this.persist({ type: 'revocation', channel, revoked: revoked ? 1 : 0 }, [{ type: 'revocations' }]);
  }

  // ---- the ledger ----

  /** Reveals `answer` after its record, or at once when there is nothing new to record. */
  private reveal(record: HubRecord | undefined, answer: Answer & { device: string }): void {
    if (record === undefined) return this.answer(answer, 0);
    const refusal = this.room();
    if (refusal !== undefined) return this.reject(answer.device, ZERO_BYTES32, refusal);
    this.persist(record, [answer]);
  }

  private room(): RefusalName | undefined {
    const { pendingMax = pendingRecordsMax } = this.context;
    return this.state.pending.length >= pendingMax ? 'queue_full' : undefined;
  }

  /** Whoever is refused keeps the entry and sends it again: it is taken when the hub has been given more room. */
  private indexRoom(): RefusalName | undefined {
    return heldEntries(this.state.books) >= this.context.indexedMax ? 'index_full' : undefined;
  }

  /** `message`: what the record's bytes say, where it was read already. */
  private persist(record: HubRecord, answers: readonly Answer[] = [], message?: Message): void {
    const { books, pending, nextToken: token } = this.state;
    this.set({
      books: applyRecord(books, record, { token, ...(message && { message }) }),
      pending: [...pending, { token, before: books, answers }],
      nextToken: token + 1,
    });
    this.effects.push({ type: 'persist', token, record });
  }

  private persisted(token: number, position: number): void {
    const { pending, shifts } = this.state;
    const [first] = pending;
    // Records that went down with an earlier one have no say any more.
    if (first === undefined || first.token !== token) return;
    this.set({
      pending: pending.slice(1),
      size: position + 1,
      shifts: withPosition(shifts, token, position),
    });
    for (const answer of first.answers) this.answer(answer, position);
  }

  /** The record and everything after it is as if it had never come; devices are told and send again. */
  private persistFailed(token: number, code: 'queue_full' | 'storage_failed'): void {
    const index = this.state.pending.findIndex((pending) => pending.token === token);
    if (index === -1) return;
    const failed = this.state.pending.slice(index);
    this.set({ books: failed[0]!.before, pending: this.state.pending.slice(0, index) });
    for (const { answers } of failed) {
      for (const answer of answers) {
        if (answer.type === 'revocations') continue;
        this.reject(answer.device, subjectOf(answer), code);
      }
    }
  }

  private landed(others: readonly HubRecord[], own: readonly HubRecord[], first: number): void {
    const { pending, size: before } = this.state;
    // Where nobody came between, tokens are positions already.
    let { books } = this.state;
    if (others.length > 0) {
      books = durableBooks(this.state);
      for (const [index, record] of [...others, ...own].entries())
        books = applyRecord(books, record, { token: before + index });
    }
    const size = first + own.length;
    this.set({ books, pending: [], size, nextToken: size, shifts: [{ token: 0, by: 0 }] });
    for (const [index, { answers }] of pending.entries())
      for (const answer of answers) this.answer(answer, first + index);
  }

  private replayed(record: HubRecord, position: number, edit: Edit | undefined): void {
    const { books, shifts } = this.state;
    this.set({
      books: applyRecord(books, record, { token: position, edit }),
      size: position + 1,
      nextToken: position + 1,
      shifts: withPosition(shifts, position, position),
    });
  }

  // ---- answers ----

  private answer(answer: Answer, position: number): void {
    switch (answer.type) {
      case 'acknowledge':
        return this.acknowledge(answer, position);
      case 'revocations':
        this.effects.push({ type: 'revocations', channels: this.state.books.revoked });
        return;
      case 'lease':
      case 'member':
        this.effects.push(answer);
        return;
      case 'clearance': {
        const { type, device, clearance } = answer;
        return void this.effects.push({ type, device, clearance });
      }
      default:
        return unreachable(answer);
    }
  }

  /** Or says that it is kept: durable all the same, and acknowledged when it is asked for again and nothing waits any more. */
  private acknowledge(
    { device, entry, channel }: Extract<Answer, { type: 'acknowledge' }>,
    position: number,
  ): void {
    const at = this.state.block?.at ?? (0 as Seconds);
    const waits = channel !== undefined && standingOf(this.context, this.state, channel) === 'waits';
    this.effects.push({ type: waits ? 'keep' : 'acknowledge', device, entry, position, at });
  }

  private reject(device: string, entry: Bytes32, code: RefusalName): void {
    this.effects.push({ type: 'reject', device, entry, code });
  }

  private count(what: Extract<IntakeEffect, { type: 'count' }>['what']): void {
    this.effects.push({ type: 'count', what });
  }

  private set(change: Partial<IntakeState>): void {
    this.state = { ...this.state, ...change };
  }
}
