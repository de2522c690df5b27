/**
 * Devices that introduce themselves, each with its own signature and a counter that only grows, so that nobody else can.
 * A terminal names its payee in what it signs and shows that payee's certificate; the hub believes nothing else about it.
 * Terminals of a scope become members, at most SCOPE_TERMINALS_MAX under any lease: they are the H of the loss bound.
 */
import { equalBytes, fromHex, ZERO_ADDRESS } from '../../protocol/bytes.ts';
import { type Seconds, seconds, UINT40_MAX } from '../../protocol/integers.ts';
import { SCOPE_TERMINALS_MAX } from '../../protocol/limits.ts';
import type { RefusalName } from '../../protocol/refusals.ts';
import { type MessageOf, ROLES } from '../../protocol/wire/messages.ts';
import type { RecordOf } from '../ledger/records.ts';
import type { IntakeContext, IntakeState } from './state.ts';
import { bytesKey, trieGet } from './trie.ts';

/** Why a device is not taken, or undefined. Payers need nothing but certified entropy: their money is on L2. */
export function registrationRefusal(
  context: IntakeContext,
  state: IntakeState,
  message: MessageOf<'register'>,
): RefusalName | undefined {
  if (!Object.values(ROLES).some((role) => role === message.role)) return 'field_range';
  const { device, counter, signature, key } = message;
  const signed = { hub: context.hub.id, device, payee: message.payee ?? ZERO_ADDRESS, counter };
  if (!context.signing.signedBy('Register', signed, signature, device, key)) return 'signature';
  // The newest one again is a message that came twice.
  if (counter < (trieGet(state.counters, bytesKey(device)) ?? 0)) return 'register_stale';
  if (isTerminal(message)) {
    const { payee, certificate, certificateExpiresAt } = message;
    if (payee === undefined || certificate === undefined || certificateExpiresAt === undefined) {
      return 'certificate_invalid';
    }
    const certified = { terminal: device, payee, expiresAt: certificateExpiresAt };
    if (!context.signing.signedBy('Terminal', certified, certificate, payee)) return 'certificate_invalid';
    if (state.block !== undefined && certificateExpiresAt < state.block.at) return 'certificate_expired';
    if (trieGet(state.payees, bytesKey(payee)) === undefined) return 'payee_unknown';
  }
  return message.entropyCertified === 1 || context.development ? undefined : 'entropy_uncertified';
}

/** Does a terminal register, and not a payer? */
export const isTerminal = ({ role }: MessageOf<'register'>): boolean =>
  role === ROLES.pos || role === ROLES.charger;

/** The memberships that a terminal gets: for each scope of its payee a new one, one still good, or a refusal. */
export function memberships(
  context: IntakeContext,
  state: IntakeState,
  message: MessageOf<'register'>,
): ({ readonly member: RecordOf<'member'>; readonly known: boolean } | { readonly refusal: RefusalName })[] {
  const { payee, device } = message;
  if (payee === undefined || state.block === undefined) return [];
  const { at } = state.block;
  const expiresAt = seconds(Math.min(at + context.timing.payeeOfflineMax, UINT40_MAX));
  return Object.entries(context.scopes)
    .filter(([, payees]) => payees.includes(bytesKey(payee)))
    .map(([scope]) => {
      // A lease from before a membership ended counts at its terminal, and at whoever comes in its place: that is free only
      // when no such lease is good any more, or two sets of H terminals would share one lease.
      const { leaseLifetime, clockError } = context.timing;
      const held = (state.books.members[scope] ?? []).filter(
        (member) => member.expiresAt + leaseLifetime + clockError >= at,
      );
      const own = held.find((member) => equalBytes(member.terminal, device));
      if (own !== undefined && isFresh(context, own.expiresAt, at)) {
        return { known: true, member: { type: 'member', scope: fromHex(scope), ...own } };
      }
      if (own === undefined && held.length >= SCOPE_TERMINALS_MAX) return { refusal: 'scope_full' };
      return { known: false, member: { type: 'member', scope: fromHex(scope), terminal: device, expiresAt } };
    });
}

/** In the first half of its life a membership is given again instead of renewed. */
function isFresh(context: IntakeContext, expiresAt: Seconds, at: Seconds): boolean {
  return expiresAt - at > context.timing.payeeOfflineMax / 2;
}
