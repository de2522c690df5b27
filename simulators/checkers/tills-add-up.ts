/**
 * A till's books of business against the records that its device stored: every order is charged once at most, for what was
 * asked or the part that was taken; whatever the device took, the till sold; what went back on a sale is what its voucher was
 * credited; and all reports together, with the open day's, come to what was taken less what went back.
 *
 * Not checked here: tills without the program, what L2 settled of it (`drains.ts` and `acknowledged-is-paid.ts` follow the
 * vouchers there), the file that the books stand in, prices in other currencies, and tills that froze.
 */
import { toHex } from '../../protocol/bytes.ts';
import type { TerminalActor } from '../fleet/actors.ts';
import type { TillProgram } from '../fleet/till-program.ts';
import type { MakeChecker } from './checker.ts';

/** One voucher that the device took, by its records alone. */
interface Taken {
  readonly amount: number;
  credited: number;
}

export const tillsAddUp: MakeChecker = (simulation, report) => {
  const taken = new Map<TerminalActor, Map<string, Taken>>();

  const compare = (terminal: TerminalActor, till: TillProgram): void => {
    const { name } = terminal.device;
    const vouchers = taken.get(terminal) ?? new Map<string, Taken>();
    const sold = new Set<string>();
    let [sum, back, tips, holds] = [0, 0, 0, 0];
    for (const [key, { amount, tip = 0, hold = false }] of till.asked) {
      const sale = till.books.ofKey(key);
      if (sale?.state === 'open') report(`${name} still asks for ${key} when all is over`);
      if (sale?.state !== 'approved') continue;
      const voucher = sale.payment?.voucher ?? 'none';
      const known = vouchers.get(voucher);
      if (known === undefined) {
        report(`${name} sold ${key}, and its device took nothing for it`);
        continue;
      }
      if (sold.has(voucher)) report(`${name} sold ${key} for a voucher that paid something else`);
      sold.add(voucher);
      if (known.amount !== sale.total || sale.total > amount + tip)
        report(
          `${name} asked ${amount} and ${tip} for ${key}, booked ${sale.total} and took ${known.amount}`,
        );
      let returned = 0;
      for (const credit of sale.credits) if (credit.state === 'done') returned += credit.amount;
      if (returned !== known.credited)
        report(`${name} gave ${known.credited} back on ${key}, and booked ${returned}`);
      const wasOpen = sale.credits.some(({ state }) => state === 'open');
      if (hold && sale.captured !== undefined && !wasOpen) {
        const [first] = sale.credits.filter(({ kind, state }) => kind === 'capture' && state === 'done');
        if (first === undefined || sale.captured + first.amount !== known.amount)
          report(`${name} held ${known.amount} for ${key}, and captured ${sale.captured}`);
      }
      if (hold && sale.captured === undefined) holds += known.amount;
      sum += known.amount;
      back += known.credited;
      tips += known.amount <= amount ? 0 : known.amount - amount;
    }
    for (const [voucher, { amount }] of vouchers)
      if (!sold.has(voucher)) report(`${name} took ${amount} by ${voucher}, and sold nothing for it`);
    const days = [...till.books.reports, till.books.report({ count: 0, sum: 0 })];
    const net = days.reduce((all, day) => all + day.net, 0);
    if (net !== sum - back)
      report(`the days of ${name} come to ${net}, and it took ${sum} and gave ${back} back`);
    const tipped = days.reduce((all, day) => all + day.tips, 0);
    if (tipped !== tips) report(`${name} was given ${tips} in tips, and its days say ${tipped}`);
    const held = days.at(-1)!.held.sum;
    if (held !== holds) report(`${name} holds ${holds}, and its report says ${held}`);
  };

  return {
    name: 'tills add up',
    terminalStored(terminal, record) {
      if (terminal.till === undefined) return;
      const vouchers = taken.get(terminal) ?? new Map<string, Taken>();
      taken.set(terminal, vouchers);
      if ((record.type === 'answered' || record.type === 'cleared') && record.receipt !== undefined)
        vouchers.set(toHex(record.digest), { amount: record.request.amount, credited: 0 });
      if (record.type !== 'credited' && record.type !== 'waitingCredit') return;
      const known = vouchers.get(toHex(record.voucher));
      if (known === undefined) return;
      if (record.credited > known.amount) report(`${terminal.device.name} gave back more than it took`);
      known.credited = record.credited;
    },
    finished() {
      for (const terminal of simulation.fleet.terminals) {
        const { till, device } = terminal;
        if (till === undefined || device.frozen || device.key.dead) continue;
        compare(terminal, till);
      }
    },
  };
};
