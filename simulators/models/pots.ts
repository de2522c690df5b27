/**
 * The rule of a lost bond as an explicit-state model: small worlds with honest payees A (in a scope with members) and B
 * (takes leases for any terminal), an accomplice C with terminals in and out of the scope, and a helper. The coalition
 * chooses every sale, drain, circle of credits, the moment of the proof, what C claims in each class, whether a stolen
 * hub key dates leases back, and every order of registering, late settling, refreshing and collecting. Integers, rounded
 * down as the contract does it.
 *
 * Not in it: how leases are read, times, the reserve's bounds, several pots at once (each has sums of its own), and what
 * was acknowledged before the proof, which the two lanes settle whole.
 */

/** What can be wrong with the rule; each must cost somebody, or the model would not notice it. */
export const POT_RULES = {
  oneClass: 'wide claims share with the covered',
  revokedShares: 'leases of revoked keys share with good ones',
  paysAtOnce: 'shares are paid when they are registered, first come',
  noBookedBound: 'leases of more cover than the bond and the guarantee count',
} as const;
export type PotRule = keyof typeof POT_RULES;

/** One world. Amounts in units, counts of terminals. */
export interface PotWorld {
  readonly funds: number;
  /** The most that a terminal takes while offline. */
  readonly cap: number;
  readonly bond: number;
  readonly guarantee: number;
  /** Terminals of A in the scope, of B outside of any. */
  readonly covered: number;
  readonly wide: number;
  /** Terminals of C that the hub vouches for, and how many of them are in the scope. */
  readonly friends: number;
  readonly inScope: number;
  /** A hub key was stolen, and revoked before the pot closes. */
  readonly stolen: boolean;
  readonly circles: number;
  readonly broken?: PotRule;
}

export interface PotResult {
  readonly states: number;
  /** The most that A lost, that B lost, and that the coalition gained beyond what B lost and the reserve gave. */
  readonly coveredLoss: number;
  readonly wideLoss: number;
  readonly profit: number;
  /** Ends in which more was paid than there is, or somebody gained what nobody lost. */
  readonly faults: number;
}

interface Claim {
  readonly c1: number;
  readonly cR: number;
  readonly c2: number;
}

const STATES_MAX = 3_000_000;
const A = 0;
const B = 1;
const C = 2;

/** What each claimant gets: [paid, drawn]. The contract's formula, or one that is broken on purpose. */
export function sharesOf(world: PotWorld, claims: readonly Claim[]): { paid: number[]; drawn: number } {
  const { bond, broken } = world;
  const sum = (of: keyof Claim): number => claims.reduce((total, claim) => total + claim[of], 0);
  let [sum1, sumR, sum2] = [sum('c1'), sum('cR'), sum('c2')];
  let classes = claims;
  if (broken === 'revokedShares' || broken === 'oneClass') {
    classes = claims.map(({ c1, cR, c2 }) => ({
      c1: c1 + (broken === 'revokedShares' ? cR : 0) + (broken === 'oneClass' ? c2 : 0),
      cR: broken === 'revokedShares' ? 0 : cR,
      c2: broken === 'oneClass' ? 0 : c2,
    }));
    [sum1, sumR, sum2] = [0, 0, 0];
    for (const { c1, cR, c2 } of classes) [sum1, sumR, sum2] = [sum1 + c1, sumR + cR, sum2 + c2];
  }
  const drawn = Math.min(world.guarantee, Math.max(0, sum1 - bond));
  const left1 = Math.max(0, bond - sum1);
  const leftR = Math.max(0, left1 - sumR);
  const part = (claim: number, there: number, all: number): number =>
    all > there ? Math.floor((claim * there) / all) : claim;
  return {
    paid: classes.map(
      ({ c1, cR, c2 }) => part(c1, bond + drawn, sum1) + part(cR, left1, sumR) + part(c2, leftR, sum2),
    ),
    drawn,
  };
}

interface State {
  readonly free: number;
  readonly taken: number;
  readonly circles: number;
  /** What A and B sold and have not been paid. */
  readonly a: number;
  readonly b: number;
  readonly sold: number;
  readonly proved: number;
  /** 1 once it registered, by claimant; and what C claims. */
  readonly ra: number;
  readonly rb: number;
  readonly rc: number;
  readonly c1: number;
  readonly cR: number;
  readonly c2: number;
  /** What A and B had open when they registered: their claims, until somebody refreshes them. */
  readonly ca: number;
  readonly cb: number;
  /** What of the pot is gone already: only when shares are paid at once. */
  readonly gone: number;
  readonly pa: number;
  readonly pb: number;
  readonly pc: number;
}

/** Tries everything. Throws when a world has more than STATES_MAX states. */
export function explorePots(world: PotWorld): PotResult {
  const { cap, bond, broken } = world;
  const worst = { coveredLoss: 0, wideLoss: 0, profit: Number.NEGATIVE_INFINITY, faults: 0 };
  const start: State = {
    free: world.funds,
    taken: 0,
    circles: 0,
    a: 0,
    b: 0,
    sold: 0,
    proved: 0,
    ra: 0,
    rb: 0,
    rc: 0,
    c1: 0,
    cR: 0,
    c2: 0,
    ca: 0,
    cb: 0,
    gone: 0,
    pa: 0,
    pb: 0,
    pc: 0,
  };
  const keyOf = (state: State): string =>
    String.fromCharCode(...Object.values(state).map((value) => value + 1));
  const seen = new Set([keyOf(start)]);
  const stack = [start];
  while (stack.length > 0) {
    const s = stack.pop()!;
    if (seen.size > STATES_MAX) throw new Error(`more than ${STATES_MAX} states`);
    const go = (change: Partial<State>): void => {
      const next = { ...s, ...change };
      const key = keyOf(next);
      if (seen.has(key)) return;
      seen.add(key);
      stack.push(next);
    };
    // Sales at terminals that have heard of nothing, also after the proof; caps are cumulative.
    if (s.ra === 0 && s.a < world.covered * cap) go({ a: s.a + 1, sold: s.sold + 1 });
    if (s.rb === 0 && s.b < world.wide * cap) go({ b: s.b + 1, sold: s.sold + 1 });
    // The helper's invented rows and honest ones, as the slow lane lets them.
    if (s.free > 0) {
      go({ free: 0, taken: s.taken + s.free });
      if (s.a > 0) go({ free: s.free - 1, a: s.a - 1 });
      if (s.b > 0) go({ free: s.free - 1, b: s.b - 1 });
    }
    if (s.circles < world.circles && s.taken > 0)
      go({ free: s.free + s.taken, taken: 0, circles: s.circles + 1 });
    if (s.proved === 0) {
      go({ proved: 1 });
      continue;
    }
    register();
    // Anybody refreshes a claim down to what is open.
    if (s.ra === 1 && s.ca > s.a) go({ ca: s.a });
    if (s.rb === 1 && s.cb > s.b) go({ cb: s.b });
    if (s.ra === 1 && s.rb === 1 && s.rc === 1) end();

    function register(): void {
      if (s.ra === 0) go({ ra: 1, ca: s.a, ...firstCome('pa', Math.min(s.a, world.covered * cap)) });
      if (s.rb === 0) go({ rb: 1, cb: s.b, ...firstCome('pb', Math.min(s.b, world.wide * cap)) });
      if (s.rc === 1) return;
      const all = world.friends * cap;
      const inScope = broken === 'noBookedBound' ? all : Math.min(world.inScope, world.friends) * cap;
      for (let c1 = 0; c1 <= Math.min(inScope, all); c1 += 1)
        for (let cR = 0; cR <= (world.stolen ? all - c1 : 0); cR += 1)
          for (let c2 = 0; c2 <= Math.min(all - c1 - cR, bond); c2 += 1)
            go({ rc: 1, c1, cR, c2, ...firstCome('pc', c1 + cR + c2) });
    }

    function firstCome(who: 'pa' | 'pb' | 'pc', claim: number): Partial<State> {
      if (broken !== 'paysAtOnce') return {};
      const paid = Math.min(claim, bond - s.gone);
      return { gone: s.gone + paid, [who]: paid };
    }

    function end(): void {
      const c1a = Math.min(s.ca, world.covered * cap);
      const claims = [
        { c1: c1a, cR: 0, c2: 0 },
        { c1: 0, cR: 0, c2: Math.min(s.cb, world.wide * cap, bond) },
        { c1: s.c1, cR: s.cR, c2: s.c2 },
      ];
      const { paid, drawn } = sharesOf(world, claims);
      if (broken === 'paysAtOnce') [paid[A], paid[B], paid[C]] = [s.pa, s.pb, s.pc];
      const given = [Math.min(paid[A]!, s.a), Math.min(paid[B]!, s.b), paid[C]!] as const;
      const [lostA, lostB] = [s.a - given[0], s.b - given[1]];
      // Goods, what was settled to the helper, what is left to the owner, and shares, for deposit and bond.
      const profit = s.sold + s.taken + s.free + given[2] - world.funds - bond;
      const more = given[0] + given[1] + given[2] > bond + drawn || drawn > world.guarantee;
      // Nobody gains what nobody loses.
      if (more || profit > lostA + lostB + drawn) worst.faults += 1;
      worst.coveredLoss = Math.max(worst.coveredLoss, lostA);
      worst.wideLoss = Math.max(worst.wideLoss, lostB);
      worst.profit = Math.max(worst.profit, profit - lostB - drawn);
    }
  }
  return { states: seen.size, ...worst };
}

/** Worlds that the hub may make: its leases are within the bond and the guarantee. */
export const POT_WORLDS: readonly PotWorld[] = [1, 2].flatMap((cap) =>
  [
    { covered: 1, wide: 1, friends: 1, inScope: 0 },
    { covered: 1, wide: 1, friends: 3, inScope: 0 },
    { covered: 1, wide: 0, friends: 1, inScope: 1 },
    { covered: 2, wide: 1, friends: 2, inScope: 1 },
    { covered: 1, wide: 2, friends: 2, inScope: 1 },
    { covered: 0, wide: 2, friends: 1, inScope: 0 },
  ].flatMap((who) =>
    [0, 1].flatMap((guarantee) =>
      [false, true].map((stolen) => ({
        funds: 2,
        cap,
        ...who,
        guarantee,
        bond: Math.max(1, (who.covered + who.inScope) * cap - guarantee),
        stolen,
        circles: 1,
      })),
    ),
  ),
);

/** For each broken rule a world that shows what it costs. */
export const POT_BROKEN: readonly PotWorld[] = (
  [
    ['oneClass', {}],
    ['revokedShares', { stolen: true }],
    ['paysAtOnce', {}],
    ['noBookedBound', { inScope: 1, bond: 3 }],
  ] as const
).map(([broken, change]) => ({
  funds: 2,
  cap: 1,
  covered: 2,
  wide: 1,
  friends: 3,
  inScope: 0,
  guarantee: 0,
  bond: 2,
  stolen: false,
  circles: 1,
  ...change,
  broken,
}));
