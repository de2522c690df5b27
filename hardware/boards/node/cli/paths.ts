/** Where things are on this machine: the project, its data, the state of devices, and the sockets of tap links. */
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import type { DeviceRole } from './device-folder.ts';

/** Where devices keep their state when no folder is named. */
export const STATE_ROOT = resolve('state');

/** The project's own folder, wherever the command is called from. */
export const projectRoot = (): string => process.env.SUNDIAL_ROOT ?? process.cwd();

export const dataFile = (name: string): string =>
  join(projectRoot(), 'simulators', 'scenarios', 'data', name);

/** Who taps whom when no path is named: wearables tap tills, cars plug into chargers. */
const PLACES = { wearable: 'till', pos: 'till', car: 'plug', charger: 'plug' } as const;

/** Address of a socket with a short path outside the project: socket paths have at most 107 characters. */
export function defaultTap(role: DeviceRole): string {
  return `unix:${join(tmpdir(), `sundial-${userInfo().uid}`, `${PLACES[role]}.sock`)}`;
}
