/**
 * The payee's terminal: a pure machine. step(context, settings, state, event, nowMs) returns the next state and
 * effects. The transition table stands in protocol/README.md; request.ts asks, answer.ts judges vouchers,
 * acceptance.ts holds rule 5, session.ts the ticks, sync.ts the hub.
 */
import { type Bytes16, equalBytes } from '../../bytes.ts';
import { SundialError, unreachable } from '../../errors.ts';
import { type Amount, amount, type ChannelId, type Seconds } from '../../integers.ts';
import { refusalName } from '../../refusals.ts';
import type { Message } from '../../wire/messages.ts';
import { type Context, type DeviceEvent, type Step, withoutPromises } from '../effects.ts';
import { timeAtBoot } from '../time.ts';
import { dropTimeQuestion, onClockTime, startTime, TRUST_AFTER_POWER_UP } from '../trusting.ts';
import { trimKept } from './place.ts';
import { onAnswerSigned, onLease, onVoucher } from './answer.ts';
import type { TerminalBooks, TerminalRecord } from './books.ts';
import {
  askWho,
  dropRequest,
  dropStaleRequest,
  onHello,
  openRequest,
  type Sale,
  sendCertificate,
  type StreamSale,
} from './request.ts';
import {
  closeSession,
  creditLate,
  dropLostSession,
  onCreditSigned,
  onDelivered,
  onTick,
  refund,
} from './session.ts';
import {
  NOTHING_HANDED_IN,
  type Sold,
  type TerminalSettings,
  type TerminalState,
  TerminalTurn,
  type TerminalVolatile,
} from './state.ts';
import {
  onClockSync,
  onHubConnected,
  onHubMessage,
  onKeyMessage,
  onRegisterSigned,
  onSyncedSigned,
} from './sync.ts';

export type TerminalEvent =
  | DeviceEvent
  | ({ readonly type: 'sale' } & Sale)
  | ({ readonly type: 'streamSale' } & StreamSale)
  | { readonly type: 'cancel' }
  /** The worth of tick k was handed over. `challenge`: 16 fresh random bytes for a closing request. */
  | {
      readonly type: 'delivered';
      readonly channel: ChannelId;
      readonly k: number;
      readonly challenge: Bytes16;
    }
  | { readonly type: 'closeSession'; readonly challenge: Bytes16 }
  /** Gives back `credited` in all on the newest voucher of a channel, or on `sold`. */
  | {
      readonly type: 'refund';
      readonly channel: ChannelId;
      readonly credited: Amount;
      readonly sold?: Sold;
    };

/** What a tick needs comes first, as in the books. */
const AFTER_POWER_UP: TerminalVolatile = {
  frozen: false,
  time: timeAtBoot(0 as never, 0),
  session: undefined,
  leases: [],
  linkUp: false,
  linkLostAtMs: 0,
  hubConnected: false,
  greeted: undefined,
  open: undefined,
  pending: undefined,
  pendingCredit: undefined,
  stashed: undefined,
  asked: undefined,
  unknown: undefined,
  uploadedTicks: [],
  trust: TRUST_AFTER_POWER_UP,
  forgotten: false,
  handed: NOTHING_HANDED_IN,
  revocations: undefined,
  beaconAt: 0 as Seconds,
  uploadedAtMs: 0,
  inFlight: 0,
  uploadFrom: 0,
  ending: undefined,
};

/** The state right after power-up, from books that were replayed. `frozen` when the journal can't be trusted. */
export function terminalAfterPowerUp(books: TerminalBooks, frozen = false): TerminalState {
  return { books, volatile: { ...AFTER_POWER_UP, frozen, beaconAt: books.revokedAt } };
}

/** Returns the settings when they fit together; throws `terminal_settings` otherwise. */
export function checkTerminalSettings(settings: TerminalSettings): TerminalSettings {
  if (settings.outboxMax > settings.lanesMax) {
    throw new SundialError('terminal_settings', 'outboxMax is above lanesMax', {
      severity: 'process',
      remedy:
        'Set outboxMax to lanesMax or less, so that a lane without waiting entries can always be evicted.',
      facts: { outboxMax: settings.outboxMax, lanesMax: settings.lanesMax },
    });
  }
  return settings;
}

function creditAllLate(turn: TerminalTurn): void {
  for (const lane of turn.books.lanes) if (lane.stream !== undefined) creditLate(turn, lane.channel);
}

function onTapMessage(turn: TerminalTurn, message: Message): void {
  // Cases are compared one after the other, here and in dispatch: what comes most often is the first.
  switch (message.type) {
    case 'tick':
      return onTick(turn, message);
    case 'hello':
      return onHello(turn, message);
    case 'lease':
      return onLease(turn, message);
    case 'voucher':
    case 'stream':
    case 'resolveVoucher':
    case 'resolveStream':
      return onVoucher(turn, message);
    case 'unknown':
      return turn.set({ unknown: message });
    case 'hubKey':
    case 'hubKeyRevoked':
      return onKeyMessage(turn, message);
    case 'need':
      return sendCertificate(turn);
    case 'refusal': {
      const code = refusalName(message.code);
      if (turn.settings.clearances?.onOverLimits(turn, code)) return;
      const bound = message.bound === undefined ? undefined : amount(message.bound);
      return turn.notify({
        type: 'refused',
        code: code ?? 'unexpected_message',
        by: 'peer',
        ...(bound !== undefined && { bound }),
      });
    }
    case 'end':
      return turn.notify({ type: 'endWanted', channel: message.channel });
    case 'clearanceRequest':
      if (turn.settings.clearances === undefined) return turn.refuse('over_tap_limit');
      return turn.settings.clearances.onRequest(turn, message);
    case 'leaseRequest':
      return turn.volatile.hubConnected ? turn.upload(message) : turn.refuse('lease_missing');
    default:
      return turn.refuse('unexpected_message');
  }
}

function onSigned(turn: TerminalTurn, digest: Uint8Array, signature: Uint8Array): void {
  const { pending, pendingCredit, handed, ending, trust } = turn.volatile;
  const { registering } = trust;
  const { syncing } = handed;
  if (pending !== undefined && equalBytes(pending.signing, digest)) onAnswerSigned(turn, signature);
  else if (pendingCredit !== undefined && equalBytes(pendingCredit.entry, digest))
    onCreditSigned(turn, digest, signature);
  else if (syncing !== undefined && equalBytes(syncing.digest, digest)) onSyncedSigned(turn, signature);
  else if (ending !== undefined && equalBytes(ending.digest, digest))
    turn.settings.clearances?.onEndedSigned(turn, signature);
  else if (registering !== undefined && equalBytes(registering.digest, digest))
    onRegisterSigned(turn, signature);
}

function dispatch(turn: TerminalTurn, event: Exclude<TerminalEvent, { type: 'boot' }>): void {
  switch (event.type) {
    case 'message':
      return onTapMessage(turn, event.message);
    case 'clock':
      onClockTime(turn, event.realTime);
      dropStaleRequest(turn);
      dropLostSession(turn);
      creditAllLate(turn);
      return onClockSync(turn);
    case 'linkUp':
      return turn.set({ linkUp: true, greeted: undefined, stashed: undefined });
    case 'linkDown':
      return turn.set({
        linkUp: false,
        linkLostAtMs: turn.nowMs,
        greeted: undefined,
        stashed: undefined,
      });
    case 'garbage':
      turn.refuse(event.code);
      return askWho(turn);
    case 'signed':
      return onSigned(turn, event.digest, event.signature);
    case 'hubConnected':
      return onHubConnected(turn, event.seed);
    case 'hubLost':
      turn.set({ hubConnected: false });
      return dropTimeQuestion(turn);
    case 'hubMessage':
      return onHubMessage(turn, event.message);
    case 'sale':
    case 'streamSale':
      return openRequest(turn, event);
    case 'cancel':
      return dropRequest(turn);
    case 'delivered':
      return onDelivered(turn, event.channel, event.k, event.challenge);
    case 'closeSession':
      return closeSession(turn, event.challenge);
    case 'refund':
      return refund(turn, event.channel, event.credited, event.sold);
    default:
      return unreachable(event);
  }
}

/**
 * A damaged or newer journal: it writes and signs nothing, says so to whoever asks, and hands in what it holds. What the hub
 * says to that changes the books in RAM alone.
 */
function onFrozen(turn: TerminalTurn, event: TerminalEvent): void {
  switch (event.type) {
    case 'boot':
      return startTime(turn, event.realTime);
    case 'linkUp':
      return turn.refuse('frozen');
    case 'message':
      // Not to a refusal: two frozen devices would tell each other for ever.
      return event.message.type === 'refusal' ? undefined : turn.refuse('frozen');
    case 'clock':
      onClockTime(turn, event.realTime);
      return onClockSync(turn);
    case 'hubConnected':
    case 'hubLost':
    case 'hubMessage':
      return dispatch(turn, event);
    default:
      return undefined;
  }
}

/** One step of a terminal. Pure: the same arguments give the same result. */
export function terminalStep(
  context: Context,
  settings: TerminalSettings,
  state: TerminalState,
  event: TerminalEvent,
  nowMs: number,
): Step<TerminalState, TerminalRecord> {
  const turn = new TerminalTurn(context, settings, state, nowMs);
  if (state.volatile.frozen) {
    onFrozen(turn, event);
    return { state: { books: turn.books, volatile: turn.volatile }, effects: withoutPromises(turn.effects) };
  }
  if (event.type === 'boot') {
    startTime(turn, event.realTime);
    // A journal of before kept nothing, and left no room for it.
    trimKept(turn);
    // The power was cut between a late tick and its credit: the next voucher on the lane would hide what is owed.
    creditAllLate(turn);
  } else {
    dispatch(turn, event);
  }
  return { state: { books: turn.books, volatile: turn.volatile }, effects: turn.effects };
}
