/** `sundial charger`: a charge point as a process; and what it shares with a till and a gateway (pos-command.ts, ocpp-command.ts). */
import type { Command } from 'commander';
import { terminalDevice } from '../../../../device/devices.ts';
import { Charger } from '../../../../device/roles/charger.ts';
import { terminalStatus } from '../../../../device/status.ts';
import { readLoadCurve } from '../load-curve.ts';
import { CurveMeter } from '../meter.ts';
import { fromHex } from '../../../../protocol/bytes.ts';
import { nobleSuite } from '../../../../protocol/crypto/noble.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { type Amount, amount, seconds } from '../../../../protocol/integers.ts';
import { TERMINAL_LANES_MAX, TERMINAL_OUTBOX_MAX } from '../../../../protocol/limits.ts';
import { CLEARANCES } from '../../../../protocol/machines/terminal/clearance.ts';
import { refundEarlier } from '../../../../protocol/machines/terminal/earlier.ts';
import type { TerminalSettings } from '../../../../protocol/machines/terminal/state.ts';
import { type DeviceFolder, readDevice } from './device-folder.ts';
import { DeviceProcess } from './device-process.ts';
import {
  addDeviceOptions,
  checkDeviceOptions,
  type CommonFlags,
  deviceOptions,
  stateFolder,
} from './flags.ts';
import { dataFile } from './paths.ts';
import { parseMoney } from './money.ts';
import { type Line, fail } from './output.ts';
import { ensureBench } from './workbench.ts';

interface ChargerFlags extends CommonFlags {
  readonly curve: string;
  readonly speed: string;
  readonly tickValue: string;
  readonly tickWh: string;
  readonly start: boolean;
}

/** What a payee risks offline in all: the sum of what its terminal delivered and the hub has not acknowledged. */
const CAP_TOTAL = amount(2_000_000_000);

/**
 * A terminal's process and its device, not started yet. `onEvent` is called with every event of its runtime, links that come
 * and go among them.
 */
export async function makeTerminal(
  role: 'pos' | 'charger',
  flags: CommonFlags,
  onEvent?: (event: { readonly type: string }) => void,
) {
  const path = stateFolder(role, flags);
  checkDeviceOptions({ ...flags, role });
  await ensureBench(role, path, flags);
  const process = await DeviceProcess.open(readDevice(path, role), deviceOptions({ ...flags, role }));
  const { folder } = process;
  const settings = terminalSettings(folder);
  const observer = { ...process.observer, ...(onEvent !== undefined && { onEvent }) };
  const device = terminalDevice(folder.signing, settings, process.host, folder.storage, observer);
  const status = (): Line => terminalStatus(device.state.books);
  return { process, device, settings, status };
}

/** What the machine of a terminal in this folder is told. */
export function terminalSettings({ path, file, site }: DeviceFolder): TerminalSettings {
  const { role, payee, certificate, wideMax } = file;
  if ((role !== 'pos' && role !== 'charger') || payee === undefined || certificate === undefined)
    throw new Error(`${path} holds no terminal with a payee`);
  return {
    ...site,
    role,
    scheme: 'secp256k1',
    payee: fromHex(payee),
    certificate: {
      expiresAt: seconds(certificate.expiresAt),
      signature: fromHex(certificate.signature),
    },
    capTotal: CAP_TOTAL,
    ...(wideMax !== undefined && { wideMax: amount(wideMax) }),
    outboxMax: TERMINAL_OUTBOX_MAX,
    lanesMax: TERMINAL_LANES_MAX,
    entropyCertified: true,
    ...(role === 'pos' && { clearances: CLEARANCES, refundEarlier }),
  };
}

/** A flag's number. Throws `bad_number`. */
function positive(text: string, flag: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new SundialError('bad_number', `${flag} ${text} is no number above 0`, {
    severity: 'call',
    remedy: `Give one, for example ${flag} 40`,
  });
}

/** A tick's price. Throws `bad_amount`, for 0 as well: nobody could end such a session. */
function tickValue(text: string): Amount {
  const value = parseMoney(text);
  if (value > 0) return value;
  throw new SundialError('bad_amount', 'a tick of 0', {
    severity: 'call',
    remedy: 'Give --tick-value above 0, for example 0.02',
  });
}

async function runCharger(flags: ChargerFlags): Promise<void> {
  const curve = readLoadCurve(flags.curve);
  const speed = positive(flags.speed, '--speed');
  const tariff = {
    tickValue: tickValue(flags.tickValue),
    tickEnergyWh: positive(flags.tickWh, '--tick-wh'),
  };
  const { process, device, status } = await makeTerminal('charger', flags);
  const meter = new CurveMeter(curve, speed);
  const charger = new Charger(device, process.host.entropy, meter, tariff, nobleSuite.keccak256);
  process.onNotice((notice) => {
    charger.onNotice(notice);
    if (notice.type === 'deliver')
      process.output.say(`meter ${meter.readingWh()} Wh, ${meter.watts} W`, {
        event: 'meter',
        registerWh: meter.readingWh(),
        watts: meter.watts,
        minutes: Math.floor(meter.minutes),
      });
  });
  await process.run(
    device,
    'terminal',
    { offer: () => charger.offer(), endSession: () => charger.end() },
    () => ({ ...status(), registerWh: meter.readingWh() }),
    // Whoever plugs in is offered a session, unless one goes on after a radio dropped out.
    () => {
      if (flags.start && device.state.volatile.session === undefined) void charger.offer();
    },
  );
}

/** Adds `charger`. */
export function addChargerCommand(program: Command): void {
  addDeviceOptions(program.command('charger').description('a charge point that is paid tick by tick'))
    .option(
      '--curve <file>',
      'load curve of the session: JSON, or a table (.csv) of minute and watts',
      dataFile('charge-11kw.json'),
    )
    .option('--speed <times>', 'how many seconds of the session pass in one second', '600')
    .option('--tick-value <amount>', 'price of one tick', '0.02')
    .option('--tick-wh <wh>', 'energy of one tick in watt-hours', '40')
    .option(
      '--no-start',
      'wait for {"offer":true} on stdin (with --control) instead of offering to whoever plugs in',
    )
    .action((flags: ChargerFlags) => runCharger(flags).catch(fail));
}
