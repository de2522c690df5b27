/**
 * Rule 2 and 4: "approved" and a delivered tick stand in the terminal's storage, no request is approved twice, and what
 * was approved is never voided.
 *
 * Not checked here: what is stored after the approval and lost by damaged flash (`nothing-forgotten.ts`), the sum and lease
 * of what was approved (`within-the-lease.ts`), and receipts that payers keep.
 */
import { bytesKey } from '../../hub/intake/trie.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import type { MakeChecker } from './checker.ts';

export const approvedIsStored: MakeChecker = (_simulation, report) => {
  const approved = new Set<string>();
  return {
    name: 'approved is stored',
    terminalNotice(terminal, notice) {
      const { storedBooks: books, name } = terminal.device;
      switch (notice.type) {
        case 'approved':
        case 'streamOpened': {
          const lane = books.lanes.findLast((known) => known.channel === notice.channel);
          if (lane === undefined || !equalBytes(lane.digest, notice.voucher))
            return report(`${name} approved a voucher that it has not stored`);
          const waits = books.outbox.some(
            (entry) => entry.kind === 'voucher' && equalBytes(entry.entry, notice.voucher),
          );
          if (!waits) report(`${name} approved a voucher that does not wait for the hub`);
          const key = bytesKey(notice.voucher);
          if (approved.has(key)) report(`${name} approved the same voucher twice`);
          approved.add(key);
          return;
        }
        case 'voided':
          if (approved.has(bytesKey(notice.voucher)))
            report(`${name} approved a voucher, and voided it later`);
          return;
        case 'deliver': {
          const lane = books.lanes.find((known) => known.channel === notice.channel);
          if (lane?.stream === undefined || lane.stream.k < notice.k)
            report(`${name} delivered tick ${notice.k} that it has not stored`);
          return;
        }
        default:
      }
    },
  };
};
