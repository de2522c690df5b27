/**
 * The payer's side of a stream: the chain of preimages, revealing the next tick only after the last was answered
 * (rule 6), closing. A drive-off so leaves at most one tick open.
 */
import type { CryptoSuite } from '../../../hardware/interfaces/index.ts';
import type { Bytes32 } from '../../bytes.ts';
import { UNCONFIRMED_MAX } from '../../limits.ts';
import type { MessageOf } from '../../wire/messages.ts';
import type { PayerTurn } from './state.ts';

/** A tick and its answer take less than this on any link that is used: an answer after it is no echo. */
const ECHO_MS = 500;

/** All values of a chain but the anchor: value i stands at 32 * i. */
export function buildChain(
  suite: CryptoSuite,
  seed: Bytes32,
  ticks: number,
): { chain: Uint8Array; anchor: Bytes32 } {
  const chain = new Uint8Array(32 * ticks);
  let value = seed;
  for (let i = 0; i < ticks; i++) {
    chain.set(value, 32 * i);
    value = suite.keccak256(value);
  }
  return { chain, anchor: value };
}

/** Preimage of tick k (1 to ticks). */
function preimageOf(turn: PayerTurn, k: number): Bytes32 {
  const { stream } = turn.books;
  const { voucher, seed } = stream!;
  if (turn.volatile.chain === undefined) {
    // After a power cut only the last tick is needed once more; the chain is rebuilt from the stored seed.
    turn.set({ chain: buildChain(turn.context.signing.suite, seed, voucher.ticks).chain });
  }
  const start = 32 * (voucher.ticks - k);
  return turn.volatile.chain!.slice(start, start + 32);
}

/**
 * Persists the next tick, then reveals it. Does nothing while the last one is unanswered, when the chain is used up or
 * when the driver stopped.
 */
export function revealNext(turn: PayerTurn): void {
  const { stream } = turn.books;
  if (stream === undefined || turn.volatile.stopWanted || !turn.volatile.linkUp) return;
  // A receipt may come after the first tick went out already, on the terminal's word that the stream is open.
  if (tickUnanswered(turn)) return;
  // Its own voucher may wait for its receipt, on the last place: the tick would be one more without an answer.
  if (turn.books.unconfirmed.length >= UNCONFIRMED_MAX) return;
  const k = stream.revealed + 1;
  if (k > stream.voucher.ticks) return;
  const preimage = preimageOf(turn, k);
  turn.persist({ type: 'tickRevealed', k });
  sendTick(turn, k, preimage);
}

function sendTick(turn: PayerTurn, k: number, preimage: Bytes32): void {
  const { channel, seq } = turn.books.stream!.voucher;
  turn.send({ type: 'tick', channel, seq, k, preimage });
  turn.set({ sentAtMs: turn.nowMs });
}

/** Sends the revealed tick again, identical. */
export function resendTick(turn: PayerTurn): void {
  const { stream } = turn.books;
  if (stream === undefined || stream.revealed === 0) return;
  sendTick(turn, stream.revealed, preimageOf(turn, stream.revealed));
}

/** Is there a revealed tick that the terminal has not answered? */
export const tickUnanswered = (turn: PayerTurn): boolean =>
  turn.books.stream !== undefined && turn.volatile.answered < turn.books.stream.revealed;

/** Persists that no tick follows. An unanswered tick stays unconfirmed. */
export function closeStream(turn: PayerTurn): void {
  const { stream } = turn.books;
  if (stream === undefined) return;
  const preimage = tickUnanswered(turn) ? preimageOf(turn, stream.revealed) : undefined;
  turn.persist({ type: 'streamClosed', ...(preimage && { preimage }) });
  turn.set({ chain: undefined, answered: 0, stopWanted: false });
}

/**
 * The terminal stored a tick. Returns true when that settled something. An answer to the tick before the revealed
 * one means that the revealed one was lost on the link.
 */
export function onTickAnswer(turn: PayerTurn, message: MessageOf<'tickAnswer'>): boolean {
  const { stream, unconfirmed } = turn.books;
  if (stream !== undefined && stream.voucher.seq === message.seq) {
    if (message.k === stream.revealed - 1) {
      // Doubled answers must not each bring a tick back, or the two devices echo one another for ever. The first
      // answer on a new link always counts: it is how a terminal says where it stands.
      const { peer, sentAtMs } = turn.volatile;
      turn.set({ peer: stream.terminal });
      if (peer === undefined || turn.nowMs - sentAtMs >= ECHO_MS) resendTick(turn);
    }
    if (message.k !== stream.revealed) return false;
    if (message.k > turn.volatile.answered) turn.notify({ type: 'tickPaid', k: message.k });
    turn.set({ answered: message.k });
    if (turn.volatile.pending === undefined) revealNext(turn);
    return true;
  }
  const late = unconfirmed.find(
    (entry) => entry.kind === 'tick' && entry.seq === message.seq && entry.k === message.k,
  );
  if (late === undefined || late.kind !== 'tick') return false;
  turn.persist({ type: 'tickConfirmed', stream: late.stream, k: late.k });
  turn.notify({ type: 'tickPaid', k: late.k });
  return true;
}
