/**
 * `npm run edges`, its part `keys`: a thief of one of the hub's keys against both machines on real runtimes and journals
 * (what a till forgets: its machine alone), strangers who register somebody's terminal at the hub, and clients of its broker that name themselves after everybody.
 * Each attack runs once against each thing that it may hit, and each run is one of the count.
 *
 * Not looked at: a thief of the root; a thief who keeps within the key's window and before its revocation, who can do all
 * that the hub can (the bound of that is a month); brokers other than the embedded one.
 */
import mqtt from 'mqtt';
import { startBroker } from '../../hub/ingest/broker.ts';
import { bytesKey, trieGet } from '../../hub/intake/trie.ts';
import { type Seconds, seconds, UINT40_MAX } from '../../protocol/integers.ts';
import { HUB_KEYS_MAX } from '../../protocol/limits.ts';
import { type MessageOf, ROLES } from '../../protocol/wire/messages.ts';
import { deviceTopics, parseDeviceTopic } from '../../protocol/wire/topics.ts';
import * as fleet from '../hub/fleet.ts';
import { keys, signing } from '../protocol/bench.ts';
import { certificate } from '../protocol/forge.ts';
import { day, HONEST, type Key, Keyed, LATER, type Side, THIEF, THIEF_FROM, THIEF_UNTIL } from './keyed.ts';
import { givenBack, sentAway } from './places.ts';

/** How an attack ended: `true` when it succeeded. */
type Ended = boolean | Promise<boolean>;

export interface Attack {
  readonly name: string;
  /** How often it is run, and against what. */
  readonly runs: readonly { readonly against: string; run(): Ended }[];
}

const SIDES: readonly Side[] = ['payer', 'terminal'];

/**
 * The same attack on a payer and on a till. Whatever the thief does, the hub must be believed afterwards: a device that
 * is locked out of it was attacked with success as well.
 */
function onBoth(name: string, attack: (device: Keyed) => Promise<boolean>, honest: Key = HONEST): Attack {
  const run = async (side: Side): Promise<boolean> => {
    const device = await Keyed.create(side);
    return (await attack(device)) || (device.waits && !(await device.acknowledge(honest)));
  };
  return { name, runs: SIDES.map((side) => ({ against: side, run: () => run(side) })) };
}

async function revocation(
  key: Key,
  at: Seconds,
  by: Key = keys.root as never,
): Promise<MessageOf<'hubKeyRevoked'>> {
  const fields = { key: key.address, at };
  const signature = await by.sign(signing.digest('HubKeyRevoked', fields));
  return { type: 'hubKeyRevoked', ...fields, signature };
}

/** A certificate of a key that is good from this day on. */
const certify = (key: Key, from: number, change: Parameters<typeof certificate>[2] = {}, by?: Key) =>
  certificate(key.address, day(from), { signedAt: day(from), ...change }, by as never);

/** The hub's next key, which is there when the stolen one has ended. */
const NEXT = LATER[0]!;
async function ends(device: Keyed): Promise<void> {
  await device.tell(await certify(NEXT, 20));
  await device.beacon(NEXT, day(THIEF_UNTIL + 1));
}

/** Everything that a key may be believed in: none of it is. */
async function speaks(device: Keyed, key: Key, at: Seconds): Promise<boolean> {
  const dated = await device.beacon(key, at);
  const answered =
    device.hub.question !== undefined && (await device.beacon(key, at, device.hub.question.nonce));
  const acknowledged = await device.acknowledge(key);
  return dated || answered || acknowledged;
}

const ON_DEVICES: readonly Attack[] = [
  onBoth(
    'names itself for longer',
    async (device) => {
      await device.tell(await certify(THIEF, 20, {}, THIEF));
      await ends(device);
      return speaks(device, THIEF, day(THIEF_UNTIL + 2));
    },
    NEXT,
  ),
  onBoth('names a successor', async (device) => {
    await device.tell(await certify(LATER[1]!, 0, {}, THIEF));
    return device.knows(LATER[1]!);
  }),
  onBoth('begins an epoch of its own', async (device) => {
    await device.tell(await certify(THIEF, 0, { epoch: 1 }, THIEF));
    return device.device.state.books.hub.epoch !== 0 || !device.knows(HONEST);
  }),
  onBoth('evicts the honest key with certificates of its own', async (device) => {
    for (let n = 0; n <= HUB_KEYS_MAX; n++) {
      const made = { ...keys.stranger, address: new Uint8Array(20).fill(n + 1) } as unknown as Key;
      await device.tell(await certify(made, 0, {}, THIEF));
    }
    return !device.knows(HONEST);
  }),
  onBoth('revokes the honest key', async (device) => {
    await device.tell(await revocation(HONEST, day(0), THIEF));
    return !device.knows(HONEST);
  }),
  onBoth('fills the table with genuine certificates of later keys', async (device) => {
    for (const [n, key] of LATER.entries())
      await device.tell(await certify(key, n + 1, { signedAt: day(0) }));
    return !device.knows(HONEST);
  }),
  onBoth(
    'speaks after the end of its key',
    async (device) => {
      await ends(device);
      return speaks(device, THIEF, day(THIEF_UNTIL));
    },
    NEXT,
  ),
  onBoth(
    'speaks after its end and a power cut',
    async (device) => {
      await ends(device);
      await device.powerCut();
      await device.tell(await certify(THIEF, THIEF_FROM));
      return speaks(device, THIEF, day(THIEF_UNTIL));
    },
    NEXT,
  ),
  onBoth(
    'speaks after a later certificate was seen and power was lost',
    async (device) => {
      await device.tell(await certify(NEXT, 38, { signedAt: day(THIEF_UNTIL + 1) }));
      await device.powerCut();
      await device.tell(await certify(THIEF, THIEF_FROM));
      const spoke = await speaks(device, THIEF, day(THIEF_UNTIL));
      await device.tell(await certify(NEXT, 38, { signedAt: day(THIEF_UNTIL + 1) }));
      await device.beacon(NEXT, day(38));
      return spoke;
    },
    NEXT,
  ),
  onBoth(
    'clears what waits after its end',
    async (device) => {
      await ends(device);
      return device.acknowledge(THIEF);
    },
    NEXT,
  ),
  onBoth('speaks after its revocation', async (device) => {
    await device.tell(await revocation(THIEF, day(0)));
    return speaks(device, THIEF, day(1));
  }),
  onBoth('plays its certificate again after the revocation and a power cut', async (device) => {
    await device.tell(await revocation(THIEF, day(0)));
    await device.powerCut();
    await device.tell(await certify(THIEF, THIEF_FROM));
    return device.knows(THIEF) || speaks(device, THIEF, day(1));
  }),
  onBoth('moves time beyond its window', async (device) => {
    for (const at of [seconds(day(THIEF_UNTIL) + 1), day(365), seconds(UINT40_MAX)])
      await device.beacon(THIEF, at);
    return device.time > day(THIEF_UNTIL);
  }),
  onBoth(
    'gives a lease after its end',
    async (device) => {
      await ends(device);
      return device.showLease(THIEF, day(THIEF_UNTIL + 1));
    },
    NEXT,
  ),
  onBoth('gives a lease that outlives its revocation', async (device) => {
    await device.showLease(THIEF, day(0));
    await device.tell(await revocation(THIEF, day(0)));
    return device.holdsLeaseOf(THIEF);
  }),
  onBoth('plays an answer of an earlier power-up for a basis', async (device) => {
    const { nonce } = device.hub.question!;
    await device.powerCut();
    await device.beacon(HONEST, day(0), nonce);
    return device.isBased;
  }),
  onBoth(
    'plays certificates of an epoch that is over',
    async (device) => {
      await device.tell(await certify(NEXT, 0, { epoch: 1 }));
      await device.tell(await certify(THIEF, THIEF_FROM));
      return device.knows(THIEF) || speaks(device, THIEF, day(1));
    },
    NEXT,
  ),
  onBoth(
    'plays the first certificate of an epoch again, to set time back',
    async (device) => {
      const first = await certify(NEXT, 0, { epoch: 1 });
      await device.tell(first);
      await device.beacon(NEXT, day(20));
      await device.tell(first);
      return device.time < day(20);
    },
    NEXT,
  ),
  onBoth(
    'has its revocation forgotten by a new epoch',
    async (device) => {
      const [stolen, next] = [LATER[1]!, NEXT];
      const word = await certify(stolen, 1, { epoch: 1 });
      await device.tell(await revocation(stolen, day(2)));
      await device.tell(await certify(next, 3, { epoch: 1 }));
      await device.powerCut();
      await device.tell(word);
      return device.knows(stolen) || speaks(device, stolen, day(4));
    },
    NEXT,
  ),
];

/** A till that a thief makes a member of a scope for ever, and what then takes the thief's key away: is it one still? */
async function staysMember(
  takesAway: (device: Keyed) => Promise<void>,
  now: Seconds,
  cut: boolean,
): Promise<boolean> {
  const device = await Keyed.create('terminal');
  const fields = {
    scope: new Uint8Array(32).fill(9),
    terminal: keys.terminal.address,
    expiresAt: UINT40_MAX,
  };
  const signature = await THIEF.sign(signing.digest('Member', fields as never));
  await device.tell({ type: 'member', ...fields, signature } as never);
  if (cut) await device.powerCut();
  await takesAway(device);
  const { books } = device.device.state;
  return 'member' in books && books.member !== undefined && books.member.expiresAt >= now;
}

const isRevoked = async (device: Keyed) => device.tell(await revocation(THIEF, day(0)));
const hasEnded = async () => undefined;
const isOfOldEpoch = async (device: Keyed) => device.tell(await certify(NEXT, 0, { epoch: 1 }));

const AT_A_TILL: readonly Attack[] = [
  {
    name: 'makes a till a member of a scope for longer than its key counts',
    runs: [false, true].flatMap((cut) => [
      { against: 'a revocation', run: () => staysMember(isRevoked, day(0), cut) },
      { against: 'its end', run: () => staysMember(hasEnded, day(THIEF_UNTIL + 4), cut) },
      { against: 'a new epoch', run: () => staysMember(isOfOldEpoch, day(0), cut) },
    ]),
  },
  {
    name: 'names a place that no ledger reaches for what is forgotten',
    runs: [{ against: 'terminal', run: sentAway }],
  },
  {
    name: 'has a sale given back that it acknowledged, when its lane is forgotten',
    runs: [{ against: 'terminal', run: givenBack }],
  },
];

/** A registration as a device signs it, or as somebody else would. */
async function registration(options: {
  payee?: typeof fleet.payee;
  counter?: number;
  signer?: typeof fleet.terminal;
}): Promise<MessageOf<'register'>> {
  const { payee: of = fleet.payee, counter = 1, signer = fleet.terminal } = options;
  const device = fleet.terminal.address;
  const expiresAt = seconds(fleet.NOW + 1_000_000);
  const fields = { hub: fleet.pin.id, device, payee: of.address, counter };
  return {
    type: 'register',
    device,
    role: ROLES.pos,
    payee: of.address,
    certificateExpiresAt: expiresAt,
    certificate: await of.sign(
      fleet.signing.digest('Terminal', { terminal: device, payee: of.address, expiresAt }),
    ),
    entropyCertified: 1,
    counter,
    signature: await signer.sign(fleet.signing.digest('Register', fields)),
  };
}

/** The terminal has registered for its payee; then somebody sends this. Does the hub think otherwise of it now? */
async function taken(
  attack: (first: MessageOf<'register'>) => Promise<MessageOf<'register'>>,
): Promise<boolean> {
  const bench = new fleet.Bench();
  const first = await registration({ counter: 2 });
  bench.send(first);
  const { address } = fleet.terminal;
  bench.send(await attack(first), 'a stranger');
  const payee = trieGet(bench.state.terminals, bytesKey(address));
  return payee === undefined || bytesKey(payee) !== bytesKey(fleet.payee.address);
}

const AT_THE_HUB: readonly Attack[] = [
  {
    name: 'registers somebody’s terminal',
    runs: [
      {
        against: 'hub',
        run: () =>
          taken(() => registration({ payee: fleet.otherPayee, counter: 3, signer: fleet.otherTerminal })),
      },
      {
        against: 'hub',
        run: () =>
          taken(async (first) => ({
            ...(await registration({ payee: fleet.otherPayee, counter: 3 })),
            signature: first.signature,
          })),
      },
    ],
  },
  {
    name: 'a payee certifies somebody’s terminal',
    runs: [
      {
        against: 'hub',
        run: () =>
          taken(() =>
            registration({ payee: fleet.otherPayee, counter: 3, signer: fleet.otherPayee as never }),
          ),
      },
    ],
  },
  {
    name: 'plays a registration of before again',
    runs: [{ against: 'hub', run: () => taken(() => registration({ payee: fleet.otherPayee, counter: 1 })) }],
  },
];

const NAMES = ['+', '#', 'a/b', '+/down', '0xab+', '\0', 'a\0', '__proto__', '', 'x'.repeat(65)];

/** A client of this name hears what is for somebody else, or says something in another's name. */
async function hears(clientId: string): Promise<boolean> {
  const broker = await startBroker({ name: 'h', host: '127.0.0.1', port: 0 });
  const hub = await mqtt.connectAsync(broker.url, { ...broker.credentials, clientId: 'hub-h' });
  const heard: string[] = [];
  try {
    const spy = await mqtt
      .connectAsync(broker.url, { clientId, reconnectPeriod: 0, connectTimeout: 5000 })
      .catch(() => undefined);
    if (spy === undefined) return false;
    spy.on('message', (_, payload) => heard.push(String(payload)));
    await spy.subscribeAsync(deviceTopics('h', clientId).down).catch(() => undefined);
    await hub.publishAsync(deviceTopics('h', '0xvictim').down, 'a lease of somebody else', { qos: 1 });
    // What is published goes out in order: when this has come back, the other would have.
    await hub.subscribeAsync('sundial/1/h/mark');
    await new Promise<void>((resolve) => {
      hub.on('message', () => resolve());
      hub.publish('sundial/1/h/mark', 'x');
    });
    await spy.endAsync(true);
    return heard.length > 0;
  } finally {
    await hub.endAsync(true);
    await broker.close();
  }
}

const CLIENTS: readonly Attack[] = [
  {
    name: 'a client names itself after everybody',
    // The empty name is none: MQTT gives such a client one that nobody else has. NUL is refused by every client library.
    runs: NAMES.filter((name) => name !== '' && !name.includes('\0')).map((name) => ({
      against: JSON.stringify(name),
      run: () => hears(name),
    })),
  },
  {
    name: 'a topic names a device that can be none',
    runs: NAMES.map((name) => ({
      against: JSON.stringify(name),
      run: () => parseDeviceTopic('h', `sundial/1/h/${name}/up`) !== undefined,
    })),
  },
];

export const ATTACKS: readonly Attack[] = [...ON_DEVICES, ...AT_A_TILL, ...AT_THE_HUB, ...CLIENTS];

/** What the thief can do while its key is good: a run in which it can't would show nothing. */
export async function thiefIsHeard(side: Side): Promise<boolean> {
  const device = await Keyed.create(side);
  const dated = await device.beacon(THIEF, day(1));
  const leased = await device.showLease(THIEF, day(1));
  return dated && leased && (await device.acknowledge(THIEF));
}

export interface KeyCounts {
  readonly attacks: number;
  readonly succeeded: number;
  readonly wrong: readonly string[];
}

/** Runs the attacks. */
export async function keyCounts(attacks: readonly Attack[] = ATTACKS): Promise<KeyCounts> {
  const wrong: string[] = [];
  let count = 0;
  for (const side of SIDES)
    if (!(await thiefIsHeard(side)))
      wrong.push(`${side}: the thief is not heard while its key is good: nothing is shown`);
  const deaf = wrong.length;
  for (const { name, runs } of attacks)
    for (const { against, run } of runs) {
      count += 1;
      if (await run()) wrong.push(`${name}: succeeded against ${against}`);
    }
  return { attacks: count, succeeded: wrong.length - deaf, wrong };
}
