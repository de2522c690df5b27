/** Flags that all device commands share. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { DeviceRole } from '../site/device-folder.ts';
import { defaultTap, STATE_ROOT } from '../site/paths.ts';
import type { DeviceOptions } from './device-process.ts';

export interface CommonFlags {
  readonly state?: string;
  readonly tap?: string;
  readonly hub?: string;
  readonly json: boolean;
  readonly control: boolean;
  readonly haltAt?: string;
}

export function addDeviceOptions(command: Command): Command {
  return command
    .option('--state <folder>', 'state folder of this device (default: state/bench/<role>)')
    .option('--tap <path>', 'socket of the tap link; both devices name the same one')
    .option('--hub <url>', 'mqtt:// address of the hub; without it the device has no network')
    .option('--json', 'one JSON object a line on stdout', false)
    .option(
      '--control',
      'take commands as JSON lines on stdin, such as {"sale":"4.50"} or {"status":true}',
      false,
    )
    .option(
      '--halt-at <effect>',
      'stop dead before this effect (persist:intent, send:receipt, ...): a crash test',
    );
}

export function stateFolder(role: DeviceRole, flags: CommonFlags): string {
  return resolve(flags.state ?? join(STATE_ROOT, 'bench', role));
}

export function deviceOptions(flags: CommonFlags & { readonly role?: DeviceRole }): DeviceOptions {
  return {
    json: flags.json,
    control: flags.control,
    hub: flags.hub,
    tap: flags.tap ?? defaultTap(flags.role ?? 'pos'),
    haltAt: flags.haltAt,
  };
}
