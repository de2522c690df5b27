/** `sundial ocpp`: the central system on a site of charge points, where energy is paid tick by tick. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { SundialError } from '../../../../protocol/errors.ts';
import type { Connector } from '../ocpp/connector.ts';
import { CONNECTORS_MAX, Gateway, type OpenTerminal } from '../ocpp/gateway.ts';
import { cdrOf, NO_PARTY, type Party } from '../ocpp/record.ts';
import { folderName, SessionStore } from '../ocpp/store.ts';
import { readTariff, type SiteTariff, tariffOf } from '../ocpp/tariff-file.ts';
import { lockFolder } from '../storage/lock.ts';
import { readJson } from '../storage/read-json.ts';
import { hasDevice } from './device-folder.ts';
import { formatMoney, parseMoney } from './money.ts';
import { fail, makeOutput, type Output } from './output.ts';
import { STATE_ROOT } from './paths.ts';
import { makeTerminal } from './terminal-commands.ts';
import { makeForBench } from './workbench.ts';

interface Flags {
  readonly state: string;
  readonly terminal: readonly string[];
  readonly hub?: string;
  readonly port: string;
  readonly host: string;
  readonly tariff?: string;
  readonly tick: string;
  readonly interval: string;
  readonly stopBy: 'stop' | 'pause';
  readonly unpaid: 'refuse' | 'accept';
  readonly driver: boolean;
  readonly passwords?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly upstream?: string;
  readonly upstreamPasswords?: string;
  readonly settlementVendor?: string;
  readonly party?: string;
  readonly currency: string;
  readonly records: boolean;
  readonly json: boolean;
}

/** What a kilowatt-hour costs where no tariff is given. */
const PLAIN = { id: '0.50 a kWh', bands: [{ perKwh: '0.50' }] };
/** Terminals that the workbench makes for connectors at most. */
const BENCH_TERMINALS_MAX = 2 * CONNECTORS_MAX;
/** How long the workbench's driver takes to be there. */
const DRIVER_MS = 15_000;

const wrong = (code: string, what: string, remedy: string): SundialError =>
  new SundialError(code, what, { severity: 'call', remedy });

/** A whole number of a flag. Throws `bad_number`. */
function whole(text: string, flag: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw wrong('bad_number', `${flag} ${text}`, `Give ${flag} as a whole number from ${least} to ${most}.`);
}

/** Throws `bad_file` when it can't be read. */
function fileOf(path: string, flag: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw wrong(
      'bad_file',
      `${flag} ${path}: ${(cause as Error).message}`,
      `Name a file for ${flag} that can be read.`,
    );
  }
}

function passwordsOf(path: string): Readonly<Record<string, string>> {
  const remedy = 'Give a JSON object: {"identity of a charge point": "its password"}.';
  const parsed = z
    .record(z.string(), z.string().min(1).max(64))
    .safeParse(readJson(path, 'bad_passwords', { severity: 'call', remedy }));
  if (parsed.success) return parsed.data;
  throw wrong('bad_passwords', `${path}: ${parsed.error.issues[0]!.message}`, remedy);
}

function securityOf({ passwords, cert, key, ca }: Flags) {
  if ((cert === undefined) !== (key === undefined) || (ca !== undefined && cert === undefined))
    throw wrong(
      'bad_tls',
      'half of a certificate',
      'Give --cert and --key together, and --ca only beside them.',
    );
  return {
    ...(passwords !== undefined && { passwords: passwordsOf(passwords) }),
    ...(cert !== undefined &&
      key !== undefined && {
        tls: {
          cert: fileOf(cert, '--cert'),
          key: fileOf(key, '--key'),
          minVersion: 'TLSv1.2' as const,
          ...(ca !== undefined && { ca: fileOf(ca, '--ca'), requestCert: true, rejectUnauthorized: true }),
        },
      }),
  };
}

/** A central system above. Throws `bad_upstream`. */
function upstreamOf(flags: Flags, folder: string) {
  const { upstream: url, upstreamPasswords: passwords, settlementVendor, currency } = flags;
  if (url === undefined && passwords === undefined && settlementVendor === undefined) return {};
  if (settlementVendor !== undefined && !/^[\x20-\x7e]{1,255}$/.test(settlementVendor))
    throw wrong(
      'bad_vendor',
      `"${settlementVendor}"`,
      'Give --settlement-vendor as 1 to 255 printable characters, such as com.example.',
    );
  const protocol = url !== undefined && URL.canParse(url) ? new URL(url).protocol : undefined;
  if (url === undefined || (protocol !== 'ws:' && protocol !== 'wss:'))
    throw wrong(
      'bad_upstream',
      url === undefined ? 'nothing is said of the central system above' : `"${url}" is no address`,
      'Give --upstream ws://host:port/path or wss://…, to which each identity is added.',
    );
  return {
    upstream: {
      url: url.replace(/\/+$/, ''),
      currency,
      ...(settlementVendor !== undefined && { settlementVendor }),
      folderOf: (identity: string) => join(folder, 'upstream', folderName(identity)),
      ...(passwords !== undefined && { passwords: passwordsOf(passwords) }),
    },
  };
}

function partyOf({ party, currency }: Flags): Party {
  if (!/^[A-Z]{3}$/.test(currency))
    throw wrong('bad_currency', `"${currency}"`, 'Give three letters that stand for the token, such as XTS.');
  if (party === undefined) return { ...NO_PARTY, currency };
  const [, countryCode, partyId] = /^([A-Z]{2})[-*]?([A-Z0-9]{3})$/.exec(party) ?? [];
  if (countryCode === undefined || partyId === undefined)
    throw wrong('bad_party', `"${party}"`, 'Give country and party as OCPI names them, such as DE-ABC.');
  return { countryCode, partyId, currency };
}

/** Terminals for connectors: those that the command named, in their order, or ones that the workbench makes. */
class Terminals {
  private readonly flags: Flags;
  private readonly folder: string;
  private readonly store: SessionStore;
  private readonly plugs: Record<string, string>;
  readonly taps = new Map<string, string>();

  constructor(flags: Flags, folder: string, store: SessionStore) {
    this.flags = flags;
    this.folder = folder;
    this.store = store;
    this.plugs = store.plugs();
    const named = flags.terminal.map((text) => resolve(text.split('=')[0]!));
    for (const [plug, path] of Object.entries(this.plugs))
      if (!this.isBench && !named.includes(path))
        throw wrong(
          'terminal_missing',
          `${plug} was paid at ${path}, which is not named`,
          'Name it with --terminal: its sessions and its outbox are there.',
        );
  }

  get isBench(): boolean {
    return this.flags.terminal.length === 0;
  }

  private pathOf(plug: string): string | undefined {
    const known = this.plugs[plug];
    if (known !== undefined) return known;
    const taken = Object.values(this.plugs);
    const all = this.isBench
      ? Array.from({ length: BENCH_TERMINALS_MAX }, (_, i) => join(this.folder, 'terminals', String(i + 1)))
      : this.flags.terminal.map((text) => resolve(text.split('=')[0]!));
    const path = all.find((candidate) => !taken.includes(candidate));
    if (path === undefined) return undefined;
    this.plugs[plug] = path;
    this.store.savePlugs(this.plugs);
    return path;
  }

  private tapOf(path: string): string {
    const named = this.flags.terminal.find((text) => resolve(text.split('=')[0]!) === path)?.split('=')[1];
    const name = path.replace(/[^\w]+/g, '-').slice(-60);
    return named ?? `unix:${join(tmpdir(), `sundial-${userInfo().uid}`, `plug${name}.sock`)}`;
  }

  async open(plug: string): Promise<OpenTerminal | undefined> {
    const path = this.pathOf(plug);
    if (path === undefined) return undefined;
    if (this.isBench && !hasDevice(path)) await makeForBench('charger', path);
    const tap = this.tapOf(path);
    this.taps.set(plug, tap);
    const { hub, json } = this.flags;
    const common = { state: path, tap, json, control: false, ...(hub !== undefined && { hub }) };
    let heard: ((event: { readonly type: string }) => void) | undefined;
    const { process, device, status } = await makeTerminal('charger', common, (event) => heard?.(event));
    return {
      device,
      entropy: process.host.entropy,
      tap,
      start: async (onNotice, onEvent) => {
        heard = onEvent;
        process.onNotice(onNotice);
        await process.run(device, 'terminal', {}, status);
      },
    };
  }
}

/**
 * The workbench's driver: a car that comes when a token is shown or a charge point starts, pays as any car does, and drives
 * off when the session is over. So a charge point can be tried with nothing but the address.
 */
class Drivers {
  private readonly folder: string;
  private readonly terminals: Terminals;
  private readonly output: Output;
  private readonly cars = new Map<string, ChildProcess>();
  /** Those on their way: a token that is shown and a start that follows at once bring one car. */
  private readonly coming = new Map<string, Promise<void>>();

  constructor(folder: string, terminals: Terminals, output: Output) {
    this.folder = folder;
    this.terminals = terminals;
    this.output = output;
  }

  summon(connector: Connector, plug: string): Promise<void> {
    const comes = this.coming.get(plug) ?? this.come(connector, plug);
    this.coming.set(plug, comes);
    return comes.finally(() => this.coming.delete(plug));
  }

  private async come(connector: Connector, plug: string): Promise<void> {
    const tap = this.terminals.taps.get(plug);
    if (tap === undefined || this.cars.has(plug) || connector.session?.ended !== undefined) return;
    const number = Date.now() % 2 ** 31;
    const state = join(this.folder, 'drivers', `${plug.replace(/\W/g, '-')}-${number}`);
    await makeForBench('car', state, number);
    const args = [
      process.argv[1]!,
      'car',
      '--state',
      state,
      '--tap',
      tap,
      '--hub',
      'none',
      '--json',
      '--control',
    ];
    const car = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.cars.set(plug, car);
    car.once('exit', () => this.cars.delete(plug));
    car.stdin.on('error', () => undefined);
    this.output.say(`the workbench's driver comes to ${plug}; no deposit stands behind what it pays`, {
      event: 'driver',
      plug,
    });
    await new Promise<void>((done) => {
      const timer = setTimeout(done, DRIVER_MS);
      const lines = createInterface({ input: car.stdout });
      lines.on('line', () => {
        if (!connector.isHere) return;
        clearTimeout(timer);
        done();
      });
      car.once('exit', () => {
        clearTimeout(timer);
        done();
      });
    });
  }

  /** The session is over: once the closing voucher is answered the car drives off. */
  leave(plug: string): void {
    const car = this.cars.get(plug);
    if (car !== undefined) setTimeout(() => car.stdin?.end(), 1000).unref();
  }
}

async function run(flags: Flags): Promise<void> {
  const folder = resolve(flags.state);
  const store = new SessionStore(folder);
  const party = partyOf(flags);
  if (flags.records) {
    for (const session of store.records()) process.stdout.write(`${JSON.stringify(cdrOf(session, party))}\n`);
    return;
  }
  const site: SiteTariff =
    flags.tariff === undefined ? tariffOf(PLAIN, 'the plain tariff') : readTariff(flags.tariff);
  const tickValue = parseMoney(flags.tick);
  if (tickValue === 0) throw wrong('bad_amount', 'a tick of 0', 'Give --tick above 0, for example 0.05');
  const security = securityOf(flags);
  const port = whole(flags.port, '--port', 0, 65_535);
  const intervalSeconds = whole(flags.interval, '--interval', 1, 900);
  // One gateway a folder: two would each store their own idea of a session.
  await lockFolder(folder, 'ocpp');
  const output = makeOutput('ocpp', flags.json);
  const terminals = new Terminals(flags, folder, store);
  const drivers = terminals.isBench && flags.driver ? new Drivers(folder, terminals, output) : undefined;
  const gateway = new Gateway({
    broken: fail,
    ...site,
    ...security,
    ...upstreamOf(flags, folder),
    store,
    tickValue,
    intervalSeconds,
    pause: flags.stopBy === 'pause',
    unpaid: flags.unpaid === 'accept',
    terminal: (plug) => terminals.open(plug),
    summon: (connector, plug) => drivers?.summon(connector, plug) ?? Promise.resolve(),
    say: (words, facts) => output.say(words, facts),
    closed: (session) => {
      drivers?.leave(`${session.chargePoint}/${session.connector}`);
      if (session.transaction === undefined) return;
      const cdr = cdrOf(session, party);
      const { wh, due, paid, unpaid, reason } = cdr.sundial as Record<string, number>;
      const short = unpaid === 0 ? '' : `, ${formatMoney(unpaid!)} unpaid`;
      output.say(
        `${session.chargePoint}/${session.connector}: ${(wh! / 1000).toFixed(3)} kWh for ${formatMoney(due!)}, paid ${formatMoney(paid!)}${short} (${reason})`,
        { event: 'session', cdr },
      );
    },
    settled: (session) =>
      output.say(
        `${session.chargePoint}/${session.connector}: session ${session.transaction!.id} is settled on L2`,
        { event: 'settledSession', cdr: cdrOf(session, party) },
      ),
  });
  const url = await gateway.listen(port, flags.host);
  output.say(`charge points connect to ${url}/<identity>, or to ${url} itself`, { event: 'ready', url });
  if (terminals.isBench && !existsSync(join(folder, 'plugs.json')))
    output.say('terminals are made on the workbench: no deposit stands behind what they are paid', {});
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      gateway.close();
      setImmediate(() => process.exit(0));
    });
}

const HELP = `
A tariff file, amounts in tokens before VAT; the first band that holds the moment counts:
  {"id":"day and night","zone":"Europe/Berlin","start":"0.30","vat":19,
   "bands":[{"from":"22:00","to":"6:00","perKwh":"0.29"},{"perKwh":"0.49","perHour":"0.10"}],
   "idlePerHour":"6","idleGraceMinutes":15,"least":"0.50","most":"80"}
Security profile 1: --passwords; 2: with --cert and --key; 3: --cert, --key and --ca of the charge points' certificates.
`;

/** Adds `sundial ocpp`. */
export function addOcppCommand(program: Command): void {
  program
    .command('ocpp')
    .description(
      'the central system of a site: charge points connect in OCPP 1.6J, 2.0.1 or 2.1, and energy flows while a car or a wearable pays for it',
    )
    .option(
      '--state <folder>',
      'its own records, durable before anything is answered',
      join(STATE_ROOT, 'bench', 'ocpp'),
    )
    .option(
      '--terminal <folder[=tap]>',
      'an enrolled charger for the next connector, and the address of its tap link; may be given several times (default: made on the workbench)',
      (value: string, before: readonly string[]) => [...before, value],
      [] as readonly string[],
    )
    .option('--hub <url>', 'mqtt:// address of the hub; an enrolled charger knows its own')
    .option('--port <port>', 'where it listens; 0: one that is free', '8180')
    .option('--host <address>', 'address to listen on; 0.0.0.0 for charge points on the network', '127.0.0.1')
    .option('--tariff <file>', 'a JSON file (default: 0.50 a kWh)')
    .option('--tick <amount>', 'what is paid at a time', '0.05')
    .option('--interval <seconds>', 'between two readings that charge points are asked for', '10')
    .addOption(
      new Option(
        '--stop-by <way>',
        'how energy ends when ticks stop: by a stop, or by a limit of zero and a stop',
      )
        .choices(['stop', 'pause'])
        .default('stop'),
    )
    .addOption(
      new Option('--unpaid <what>', 'what a charge point may do when nobody pays')
        .choices(['refuse', 'accept'])
        .default('refuse'),
    )
    .option('--no-driver', 'on the workbench: no car that comes by itself when a token is shown')
    .option('--passwords <file>', 'JSON: a password for each identity')
    .option('--cert <file>', 'certificate of this side, PEM')
    .option('--key <file>', 'its key, PEM')
    .option('--ca <file>', 'who signed the certificates of charge points, PEM')
    .option(
      '--upstream <url>',
      'ws:// or wss:// address of a central system above, which sees every charge point',
    )
    .option('--upstream-passwords <file>', 'JSON: what each identity gives there as its password')
    .option(
      '--settlement-vendor <id>',
      'tell the central system above of settlements in DataTransfer under this vendor, where OCPP is older than 2.1',
    )
    .option('--party <name>', 'country and party in the records, such as DE-ABC')
    .option(
      '--currency <letters>',
      'three letters that stand for the token in the records',
      NO_PARTY.currency,
    )
    .option('--records', 'print the records of all sessions that are over, one CDR a line, and end', false)
    .option('--json', 'one JSON object a line on stdout', false)
    .addHelpText('after', HELP)
    .action((flags: Flags) => run(flags).catch(fail));
}
