/** Flags that all device commands share. */
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { DeviceOptions } from './device-process.ts';

export interface CommonFlags {
  readonly state?: string;
  readonly tap?: string;
  readonly hub?: string;
  readonly json: boolean;
  readonly control: boolean;
  readonly haltAt?: string;
}

/** Where devices keep their state when no folder is named. */
export const STATE_ROOT = resolve('state');

/** Who taps whom when no path is named: wearables tap tills, cars plug into chargers. */
const PLACES = { wearable: 'till', pos: 'till', car: 'plug', charger: 'plug' } as const;

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

export function stateFolder(role: keyof typeof PLACES, flags: CommonFlags): string {
  return resolve(flags.state ?? join(STATE_ROOT, 'bench', role));
}

export function deviceOptions(flags: CommonFlags & { readonly role?: keyof typeof PLACES }): DeviceOptions {
  return {
    json: flags.json,
    control: flags.control,
    hub: flags.hub,
    tap: flags.tap ?? defaultTap(flags.role ?? 'pos'),
    haltAt: flags.haltAt,
  };
}

/** A short path outside the project: socket paths have at most 107 characters. */
export function defaultTap(role: keyof typeof PLACES): string {
  return join(tmpdir(), `sundial-${userInfo().uid}`, `${PLACES[role]}.sock`);
}

/** The project's own folder, wherever the command is called from. */
export const projectRoot = (): string => process.env.SUNDIAL_ROOT ?? process.cwd();

export const dataFile = (name: string): string => join(projectRoot(), 'simulators', 'data', name);
