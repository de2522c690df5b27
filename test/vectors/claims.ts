/**
 * What a lost bond pays, as numbers that other parties can check: leases as evidence byte for byte, and pots with all their claims.
 * The sums are worked out here as contracts/README.md states them, in code that is nobody else's; the contract is held to them in
 * contracts/test/ClaimVectors.t.sol, the bytes to viem's in independent.test.ts. Not in them: guarantees of the reserve, shares of
 * payees that settle in between, freezes.
 */
import { toHex } from '../../protocol/bytes.ts';
import { nobleKey, nobleSuite } from '../../protocol/crypto/noble.ts';
import { makeSigning } from '../../protocol/signing/digests.ts';
import { encodeLeases, encodeMembers, type ScopeMember } from '../../hub/l2/rows.ts';
import { type Random, randomFrom } from '../protocol/random.ts';
import { plain } from './json.ts';

/** As the pots' own tests have it: 1,000,000 deposited, a fifth of it bond, all that is free settled to payee 3. */
const BOND = 200_000;
const FREE = 800_000;
const PAYEES = [1, 2, 3];
const POTS = 24;

/** A lease, as far as it matters; `isGood`: its key was not taken back. No members: for any terminal. */
interface Promise_ {
  readonly members: readonly ScopeMember[];
  readonly cap: number;
  readonly isGood: boolean;
}
/** A voucher on the claimant's lane: what the lane had before it, and what it moved. */
interface Moved {
  readonly base: number;
  readonly amount: number;
}
interface ClaimCase {
  readonly payee: number;
  readonly vouchers: readonly Moved[];
  readonly leases: readonly Promise_[];
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
/** Integers below 2^48 multiply beyond a double's. */
const part = (value: number, of: number, whole: number): number =>
  whole === 0 ? 0 : Number((BigInt(value) * BigInt(Math.min(of, whole))) / BigInt(whole));

function classesOf({ payee, vouchers, leases }: ClaimCase, terminals: number) {
  let top = 0;
  let overlap = 0;
  for (const { base, amount } of vouchers) {
    overlap += Math.max(0, Math.min(top, base + amount) - base);
    top = Math.max(top, base + amount);
  }
  const shown = sumOf(vouchers.map(({ amount }) => amount));
  const settled = payee === 3 ? FREE : 0;
  const short = Math.min(Math.max(0, top - settled) + overlap, shown);
  const all = terminals * Math.max(0, ...leases.map(({ cap }) => cap));
  const cover = (which: readonly Promise_[]) =>
    sumOf(
      which.map(({ members, cap }) => {
        const own = members.find((member) => member.payee === payee)?.terminals ?? 0;
        return Math.min(own, terminals) * cap;
      }),
    );
  const c1 = Math.min(short, all, cover(leases.filter(({ isGood }) => isGood)));
  const cR = Math.min(short, all, cover(leases)) - c1;
  const isWide = leases.some(({ members }) => members.length === 0);
  const c2 = isWide ? Math.min(short - c1 - cR, all - c1 - cR, BOND) : 0;
  return { top, overlap, shown, settled, short, all, c1, cR, c2 };
}

/** Everybody's share, each rounded down, and what is left for the reserve. */
function potOf(terminals: readonly number[], cases: readonly ClaimCase[]) {
  const claims = cases.map((claim) => ({ ...claim, ...classesOf(claim, terminals[claim.payee - 1]!) }));
  const counted = claims.filter(({ c1, cR, c2 }) => c1 + cR + c2 > 0);
  const sum1 = sumOf(counted.map(({ c1 }) => c1));
  const sumR = sumOf(counted.map(({ cR }) => cR));
  const sum2 = sumOf(counted.map(({ c2 }) => c2));
  const left1 = Math.max(0, BOND - sum1);
  const leftR = Math.max(0, left1 - sumR);
  const shared = counted.map((claim) => ({
    ...claim,
    share: part(claim.c1, BOND, sum1) + part(claim.cR, left1, sumR) + part(claim.c2, leftR, sum2),
  }));
  const rest = BOND - sumOf(shared.map(({ share }) => share));
  return { terminals, claims: shared, sum1, sumR, sum2, rest };
}

const between = (random: Random, least: number, most: number): number =>
  least + random.below(most - least + 1);

/** Leases that a hub may sign: what a scope's terminals may take together stays within the bond, a cap within a quarter. */
function leaseOf(random: Random, payee: number, isGood: boolean): Promise_ {
  const others = PAYEES.filter((one) => one !== payee && random.below(2) === 0);
  const members = [payee, ...others]
    .sort((a, b) => a - b)
    .map((one) => ({ payee: one, terminals: between(random, 1, 3) }));
  const whole = sumOf(members.map(({ terminals }) => terminals));
  return { members, cap: between(random, 1, Math.floor(Math.min(BOND / 4, BOND / whole))), isGood };
}

function caseOf(random: Random, payee: number): ClaimCase {
  const leases: Promise_[] = [];
  if (random.below(3) > 0) leases.push({ members: [], cap: between(random, 1, BOND), isGood: true });
  if (random.below(4) > 0) leases.push(leaseOf(random, payee, random.below(3) > 0));
  if (leases.length === 0) leases.push(leaseOf(random, payee, true));
  const from = payee === 3 ? FREE - 50_000 : 0;
  // By what the lane had before each: no two the same, or their digests would have to say which comes first.
  const bases = [...new Set(Array.from({ length: between(random, 1, 3) }, () => from + random.below(60_000)))];
  const vouchers = bases.sort((a, b) => a - b).map((base) => ({ base, amount: between(random, 1, 120_000) }));
  return { payee, vouchers, leases };
}

function pots(): unknown {
  return Array.from({ length: POTS }, (_, index) => {
    const random = randomFrom(9_100 + index);
    const terminals = PAYEES.map(() => between(random, 1, 4));
    const claimants = PAYEES.filter((_payee, i) => i === 0 || random.below(3) > 0);
    return potOf(
      terminals,
      claimants.map((payee) => caseOf(random, payee)),
    );
  });
}

async function leases(): Promise<unknown> {
  const domain = { chainId: 31_337, verifyingContract: `0x${'aa'.repeat(20)}` };
  const signing = makeSigning(nobleSuite, { chainId: domain.chainId, vault: new Uint8Array(20).fill(0xaa) });
  const key = nobleKey(randomFrom(9_000).bytes(32));
  const payer = randomFrom(9_001).bytes(20);
  const MAX = 2 ** 48 - 1;
  const lists: readonly (readonly ScopeMember[])[] = [
    [],
    [{ payee: 1, terminals: 1 }],
    [
      { payee: 7, terminals: 255 },
      { payee: 2 ** 32 - 1, terminals: 2 },
    ],
  ];
  return Promise.all(
    lists.map(async (members, index) => {
      const packed = encodeMembers(members);
      const scope = members.length === 0 ? new Uint8Array(32) : nobleSuite.keccak256(packed);
      const amount = index === 2 ? MAX : 17_500;
      const terms = {
        spentFrom: index,
        spendLimit: MAX,
        tapLimit: amount,
        cap: amount,
        guarantee: index === 0 ? 0 : amount,
        issuedAt: 1_800_000_000,
        expiresAt: index === 2 ? 2 ** 40 - 1 : 1_800_259_200,
      };
      const digest = signing.digest('Lease', { channel: 7, payer, ...terms, scope } as never);
      const signature = await key.sign(digest);
      const shown = { ...terms, signature, members };
      const fields = { channel: 7, payer, ...terms, members, scope, digest, signer: key.address, signature };
      return { domain, ...(plain(fields) as object), hex: toHex(encodeLeases([shown])) };
    }),
  );
}

/** The file's content. */
export async function claims(): Promise<unknown> {
  return { bond: BOND, free: FREE, leases: await leases(), pots: pots() };
}
