/** How a program on a device of the fleet ends in the middle of something. */
import { PowerCut } from '../stage/flash/ram-flash.ts';
import type { World } from '../stage/world/world.ts';
import type { AnyDevice } from './device.ts';

/** The process that wanted this is no more. */
export class Gone extends Error {}

/** What an error comes to: nothing where the process is gone, the end of its power, or a defect that ends the run. */
export function endProgram(error: unknown, device: AnyDevice, world: World): void {
  if (error instanceof Gone) return;
  if (error instanceof PowerCut) return device.powerOff(error.message);
  world.fail(error);
}
