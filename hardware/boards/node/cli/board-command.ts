/**
 * `sundial board`: a device as firmware on an emulated Cortex-M4. Same state folders, flags and lines as the Node
 * devices, so that the demonstration can take either. The board is provisioned from its folder when it is first used.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { BoardMemory, buildImage, Emulator } from '../../mps2-an386/host/emulator.ts';
import { injectKey, journalOf, writeSettings } from '../../mps2-an386/host/factory.ts';
import { mqttUplink } from '../mqtt.ts';
import { serialReader } from '../serial-reader.ts';
import { freeTapPath } from '../socket-link.ts';
import { KeyFault } from '../../../keys/key-fault.ts';
import { fromHex, toHex } from '../../../../protocol/bytes.ts';
import type { Notice } from '../../../../protocol/machines/effects.ts';
import {
  boardFolder,
  type DeviceFolder,
  type DeviceRole,
  lockDevice,
  readDevice,
  standingRecords,
} from './device-folder.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { parseLink } from '../links/address.ts';
import { parseMoney, parsePrice } from './money.ts';
import { syncFolder } from '../storage/durable-file.ts';
import { projectRoot } from './paths.ts';
import { describe } from './device-process.ts';
import { addDeviceOptions, type CommonFlags, deviceOptions, stateFolder } from './flags.ts';
import { fail, makeOutput, type Output } from './output.ts';
import { ensureBench } from './workbench.ts';

interface BoardFlags extends CommonFlags {
  readonly profile: string;
  readonly amount?: string;
  readonly speed: string;
  readonly tickValue: string;
  readonly tickWh: string;
  readonly start: boolean;
}

const ROLES: readonly DeviceRole[] = ['wearable', 'car', 'pos', 'charger'];
/** Effects that an image for tests can halt before, in the order of its console's `halt` command. */
const HALT_POINTS = ['', 'sign', 'send:receipt', 'send:voucher', 'persist:intent'];
/** What a payee risks offline in all, as for the Node terminals. */
const CAP_TOTAL = 2_000_000_000;

/**
 * The board of a device folder; one that is new gets key, settings and journal of the folder, all or none: with a part
 * of its journal a device would sign what it signed before. Throws `key_unsupported`, and `journal_full` when the
 * board's flash is too small for what it stands at.
 */
export function provision(
  folder: DeviceFolder,
  flags: Pick<BoardFlags, 'tickValue' | 'tickWh' | 'speed'>,
): BoardMemory {
  const { file } = folder;
  if (file.secret === undefined)
    throw new KeyFault(
      'key_unsupported',
      'The emulated board signs with secp256k1; this device has a P-256 element.',
    );
  const path = boardFolder(folder.path);
  if (existsSync(path)) return new BoardMemory(path);
  const aside = `${path}.new`;
  rmSync(aside, { recursive: true, force: true });
  const memory = new BoardMemory(aside);
  injectKey(memory, fromHex(file.secret, 32));
  writeSettings(memory, {
    role: file.role,
    chainId: file.chainId,
    vault: file.vault,
    hub: toHex(folder.site.hub.id),
    root: file.root,
    ...file.timing,
    ...(file.scope !== undefined && { scope: file.scope }),
    tapMax: parseMoney('50'),
    payee: file.payee ?? toHex(new Uint8Array(20)),
    certificateExpiresAt: file.certificate?.expiresAt ?? 0,
    certificateSignature: file.certificate?.signature ?? toHex(new Uint8Array(64)),
    capTotal: CAP_TOTAL,
    ...(file.wideMax !== undefined && { wideMax: file.wideMax }),
    tickValue: parseMoney(flags.tickValue),
    tickEnergyWh: Number(flags.tickWh),
    speed: Number(flags.speed),
  });
  const journal = journalOf(memory);
  // Not its history: a board's banks are smaller than the folder's.
  const standing = standingRecords(folder);
  for (const [count, record] of standing.entries()) journal.append(record, () => standing.slice(0, count));
  renameSync(aside, path);
  syncFolder(folder.path);
  return new BoardMemory(path);
}

/** Prints a board's line in the words of the Node devices. */
function show(output: Output, line: string): void {
  if (!line.startsWith('{') || !line.endsWith('}')) {
    if (line !== '') output.say(line, { event: 'console', line });
    return;
  }
  const { event, ...facts } = JSON.parse(line) as { event: string } & Record<string, unknown>;
  if (event === 'ready' || event === 'board') return;
  if (event === 'status' || event === 'halted' || event === 'fault') {
    output.say(line, { event, ...facts });
    return;
  }
  const bytes = Object.entries(facts).map(([name, value]) =>
    typeof value === 'string' && value.startsWith('0x') ? [name, fromHex(value)] : [name, value],
  );
  const notice = { type: event, ...Object.fromEntries(bytes) } as Notice;
  output.say(describe(notice) ?? event, { event, ...facts });
}

/** The path of a unix: address. Throws `wrong_link` for another kind of link. */
function socketOf(text: string): string {
  const address = parseLink(text);
  if (address.scheme === 'unix') return address.path;
  throw new SundialError('wrong_link', `a board's tap link is a line, not ${address.scheme}:`, {
    severity: 'call',
    remedy: 'Give unix:/path/of.sock, or pty for a pseudo terminal.',
  });
}

async function runBoard(role: DeviceRole, flags: BoardFlags): Promise<void> {
  if (!ROLES.includes(role))
    throw new SundialError('bad_role', `no board is a ${role}`, {
      severity: 'call',
      remedy: `Give one of ${ROLES.join(', ')}.`,
    });
  const path = stateFolder(role, flags);
  await ensureBench(role, path, flags);
  const folder = readDevice(path, role);
  const unlock = await lockDevice(path);
  const output = makeOutput(folder.file.name, flags.json);
  const memory = provision(folder, flags);
  // Whoever steers it by --control may also ask it to halt: only images for tests can.
  const { image } = await buildImage(projectRoot(), role, flags.profile, flags.control);
  // A board's emulator gives its line a pseudo terminal or a socket, and nothing else.
  const isPty = flags.tap === 'pty';
  const tap = isPty ? 'pty' : socketOf(deviceOptions({ ...flags, role }).tap);
  const listen = role === 'pos' || role === 'charger';
  if (listen && !isPty) await freeTapPath(tap);
  const board = new Emulator({ image, memory, tap: isPty ? 'pty' : { path: tap, listen }, uplink: true });
  board.onLine((line) => show(output, line));
  const { address } = await board.event('board');
  await board.event('ready', { timeoutMs: 60_000 });
  const uplinkPath = await board.uplinkPath();
  const tapPath = isPty ? `serial:${await board.tapPath()}` : `unix:${tap}`;

  let disconnect: (() => void) | undefined;
  const connect = (url: unknown): void => {
    disconnect?.();
    const uplink = mqttUplink({
      url: String(url),
      hub: folder.file.hub,
      device: String(address),
      reconnectMs: 500,
    });
    disconnect = serialReader(uplinkPath, uplink);
  };
  const stop = (code: number): void => {
    disconnect?.();
    void unlock();
    void board.kill().then(() => process.exit(code));
  };
  const controls: Record<string, (value: unknown) => void> = {
    sale: (value) => board.type(`sale ${parsePrice(String(value))}`),
    cancel: () => board.type('cancel'),
    offer: () => board.type('offer'),
    endSession: () => board.type(listen ? 'end' : 'stop'),
    renew: () => board.type('renew'),
    status: () => board.type('status'),
    haltAt: (value) => board.type(`halt ${Math.max(0, HALT_POINTS.indexOf(String(value)))}`),
    connect,
    disconnect: () => {
      disconnect?.();
      disconnect = undefined;
      output.say('no network', { event: 'disconnected' });
    },
    stop: () => stop(0),
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(0));
  void board.closed.then(() => process.exit(1));
  output.say(`ready: ${image}, tap link at ${tapPath}, uplink at ${uplinkPath}`, {
    event: 'ready',
    address,
    tap: tapPath,
    uplink: uplinkPath,
  });
  if (flags.hub !== undefined) connect(flags.hub);
  if (flags.amount !== undefined) controls.sale!(flags.amount);
  if (role === 'charger' && flags.start) controls.offer!(true);
  if (!flags.control) return;
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const [[name, value] = ['', undefined]] = Object.entries(JSON.parse(line) as object);
    const control = controls[name];
    if (control) control(value);
    else process.stderr.write(`unknown command "${name}"; known: ${Object.keys(controls).join(', ')}\n`);
  });
  lines.on('close', () => stop(0));
}

export function addBoardCommand(program: Command): void {
  addDeviceOptions(
    program
      .command('board')
      .argument('<role>', ROLES.join(', '))
      .description(
        'a device as firmware on an emulated Cortex-M4 (needs gcc-arm-none-eabi and qemu-system-arm). It taps other ' +
          'boards and the devices of the other commands; `--tap pty` gives its tap link a pseudo terminal.',
      ),
  )
    .option('--profile <name>', 'native: curves and hashes in C; noble: in JavaScript', 'native')
    .option('--amount <amount>', 'pos: ask for one payment')
    .option('--speed <times>', 'charger: how many seconds of the session pass in one second', '600')
    .option('--tick-value <amount>', 'charger: price of one tick', '0.02')
    .option('--tick-wh <wh>', 'charger: energy of one tick in watt-hours', '40')
    .option('--no-start', 'charger: wait for {"offer":true} on stdin (with --control)')
    .action((role: DeviceRole, flags: BoardFlags) => runBoard(role, flags).catch(fail));
}
