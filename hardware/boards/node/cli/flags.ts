/** Flags that all device commands share. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { SundialError } from '../../../../protocol/errors.ts';
import { type DeviceRole, KEYS, type KeyKind } from './device-folder.ts';
import { haltPoint } from './halt-points.ts';
import { defaultTap, STATE_ROOT } from './paths.ts';
import { INTENTS, type IntentPolicy } from '../../../../device/links/intent.ts';
import { linkForms, parseLink } from '../links/address.ts';
import type { DeviceOptions } from './device-process.ts';

export interface CommonFlags {
  readonly state?: string;
  readonly tap?: string;
  readonly hub?: string;
  readonly json: boolean;
  readonly control: boolean;
  readonly haltAt?: string;
  readonly intent?: string;
}

export function addDeviceOptions(command: Command): Command {
  return command
    .option('--state <folder>', 'state folder of this device (default: state/bench/<role>)')
    .option('--tap <address>', `the tap link. ${linkForms()}`)
    .option(
      '--hub <url>',
      'mqtt:// address of the hub, ble: or serial:/dev/ttyACM0 for a gateway, or none; an enrolled device knows its own, ' +
        'others have no network without it',
    )
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

/** Where the workbench keeps a device: one folder a role, and one for each with a secure element. */
export const benchFolder = (role: DeviceRole, key: KeyKind = 'memory'): string =>
  resolve(STATE_ROOT, 'bench', key === 'memory' ? role : `${role}-${key}`);

export function stateFolder(role: DeviceRole, flags: CommonFlags, key: KeyKind = 'memory'): string {
  return flags.state === undefined ? benchFolder(role, key) : resolve(flags.state);
}

/** Reads --key. Throws `bad_key`. */
export function keyKind(text: string): KeyKind {
  const found = KEYS.find((kind) => kind === text);
  if (found !== undefined) return found;
  throw new SundialError('bad_key', `"${text}" is no kind of key`, {
    severity: 'call',
    remedy: `Give one of ${KEYS.join(', ')}.`,
  });
}

export function deviceOptions(flags: CommonFlags & { readonly role?: DeviceRole }): DeviceOptions {
  return {
    json: flags.json,
    control: flags.control,
    hub: flags.hub,
    tap: flags.tap ?? defaultTap(flags.role ?? 'pos'),
    haltAt: flags.haltAt === undefined ? undefined : haltPoint(flags.haltAt),
    intent: intentPolicy(flags.intent ?? (flags.role === 'car' ? 'always' : 'press')),
  };
}

/** What is wrong with the command is said before anything is made. Throws what `deviceOptions` throws, and `bad_link`. */
export function checkDeviceOptions(flags: CommonFlags & { readonly role: DeviceRole }): void {
  parseLink(deviceOptions(flags).tap);
}

/** Reads --intent. Throws `bad_intent`. */
function intentPolicy(text: string): IntentPolicy {
  const found = INTENTS.find((policy) => policy === text);
  if (found !== undefined) return found;
  throw new SundialError('bad_intent', `"${text}" is no policy of intent`, {
    severity: 'call',
    remedy: `Give one of ${INTENTS.join(', ')}.`,
  });
}
