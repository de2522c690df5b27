/**
 * The fast and the slow lane as an explicit-state model: one channel, a payer that signs anything, an owner and two
 * payees in its coalition (C, whom the hub acknowledges, and X, a helper), and one honest payee A with one terminal.
 * Every order of everybody's acts is tried; an honest party's duty is an act without which no tick passes. Ticks are the
 * vault's clock in steps of which the slow lane takes W; in a freeze they pass for terminals only.
 *
 * Not in it: rule 13 (a proof pauses nothing), which loses no money here: the pot pays what a pause would; several
 * channels (nothing of a channel's lane depends on another's), payees' balances, fees, and lists of
 * statements beyond the one that a dropped rule needs. A top-up, credits in a circle, two announcements at once, a
 * payer that is replaced (an exit) and a settlement that a reorganisation takes back are in it.
 */

/** The rules of the two lanes, by the number they have in contracts/README.md. Each can be dropped. */
export const LANE_RULES = {
  fastLane: '1, only a settler, or a row with its acknowledgement, settles at once',
  ownLane: "2, an acknowledgement speeds the row's own lane only",
  shown: '3, an announcement shows its rows',
  expires: '4, an announcement that nobody executed ends',
  noRestart: "5, announcing again doesn't restart the clock",
  vaultClock: "6, the slow lane runs on the vault's clock",
  registerMovesNothing: '7, registering a shortfall moves nothing',
  holdsBack: '8, the hub acknowledges only what announced rows leave',
  reacts: '9, hub and payee settle an announced channel before its rows are due',
  kept: "10, what the hub can't cover is kept, never acknowledged",
  oneCleared: '11, a terminal has one cleared sale that is not acknowledged',
  slowSettlers: '12, a new settler counts later than the slow lane',
  exitGrown: '11 of money, an exit outlasts the slow lane as well',
} as const;
export type LaneRule = keyof typeof LANE_RULES;

/** One world: what there is, and which rule is missing. */
export interface LaneWorld {
  /** Units that are free at the start, and the bond. */
  readonly funds: number;
  readonly bond: number;
  /** The most that A's terminal takes offline. */
  readonly cap: number;
  readonly hub: 'honest' | 'dies';
  readonly freeze: boolean;
  readonly topUp: boolean;
  readonly circles: number;
  readonly exits: boolean;
  readonly reorganises: boolean;
  readonly clears: boolean;
  /** Announcements of X that wait at once. */
  readonly announcements: 1 | 2;
  readonly dropped?: LaneRule;
}

/** Ticks: the slow lane, the longest time offline, a lease's life, the margin, an announcement's life, a freeze. */
const W = 2;
const OFFLINE = 3;
const LEASE = 1;
const MARGIN = 1;
const LIFE = 2;
const FREEZE = 3;
/** States of one world: more is an error, never a cut. */
const STATES_MAX = 3_000_000;

interface State {
  free: number;
  /** In the coalition's hands. */
  taken: number;
  circles: number;
  toppedUp: number;
  /** A's terminal: ticks since it was last in contact (0: it is), what it took since, what it cleared. */
  offline: number;
  unsynced: number;
  cleared: number;
  /** A's: acknowledged and unsettled, kept, came too late for the pot. */
  acked: number;
  kept: number;
  late: number;
  /** C's, acknowledged and unsettled. */
  friend: number;
  /** Ages of X's announcements, 0 for none, the older first; and of A's own, with what it covers. */
  first: number;
  second: number;
  own: number;
  covers: number;
  /** Ticks since the proof, and since the exit began; 0 for none. */
  proved: number;
  exit: number;
  left: number;
  frozen: number;
  froze: number;
  dead: number;
  /** Settled for A in this tick: what a reorganisation takes back, once. */
  recent: number;
  /** Of what was kept, executed in this tick. */
  recentKept: number;
  reorganised: number;
  /** 1 once somebody showed what an honest payer never signs. */
  evidence: number;
}
const FIELDS: readonly (keyof State)[] = [
  'free',
  'taken',
  'circles',
  'toppedUp',
  'offline',
  'unsynced',
  'cleared',
  'acked',
  'kept',
  'late',
  'friend',
  'first',
  'second',
  'own',
  'covers',
  'proved',
  'exit',
  'left',
  'frozen',
  'froze',
  'dead',
  'recent',
  'recentKept',
  'reorganised',
  'evidence',
];

/** What came of a world: the most that A lost, against what rule 10 promises. */
export interface LaneResult {
  readonly states: number;
  readonly promise: number;
  readonly worst: number;
  /** The acts that lead to it. */
  readonly run: readonly string[];
}

/** Tries every order of acts. Throws when a world has more than STATES_MAX states. */
export function exploreLanes(world: LaneWorld): LaneResult {
  const has = (rule: LaneRule): boolean => world.dropped !== rule;
  const exitTicks = LEASE + OFFLINE + MARGIN + (has('exitGrown') ? W : 0);
  const claimTicks = OFFLINE + MARGIN;
  const clearedMax = world.clears ? (has('oneCleared') ? 1 : 2) : 0;
  const promise = Math.max(0, world.cap - world.bond) + (world.clears ? 1 : 0);

  const start = Object.fromEntries(FIELDS.map((field) => [field, 0])) as unknown as State;
  start.free = world.funds;
  const keyOf = (state: State): string => String.fromCharCode(...FIELDS.map((field) => state[field] + 1));
  const from = new Map<string, readonly [string, string] | undefined>([[keyOf(start), undefined]]);
  const stack = [start];
  let [worst, worstKey] = [-1, ''];

  while (stack.length > 0) {
    const s = stack.pop()!;
    if (from.size > STATES_MAX) throw new Error(`more than ${STATES_MAX} states`);
    const here = keyOf(s);
    const go = (act: string, change: Partial<State>): void => {
      const next = { ...s, ...change };
      const key = keyOf(next);
      if (from.has(key)) return;
      from.set(key, [here, act]);
      stack.push(next);
    };
    const hub = s.dead === 0;
    const running = s.frozen === 0;
    // Without an end in the vault the hub takes an old announcement for ended, and it isn't.
    const ended = !has('expires') && s.first >= W + LIFE;
    const alien = s.first > 0 && !ended;
    // ---- the end: nothing more can be paid, everybody is home
    if (
      s.unsynced === 0 &&
      s.cleared === 0 &&
      s.offline === 0 &&
      (s.left === 1 || (s.free === 0 && running))
    ) {
      const pot = s.left === 1 && s.proved === 0 ? 0 : world.bond;
      const lost = s.acked + s.late + s.kept - Math.min(s.kept, world.cap, pot);
      if (lost > worst) [worst, worstKey] = [lost, here];
    }
    if (s.left === 1) {
      if (s.offline > 0)
        go('A comes home after the exit', {
          offline: 0,
          kept: s.kept + s.unsynced + s.cleared,
          unsynced: 0,
          cleared: 0,
        });
      continue;
    }
    sales();
    settlements();
    coalition();
    tick();

    // ---- what A sells, and what the hub says to it
    function sales(): void {
      const seen = has('holdsBack') && has('shown') ? (alien ? s.free : s.own > 0 ? s.kept : 0) : 0;
      const covered = (more: number): boolean =>
        s.acked + s.friend + s.cleared + seen + more <= s.free && s.proved === 0;
      if (s.offline === 0) {
        if (s.proved === 0 && s.exit === 0 && hub) go('A goes offline', { offline: 1 });
        if (hub && s.exit === 0 && s.acked < 2 && covered(1))
          go('the hub acknowledges a sale of A', { acked: s.acked + 1 });
      } else {
        const leased = s.exit === 0 || s.exit - 1 < LEASE;
        // What settled may still be taken back: the cap is free again when it is final.
        if (leased && s.unsynced + s.kept + s.recentKept < world.cap)
          go('A takes 1 offline', { unsynced: s.unsynced + 1 });
        if (hub && s.offline === 1 && s.cleared < clearedMax && covered(1))
          go('A takes a cleared sale of 1, then the link is lost', { cleared: s.cleared + 1 });
        home();
      }
      if (hub && s.kept > 0 && covered(s.kept))
        go('the hub acknowledges what it kept', { acked: s.acked + s.kept, kept: 0 });
      if (hub && s.exit === 0 && s.friend === 0 && covered(1))
        go('the hub acknowledges a sale of C', { friend: 1 });
      function home(): void {
        // What was cleared is reserved, so it is covered whatever else waits.
        const back = { offline: 0, unsynced: 0, cleared: 0, acked: s.acked + (hub ? s.cleared : 0) };
        const owed = s.unsynced + (hub ? 0 : s.cleared);
        if (owed === 0) go('A comes home', back);
        else if (hub && (covered(owed) || (!has('kept') && s.acked < 2)))
          go('A comes home, the hub acknowledges', { ...back, acked: back.acked + owed });
        else if (s.proved > claimTicks)
          go('A comes home too late for the pot', { ...back, late: s.late + owed });
        else {
          // More was signed than there is: that shows by itself.
          const over = s.acked + s.friend + s.cleared + owed > s.free;
          const evidence = over ? 1 : s.evidence;
          go('A comes home, kept', { ...back, kept: s.kept + owed, evidence });
        }
      }
    }

    // ---- honest settlements
    function settlements(): void {
      if (!running) return;
      const pay = Math.min(s.acked, s.free);
      // An announced row has a fixed top: what its lane settled meanwhile is off it.
      const covers = Math.max(0, s.covers - pay);
      const waits = { covers, own: covers === 0 ? 0 : s.own };
      const settled = { acked: s.acked - pay, free: s.free - pay, recent: s.recent + pay, ...waits };
      if (pay > 0 && hub) go('the hub settles A', settled);
      if (pay > 0) go('A settles what was acknowledged', settled);
      if (s.friend > 0 && s.free > 0)
        go('C settles what was acknowledged', { friend: 0, free: s.free - 1, taken: s.taken + 1 });
      const owed = s.kept + s.acked;
      // What was acknowledged needs no announcement.
      if (s.kept > 0 && s.own === 0) go('A announces', { own: 1, covers: owed });
      if (s.own > W) {
        const moved = Math.min(s.covers, owed, s.free);
        const ofAcked = Math.min(s.acked, moved);
        go('A executes', {
          own: 0,
          covers: 0,
          acked: s.acked - ofAcked,
          kept: s.kept - (moved - ofAcked),
          free: s.free - moved,
          recentKept: moved - ofAcked,
        });
      }
      if (!has('noRestart') && s.own > 1) go("the coalition announces A's rows again", { own: 1 });
      // A row that was executed in the same tick stands, up to its own top: it pays what came back.
      if (world.reorganises && s.reorganised === 0 && s.recent > 0 && s.recentKept === 0)
        go('a reorganisation takes the settlement back', {
          reorganised: 1,
          acked: s.acked + s.recent,
          free: s.free + s.recent,
          recent: 0,
          // An announced top stands above what came back.
          covers: s.own > 0 ? s.covers + s.recent : 0,
        });
    }

    // ---- what the coalition does
    function coalition(): void {
      if (!s.froze && world.freeze) go('the guardian freezes', { frozen: FREEZE, froze: 1 });
      if (world.hub === 'dies' && hub) go('the hub dies', { dead: 1 });
      if (s.proved === 0 && s.evidence === 1) go('a proof', { proved: 1 });
      if (world.exits && s.exit === 0 && s.proved === 0) go('the owner starts an exit', { exit: 1 });
      if (!running) return;
      if (world.exits && s.exit > exitTicks)
        go('the owner leaves', { left: 1, free: 0, taken: s.taken + s.free });
      // What X shows contradicts what A holds: anybody can prove it.
      if (s.first === 0) go('X announces an invented voucher', { first: 1, evidence: 1 });
      else if (s.second === 0 && world.announcements === 2) go('X announces another', { second: 1 });
      const all = { free: 0, taken: s.taken + s.free, evidence: 1 };
      if (s.free > 0) {
        if (s.first > W) go('X executes the first', { ...all, first: s.second, second: 0 });
        if (!has('fastLane')) go('X settles an invented voucher at once', all);
        if (!has('slowSettlers')) go('a thief of the operator names itself settler, and settles', all);
        if (!has('ownLane') && s.friend > 0) go("C's acknowledged statement lists X", { ...all, friend: 0 });
        if (!has('registerMovesNothing') && s.proved > 0 && s.proved <= claimTicks)
          go('C registers an invented shortfall, which settles', all);
      }
      if (s.circles < world.circles && s.taken > 0)
        go('the coalition credits all', { circles: s.circles + 1, free: s.free + s.taken, taken: 0 });
      if (world.topUp && s.toppedUp === 0 && s.exit === 0 && s.proved === 0)
        go('the owner tops up', { toppedUp: 1, free: s.free + 1 });
    }

    // ---- time, with what the honest must have done before
    function tick(): void {
      if (s.offline > OFFLINE) return;
      // Final before W: a settlement that can be taken back is made a tick earlier.
      const due = has('shown') && alien && s.first >= W - (world.reorganises ? 1 : 0);
      const leaving = s.exit > 0 && s.exit >= exitTicks;
      const acts = has('reacts');
      if (running && acts && (due || leaving) && s.acked > 0 && s.free > 0) return;
      if (running && s.kept > 0 && s.free > 0 && (s.own === 0 || s.own > W)) return;
      // Who holds what isn't covered proves before the bond can leave.
      if (s.proved === 0 && s.evidence === 1 && leaving && s.kept > 0) return;
      const clock = running ? 1 : 0;
      const slow = clock === 1 || !has('vaultClock') ? 1 : 0;
      const older = (age: number, most: number): number => (age > 0 ? Math.min(age + slow, most) : 0);
      const still = (age: number): number => (age > W + LIFE ? (has('expires') ? 0 : W + LIFE) : age);
      const [first, second] = [still(older(s.first, W + LIFE + 1)), still(older(s.second, W + LIFE + 1))];
      go('a tick', {
        offline: s.offline > 0 ? s.offline + 1 : 0,
        first: first === 0 ? second : first,
        second: first === 0 ? 0 : second,
        own: older(s.own, W + 1),
        proved: s.proved > 0 ? Math.min(s.proved + clock, claimTicks + 1) : 0,
        exit: s.exit > 0 ? Math.min(s.exit + clock, exitTicks + 1) : 0,
        frozen: Math.max(0, s.frozen - 1),
        recent: 0,
        recentKept: 0,
      });
    }
  }
  const run: string[] = [];
  for (let step = from.get(worstKey); step !== undefined; step = from.get(step[0])) run.push(step[1]);
  return { states: from.size, promise, worst, run: run.reverse() };
}

const BASE: LaneWorld = {
  funds: 2,
  bond: 1,
  cap: 1,
  hub: 'honest',
  freeze: false,
  topUp: false,
  circles: 0,
  exits: true,
  reorganises: false,
  clears: false,
  announcements: 1,
};

/** Worlds in which all rules hold. */
export const LANE_WORLDS: readonly LaneWorld[] = (['honest', 'dies'] as const).flatMap((hub) =>
  (<Partial<LaneWorld>[]>[
    {},
    { bond: 0 },
    { funds: 3 },
    { freeze: true },
    { topUp: true },
    { circles: 1 },
    { reorganises: true },
    { clears: true },
    { circles: 1, topUp: true },
    { announcements: 2 },
    { exits: false, freeze: true, reorganises: true },
    { cap: 2, bond: 2 },
    { cap: 2, bond: 1 },
    { funds: 3, reorganises: true },
    { funds: 3, exits: false, circles: 1, announcements: 2 },
  ]).map((change) => ({ ...BASE, ...change, hub })),
);

/** For each rule a world in which money is lost without it. */
export const LANE_DROPS: readonly LaneWorld[] = (
  [
    ['fastLane', {}],
    ['ownLane', {}],
    ['shown', {}],
    ['expires', { exits: false }],
    ['noRestart', { hub: 'dies' }],
    ['vaultClock', { freeze: true, exits: false }],
    ['registerMovesNothing', {}],
    ['holdsBack', { exits: false }],
    ['reacts', {}],
    ['kept', {}],
    ['oneCleared', { clears: true }],
    ['slowSettlers', {}],
    ['exitGrown', { hub: 'dies' }],
  ] as const
).map(([dropped, change]) => ({ ...BASE, ...change, dropped }));
