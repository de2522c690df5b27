/**
 * The walk that leaves hub and L2 out of the devices' interleavings, against the walk that doesn't: the devices come to
 * exactly the same states in both, and a hub or an L2 that is broken is found by both. `--deep` compares larger ones.
 */
import { env } from 'node:process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HubTable } from '../../simulators/explore/actors/hub.ts';
import { VaultTable } from '../../simulators/explore/actors/vault.ts';
import { decodeOwn } from '../../protocol/wire/messages.ts';
import { type Config, configNamed } from '../../simulators/explore/config.ts';
import { NO_DROP } from '../../simulators/explore/drops.ts';
import { explore } from '../../simulators/explore/explore.ts';
import { canonical, Interner } from '../../simulators/explore/space.ts';
import { World } from '../../simulators/explore/world.ts';

const deep = env.SUNDIAL_DEEP === '1';

/** One number for what is the same in two walks, whatever each of them calls it. */
const names = new Interner<string>();
const numberOf = (text: string): number => names.number(text, () => text);

/** What the devices of a world can tell of a row: all of it but what waits for the hub, and what hub and L2 hold. */
class DeviceView {
  private readonly world: World;
  private readonly known = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
  }

  private once(key: string, text: () => string): number {
    let found = this.known.get(key);
    if (found === undefined) {
      found = numberOf(text());
      this.known.set(key, found);
    }
    return found;
  }

  private sent(row: Int32Array): number[] {
    const { values } = this.world.scene.sent;
    return values.flatMap(({ message, byPayer }, at) => {
      const isSent = (row[this.world.sentAt + (at >> 5)]! & (1 << (at & 31))) !== 0;
      return isSent ? [this.once(`m${at}`, () => `${byPayer}${canonical(message)}`)] : [];
    });
  }

  of(row: Int32Array): string {
    const { world } = this;
    const payer = this.once(`p${row[0]}`, () => canonical(world.payer.local(row[0]!)));
    const terminals = world.terminals.map((table, t) =>
      this.once(`${t}:${row[1 + t]}`, () => {
        const { state, ghost } = table.local(row[1 + t]!);
        // What waits for the hub, and the sums over that, are not the devices' own.
        const lanes = state.books.lanes.map((lane) => ({ ...lane, exposure: 0 }));
        return canonical({
          ghost,
          state: { ...state, books: { ...state.books, outbox: [], exposure: 0, lanes } },
        });
      }),
    );
    const { phase, settled } = world.vault.local(row[world.vaultAt]!);
    const left = phase === 'left' ? settled.join() : '';
    const promised = row.subarray(world.promisedAt, world.sentAt);
    const sent = this.sent(row).sort((a, b) => a - b);
    return `${payer}|${terminals}|${left}|${promised}|${sent}`;
  }
}

/** Everything that the devices come to, and the number of states that it took. */
function devicesOf(
  config: Config,
  isApart: boolean,
): { views: Set<string>; resolved: Set<string>; states: number } {
  const world = new World(config, NO_DROP, isApart);
  assert.is(world.ledgers !== undefined, isApart, `${config.name} can be walked both ways`);
  const view = new DeviceView(world);
  const views = new Set<string>();
  const resolved = new Set<string>();
  const seen = new Set([world.first.join()]);
  const queue = [world.first];
  for (const row of queue) {
    const seenNow = view.of(row);
    views.add(seenNow);
    if (world.resolved(row)) resolved.add(seenNow);
    world.next(row, (_, next) => {
      const key = next.join();
      if (seen.has(key)) return;
      seen.add(key);
      queue.push(Int32Array.from(next));
    });
  }
  return { views, resolved, states: seen.size };
}

for (const name of [
  's1',
  's2',
  's3',
  's4',
  's6',
  's9',
  's10',
  's11',
  's12',
  ...(deep ? ['s5', 'c5', 'c1'] : []),
])
  test(`${name}: the devices come to the same states with and without hub and L2 among them`, () => {
    const config = configNamed(name);
    const full = devicesOf(config, false);
    const apart = devicesOf(config, true);
    assert.ok(apart.states < full.states, 'there is less to walk');
    for (const which of ['views', 'resolved'] as const) {
      const missing = [...full[which]].filter((one) => !apart[which].has(one)).length;
      assert.equal([apart[which].size, missing], [full[which].size, 0], which);
    }
    console.log(
      `${name}: ${full.states} states, ${apart.states} apart, ${full.views.size} of the devices in both`,
    );
  });

/** Replaces one method while `run` runs. */
function broken<K extends string, T extends Record<K, (...args: never[]) => unknown>>(
  of: { prototype: T },
  method: K,
  change: (real: T[K]) => T[K],
  run: () => void,
): void {
  const real = of.prototype[method];
  of.prototype[method] = change(real);
  try {
    run();
  } finally {
    of.prototype[method] = real;
  }
}

/** Both walks find it; `apart` is what the walk apart says. */
function foundInBoth(name: string, apart: RegExp): void {
  const config = configNamed(name);
  for (const isApart of [false, true]) {
    const { ok, fault, trace } = explore({ config, apart: isApart });
    assert.not.ok(ok, isApart ? 'apart' : 'in full');
    assert.match(fault ?? 'nothing', isApart ? apart : /^P[1-7]/);
    assert.ok(trace!.length > 0);
  }
}

test('a hub that forgets what it has written is found both ways', () => {
  const forgets = function (this: HubTable): number {
    return this.first();
  };
  // With writing apart from receiving: only then is there something to lose.
  broken(
    HubTable,
    'cut',
    () => forgets,
    () => foundInBoth('s1', /^P[25] /),
  );
});

test('a hub that takes entries in one order only is found both ways', () => {
  broken(
    HubTable,
    'receive',
    (real) =>
      function (this: HubTable, number, upload) {
        return upload.claim === 1 && this.claimable(number, 0) > 1 ? number : real.call(this, number, upload);
      },
    () => foundInBoth('s1', /^P5 the hub takes none/),
  );
});

test('an L2 that settles a lane once only is found both ways', () => {
  broken(
    VaultTable,
    'settle',
    (real) =>
      function (this: VaultTable, number, books) {
        const { settled } = this.local(number);
        return settled.some((sum) => sum > 0) ? number : real.call(this, number, books);
      },
    () => foundInBoth('s9', /^P4 L2 settled/),
  );
});

/** Did the hub get a stream's second tick, or the credit for both, and never the first? That happens on the way only. */
const skipsOne = (hub: HubTable, number: number, type: 'collectedTick' | 'collectedCredit'): boolean => {
  const messages = hub.locals.values[number]!.written.flatMap((record) =>
    record.type === 'entry' ? [decodeOwn(record.message)] : [],
  );
  const ranks = messages.flatMap((message) => {
    if (message.type !== type) return [];
    return message.type === 'collectedTick' ? [message.k] : [message.credited];
  });
  return ranks.includes(2 as never) && !ranks.includes(1 as never);
};

test('a hub that claims less when it missed a tick is found both ways', () => {
  broken(
    HubTable,
    'claimable',
    (real) =>
      function (this: HubTable, number, payee) {
        return real.call(this, number, payee) - (skipsOne(this, number, 'collectedTick') ? 1 : 0);
      },
    () => foundInBoth('s3', /^P2 payee 0 handed in a claim on 2/),
  );
});

test('a hub that gives back less when it missed a credit is found both ways', () => {
  broken(
    HubTable,
    'net',
    (real) =>
      function (this: HubTable, number, payee, byLane) {
        return real.call(this, number, payee, byLane) + (skipsOne(this, number, 'collectedCredit') ? 1 : 0);
      },
    () => foundInBoth('s3', /^P6 the hub's books come to/),
  );
});

test('a hub that accuses who skipped a tick is found both ways', () => {
  broken(
    HubTable,
    'local',
    (real) =>
      function (this: HubTable, number) {
        return { ...real.call(this, number), evidence: skipsOne(this, number, 'collectedTick') };
      },
    () => foundInBoth('s3', /^P1b the hub holds evidence/),
  );
});

test('an L2 that takes back what it settled is found apart', () => {
  const config = configNamed('s9');
  broken(
    VaultTable,
    'settle',
    (real) =>
      function (this: VaultTable, number, books) {
        const settled = real.call(this, number, books);
        return this.local(number).settled.some((sum) => sum > 0) ? this.first() : settled;
      },
    () => assert.match(explore({ config, apart: true }).fault ?? 'nothing', /^P3 a batch lowered/),
  );
});

test.run();
