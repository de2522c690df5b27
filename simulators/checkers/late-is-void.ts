/**
 * Rule 4: only the request that stands open at the till is approved; what comes after it was dropped is void.
 *
 * Not checked here: ticks that come late (`paid-or-attributed.ts` adds them up), and whether the credit of a voided voucher
 * reaches its payer.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import type { TerminalActor } from '../fleet/actors.ts';
import { type MakeChecker, takenBy } from './checker.ts';

export const lateIsVoid: MakeChecker = (_simulation, report) => {
  const open = new Map<TerminalActor, Uint8Array>();
  return {
    name: 'late is void',
    cancelled(terminal) {
      open.delete(terminal);
    },
    terminalNotice(terminal, notice) {
      if (notice.type === 'requested') open.set(terminal, notice.request);
      if (notice.type !== 'approved' && notice.type !== 'streamOpened') return;
      const request = takenBy(terminal, notice.voucher)?.voucher.request;
      const wanted = open.get(terminal);
      if (request !== undefined && (wanted === undefined || !equalBytes(request, wanted)))
        report(`${terminal.device.name} approved a voucher whose request was no longer open`);
    },
  };
};
