/** `sundial demo` (npm start): the whole story with real processes, a real broker and a real chain node. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { Mosquitto } from '../../hub/ingest/mosquitto.ts';
import { type Anvil, startAnvil } from '../../hub/l2/anvil.ts';
import { PostgresServer } from '../../hub/postgres/server.ts';
import { connect } from '../../hub/l2/chain.ts';
import { lockFolder } from '../../hardware/boards/node/storage/lock.ts';
import { SundialError } from '../../protocol/errors.ts';
import { HubChild, TIED } from './hub-child.ts';
import { askHub, type HubAddress } from '../../hub/cli/ask-hub.ts';
import { HubStatus } from '../../hub/cli/hub-status.ts';
import { operatorTokenPath } from '../../hub/desk/tokens.ts';
import { reconcile, reconciliationTable } from '../../hub/cli/reconcile.ts';
import { type Site, writeSite } from '../../hub/cli/site.ts';
import { hubConfig } from './hub-config.ts';
import { makeSite } from './site.ts';
import { type Radio, startRadio } from './radio.ts';
import { Story, type Timeline } from './story.ts';
import { projectRoot, STATE_ROOT } from '../../hardware/boards/node/cli/paths.ts';
import { fail } from '../../hardware/boards/node/cli/output.ts';

interface Flags {
  readonly once: boolean;
  readonly json: boolean;
  readonly boards: boolean;
  readonly postgres: boolean;
  readonly ble: boolean;
  readonly state: string;
}

/** What `lockFolder` leaves in a story's folder. */
const STORY_OWNER = 'story.owner';
/** All that a story makes in its folder; only these are removed for the next one. */
const STORY_FILES = ['site.json', 'hub.json', 'hub', 'wearable', 'car', 'pos', 'charger'] as const;

/** Seconds between blocks once the site stands, as on an L2. */
const BLOCK_SECONDS = 1;

function makeTimeline(json: boolean): Timeline {
  // With --json stdout belongs to the one object; the story is told on stderr only to people.
  const out = json ? undefined : process.stdout;
  return {
    say: (who, text) => out?.write(`${new Date().toISOString().slice(11, 23)}  ${who.padEnd(9)} ${text}\n`),
    heading: (text) => out?.write(`\n== ${text}\n`),
  };
}

interface Running {
  anvil?: Anvil;
  postgres?: PostgresServer;
  mosquitto?: Mosquitto;
  hub?: HubChild;
  /** The second one. */
  worker?: HubChild;
  radio?: Radio;
  story?: Story;
}

async function stopAll(running: Running): Promise<void> {
  await running.story?.stop();
  await running.radio?.stop();
  await running.worker?.stop();
  await running.hub?.stop();
  await running.mosquitto?.stop();
  await running.postgres?.stop();
  await running.anvil?.stop();
}

/** What two workers share: a database and a broker. Resolves with what the configuration says of them. */
async function startOthers(running: Running, timeline: Timeline): Promise<object> {
  running.postgres = await PostgresServer.start({ tiedBy: TIED });
  running.mosquitto = await Mosquitto.start({ tiedBy: TIED });
  const url = await running.postgres.create('hub');
  timeline.say('hub', `PostgreSQL at ${url}, mosquitto at ${running.mosquitto.url}`);
  return { database: { url }, mqtt: { url: running.mosquitto.url } };
}

/** Merchants and devices have names at the hub's desk, so that its console shows them. */
async function introduce(site: Site, hub: HubAddress): Promise<void> {
  for (const [name, key] of [
    ['Market stall', site.keys.merchant],
    ['Charge point operator', site.keys.operator],
  ])
    await askHub(hub, '/v1/payees', 'POST', { name, key });
  for (const { name, role, payee, address: device } of site.devices) {
    const wish = { name, role, ...(payee !== undefined && { payee }) };
    const { code } = (await askHub(hub, '/v1/enrolments', 'POST', wish)) as { code: string };
    await askHub(hub, '/v1/enrolments/redeem', 'POST', { code, device });
  }
}

/**
 * A fresh story each time: the local chain below it forgets everything when it stops. What no story made stays. Throws
 * `not_a_story` when no story was told there, and `folder_locked` while another one runs.
 */
async function emptyForStory(folder: string): Promise<void> {
  const found = existsSync(folder) ? readdirSync(folder) : [];
  if (found.length > 0 && !found.includes(STORY_OWNER))
    throw new SundialError('not_a_story', `${folder} holds files that no demonstration made`, {
      severity: 'call',
      remedy: 'Name an empty or a new folder with --state.',
    });
  // Held until this process ends.
  await lockFolder(folder, 'story');
  for (const name of STORY_FILES) rmSync(join(folder, name), { recursive: true, force: true });
}

async function tell(flags: Flags, running: Running): Promise<boolean> {
  if (flags.ble && flags.boards)
    throw new SundialError('usage', 'an emulated board has no radio', {
      severity: 'call',
      remedy: 'Give either --ble or --boards.',
    });
  const startedAt = Date.now();
  const timeline = makeTimeline(flags.json);
  const folder = resolve(flags.state);
  await emptyForStory(folder);
  const program = join(projectRoot(), 'build', 'cli', 'sundial.mjs');

  if (flags.ble) {
    running.radio = await startRadio(TIED);
    timeline.say(
      'radio',
      'a simulated BlueZ: till and wearable tap over Bluetooth Low Energy, as node-ble sees it',
    );
  }
  timeline.heading('a local L2');
  const anvil = await startAnvil({ tiedBy: TIED });
  running.anvil = anvil;
  timeline.say('chain', `anvil at ${anvil.url}`);
  const site = await makeSite(folder, anvil.url, anvil.keys, { say: (text) => timeline.say('chain', text) });
  await connect(anvil.url).request({ method: 'evm_setIntervalMining', params: [BLOCK_SECONDS] } as never);

  timeline.heading('the hub');
  const configPath = join(folder, 'hub.json');
  const others = flags.postgres ? await startOthers(running, timeline) : {};
  const config = { ...(await hubConfig(site, folder, flags.boards)), ...others };
  writeFileSync(configPath, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  const hubChild = await HubChild.start(program, configPath);
  running.hub = hubChild;
  if (flags.postgres) {
    running.worker = await HubChild.start(program, configPath, { worker: 'second' });
    timeline.say('hub', 'a second worker beside the first');
  }
  const { mqttUrl, statusUrl } = hubChild.ready;
  const tokenFile = operatorTokenPath(join(folder, 'hub'));
  writeSite(folder, { ...site, mqttUrl, statusUrl, tokenFile });
  timeline.say('hub', `broker at ${mqttUrl}, status at ${statusUrl}/status`);
  const hub = new HubStatus({ url: statusUrl, tokenFile });
  await introduce(site, { url: statusUrl, tokenFile });

  const story = new Story(program, folder, site, timeline, { boards: flags.boards, radio: running.radio });
  running.story = story;
  await story.meetTheHub(mqttUrl, hub);
  await story.taps();
  await story.charge();
  await hub.untilOnline(0);
  await story.comeBack(mqttUrl);

  timeline.heading('settlement');
  const batches = await hub.settle();
  const mined = batches.filter((batch) => batch.state === 'mined');
  for (const batch of mined)
    timeline.say('hub', `${batch.rows} lanes in one transaction, ${batch.gas} gas: ${batch.transaction}`);
  await story.hearOfSettlement();

  timeline.heading('reconciliation');
  const result = await story.result();
  const books = await reconcile(site, hub);
  if (!flags.json) process.stdout.write(`${reconciliationTable(books)}\n`);
  const { lost, duplicated } = await lostOrDoubled(hub, site, result.approved);
  const batch = mined[0];
  const ok =
    books.reconciled &&
    lost === 0 &&
    duplicated === 0 &&
    mined.length === 1 &&
    result.accepted > 0 &&
    result.accepted === result.acknowledged;
  const seconds = (Date.now() - startedAt) / 1000;
  if (flags.json) {
    const summary = {
      ok,
      taps: result.taps,
      ticks: result.ticks,
      accepted: result.accepted,
      acknowledged: result.acknowledged,
      lost,
      duplicated,
      batch: { lanes: batch?.rows ?? 0, tx: batch?.transaction ?? '', gas: batch?.gas ?? 0 },
      reconciled: books.reconciled,
      vault: books.vault,
      seconds,
    };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
  } else {
    timeline.say(
      ok ? 'ok' : 'FAILED',
      `${result.taps} taps, ${result.ticks} ticks, ${result.accepted} vouchers accepted, ${result.acknowledged} acknowledged, ${lost} lost, ${duplicated} doubled, ${seconds.toFixed(1)} s`,
    );
    if (!flags.once) {
      process.stdout.write(
        '\nThe hub runs on. Go on by hand in other terminals; Ctrl-C here ends everything.\n',
      );
      for (const hint of story.hints(folder, mqttUrl)) process.stdout.write(`  ${hint}\n`);
      const { path } = (await askHub({ url: statusUrl, tokenFile }, '/v1/links', 'POST')) as { path: string };
      process.stdout.write(
        `\nThe console, signed in (this link works once, within ten minutes):\n  ${statusUrl}${path}\n`,
      );
    }
  }
  return ok;
}

/**
 * Lost: approved by a terminal and not in the hub's ledger. Doubled: vouchers of one channel that share a seq, or that
 * the ledger holds beyond what was approved.
 */
async function lostOrDoubled(
  hub: HubStatus,
  site: Site,
  approved: readonly string[],
): Promise<{ lost: number; duplicated: number }> {
  const held = new Set<string>();
  let duplicated = 0;
  for (const { channel } of site.devices) {
    if (channel === undefined) continue;
    const entries = await hub.entries(channel);
    for (const entry of entries) held.add(entry.id);
    duplicated += entries.length - new Set(entries.map((entry) => entry.seq)).size;
    duplicated += entries.filter((entry) => !entry.voided && !approved.includes(entry.id)).length;
  }
  return { lost: approved.filter((id) => !held.has(id)).length, duplicated };
}

async function run(flags: Flags): Promise<void> {
  const running: Running = {};
  const stopAndExit = (code: number): void => void stopAll(running).finally(() => process.exit(code));
  process.once('SIGINT', () => stopAndExit(130));
  process.once('SIGTERM', () => stopAndExit(143));
  try {
    const ok = await tell(flags, running);
    if (!flags.once && ok) {
      // The devices stop so that they can be taken by hand; chain and hub run on.
      await running.story?.stop();
      return;
    }
    stopAndExit(ok ? 0 : 1);
  } catch (error) {
    await stopAll(running);
    fail(error);
  }
}

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('the whole story: chain, hub, four offline devices, crashes, settlement, reconciliation')
    .option('--once', 'end when the story is told', false)
    .option('--json', 'print one JSON object and nothing else on stdout', false)
    .option(
      '--postgres',
      'the hub is two workers over PostgreSQL and mosquitto, which must be installed',
      false,
    )
    .option(
      '--ble',
      'till and wearable tap over Bluetooth Low Energy on a simulated BlueZ; dbus-daemon must be installed',
      false,
    )
    .option('--boards', 'the devices are firmware images on emulated boards', false)
    .option(
      '--state <folder>',
      'folder for the story; what the last one left there is removed first',
      join(STATE_ROOT, 'demo'),
    )
    .action((flags: Flags) => run(flags));
}
