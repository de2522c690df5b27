/**
 * `npm run edges`, its part `time`: tills and wearables whose clocks are dead, behind, ahead or no number, hubs that once
 * signed a far future, beacons that somebody recorded, timers that drift. Real machines, runtimes and journals. After every
 * case the device is given a right clock, and in a second run the hub instead: one that never sells again is bricked.
 *
 * Not looked at: a clock that stood still at a time after everything the hub ever signed. Nothing that the device knows
 * tells it from one that is right; a board must not offer such a clock (hardware/interfaces, Clock).
 */
import { amount, type Seconds, seconds } from '../../protocol/integers.ts';
import { DEFAULT_TIMING } from '../../protocol/limits.ts';
import { basisMs } from '../../protocol/machines/time.ts';
import { Pair, type Side } from '../device/pair.ts';
import { keys, lease, START } from '../protocol/bench.ts';
import { beacon, certificate } from '../protocol/forge.ts';
import { PlayedHub } from './uplink.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const NO_LIST = new Uint8Array(32);
type Key = typeof keys.hub;

/** How the two ways to get going again are called. */
export const CURES = ['clock', 'hub'] as const;
export type Cure = (typeof CURES)[number];

/** Two devices, and what time it really is. */
export class Site {
  readonly pair: Pair;
  /** Seconds that the devices' timers, which may drift, don't know of. */
  private hidden = 0;
  /** The key that the hub signs with. */
  key: Key = keys.hub;
  private tills: PlayedHub | undefined;

  private constructor(pair: Pair) {
    this.pair = pair;
  }

  static async create(): Promise<Site> {
    return new Site(await Pair.create(9));
  }

  /** What a right clock reads. */
  get real(): Seconds {
    return seconds(START + Math.round(this.pair.clock.nowMs / 1000 + this.hidden));
  }

  /** Time goes on without any tick: `timer` seconds by the timers. */
  later(realSeconds: number, timer = realSeconds): void {
    this.pair.clock.nowMs += timer * 1000;
    this.hidden += realSeconds - timer;
  }

  /** From the next power-up on this is what clocks read; a number stands for one that stopped there. */
  clocks(reading: number | undefined | (() => number | undefined)): void {
    this.pair.clock.realTimeSeconds = typeof reading === 'function' ? reading : () => reading;
  }

  get rightClock(): () => number {
    return () => this.real;
  }

  async restart(side: Side): Promise<void> {
    this.tills = undefined;
    await this.pair.restart(side);
  }

  /** The till's connection to the hub. */
  async hub(): Promise<PlayedHub> {
    this.tills ??= await PlayedHub.connect(this.pair.terminal);
    return this.tills;
  }

  /** A beacon for everybody, or of any other time. */
  async beacon(at: Seconds = this.real, key: Key = this.key): Promise<void> {
    await (await this.hub()).tell(await beacon(at, NO_LIST, key));
  }

  /** The answer to the till's question. */
  async answer(): Promise<Awaited<ReturnType<typeof beacon>>> {
    const hub = await this.hub();
    const message = await beacon(this.real, NO_LIST, this.key, hub.question?.nonce);
    await hub.tell(message);
    return message;
  }

  /** The payer gets a lease of now. */
  async renew(): Promise<void> {
    const hub = await PlayedHub.connect(this.pair.payer);
    await hub.tell(await beacon(this.real, NO_LIST, this.key, hub.question?.nonce));
    const { spent } = this.pair.payer.state.books;
    const issuedAt = this.real;
    const expiresAt = seconds(issuedAt + DEFAULT_TIMING.leaseLifetime);
    await hub.tell(await lease({ issuedAt, expiresAt, spentFrom: amount(spent) }, this.key));
    this.pair.payer.detachUplink();
    await this.pair.payer.idle();
  }

  /** `approved`, why not, or `nothing`. */
  async tap(): Promise<string> {
    const { pair } = this;
    const before = pair.notices.terminal.length;
    const paid = pair.notices.payer.length;
    pair.link();
    await pair.settle();
    await pair.sale(100);
    await pair.settle();
    pair.unlink();
    const notices = [...pair.notices.terminal.slice(before), ...pair.notices.payer.slice(paid)];
    if (notices.some(({ type }) => type === 'approved')) return 'approved';
    const refused = notices.find((notice) => notice.type === 'refused');
    return refused?.type === 'refused' ? refused.code : 'nothing';
  }

  /** A right clock and a power-up, or no clock and the hub. */
  async cure(how: Cure): Promise<void> {
    this.clocks(how === 'clock' ? this.rightClock : undefined);
    await this.restart('payer');
    await this.restart('terminal');
    if (how === 'hub') await this.answer();
    await this.renew();
  }
}

export interface TimeCase {
  readonly name: string;
  /** Brings the devices there; returns what went otherwise than it must. */
  run(site: Site): Promise<string | undefined>;
  /** Only the hub's help gets it going again: the hub itself had said what was wrong. */
  readonly hubOnly?: boolean;
}

/** The tap's outcome when it is another one than wanted. */
async function wants(site: Site, ...wanted: readonly string[]): Promise<string | undefined> {
  const outcome = await site.tap();
  return wanted.includes(outcome) ? undefined : `${outcome} instead of ${wanted.join(' or ')}`;
}

type Reading = readonly [name: string, reading: number | undefined];

/** Readings that say no time at all, or one before anything that the hub of the bench ever signed. */
const NONE: readonly Reading[] = [
  ['no clock', undefined],
  ['a dead battery: 1970', 20],
  ['2000-01-01', 946_684_800],
  ['minus five', -5],
  ['a part of a second', 1.5],
  ['not a number', Number.NaN],
  ['2^40, which no field holds', 2 ** 40],
];
const AHEAD: readonly Reading[] = [
  ['8 days ahead', START + 8 * DAY],
  ['150 days ahead', START + 150 * DAY],
  ['2036-02-07, where NTP begins anew', 2_085_978_500],
  ['2038-01-20', 2_147_570_000],
  ['2106-02-08', 4_294_970_000],
  ['the year 9999', 253_402_300_000],
  ['2^40 - 1', 2 ** 40 - 1],
];
const BEFORE_OR_NONE = ['no_time_basis', 'lease_future'];

/** The till restarts with this clock. `stored`: the hub had told it the time before. */
function tillClock([name, reading]: Reading, stored: boolean, wanted: readonly string[]): TimeCase {
  return {
    name: `till, ${name}${stored ? ', after a word of the hub' : ''}`,
    run: async (site) => {
      if (stored) {
        site.later(HOUR);
        await site.beacon();
      }
      site.clocks(reading);
      await site.restart('terminal');
      return wants(site, ...wanted);
    },
  };
}

/** Five days later, two after the lease's end, power comes back with this clock. */
function fiveDaysLater([name, reading]: Reading): TimeCase {
  return {
    name: `five days later: ${name}`,
    run: async (site) => {
      site.later(HOUR);
      await site.beacon();
      site.later(5 * DAY);
      site.clocks(reading);
      await site.restart('terminal');
      return wants(site, 'no_time_basis', 'lease_expired', 'lease_future');
    },
  };
}

/** The wearable's clock is wrong for a power-up. */
function wearableClock([name, reading]: Reading): TimeCase {
  return {
    name: `wearable, ${name}`,
    run: async (site) => {
      site.clocks(reading);
      await site.restart('payer');
      site.clocks(site.rightClock);
      await site.restart('terminal');
      // What it says itself is no promise of anybody's: paying or not, it must only not lock up.
      await site.tap();
      await site.restart('payer');
      return wants(site, 'approved');
    },
  };
}

/** Timers lose or win a tenth from the first answer on; somebody pays every six hours. */
function drifts(timer: number, own: boolean): TimeCase {
  const name = `a timer at ${Math.round(timer * 100)} % through a lease, ${own ? 'with' : 'without'} a clock`;
  return {
    name,
    run: async (site) => {
      site.clocks(own ? site.rightClock : undefined);
      await site.restart('terminal');
      await site.answer();
      site.pair.terminal.detachUplink();
      const end = START + DEFAULT_TIMING.leaseLifetime + DEFAULT_TIMING.clockError;
      let sold = 0;
      for (let hours = 6; hours <= 90; hours += 6) {
        site.later(6 * HOUR, 6 * HOUR * timer);
        await site.pair.terminal.dispatch({ type: 'clock', ...(own && { realTime: site.real }) });
        if ((await site.tap()) !== 'approved') continue;
        sold += 1;
        if (site.real > end) return `approved ${site.real - end} s after the lease and clockError`;
      }
      // With a clock it sells to the lease's end; without one as long as half a day, which every basis lasts.
      return sold >= (own ? 11 : 1) ? undefined : `it sold ${sold} times only`;
    },
  };
}

const OTHERS: readonly TimeCase[] = [
  {
    name: 'a clock behind the newest word of the hub by an hour',
    run: async (site) => {
      site.later(HOUR);
      await site.beacon();
      site.clocks(site.real - HOUR);
      await site.restart('terminal');
      return wants(site, 'no_time_basis');
    },
  },
  {
    name: 'a till an hour back, which was told nothing yet',
    run: async (site) => {
      site.clocks(START - HOUR);
      await site.restart('terminal');
      return wants(site, 'approved');
    },
  },
  {
    name: 'a till an hour ahead',
    run: async (site) => {
      site.clocks(START + HOUR);
      await site.restart('terminal');
      return wants(site, 'approved');
    },
  },
  {
    name: 'one beacon of a hundred years ahead, after its key’s end',
    run: async (site) => {
      await site.beacon(seconds(START + 100 * YEAR));
      return wants(site, 'approved');
    },
  },
  {
    name: 'one beacon of five years ahead, and a new epoch of the root',
    hubOnly: true,
    run: async (site) => {
      await site.beacon(seconds(START + 5 * YEAR));
      const first = await wants(site, 'lease_expired');
      await site.beacon();
      const second = await wants(site, 'lease_expired');
      await site.restart('terminal');
      const third = await wants(site, 'no_time_basis', 'lease_expired');
      site.later(HOUR);
      site.key = keys.nextHub as never;
      const word = await certificate(site.key.address, site.real, { epoch: 1 });
      await (await site.hub()).tell(word);
      await (await PlayedHub.connect(site.pair.payer)).tell(word);
      return first ?? second ?? third;
    },
  },
  {
    name: 'a beacon that was recorded, at a till without a clock',
    run: async (site) => {
      site.clocks(undefined);
      await site.restart('terminal');
      await site.beacon();
      return wants(site, 'no_time_basis');
    },
  },
  {
    name: 'the answer of an earlier power-up, played again five days later',
    run: async (site) => {
      site.clocks(undefined);
      await site.restart('terminal');
      const answer = await site.answer();
      const first = await wants(site, 'approved');
      site.later(5 * DAY);
      await site.restart('terminal');
      await (await site.hub()).tell(answer);
      return first ?? wants(site, 'no_time_basis', 'lease_expired');
    },
  },
  {
    name: 'an answer played again when its basis wore out',
    run: async (site) => {
      site.clocks(undefined);
      await site.restart('terminal');
      const answer = await site.answer();
      const beyond = basisMs(DEFAULT_TIMING) / 1000 + 1;
      site.later(beyond);
      await (await site.hub()).tell(answer);
      return wants(site, 'no_time_basis');
    },
  },
  {
    name: 'a clock that ran 150 days ahead while something was sold on',
    run: async (site) => {
      site.clocks(START + 150 * DAY);
      await site.restart('terminal');
      await site.tap();
      site.clocks(site.rightClock);
      await site.restart('terminal');
      return wants(site, 'approved');
    },
  },
  {
    name: 'no certificate of the hub is newer than 90 days',
    run: async (site) => {
      await site.beacon();
      site.later(90 * DAY);
      site.clocks(site.rightClock);
      await site.restart('terminal');
      return wants(site, 'lease_expired');
    },
  },
];

export const TIME_CASES: readonly TimeCase[] = [
  ...NONE.map((reading) => tillClock(reading, false, BEFORE_OR_NONE)),
  ...NONE.map((reading) => tillClock(reading, true, ['no_time_basis'])),
  ...AHEAD.map((reading) => tillClock(reading, false, ['lease_expired'])),
  ...AHEAD.map((reading) => tillClock(reading, true, ['lease_expired'])),
  ...[...NONE, ...AHEAD].map(fiveDaysLater),
  ...[NONE[0]!, NONE[1]!, NONE[5]!, ...AHEAD].map(wearableClock),
  drifts(0.9, false),
  drifts(0.9, true),
  drifts(1.1, false),
  drifts(1.1, true),
  ...OTHERS,
];

export interface TimeCounts {
  readonly cases: number;
  /** Devices that never sell again, though they got a right clock or the hub. */
  readonly bricked: number;
  /** What went otherwise than it must, in words. */
  readonly wrong: readonly string[];
}

/** Plays the cases, each once with each cure. */
export async function timeCounts(
  cases: readonly TimeCase[] = TIME_CASES,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<TimeCounts> {
  const wrong: string[] = [];
  let played = 0;
  let bricked = 0;
  for (const [i, one] of cases.entries()) {
    for (const cure of CURES) {
      if (cure === 'clock' && one.hubOnly === true) continue;
      played += 1;
      const site = await Site.create();
      const otherwise = await one.run(site);
      if (otherwise !== undefined) wrong.push(`${one.name}: ${otherwise}`);
      await site.cure(cure);
      const sells = await site.tap();
      if (sells === 'approved' && site.pair.faults.length === 0) continue;
      bricked += 1;
      const faults = site.pair.faults.map(({ code }) => code);
      wrong.push(`${one.name}: bricked, with a right ${cure} ${sells} ${faults}`);
    }
    onProgress(i + 1, cases.length);
  }
  return { cases: played, bricked, wrong };
}
