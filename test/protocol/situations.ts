/** What can be wrong with a voucher for an open request, and terminals in which it is. */
import * as assert from 'uvu/assert';
import { amount, seconds } from '../../protocol/integers.ts';
import { refusalName, type RefusalName } from '../../protocol/refusals.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  keys,
  makePayer,
  makeTerminal,
  sale,
  secret,
  START,
  tap,
  type Terminal,
  type TerminalOptions,
} from './bench.ts';
import { closedRequest, greet, later, message, type Numbers, resolveFor, voucherFor } from './forge.ts';

/** The message is refused by this name on both sides of the screen, and the books are the very same object. */
export async function refuses(terminal: Terminal, event: Message, code: RefusalName): Promise<void> {
  const { books } = terminal.state;
  const records = terminal.records.length;
  const before = terminal.refused.length;
  await terminal.on(message(event));
  assert.equal(terminal.refused.slice(before), [code]);
  const told = terminal.sent.at(-1)!;
  assert.ok(told.type === 'refusal' && refusalName(told.code) === code, `sent ${told.type}`);
  assert.ok(terminal.state.books === books, 'the books are the same');
  assert.is(terminal.records.length, records);
}

/** The machine goes on: an honest payer on a channel of its own pays. */
export async function goesOn(terminal: Terminal): Promise<void> {
  await terminal.on({ type: 'linkDown' });
  const approved = terminal.said('approved').length;
  const payer = await makePayer({ channel: 8 as never });
  payer.state = { ...payer.state, books: { ...payer.state.books, channel: 8 as never } };
  await tap(payer, terminal, 500, 88);
  assert.is(terminal.said('approved').length, approved + 1, 'the next customer pays');
}

export interface Situation {
  readonly terminal?: TerminalOptions;
  readonly lease?: Partial<MessageOf<'lease'>>;
  /** Before the sale. */
  readonly before?: (terminal: Terminal) => Promise<void>;
  /** After the sale and the greeting. */
  readonly after?: (terminal: Terminal) => Promise<void>;
  readonly numbers?: () => Numbers;
  readonly signer?: typeof keys.payer;
}

/** What is wrong with a voucher for an open request, each alone; in the order of the refusal table. */
export const FAULTS: readonly (readonly [RefusalName, string, Situation])[] = [
  [
    'outbox_full',
    'the outbox filled up after the sale',
    { terminal: { settings: { outboxMax: 2 } }, after: fillOutbox },
  ],
  ['lease_scope', 'the lease is for a scope of other terminals', { lease: { scope: secret(9) } }],
  ['lease_future', 'the lease begins three hours from now', { lease: { issuedAt: later(3) } }],
  ['lease_expired', 'the lease ran out a second ago', { lease: { expiresAt: seconds(START - 1) } }],
  ['revoked', 'the hub revoked the channel', { before: revoke }],
  ['signature', 'a stranger signed', { signer: keys.stranger }],
  ['seq_stale', 'the seq was seen before', { before: paidBefore, numbers: () => ({ seq: 1 }) }],
  [
    'base_stale',
    'the lane stood higher here already',
    { before: paidBefore, numbers: () => ({ paid: 1899, spent: 2000 }) },
  ],
  ['sum_wrong', 'spent is below paid', { numbers: () => ({ spent: 999 }) }],
  [
    'before_lease',
    'spent stood below the start of the lease',
    { lease: { spentFrom: amount(5_000), spendLimit: amount(80_000_000) } },
  ],
  ['terminal_over_tap_limit', 'the amount is above the tap limit', { lease: { tapLimit: amount(999) } }],
  ['terminal_over_spend_limit', 'spent is above the spend limit', { lease: { spendLimit: amount(999) } }],
  ['cap_channel', 'the channel owes too much here', { terminal: { settings: { capChannel: amount(999) } } }],
  ['cap_total', 'all channels owe too much here', { after: tightenTotal }],
];

export async function fillOutbox(terminal: Terminal): Promise<void> {
  for (let n = 1; terminal.state.books.outbox.length < 2; n++) {
    const late = closedRequest({ amount: amount(0), detail: secret(100 + n) });
    const base = terminal.state.books.lanes[0]?.base ?? 0;
    await terminal.on(message(await resolveFor(late, { seq: 1 + n, spent: base, paid: base })));
    assert.ok(n < 3, 'each void takes a place');
  }
}

async function paidBefore(terminal: Terminal): Promise<void> {
  const payer = await makePayer();
  await tap(payer, terminal, 900, 50);
}

async function revoke(terminal: Terminal): Promise<void> {
  const { books } = terminal.state;
  terminal.state = { ...terminal.state, books: { ...books, revoked: [CHANNEL] } };
}

/** The total cap is reached by another channel's exposure between the sale and the tap. */
async function tightenTotal(terminal: Terminal): Promise<void> {
  const { books } = terminal.state;
  const exposure = amount(999_999_500);
  const entry = { kind: 'tick', channel: 99, stream: secret(3), exposure, tickValue: 1, k: 1 } as never;
  terminal.state = { ...terminal.state, books: { ...books, outbox: [...books.outbox, entry], exposure } };
}

/** Builds a terminal where all the faults hold at once, and the voucher that meets them. */
export async function situation(
  faults: readonly Situation[],
): Promise<{ terminal: Terminal; voucher: MessageOf<'voucher'> }> {
  const options: TerminalOptions = { settings: {} };
  for (const fault of faults) Object.assign(options.settings!, fault.terminal?.settings);
  const terminal = await makeTerminal(options);
  const raised = options.settings!.capChannel !== undefined;
  for (const fault of faults) await fault.before?.(terminal);
  await terminal.on(sale(1000));
  await greet(terminal, Object.assign({}, ...faults.map((fault) => fault.lease ?? {})));
  for (const fault of faults) await fault.after?.(terminal);
  const lane = terminal.state.books.lanes[0];
  const base = lane?.base ?? 0;
  const numbers: Numbers = { seq: (lane?.seq ?? 0) + 1, paid: base + 1000, spent: base + 1000 };
  for (const fault of faults) Object.assign(numbers, fault.numbers?.());
  const signer = faults.find((fault) => fault.signer)?.signer ?? keys.payer;
  assert.ok(raised || terminal.state.volatile.open !== undefined);
  return { terminal, voucher: await voucherFor(terminal, numbers, signer) };
}
