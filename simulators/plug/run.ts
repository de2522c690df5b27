/**
 * Charge sessions through real processes: a chain node, a hub, the gateway, charge points of three versions, cars and a
 * wearable; each of them killed with SIGKILL in the middle of sessions. What is compared: what each charge point's register
 * says flowed, with the gateway's records, the price of that by an arithmetic of this file alone, and what L2 holds at the
 * end. Not checked here: tariffs by time (test/device/tariff.test.ts), real charge points.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { HubStatus } from '../../hub/cli/hub-status.ts';
import { reconcile, reconciliationTable } from '../../hub/cli/reconcile.ts';
import { type Site, writeSite } from '../../hub/cli/site.ts';
import { operatorTokenPath } from '../../hub/desk/tokens.ts';
import { type Anvil, startAnvil } from '../../hub/l2/anvil.ts';
import { connect } from '../../hub/l2/chain.ts';
import { TIED } from '../demo/hub-child.ts';
import { freePort } from '../../hub/node/free-port.ts';
import { hubConfig } from '../demo/hub-config.ts';
import { makeSite, type PlannedDevice } from '../demo/site.ts';
import { numbersFrom } from '../stage/flash/ram-flash.ts';
import { Child, type Line } from './child.ts';

export interface PlugResult {
  readonly ok: boolean;
  readonly sessions: number;
  readonly kWh: number;
  /** Tokens: what the gateway's records say was paid, and what L2 holds for the payee. */
  readonly paid: number;
  readonly settled: number;
  readonly ocmfVerified: number;
  readonly schemaViolations: number;
  /** Sessions of charge points without a record, or with another one; money that L2 does not hold. */
  readonly lost: number;
}

/** What may happen to a session, and how often it is drawn. */
const KINDS = [
  ...['plain', 'token', 'pause', 'driverEnds', 'reset'],
  ...['offlineStop', 'offlineStopKilled', 'offlineWhole'],
  ...['killCharger', 'killCharger', 'killGateway', 'killGateway', 'killHub', 'killPayer'],
] as const;
type Kind = (typeof KINDS)[number];

interface Place {
  readonly point: string;
  readonly connector: number;
  readonly payer: string;
}

const POINTS = [
  { identity: 'CP16', protocol: 'ocpp1.6', connectors: 2, curve: 'secp256k1' },
  { identity: 'CP201', protocol: 'ocpp2.0.1', connectors: 1, curve: 'prime256v1' },
  { identity: 'CP21', protocol: 'ocpp2.1', connectors: 1, curve: 'secp256k1' },
] as const;
/** Connectors in the order in which terminals are given to them. */
const PLACES: readonly Place[] = [
  { point: 'CP16', connector: 1, payer: 'car-1' },
  { point: 'CP16', connector: 2, payer: 'wearable-1' },
  { point: 'CP201', connector: 1, payer: 'car-2' },
  { point: 'CP21', connector: 1, payer: 'car-3' },
];
const TARIFF = { id: 'run', start: '0.25', vat: 19, bands: [{ perKwh: '0.50' }] };
const WATTS = 11_000;
const SPEED = 600;
const WAIT_MS = 120_000;
const AGAIN_MS = 40_000;
const SETTLE_MS = 60_000;
const UNITS = 1_000_000;

/** The price by another arithmetic: 0.25 and 0.50 a kWh, 19 % on top, half up to a unit. */
const priceOf = (wh: number): number => Number((BigInt(250_000 + wh * 500) * 119n + 50n) / 100n);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Done {
  readonly id: string;
  readonly number?: number;
  readonly wh: number;
  readonly reason: string;
  readonly anew: boolean;
}

interface Report {
  readonly queue: number;
  readonly online: boolean;
  readonly schemaViolations: number;
  readonly plugs: readonly {
    readonly number: number;
    readonly flowed: number;
    readonly wants: number;
    readonly running?: string;
  }[];
  readonly done: readonly Done[];
}

/** A record as `sundial ocpp --records` prints it. */
interface Record {
  readonly total_energy: number;
  readonly total_cost: { readonly incl_vat: number };
  readonly sundial: {
    readonly charge_point: string;
    readonly transaction?: string;
    readonly reason: string;
    readonly wh: number;
    readonly due: number;
    readonly paid: number;
    readonly unpaid: number;
    readonly to_return: number;
    readonly signed_records: readonly {
      readonly data: string;
      readonly public_key?: string;
      readonly verified?: boolean;
    }[];
  };
}

export class PlugRun {
  private readonly folder: string;
  private readonly say: (text: string) => void;
  private readonly draw: () => number;
  private readonly program = join(projectRoot(), 'build', 'plug', 'sundial.mjs');
  private readonly children = new Map<string, Child>();
  private anvil: Anvil | undefined;
  private site: Site | undefined;
  private mqttUrl = '';
  private gatewayUrl = '';
  private schemaViolations = 0;
  private readonly reports = new Map<string, Report>();
  /** One kill of a process at a time. */
  private killing: Promise<void> = Promise.resolve();
  kills = 0;

  constructor(folder: string, seed: number, say: (text: string) => void) {
    this.folder = folder;
    this.say = say;
    const next = numbersFrom(seed);
    this.draw = () => next() >>> 0;
  }

  /** Ends all that it started. */
  async close(): Promise<void> {
    await Promise.all([...this.children.values()].map((child) => child.stop()));
    await this.anvil?.stop();
  }

  private child(name: string): Child {
    return this.children.get(name)!;
  }

  private async startChild(child: Child): Promise<Line> {
    this.children.set(child.name, child);
    return child.start();
  }

  /** Runs so many sessions. Throws `plug_waits` with what did not happen. */
  async run(sessions: number): Promise<PlugResult> {
    await this.setUp();
    const left = { sessions };
    await Promise.all(PLACES.map((place) => this.work(place, left)));
    return this.judge();
  }

  private async setUp(): Promise<void> {
    this.anvil = await startAnvil({ tiedBy: TIED });
    const payers = [...new Set(PLACES.map(({ payer }) => payer))];
    const plan: PlannedDevice[] = [
      ...payers.map((name) => ({ role: name.split('-')[0] as 'car' | 'wearable', name, deposit: '2000' })),
      ...PLACES.map((_, i) => ({ role: 'charger' as const, name: `charger-${i + 1}` })),
    ];
    const { url, keys } = this.anvil;
    this.site = await makeSite(this.folder, url, keys, { say: (text) => this.say(text) }, plan);
    await connect(url).request({ method: 'evm_setIntervalMining', params: [1] } as never);
    const [mqtt, http, ocpp] = [await freePort(), await freePort(), await freePort()];
    this.mqttUrl = `mqtt://127.0.0.1:${mqtt}`;
    const config = {
      ...(await hubConfig(this.site, this.folder, false)),
      mqtt: { port: mqtt },
      http: { port: http },
    };
    const configPath = join(this.folder, 'hub.json');
    writeFileSync(configPath, JSON.stringify(config), { mode: 0o600 });
    const ready = (line: Line): boolean => line.event === 'ready';
    const hub = await this.startChild(
      new Child('hub', this.logOf('hub'), [this.program, 'hub', '--config', configPath, '--json'], ready),
    );
    const tokenFile = operatorTokenPath(join(this.folder, 'hub'));
    this.site = { ...this.site, mqttUrl: this.mqttUrl, statusUrl: String(hub.statusUrl), tokenFile };
    writeSite(this.folder, this.site);
    const tariff = join(this.folder, 'tariff.json');
    writeFileSync(tariff, JSON.stringify(TARIFF));
    const terminals = PLACES.flatMap((_, i) => [
      '--terminal',
      `${join(this.folder, `charger-${i + 1}`)}=${this.tapOf(i)}`,
    ]);
    const gateway = await this.startChild(
      new Child(
        'gateway',
        this.logOf('gateway'),
        [
          ...[
            this.program,
            'ocpp',
            '--json',
            '--state',
            join(this.folder, 'gateway'),
            '--port',
            String(ocpp),
          ],
          ...['--tariff', tariff, '--tick', '0.05', '--interval', '1', '--hub', this.mqttUrl, ...terminals],
        ],
        (line) => line.event === 'ready' && line.url !== undefined,
        (line) => {
          if (line.event === 'schemaViolation') this.schemaViolations += 1;
          if (line.event === 'fault' || line.event === 'schemaViolation') this.say(`gateway: ${line.text}`);
        },
      ),
    );
    this.gatewayUrl = String(gateway.url);
    // Connectors get their terminals in the order in which they are first seen: one after the other.
    for (const point of POINTS) await this.startPoint(point);
    await Promise.all(payers.map((payer) => this.startPayer(payer)));
  }

  private logOf(name: string): string {
    return join(this.folder, `${name}.log`);
  }

  private tapOf(index: number): string {
    return `unix:${join(this.folder, `${index + 1}.sock`)}`;
  }

  private async startPoint({
    identity,
    protocol,
    connectors,
    curve,
  }: (typeof POINTS)[number]): Promise<void> {
    const options = {
      ...{ url: this.gatewayUrl, identity, protocol, connectors, curve },
      ...{ file: join(this.folder, `${identity}.json`), watts: WATTS, speed: SPEED },
    };
    const main = join(projectRoot(), 'build', 'plug', 'charge-point.mjs');
    const child = new Child(
      identity,
      this.logOf(identity),
      [main, JSON.stringify(options)],
      (line) => line.event === 'online',
      (line) => {
        if (line.event === 'did' && line.wish === 'report') this.reports.set(identity, line.answer as Report);
        if (line.event === 'schemaViolation') {
          this.schemaViolations += 1;
          this.say(`${identity}: ${JSON.stringify(line)}`);
        }
      },
    );
    await this.startChild(child);
    child.tell(['vendor']);
  }

  private async startPayer(name: string): Promise<void> {
    const index = PLACES.findIndex(({ payer }) => payer === name);
    const role = name.split('-')[0]!;
    const tap = ['--tap', this.tapOf(index), '--hub', this.mqttUrl];
    const args = [this.program, role, '--state', join(this.folder, name), ...tap, '--json', '--control'];
    const child = new Child(name, this.logOf(name), args, (line) => line.event === 'ready');
    const lease = child.next('a lease', (line) => line.event === 'lease');
    await this.startChild(child);
    await lease;
  }

  private async report(point: string): Promise<Report> {
    const child = this.child(point);
    const answer = child.next('a report', (line) => line.event === 'did' && line.wish === 'report');
    child.tell(['report']);
    await answer;
    return this.reports.get(point)!;
  }

  /** Asks a charge point again and again until its report fits. Throws `plug_waits`. */
  private async until(what: string, point: string, fits: (report: Report) => boolean): Promise<Report> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      await this.killing;
      const report = await this.report(point);
      if (fits(report)) return report;
      if (Date.now() > deadline)
        throw new Error(`${point}: waited in vain for ${what}: ${JSON.stringify(report)}`);
      await sleep(150);
    }
  }

  /** A session that does not begin is begun anew, as a driver would, who plugs in once more. */
  private async untilBegun(
    kind: Kind,
    point: string,
    plug: (report: Report) => { readonly running?: string },
    again: () => void,
  ): Promise<Report> {
    for (let tries = 1; tries < 3; tries++) {
      const deadline = Date.now() + AGAIN_MS;
      while (Date.now() < deadline) {
        await this.killing;
        const report = await this.report(point);
        if (plug(report).running !== undefined) return report;
        await sleep(150);
      }
      this.say(`${point}: ${kind} does not begin; plugged in once more`);
      again();
    }
    return this.until(`${kind} to begin`, point, (report) => plug(report).running !== undefined);
  }

  /** SIGKILL and a new start of a process, one at a time. */
  private killAndStart(name: string): Promise<void> {
    this.killing = this.killing.then(async () => {
      await this.child(name).kill();
      this.kills += 1;
      this.say(`killed ${name}`);
      await this.child(name).start();
    });
    return this.killing;
  }

  /** Sessions at one connector, one after the other, until there is none left to begin. */
  private async work(place: Place, left: { sessions: number }): Promise<void> {
    while (left.sessions > 0) {
      left.sessions -= 1;
      const kind = KINDS[this.draw() % KINDS.length]!;
      const wh = 600 + (this.draw() % 3400);
      this.say(`${place.point}/${place.connector}: ${kind}, ${wh} Wh`);
      await this.session(place, kind, wh);
    }
  }

  private async session({ point, connector, payer }: Place, kind: Kind, wants: number): Promise<void> {
    const tell = (name: string, ...args: unknown[]): void =>
      this.child(point).tell([name, connector, ...args]);
    const plug = (report: Report) => report.plugs.find(({ number }) => number === connector)!;
    const before = plug(await this.report(point));
    const token = `T${this.draw() % 1e9}`;
    if (kind === 'offlineWhole') {
      this.child(point).tell(['network', false]);
      await this.until('being offline', point, ({ online }) => !online);
      tell('show', token);
      tell('plugIn', wants);
    } else if (kind === 'token') {
      tell('show', token);
      await this.child(point).next('the token', (line) => line.event === 'did' && line.wish === 'show');
      tell('plugIn', wants);
    } else tell('plugIn', wants);
    const begun = await this.untilBegun(kind, point, plug, () => {
      tell('unplug');
      tell('plugIn', wants);
    });
    const id = plug(begun).running!;
    const over = (report: Report): boolean => report.done.some((done) => done.id === id);
    const flowed = (share: number) => (report: Report) =>
      plug(report).flowed - before.flowed >= share * wants || over(report);
    await this.until('energy', point, flowed(0.3));
    switch (kind) {
      case 'pause':
        tell('pause', true);
        await sleep(1200);
        tell('pause', false);
        break;
      case 'reset':
        tell('resetRegister');
        break;
      case 'driverEnds':
        this.child(payer).tell({ endSession: true });
        await this.until('the driver to end it', point, over);
        break;
      case 'offlineStop':
      case 'offlineStopKilled':
        this.child(point).tell(['network', false]);
        await this.until('being offline', point, ({ online }) => !online);
        tell('unplug');
        await this.until('the end', point, over);
        break;
      case 'killCharger':
        await this.killAndStart(point);
        await this.until('the end', point, over);
        break;
      case 'killGateway':
        await this.killAndStart('gateway');
        break;
      case 'killHub':
        await this.killAndStart('hub');
        break;
      case 'killPayer':
        await this.killAndStart(payer);
        break;
      default:
    }
    if (kind === 'offlineStopKilled') await this.killAndStart(point);
    else if (kind === 'offlineStop') this.child(point).tell(['network', true]);
    // Full, or ended already.
    await this.until('the battery', point, (report) => over(report) || plug(report).wants <= 0);
    await sleep(this.draw() % 700);
    tell('unplug');
    if (kind === 'offlineWhole') {
      await this.until('the end', point, over);
      this.child(point).tell(['network', true]);
    }
    const report = await this.until('the end, told', point, (now) => over(now) && now.queue === 0);
    const { number } = report.done.find((done) => done.id === id)!;
    await this.untilRecorded(point, number === undefined ? id : String(number));
  }

  /** The next session begins when the record of this one is there: one session at a connector. */
  private async untilRecorded(point: string, transaction: string): Promise<void> {
    const path = join(this.folder, 'gateway', 'closed', point, `${transaction}.json`);
    const deadline = Date.now() + WAIT_MS;
    while (!existsSync(path)) {
      if (Date.now() > deadline) throw new Error(`no record ${path}`);
      await sleep(100);
    }
  }

  /** All that goes on is over: streams that nothing was started for are given back. */
  private async untilOver(): Promise<void> {
    const deadline = Date.now() + 2 * WAIT_MS;
    const open = (): string[] =>
      readdirSync(join(this.folder, 'gateway', 'open')).filter((name) => name.endsWith('.json'));
    while (open().length > 0) {
      if (Date.now() > deadline) throw new Error(`sessions never end: ${open().join(', ')}`);
      await sleep(500);
    }
  }

  private async judge(): Promise<PlugResult> {
    await this.untilOver();
    const records = await this.records();
    const done = (
      await Promise.all(
        POINTS.map(async ({ identity }) =>
          (await this.report(identity)).done.map((one) => ({ ...one, point: identity })),
        ),
      )
    ).flat();
    let lost = 0;
    const differs = (what: string): void => {
      lost += 1;
      this.say(`DIFFERENT: ${what}`);
    };
    for (const { point, id, number, wh, anew } of done) {
      const name = number === undefined ? id : String(number);
      const found = records.filter(
        ({ sundial }) => sundial.charge_point === point && sundial.transaction === name,
      );
      const [record] = found;
      if (record === undefined || found.length !== 1) {
        differs(`${point} ${name}: ${found.length} records`);
        continue;
      }
      const { sundial, total_cost } = record;
      // A register that started anew was read just before; what flowed in between is billed nowhere.
      const same = anew ? sundial.wh <= wh + 1 && wh - sundial.wh < 1000 : sundial.wh === wh;
      if (!same) differs(`${point} ${name}: ${sundial.wh} Wh for ${wh}`);
      const { due, paid, unpaid, to_return } = sundial;
      if (due !== priceOf(sundial.wh) || due !== Math.round(total_cost.incl_vat * UNITS))
        differs(`${point} ${name}: ${due} for ${sundial.wh} Wh`);
      if (paid + unpaid - to_return !== due || to_return !== 0)
        differs(`${point} ${name}: paid ${paid}, unpaid ${unpaid}, too much ${to_return}, due ${due}`);
      if (unpaid > 0) this.say(`${point} ${name}: ${unpaid} of ${due} unpaid (${sundial.reason})`);
    }
    // A stream that nothing was started for has a record, too.
    const begun = records.filter(({ sundial }) => sundial.transaction !== undefined);
    if (begun.length !== done.length) differs(`${begun.length} records of ${done.length} sessions`);
    const paid = records.reduce((sum, { sundial }) => sum + sundial.paid, 0);
    const settled = await this.settle(paid);
    if (settled !== paid) differs(`${settled} settled, ${paid} paid`);
    const ocmf = records.flatMap(({ sundial }) => sundial.signed_records);
    const ocmfVerified = ocmf.filter(signedByMeter).length;
    if (ocmfVerified !== ocmf.length || ocmf.some(({ verified }) => verified !== true))
      differs(`${ocmfVerified} of ${ocmf.length} signed records`);
    const wh = records.reduce((sum, { sundial }) => sum + sundial.wh, 0);
    const ok = lost === 0 && this.schemaViolations === 0 && done.length > 0 && ocmf.length > 0 && paid > 0;
    return {
      ok,
      sessions: done.length,
      kWh: wh / 1000,
      paid: paid / UNITS,
      settled: settled / UNITS,
      ocmfVerified,
      schemaViolations: this.schemaViolations,
      lost,
    };
  }

  private async records(): Promise<Record[]> {
    const args = [this.program, 'ocpp', '--state', join(this.folder, 'gateway'), '--records'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 28 });
    return stdout
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record);
  }

  /** Everything goes up and is settled; gives what L2 holds for the payee, net of credits. */
  private async settle(paid: number): Promise<number> {
    const site = this.site!;
    const hub = new HubStatus({ url: site.statusUrl, tokenFile: site.tokenFile });
    // Payees sign what was given back when each of their terminals has said that all before is handed in. With nothing new
    // terminals say so every ten minutes, and after a start: the hub's time has to be past the last request by then.
    await sleep(3000);
    // Whoever is still there would be asked anew.
    for (const { payer } of PLACES) await this.child(payer).stop();
    await this.child('gateway').stop();
    await this.child('gateway').start();
    const deadline = Date.now() + SETTLE_MS;
    for (;;) {
      await hub.settle();
      // What terminals gave back moves on L2 when their payee signs it, too.
      const office = ['payee', '--site', this.folder, '--as', 'operator', '--json'];
      await promisify(execFile)(process.execPath, [this.program, ...office]);
      await hub.settle();
      const books = await reconcile(site, hub);
      if (books.reconciled && books.vault.settled === paid) return paid;
      if (Date.now() > deadline) {
        this.say(reconciliationTable(books));
        return books.vault.settled;
      }
      await sleep(1000);
    }
  }
}

/** Verified by Node's own crypto, from the record's text alone. */
function signedByMeter({
  data,
  public_key,
}: {
  readonly data: string;
  readonly public_key?: string;
}): boolean {
  const [, payload, signature] = data.split('|');
  if (payload === undefined || signature === undefined || public_key === undefined) return false;
  const key = createPublicKey({ key: Buffer.from(public_key, 'base64'), format: 'der', type: 'spki' });
  const { SD } = JSON.parse(signature) as { SD: string };
  return verify('sha256', Buffer.from(payload), key, Buffer.from(SD, 'hex'));
}
