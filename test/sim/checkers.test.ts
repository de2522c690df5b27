/**
 * Each checker of the simulator by itself: silent while its promise holds, right to the edge, and in words when it is
 * broken, one way after the other. Not checked here: that runs bring such things about (hunt, sim:plants), and
 * paid-or-attributed (checkers-paid.test.ts).
 */
import { readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { acknowledgedIsKept } from '../../simulators/checkers/acknowledged-is-kept.ts';
import { approvedIsStored } from '../../simulators/checkers/approved-is-stored.ts';
import type { Checker, MakeChecker } from '../../simulators/checkers/checker.ts';
import { conservation } from '../../simulators/checkers/conservation.ts';
import { drains } from '../../simulators/checkers/drains.ts';
import { frozenHandsIn } from '../../simulators/checkers/frozen-hands-in.ts';
import { followsL2 } from '../../simulators/checkers/follows-l2.ts';
import { equivocationProved } from '../../simulators/checkers/equivocation-proved.ts';
import { CHECKERS } from '../../simulators/checkers/index.ts';
import { keyThiefEnds } from '../../simulators/checkers/key-thief-ends.ts';
import { lateIsVoid } from '../../simulators/checkers/late-is-void.ts';
import { linksAreQuiet } from '../../simulators/checkers/links-are-quiet.ts';
import { scopeIsSmall } from '../../simulators/checkers/scope-is-small.ts';
import { uniqueSeq } from '../../simulators/checkers/unique-seq.ts';
import { withinTheLease } from '../../simulators/checkers/within-the-lease.ts';
import { bytesKey, trieSet } from '../../hub/intake/trie.ts';
import { Bench, otherPayee, otherTerminal, tap } from '../hub/fleet.ts';

/** A checker over what stands in for a run, and what it reported. */
function watch(make: MakeChecker, run: object = {}): { checker: Required<Checker>; said: string[] } {
  const said: string[] = [];
  const checker = make(run as never, (words) => said.push(words));
  return { checker: checker as Required<Checker>, said };
}
const id = (n: number): Uint8Array => new Uint8Array(32).fill(n);
/** Whether it said exactly one thing, with these words in it. */
function once(said: string[], words: string): void {
  assert.is(said.length, 1, said.join('; ') || `nothing was said of: ${words}`);
  assert.ok(said[0]!.includes(words), said[0]);
  said.length = 0;
}

test('all checkers are asked, each once', () => {
  const names = CHECKERS.map((make) => make({} as never, () => undefined).name);
  const files = readdirSync('simulators/checkers').filter((file) =>
    /^(?!checker\.|index\.).*\.ts$/.test(file),
  );
  assert.equal([names.length, new Set(names).size], [files.length, files.length]);
});

test('conservation: every unit is somewhere', () => {
  const { checker, said } = watch(conservation);
  const lane = { settled: 30, madeGood: 5, credited: 10 };
  const channel = {
    lanes: new Map([['a', lane]]),
    deposited: 100,
    credited: 10,
    bond: 20,
    free: 25,
    returned: 7,
    pot: 11,
    potKept: 12,
  };
  const look = (change: object): void =>
    checker.vaultChanged({ touched: [1, 2], channels: new Map([[1, { ...channel, ...change }]]) } as never);
  look({});
  assert.equal(said, []);
  for (const key of ['deposited', 'bond', 'free', 'returned', 'pot', 'potKept'] as const) {
    look({ [key]: channel[key] + 1 });
    once(said, 'came in');
    look({ [key]: channel[key] - 1 });
    once(said, 'came in');
  }
  for (const key of ['settled', 'madeGood'] as const) {
    look({ lanes: new Map([['a', { ...lane, [key]: lane[key] + 1 }]]) });
    once(said, 'came in');
  }
  look({ lanes: new Map([['a', { ...lane, credited: 9 }]]) });
  once(said, 'another sum');
  look({ lanes: new Map([['a', { ...lane, credited: 30 }]]), credited: 30, deposited: 80 });
  assert.equal(said, []);
  look({ lanes: new Map([['a', { ...lane, credited: 31 }]]), credited: 31, deposited: 79 });
  once(said, 'more than it settled');
  for (const key of ['free', 'bond', 'pot'] as const) {
    look({ [key]: 0, deposited: channel.deposited - channel[key] });
    assert.equal(said, []);
    look({ [key]: -1, deposited: channel.deposited - channel[key] - 1 });
    once(said, 'less than nothing');
  }
});

test('a key thief ends: what only it acknowledged waits again, and its key counts no more', () => {
  const spare = { address: id(90).slice(0, 20) };
  const durable = new Map<string, number>();
  const { checker, said } = watch(keyThiefEnds, {
    root: { spare, keys: [] },
    hub: { durable },
    fleet: { terminals: [] },
  });
  const made = () => {
    const books = { outbox: [] as object[], hub: { revoked: [] as object[], certified: [] as object[] } };
    const device = { name: 'pos-1', frozen: false, key: { dead: false }, storedBooks: books };
    return { honest: true, settings: { outboxMax: 16 }, device };
  };
  let till = made();
  const notice = (type: string, n: number) =>
    checker.terminalNotice(till as never, { type, voucher: id(n), entry: id(n) } as never);
  const revoked = () => {
    till.device.storedBooks.hub.revoked = [spare];
    checker.terminalStarted(till as never);
  };
  const waits = (...numbers: number[]) => {
    till.device.storedBooks.outbox = numbers.map((n) => ({ kind: 'voucher', entry: id(n) }));
  };
  const sold = (...numbers: number[]) => {
    till = made();
    for (const n of numbers) notice('approved', n);
    for (const n of numbers) notice('acknowledged', n);
  };
  sold(1, 2);
  waits(1);
  revoked();
  once(said, 'only a thief');
  sold(3, 4);
  waits(3);
  durable.set(bytesKey(id(4)), 0);
  revoked();
  assert.equal(said, [], 'one waits, and the hub has the other');
  notice('acknowledged', 3);
  once(said, 'after the revocation');
  // Six eighths of sixteen places, less one: no more than five are owed.
  sold(11, 12, 13, 14, 15, 16);
  waits(12, 13, 14, 15, 16);
  revoked();
  assert.equal(said, []);
  sold(21);
  till.device.frozen = true;
  notice('acknowledged', 21);
  assert.equal(said, [], 'a frozen one stores nothing');
});

test('unique seq: one voucher a seq and one preimage a tick, of an honest payer', () => {
  const { checker, said } = watch(uniqueSeq);
  const payer = { honest: true, channel: 7, device: { name: 'car-1' } };
  const send = (message: object, by: object = payer) => checker.payerSent(by as never, message as never);
  const signature = (n: number) => new Uint8Array(64).fill(n);
  send({ type: 'voucher', seq: 1, signature: signature(1) });
  for (const type of ['voucher', 'resolveVoucher', 'stream', 'resolveStream'] as const) {
    send({ type, seq: 1, signature: signature(1) });
    assert.equal(said, []);
    send({ type, seq: 1, signature: signature(2) });
    once(said, 'seq 1');
  }
  for (let at = 16; at < 22; at++) {
    const other = signature(1);
    other[at] = 9;
    send({ type: 'voucher', seq: 1, signature: other });
    once(said, 'seq 1');
  }
  send({ type: 'voucher', seq: 2, signature: signature(2) });
  send({ type: 'tick', seq: 2, k: 1, preimage: id(1) });
  send({ type: 'tick', seq: 2, k: 2, preimage: id(2) });
  send({ type: 'tick', seq: 3, k: 1, preimage: id(3) });
  send({ type: 'tick', seq: 2, k: 1, preimage: id(1) });
  send({ type: 'hello' });
  send({ type: 'voucher', seq: 1, signature: signature(5) }, { ...payer, channel: 8 });
  send({ type: 'voucher', seq: 1, signature: signature(6) }, { ...payer, honest: false });
  assert.equal(said, []);
  send({ type: 'tick', seq: 2, k: 1, preimage: id(4) });
  once(said, 'seq 2');
  const late = id(2);
  late[5] = 0;
  send({ type: 'tick', seq: 2, k: 2, preimage: late });
  once(said, 'seq 2');
});

/** A till whose books hold what is handed in. */
const till = (books: object, device: object = {}) => ({
  device: {
    name: 'pos-1',
    clockRuns: true,
    clockOffset: 0,
    key: { dead: false, lateMs: 0 },
    storedBooks: { lanes: [], outbox: [], revoked: [], hub: { revoked: [] }, ...books },
    ...device,
  },
  merchant: { district: 0 },
});
const approved = (voucher: Uint8Array, type = 'approved') => ({ type, channel: 7, voucher });

test('approved is stored: lane and outbox hold it, once, and nothing voids it later', () => {
  const lane = { channel: 7, digest: id(1) };
  const waiting = { kind: 'voucher', entry: id(1) };
  for (const type of ['approved', 'streamOpened']) {
    const { checker, said } = watch(approvedIsStored);
    const notice = (books: object, of: object) => checker.terminalNotice(till(books) as never, of as never);
    notice({ lanes: [], outbox: [waiting] }, approved(id(1), type));
    once(said, 'not stored');
    notice({ lanes: [{ ...lane, digest: id(2) }], outbox: [waiting] }, approved(id(1), type));
    once(said, 'not stored');
    notice({ lanes: [{ ...lane, channel: 8 }], outbox: [waiting] }, approved(id(1), type));
    once(said, 'not stored');
    for (const other of [
      { kind: 'tick', entry: id(1) },
      { kind: 'voucher', entry: id(3) },
    ]) {
      const fresh = watch(approvedIsStored);
      fresh.checker.terminalNotice(
        till({ lanes: [lane], outbox: [other] }) as never,
        approved(id(1), type) as never,
      );
      once(fresh.said, 'does not wait');
    }
    notice({ lanes: [lane], outbox: [waiting] }, approved(id(1), type));
    assert.equal(said, []);
    notice({ lanes: [lane], outbox: [waiting] }, approved(id(1), type));
    once(said, 'twice');
    notice({}, { type: 'voided', voucher: id(2) });
    assert.equal(said, []);
    notice({}, { type: 'voided', voucher: id(1) });
    once(said, 'voided it later');
  }
  const { checker, said } = watch(approvedIsStored);
  const deliver = (k: number, lanes: object[]) =>
    checker.terminalNotice(till({ lanes }) as never, { type: 'deliver', channel: 7, k } as never);
  deliver(3, [{ ...lane, stream: { k: 3 } }]);
  deliver(2, [{ ...lane, stream: { k: 3 } }]);
  assert.equal(said, []);
  deliver(4, [{ ...lane, stream: { k: 3 } }]);
  once(said, 'tick 4');
  deliver(1, [lane]);
  once(said, 'tick 1');
  deliver(1, [{ channel: 8, stream: { k: 3 } }]);
  once(said, 'tick 1');
});

test('late is void: only what is open is approved', () => {
  const run = (voucher: Uint8Array, request: Uint8Array) => ({
    kind: 'voucher',
    entry: voucher,
    collected: { voucher: { request } },
  });
  const { checker, said } = watch(lateIsVoid);
  const terminal = till({ outbox: [run(id(1), id(11)), run(id(2), id(12)), { kind: 'tick' }] }) as never;
  const hears = (notice: object) => checker.terminalNotice(terminal, notice as never);
  for (const type of ['approved', 'streamOpened']) {
    hears(approved(id(1), type));
    once(said, 'no longer open');
    hears({ type: 'requested', request: id(11) });
    hears(approved(id(1), type));
    assert.equal(said, []);
    hears(approved(id(2), type));
    once(said, 'no longer open');
    checker.cancelled(terminal);
    hears(approved(id(1), type));
    once(said, 'no longer open');
  }
  hears({ type: 'requested', request: id(11) });
  checker.terminalNotice(till({ outbox: [run(id(1), id(11))] }) as never, approved(id(1)) as never);
  once(said, 'no longer open');
  // What is not in the outbox is another checker's.
  hears(approved(id(9)));
  assert.equal(said, []);
});

test('links are quiet: so many messages a minute, and no more', () => {
  const world = { nowMs: 59_000 };
  const { checker, said } = watch(linksAreQuiet, { world });
  const send = (count: number, index = 1) => {
    for (let n = 0; n < count; n++)
      checker.payerSent({ device: { index, name: `car-${index}` } } as never, { type: 'voucher' } as never);
  };
  send(1499);
  send(1499, 2);
  assert.equal(said, []);
  world.nowMs = 60_000;
  send(1499);
  assert.equal(said, []);
  world.nowMs = 119_999;
  send(1);
  once(said, 'car-1 sent 1500 messages');
  send(100);
  assert.equal(said, [], 'once a minute');
});

test('links are quiet: of a stream few ticks go out twice at once, but on a new link', () => {
  const world = { nowMs: 0 };
  const { checker, said } = watch(linksAreQuiet, { world });
  const send = (k: number, atMs: number, seq = 7, type: 'tick' | 'hello' = 'tick') => {
    world.nowMs = atMs;
    checker.payerSent({ device: { index: 1, name: 'car-1' } } as never, { type, seq, k } as never);
  };
  let k = 0;
  const echo = (seq = 7, laterMs = 399): void => {
    k += 1;
    send(k, 10_000 * k, seq);
    send(k, 10_000 * k + laterMs, seq);
  };
  for (let n = 0; n < 9; n++) echo(7, 400);
  for (let n = 0; n < 4; n++) echo();
  // Three times is no other than twice.
  send(k, world.nowMs + 10);
  k += 1;
  send(k, 10_000 * k);
  send(0, 10_000 * k + 1, 0, 'hello');
  send(k, 10_000 * k + 2);
  for (let n = 0; n < 4; n++) echo(8);
  assert.equal(said, [], 'counted for each stream');
  echo(8);
  once(said, 'car-1 sent 5 ticks of a stream twice within 400 ms');
  echo(8);
  assert.equal(said, [], 'once a stream');
});

test('acknowledged is kept: durable before it is said, and ever after', () => {
  const hub = { durable: new Map([['aa', 3]]), ledgerSize: 4, lost: false, knows: () => !hub.lost };
  const { checker, said } = watch(acknowledgedIsKept, { hub });
  checker.acknowledged('aa', 3);
  assert.equal(said, []);
  checker.acknowledged('bb', 3);
  once(said, 'before it was durable');
  checker.acknowledged('aa', 4);
  once(said, 'beyond the ledger');
  for (let at = 4; at < 5000; at++) hub.durable.set(`entry ${at}`, at);
  hub.ledgerSize = 5000;
  hub.durable.set('unsaid', 4998);
  checker.acknowledged('entry 4999', 4999);
  checker.hubStarted();
  checker.finished();
  assert.equal(said, []);
  hub.lost = true;
  checker.hubStarted();
  once(said, 'after its restart');
  checker.finished();
  once(said, 'lost acknowledged');
  hub.durable = new Map([
    ['aa', 7],
    ['entry 4999', 8],
  ]);
  checker.finished();
  assert.equal(said, [], 'what was never acknowledged may go');
  hub.durable = new Map([['entry 4999', 4999]]);
  checker.finished();
  once(said, 'lost acknowledged');
});

test('frozen hands in: each damaged place costs one voucher at most', () => {
  const address = id(9).subarray(0, 20);
  const run = (change: object, damages: number, known = true) => {
    const device = { name: 'pos-1', frozen: true, key: { dead: false, address }, ...change };
    const terminal = { honest: true, device } as never;
    const terminals = known ? trieSet(undefined, bytesKey(address), address) : undefined;
    const { checker, said } = watch(frozenHandsIn, {
      hub: { state: { terminals } },
      damagesOf: () => damages,
    });
    for (const n of [1, 2, 3])
      checker.terminalNotice(terminal, {
        type: 'approved',
        voucher: id(n),
        channel: 1 as never,
        amount: 5 as never,
      });
    checker.terminalNotice(terminal, { type: 'endWanted', channel: 1 as never });
    checker.acknowledged(bytesKey(id(1)), 0);
    checker.acknowledged(bytesKey(id(8)), 1);
    checker.finished();
    return said;
  };
  assert.equal(run({}, 2), []);
  once(run({}, 1), 'damaged in 1 places, kept 2 vouchers');
  once(run({ frozen: false, key: { dead: true, address } }, 0), 'kept 2');
  assert.equal(run({ frozen: false }, 0), [], 'what waits at others is not asked here');
  assert.equal(run({}, 0, false), [], 'the hub never heard of it');
});

test('frozen hands in: a till that starts frozen has all vouchers but one for each damaged place', () => {
  const holding = (...numbers: number[]) => ({
    outbox: [...numbers.map((n) => ({ kind: 'voucher', entry: id(n) })), { kind: 'tick', stream: id(7) }],
  });
  const froze = (damages: number, honest = true) => {
    const { checker, said } = watch(frozenHandsIn, { damagesOf: () => damages });
    const device = { name: 'pos-1', books: holding(1), storedBooks: holding(1, 2, 3) };
    checker.terminalFroze({ honest, device } as never);
    return said;
  };
  assert.equal(froze(2), []);
  once(froze(1), 'without 2 of its vouchers');
  assert.equal(froze(1, false), []);
});

test('drains: nothing waits in the end, but on what was damaged', () => {
  const unconfirmed = [
    { kind: 'tick', terminal: id(1) },
    { kind: 'voucher', request: { terminal: id(2) } },
  ];
  const run = (change: { terminal?: object; payer?: object; damaged?: boolean; broken?: Uint8Array[] }) => {
    const books = { outbox: [], unconfirmed: [] };
    const terminal = {
      device: { name: 'pos-1', frozen: false, key: { dead: false }, storedBooks: books, ...change.terminal },
    };
    const payer = {
      honest: true,
      device: { name: 'car-1', frozen: false, key: { dead: false }, storedBooks: books },
      ...change.payer,
    };
    return {
      fleet: { terminals: [terminal], payers: [payer] },
      isDamaged: () => change.damaged ?? false,
      isFrozenTerminal: (address: Uint8Array) => (change.broken ?? []).includes(address),
    };
  };
  const finish = (change: Parameters<typeof run>[0]): string[] => {
    const { checker, said } = watch(drains, run(change));
    checker.finished();
    return said;
  };
  const device = (fields: object) => ({ name: 'car-1', frozen: false, key: { dead: false }, ...fields });
  assert.equal(finish({}), []);
  once(finish({ terminal: { frozen: true } }), 'pos-1 froze');
  assert.equal(finish({ terminal: { frozen: true }, damaged: true }), []);
  const full = { outbox: [{ kind: 'credit' }, { kind: 'tick' }], unconfirmed: [] };
  once(finish({ terminal: { storedBooks: full } }), 'pos-1 still holds 2 entries (credit)');
  assert.equal(finish({ terminal: { frozen: true, storedBooks: full }, damaged: true }), []);
  once(finish({ payer: { device: device({ storedBooks: full }) } }), 'car-1 still holds 2 copies');
  assert.equal(finish({ payer: { honest: false, device: device({ storedBooks: full }) } }), []);
  once(finish({ payer: { device: device({ frozen: true, storedBooks: full }) } }), 'car-1 froze');
  assert.equal(finish({ payer: { device: device({ frozen: true, storedBooks: full }) }, damaged: true }), []);
  const open = { payer: { device: device({ storedBooks: { outbox: [], unconfirmed } }) } };
  once(finish(open), 'car-1 still has 2 vouchers without an answer');
  const [tick, voucher] = [unconfirmed[0]!.terminal!, unconfirmed[1]!.request!.terminal];
  once(finish({ ...open, broken: [tick] }), 'still has 1 vouchers');
  once(finish({ ...open, broken: [voucher] }), 'still has 1 vouchers');
  assert.equal(finish({ ...open, broken: [tick, voucher] }), []);
});

test('equivocation proved: a proof for every contradiction, and none against the honest', async () => {
  const bench = new Bench();
  const proofs = new Map<number, object>();
  const payers = [{ channel: 7, honest: false, device: { name: 'car-1' } }];
  const hub = { proofs: () => proofs, books: bench.state.books, l2: { buries: false } };
  const fleet = { payers, payerOf: () => payers[0] };
  const world = { nowMs: 1000 };
  const vault = { channel: () => ({ potOpened: pot }) };
  let pot = 0;
  const { checker, said } = watch(equivocationProved, { hub, fleet, world, vault });
  const take = async (fields: Parameters<typeof tap>[0]) => {
    bench.send((await tap(fields)).bytes);
    hub.books = bench.state.books;
  };
  checker.evidence({ channel: 7 } as never);
  assert.equal(said, []);
  payers[0]!.honest = true;
  checker.evidence({ channel: 7 } as never);
  once(said, 'car-1, which is honest');
  payers[0]!.honest = false;
  await take({ seq: 1, amount: 100, spent: 100, paid: 100 });
  await take({ seq: 2, amount: 30, spent: 130, paid: 30, payee: otherPayee, terminal: otherTerminal });
  const stream = { tickValue: 5, ticks: 4, seed: id(8) };
  await take({ seq: 3, amount: 0, spent: 130, paid: 100, stream });
  checker.finished();
  assert.equal(said, []);
  await take({ seq: 9, amount: 10, spent: 139, paid: 110 });
  checker.finished();
  once(said, 'contradict each other');
  payers[0]!.honest = true;
  checker.finished();
  assert.equal(said, []);
  payers[0]!.honest = false;
  proofs.set(7, {});
  checker.finished();
  assert.equal(said, []);
  // The hub has an hour to bring it to L2.
  world.nowMs += 3_600_000;
  checker.finished();
  assert.equal(said, []);
  world.nowMs += 1;
  checker.finished();
  once(said, 'its bond is where it was');
  hub.l2.buries = true;
  checker.finished();
  assert.equal(said, []);
  hub.l2.buries = false;
  pot = 1;
  checker.finished();
  assert.equal(said, []);
});

/** One approved voucher of 10, from 100 to 110, at a till; every part may be another. */
function acceptance(change: {
  lease?: object;
  books?: object;
  device?: object;
  now?: number;
  voucher?: object;
  scope?: Uint8Array;
}) {
  const world = { nowSeconds: change.now ?? 1000 };
  const fleet = { scopeOf: () => change.scope };
  const { checker, said } = watch(withinTheLease, { world, fleet, timing: DEFAULT_TIMING });
  const lease = {
    scope: id(0),
    channel: 7,
    spentFrom: 100,
    spendLimit: 110,
    tapLimit: 10,
    issuedAt: 500,
    expiresAt: 1000,
  };
  checker.leased({ ...lease, ...change.lease } as never);
  const collected = { voucher: { spent: 110, ...change.voucher }, request: { amount: 10 } };
  const outbox = [{ kind: 'voucher', channel: 7, entry: id(1), exposure: 10, collected }];
  const terminal = till({ outbox, ...change.books }, change.device) as never;
  const hears = (notice: object) => checker.terminalNotice(terminal, notice as never);
  return { said, hears, checker, outbox };
}

test('within the lease: limits, life, revocations and the cap, each to its edge', () => {
  const after = (change: Parameters<typeof acceptance>[0], type = 'approved'): string[] => {
    const { said, hears } = acceptance(change);
    hears(approved(id(1), type));
    return said;
  };
  for (const type of ['approved', 'streamOpened']) {
    assert.equal(after({}, type), []);
    once(after({ lease: { spentFrom: 101 } }, type), '100 to 110');
    once(after({ lease: { spendLimit: 109 } }, type), '100 to 110');
    once(after({ lease: { tapLimit: 9 } }, type), '100 to 110');
    once(after({ lease: { channel: 8 } }, type), '100 to 110');
  }
  assert.equal(after({ now: 1005 }), []);
  once(after({ now: 1006 }), '6 s after its lease');
  assert.equal(after({ device: { key: { lateMs: 1001 } }, now: 1007 }), [], 'its key takes that long');
  const { clockError } = DEFAULT_TIMING;
  const early = { issuedAt: 10_000, expiresAt: 20_000 };
  assert.equal(after({ lease: early, now: 10_000 - clockError - 5 }), []);
  once(after({ lease: early, now: 10_000 - clockError - 6 }), 'after its lease');
  for (const device of [{ clockRuns: false }, { clockOffset: 1 }]) {
    assert.equal(after({ device, now: 1005 + clockError }), []);
    once(after({ device, now: 1006 + clockError }), 'after its lease');
  }
  assert.equal(after({ scope: id(5), lease: { scope: id(5) } }), []);
  once(after({ scope: id(5), lease: { scope: id(6) } }), 'which no lease allows');
  assert.equal(after({ books: { revoked: [8] } }), []);
  once(after({ books: { revoked: [8, 7] } }), 'knows to be revoked');
  const { outbox } = acceptance({});
  const more = (exposure: number, channel = 7) => ({
    books: { outbox: [...outbox, { kind: 'tick', channel, exposure }] },
  });
  assert.equal(after(more(10)), []);
  once(after(more(11)), 'owe 21, above the cap of 20');
  assert.equal(after(more(500, 8)), []);
});

test('within the lease: a tick stands on a lease too, and any lease of the channel will do', () => {
  const stream = { voucher: { kind: 'stream', spent: 100, tickValue: 3 } };
  const lanes = [{ channel: 7, stream }];
  const tick = (k: number, lease: object = {}): string[] => {
    const { said, hears } = acceptance({ lease, books: { lanes } });
    hears({ type: 'deliver', channel: 7, k });
    return said;
  };
  assert.equal(tick(3), []);
  once(tick(4), '112 to 112');
  assert.equal(tick(3, { spentFrom: 109, tapLimit: 1 }), ['pos-1 lets channel 7 owe 10, above the cap of 2']);
  once(tick(3, { spentFrom: 110 }), '109 to 109');
  const { said, hears, checker } = acceptance({ lease: { expiresAt: 1 }, now: 1000 });
  checker.leased({
    channel: 7,
    spentFrom: 0,
    spendLimit: 500,
    tapLimit: 10,
    issuedAt: 500,
    expiresAt: 1000,
  } as never);
  hears(approved(id(1)));
  assert.equal(said, []);
  const tampered = acceptance({ device: { clockRuns: false }, now: 1005 });
  tampered.hears(approved(id(1)));
  assert.equal(tampered.said, []);
});

test('scope is small: at most as many members at a time as the bound counts with, and of its own payees', () => {
  const world = { nowSeconds: 1000 };
  const own = id(5);
  const fleet = {
    terminalOf: (address: Uint8Array) => (address[0] === 99 ? undefined : { merchant: { district: 0 } }),
    scopeOf: () => own,
  };
  const { checker, said } = watch(scopeIsSmall, { world, fleet });
  const join = (terminal: number, expiresAt: number, scope = own) =>
    checker.member({ scope, terminal: id(terminal), expiresAt } as never);
  for (let n = 1; n <= 5; n++) join(n, 1000);
  join(5, 1000);
  assert.equal(said, []);
  join(6, 1000);
  once(said, '6 terminals');
  world.nowSeconds = 1001;
  join(7, 1001);
  assert.equal(said, [], 'those before have ended');
  join(1, 2000, id(6));
  once(said, 'other payees');
  join(99, 2000);
  once(said, 'other payees');
});

test('follows L2: once it is final the hub knows what L2 holds', () => {
  const lane = { payee: 'ab'.repeat(20), settled: 30, credited: 0, madeGood: 0 };
  const channel = {
    id: 7,
    deposited: 100,
    credited: 5,
    bond: 20,
    exitReady: 0,
    potOpened: 0,
    lanes: new Map([['a', lane]]),
  };
  const head = {
    deposit: 100,
    credited: 5,
    bond: 20,
    exiting: false,
    slashed: false,
    settled: { [`0x${'ab'.repeat(20)}`]: { paid: 30 } },
  };
  const world = { nowMs: 0 };
  const hub = { isUp: true, l2: { lends: 1 }, heads: { 7: head } as Record<string, object> };
  const vault = { channels: new Map([[7, channel]]) };
  const { checker, said } = watch(followsL2, { world, hub, vault });
  const finish = (change: object = {}) => {
    hub.heads = { 7: { ...head, ...change } };
    checker.finished();
  };
  finish();
  assert.equal(said, []);
  for (const change of [
    { deposit: 99 },
    { credited: 6 },
    { bond: 0 },
    { exiting: true },
    { slashed: true },
    { settled: {} },
    { settled: { [`0x${'ab'.repeat(20)}`]: { paid: 31 } } },
  ]) {
    world.nowMs = 10_000_000;
    finish(change);
    once(said, 'of channel 7 the hub knows');
  }
  checker.vaultChanged({ touched: new Set([7]) } as never);
  finish({ deposit: 99 });
  assert.equal(said, [], 'it is not final yet');
  world.nowMs += 10_000_000;
  hub.heads = {};
  checker.finished();
  once(said, 'knows nothing of channel 7');
  hub.l2.lends = 2;
  checker.finished();
  assert.equal(said, [], 'what it makes of deposits is its own lie');
  hub.isUp = false;
  checker.finished();
  once(said, 'does not come up');
});

test.run();
