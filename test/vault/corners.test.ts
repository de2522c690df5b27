/**
 * The corners of the vault's rules, against the vault itself: every reason for which a row, a proof, a registration or an
 * exit is refused, at the last number at which it is and the first at which it isn't. The histories of model.test.ts come
 * from honest hubs, which send little that is refused. test/mutations breaks the model line by line, and this must notice.
 */
import { suite } from 'uvu';
import { hexToBytes } from 'viem';
import { nobleSuite } from '../../protocol/crypto/noble.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { hashChain } from '../../protocol/vouchers.ts';
import type { Listed, Row, SignedVoucher } from '../../hub/l2/rows.ts';
import { RULES } from '../../hub/l2/fraud.ts';
import { VaultJournal } from '../../simulators/stage/chain/journal.ts';
import { signingOf } from './devices.ts';
import {
  creditOf,
  lanesHash,
  named,
  p256Signer,
  requestOf,
  rowOf,
  secpSigner,
  type Signer,
  startWorld,
  structHashOf,
  type World,
  ZERO16,
  ZERO32,
} from './kit.ts';
import { Replay, request } from './replay.ts';

/** The chain's first block, and a time far enough behind it that blocks stand where they are told to. */
const GENESIS = 1_800_000_000;
const DAY = 86_400;
const START = GENESIS + DAY;
const { exitDelay, payeeOfflineMax, claimMargin, slowLane } = DEFAULT_TIMING;
const WINDOW = payeeOfflineMax + claimMargin;
/** Shares are collected from then on. */
const COLLECT = WINDOW + slowLane;
const TICKS = 4;
const RICH = 2 ** 47;

const test = suite('the corners of the vault');
const grocer = secpSigner('grocer');
const charger = secpSigner('charge-point operator');
const kiosk = secpSigner('kiosk');
const bytes = ({ address }: Signer): Uint8Array => hexToBytes(address);

let world: World;
let fresh: string;
let journal: VaultJournal;

test.before(async () => {
  world = await startWorld({}, { timestamp: GENESIS });
  await world.vault.approve(world.rich, RICH);
  fresh = await request<string>(world, 'evm_snapshot');
});
test.after(async () => world.stop());
test.before.each(async () => {
  await request<boolean>(world, 'evm_revert', fresh);
  fresh = await request<string>(world, 'evm_snapshot');
  journal = new VaultJournal(signingOf(world));
  for (const payee of [grocer, charger, kiosk]) journal.registerPayee(bytes(payee));
});

/** Plays on the real vault what the model was told. */
const play = (name: string): Promise<void> => Replay.run(world, name, journal.steps);

/** A payer with its channel, and the vouchers that it signs. */
class Purse {
  readonly id: number;
  readonly signer: Signer;
  private static readonly anchor = hashChain(nobleSuite, named('the last preimage'), TICKS);

  /** Opens it: 1000 units are 800 to spend and a bond of 200. */
  constructor(id: number, deposit = 1000, signer: Signer = secpSigner(`payer ${id}`)) {
    this.id = id;
    this.signer = signer;
    journal.open(id, bytes(signer), deposit);
  }

  private sign(voucher: SignedVoucher, parts: Partial<Row> = {}): Promise<Row> {
    return rowOf(world.domain, this.signer, voucher, parts);
  }

  private fields(seq: number, spent: number, payee: Signer, paid: number, amount?: number) {
    const opened = amount === undefined ? undefined : requestOf(amount, `tap ${seq}`);
    const request = opened === undefined ? ZERO32 : structHashOf('Request', opened);
    return { fields: { channel: this.id, seq, spent, payee: bytes(payee), paid, request }, opened };
  }

  /** `amount`: of its request, which the row opens. */
  async voucher(seq: number, spent: number, payee: Signer, paid: number, amount?: number): Promise<Row> {
    const { fields, opened } = this.fields(seq, spent, payee, paid, amount);
    return this.sign({ kind: 'voucher', ...fields, lanes: ZERO16 }, opened && { opened });
  }

  /** One with a list of other lanes; `signed`: the list that the payer signed, when another is shown. */
  async statement(
    seq: number,
    spent: number,
    payee: Signer,
    paid: number,
    list: readonly Listed[],
    signed: readonly Listed[] = list,
  ): Promise<Row> {
    const { fields } = this.fields(seq, spent, payee, paid);
    return this.sign({ kind: 'voucher', ...fields, lanes: lanesHash(signed) }, { list });
  }

  /** Four ticks worth 10 each; `k` of them are shown, with the preimage of another when `shown` is not `k`. */
  async stream(seq: number, spent: number, payee: Signer, paid: number, k: number, shown = k): Promise<Row> {
    const { fields, opened } = this.fields(seq, spent, payee, paid, 0);
    const preimage = hashChain(nobleSuite, named('the last preimage'), TICKS - Math.min(shown, TICKS));
    return this.sign(
      { kind: 'stream', ...fields, anchor: Purse.anchor, tickValue: 10, ticks: TICKS },
      { opened: opened!, reveal: { k, preimage } },
    );
  }
}

const lane = (payee: Signer, paid: number): Listed => ({ payee: bytes(payee), paid });

test('rows', async () => {
  const purse = new Purse(1);
  const other = new Purse(2);
  const card = new Purse(3, 1000, p256Signer('card'));
  const first = await purse.voucher(1, 100, grocer, 100);
  journal.settle([first, first, await purse.voucher(2, 100, grocer, 99)]);
  const tapped = await card.voucher(1, 5, kiosk, 5);
  journal.settle([
    { ...first, signature: new Uint8Array(64) },
    { ...tapped, key: new Uint8Array(64).fill(1) },
  ]);
  // A key of another channel, and a channel that is none.
  const foreign = await other.voucher(1, 700, grocer, 700);
  const stray = { ...foreign, voucher: { ...foreign.voucher, channel: 1 } };
  journal.settle([stray, { ...foreign, voucher: { ...foreign.voucher, channel: 9 } }, tapped]);
  // A statement's lanes may add up to what was spent and not to more; its list is the signed one.
  journal.settle([
    await purse.statement(3, 349, grocer, 150, [lane(charger, 200)]),
    await purse.statement(4, 350, grocer, 150, [lane(charger, 200)], [lane(charger, 201)]),
    await purse.statement(4, 350, grocer, 150, [lane(charger, 200)]),
    await purse.statement(5, 400, grocer, 140, [lane(charger, 230), lane(kiosk, 10)]),
  ]);
  journal.settle([
    await purse.stream(6, 380, kiosk, 10, 2, 3),
    await purse.stream(6, 380, kiosk, 10, TICKS + 1),
    await purse.stream(6, 380, kiosk, 10, 2),
    await purse.stream(6, 380, kiosk, 10, TICKS),
  ]);
  // What is free is paid, then nothing; money that comes later pays the rest.
  const large = await other.voucher(2, 1000, grocer, 1000);
  journal.settle([await other.voucher(3, 1000, kiosk, 300), large, large]);
  journal.topUp(2, 200);
  journal.settle([large]);
  journal.topUp(2, 1000);
  journal.settle([large]);
  await play('rows');
});

test('credits', async () => {
  const purse = new Purse(1);
  const give = (row: Row, credited: number, payee = grocer): Promise<Row> =>
    creditOf(world.domain, payee, row, credited);
  const first = await purse.voucher(1, 100, grocer, 100, 100);
  const reopened = { ...(await give(first, 10)), opened: requestOf(99, 'tap 1') };
  journal.settle([await give(first, 10), first, reopened]);
  journal.settle([
    await give(first, 10, charger),
    await give(first, 101),
    await give(first, 10),
    await give(first, 10),
    await give(first, 9),
    await give(first, 30),
    await give(first, 100),
  ]);
  // More than all credits of a lane together may be, though each is within its own voucher.
  const twin = await purse.voucher(2, 200, grocer, 100, 100);
  journal.settle([await give(twin, 1)]);
  // A stream gives back what its ticks moved.
  const stream = await purse.stream(3, 100, charger, 0, 3);
  journal.settle([stream, await give(stream, 31, charger), await give(stream, 30, charger)]);
  const more = await purse.stream(3, 100, charger, 0, TICKS);
  journal.settle([await give(more, 40, charger), more, await give(more, 40, charger)]);
  // What was given back can be spent again.
  journal.settle([await purse.voucher(4, 900, kiosk, 800)]);
  await play('credits');
});

test('exits and what is paid meanwhile', async () => {
  const purse = new Purse(1);
  const quiet = new Purse(2);
  journal.finishExit(1, START);
  journal.startExit(1, START + 100);
  journal.startExit(1, START + 200);
  journal.topUp(1, 500);
  journal.topUp(quiet.id, 500);
  journal.settle([await purse.voucher(1, 300, grocer, 300)]);
  journal.finishExit(1, START + 100 + exitDelay - 1);
  journal.finishExit(1, START + 100 + exitDelay);
  journal.settle([await purse.voucher(2, 400, grocer, 400)]);
  await play('exits');
});

test('proofs', async () => {
  const same = new Purse(1);
  const lower = new Purse(2);
  const alone = new Purse(3);
  const elsewhere = new Purse(4);
  const onward = new Purse(5);
  const spread = new Purse(6);
  const gone = new Purse(7);
  const [a, b] = [await same.voucher(1, 100, grocer, 100), await same.voucher(1, 100, charger, 100)];
  let at = START;
  const prove = (rule: (typeof RULES)[keyof typeof RULES], ...rows: readonly Row[]): void => {
    at += 100;
    journal.proveFraud(rule, rows, at);
  };
  prove(RULES.equivocation, a, a);
  prove(RULES.equivocation, a, await lower.voucher(1, 100, charger, 100));
  prove(RULES.equivocation, a, { ...b, signature: new Uint8Array(64) });
  prove(RULES.equivocation, a, b);
  prove(RULES.equivocation, a, b);
  journal.topUp(same.id, 100);
  // A later voucher begins where the earlier one ended, and then one unit below.
  const early = await lower.voucher(1, 100, grocer, 100);
  const next = await lower.voucher(2, 150, charger, 50, 50);
  prove(RULES.regression, early, next);
  const below = await lower.voucher(3, 250, charger, 151, 101);
  // With another request than the signed one nothing is known of its amount.
  prove(RULES.regression, next, { ...below, opened: requestOf(150, 'tap 3') });
  prove(RULES.regression, next, below);
  // Ticks count, on the lane: the stream ended at 20, and the next voucher began there at 20, then at 19.
  const stream = await alone.stream(1, 0, grocer, 0, 2);
  prove(RULES.regression, stream, await alone.voucher(2, 22, grocer, 21, 1));
  prove(RULES.regression, stream, await alone.voucher(3, 22, grocer, 20, 1));
  // On the channel as well, and those of the later one are not where it began.
  const other = await elsewhere.stream(1, 0, grocer, 0, 2);
  prove(RULES.regression, other, await elsewhere.voucher(2, 21, charger, 1, 1));
  prove(RULES.regression, other, await elsewhere.voucher(3, 20, charger, 1, 1));
  const before = await onward.voucher(1, 10, charger, 10);
  prove(RULES.regression, before, await onward.stream(2, 10, grocer, 0, 2));
  prove(RULES.regression, before, await onward.stream(3, 9, grocer, 0, 2));
  const two = [await spread.voucher(1, 100, grocer, 50), await spread.voucher(2, 100, charger, 50)];
  prove(RULES.overspent, ...two);
  prove(RULES.overspent, ...two, await spread.voucher(3, 100, kiosk, 1));
  // Who left has no bond to lose; who is slashed gets what is free, and no bond.
  journal.startExit(gone.id, at + 100);
  journal.startExit(same.id, at + 200);
  at += 200 + exitDelay;
  journal.finishExit(gone.id, at);
  journal.finishExit(same.id, at + 100);
  at += 100;
  prove(RULES.equivocation, await gone.voucher(1, 1, grocer, 1), await gone.voucher(1, 2, grocer, 2));
  await play('proofs');
});

/** A slashed payer, whose pot opened at `START`. */
async function slashed(id: number, deposit = 1000): Promise<Purse> {
  const purse = new Purse(id, deposit);
  const twins = [await purse.voucher(1, 1, kiosk, 1), await purse.voucher(1, 2, kiosk, 2)];
  journal.proveFraud(RULES.equivocation, twins, START);
  return purse;
}

test('shortfalls', async () => {
  const honest = new Purse(1);
  const purse = await slashed(2);
  const register = (at: number, ...rows: readonly Row[]): number =>
    journal.registerShortfall(rows, START + at);
  register(100, await honest.voucher(1, 10, grocer, 10, 10));
  // Nothing moves, however much is free.
  register(200, await purse.voucher(2, 300, grocer, 300, 300));
  register(300, { ...(await purse.voucher(2, 300, grocer, 300, 300)), signature: new Uint8Array(64) });
  journal.settle([await purse.voucher(3, 700, charger, 700)]);
  // What a voucher moved itself bounds the claim, whatever its lane and the channel say.
  register(400, await purse.voucher(4, 700, grocer, 801, 800));
  register(500, await purse.voucher(4, 801, grocer, 700, 600));
  register(600, await purse.voucher(5, 800, grocer, 300, 300));
  register(700, await purse.voucher(5, 800, grocer, 300, 300));
  // Two vouchers on one stretch of a lane, in their order, and in the other.
  const [low, high] = [
    await purse.voucher(6, 400, grocer, 350, 350),
    await purse.voucher(7, 500, grocer, 400, 200),
  ];
  register(750, low, await honest.voucher(2, 500, grocer, 400, 100));
  register(800, high, low);
  register(900, low, await purse.voucher(8, 500, charger, 400, 200));
  register(1000, low, high);
  // Far more overlaps than the bond holds.
  register(1100, low, high, await purse.voucher(9, 600, grocer, 500, 290));
  // Of two that begin at one place the lower digest comes first.
  const pair = [await purse.voucher(10, 10, kiosk, 10, 10), await purse.voucher(11, 10, kiosk, 9, 9)];
  register(1200, pair[0]!, pair[1]!);
  register(1300, pair[1]!, pair[0]!);
  register(1400, await purse.stream(12, 100, charger, 690, 3));
  register(WINDOW - 1, await purse.voucher(13, 760, charger, 760, 10));
  register(WINDOW, await purse.voucher(14, 790, charger, 790, 10));
  journal.closePot(purse.id, START + COLLECT + 100);
  await play('shortfalls');
});

test('pots', async () => {
  // Short of more than there is, short of less, short no more, and nobody short.
  const [thin, wide, late, none] = [await slashed(1), await slashed(2), await slashed(3), await slashed(4)];
  const take = async (purse: Purse): Promise<void> => {
    journal.settle([await purse.voucher(2, 800, kiosk, 800)]);
  };
  for (const purse of [thin, wide, late]) await take(purse);
  journal.registerShortfall([await thin.voucher(3, 300, grocer, 300, 300)], START + 100);
  journal.registerShortfall([await thin.voucher(4, 101, charger, 101, 101)], START + 200);
  journal.registerShortfall([await wide.voucher(3, 50, grocer, 50, 50)], START + 300);
  const overlapping = [
    await wide.voucher(4, 60, charger, 60, 60),
    await wide.voucher(5, 70, charger, 70, 40),
  ];
  journal.registerShortfall(overlapping, START + 400);
  journal.registerShortfall([await late.voucher(3, 60, grocer, 60, 60)], START + 500);
  // A late credit lets the lane settle before the pot is shared.
  const refunded = await late.voucher(6, 800, kiosk, 800, 40);
  journal.settle([await creditOf(world.domain, kiosk, refunded, 40)]);
  journal.settle([await late.voucher(3, 60, grocer, 60)]);
  journal.closePot(thin.id, START + COLLECT - 1);
  for (const [index, purse] of [thin, wide, late, none].entries())
    journal.closePot(purse.id, START + COLLECT + 100 * index);
  // What a pot made good is settled, and not paid again.
  journal.settle([await thin.voucher(3, 300, grocer, 300, 300)]);
  await play('pots');
});

test('what a reorganisation takes back', async () => {
  const purse = new Purse(1);
  const first = await purse.voucher(1, 100, grocer, 100, 100);
  journal.settle([first]);
  journal.takeUndo();
  journal.settle([await creditOf(world.domain, grocer, first, 40), await purse.voucher(2, 130, grocer, 130)]);
  journal.settle([await purse.voucher(3, 150, grocer, 150), await purse.voucher(3, 150, kiosk, 20)]);
  new Purse(2);
  journal.startExit(1, START);
  journal.takeUndo()();
  journal.settle([await creditOf(world.domain, grocer, first, 40), await purse.voucher(2, 130, grocer, 130)]);
  new Purse(2);
  journal.topUp(1, 100);
  await play('a reorganisation');
});

test.run();
