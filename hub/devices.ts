/** Devices as the registry knows them: who registered, and telling terminals what L2 settled for their payee. */
import { fromHex, toHex } from '../protocol/bytes.ts';
import { channelId } from '../protocol/integers.ts';
import { encodeMessage, type MessageOf, ROLES } from '../protocol/wire/messages.ts';
import { isTerminal } from './intake/registration.ts';
import { errorFields } from './errors.ts';
import type { Logger } from './log.ts';
import { terminalPayeesMax } from './limits.ts';
import type { LoginStore } from './ports.ts';
import type { RegisteredDevice, Registry } from './registry/registry.ts';
import type { SettledLane } from './watch/heads.ts';

/** Stores who registered, and tells terminals what L2 settled for their payee. */
export class Devices {
  private readonly registry: Registry;
  private readonly send: (device: string, message: Uint8Array) => void;
  private readonly log: Logger;

  constructor(registry: Registry, send: (device: string, message: Uint8Array) => void, log: Logger) {
    this.registry = registry;
    this.send = send;
    this.log = log;
  }

  /** Counters of logins, of devices that registered. */
  readonly logins: LoginStore = {
    counter: (device) => this.registry.state.logins[device],
    keep: async (device, counter) => {
      if (this.registry.state.devices[device] !== undefined)
        await this.registry.update({ logins: { [device]: counter } });
    },
  };

  /** Stores a device whose registration the intake has checked, and tells a terminal what it missed. */
  registered(device: string, message: MessageOf<'register'>): void {
    const id = toHex(message.device);
    const entry = deviceEntry(message, this.registry.state.devices[id]);
    if (JSON.stringify(this.registry.state.devices[id]) !== JSON.stringify(entry)) {
      this.registry
        .register(id, entry)
        .catch((error: unknown) => this.log.error(errorFields(error), 'not registered'));
    }
    if (entry.payee === undefined) return;
    const payee = message.payee!;
    for (const channel of this.registry.settledFor(entry.payee)) {
      const lane = this.registry.state.heads[channel]?.settled[entry.payee];
      if (lane === undefined) continue;
      this.sendSettled(device, {
        channel: channelId(Number(channel)),
        payee,
        paid: lane.paid as SettledLane['paid'],
        transaction: fromHex(lane.transaction, 32),
      });
    }
  }

  /** Tells all terminals of the lane's payee. Those that are away hear it when they register again. */
  settled(lane: SettledLane): void {
    for (const device of this.registry.terminalsOf(toHex(lane.payee))) this.sendSettled(device, lane);
  }

  private sendSettled(device: string, { channel, payee, paid, transaction }: SettledLane): void {
    this.send(device, encodeMessage({ type: 'settled', channel, payee, paid, transaction }));
  }
}

const ROLE_NAMES = Object.fromEntries(Object.entries(ROLES).map(([name, number]) => [number, name]));

function deviceEntry(message: MessageOf<'register'>, before?: RegisteredDevice): RegisteredDevice {
  const { role, channel, payee, certificateExpiresAt, entropyCertified, counter } = message;
  return {
    role: ROLE_NAMES[role] as RegisteredDevice['role'],
    ...(channel !== undefined && { channel }),
    // A payee counts only with its certificate, which the intake has checked for terminals.
    ...(isTerminal(message) && payee !== undefined && { payee: toHex(payee) }),
    ...earlierPayees(before, payee && toHex(payee)),
    ...(isTerminal(message) && certificateExpiresAt !== undefined && { certificateExpiresAt }),
    entropyCertified: entropyCertified === 1,
    counter,
  };
}

/** Whom a terminal sold for before it was certified for `payee`, the last one last. */
function earlierPayees(
  before: RegisteredDevice | undefined,
  payee: string | undefined,
): Pick<RegisteredDevice, 'earlierPayees'> {
  const all = [...(before?.earlierPayees ?? []), ...(before?.payee === undefined ? [] : [before.payee])];
  const others = all.filter((known) => known !== payee).slice(-(terminalPayeesMax - 1));
  return others.length === 0 ? {} : { earlierPayees: others };
}
