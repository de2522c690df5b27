/**
 * A till that is frozen since its flash was damaged, or whose key is gone, has what still checks and hands in what it
 * approved: each place that was damaged costs one voucher at most, the one that stood there. At its start by what it stored,
 * at the end by what the hub has, whoever brought it there.
 *
 * Not checked here: ticks and credits, which may stand on a record that is gone; what payers hold; when it happens within
 * the drain; and tills that nobody had introduced to the hub before.
 */
import { bytesKey, trieGet } from '../../hub/intake/trie.ts';
import type { TerminalBooks } from '../../protocol/machines/terminal/books.ts';
import type { TerminalActor } from '../fleet/actors.ts';
import type { MakeChecker } from './checker.ts';

const vouchersIn = ({ outbox }: TerminalBooks): string[] =>
  outbox.flatMap((entry) => (entry.kind === 'voucher' ? [bytesKey(entry.entry)] : []));

export const frozenHandsIn: MakeChecker = (simulation, report) => {
  /** By terminal: the vouchers that it approved and the hub has not acknowledged, by digest. */
  const approved = new Map<TerminalActor, Set<string>>();
  const terminals = new Map<string, TerminalActor>();
  return {
    name: 'frozen hands in',
    terminalNotice(terminal, notice) {
      // By a thief, or not: `key-thief-ends.ts` looks at it.
      if (notice.type === 'acknowledged' && simulation.root.isSpareLost)
        approved.get(terminal)?.delete(bytesKey(notice.entry));
      if (notice.type !== 'approved' && notice.type !== 'streamOpened') return;
      const key = bytesKey(notice.voucher);
      approved.set(terminal, (approved.get(terminal) ?? new Set()).add(key));
      terminals.set(key, terminal);
    },
    acknowledged(entry) {
      const terminal = terminals.get(entry);
      if (terminal !== undefined) approved.get(terminal)?.delete(entry);
      terminals.delete(entry);
    },
    terminalFroze(terminal) {
      if (!terminal.honest) return;
      const { books, storedBooks, name } = terminal.device;
      const held = new Set(vouchersIn(books));
      const gone = vouchersIn(storedBooks).filter((key) => !held.has(key)).length;
      const damages = simulation.damagesOf(terminal.device);
      if (gone > damages)
        report(`${name}, damaged in ${damages} places, started frozen without ${gone} of its vouchers`);
    },
    finished() {
      for (const [terminal, open] of approved) {
        const { device, honest } = terminal;
        if (!honest || !(device.frozen || device.key.dead)) continue;
        if (trieGet(simulation.hub.state.terminals, bytesKey(device.key.address)) === undefined) continue;
        const kept = open.size;
        const damages = simulation.damagesOf(device);
        if (kept > damages)
          report(`${device.name}, damaged in ${damages} places, kept ${kept} vouchers that it had approved`);
      }
    },
  };
};
