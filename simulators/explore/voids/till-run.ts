/** The terminal of these walks: one event, and all that follows from it at once. */
import type { TerminalRecord } from '../../../protocol/machines/terminal/books.ts';
import type { TerminalState } from '../../../protocol/machines/terminal/state.ts';
import { type TerminalEvent, terminalStep } from '../../../protocol/machines/terminal/terminal.ts';
import { carryOutAll, type Ran, type Told } from '../actors/device.ts';
import { settingsOf } from '../actors/terminal.ts';
import type { Scene } from '../scene.ts';
import { standInSignature } from '../suite.ts';

/** What came of an event at the terminal. */
export type TillRan = Ran<TerminalState, Told<TerminalRecord>>;

/** Carries out an event at a terminal of a scene, the first by default; its key answers at once. `nowMs`: of its own clock. */
export function tillRun(
  scene: Scene,
  state: TerminalState,
  event: TerminalEvent,
  nowMs = 0,
  index = 0,
): TillRan {
  const self = scene.terminals[index]!;
  const settings = settingsOf(scene, index);
  return carryOutAll(
    (current: TerminalState, given: TerminalEvent) =>
      terminalStep({ signing: scene.signing, self }, settings, current, given, nowMs),
    (digest): TerminalEvent => ({ type: 'signed', digest, signature: standInSignature(self, digest) }),
    state,
    event,
  );
}
