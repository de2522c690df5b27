/**
 * The payer: a pure machine. step(context, settings, state, event, nowMs) returns the next state and effects. The
 * transition table stands in protocol/README.md; pay.ts holds a tap, stream.ts the ticks, answers.ts what a terminal
 * says, sync.ts the hub.
 */
import { type Bytes32, equalBytes } from '../../bytes.ts';
import { unreachable } from '../../errors.ts';
import { SYNC_RETRY_MS } from '../../limits.ts';
import { type Context, type DeviceEvent, type Step, withoutPromises } from '../effects.ts';
import { timeAtBoot } from '../time.ts';
import { dropTimeQuestion, onClockTime, startTime, TRUST_AFTER_POWER_UP } from '../trusting.ts';
import { onTapMessage, sendHello } from './answers.ts';
import type { PayerBooks, PayerRecord } from './books.ts';
import { onConfirm } from './clearance.ts';
import { onVoucherSigned, resendWaiting } from './pay.ts';
import { onClockLease } from './renewal.ts';
import { type PayerSettings, type PayerState, PayerTurn, type PayerVolatile } from './state.ts';
import { closeStream } from './stream.ts';
import {
  onClockSync,
  onHubConnected,
  onHubMessage,
  onLeaseRequestSigned,
  onRegisterSigned,
  requestLease,
} from './sync.ts';

export type PayerEvent =
  | DeviceEvent
  /** The car is full, or its driver wants to stop. */
  | { readonly type: 'stop' }
  /** The device wants a fresh lease. */
  | { readonly type: 'renew' }
  /** The person's answer to `confirmWanted`, about the request with this hash. */
  | { readonly type: 'confirm'; readonly request: Bytes32; readonly yes: boolean };

/** How long an answer may take before the same bytes are sent again. */
export const RESEND_MS = 3000;

const AFTER_POWER_UP: PayerVolatile = {
  frozen: false,
  time: timeAtBoot(0 as never, 0),
  trust: TRUST_AFTER_POWER_UP,
  linkUp: false,
  hubConnected: false,
  peer: undefined,
  pending: undefined,
  signatures: [],
  unknowns: [],
  outgoing: [],
  chain: undefined,
  answered: 0,
  stopWanted: false,
  lastRequest: undefined,
  leaseRequest: undefined,
  clearing: undefined,
  leaseAskedAtMs: 0,
  leasePauseMs: SYNC_RETRY_MS,
  sentAtMs: 0,
  uploadedAtMs: 0,
  inFlight: 0,
  askedAtMs: 0,
  askPauseMs: SYNC_RETRY_MS,
};

/** The state right after power-up, from books that were replayed. `frozen` when the journal can't be trusted. */
export function payerAfterPowerUp(books: PayerBooks, frozen = false): PayerState {
  return { books, volatile: { ...AFTER_POWER_UP, frozen } };
}

/**
 * A damaged or newer journal: it writes and signs nothing, says so to whoever asks, and hands in its second copies. What the
 * hub says to that changes the books in RAM alone.
 */
function onFrozen(turn: PayerTurn, event: PayerEvent): void {
  switch (event.type) {
    case 'boot':
      return startTime(turn, event.realTime);
    case 'linkUp':
      return turn.refuse('frozen');
    case 'message':
      // Not to a refusal: two frozen devices would tell each other for ever.
      return event.message.type === 'refusal' ? undefined : turn.refuse('frozen');
    case 'clock':
    case 'hubConnected':
    case 'hubLost':
    case 'hubMessage':
      return dispatch(turn, event);
    default:
      return undefined;
  }
}

function dispatch(turn: PayerTurn, event: PayerEvent): void {
  switch (event.type) {
    case 'boot':
      startTime(turn, event.realTime);
      // A restart ends the stream; its last tick may be unanswered and is then resolved like a voucher.
      return closeStream(turn);
    case 'clock':
      onClockTime(turn, event.realTime);
      if (turn.volatile.linkUp && turn.nowMs - turn.volatile.sentAtMs >= RESEND_MS) {
        turn.set({ sentAtMs: turn.nowMs });
        resendWaiting(turn);
      }
      onClockLease(turn);
      return onClockSync(turn);
    case 'linkUp':
      turn.set({ linkUp: true, peer: undefined, sentAtMs: turn.nowMs });
      return sendHello(turn);
    case 'linkDown':
      return turn.set({ linkUp: false, peer: undefined, pending: undefined });
    case 'message':
      return onTapMessage(turn, event.message, event.random);
    case 'garbage':
      return turn.notify({ type: 'refused', code: event.code, by: 'us' });
    case 'signed': {
      const { leaseRequest, trust } = turn.volatile;
      const { registering } = trust;
      if (registering !== undefined && equalBytes(registering.digest, event.digest))
        return onRegisterSigned(turn, event.signature);
      if (leaseRequest !== undefined && equalBytes(leaseRequest.digest, event.digest))
        return onLeaseRequestSigned(turn, event.signature);
      return onVoucherSigned(turn, event.digest, event.signature);
    }
    case 'hubConnected':
      return onHubConnected(turn, event.seed);
    case 'hubLost':
      turn.set({ hubConnected: false });
      return dropTimeQuestion(turn);
    case 'hubMessage':
      return onHubMessage(turn, event.message);
    case 'stop': {
      turn.set({ stopWanted: true });
      const { stream, channel } = turn.books;
      if (stream !== undefined && channel !== undefined)
        turn.send({ type: 'end', channel, seq: stream.voucher.seq });
      return;
    }
    case 'confirm':
      return onConfirm(turn, event.request, event.yes);
    case 'renew':
      return turn.volatile.hubConnected || turn.volatile.linkUp ? requestLease(turn) : undefined;
    default:
      return unreachable(event);
  }
}

/** One step of a payer. Pure: the same arguments give the same result. */
export function payerStep(
  context: Context,
  settings: PayerSettings,
  state: PayerState,
  event: PayerEvent,
  nowMs: number,
): Step<PayerState, PayerRecord> {
  const turn = new PayerTurn(context, settings, state, nowMs);
  const { frozen } = state.volatile;
  if (frozen) onFrozen(turn, event);
  else dispatch(turn, event);
  const effects = frozen ? withoutPromises(turn.effects) : turn.effects;
  return { state: { books: turn.books, volatile: turn.volatile }, effects };
}
