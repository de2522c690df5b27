/**
 * Clearances at the devices: asking first, the person's yes, the owner's day, one request each, one at a time, and what is
 * said when it is over. Messages cross as real bytes, signatures are real; the hub is a few lines that clear everything.
 *
 * Not checked here: what the hub reserves (`test/hub/clearances.test.ts`), every interleaving (`test/walk/clearance.test.ts`).
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { amount, seconds } from '../../protocol/integers.ts';
import { clearanceLife, DEFAULT_TIMING } from '../../protocol/limits.ts';
import { snapshot } from '../../protocol/machines/payer/books.ts';
import { applyRecord, EMPTY_PAYER } from '../../protocol/machines/payer/books.ts';
import type { PayerSettings } from '../../protocol/machines/payer/state.ts';
import { CLEARANCES } from '../../protocol/machines/terminal/clearance.ts';
import type { TerminalSettings } from '../../protocol/machines/terminal/state.ts';
import { refusalNumber } from '../../protocol/refusals.ts';
import { requestHash } from '../../protocol/vouchers.ts';
import type { Message, MessageOf } from '../../protocol/wire/messages.ts';
import {
  CHANNEL,
  hex,
  keys,
  lease,
  link,
  makeTerminal,
  type Payer,
  provisioned,
  restartTerminal,
  sale,
  signing,
  START,
  startPayer,
  type Terminal,
  unlink,
} from './bench.ts';
import { acknowledgement, later } from './forge.ts';

/** Above the bench's tap limit of 1.75. */
const LUNCH = 20_000_000;

const hashOf = ({ terminal, amount: sum, at, detail }: MessageOf<'clearanceRequest'>): Uint8Array =>
  requestHash(signing, { terminal, amount: sum, at, detail });

async function clearance(
  asked: MessageOf<'clearanceRequest'>,
  change: Partial<MessageOf<'lease'>> = {},
): Promise<MessageOf<'lease'>> {
  return lease({
    tapLimit: asked.amount,
    cap: amount(0),
    spentFrom: asked.spent,
    expiresAt: seconds(START + clearanceLife(DEFAULT_TIMING)),
    scope: hashOf(asked),
    ...change,
  });
}

/** A hub that clears whatever it is asked, unless `answer` says otherwise. */
function hub(terminal: Terminal, answer = clearance): MessageOf<'clearanceRequest'>[] {
  const asked: MessageOf<'clearanceRequest'>[] = [];
  terminal.uplink = async (message: Message) => {
    if (message.type !== 'clearanceRequest') return;
    asked.push(message);
    await terminal.on({ type: 'hubMessage', message: await answer(message) });
  };
  return asked;
}

async function meet(
  change: { payer?: Partial<PayerSettings>; terminal?: Partial<TerminalSettings>; connected?: boolean } = {},
): Promise<{ payer: Payer; terminal: Terminal }> {
  const terminal = await makeTerminal({ settings: { clearances: CLEARANCES, ...change.terminal } });
  const payer = await startPayer(await provisioned(), { settings: change.payer ?? {} });
  if (change.connected !== false) await terminal.on({ type: 'hubConnected' });
  return { payer, terminal };
}

const said = (terminal: Terminal): string[] => terminal.sent.map(({ type }) => type);
const ended = (terminal: Terminal): number =>
  terminal.uploads.filter(({ type }) => type === 'clearanceEnded').length;
const entry = (terminal: Terminal): Uint8Array =>
  (terminal.state.books.outbox.at(-1) as { entry: Uint8Array }).entry;

test('a sale above the limits is asked about, cleared, paid, and handed in at once', async () => {
  const { payer, terminal } = await meet();
  const asked = hub(terminal);
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  assert.is(asked.length, 1);
  assert.equal(
    terminal.said('approved').map((notice) => notice.amount),
    [LUNCH],
  );
  const told = said(terminal).filter((type) => type !== 'need');
  assert.equal(told, ['request', 'certificate', 'clearanceQuestion', 'lease', 'request', 'receipt']);
  assert.is(terminal.uploads.at(-1)!.type, 'pack', 'uploaded with the receipt');
  assert.is(payer.said('paid').length, 1);
  const [waiting] = terminal.state.books.outbox;
  assert.is(waiting!.exposure, 0, 'the hub holds the money: nothing is at risk here');
  assert.equal(terminal.records.at(-1)!.type, 'cleared');
  assert.equal(payer.state.books.cleared, { day: Math.floor(START / 86_400), sum: LUNCH });
});

test('with no hub it is refused as before, and so it is by a terminal that clears nothing', async () => {
  for (const change of [{ connected: false }, { terminal: { clearances: undefined as never } }]) {
    const { payer, terminal } = await meet(change);
    await terminal.on(sale(LUNCH));
    await link(payer, terminal);
    assert.equal(payer.refused, ['over_tap_limit']);
    assert.is(payer.state.books.seq, 0, 'nothing was signed');
  }
});

test('a lease that is in RAM is enough to ask at once', async () => {
  const { payer, terminal } = await meet();
  const asked = hub(terminal);
  await terminal.on(sale(1000, 1));
  await link(payer, terminal);
  await terminal.on(sale(LUNCH, 2));
  assert.is(asked.length, 1);
  assert.is(said(terminal).filter((type) => type === 'request').length, 2, 'each request goes out once');
  assert.is(terminal.said('approved').length, 2);
});

test('what one channel may owe offline is no limit with the hub at hand', async () => {
  const { payer, terminal } = await meet({ terminal: { capChannel: amount(1000) } });
  const asked = hub(terminal);
  for (const n of [1, 2]) {
    await terminal.on(sale(1000, n));
    await link(payer, terminal);
    await unlink(payer, terminal);
  }
  assert.is(asked.length, 1, 'the second is above what may wait');
  assert.is(terminal.said('approved').length, 2);
});

test('at most one cleared sale waits for its acknowledgement', async () => {
  const { payer, terminal } = await meet();
  const asked = hub(terminal);
  await terminal.on(sale(LUNCH, 1));
  await link(payer, terminal);
  await terminal.on(sale(LUNCH, 2));
  assert.equal(terminal.refused, ['clearance_waits']);
  const again = await restartTerminal(terminal, { settings: { clearances: CLEARANCES } });
  assert.is(again.state.books.outbox[0]!.exposure, 0, 'and a restart does not forget which one');
  await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry(terminal)) });
  await unlink(payer, terminal);
  await terminal.on(sale(LUNCH, 3));
  await link(payer, terminal);
  assert.is(asked.length, 2);
  assert.is(terminal.said('approved').length, 2);
});

test('above the limit of its owner the device asks its person, also at the second tap', async () => {
  const { payer, terminal } = await meet({ payer: { confirmLimit: amount(LUNCH - 1) } });
  const asked = hub(terminal);
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  assert.is(asked.length, 0);
  const [wanted] = payer.said('confirmWanted');
  assert.is(wanted!.amount, LUNCH);
  await unlink(payer, terminal);
  await payer.on({ type: 'confirm', request: wanted!.request, yes: true });
  assert.is(asked.length, 0, 'nobody is there');
  await link(payer, terminal);
  assert.is(terminal.said('approved').length, 1);
});

test('a no ends it, and what was said of another request counts nothing', async () => {
  const { payer, terminal } = await meet({ payer: { confirmLimit: amount(0) } });
  hub(terminal);
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  await payer.on({ type: 'confirm', request: new Uint8Array(32), yes: true });
  assert.is(terminal.said('approved').length, 0);
  const [wanted] = payer.said('confirmWanted');
  await payer.on({ type: 'confirm', request: wanted!.request, yes: false });
  assert.is(payer.refused.at(-1), 'declined');
  await payer.on({ type: 'confirm', request: wanted!.request, yes: true });
  assert.is(terminal.said('approved').length, 0);
});

test('a day has its limit to the unit, the next day its own, and a restart forgets nothing of it', async () => {
  const { payer, terminal } = await meet({ payer: { dayLimit: amount(2 * LUNCH) } });
  let issuedAt = START;
  hub(terminal, (asked) => clearance(asked, { issuedAt }));
  const buy = async (n: number): Promise<void> => {
    await terminal.on(sale(LUNCH, n));
    await link(payer, terminal);
    await unlink(payer, terminal);
    const waiting = terminal.state.books.outbox.length > 0;
    if (waiting) await terminal.on({ type: 'hubMessage', message: await acknowledgement(entry(terminal)) });
  };
  await buy(1);
  await buy(2);
  assert.is(terminal.said('approved').length, 2);
  assert.equal(snapshot(payer.state.books).reduce(applyRecord, EMPTY_PAYER).cleared.sum, 2 * LUNCH);
  await buy(3);
  assert.is(payer.refused.at(-1), 'over_day_limit');
  issuedAt = later(24);
  await buy(4);
  assert.is(terminal.said('approved').length, 3);
});

test('a payer takes no clearance of another request, and keeps none as its lease', async () => {
  const { payer, terminal } = await meet();
  hub(terminal, (asked) => clearance(asked, { scope: new Uint8Array(32).fill(7) }));
  const before = payer.state.books.lease;
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  assert.is(terminal.said('approved').length, 0);
  assert.is(payer.state.books.seq, 0);
  const other = await lease({ cap: amount(0), scope: new Uint8Array(32).fill(8), issuedAt: later(1) });
  await payer.on({ type: 'message', message: other, random: new Uint8Array(32) });
  assert.is(payer.state.books.lease, before);
});

test('a stranger clears nothing', async () => {
  const { payer, terminal } = await meet();
  hub(terminal, async (asked) => {
    const { type: _, signature: __, ...fields } = await clearance(asked);
    return lease(fields, keys.stranger);
  });
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  assert.is(terminal.said('approved').length, 0);
  assert.ok(terminal.state.volatile.open?.clearing?.held === undefined);
});

test('a clearance ends, and a voucher after it is refused', async () => {
  const { payer, terminal } = await meet();
  hub(terminal, (asked) => clearance(asked, { expiresAt: seconds(START - 1) }));
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  assert.is(payer.refused.at(-1), 'lease_expired');
  assert.is(terminal.said('approved').length, 0);
});

test('what the hub refuses is said on both sides, and the sale stays open', async () => {
  const { payer, terminal } = await meet();
  terminal.uplink = async (message) => {
    if (message.type !== 'clearanceRequest') return;
    const { channel, seq, spent, askedAt: at } = message;
    const digest = signing.digest('LeaseRequest', { channel, seq, spent, at, scope: hashOf(message) });
    const code = refusalNumber('not_free');
    await terminal.on({ type: 'hubMessage', message: { type: 'rejection', entry: digest, code } });
  };
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  for (const device of [payer, terminal])
    assert.ok(device.said('refused').some(({ code }) => code === 'not_free'));
  assert.ok(terminal.state.volatile.open !== undefined);
  assert.is(terminal.state.volatile.open!.clearing, undefined);
  assert.is(ended(terminal), 0, 'nothing was reserved');
});

test('dropped, replaced, timed out: the hub is told after it is gone, and only where it was asked', async () => {
  const ends: ((terminal: Terminal) => Promise<void>)[] = [
    (terminal) => terminal.on({ type: 'cancel' }),
    (terminal) => terminal.on(sale(5, 9)),
    async (terminal) => {
      terminal.nowMs += 120_000;
      await terminal.on({ type: 'clock', realTime: START });
    },
  ];
  for (const end of ends) {
    const { payer, terminal } = await meet();
    // The clearance never comes.
    await terminal.on(sale(LUNCH));
    await link(payer, terminal);
    await unlink(payer, terminal);
    const hash = terminal.state.volatile.open!.hash;
    assert.is(ended(terminal), 0);
    await end(terminal);
    const told = terminal.uploads.filter(({ type }) => type === 'clearanceEnded');
    assert.equal(
      told.map((message) => hex((message as MessageOf<'clearanceEnded'>).request)),
      [hex(hash)],
    );
    const [message] = told as MessageOf<'clearanceEnded'>[];
    assert.ok(signing.signedBy('ClearanceEnded', message!, message!.signature, keys.terminal.address));
  }
  const { terminal } = await meet();
  await terminal.on(sale(LUNCH));
  await terminal.on({ type: 'cancel' });
  assert.is(ended(terminal), 0, 'nobody was asked');
});

test('somebody else who pays the open request within the limits frees what was reserved for the first', async () => {
  const { payer, terminal } = await meet();
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  await unlink(payer, terminal);
  assert.ok(terminal.state.volatile.open!.clearing !== undefined);
  const other = await startPayer(await provisioned({ channel: 8 as never, tapLimit: amount(2 * LUNCH) }));
  other.state = { ...other.state, books: { ...other.state.books, channel: 8 as never } };
  await link(other, terminal);
  assert.is(terminal.said('approved').length, 1);
  assert.is(ended(terminal), 1);
  assert.is(terminal.state.books.outbox[0]!.exposure, LUNCH, 'this one is at risk');
});

test('no word is lost for good: the payer says again that it would pay', async () => {
  const { payer, terminal } = await meet();
  let deaf = true;
  const asked: Message[] = [];
  terminal.uplink = async (message) => {
    if (message.type !== 'clearanceRequest') return;
    asked.push(message);
    if (!deaf) await terminal.on({ type: 'hubMessage', message: await clearance(message) });
  };
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  deaf = false;
  payer.nowMs += 3_001;
  await payer.on({ type: 'clock', realTime: START });
  assert.is(asked.length, 2);
  assert.is(terminal.said('approved').length, 1);
});

test('a restart forgets the request: what comes late is void, and nothing is released', async () => {
  const { payer, terminal } = await meet();
  hub(terminal);
  await terminal.on(sale(LUNCH));
  await link(payer, terminal, (message) => message.type === 'voucher');
  await unlink(payer, terminal);
  assert.is(payer.state.books.unconfirmed.length, 1);
  const again = await restartTerminal(terminal, { settings: { clearances: CLEARANCES } });
  await link(payer, again);
  assert.is(again.said('voided').length, 1);
  assert.is(payer.state.books.unconfirmed.length, 0);
  assert.is(ended(again), 0);
  assert.is(payer.state.books.cleared.sum, LUNCH, 'a day counts what was signed');
});

test('the question of another channel does not go to the hub', async () => {
  const { payer, terminal } = await meet();
  await terminal.on(sale(LUNCH));
  await link(payer, terminal);
  const sent = payer.sent.find(({ type }) => type === 'clearanceRequest') as MessageOf<'clearanceRequest'>;
  for (const [change, code] of [
    [{ channel: 9 as never }, 'channel_mismatch'],
    [{ amount: amount(1) }, 'no_open_request'],
  ] as const) {
    const uploads = terminal.uploads.length;
    await terminal.on({ type: 'message', message: { ...sent, ...change } });
    assert.is(terminal.refused.at(-1), code);
    assert.is(terminal.uploads.length, uploads);
  }
  assert.is(CHANNEL, sent.channel);
});

test.run();
