/**
 * Executes the intake's effects: the only place where its decisions meet the disk, the key and the broker. Effects
 * of one event run in order; what must wait for the disk comes back as an event of its own.
 */
import { type Bytes16, toHex } from '../../protocol/bytes.ts';
import { unreachable } from '../../protocol/errors.ts';
import { type Position, type Seconds, ZERO_AMOUNT } from '../../protocol/integers.ts';
import { refusalNumber } from '../../protocol/refusals.ts';
import type { StructMessage } from '../../protocol/signing/structs.ts';
import { encodeMessage, type Message, type MessageOf } from '../../protocol/wire/messages.ts';
import { causeText, isError } from '../errors.ts';
import { indexWarningFor } from '../limits.ts';
import { type HubKey, type HubWord, signAs } from '../crypto/sign-as.ts';
import type { RecoverPool } from '../crypto/recover-pool.ts';
import type { Journal } from '../ledger/journal.ts';
import type { Logger } from '../log.ts';
import type { HubMetrics } from '../metrics.ts';
import { knownVoucher } from './books.ts';
import { type IntakeStep, intakeStep } from './intake.ts';
import { openQuestions, type Prepared, prepareMessage, withSigners } from './prepare.ts';
import {
  type Books,
  type Counted,
  durableBooks,
  emptyIntake,
  heldEntries,
  type IntakeContext,
  type IntakeEffect,
  type IntakeEvent,
  type IntakeState,
} from './state.ts';

/** What the intake's machine is run over. */
export interface IntakeHost {
  readonly journal: Journal;
  readonly key: HubKey;
  readonly metrics: HubMetrics;
  readonly log: Logger;
  /** To a device, when it listens. */
  send(device: string, message: Uint8Array): void;
  /** A registration was checked: store it. */
  registered(device: string, message: MessageOf<'register'>): void;
  /** A device asks for the time: sign a beacon with this nonce and send it. */
  timeAsked(device: string, nonce: Bytes16): Promise<void>;
  /** The revocation list changed: publish it with a new beacon. */
  revocations(): void;
  /** Threads that recover signers ahead of the step; without them the step does it. */
  readonly pool?: RecoverPool | undefined;
  /** Told of every record that is durable, when the state has it so. */
  readonly durable?: (() => void) | undefined;
  /** Told of every effect before it is carried out. */
  readonly observe?: ((effect: IntakeEffect) => void) | undefined;
  /** Told when a message broke the intake: a mistake in it, whose state is the old one. */
  readonly defect?: ((error: unknown) => void) | undefined;
  /** Something that makes going on unsafe. */
  fatal(error: unknown): void;
}

/** Fewer vouchers than this are checked faster than they are carried to another thread and back. */
const POOL_VOUCHERS_MIN = 2;

/** Runs the machine of the intake: carries out its effects, and answers only what is durable. */
export class IntakeRuntime {
  state: IntakeState = emptyIntake;
  protected readonly context: IntakeContext;
  protected readonly host: IntakeHost;
  /** Sums for the status page, this run only. */
  readonly counts = { accepted: 0, acknowledged: 0, refused: 0, repeated: 0 };

  constructor(context: IntakeContext, host: IntakeHost) {
    this.context = context;
    this.host = host;
  }

  /** Entries that memory has room for. */
  get indexedMax(): number {
    return this.context.indexedMax;
  }

  private warned = false;

  /** Shows how many entries memory holds, and says once when the index falls far behind. */
  watchRoom(): void {
    const { metrics, log } = this.host;
    const indexed = heldEntries(this.state.books);
    metrics.indexed.set(indexed);
    metrics.indexedMax.set(this.indexedMax);
    if (indexed < indexWarningFor(this.indexedMax) / 2) this.warned = false;
    if (this.warned || indexed < indexWarningFor(this.indexedMax)) return;
    this.warned = true;
    log.warn(
      { indexed, indexedMax: this.indexedMax },
      'the index falls behind: look at its disk, or the hub signs no more leases',
    );
  }

  /** What the ledger holds for certain: without records that are still on their way to the disk. */
  get durableBooks(): Books {
    return durableBooks(this.state);
  }

  /**
   * Takes one message from a device. Resolves like `handle`. Signatures of a pack are recovered on other threads
   * first; messages are still taken in the order in which they came, so that a tick finds its stream.
   */
  async message(device: string, bytes: Uint8Array, now: Seconds): Promise<void> {
    const { pool } = this.host;
    if (pool === undefined) return this.handle({ type: 'message', device, bytes, now });
    let prepared = prepareMessage(this.context.signing, bytes);
    const asked = this.ask(pool, prepared).then((found) => {
      prepared = found;
    });
    const turn = Promise.all([this.lastTurn, asked]);
    this.lastTurn = turn;
    await turn;
    return this.handle({ type: 'message', device, bytes, now, prepared });
  }

  private lastTurn: Promise<unknown> = Promise.resolve();

  private async ask(pool: RecoverPool, prepared: Prepared): Promise<Prepared> {
    // A voucher that is known already is answered without any check.
    const vouchers = openQuestions(prepared);
    const { books } = this.state;
    const fresh = vouchers.some(({ id, message }) => knownVoucher(books, id, message) === undefined);
    if (vouchers.length < POOL_VOUCHERS_MIN || !fresh) return prepared;
    const questions = vouchers.flatMap(({ id, collected, answer }) => [
      { digest: id, signature: collected.signature },
      answer!(),
    ]);
    const answers = await pool.ask(questions);
    if (answers === undefined) return prepared;
    const signers = vouchers.map((_, index) => ({
      payer: answers[2 * index],
      answer: answers[2 * index + 1],
    }));
    return withSigners(prepared, signers.values());
  }

  /** Handles one event. Resolves when all its effects are done, records durable and answers on their way. */
  async handle(event: IntakeEvent): Promise<void> {
    const step = this.stepped(this.state, event);
    this.state = step.state;
    await this.carryOut(step.effects);
  }

  /** One step; an event that breaks the machine leaves the state as it was. */
  protected stepped(state: IntakeState, event: IntakeEvent): IntakeStep {
    try {
      return intakeStep(this.context, state, event);
    } catch (error) {
      // The machine refuses bad input by name, so this is a mistake in it. The state is the old one: after a message
      // nothing has happened, but the answer of a disk can't be ignored.
      if (event.type !== 'message') this.host.fatal(error);
      else {
        this.host.log.error({ device: event.device, err: causeText(error) }, 'a message broke the intake');
        this.host.defect?.(error);
      }
      return { state, effects: [] };
    }
  }

  /** Does effects, each begun in order; resolves when all are done. */
  protected async carryOut(effects: readonly IntakeEffect[]): Promise<void> {
    const work: Promise<void>[] = [];
    for (const effect of effects) {
      this.host.observe?.(effect);
      const done = this.execute(effect);
      if (done !== undefined) work.push(done);
    }
    if (work.length > 0) await Promise.all(work);
  }

  /** Does one effect; returns a promise only where something is waited for. */
  private execute(effect: IntakeEffect): Promise<void> | undefined {
    switch (effect.type) {
      case 'persist':
        return this.persist(effect);
      case 'acknowledge':
      case 'keep':
        return this.acknowledge(effect);
      case 'lease':
        return this.sendLease(effect);
      case 'member':
        return this.sendMember(effect);
      case 'clearance':
        return this.sendClearance(effect);
      case 'unknown':
        return this.sendUnknown(effect);
      case 'time':
        return this.host.timeAsked(effect.device, effect.nonce);
      case 'credit':
        this.send(effect.device, effect.message);
        return undefined;
      case 'reject':
        this.reject(effect);
        return undefined;
      case 'registered':
        this.host.registered(effect.device, effect.message);
        return undefined;
      case 'revocations':
        this.host.revocations();
        return undefined;
      case 'count':
        this.count(effect.what);
        return undefined;
      default:
        return unreachable(effect);
    }
  }

  private sign<N extends HubWord>(name: N, fields: StructMessage<N>): Promise<Uint8Array> | Uint8Array {
    return signAs(this.context.signing, this.host.key, name, fields);
  }

  private async acknowledge({
    device,
    ...effect
  }: Extract<IntakeEffect, { type: 'acknowledge' | 'keep' }>): Promise<void> {
    const { metrics } = this.host;
    const { entry, at } = effect;
    const fields = { entry, position: effect.position as Position, at };
    if (effect.type === 'keep') {
      const signature = await this.sign('Kept', fields);
      return this.send(device, { type: 'kept', ...fields, signature });
    }
    const signature = await this.sign('Acknowledgement', fields);
    this.send(device, { type: 'acknowledgement', ...fields, signature });
    metrics.acknowledged.inc();
    this.counts.acknowledged += 1;
  }

  private async sendLease({ device, lease }: Extract<IntakeEffect, { type: 'lease' }>): Promise<void> {
    const { type: _, seq: __, ...fields } = lease;
    const signature = await this.sign('Lease', fields);
    this.send(device, { type: 'lease', ...fields, signature });
    this.host.metrics.leases.inc();
  }

  /** A lease for the request alone, that lends nothing: the amount is reserved. */
  private async sendClearance({
    device,
    clearance,
  }: Extract<IntakeEffect, { type: 'clearance' }>): Promise<void> {
    const { channel, payer, spentFrom, spendLimit, amount, issuedAt, expiresAt, request } = clearance;
    const fields = {
      channel,
      payer,
      spentFrom,
      spendLimit,
      tapLimit: amount,
      cap: ZERO_AMOUNT,
      guarantee: ZERO_AMOUNT,
      issuedAt,
      expiresAt,
      scope: request,
    };
    const signature = await this.sign('Lease', fields);
    this.send(device, { type: 'lease', ...fields, signature });
    this.host.metrics.clearances.inc();
  }

  private async sendMember({ device, member }: Extract<IntakeEffect, { type: 'member' }>): Promise<void> {
    const { type: _, ...fields } = member;
    const signature = await this.sign('Member', fields);
    this.send(device, { type: 'member', ...fields, signature });
  }

  private async sendUnknown({
    device,
    entry,
    ...effect
  }: Extract<IntakeEffect, { type: 'unknown' }>): Promise<void> {
    const { terminal, synced } = effect;
    const fields = { entry, size: effect.size as Position, terminal, synced };
    const signature = await this.sign('Unknown', fields);
    this.send(device, { type: 'unknown', ...fields, signature });
  }

  private reject({ device, entry, code }: Extract<IntakeEffect, { type: 'reject' }>): void {
    const { metrics, log } = this.host;
    metrics.refusals.inc({ code });
    this.counts.refused += 1;
    log.debug({ device, code, entry: toHex(entry) }, 'refused');
    this.send(device, { type: 'rejection', entry, code: refusalNumber(code) });
  }

  private async persist({ token, record }: Extract<IntakeEffect, { type: 'persist' }>): Promise<void> {
    const { journal, metrics } = this.host;
    const done = metrics.persistSeconds.startTimer();
    let position: number;
    try {
      position = await journal.append(record);
    } catch (error) {
      const code = isError(error, 'ledger_busy') ? 'queue_full' : 'storage_failed';
      if (
        !isError(error, 'ledger_busy') &&
        !isError(error, 'ledger_unavailable') &&
        !isError(error, 'ledger_closed')
      ) {
        this.host.log.error({ err: causeText(error) }, 'a record could not be written');
      }
      return this.handle({ type: 'persistFailed', token, code });
    }
    done();
    metrics.ledgerSize.set(position + 1);
    this.watchRoom();
    const handled = this.handle({ type: 'persisted', token, position });
    this.host.durable?.();
    return handled;
  }

  private send(device: string, message: Message): void {
    this.host.send(device, encodeMessage(message));
  }

  private count(what: Counted): void {
    const { metrics, log } = this.host;
    switch (what.type) {
      case 'message':
        metrics.messages.inc({ type: what.name });
        return;
      case 'accepted':
        this.counts.accepted += 1;
        metrics.accepted.inc({ kind: what.kind });
        return;
      case 'repeated':
        this.counts.repeated += 1;
        metrics.repeated.inc();
        return;
      case 'evidence': {
        const { proof, channel, entries } = what.evidence;
        metrics.equivocations.inc({ proof: `E${proof}` });
        log.warn({ channel, proof: `E${proof}`, entries: entries.map(toHex) }, 'fraud proved');
        return;
      }
    }
  }
}
