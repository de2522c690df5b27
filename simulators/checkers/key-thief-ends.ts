/**
 * Rule 6a: a thief of one of the hub's keys comes to its revocation and no further. Once a terminal has stored that, nothing
 * that the stolen key signed counts there any more, and each sale that only the thief had acknowledged waits for the hub
 * again, or the hub has it. Nobody but the root names a key.
 *
 * Counted here by what the terminal says: three eighths of its places are the least that are kept, the newest first, and less
 * where what waits leaves no more.
 *
 * Whatever the thief lends, a terminal is owed no more than it may be in all, by its own settings. That nothing is taken on
 * such a lease once the revocation is stored is in `within-the-lease.ts`, and what all of that costs in
 * `paid-or-attributed.ts`.
 *
 * Not checked here: sales beyond that, ticks and credits, times that it said, payers, and when a scope that it named ends
 * before the key's end does (the walk `k13`; a power cut right behind the revocation's record leaves it until then).
 */
import { bytesKey } from '../../hub/intake/trie.ts';
import { THIEF_SCOPE } from '../fleet/hub-root.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import type { TerminalActor } from '../fleet/actors.ts';
import type { MakeChecker } from './checker.ts';

interface Left {
  readonly entry: string;
  /** A thief said that the hub has it, and the hub had it not. */
  readonly byThief: boolean;
}

export const keyThiefEnds: MakeChecker = (simulation, report) => {
  /** Sales of each terminal, and what left its outbox that must be kept: oldest first. */
  const sales = new Map<TerminalActor, Set<string>>();
  const left = new Map<TerminalActor, Left[]>();
  const ended = new Set<TerminalActor>();
  const known = (entry: string): boolean => simulation.hub.durable.has(entry);

  /** The least of what left that is kept beside what waits. */
  const trim = (terminal: TerminalActor): void => {
    const { outboxMax } = terminal.settings;
    const waits = terminal.device.storedBooks.outbox.length;
    const places = Math.max(0, Math.min(Math.floor((outboxMax * 3) / 8) - 1, outboxMax - waits));
    const all = left.get(terminal) ?? [];
    left.set(terminal, places === 0 ? [] : all.slice(-places));
  };

  /** The revocation is stored: looked at once, before anything else happens there. */
  const look = (terminal: TerminalActor): void => {
    const { storedBooks: books, name } = terminal.device;
    const { spare } = simulation.root;
    const isOver = books.hub.revoked.some(({ address }) => equalBytes(address, spare.address));
    if (!isOver || ended.has(terminal)) return;
    ended.add(terminal);
    const waits = new Set(
      books.outbox.flatMap((entry) => (entry.kind === 'voucher' ? [bytesKey(entry.entry)] : [])),
    );
    for (const { entry, byThief } of left.get(terminal) ?? [])
      if (byThief && !waits.has(entry) && !known(entry))
        report(`${name} has not handed in ${entry.slice(0, 8)}, which only a thief had acknowledged`);
    left.delete(terminal);
  };

  return {
    name: 'a key thief ends',
    terminalNotice(terminal, notice) {
      if (!terminal.honest || terminal.device.frozen) return;
      if (notice.type === 'approved') {
        sales.set(terminal, (sales.get(terminal) ?? new Set()).add(bytesKey(notice.voucher)));
        const { exposure } = terminal.device.storedBooks;
        if (exposure > terminal.settings.capTotal)
          report(`${terminal.device.name} is owed ${exposure}, above ${terminal.settings.capTotal}`);
      }
      if (notice.type === 'acknowledged') {
        const entry = bytesKey(notice.entry);
        const byThief = sales.get(terminal)?.has(entry) === true && !known(entry);
        if (byThief && ended.has(terminal))
          return report(`${terminal.device.name} believed a thief after the revocation`);
        left.set(terminal, [...(left.get(terminal) ?? []), { entry, byThief }]);
      }
      look(terminal);
      if (!ended.has(terminal)) trim(terminal);
    },
    terminalStarted: look,
    finished() {
      for (const terminal of simulation.fleet.terminals) {
        if (!terminal.honest || terminal.device.frozen || terminal.device.key.dead) continue;
        look(terminal);
        const { hub, member } = terminal.device.storedBooks;
        const { spareUntil } = simulation.root;
        const isThiefs = member !== undefined && equalBytes(member.scope, THIEF_SCOPE);
        if (isThiefs && member.expiresAt > spareUntil + simulation.timing.leaseLifetime)
          report(`${terminal.device.name} is in a thief's scope for longer than its key counts`);
        for (const { address } of hub.certified)
          if (
            ![...simulation.root.keys, simulation.root.spare].some((key) => equalBytes(key.address, address))
          )
            report(`${terminal.device.name} believes a key that the root never certified`);
      }
    },
  };
};
