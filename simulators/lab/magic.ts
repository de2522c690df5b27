/**
 * Magic amounts at a till that runs: each price brings a wearable that does one thing wrong, by real processes and the
 * lab's own means. The list is that of adversary/magic.ts, which plays the same against the terminal machine alone.
 */
import { cpSync } from 'node:fs';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { refusal } from '../../hardware/boards/node/http/routes.ts';
import { parseLink } from '../../hardware/boards/node/links/address.ts';
import { MAGIC } from '../adversary/magic.ts';
import { play } from '../proxy/play.ts';
import { readRecord } from '../proxy/record.ts';
import type { Rule } from '../proxy/rules.ts';
import type { Lab, LabDevice } from './lab.ts';
import { tap } from './tap.ts';

/** How long a wearable of the lab is tried, seconds. */
const TRY_S = 15;
/** What every message of a slow link takes, milliseconds. */
const SLOW_MS = 4000;
/** Longer than a lease lives, seconds. */
const STORED_AWAY_S = 80 * 3600;
const SKEWED_S = 4 * 86_400;
/** How long news of the hub may take to a till, milliseconds. */
const NEWS_MS = 30_000;

/** What was played. */
export interface MagicResult {
  readonly name: string;
  readonly about: string;
  /** What the till's display was told, in order, without repetitions. */
  readonly till: readonly string[];
}

class Play {
  readonly lab: Lab;
  readonly till: LabDevice;
  readonly amount: string;
  private readonly from: number;

  constructor(lab: Lab, till: LabDevice, amount: string) {
    this.lab = lab;
    this.till = till;
    this.amount = amount;
    this.from = till.events.last;
  }

  /** A new wearable, or a till. */
  add(role: 'wearable' | 'pos'): Promise<LabDevice> {
    const name = `magic-${this.lab.devices.size + 1}`;
    return this.lab.addDevice({ name, role, deposit: '200', key: 'memory', skew: 0, flags: [] });
  }

  /** A new wearable that has met the hub, and is off now. */
  async away(): Promise<LabDevice> {
    const wearable = await this.add('wearable');
    await this.lab.setOnline(wearable, false);
    await this.lab.endDevice(wearable, false);
    return wearable;
  }

  tap(payer: LabDevice, till = this.till, rules: readonly Rule[] = [], seconds = TRY_S) {
    const { name: terminal } = till;
    return tap(this.lab, { payer: payer.name, terminal, amount: this.amount, rules, seed: 1, seconds });
  }

  /** What the till was told since the play began. */
  heard(): string[] {
    const told: string[] = [];
    for (const one of this.till.events.since(this.from, ['approved', 'refused', 'voided'])) {
      const said = one.event === 'refused' ? `refused: ${one.code} (${one.by})` : one.event;
      if (told.at(-1) !== said) told.push(said);
    }
    return told;
  }

  /** The till hears from the hub once more. */
  async news(till: LabDevice): Promise<void> {
    const { last } = till.events;
    await till.events.next(last, ['time'], NEWS_MS);
  }
}

type Plays = Readonly<Record<string, (play: Play) => Promise<unknown>>>;

const PLAYS: Plays = {
  good: async (it) => it.tap(await it.add('wearable')),
  'over-limit': async (it) => it.tap(await it.add('wearable')),
  'replayed-voucher': async (it) => {
    const { record } = await it.tap(await it.add('wearable'));
    const { last } = it.till.events;
    it.lab.command(it.till, { sale: it.amount });
    await it.till.events.next(last, ['sale.opened'], NEWS_MS);
    const said = readRecord(record.join('\n'), 'the tap');
    const at = parseLink(it.till.tap);
    await play({ record: said, tap: 1, as: 'payer', at, patienceMs: 1000, say: () => undefined });
    it.lab.command(it.till, { cancel: true });
  },
  'expired-lease': async (it) => {
    const wearable = await it.away();
    await it.lab.advance(STORED_AWAY_S);
    // It has no clock that would tell it how long it was away.
    it.lab.setSkew(wearable, -STORED_AWAY_S);
    await it.lab.startDevice(wearable);
    await it.tap(wearable);
  },
  'power-loss': async (it) => {
    const wearable = await it.add('wearable');
    it.lab.command(wearable, { haltAt: 'sign' });
    await wearable.child.status();
    await it.tap(wearable, it.till, [], 3);
    await it.lab.endDevice(wearable, true);
    await it.lab.startDevice(wearable);
    await it.tap(wearable);
  },
  'skewed-clock': async (it) => {
    const wearable = await it.away();
    it.lab.setSkew(wearable, SKEWED_S);
    await it.lab.startDevice(wearable);
    await it.tap(wearable);
  },
  'hub-refusal': async (it) => {
    const wearable = await it.add('wearable');
    await it.lab.revoke(wearable, true);
    await it.news(it.till);
    await it.tap(wearable);
  },
  'slow-link': async (it) => {
    await it.tap(await it.add('wearable'), it.till, [{ do: 'delay', ms: SLOW_MS }], 60);
  },
  duplicated: async (it) => {
    const { lab, till } = it;
    const other = await it.add('pos');
    const wearable = await it.add('wearable');
    const copy = await lab.copyDevice(wearable, (from, to) => cpSync(from, to, { recursive: true }));
    for (const one of [till, other]) await lab.setOnline(one, false);
    await it.tap(copy, other);
    await it.tap(wearable);
    for (const one of [till, other]) await lab.setOnline(one, true);
    await lab.untilRevoked(wearable.channel!, NEWS_MS);
    await it.news(till);
    await it.tap(wearable);
  },
};

/** Plays what a price stands for at a till of the lab. Rejects with `no_magic`, which lists them. */
export async function playLive(lab: Lab, terminal: string, amount: string): Promise<MagicResult> {
  const units = parseMoney(amount);
  const found = MAGIC.find((one) => one.units === units);
  if (found === undefined)
    throw refusal(
      'no_magic',
      `${amount} is no magic amount`,
      `They are ${MAGIC.map((one) => `${one.units / 1_000_000} (${one.name})`).join(', ')}.`,
    );
  const it = new Play(lab, lab.device(terminal), amount);
  await PLAYS[found.name]!(it);
  return { name: found.name, about: found.about, till: it.heard() };
}
