/**
 * What is announced in the vault and waits, as the registry keeps it: of each batch the lanes that it would raise and who
 * signed them. A batch goes when it was executed, and when nobody can execute it any more.
 */
import { fromHex, toHex, ZERO_ADDRESS } from '../../protocol/bytes.ts';
import type { Signing } from '../../protocol/signing/digests.ts';
import { type AnnouncedLane, announcedLanes } from '../l2/announced.ts';
import { announcedLanesMax, announcementLife } from '../limits.ts';
import type { L2Event } from '../ports.ts';
import type { RegistryState } from '../registry/registry.ts';

type Stored = RegistryState['announced'];
type Patch = Record<`0x${string}`, Stored[`0x${string}`] | null>;

const laneCount = (announced: Stored): number =>
  Object.values(announced).reduce((sum, { lanes }) => sum + lanes.length, 0);

/**
 * What events change of the batches that wait, and how many lanes found no place. `registered`: ids of payees (0x hex) that
 * these events gave out.
 */
export function announcedPatch(
  signing: Signing,
  { announced, payees }: RegistryState,
  registered: Readonly<Record<string, number>>,
  events: readonly L2Event[],
): { readonly patch: Patch; readonly unlisted: number } {
  const patch: Patch = {};
  if (!events.some(({ type }) => type === 'announced' || type === 'executed')) return { patch, unlisted: 0 };
  const ids = [...Object.entries(payees), ...Object.entries(registered)];
  const accounts = new Map(ids.map(([account, id]) => [id, fromHex(account, 20)]));
  let room = announcedLanesMax - laneCount(announced);
  let unlisted = 0;
  for (const event of events) {
    if (event.type === 'executed' && (announced[event.batch] ?? patch[event.batch]) !== undefined)
      patch[event.batch] = null;
    if (event.type !== 'announced') continue;
    const { batch, executableAt, rows } = event;
    const lanes = announcedLanes(signing, rows, accounts).map(
      ({ channel, payee, top, signer = ZERO_ADDRESS }) => ({
        channel,
        payee: toHex(payee),
        top,
        signer: toHex(signer),
      }),
    );
    if (lanes.length === 0) continue;
    unlisted += Math.max(0, lanes.length - room);
    const listed = lanes.slice(0, Math.max(0, room));
    room -= listed.length;
    if (listed.length > 0) patch[batch] = { executableAt, lanes: listed };
  }
  return { patch, unlisted };
}

/** Takes away what nobody can execute any more. `clock`: the vault's. */
export function overPatch({ announced }: RegistryState, clock: number): Patch {
  const over = Object.entries(announced).filter(
    ([, { executableAt }]) => executableAt + announcementLife < clock,
  );
  return Object.fromEntries(over.map(([batch]) => [batch, null]));
}

/**
 * Would one of these batches take from a channel that is known? A stranger's signature moves nothing; who signed for a payee
 * without an id can't be told.
 */
export const isTaking = ({ heads }: Pick<RegistryState, 'heads'>, patch: Patch): boolean =>
  Object.values(patch).some((batch) =>
    batch?.lanes.some(({ channel, signer }) => {
      const payer = heads[String(channel)]?.payer;
      return payer !== undefined && (signer === payer || signer === toHex(ZERO_ADDRESS));
    }),
  );

/** All lanes that wait. */
export function waitingLanes({ announced }: Pick<RegistryState, 'announced'>): AnnouncedLane[] {
  return Object.values(announced).flatMap(({ lanes }) =>
    lanes.map(({ channel, payee, top, signer }) => ({
      channel,
      payee: fromHex(payee, 20),
      top,
      signer: fromHex(signer, 20),
    })),
  );
}
