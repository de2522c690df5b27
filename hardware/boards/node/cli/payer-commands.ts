/** `sundial wearable` and `sundial car`: a payer as a process. */
import { stderr, stdin } from 'node:process';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { payerDevice } from '../../../../device/devices.ts';
import { Wearable } from '../../../../device/roles/wearable.ts';
import { payerStatus } from '../../../../device/status.ts';
import { fromHex } from '../../../../protocol/bytes.ts';
import type { PayerEvent } from '../../../../protocol/machines/payer/payer.ts';
import { readDevice } from './device-folder.ts';
import { DeviceProcess } from './device-process.ts';
import { addDeviceOptions, type CommonFlags, deviceOptions, keyKind, stateFolder } from './flags.ts';
import { formatMoney, parseMoney } from './money.ts';
import { fail } from './output.ts';
import { ensureBench } from './workbench.ts';

interface PayerFlags extends CommonFlags {
  readonly tapMax: string;
  readonly confirmLimit: string;
  readonly dayLimit: string;
  readonly key: string;
}

/** The line of a person at a keyboard: y, and nothing else, is a yes. */
function askPerson(answered: (yes: boolean) => void): void {
  const lines = createInterface({ input: stdin, output: stderr });
  lines.question('Pay this? [y/N] ', (text) => {
    lines.close();
    answered(/^y(es)?$/i.test(text.trim()));
  });
}

async function runPayer(role: 'wearable' | 'car', flags: PayerFlags): Promise<void> {
  const kind = keyKind(flags.key);
  const path = stateFolder(role, flags, kind);
  await ensureBench(role, path, flags, kind);
  const process = await DeviceProcess.open(readDevice(path, role), deviceOptions({ ...flags, role }));
  const { folder } = process;
  const { scheme, publicKey } = process.host.key;
  const runtime = payerDevice(
    folder.signing,
    {
      ...folder.site,
      role,
      scheme,
      ...(publicKey !== undefined && { key: publicKey }),
      tapMax: parseMoney(flags.tapMax),
      confirmLimit: parseMoney(flags.confirmLimit),
      dayLimit: parseMoney(flags.dayLimit),
      ...(folder.file.scope !== undefined && { scope: fromHex(folder.file.scope) }),
      entropyCertified: true,
    },
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

export function addPayerCommands(program: Command): void {
  for (const [role, words] of [
    ['wearable', 'a wearable that pays whatever terminal it is held to, with no network'],
    ['car', 'a car that pays a charger tick by tick, with no network'],
  ] as const) {
    addDeviceOptions(program.command(role).description(words))
      .option('--tap-max <amount>', 'refuse taps above this amount', '50')
      .option(
        '--confirm-limit <amount>',
        'ask whoever wears it above this, where the hub clears a payment',
        '20',
      )
      .option('--day-limit <amount>', 'pay at most so much above its limits in one UTC day', '200')
      .option(
        '--key <kind>',
        'for a device that the workbench makes: memory, or p256 for a (simulated) secure element',
        'memory',
      )
      .option(
        '--intent <policy>',
        'when a radio lets it be found: press (ten seconds after {"press":true} or the start by hand), or always',
        role === 'car' ? 'always' : 'press',
      )
      .action((flags: PayerFlags) => runPayer(role, flags).catch(fail));
  }
}
