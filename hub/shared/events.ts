/** What the registry says, as the intake is told it. */
import { fromHex } from '../../protocol/bytes.ts';
import { channelId } from '../../protocol/integers.ts';
import type { IntakeEvent } from '../intake/state.ts';
import type { RegistryPatch, RegistryState } from '../registry/registry.ts';
import { waitingLanes } from '../watch/announced.ts';
import { factsOf } from '../watch/heads.ts';

/** Devices that registered. */
export function* deviceEvents(devices: RegistryState['devices']): Generator<IntakeEvent> {
  for (const [address, { payee, earlierPayees = [], counter }] of Object.entries(devices)) {
    const device = fromHex(address, 20);
    for (const known of [...earlierPayees, payee]) {
      const certified = known === undefined ? undefined : fromHex(known, 20);
      yield { type: 'device', device, counter, payee: certified };
    }
  }
}

/** What owners said of their channels. */
export function* limitEvents(limits: RegistryState['limits']): Generator<IntakeEvent> {
  for (const [channel, { tap, day }] of Object.entries(limits))
    yield { type: 'limits', channel: channelId(Number(channel)), limits: { tap, day } };
}

/** What a patch changed, by the state that has it. */
export function* patchEvents(state: Readonly<RegistryState>, patch: RegistryPatch): Generator<IntakeEvent> {
  for (const payee of Object.keys(patch.payees ?? {})) yield { type: 'payee', payee: fromHex(payee, 20) };
  for (const device of Object.keys(patch.devices ?? {})) {
    const entry = state.devices[device];
    if (entry !== undefined) yield* deviceEvents({ [device]: entry });
  }
  for (const channel of Object.keys(patch.limits ?? {})) {
    const limits = state.limits[channel];
    if (limits !== undefined) yield* limitEvents({ [channel]: limits });
  }
  if (patch.announced !== undefined) yield { type: 'announced', lanes: waitingLanes(state) };
  for (const channel of Object.keys(patch.heads ?? {})) {
    const head = state.heads[channel];
    if (head !== undefined)
      yield { type: 'channel', channel: channelId(Number(channel)), facts: factsOf(head) };
  }
}
