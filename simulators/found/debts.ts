/**
 * What whoever was found still owes, and to whom: of a device by its books, of a hub by its ledger and what L2 had settled.
 * A debt is nothing wrong: it is what was under way when the power went.
 */
import { formatMoney } from '../../hardware/boards/node/cli/money.ts';
import { toHex } from '../../protocol/bytes.ts';
import { channelsOf, topOf } from '../../hub/intake/books.ts';
import { layersEntries } from '../../hub/intake/layers.ts';
import type { Books } from '../../hub/intake/state.ts';
import { keyNumber, trieEntries } from '../../hub/intake/trie.ts';
import type { PayerBooks } from '../../protocol/machines/payer/books.ts';
import type { OutboxEntry, TerminalBooks } from '../../protocol/machines/terminal/books.ts';
import type { FoundBooks } from './device.ts';

/** One thing that is owed. Amounts in units. */
export interface Debt {
  readonly to: 'terminal' | 'hub' | 'payer' | 'payee';
  readonly what: 'voucher' | 'tick' | 'stream' | 'receipt' | 'credit' | 'settlement';
  readonly units: number;
  readonly channel?: number;
  readonly seq?: number;
  /** Who is owed, as 0x and hex; absent for the hub and for a payer that only its channel names. */
  readonly address?: string;
  readonly words: string;
}

/** Enough of an address to tell two apart. */
const short = (address: string): string => `${address.slice(0, 10)}…`;

function payerDebts({ unconfirmed, writtenOff, stream, outbox, ...books }: PayerBooks): Debt[] {
  const channel: number = books.channel ?? 0;
  const debts: Debt[] = [];
  for (const open of [...unconfirmed, ...writtenOff]) {
    if (open.kind === 'tick') {
      const address = toHex(open.terminal);
      const words = `tick ${open.k} of the stream that voucher ${open.seq} opened was revealed to ${short(address)} and not answered: shown again when they meet`;
      debts.push({ to: 'terminal', what: 'tick', units: 0, channel, seq: open.seq, address, words });
      continue;
    }
    const { request, voucher } = open;
    const address = toHex(request.terminal);
    const isOff = writtenOff.includes(open);
    const words = `voucher ${voucher.seq} over ${formatMoney(request.amount)} to terminal ${short(address)} has no answer: counted as spent, ${isOff ? 'written off by the word of the hub, and its credit is taken if they meet' : 'sent again when they meet'}`;
    const { seq } = voucher;
    debts.push({ to: 'terminal', what: 'voucher', units: request.amount, channel, seq, address, words });
  }
  if (stream !== undefined) {
    const address = toHex(stream.terminal);
    const { seq, tickValue } = stream.voucher;
    const words = `a stream to ${short(address)} was open, ${stream.revealed} ticks of ${formatMoney(tickValue)} revealed: a start closes it`;
    debts.push({ to: 'terminal', what: 'stream', units: 0, channel, seq, address, words });
  }
  for (const { collected } of outbox) {
    const { voucher, request } = collected;
    const words = `the receipt for voucher ${voucher.seq} over ${formatMoney(request.amount)}: the second copy, for the hub`;
    debts.push({ to: 'hub', what: 'receipt', units: request.amount, channel, seq: voucher.seq, words });
  }
  return debts;
}

function entryDebt(entry: OutboxEntry): Debt {
  const { channel } = entry;
  if (entry.kind === 'tick') {
    const units = entry.k * entry.tickValue;
    const words = `ticks up to ${entry.k} on channel ${channel}, ${formatMoney(units)}: the hub has to acknowledge them`;
    return { to: 'hub', what: 'tick', units, channel, seq: entry.seq, words };
  }
  if (entry.kind === 'credit') {
    const words = `the credit of ${formatMoney(entry.credited)} on voucher ${entry.seq} of channel ${channel}: the hub has to acknowledge it`;
    return { to: 'hub', what: 'credit', units: entry.credited, channel, seq: entry.seq, words };
  }
  const { voucher, request, credit } = entry.collected;
  const kind = credit === undefined ? 'accepted' : 'void, with its full credit';
  const words = `voucher ${voucher.seq} of channel ${channel} over ${formatMoney(request.amount)}, ${kind}: the hub has to acknowledge it`;
  return { to: 'hub', what: 'voucher', units: request.amount, channel, seq: voucher.seq, words };
}

function terminalDebts({ outbox, lanes }: TerminalBooks): Debt[] {
  const debts = outbox.map(entryDebt);
  for (const { channel, payer, seq, owed, credited } of lanes) {
    if (owed <= credited) continue;
    const units = owed - credited;
    const words = `${formatMoney(units)} back to the payer of channel ${channel}, not signed yet`;
    debts.push({ to: 'payer', what: 'credit', units, channel, seq, address: toHex(payer), words });
  }
  return debts;
}

/** What a device owes. */
export const debtsOf = (found: FoundBooks): Debt[] =>
  found.kind === 'payer' ? payerDebts(found.books) : terminalDebts(found.books);

/** What a hub owes; `settled`: what L2 has paid of a lane, units. */
export function hubDebts(books: Books, settled: (channel: number, payee: string) => number): Debt[] {
  const debts: Debt[] = [];
  for (const [key, book] of channelsOf(books)) {
    const channel = keyNumber(key);
    for (const [, entry] of layersEntries(book.claims)) {
      const address = toHex(entry.payee);
      const units = topOf(entry) - settled(channel, address.slice(2));
      if (units <= 0) continue;
      const words = `${formatMoney(units)} of channel ${channel} to payee ${short(address)}: acknowledged, and not on L2`;
      debts.push({ to: 'payee', what: 'settlement', units, channel, seq: entry.seq, address, words });
    }
  }
  const owed = trieEntries(books.owed).filter(([, found]) => found !== undefined);
  for (const [, found] of owed) {
    const address = toHex(found!.payee);
    const words = `payee ${short(address)} has not signed a credit that its terminal promised: only the payee can`;
    debts.push({ to: 'payer', what: 'credit', units: 0, address, words });
  }
  return debts;
}
