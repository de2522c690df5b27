/**
 * A till's machine that forgets a lane after a thief of a hub key named the places in the ledger of what it sold. Signatures are
 * real; lanes and what is kept are made few, so that one customer displaces another.
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { amount, seconds, UINT48_MAX } from '../../protocol/integers.ts';
import { applyRecord } from '../../protocol/machines/terminal/books.ts';
import type { Message } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  keys,
  lease,
  makePayer,
  makeTerminal,
  type Payer,
  signing,
  START,
  tap,
  type Terminal,
} from '../protocol/bench.ts';
import {
  acknowledgement,
  certificate,
  closedRequest,
  forge,
  greet,
  message,
  resolveFor,
  unknown,
} from '../protocol/forge.ts';

const THIEF = keys.hub;
const HONEST = keys.nextHub;

const tell = (terminal: Terminal, word: Message): Promise<void> =>
  terminal.on({ type: 'hubMessage', message: word });

/** All that waits is acknowledged. */
async function acknowledge(terminal: Terminal, key: typeof keys.hub, position: number): Promise<void> {
  for (const entry of terminal.state.books.outbox)
    if (entry.kind === 'voucher') await tell(terminal, await acknowledgement(entry.entry, key, position));
}

async function revoke(terminal: Terminal): Promise<void> {
  await tell(terminal, await certificate(HONEST.address, START));
  const fields = { key: THIEF.address, at: seconds(START + 1) };
  const signature = await keys.root.sign(signing.digest('HubKeyRevoked', fields));
  await tell(terminal, { type: 'hubKeyRevoked', ...fields, signature });
}

function forget(terminal: Terminal): void {
  const books = applyRecord(terminal.state.books, { type: 'evicted', channel: CHANNEL });
  terminal.state = { ...terminal.state, books };
}

/** A customer of another channel, which has its lease of the honest key. */
async function another(): Promise<Payer> {
  const payer = await makePayer({ channel: 8 as never });
  const books = { ...payer.state.books, channel: 8 as never };
  payer.state = { ...payer.state, books };
  const terms = await lease({ channel: 8 as never, spendLimit: amount(79_000_000) }, HONEST as never);
  for (const word of [await certificate(HONEST.address, START), terms])
    await payer.on({ type: 'hubMessage', message: word });
  return payer;
}

/** The place is one that no ledger reaches: does the till send a customer of before away for good? */
export async function sentAway(): Promise<boolean> {
  const terminal = await makeTerminal();
  await tap(await makePayer(), terminal, 900, 1);
  await acknowledge(terminal, THIEF, UINT48_MAX);
  forget(terminal);
  terminal.state = { ...terminal.state, books: { ...terminal.state.books, kept: [] } };
  await revoke(terminal);
  await tap(await another(), terminal, 100, 2);
  await acknowledge(terminal, HONEST as never, 7);
  const [request, numbers] = [closedRequest(), { seq: 2, spent: 1900, paid: 1900 }];
  const { digest } = await forge(request, numbers);
  await greet(terminal);
  await terminal.on(message(await lease({}, HONEST as never)));
  await terminal.on(message(await unknown(digest, 8, HONEST as never)));
  await terminal.on(message(await resolveFor(request, numbers)));
  return terminal.sent.at(-1)?.type !== 'credit';
}

/** Only the thief has a sale, at a place of its choice, and an honest hub says that it has none: is the sale given back? */
export async function givenBack(): Promise<boolean> {
  const terminal = await makeTerminal();
  await tap(await makePayer(), terminal, 900, 1);
  const [sold] = terminal.state.books.outbox;
  if (sold?.kind !== 'voucher') throw new Error('nothing was sold');
  await acknowledge(terminal, THIEF, 0);
  forget(terminal);
  await tell(terminal, await certificate(HONEST.address, START));
  const { voucher, request } = sold.collected;
  await greet(terminal);
  await terminal.on(message(await unknown(sold.entry, 5, HONEST as never)));
  await terminal.on(message(await resolveFor(request, voucher)));
  const answer = terminal.sent.at(-1);
  return answer?.type !== 'receipt' || !equalBytes(answer.voucher, sold.entry);
}
