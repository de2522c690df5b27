/**
 * Rule 17: a device that starts, whatever was done to its flash, has what it had, or is frozen: a till every voucher that
 * it approved and the hub has not acknowledged, and the ticks that it delivered; a payer every seq that left it.
 *
 * Not checked here: settings, leases, certificates and counters of a device, confirmations that a payer had, and what a
 * frozen device holds.
 */
import { bytesKey } from '../../hub/intake/trie.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import type { PayerActor, TerminalActor } from '../fleet/actors.ts';
import type { MakeChecker } from './checker.ts';

interface Delivered {
  readonly channel: number;
  readonly stream: Uint8Array;
  readonly k: number;
}

export const nothingForgotten: MakeChecker = (simulation, report) => {
  /** By terminal: the vouchers that only it has, by digest. */
  const approved = new Map<TerminalActor, Map<string, Uint8Array>>();
  const terminals = new Map<string, TerminalActor>();
  /** By terminal: the newest tick that it delivered. */
  const delivered = new Map<TerminalActor, Delivered>();
  const signed = new Map<PayerActor, number>();
  return {
    name: 'nothing forgotten',
    terminalNotice(terminal, notice) {
      if (notice.type === 'approved' || notice.type === 'streamOpened') {
        const key = bytesKey(notice.voucher);
        const open = approved.get(terminal) ?? new Map<string, Uint8Array>();
        approved.set(terminal, open.set(key, notice.voucher));
        terminals.set(key, terminal);
      } else if (notice.type === 'acknowledged' && simulation.root.isSpareLost) {
        // By a thief, or not: `key-thief-ends.ts` looks at it.
        approved.get(terminal)?.delete(bytesKey(notice.entry));
      } else if (notice.type === 'deliver') {
        const lane = terminal.device.storedBooks.lanes.find((known) => known.channel === notice.channel);
        if (lane !== undefined)
          delivered.set(terminal, { channel: notice.channel, stream: lane.digest, k: notice.k });
      }
    },
    acknowledged(entry) {
      const terminal = terminals.get(entry);
      if (terminal === undefined) return;
      approved.get(terminal)?.delete(entry);
      terminals.delete(entry);
    },
    payerSent(payer, message) {
      if (!payer.honest || !('seq' in message)) return;
      signed.set(payer, Math.max(message.seq, signed.get(payer) ?? 0));
    },
    terminalStarted(terminal) {
      if (!terminal.honest) return;
      const { storedBooks: books, name } = terminal.device;
      // The power may have gone between a thief's acknowledgement and the notice of it.
      const held = simulation.root.isSpareLost ? [...books.outbox, ...books.kept] : books.outbox;
      const waiting = new Set(
        held.flatMap((entry) => (entry.kind === 'voucher' ? [bytesKey(entry.entry)] : [])),
      );
      for (const key of approved.get(terminal)?.keys() ?? [])
        if (!waiting.has(key)) report(`${name} started without ${key.slice(0, 8)}, which it had approved`);
      const tick = delivered.get(terminal);
      const lane = books.lanes.find((known) => known.channel === tick?.channel);
      if (tick === undefined || lane?.stream === undefined || !equalBytes(lane.digest, tick.stream)) return;
      if (lane.stream.k < tick.k) report(`${name} started without tick ${tick.k}, which it had delivered`);
    },
    payerStarted(payer) {
      const highest = signed.get(payer) ?? 0;
      if (payer.honest && payer.device.storedBooks.seq < highest)
        report(
          `${payer.device.name} started at seq ${payer.device.storedBooks.seq}, and had signed ${highest}`,
        );
    },
  };
};
