/**
 * A terminal whose machine is honest and whose owner is not: it keeps whatever anybody ever said, on tap links, to the
 * hub and by the hub, and says it again to whoever taps, and to the hub. Every promise must hold all the same.
 */
import { TAP_MESSAGE_BYTES_MAX } from '../../protocol/limits.ts';
import { encodeMessage, type Message } from '../../protocol/wire/messages.ts';
import type { TerminalActor } from '../fleet/actors.ts';
import type { Run } from '../fleet/run.ts';
import type { Random } from '../stage/world/random.ts';
import { MINUTE, SECOND } from '../stage/world/world.ts';
import { Memory } from './memory.ts';

/** Messages said again to each payer that taps. */
const SAID_MOST = 12;

export function planReplays(simulation: Run, random: Random, terminal: TerminalActor): void {
  const { world, broker } = simulation;
  const { device } = terminal;
  const onTap = new Memory();
  const toHub = new Memory();
  const keep = (message: Message): void => {
    if (encodeMessage(message).length <= TAP_MESSAGE_BYTES_MAX) onTap.keep(message);
  };
  simulation.overhear((from, message) => {
    keep(message);
    // Somebody greets, and it may be us: all the old messages come with the new ones.
    if (message.type !== 'hello' || !device.isLinked) return;
    for (let left = random.between(1, SAID_MOST); left > 0; left--)
      world.after(random.between(1, 4 * SECOND), () => {
        const said = onTap.pick(random);
        if (said !== undefined && from !== device) device.inject(said);
      });
  });
  simulation.overhearHub(keep, (message) => toHub.keep(message));
  const again = (): void => {
    world.after(random.between(SECOND, 2 * MINUTE), () => {
      if (world.nowMs > simulation.activeUntilMs) return;
      const said = toHub.pick(random);
      if (said !== undefined) broker.up(device.id, encodeMessage(said));
      again();
    });
  };
  again();
}
