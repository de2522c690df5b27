/** A whole hub with a chain, a vault, a broker or a node that is not what it should be: it says so, and it can be ended. */
import { startBroker } from '../../../hub/ingest/broker.ts';
import { freePort } from '../../../hub/node/free-port.ts';
import type { Hub } from '../../../hub/hub.ts';
import type { HubConfigInput } from '../../../hub/config.ts';
import { amount, channelId } from '../../../protocol/integers.ts';
import { refusalName } from '../../../protocol/refusals.ts';
import { SCOPE_ANY } from '../../../protocol/vouchers.ts';
import { Connected } from '../../hub/site.ts';
import { inTemporaryFolder, until } from '../../hub/temporary.ts';
import { type L2Case, want } from './case.ts';
import type { freshKey, Ground } from './ground.ts';

type Chain = Partial<HubConfigInput['chain']>;

/** Runs a hub on the first road; stops it in the end, and says when that took too long. */
async function onHub(
  ground: Ground,
  change: Partial<HubConfigInput> & { readonly chain?: never },
  chain: Chain,
  work: (hub: Hub) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const found: string[] = [];
  await inTemporaryFolder(async (folder) => {
    const own = { ...ground.site.config(folder).chain, rpcUrl: ground.road.url, ...chain };
    const hub = await ground.site.start(folder, { ...change, chain: own });
    try {
      found.push(...(await work(hub)));
    } finally {
      await stopInTime(hub, found);
    }
  });
  return found;
}

/** Stops within ten seconds, counted in turns of this process, so that a busy machine doesn't count. */
async function stopInTime(hub: Hub, found: string[]): Promise<void> {
  let turns = 0;
  const turning = setInterval(() => {
    turns += 1;
  }, 100);
  await hub.stop();
  clearInterval(turning);
  // A timer of 100 ms fires less often on a busy machine, never more often.
  if (turns > 100) found.push(`stop took more than ${turns} turns`);
}

const get = async (url: string) => {
  const response = await fetch(url);
  return { status: response.status, text: await response.text() };
};

const metric = async (hub: Hub, name: string): Promise<string | undefined> =>
  new RegExp(`^${name} (.*)$`, 'm').exec((await get(`${hub.statusUrl}/metrics`)).text)?.[1];

/** What the pages say of a hub that is not ready, asked until they say it. */
async function troubled(hub: Hub, reason: RegExp): Promise<string[]> {
  await until(`it is said that ${reason}`, () => hub.health().reasons.some((found) => reason.test(found)));
  const page = await get(`${hub.statusUrl}/readyz`);
  return [
    ...want('readyz', page.status, 503),
    ...want(
      'reason',
      (JSON.parse(page.text) as { reasons: string[] }).reasons.some((told) => reason.test(told)),
      true,
    ),
    ...want('metric', await metric(hub, 'sundial_hub_ready'), '0'),
  ];
}

/** And of one that is. */
async function ready(hub: Hub): Promise<string[]> {
  await until('it is ready', () => hub.health().ready);
  const page = await get(`${hub.statusUrl}/readyz`);
  return [
    ...want('readyz', [page.status, JSON.parse(page.text)], [200, { ready: true, reasons: [] }]),
    ...want('metric', await metric(hub, 'sundial_hub_ready'), '1'),
    ...want('age', Number(await metric(hub, 'sundial_hub_chain_age_seconds')) < 86_400, true),
  ];
}

/** `lease`, or the name of the refusal. */
async function lease(
  { site }: Ground,
  hub: Hub,
  channel: number,
  payer: ReturnType<typeof freshKey>,
): Promise<string> {
  const wearable = new Connected(hub, payer.address);
  try {
    await wearable.ready();
    const request = {
      channel: channelId(channel),
      seq: 0 as never,
      spent: amount(0),
      at: 0 as never,
      scope: SCOPE_ANY,
    };
    const signature = await payer.sign(site.signing.digest('LeaseRequest', request));
    wearable.send({ type: 'leaseRequest', ...request, signature });
    await until('an answer', () =>
      wearable.received.some(({ type }) => type === 'lease' || type === 'rejection'),
    );
    const answer = wearable.received.find(({ type }) => type === 'lease' || type === 'rejection')!;
    return answer.type === 'rejection' ? String(refusalName(answer.code)) : answer.type;
  } finally {
    wearable.close();
  }
}

const NOWHERE = 'http://127.0.0.1:9';

export const WHOLE: readonly L2Case[] = [
  {
    name: 'a hub without a chain says that it is ready, and that its chain is young',
    run: (ground) =>
      onHub(ground, {}, { rpcUrl: NOWHERE }, async (hub) => [
        ...(await troubled(hub, /^chain: l2_away/)),
        ...want('age', await metric(hub, 'sundial_hub_chain_age_seconds'), '+Inf'),
        ...want('height', await metric(hub, 'sundial_hub_chain_height'), 'Nan'),
      ]),
  },
  {
    name: 'a hub with the address of no vault says that it is ready',
    run: (ground) => {
      ground.road.tell((method) => (method === 'eth_getCode' ? { result: '0x' } : undefined));
      return onHub(ground, {}, {}, (hub) => troubled(hub, /^chain: chain_mismatch/));
    },
  },
  {
    name: 'a node that never answers goes unnoticed, and holds up the end',
    run: (ground) => {
      ground.road.tell(() => 'hang');
      return onHub(ground, {}, {}, (hub) => troubled(hub, /^chain: l2_silent/));
    },
  },
  {
    name: 'a node that stops answering goes unnoticed, and holds up the end',
    run: (ground) =>
      onHub(ground, {}, {}, async (hub) => {
        const first = await ready(hub);
        ground.road.tell(() => 'hang');
        return [...first, ...(await troubled(hub, /^chain: l2_silent/))];
      }),
  },
  {
    name: 'a chain that comes late is never found',
    run: (ground) => {
      ground.road.tell(() => ({ status: 503 }));
      return onHub(ground, {}, {}, async (hub) => {
        const wrong = await troubled(hub, /^chain: l2_away/);
        ground.road.tell(undefined);
        return [...wrong, ...(await ready(hub))];
      });
    },
  },
  {
    name: 'a broker that is away at the start ends the hub, or is never found',
    run: async (ground) => {
      const port = await freePort();
      const credentials = { username: 'hub-test', password: 'p' };
      const mqtt = { url: `mqtt://127.0.0.1:${port}`, ...credentials };
      return onHub(ground, { mqtt }, {}, async (hub) => {
        const wrong = await troubled(hub, /^broker: /);
        const broker = await startBroker({ name: 'test', host: '127.0.0.1', port, credentials });
        try {
          return [...wrong, ...(await ready(hub))];
        } finally {
          await broker.close();
        }
      });
    },
  },
  {
    name: 'a lease on a channel whose exit the node hides',
    run: (ground) =>
      onHub(ground, {}, {}, async (hub) => {
        const { channel, payer } = await ground.open();
        await until('it is known', () => (hub.status().chain.finalHeight ?? 0) > 0 && hub.health().ready);
        await until(
          'the channel is known',
          async () => (await lease(ground, hub, channel, payer)) === 'lease',
        );
        ground.road.tell((method) =>
          method === 'eth_getLogs' || method === 'eth_getBlockReceipts' ? { result: [] } : undefined,
        );
        await ground.site.vault.startExit(ground.site.owner, channel);
        await ground.mine(2);
        const wrong = await troubled(hub, /^chain: l2_unproved/);
        ground.road.tell(undefined);
        await until('it is ready', () => hub.health().ready);
        return [...wrong, ...want('lease', await lease(ground, hub, channel, payer), 'exit_running')];
      }),
  },
  {
    name: 'a lease while the chain tells an impossible time',
    run: (ground) =>
      onHub(ground, { timing: { clockError: 60 } as never }, {}, async (hub) => {
        const { channel, payer } = await ground.open();
        await until(
          'the channel is known',
          async () => (await lease(ground, hub, channel, payer)) === 'lease',
        );
        const before = hub.status().chain.at!;
        const snapshot = await ground.rpc('evm_snapshot');
        await ground.rpc('evm_increaseTime', 100_000);
        await ground.mine(1);
        const wrong = await troubled(hub, /^chain: clock_differs/);
        const meanwhile = await lease(ground, hub, channel, payer);
        await ground.rpc('evm_revert', snapshot);
        await ground.mine(1);
        return [
          ...wrong,
          ...want('lease', meanwhile, 'chain_stale'),
          ...want('time', hub.status().chain.at! - before < 10_000, true),
          ...(await ready(hub)),
        ];
      }),
  },
];
