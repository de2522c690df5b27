/** `sundial wearable` and `sundial car`: a payer as a process. */
import { spawn } from 'node:child_process';
import { argv, execArgv, execPath, exit, stderr, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { payerDevice } from '../../../../device/devices.ts';
import { Wearable } from '../../../../device/roles/wearable.ts';
import { payerStatus } from '../../../../device/status.ts';
import { fromHex } from '../../../../protocol/bytes.ts';
import type { PayerEvent } from '../../../../protocol/machines/payer/payer.ts';
import type { PayerSettings } from '../../../../protocol/machines/payer/state.ts';
import type { SecureKey } from '../../../interfaces/index.ts';
import { type DeviceFolder, readDevice } from './device-folder.ts';
import { DeviceProcess } from './device-process.ts';
import {
  addDeviceOptions,
  checkDeviceOptions,
  type CommonFlags,
  deviceOptions,
  keyKind,
  stateFolder,
} from './flags.ts';
import { magicForms, magicOf } from './magic.ts';
import { formatMoney, parseMoney } from './money.ts';
import { fail } from './output.ts';
import { believedSticker } from './sticker-command.ts';
import { ensureBench } from './workbench.ts';

interface PayerFlags extends CommonFlags {
  readonly tapMax: string;
  readonly confirmLimit: string;
  readonly dayLimit: string;
  readonly key: string;
  readonly sticker?: string;
  readonly magic?: string;
}

/** What an owner allows who says nothing else. */
const OWNER_LIMITS = { tapMax: '50', confirmLimit: '20', dayLimit: '200' };

/** The line of a person at a keyboard: y, and nothing else, is a yes. */
function askPerson(answered: (yes: boolean) => void): void {
  const lines = createInterface({ input: stdin, output: stderr });
  lines.question('Pay this? [y/N] ', (text) => {
    lines.close();
    answered(/^y(es)?$/i.test(text.trim()));
  });
}

/**
 * Runs this command once more, with the halt, and kills it there as if the power were gone. Resolves when it is; its
 * lines go where ours go.
 */
function losePower(haltAt: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const at = argv.findIndex((one) => one === '--magic' || one.startsWith('--magic='));
    const rest = argv.toSpliced(at, argv[at] === '--magic' ? 2 : 1).slice(1);
    const child = spawn(execPath, [...execArgv, ...rest, '--halt-at', haltAt], {
      stdio: ['inherit', 'pipe', 'inherit'],
    });
    let isCut = false;
    child.stdout.on('data', (lines: Buffer) => {
      stdout.write(lines);
      if (isCut || !/halted before|"event":"halted"/.test(lines.toString())) return;
      isCut = true;
      child.kill('SIGKILL');
    });
    child.once('error', reject);
    child.once('exit', (code) => (isCut ? resolve() : exit(code ?? 1)));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  });
}

async function runPayer(role: 'wearable' | 'car', flags: PayerFlags): Promise<void> {
  const magic = flags.magic === undefined ? undefined : magicOf(flags.magic);
  if (magic?.haltAt !== undefined) await losePower(magic.haltAt);
  const kind = keyKind(flags.key);
  const path = stateFolder(role, flags, kind);
  checkDeviceOptions({ ...flags, role });
  await ensureBench(role, path, flags, kind);
  const found = readDevice(path, role);
  const sticker = flags.sticker === undefined ? undefined : believedSticker(found, flags.sticker);
  const tap = flags.tap ?? sticker?.link;
  const process = await DeviceProcess.open(found, {
    ...deviceOptions({ ...flags, role, ...(tap !== undefined && { tap }) }),
    sticker,
    magic,
  });
  const { folder } = process;
  const runtime = payerDevice(
    folder.signing,
    payerSettings(folder, process.host.key, { ...flags, ...(magic?.tapMax && { tapMax: magic.tapMax }) }),
    process.host,
    folder.storage,
    process.observer,
  );
  const dispatch = (event: PayerEvent) => runtime.dispatch(event);
  let answer: ((yes: boolean) => void) | undefined;
  const wearable = new Wearable(runtime, {
    asks: (_question, answered) => {
      answer = answered;
      if (!flags.control && stdin.isTTY) askPerson(answered);
    },
  });
  process.onNotice((notice) => wearable.onNotice(notice));
  process.onNotice(({ type }) => {
    if (type === 'paid') magic?.paid?.();
  });
  await process.run(
    runtime,
    'payer',
    {
      endSession: () => dispatch({ type: 'stop' }),
      renew: () => dispatch({ type: 'renew' }),
      confirm: (yes) => answer?.(yes === true),
    },
    () => payerStatus(runtime.state.books),
  );
  const { lease, spent } = runtime.state.books;
  if (lease !== undefined && !flags.json) {
    process.output.say(
      `${formatMoney(lease.spendLimit - spent)} left to spend; taps up to ${formatMoney(lease.tapLimit)}`,
      {},
    );
  }
}

/** What the machine of a payer in this folder is told; limits as the owner's options have them. */
export function payerSettings(
  { path, file, site }: DeviceFolder,
  { scheme, publicKey }: Pick<SecureKey, 'scheme' | 'publicKey'>,
  limits: Pick<PayerFlags, 'tapMax' | 'confirmLimit' | 'dayLimit'> = OWNER_LIMITS,
): PayerSettings {
  const { role, scope } = file;
  if (role !== 'wearable' && role !== 'car') throw new Error(`${path} holds no payer`);
  return {
    ...site,
    role,
    scheme,
    ...(publicKey !== undefined && { key: publicKey }),
    tapMax: parseMoney(limits.tapMax),
    confirmLimit: parseMoney(limits.confirmLimit),
    dayLimit: parseMoney(limits.dayLimit),
    ...(scope !== undefined && { scope: fromHex(scope) }),
    entropyCertified: true,
  };
}

export function addPayerCommands(program: Command): void {
  for (const [role, words] of [
    ['wearable', 'a wearable that pays whatever terminal it is held to, with no network'],
    ['car', 'a car that pays a charger tick by tick, with no network'],
  ] as const) {
    addDeviceOptions(program.command(role).description(words))
      .option('--tap-max <amount>', 'refuse taps above this amount', OWNER_LIMITS.tapMax)
      .option(
        '--confirm-limit <amount>',
        'ask whoever wears it above this, where the hub clears a payment',
        OWNER_LIMITS.confirmLimit,
      )
      .option(
        '--day-limit <amount>',
        'pay at most so much above its limits in one UTC day',
        OWNER_LIMITS.dayLimit,
      )
      .option(
        '--key <kind>',
        'for a device that the workbench makes: memory, or p256 for a (simulated) secure element',
        'memory',
      )
      .option(
        '--sticker <code>',
        'text of a printed code, SDP1:...: its link is used, its place is shown, and no other terminal is paid',
      )
      .option(
        '--intent <policy>',
        'when a radio lets it be found: press (ten seconds after {"press":true} or the start by hand), or always',
        role === 'car' ? 'always' : 'press',
      )
      .option('--magic <name>', `does one thing wrong, to see what a till says. ${magicForms()}`)
      .action((flags: PayerFlags) => runPayer(role, flags).catch(fail));
  }
}
